-- request: what the readers of all formats share: the body's JSON, the model, and how a refusal gets out.
-- SPDX-License-Identifier: MIT
--
-- A reader fills an 'ask', what every format's request comes down to:
--   format, model (an entry of models.list), asked (the model as written), fault (behind the ':')
--   system, user, users, media, tool_result, tool_failed, bytes      see conversation.lua
--   tools { { name, description, parameters } … }   tool_choice ("auto", "none", "required", { name })
--   parallel
--   json, schema   stop, limit, n, seed   stream, include_usage, logprobs, top_logprobs
--   think   nil, or { effort = "low".. | nil, budget = tokens | nil, shown = whether the text may be seen }
--   cached, written, written_1h   tokens of the prompt, where the format lets the client say (else half of a
--   long one)
-- and what only its own writer looks at. It raises a plan (wire.fail) for what the provider refuses.
local json = require "json"
local models = require "sim.models"

local request = {}

function request.given(v)
   return v ~= nil and v ~= json.null
end

function request.or_nil(v)
   if v == json.null then return nil end
   return v
end

-- The decoded body, an object.
function request.body(text, wire)
   local body, why = json.decode(text)
   if body == nil then
      error(wire.fail("bad_json", { message = why.message or tostring(why) }), 0)
   end
   if type(body) ~= "table" or json.is_array(body) then error(wire.fail("bad_json",
      { message = "no object" }), 0) end
   return body
end

-- "mini:503*2" -> the model 'mini' and a fault; "mini:latest" is mini, as Ollama writes it. kind: "embeds",
-- "any", or nil for one that talks.
function request.model(ask, name, wire, kind)
   ask.asked = name
   local id, fault = name:match("^([^:]*):(.+)$")
   if fault == "latest" then fault = nil end
   ask.fault = fault
   ask.model = models.by_id[id or name]
   if not ask.model then error(wire.fail("no_model", { name = name }), 0) end
   if ask.model.embeds and not kind then
      error(wire.fail("bad_request", { message = "This is not a chat model.", param = "model" }), 0)
   elseif kind == "embeds" and not ask.model.embeds then
      error(wire.fail("permission", { message = "You are not allowed to generate embeddings from this "
         .. "model" }), 0)
   end
end

-- wire.read's ask, and the plan that refuses it, if one does.
function request.read(wire, req, capture, server)
   local ask = { format = wire.format, tools = {}, stop = {}, n = 1, limit = math.huge, tool_choice = "auto",
      parallel = true }
   local ok, refusal = pcall(wire.read, ask, req, capture, server)
   if ok then return ask end
   if type(refusal) == "table" then return ask, refusal end
   error(refusal, 0)
end

return request
