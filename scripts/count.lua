-- count: how many tokens a request's input has, without an answer: the provider's own count where it speaks
-- the client's API, an estimate otherwise.
-- SPDX-License-Identifier: MIT

local calling = require "calling"
local hub = require "hub"
local json = require "json"
local provider = require "provider"
local text = require "text"

local count = {}

local TIMEOUT = 10 -- seconds: the estimate is there at once
local PER_IMAGE = 1500 -- tokens of an image of about 1000 x 1000 pixels: Anthropic's width * height / 750
local PER_MESSAGE, PER_TOOL = 3, 12 -- tokens of roles and separators

local function data_tokens(part)
   local data = hub.text(hub.member(hub.member(part, "file"), "file_data"))
   return part.type == "image_url" and PER_IMAGE or data and PER_IMAGE + #data // 64 or 0
end

-- count.estimate(request) -> about how many tokens the input of a request of the hub has: no model's own
-- count, but near enough to tell whether it fits.
function count.estimate(req)
   local total = 0
   for _, message in ipairs(hub.list(req.messages)) do
      total = total + PER_MESSAGE
      for _, part in ipairs(hub.parts(hub.member(message, "content"))) do
         total = total + (hub.text(part.text) and text.tokens(part.text) or data_tokens(part))
      end
      for _, call in ipairs(hub.list(hub.member(message, "tool_calls"))) do
         total = total + PER_TOOL + text.tokens(json.encode(hub.member(call, "function") or ""))
      end
   end
   for _, tool in ipairs(hub.list(req.tools)) do total = total + PER_TOOL + text.tokens(json.encode(tool)) end
   return total
end

local function number(value)
   return math.type(value) == "integer" and value >= 0 and value or nil
end

-- count.ask(model, format, view) -> tokens | nil: the provider's own count of a client's request, when the
-- client named a model whose provider speaks the client's format and counts (codec.count = { path = text or
-- function(model), member = where the answer has the number }). Any failure: nil. Yields.
function count.ask(model, format, view)
   local entry, codec = calling.find(model)
   if not entry or codec.format ~= format or not codec.count then return nil end
   local path, headers = codec.count.path, {}
   if type(path) == "function" then path = path(entry.model) end
   for name, value in pairs(codec.headers or {}) do headers[name] = value end
   local line = provider.line {
      provider = entry.provider, path = path, headers = headers, wire = codec.wire,
      auth_header = codec.auth_header, auth_prefix = codec.auth_prefix,
   }
   if not line then return nil end
   local out = { body = view, edits = codec.edits(view, entry.model, false) }
   local call, status, answer = line:call(out, { timeout = TIMEOUT })
   if not call or status ~= 200 or type(answer) ~= "string" then return nil end
   return number(hub.member(json.decode(answer), codec.count.member))
end

-- count.fields(own) -> header fields: what a client is told when the count is not the provider's own.
function count.fields(own)
   return not own and { ["x-baton-warnings"] = "estimated: no model was asked" } or nil
end

return count
