-- reply: what a model or a policy answered, whole; and a stream's events gathered into one.
-- SPDX-License-Identifier: MIT
local json = require "json"
local text = require "text"
local trace = require "trace"

local reply = {}

-- A reply decodes its body when somebody looks inside. Fields: text, message, tool_calls,
-- finish_reason, assumed (true: the provider gave no reason), logprobs, body (all of the provider's
-- answer); usage, cost (USD), latency, ttft (seconds), model, provider, name ("provider/model"), label,
-- confidence (where one is known).
-- Assigning one changes what the client gets.
local Reply = { __metatable = "reply" }

-- The reply's own field 'read': false at first; a string: all that the answer says is this text
-- (codec.glance), and nothing was decoded; then READ: look into the view; SHOWN: a table of it is out, and
-- may be changed.
local READ <const>, SHOWN <const> = 1, 2

-- An answer that cannot be read says nothing; llm.lua has looked before at those where that can be.
local function view_of(self)
   if self.read ~= SHOWN then self.read = READ end
   if self.view then return self.view end
   self.view = self.codec.decode(self.raw) or { message = {} }
   if self.view.assumed then trace.note { no_finish_reason = self.name } end
   return self.view
end

local function text_of(message)
   local content = text.content(message.content)
   if content == "" and type(message.refusal) == "string" then return message.refusal end
   return content
end

-- What an answer that is one text and nothing else has to say; judges ask for these.
local PLAIN = { text = true, finish_reason = true, tool_calls = true, logprobs = true }

local function glance(self)
   local codec = self.codec
   self.read = not self.view and codec and codec.glance and codec.glance(self.raw) or READ
   return self.read
end

-- text and tool_calls are those of the message, read and written: there is one truth.
function Reply.__index(self, name)
   if PLAIN[name] then
      local said = self.read or glance(self)
      if type(said) == "string" then
         return name == "text" and said or name == "finish_reason" and "stop" or nil
      end
   end
   local view = view_of(self)
   if name == "text" then return text_of(view.message) end
   local value = view[name]
   if name == "tool_calls" then
      value = view.message.tool_calls
      if type(value) ~= "table" then return nil end
   end
   if type(value) == "table" then self.read = SHOWN end
   return value
end

function Reply.__newindex(self, name, value)
   local view = view_of(self)
   self.edited = true
   if name == "text" then
      view.message.content = value
   elseif name == "tool_calls" then
      view.message.tool_calls = value
   else
      view[name] = value
   end
end

-- reply.was_shown(r) -> boolean: has somebody got a table of what the answer says?
function reply.was_shown(r)
   return r.read == SHOWN
end

-- reply.of_call(entry, codec, raw, view, usage, cost, latency, ttft, label, warnings) -> reply: what a call
-- to a model has answered; what is not known may be nil or false. One table: every request makes one.
function reply.of_call(entry, codec, raw, view, usage, cost, latency, ttft, label, warnings)
   return setmetatable({
      raw = raw, codec = codec, view = view or false, edited = false, read = false, usage = usage or false,
      cost = cost, latency = latency, ttft = ttft or false, model = entry.model, provider = entry.provider,
      name = entry.name, label = label or false, confidence = false, warnings = warnings or false,
      models = false,
   }, Reply)
end

-- reply.new(fields) -> reply. Only these are kept in the reply itself; everything else is looked up in the
-- decoded view.
function reply.new(fields)
   return setmetatable({
      raw = fields.raw or false, codec = fields.codec or false, view = fields.view or false, edited = false,
      usage = fields.usage or false, cost = fields.cost or 0, latency = fields.latency or 0,
      ttft = fields.ttft or false,
      model = fields.model or false, provider = fields.provider or false, name = fields.name or false,
      label = fields.label or false, confidence = fields.confidence or false,
      warnings = fields.warnings or false, models = fields.models or false, read = false,
   }, Reply)
end

-- ---- a stream gathered ----

