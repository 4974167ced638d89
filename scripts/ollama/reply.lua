-- ollama.reply: answers in Ollama's form, whole and as lines of a stream, of /api/chat and /api/generate.
-- SPDX-License-Identifier: MIT
--
-- Source: Ollama's api/types.go: ChatResponse, GenerateResponse, Metrics (durations in nanoseconds).

local clock = require "clock"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local member, full = hub.member, hub.full

local reply = {}

-- Ollama has no word for a call: an answer that calls has stopped. What was filtered says so.
local reasons = { tool_calls = "stop", function_call = "stop" }

local function reason_of(finish)
   return reasons[finish] or full(finish) or "stop"
end

local function nanoseconds(seconds)
   return type(seconds) == "number" and seconds > 0 and math.floor(seconds * 1e9) or 0
end

-- The members that end an answer. Clients divide by the durations.
--   total: seconds, or nil
local function ending(finish, used, total)
   local counts = usage.to.ollama(used or nil) or {}
   local all = math.max(2, nanoseconds(total))
   return {
      done = true, done_reason = reason_of(finish), total_duration = all, load_duration = 0,
      prompt_eval_count = counts.prompt_eval_count, prompt_eval_duration = 1,
      eval_count = counts.eval_count, eval_duration = all - 1,
   }
end

local function call_object(index, id, name, arguments)
   return { id = full(id), ["function"] = { index = index, name = name,
      arguments = (hub.arguments(arguments)) } }
end

local function image_data(image)
   local _, data = hub.split_data_url(member(member(image, "image_url"), "url"))
   return data
end

-- ---- whole ----

local function message_of(message)
   local out = { role = "assistant", content = hub.plain(member(message, "content")) }
   if out.content == "" then out.content = full(member(message, "refusal")) or "" end
   out.thinking = full(member(message, "reasoning_content")) or full(member(message, "reasoning"))
   for position, call in ipairs(hub.list(member(message, "tool_calls"))) do
      local fn = member(call, "function")
      out.tool_calls = out.tool_calls or json.array {}
      table.insert(out.tool_calls,
         call_object(position - 1, member(call, "id"), member(fn, "name"), member(fn, "arguments")))
   end
   for _, image in ipairs(hub.list(member(message, "images"))) do
      out.images = out.images or json.array {}
      out.images[#out.images + 1] = image_data(image)
   end
   return out
end

local function generates(meta)
   return member(meta.head, "generate") == true
end

-- A reply as the body of a whole answer: JSON text.
--   meta: { created = seconds, model = the name to show, head = { generate = } }
function reply.whole(answer, meta)
   local body = ending(answer.finish_reason, answer.usage, answer.latency or nil)
   local message = message_of(answer.message)
   body.model, body.created_at = meta.model, clock.date(meta.created)
   body.logprobs = member(answer.logprobs, "content")
   if generates(meta) then
      body.response, body.thinking = message.content, message.thinking
   else
      body.message = message
   end
   return json.encode(body)
end

-- ---- a stream ----

local Encoder = {}
Encoder.__index = Encoder

-- One line. fields: JSON of the message's members, without braces.
function Encoder:line(fields)
   local logprobs = ""
   if self.logprobs then
      logprobs = ',"logprobs":' .. json.encode(self.logprobs)
      self.logprobs = false
   end
   return ('{"model":%s,"created_at":"%s",%s%s,"done":false}\n'):format(self.model, clock.date(),
      self.generate and fields or '"message":{"role":"assistant",' .. fields .. "}", logprobs)
end

-- Writes the call whose fragments have been gathered.
function Encoder:close_call()
   local call = self.call
   if not call then return "" end
   self.call = false
   if self.generate then return "" end
   local made = call_object(self.calls, call.id, call.name or "", table.concat(call.fragments))
   self.calls = self.calls + 1
   return self:line('"content":"","tool_calls":' .. json.encode(json.array { made }))
end

local writers = {}

function writers.text(self, event)
   return self:close_call() .. self:line((self.generate and '"response":'
      or '"content":') .. json.encode(event.text))
end

writers.refusal = writers.text

function writers.reasoning(self, event)
   return self:close_call() .. self:line((self.generate and '"response":"","thinking":'
      or '"content":"","thinking":')
      .. json.encode(event.text))
end

function writers.tool_call(self, event)
   local before, call = "", self.call
   if not call or call.index ~= event.index then
      before = self:close_call()
      call = { index = event.index, fragments = {} }
      self.call = call
   end
   call.id, call.name = call.id or event.id, call.name or event.name
   call.fragments[#call.fragments + 1] = event.arguments
   return before
end

function writers.image(self, event)
   local data = not self.generate and image_data(event.image)
   return data and self:line('"content":"","images":' .. json.encode(json.array { data })) or ""
end

function writers.logprobs(self, event)
   self.logprobs = self.logprobs or json.array {}
   for _, token in ipairs(hub.list(member(event.logprobs, "content"))) do
      self.logprobs[#self.logprobs + 1] = token
   end
   return ""
end

function writers.finish(self, event)
   self.reason = event.reason
   return self:close_call()
end

function writers.usage(self, event)
   self.usage = event.usage
   return ""
end

-- encoder:event(event) -> bytes. Ollama's format holds one answer: those of further choices are left out.
function Encoder:event(event)
   local write = writers[event.kind]
   if not write or (event.choice or 0) ~= 0 then return "" end
   return write(self, event)
end

-- encoder:finish() -> bytes: the line that ends the answer.
function Encoder:finish()
   local before = self:close_call()
   local body = ending(self.reason, self.usage, clock.monotonic() - self.began)
   body.model, body.created_at = self.name, clock.date()
   body.logprobs = self.logprobs or nil
   if self.generate then body.response = "" else body.message = { role = "assistant", content = "" } end
   return before .. json.encode(body) .. "\n"
end

-- meta: as for reply.whole.
function reply.encoder(meta)
   return setmetatable({
      name = meta.model, model = json.encode(meta.model), generate = generates(meta), calls = 0, call = false,
      logprobs = false, reason = false, usage = false, began = clock.monotonic(),
   }, Encoder)
end

-- reply.loaded(model, generate) -> what a request without a prompt gets, which only loads a model.
function reply.loaded(model, generate)
   local body = { model = model, created_at = clock.date(), done = true, done_reason = "load" }
   if generate then body.response = "" else body.message = { role = "assistant", content = "" } end
   return json.encode(body)
end

-- reply.nothing(head) -> a line that adds nothing: it keeps a connection alive.
function reply.nothing(head)
   return reply.encoder { model = head.model, head = head }:line(head.generate and '"response":""'
      or '"content":""')
end

return reply
