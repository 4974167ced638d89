-- codec.openai: OpenAI Chat Completions, as a provider speaks it and as a client does.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Chat" (POST /v1/chat/completions) and "Streaming events". The
-- engine's own shape of a request is this format's, so a request from an OpenAI client to such a
-- provider passes as bytes with a few edits.

local json = require "json"
local errors = require "errors"
local provider = require "provider"
local refusal = require "refusal"

local codec = {
   name = "openai",
   format = "openai",                 -- which front door speaks the same
   path = "/chat/completions",
   auth_header = "authorization",
   auth_prefix = "Bearer ",
}

-- Where things stand in an answer and in the events of a stream (core/wire.h).
codec.wire = provider.wire {
   framing = "sse",
   done = "[DONE]",
   content = {
      "choices.*.delta.content", "choices.*.delta.tool_calls", "choices.*.delta.reasoning_content",
      "choices.*.delta.reasoning", "choices.*.delta.refusal", "choices.*.delta.audio",
      "choices.*.delta.function_call", "choices.*.text",
   },
   finish = "choices.*.finish_reason",
   usage = "usage",
   payload = "choices",
   error = "error",
   answer = "choices.*.message",
}

-- Members that only make sense in a stream.
local stream_members = { "stream_options" }

-- What must change in a client's body to send it to this provider: edits, names to remove. A
-- stream is always asked for its usage; whether the client sees it is decided when it is sent on.
--   req: a request of this format;  model: the provider's name of the model;  stream: do we want a
--   stream?
function codec.edits(req, model, stream)
   local edits = { model = model }
   local options = req.stream_options
   if not stream then
      if req.stream then edits.stream = false end
      return edits, options ~= nil and stream_members or nil
   end
   if not req.stream then edits.stream = true end
   if type(options) == "table" and options.include_usage == true then return edits end
   local asked = json.object { include_usage = true }
   if type(options) == "table" then
      for name, value in pairs(options) do
         if name ~= "include_usage" then asked[name] = value end
      end
   end
   edits.stream_options = asked
   return edits
end

-- The body for a request that a script made (a table in the shape of Chat Completions): JSON text.
function codec.encode(req, model, stream)
   local body = {}
   for name, value in pairs(req) do body[name] = value end
   body.model = model
   body.stream = stream or nil
   body.stream_options = stream and { include_usage = true } or nil
   return json.encode(body)
end

-- A count of tokens: what a provider may send, absurd values taken for none.
local function number(value)
   if type(value) ~= "number" or not (value >= 0 and value < 1e12) then return 0 end
   return math.floor(value)
end

local function member(value, name)
   if type(value) == "table" then return value[name] end
end

-- The usage object in the engine's terms; tokens. input counts all input, cached the part of it
-- read from the provider's cache; output counts reasoning too. nil for anything but an object.
function codec.usage(usage)
   if type(usage) ~= "table" then return nil end
   return {
      input_tokens = number(usage.prompt_tokens),
      cached_tokens = number(member(usage.prompt_tokens_details, "cached_tokens")),
      output_tokens = number(usage.completion_tokens),
      reasoning_tokens = number(member(usage.completion_tokens_details, "reasoning_tokens")),
   }
end

-- ---- errors ----

-- The error behind an answer that is none: status, body (text), and a function that gives a header
-- of it.
function codec.error(status, body, header)
   return refusal.read { status = status, header = header, object = refusal.object(body) }
end

local function text(value)
   return type(value) == "string" and value or nil
end

-- ---- answers of providers ----

-- What a whole answer says: message, finish_reason, logprobs of the first choice; 'body' is all of
-- it.
function codec.decode(body)
   local decoded = json.decode(body)
   local choice = member(member(decoded, "choices"), 1)
   local message, logprobs = member(choice, "message"), member(choice, "logprobs")
   return {
      body = decoded,
      message = type(message) == "table" and message or {},
      finish_reason = text(member(choice, "finish_reason")),
      logprobs = logprobs ~= json.null and logprobs or nil,
   }
end

