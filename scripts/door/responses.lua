-- door.responses: OpenAI's Responses API, as clients speak it.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Responses" (POST /v1/responses).

local decode = require "responses.request"
local errors = require "errors"
local json = require "json"
local shape = require "responses.shape"
local write = require "responses.write"

local door = {
   name = "responses",
   format = "responses",
   decode = decode,
   answer = write.whole,
   encoder = write.encoder,
   stream_type = "text/event-stream; charset=utf-8",
   stream_end = "",
   ping = ": ping\n\n",
   stamps = { '"baton:', '"' .. shape.MINTED }, -- what another provider's model has thought
}

-- A comment in a stream: clients pass over it.
function door.comment(text)
   return ": " .. text .. "\n\n"
end

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param,
      type = "invalid_request_error" }
end

local OURS <const> = 34 -- digits of the ids that we give to items; providers give more, or others

-- Does it name items that only this gateway has kept? Then its bytes cannot go to a provider as they are.
local function names_ours(body)
   if not body:find('"item_reference"', 1, true) then return nil end
   for digits in body:gmatch '"%a+_(%x+)"' do
      if #digits == OURS then return true end
   end
end

-- door.head(body text) -> { model =, stream =, include_usage = true, rewrite = } | nil, err.
function door.head(body)
   local found, err = json.find(body, "model")
   if err then return wrong(nil, err.message) end
   local model = found and json.decode(found)
   if model ~= nil and model ~= json.null and type(model) ~= "string" then
      return wrong("model", "'model' must be a string")
   end
   local stream = json.find(body, "stream")
   if stream and stream ~= "null" and stream ~= "true" and stream ~= "false" then
      return wrong("stream", "'stream' must be true or false")
   end
   return { model = type(model) == "string" and model or nil, stream = stream == "true",
      include_usage = true,
      rewrite = names_ours(body) }
end

return door
