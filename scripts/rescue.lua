-- rescue: streams that break in the middle: held back until they have proved good, and continued by a model
-- that goes on from the cut.
-- SPDX-License-Identifier: MIT
--
-- A guarded stream is read event by event. Its first tokens may be held back: a failure while nobody has seen
-- anything is like one before the first content. After that only a model that accepts the beginning of its
-- answer ("prefill") can go on; what it says is joined without a seam, no text comes twice, and the stream
-- tells all models that spoke. Where none can, the error comes as the last event: a cut answer is never shown
-- as a whole one.

local config = require "config"
local deadline = require "deadline"
local dialects = require "codec.dialects"
local health = require "health"
local json = require "json"
local models = require "models"
local reply = require "reply"
local tasks = require "tasks"
local trace = require "trace"

local rescue = {}

local MODES = { error = true, continue = true, restart = true }
local RESTART_TOKENS = 32 -- held back for rescue = "restart" where the options do not say how much
local ANEW = 24 -- bytes that a continuation and the answer begin with alike: it begins anew
local TOKEN_BYTES = 4 -- of English text, about

-- ---- options ----

-- rescue.is_mode(value) -> boolean.
function rescue.is_mode(value)
   return MODES[value] == true
end

local function is_amount(value, most)
   return value == nil or type(value) == "number" and value > 0 and value <= most
end

-- rescue.is_window(value) -> boolean: { tokens = 1 to 10000 }, { ms = 1 to 60000 } or both.
function rescue.is_window(value)
   if type(value) ~= "table" or not (value.tokens or value.ms) then return false end
   for name in pairs(value) do
      if name ~= "tokens" and name ~= "ms" then return false end
   end
   return is_amount(value.tokens, 10000) and is_amount(value.ms, 60000)
end

-- rescue.is_wanted(opts) -> boolean: must the stream be guarded?
function rescue.is_wanted(opts)
   return opts.hold ~= nil or opts.rescue == "continue" or opts.rescue == "restart"
end

-- rescue.is_stream(value) -> boolean.
function rescue.is_stream(value)
   return type(value) == "table" and getmetatable(value) == "stream"
end

-- ---- a guarded stream ----

local Guarded = {}
local guarded_meta = { __metatable = "stream", __index = Guarded }

local FACTS = { "model", "provider", "name", "label", "warnings", "usage", "cost", "latency", "ttft" }

-- What is known of the stream that speaks now.
function Guarded:adopt(stream)
   self.inner = stream
   for _, fact in ipairs(FACTS) do self[fact] = stream[fact] end
end

local function new(stream, plan)
   local self = setmetatable({
      plan = plan, entry = stream.entry, rest = plan.rest, models = { stream.name }, held = {}, at = 1,
      said = reply.gathering(), parts = {}, plain = true, taken = false, over = false, why = nil,
      codec = {}, -- nobody's: it is told event by event
      events = stream.events, reply = stream.reply, -- they stand on next
   }, guarded_meta)
   self:adopt(stream)
   return self
end

local function tokens_of(event)
   local said = event.text or event.arguments
   if not said then return 0 end
   return #said < TOKEN_BYTES and 1 or #said / TOKEN_BYTES
end

