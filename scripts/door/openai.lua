-- door.openai: OpenAI Chat Completions, as a client speaks it; and the list of models in OpenAI's form.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Chat" (POST /v1/chat/completions), "Streaming events" and "Models". The
-- engine's own shape of a request is this one's, so there is nothing to decode.

local errors = require "errors"
local json = require "json"
local usage = require "usage"

local door = {
   name = "openai",
   format = "openai",
   stream_type = "text/event-stream; charset=utf-8",
   stream_end = "data: [DONE]\n\n",
   ping = ": ping\n\n",
}

local function member(value, name)
   if type(value) == "table" then return value[name] end
end

local function wrong(param, message)
   return errors.new {
      code = "bad_request", message = message, param = param, type = "invalid_request_error",
   }
end

-- ---- the request ----

-- door.head(body, route, view) -> { model =, stream =, include_usage = }. What is wrong is told by
-- door.check.
function door.head(_body, _route, view)
   local model = view.model
   return {
      model = model ~= json.null and model or nil, stream = view.stream == true,
      include_usage = member(view.stream_options, "include_usage") == true,
   }
end

local message_problems = {
   missing = "missing required parameter: '%s'", type = "'%s' must be an array of messages",
   empty = "'%s' must hold at least one message", element = "'%s' must be an object",
   member = "'%s' must be a string",
}

-- door.check(view) -> what is wrong with a client's request: nil, or the error.
function door.check(req)
   local problem, position = req:list_problem("messages", "role")
   if problem then
      local place = position and ("messages[%d]"):format(position) or "messages"
      if problem == "member" then place = place .. ".role" end
      return wrong(place, message_problems[problem]:format(place))
   end
   local stream = req.stream
   if stream ~= nil and stream ~= json.null and type(stream) ~= "boolean" then
      return wrong("stream", "'stream' must be true or false")
   end
   local options = req.stream_options
   if options ~= nil and options ~= json.null and (type(options) ~= "table" or json.is_array(options)) then
      return wrong("stream_options", "'stream_options' must be an object")
   end
end

-- ---- a whole answer ----

local function message_of(reply)
   local message = {}
   if json.is_array(reply.message) then return { role = "assistant", content = json.null } end
   for name, value in pairs(reply.message or {}) do message[name] = value end
   message.role = "assistant"
   if message.content == nil then message.content = json.null end
   return message
end

-- A reply as the body of a whole answer: JSON text. One that came from a provider of this format
-- keeps all of its body but what the policy changed.
--   meta: { id = the trace's, created = (seconds since 1970), model = }
function door.answer(reply, meta)
   if reply.body and reply.codec and reply.codec.format == "openai" then
      local choice = reply.edited and member(member(reply.body, "choices"), 1)
      if type(choice) == "table" then
         choice.message, choice.finish_reason = reply.message, reply.finish_reason or json.null
      end
      return json.encode(reply.body)
   end
   local choices = json.array {}
   for position, choice in ipairs(not reply.edited and reply.choices or { reply }) do
      choices[position] = { index = position - 1, message = message_of(choice),
         logprobs = choice.logprobs or json.null, finish_reason = choice.finish_reason or "stop" }
   end
   return json.encode {
      id = "chatcmpl-" .. meta.id, object = "chat.completion", created = meta.created, model = meta.model,
      choices = choices,
      usage = reply.usage and usage.to.openai(reply.usage) or nil,
   }
end

-- ---- a stream ----

local Encoder = {}
Encoder.__index = Encoder

-- A chunk with the JSON of its choices.
function Encoder:chunk(choices, used)
   return self.before .. choices .. (used and '],"usage":' .. used .. "}\n\n" or self.after)
end

-- One choice's delta, JSON. Its logprobs, when there are any, go with the text, or with the end where there
-- is none.
function Encoder:delta(index, delta, reason)
   local logprobs = "null"
   if self.logprobs[index] and (reason or delta:find('^{"content"')) then
      logprobs, self.logprobs[index] = json.encode(self.logprobs[index]), nil
   end
   return self:chunk(('{"index":%d,"delta":%s,"logprobs":%s,"finish_reason":%s}'):format(index, delta,
      logprobs, reason and json.encode(reason) or "null"))
end

local function named(name)
   return function(self, event)
      return self:delta(event.choice or 0, ('{"%s":%s}'):format(name, json.encode(event.text)))
   end
end

local function tool_call(self, event)
   local fn = { arguments = event.arguments, name = event.name }
   local call = { index = event.index, id = event.id, type = event.id and "function" or nil,
      extra_content = event.extra_content, ["function"] = fn }
   return self:delta(event.choice or 0, json.encode { tool_calls = { call } })
end

local writers = {
   text = named "content",
   reasoning = named "reasoning_content",
   refusal = named "refusal",
   tool_call = tool_call,
   reasoning_detail = function(self, event)
      return self:delta(event.choice or 0, json.encode { reasoning_details = { event.detail } })
   end,
   annotations = function(self, event)
      return self:delta(event.choice or 0, json.encode { annotations = event.annotations })
   end,
   image = function(self, event)
      return self:delta(event.choice or 0, json.encode { images = { event.image } })
   end,
   logprobs = function(self, event)
      self.logprobs[event.choice or 0] = event.logprobs
      return ""
   end,
   finish = function(self, event) return self:delta(event.choice or 0, "{}", event.reason) end,
   usage = function(self, event)
      self.usage = event.usage
      return ""
   end,
}

-- encoder:event(event) -> bytes.
function Encoder:event(event)
   local write, choice = writers[event.kind], event.choice or 0
   if not write then return "" end
   local bytes = write(self, event)
   if self.begun[choice] or bytes == "" then return bytes end
   self.begun[choice] = true
   return self:chunk(('{"index":%d,"delta":{"role":"assistant","content":""},"logprobs":null,'
      .. '"finish_reason":null}'):format(choice)) .. bytes
end

-- encoder:finish() -> bytes: the chunk with the usage, for a client that asked for it.
function Encoder:finish()
   if not self.include_usage or not self.usage then return "" end
   return self:chunk("", json.encode(usage.to.openai(self.usage)))
end

-- door.encoder(meta) -> encoder. meta: as for door.answer, and include_usage (did the client ask for it?).
function door.encoder(meta)
   local before = ('data: {"id":%s,"object":"chat.completion.chunk","created":%d,"model":%s,"choices":[')
      :format(json.encode("chatcmpl-" .. meta.id), meta.created, json.encode(meta.model))
   return setmetatable({
      before = before, after = meta.include_usage and '],"usage":null}\n\n' or "]}\n\n",
      include_usage = meta.include_usage, logprobs = {}, begun = {}, usage = false,
   }, Encoder)
end

-- A comment in a stream: clients pass over it.
function door.comment(text)
   return ": " .. text .. "\n\n"
end

-- ---- models ----

local function model_object(model)
   return { id = model.id, object = "model", created = 0, owned_by = model.owner }
end

-- Pages: what is asked for with GET. context.list() -> { { id =, owner =, entry = of the catalogue | nil },
-- ... };
-- context.find(id) -> one of them | nil, err.
door.pages = {
   models = function(answer, context)
      local data = json.array {}
      for _, model in ipairs(context.list()) do data[#data + 1] = model_object(model) end
      answer:reply(200, "application/json", nil, json.encode { object = "list", data = data })
   end,
   model = function(answer, context)
      local model, err = context.find(context.route.model)
      if not model then return answer:fail(err) end
      answer:reply(200, "application/json", nil, json.encode(model_object(model)))
   end,
}

return door