-- Content as text: a string, or the texts of a list of parts.
local function content_text(content)
   if type(content) ~= "table" then return text(content) end
   local parts = {}
   for _, part in ipairs(content) do parts[#parts + 1] = text(member(part, "text")) end
   return #parts > 0 and table.concat(parts) or nil
end

local function add_tool_events(list, calls)
   if type(calls) ~= "table" then return end
   for position, call in ipairs(calls) do
      local fn = member(call, "function")
      list[#list + 1] = {
         kind = "tool_call", index = number(member(call, "index") or position - 1),
         id = text(member(call, "id")), name = text(member(fn, "name")),
         arguments = text(member(fn, "arguments")) or "",
      }
   end
end

-- A decoder for one stream: a function from an event's data to a list of what it says, each one of
--   { kind = "text", text = }, { kind = "reasoning", text = }, { kind = "refusal", text = },
--   { kind = "tool_call", index =, id =, name =, arguments = fragment },
--   { kind = "finish", reason = }, { kind = "usage", usage = }
-- Only the first choice is told.
function codec.decoder()
   local counts_tokens -- a server whose choices[].index does so begins with 1 (old versions of TGI)
   return function(data)
      local list = {}
      if data == "[DONE]" then return list end
      local event = json.decode(data)
      if type(event) ~= "table" then return list end
      local choice = member(event.choices, 1)
      if choice then
         local index = number(member(choice, "index"))
         if counts_tokens == nil then counts_tokens = index ~= 0 end
         if index ~= 0 and not counts_tokens then choice = nil end
      end
      local delta = member(choice, "delta")
      if type(delta) == "table" then
         local reasoning = text(delta.reasoning_content) or text(delta.reasoning)
         if reasoning and reasoning ~= "" then list[#list + 1] = { kind = "reasoning", text = reasoning } end
         local content = content_text(delta.content)
         if content and content ~= "" then list[#list + 1] = { kind = "text", text = content } end
         if text(delta.refusal) and delta.refusal ~= "" then
            list[#list + 1] = { kind = "refusal", text = delta.refusal }
         end
         add_tool_events(list, delta.tool_calls)
      end
      local reason = text(member(choice, "finish_reason"))
      if reason then list[#list + 1] = { kind = "finish", reason = reason } end
      local usage = codec.usage(event.usage)
      if usage then list[#list + 1] = { kind = "usage", usage = usage } end
      return list
   end
end

-- ---- answers to clients ----

local function usage_object(usage)
   if not usage then return nil end
   return {
      prompt_tokens = usage.input_tokens, completion_tokens = usage.output_tokens,
      total_tokens = usage.input_tokens + usage.output_tokens,
      prompt_tokens_details = { cached_tokens = usage.cached_tokens },
      completion_tokens_details = { reasoning_tokens = usage.reasoning_tokens },
   }
end

local function message_of(reply)
   local message = {}
   for name, value in pairs(reply.message or {}) do message[name] = value end
   message.role = "assistant"
   if message.content == nil then message.content = json.null end
   return message
end

-- A reply as the body of a whole answer: JSON text. One that came from a provider of this format
-- keeps all of its body but what the policy changed.
--   meta: { id =, created = (seconds since 1970), model = }
function codec.answer(reply, meta)
   if reply.body then
      local choice = reply.edited and member(member(reply.body, "choices"), 1)
      if type(choice) == "table" then
         choice.message, choice.finish_reason = reply.message, reply.finish_reason or json.null
      end
      return json.encode(reply.body)
   end
   return json.encode {
      id = meta.id, object = "chat.completion", created = meta.created, model = meta.model,
      choices = { {
         index = 0, message = message_of(reply), logprobs = reply.logprobs or json.null,
         finish_reason = reply.finish_reason or "stop",
      } },
      usage = usage_object(reply.usage),
   }
end

-- A whole reply as the events of a stream: text, without the end mark (codec.stream_end).
--   meta: as for codec.answer, and include_usage (did the client ask for it?)
function codec.answer_stream(reply, meta)
   local out = {}
   local function chunk(choices, usage)
      out[#out + 1] = "data: " .. json.encode {
         id = meta.id, object = "chat.completion.chunk", created = meta.created, model = meta.model,
         choices = json.array(choices), usage = usage or (meta.include_usage and json.null or nil),
      } .. "\n\n"
   end
   -- One choice. Its logprobs go with the text, or with the end where there is none.
   local function answer(index, message, reason, logprobs)
      local function delta(fields, finish_reason)
         local with_text = fields.content or finish_reason
         chunk { {
            index = index, delta = json.object(fields), logprobs = with_text and logprobs or json.null,
            finish_reason = finish_reason or json.null,
         } }
         if with_text then logprobs = nil end
      end
      local function say(name, value)
         if value and value ~= "" then delta { [name] = value } end
      end
      chunk { { index = index, delta = { role = "assistant", content = "" }, logprobs = json.null,
         finish_reason = json.null } }
      say("reasoning_content", text(member(message, "reasoning_content")))
      say("reasoning", text(member(message, "reasoning")))
      say("content", content_text(member(message, "content")))
      say("refusal", text(member(message, "refusal")))
      local calls = member(message, "tool_calls")
      for position, call in ipairs(type(calls) == "table" and calls or {}) do
         delta { tool_calls = { {
            index = position - 1, id = call.id, type = "function", ["function"] = call["function"],
         } } }
      end
      delta({}, reason or "stop")
   end
   answer(0, reply.message, reply.finish_reason, reply.logprobs)
   local choices = member(reply.body, "choices")
   for position = 2, type(choices) == "table" and #choices or 0 do
      local choice = choices[position]
      answer(position - 1, member(choice, "message"), text(member(choice, "finish_reason")),
         member(choice, "logprobs"))
   end
   if meta.include_usage and reply.usage then chunk({}, usage_object(reply.usage)) end
   return table.concat(out)
end

codec.stream_type = "text/event-stream; charset=utf-8"
codec.stream_end = "data: [DONE]\n\n"

-- A comment in a stream: clients pass over it.
function codec.comment(text_)
   return ": " .. text_ .. "\n\n"
end

local message_problems = {
   missing = "missing required parameter: '%s'", type = "'%s' must be an array of messages",
   empty = "'%s' must hold at least one message", element = "'%s' must be an object",
   member = "'%s' must be a string",
}

-- What is wrong with a client's request: nil, or the error.
function codec.check_request(req)
   local function wrong(param, message)
      return errors.new {
         code = "bad_request", message = message, param = param, type = "invalid_request_error",
      }
   end
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

return codec