-- Reads into the window until it is full, or the answer complete. true | false, err
local function read(self, most)
   local tokens = 0
   while tokens < most do
      local event, err = self.inner:next()
      if not event then return err == nil, err end
      self.held[#self.held + 1] = event
      tokens = tokens + tokens_of(event)
   end
   return true
end

-- Fills the window that is held back. true | nil, err
function Guarded:fill(window)
   local most = window.tokens or math.huge
   local ok, err
   if not window.ms then
      ok, err = read(self, most)
   else
      local reader = tasks.spawn(function()
         local well, why = read(self, most)
         return { well, why }
      end)
      if not tasks.first({ reader }, window.ms / 1000) then
         reader:cancel() -- what it waits for comes later
         return true
      end
      ok, err = table.unpack(reader:join())
   end
   if ok then return true end
   return nil, err
end

-- rescue.guard(stream, plan) -> a guarded stream, its window filled | nil, err: it broke in the window. plan:
-- { ask =, req =, opts =, options = function(entry, req, opts) -> options of an attempt, rest = targets that
-- may follow, ends = a deadline or nil, stream = true }. Yields.
function rescue.guard(stream, plan)
   local self = new(stream, plan)
   local window = plan.opts.hold
   if not window and plan.opts.rescue == "restart" then window = { tokens = RESTART_TOKENS } end
   if not window then return self end
   local ok, err = self:fill(window)
   if ok then return self end
   return nil, err
end

-- ---- going on from the cut ----

local function has(list, wanted)
   for _, value in ipairs(list or {}) do
      if value == wanted then return true end
   end
   return false
end

-- The assistant's message that the model goes on from; nil: it does not. It must not end in white space,
-- which Anthropic refuses.
local function beginning(entry, said)
   local content, provider = said:match("^(.-)%s*$"), config.providers[entry.provider]
   if content == "" or not provider or not has(entry.capabilities, "prefill") then return nil end
   local prefix = provider.codec == "openai" and dialects.of(provider).prefix
   if type(prefix) == "string" and not (provider.path or ""):find(prefix, 1, true) then return nil end
   return { role = "assistant", content = content, prefix = prefix and true or nil }
end

-- The limits of tokens, less what was said.
local function less(settings, spent)
   for _, name in ipairs { "max_tokens", "max_completion_tokens" } do
      local limit = settings[name]
      if type(limit) == "number" then settings[name] = math.max(1, math.floor(limit - spent)) end
   end
end

-- The request with the beginning of its answer. What the model has thought is behind it; it does not think
-- again.
local function continued(req, message, spent)
   local copy = {}
   if type(req) == "string" then req = { messages = { { role = "user", content = req } } } end
   if type(req) == "userdata" then req = json.decode(req:json()) end
   for name, value in pairs(req) do copy[name] = value end
   copy.messages = json.array {}
   for position, other in ipairs(req.messages or {}) do copy.messages[position] = other end
   copy.messages[#copy.messages + 1] = message
   for _, name in ipairs { "reasoning_effort", "reasoning", "thinking" } do copy[name] = nil end
   less(copy, spent)
   return copy
end

-- How many bytes both begin with alike; n of them are known to be.
local function common(a, b, n)
   while n < #a and n < #b and a:byte(n + 1) == b:byte(n + 1) do n = n + 1 end
   return n
end

-- How many bytes at the end of a are the beginning of b.
local function overlap(a, b)
   for n = math.min(#a, #b), 1, -1 do
      if a:sub(-n) == b:sub(1, n) then return n end
   end
   return 0
end

-- What of the beginning of a continuation is new after 'said': some models say again what they were given,
-- and the white space at its end was not given. same: how many bytes both begin with alike. text | nil: more
-- must come | false: it is another answer. 'last': no more comes.
local function seam(said, fresh, same, last)
   if same == #said then return fresh:sub(same + 1) end
   if same == #fresh and not last then return nil end
   if same >= ANEW then return false end
   if not last and not fresh:find "%S" then return nil end
   return fresh:sub(overlap(said:match "%s*$", fresh) + 1)
end

-- The first text of the continuation, joined. The events that are to be told | nil: it is none.
local function joined(stream, said)
   local fresh, same, events = "", 0, {}
   while true do
      local event, err = stream:next()
      if not event and err then return nil end
      if event and event.kind == "text" then
         if same == #fresh then same = common(said, fresh .. event.text, same) end -- each byte once
         fresh = fresh .. event.text
      end
      if event and event.kind ~= "text" and event.kind ~= "reasoning" then events[#events + 1] = event end
      local text = seam(said, fresh, same, not event or event.kind == "finish")
      if text == false then return nil end
      if text and text ~= "" then table.insert(events, 1, { kind = "text", text = text }) end
      if text or not event or event.kind == "finish" then return events end
   end
end

-- Failures that another attempt may mend.
local mending = {
   timeout = true, unavailable = true, bad_response = true, overloaded = true, rate_limited = true,
}

-- Of several choices each has another beginning.
local function has_choices(plan)
   local n = plan.opts.n or type(plan.req) ~= "string" and plan.req.n
   return type(n) == "number" and n > 1
end

function Guarded:can_continue(err)
   local wanted = self.plan.opts.rescue == "continue" and not has_choices(self.plan)
   return wanted and self.plain and #self.parts > 0 and mending[err.code]
end

-- One model goes on, or not.
function Guarded:continue_with(entry, said)
   local plan = self.plan
   local message = beginning(entry, said)
   if not message or entry == self.entry and not health.retry(entry.name) then return false end
   local spent = #said // TOKEN_BYTES
   local req = continued(plan.req, message, spent)
   local own = plan.options(entry, req, plan.opts)
   if not own then return false end
   own.reasoning_effort = nil
   less(own, spent)
   local stream = plan.ask(entry, req, own, true)
   if not rescue.is_stream(stream) then return false end
   local events = joined(stream, said)
   if not events then
      stream:close()
      return false
   end
   self:adopt(stream)
   self.held, self.at = events, 1
   return true
end

-- Another model goes on from the cut: the one that was cut first, then those that follow it, each once.
-- true | false
function Guarded:continue(err)
   local said = table.concat(self.parts)
   local _ <close> = deadline.lower(self.plan.ends)
   local from, targets = self.name, self.rest
   if #self.models == 1 then targets = { self.entry, table.unpack(targets) } end
   self.rest = {}
   for position, target in ipairs(targets) do
      local entry = models.resolve(target)
      if entry and self:continue_with(entry, said) then
         self.entry, self.rest = entry, table.move(targets, position + 1, #targets, 1, {})
         self.models[#self.models + 1] = self.name
         trace.note { continued = { from = from, by = self.name, after_bytes = #said, code = err.code } }
         trace.answered(self.name)
         return true
      end
   end
   return false
end

-- ---- reading it ----

function Guarded:settle()
   self.over = true
   for _, fact in ipairs(FACTS) do self[fact] = self.inner[fact] end
end

function Guarded:deliver(event)
   if event.kind == "text" and not event.choice then
      self.parts[#self.parts + 1] = event.text
   elseif event.kind ~= "reasoning" and event.kind ~= "reasoning_detail" and event.kind ~= "usage" then
      self.plain = false -- a call of a tool, an image: nobody can go on from the middle of that
   end
   reply.gather(self.said, event)
   return event
end

-- stream:next() -> event | nil at the end | nil, err: as of every stream. Yields.
function Guarded:next()
   self.taken = true
   while true do
      local event = self.held[self.at]
      if event then
         self.held[self.at], self.at = nil, self.at + 1
         return self:deliver(event)
      end
      if self.over then return nil, self.why end
      local err
      event, err = self.inner:next()
      if event then return self:deliver(event) end
      if not err or not self:can_continue(err) or not self:continue(err) then
         self:settle()
         self.why = err
         return nil, err
      end
   end
end

-- stream:ends_with() -> the reason for the end of an answer that is held back whole | nil: it is not.
function Guarded:ends_with()
   for _, event in ipairs(self.held) do
      if event.kind == "finish" then return event.reason end
   end
   return nil
end

-- stream:close(): nobody wants the rest.
function Guarded:close()
   self.over = true
   self.inner:close()
end

-- An error that a call ended with; for who stands on streams of any kind.
function Guarded:failure(err)
   return self.inner:failure(err)
end

return rescue
