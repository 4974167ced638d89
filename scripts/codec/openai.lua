-- codec.openai: OpenAI Chat Completions, as a provider speaks it.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Chat" (POST /v1/chat/completions) and "Streaming events". The
-- engine's own shape of a request is this format's, so a request from an OpenAI client to such a
-- provider passes as bytes with a few edits.

local json = require "json"
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

-- The body for a request that a script made (a table in the shape of Chat Completions), or that came in
-- another format: JSON text.
function codec.encode(req, to)
   local body = {}
   for name, value in pairs(req) do body[name] = value end
   body.model = to.model
   body.stream = to.stream or nil
   body.stream_options = to.stream and { include_usage = true } or nil
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

return codec
