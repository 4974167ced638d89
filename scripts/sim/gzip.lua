-- gzip: bytes as a gzip file (RFC 1952) of stored blocks: what a client has to unpack, without a compressor.
-- SPDX-License-Identifier: MIT
local gzip = {}

local TABLE = {}
for i = 0, 255 do
   local c = i
   for _ = 1, 8 do c = c & 1 == 1 and 0xEDB88320 ~ (c >> 1) or c >> 1 end
   TABLE[i] = c
end

local function crc32(crc, text)
   crc = crc ~ 0xFFFFFFFF
   for i = 1, #text do crc = TABLE[(crc ~ text:byte(i)) & 0xFF] ~ (crc >> 8) end
   return crc ~ 0xFFFFFFFF
end

local HEAD = "\x1f\x8b\8\0\0\0\0\0\0\xff"

-- Stored blocks of the text; none of them is the last.
local function blocks(text)
   local out = {}
   for at = 1, #text, 65535 do
      local piece = text:sub(at, at + 65534)
      out[#out + 1] = string.pack("<B I2 I2", 0, #piece, ~#piece & 0xFFFF) .. piece
   end
   return table.concat(out)
end

local LAST = "\1\0\0\xff\xff"

function gzip.whole(text)
   return HEAD .. blocks(text) .. LAST .. string.pack("<I4 I4", crc32(0, text), #text & 0xFFFFFFFF)
end

-- A source of (wait, bytes) whose bytes together are the gzip file of those of 'source'.
function gzip.stream(source)
   local crc, n, stage = 0, 0, "head"
   return function()
      if stage == "over" then return nil end
      local wait, data = source()
      if not wait then
         stage = "over"
         return 0, LAST .. string.pack("<I4 I4", crc, n & 0xFFFFFFFF)
      end
      crc, n = crc32(crc, data), n + #data
      local before = stage == "head" and HEAD or ""
      stage = "body"
      return wait, before .. blocks(data)
   end
end

return gzip
