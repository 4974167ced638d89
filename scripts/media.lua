-- media: images and files that a request names by URL, as bytes for a provider that takes no URL.
-- SPDX-License-Identifier: MIT
--
-- data: URLs are read on the spot. http: and https: URLs are fetched through the guard of core/address.h:
-- only public addresses, checked where the connection is made and again at each redirect, unless the
-- configuration's media.allow_private says otherwise. What comes must be an image, sound, video, a PDF or
-- text; a web page is an error.
local base64 = require "base64"
local config = require "config"
local errors = require "errors"
local http = require "http"

local media = {}

local settings = config.media or {}
local MAX_BYTES = settings.max_bytes or 20 << 20
local TIMEOUT = settings.timeout or 20 -- seconds, for all of it

-- The first bytes of what people send.
local magic = {
   { "^\137PNG\r\n\26\n", "image/png" }, { "^\255\216\255", "image/jpeg" }, { "^GIF8[79]a", "image/gif" },
   { "^RIFF....WEBP", "image/webp" }, { "^BM......\0\0\0\0", "image/bmp" }, { "^II%*\0", "image/tiff" },
   { "^MM\0%*", "image/tiff" }, { "^....ftyphei[cx]", "image/heic" }, { "^....ftypavif", "image/avif" },
   { "^....ftyp", "video/mp4" }, { "^\26E\223\163", "video/webm" }, { "^%%PDF%-", "application/pdf" },
   { "^RIFF....WAVE", "audio/wav" }, { "^ID3", "audio/mpeg" }, { "^\255[\243\250\251\242]", "audio/mpeg" },
   { "^OggS", "audio/ogg" }, { "^fLaC", "audio/flac" },
}

-- media.sniff(bytes) -> "image/png" and the like by the first bytes | nil.
function media.sniff(bytes)
   local head = bytes:sub(1, 32)
   for _, entry in ipairs(magic) do
      if head:find(entry[1]) then return entry[2] end
   end
end

-- "Image/PNG; charset=x" -> "image/png"; nil where there is none.
local function plain_type(value)
   local found = value and value:match("^%s*([%w!#$&^_.+-]+/[%w!#$&^_.+-]+)")
   return found and found:lower()
end

local taken = { image = true, audio = true, video = true }
local documents = { ["application/pdf"] = true, ["text/plain"] = true, ["text/csv"] = true,
   ["text/markdown"] = true, ["application/json"] = true }
-- What servers say that do not know.
local unknown = { ["application/octet-stream"] = true, ["binary/octet-stream"] = true,
   ["application/x-download"] = true, ["application/force-download"] = true }

local function is_taken(mime)
   return taken[mime:match("^[^/]+")] or documents[mime] or false
end

-- media.type(declared, bytes) -> the type of what came | nil: by the declared one where that is a type of
-- media; what is unknown, or is called an image and is another, goes by the first bytes.
function media.type(declared, bytes)
   local mime, seen = plain_type(declared), media.sniff(bytes)
   if mime == "image/jpg" then mime = "image/jpeg" end
   if not mime or unknown[mime] then return seen end
   if mime:find("^image/") and seen and seen:find("^image/") then return seen end
   return is_taken(mime) and mime or nil
end

local function fail(message, cause)
   return nil, errors.new { code = "bad_request", type = "invalid_request_error", message = message,
      cause = cause }
end

local function inline_data(url, max)
   local declared, data = base64.data_url(url, max)
   if not declared then return fail(data.message) end
   local head = base64.decode(data:sub(1, 44)) or ""
   local mime = media.type(declared, head)
   if not mime then
      return fail(("a data URL of the type '%s': only images, sound, video, PDF and text are taken")
         :format(declared:sub(1, 64)))
   end
   return { mime = mime, data = data }
end

-- Who asked cannot mend a file that does not come, but only they know what they meant by it: their mistake.
local function inline_remote(url, max)
   local answer, err = http.fetch(url, { max_bytes = max, timeout = TIMEOUT })
   if not answer then return fail("a file of the request cannot be fetched: " .. err.message, err) end
   if answer.status ~= 200 then
      return fail("a file of the request cannot be fetched: status " .. answer.status)
   end
   local mime = media.type(answer.headers["content-type"], answer.body)
   if not mime then
      local said = (answer.headers["content-type"] or "unknown"):sub(1, 64)
      return fail(("a file of the request has the type '%s': only images, sound, video, PDF, text are taken")
         :format(said))
   end
   return { mime = mime, data = base64.encode(answer.body) }
end

-- media.inline(url, { max_bytes = }) -> { mime = "image/png", data = base64 } | nil, err. max_bytes: of the
-- file; the configuration's media.max_bytes. An http: or https: URL is fetched: yields.
function media.inline(url, opts)
   if type(url) ~= "string" then
      errors.raise("media.inline: the URL must be a string, not a " .. type(url))
   end
   local max = opts and opts.max_bytes or MAX_BYTES
   if url:find("^[dD][aA][tT][aA]:") then return inline_data(url, max) end
   if url:find("^[hH][tT][tT][pP][sS]?:") then return inline_remote(url, max) end
   return fail("neither a data: nor an http: or https: URL")
end

-- media.data_url(mime, base64) -> a data: URL.
function media.data_url(mime, data)
   return "data:" .. mime .. ";base64," .. data
end

return media
