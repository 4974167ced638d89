-- vectors: texts as vectors of length 1, near each other where they share words.
-- SPDX-License-Identifier: MIT
local hash = require "hash"

local vectors = {}

vectors.SIZE = 256     -- numbers in a vector, unless others are asked for
vectors.SIZE_MAX = 3072

local PLACES = 6 -- numbers that a word touches

-- The vector of a text or of a list of token ids.
function vectors.of(input, size)
   local v, seen = {}, {}
   for i = 1, size do v[i] = 0.0 end
   local text = type(input) == "table" and table.concat(input, " ") or input:lower()
   for word in (text .. " \1"):gmatch("[%w\1\128-\255]+") do
      if not seen[word] then
         seen[word] = true
         for i = 1, PLACES do
            local h = hash("vector", word, i)
            local at = (h >> 8) % size + 1
            v[at] = v[at] + (h & 1 == 1 and 1 or -1) * (word == "\1" and 0.2 or 1)
         end
      end
   end
   local sum = 0
   for i = 1, size do sum = sum + v[i] * v[i] end
   local scale = 1 / math.sqrt(sum > 0 and sum or 1)
   for i = 1, size do v[i] = v[i] * scale end
   return v
end

function vectors.json(v)
   local out = {}
   for i, x in ipairs(v) do out[i] = ("%.8g"):format(x) end
   return "[" .. table.concat(out, ",") .. "]"
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Little-endian floats of 32 bits, in base64.
function vectors.base64(v)
   local bytes, out = {}, {}
   for i, x in ipairs(v) do bytes[i] = string.pack("<f", x) end
   local text = table.concat(bytes)
   for at = 1, #text, 3 do
      local a, b, c = text:byte(at, at + 2)
      local n = a << 16 | (b or 0) << 8 | (c or 0)
      for k = 0, 3 do
         local digit = (n >> (18 - 6 * k)) & 63
         local padding = k == 2 and not b or k == 3 and not c
         out[#out + 1] = padding and "=" or DIGITS:sub(digit + 1, digit + 1)
      end
   end
   return table.concat(out)
end

return vectors
