-- test_media: what a request names by URL, as bytes.
-- SPDX-License-Identifier: MIT
local t = require "test"
local base64 = require "base64"
local media = require "media"

local PNG = "\137PNG\r\n\26\n" .. ("\0"):rep(30)

t.case("base64 of a script", function()
   t.equal(base64.encode("foobar"), "Zm9vYmFy")
   t.equal(base64.decode("Zm9vYmFy"), "foobar")
   t.equal(base64.decode("-_-_"), "\251\255\191")
   t.equal(base64.decode("Zg"), "f")
   local bytes, err = base64.decode("Z g=")
   t.equal(bytes, nil)
   t.equal(err.code, "bad_request")
   t.equal(base64.encode(""), "")
   t.equal(base64.decode(""), "")
end)

t.case("vectors", function()
   local text = base64.of_floats { 0, 1, -2.5, 0.1 }
   t.equal(text, "AAAAAAAAgD8AACDAzczMPQ==")
   local list = base64.floats(text)
   t.equal(#list, 4)
   t.equal(list[3], -2.5)
   t.ok(math.abs(list[4] - 0.1) < 1e-8)
   t.equal(#base64.floats(""), 0)
   local none, err = base64.floats("AAAA")
   t.equal(none, nil)
   t.equal(err.code, "bad_request")
   t.raises(function() base64.of_floats { "x" } end, "numbers only")
end)

t.case("megabytes take no time of a script", function()
   local bytes = ("0123456789abcdef"):rep(1 << 18) -- 4 MiB
   local text = base64.encode(bytes)
   t.ok(base64.decode(text) == bytes)
   local got = media.inline("data:image/png;base64," .. text)
   t.ok(got.data == text)
end)

t.case("a data URL", function()
   local got = media.inline("data:image/png;base64," .. base64.encode(PNG))
   t.equal(got.mime, "image/png")
   t.equal(got.data, base64.encode(PNG))
   got = media.inline("data:,hi%20there")
   t.equal(got.mime, "text/plain")
   t.equal(base64.decode(got.data), "hi there")
   got = media.inline("DATA:audio/wav;codec=x;base64,Zm9v%59g%3D%3D")
   t.equal(got.mime, "audio/wav")
   t.equal(got.data, "Zm9vYg==")
   t.equal(media.inline("data:image/webp;base64,-_-_").data, "+/+/") -- the usual alphabet
   t.equal(media.inline("data:image/gif;base64,Zg").data, "Zg==")
   t.equal(media.data_url("image/png", "AAAA"), "data:image/png;base64,AAAA")
end)

t.case("the type of a data URL", function()
   local function type_of(declared, bytes)
      local got, err = media.inline("data:" .. declared .. ";base64," .. base64.encode(bytes))
      return got and got.mime, err
   end
   t.equal(type_of("image/jpeg", PNG), "image/png") -- a wrong label is common; providers refuse it
   t.equal(type_of("image/jpg", "xx"), "image/jpeg")
   t.equal(type_of("application/octet-stream", PNG), "image/png")
   t.equal(type_of("application/octet-stream", "%PDF-1.7"), "application/pdf")
   t.equal(type_of("IMAGE/PNG", PNG), "image/png")
   t.equal(type_of("image/svg+xml", "<svg/>"), "image/svg+xml")
   local mime, err = type_of("text/html", "<html>")
   t.equal(mime, nil)
   t.equal(err.code, "bad_request")
   t.ok(err.message:find("text/html", 1, true))
end)

t.case("what is no data URL", function()
   local function refused(url, words)
      local got, err = media.inline(url, { max_bytes = 4 })
      t.equal(got, nil)
      t.equal(err.code, "bad_request")
      t.ok(err.message:find(words, 1, true), err.message)
   end
   refused("data:image/png;base64,A", "broken")
   refused("data:image/png;base64,AA AA", "broken")
   refused("data:image/png;base64", "not a data URL")
   refused("data:image/png;base64,AAAAAAAA", "more than 4 bytes")
   refused("data:,12345", "more than 4 bytes")
   refused("data:,%31%32%33%34%35", "more than 4 bytes")
   refused("data:,%3", "percent sign")
   refused("file:///etc/passwd", "neither")
   refused("", "neither")
   refused("gopher://127.0.0.1/", "neither")
   t.raises(function() media.inline(7) end, "must be a string")
end)

t.case("magic bytes", function()
   local function is(bytes, mime) t.equal(media.sniff(bytes), mime) end
   is("\255\216\255\224", "image/jpeg")
   is("GIF89a", "image/gif")
   is("RIFF\1\2\3\4WEBPVP8 ", "image/webp")
   is("RIFF\1\2\3\4WAVEfmt ", "audio/wav")
   is("ID3\4", "audio/mpeg")
   is("OggS\0", "audio/ogg")
   is("\0\0\0\24ftypheic", "image/heic")
   is("\0\0\0\24ftypisom", "video/mp4")
   is("<html>", nil)
   is("", nil)
end)