-- Fragments of one call share an index. Providers count from 0, from 1, or with gaps.
local function add_tool_call(calls, event)
   local call = calls[event.index]
   if not call then
      call = { id = event.id, name = event.name, arguments = {} }
      calls[event.index] = call
   end
   call.id, call.name = call.id or event.id, call.name or event.name
   call.extra_content = call.extra_content or event.extra_content
   call.arguments[#call.arguments + 1] = event.arguments
end

-- Parts of one text that came in pieces: a signature belongs to the text before it.
local function add_detail(details, detail)
   local last = details[#details]
   if last and detail.signature and not detail.text and last.type == detail.type and not last.signature then
      last.signature = detail.signature
   else
      local copy = {}
      for name, value in pairs(detail) do copy[name] = value end
      details[#details + 1] = copy
   end
end

local gatherers = {
   text = function(said, event) said.parts[#said.parts + 1] = event.text end,
   refusal = function(said, event) said.refusal[#said.refusal + 1] = event.text end,
   reasoning = function(said, event)
      said.reasoning[#said.reasoning + 1] = event.text
      said.fresh[#said.fresh + 1] = event.text
   end,
   tool_call = function(said, event) add_tool_call(said.calls, event) end,
   image = function(said, event) said.images[#said.images + 1] = event.image end,
   finish = function(said, event) said.reason = event.reason end,
   annotations = function(said, event)
      local all = said.annotations
      for _, annotation in ipairs(event.annotations) do all[#all + 1] = annotation end
   end,
   logprobs = function(said, event)
      for _, token in ipairs(event.logprobs.content or {}) do said.logprobs[#said.logprobs + 1] = token end
   end,
   -- A signature that comes alone signs the reasoning before it.
   reasoning_detail = function(said, event)
      local detail = event.detail
      if detail.type == "reasoning.text" and not detail.text and #said.fresh > 0 then
         add_detail(said.details, { type = detail.type, text = table.concat(said.fresh),
            signature = detail.signature, format = detail.format })
      else
         add_detail(said.details, detail)
      end
      said.fresh = {}
   end,
}

-- reply.gathering() -> what a stream has said so far: nothing.
function reply.gathering()
   return {
      parts = {}, refusal = {}, reasoning = {}, fresh = {}, details = {}, calls = {}, annotations = {},
      images = {}, logprobs = {}, reason = false,
   }
end

-- reply.gather(said, event): one more event of the first choice.
function reply.gather(said, event)
   local add = gatherers[event.kind]
   if add and (event.choice or 0) == 0 then add(said, event) end
end

local function joined(parts)
   return #parts > 0 and table.concat(parts) or nil
end

-- reply.gathered(said) -> view { message, finish_reason, assumed, logprobs }.
function reply.gathered(said)
   local message = {
      role = "assistant", content = joined(said.parts) or json.null, refusal = joined(said.refusal),
      reasoning_content = joined(said.reasoning),
      reasoning_details = #said.details > 0 and json.array(said.details) or nil,
      annotations = #said.annotations > 0 and json.array(said.annotations) or nil,
      images = #said.images > 0 and json.array(said.images) or nil,
   }
   for _, call in pairs(said.calls) do -- in the order of their indexes
      message.tool_calls = message.tool_calls or json.array {}
      message.tool_calls[#message.tool_calls + 1] = {
         id = call.id, type = "function", extra_content = call.extra_content,
         ["function"] = { name = call.name, arguments = table.concat(call.arguments) },
      }
   end
   return {
      message = message, finish_reason = said.reason or message.tool_calls and "tool_calls" or "stop",
      assumed = not said.reason or nil,
      logprobs = #said.logprobs > 0 and { content = json.array(said.logprobs) } or nil,
   }
end

-- ---- a whole reply as events ----

local function member(value, name)
   if type(value) == "table" then return value[name] end
end

local function full(value)
   return type(value) == "string" and value ~= "" and value or nil
end

-- The reasoning of a message. Each detail comes after the text that it signs, where that can be told: a door
-- that shows several signed thoughts must not join them.
local function think(message, emit)
   local details = member(message, "reasoning_details")
   details = type(details) == "table" and details or {}
   local thoughts = full(member(message, "reasoning_content")) or full(member(message, "reasoning"))
   local texts = {}
   for _, detail in ipairs(details) do
      texts[#texts + 1] = full(member(detail, "text")) or full(member(detail, "summary"))
   end
   local apart = not thoughts or table.concat(texts) == thoughts
   if thoughts and not apart then emit { kind = "reasoning", text = thoughts } end
   for _, detail in ipairs(details) do
      local own = full(member(detail, "text")) or full(member(detail, "summary"))
      if apart and own then emit { kind = "reasoning", text = own } end
      if type(detail) == "table" then emit { kind = "reasoning_detail", detail = detail } end
   end
end

-- Calls emit(event) for what one choice says, in the order in which a model says it.
local function say(message, reason, logprobs, emit)
   think(message, emit)
   if type(logprobs) == "table" then emit { kind = "logprobs", logprobs = logprobs } end
   local said = full(text.content(member(message, "content")))
   if said then emit { kind = "text", text = said } end
   if full(member(message, "refusal")) then emit { kind = "refusal", text = message.refusal } end
   local annotations = member(message, "annotations")
   if type(annotations) == "table" and #annotations > 0 then
      emit { kind = "annotations", annotations = annotations }
   end
   local images = member(message, "images")
   for _, image in ipairs(type(images) == "table" and images or {}) do
      emit { kind = "image", image = image }
   end
   local calls = member(message, "tool_calls")
   for position, call in ipairs(type(calls) == "table" and calls or {}) do
      local fn = member(call, "function")
      emit { kind = "tool_call", index = position - 1, id = full(member(call, "id")),
         name = full(member(fn, "name")), arguments = full(member(fn, "arguments")) or "{}",
         extra_content = member(call, "extra_content") }
   end
   emit { kind = "finish", reason = reason or "stop" }
end

-- All choices of an answer that holds more than one.
local function choices_of(self)
   local openai = self.codec and self.codec.format == "openai"
   local choices
   if openai then choices = member(member(self, "body"), "choices") else choices = member(self, "choices") end
   return type(choices) == "table" and choices or {}
end

-- reply.events(r) -> the reply as a list of events, as a stream's decoder gives them. Those of further
-- choices have choice = 1, 2, ...
function reply.events(r)
   local list = {}
   local function emit(event) list[#list + 1] = event end
   say(r.message, r.finish_reason, r.logprobs, emit)
   for position, choice in ipairs(choices_of(r)) do
      if position > 1 then
         say(member(choice, "message"), full(member(choice, "finish_reason")), member(choice, "logprobs"),
            function(event)
               event.choice = position - 1
               emit(event)
            end)
      end
   end
   if r.usage then emit { kind = "usage", usage = r.usage } end
   return list
end

-- reply.is(value) -> boolean.
function reply.is(value)
   return type(value) == "table" and getmetatable(value) == "reply"
end

return reply
