-- llm: calls to models.
-- SPDX-License-Identifier: MIT
--
-- A target is "provider/model", an alias of the configuration, a selector ({ tier = "fast", needs =
-- { "tools" } }) or an entry of the catalogue. A request is what the policy was given, a table in
-- the shape of OpenAI Chat Completions ({ messages = ... }), or a string, which becomes one user
-- message.

local calling = require "calling"
local careful = require "careful"
local clock = require "clock"
local embed = require "embed"
local errors = require "errors"
local json = require "json"
local outgoing = require "outgoing"
local provider = require "provider"
local reply = require "reply"
local structured = require "structured"

local llm = {}

local place, book, report, failed = calling.place, calling.book, calling.report, calling.failed
local failure, find, line_to, try = calling.failure, calling.find, calling.line_to, calling.try
local make = outgoing.make

-- ---- options ----

-- What a call takes besides the target and the request. 'setting' ones are members of the request.
local options = {
   timeout = "limit", ttft = "limit", stall = "limit", retries = "count", label = "option",
   stream = "option", schema = "option", repairs = "count", early = "option",
   temperature = "setting", top_p = "setting", max_tokens = "setting", max_completion_tokens = "setting",
   stop = "setting", seed = "setting", n = "setting", response_format = "setting", tools = "setting",
   tool_choice = "setting", logprobs = "setting", top_logprobs = "setting", reasoning_effort = "setting",
   presence_penalty = "setting", frequency_penalty = "setting",
   deadline = "care", reserve = "care", min_rate = "care", rate_window = "care", max_cost = "care",
   fallback = "care", fallback_on = "care", rescue = "care", hold = "care",
}

local no_options = {}

local REPLY = { text = true, message = true, tool_calls = true, finish_reason = true, model = true,
   provider = true, name = true, usage = true, cost = true, confidence = true, from = true }
local CODES = {}
for _, code in ipairs(errors.codes) do CODES[code] = true end

local function names_of(set)
   local names = {}
   for name in pairs(set) do names[#names + 1] = name end -- in their order
   return table.concat(names, ", ")
end

-- opts, and does it take careful.lua?
local function check_options(opts)
   local care = false
   if type(opts) ~= "table" then errors.raise("llm: the options must be a table, not a " .. type(opts)) end
   for name, value in pairs(opts) do
      local kind = options[name]
      if not kind then
         errors.raise(("llm: unknown option '%s' (known: %s)"):format(tostring(name), names_of(options)))
      end
      if kind == "limit" and not (type(value) == "number" and value > 0 and value <= 86400) then
         errors.raise(("llm: option '%s' must be seconds above 0, at most 86400"):format(name))
      elseif kind == "count" and not (type(value) == "number" and value >= 0) then
         errors.raise(("llm: option '%s' must be a number, at least 0"):format(name))
      elseif kind == "care" then
         careful.check(name, value)
         care = true
      end
   end
   return opts, care
end

local function settings_of(opts)
   local settings
   for name, value in pairs(opts) do
      if options[name] == "setting" then
         settings = settings or {}
         settings[name] = value
      end
   end
   return settings
end

-- ---- replies ----

-- llm.reply{ text =, tool_calls =, finish_reason = "stop", model =, provider =, usage =, cost =,
-- confidence = } -> reply. An answer made by the policy itself. from = another reply takes over
-- whose model, usage and cost it shows. An unknown field raises.
function llm.reply(fields)
   if type(fields) ~= "table" then errors.raise("llm.reply: a table is needed") end
   for name in pairs(fields) do
      if not REPLY[name] then
         errors.raise(("llm.reply: unknown field '%s' (known: %s)"):format(tostring(name), names_of(REPLY)))
      end
   end
   local from = fields.from or {}
   local message = fields.message
      or { role = "assistant", content = fields.text or json.null, tool_calls = fields.tool_calls }
   return reply.new {
      view = { message = message, finish_reason = fields.finish_reason or "stop" },
      usage = fields.usage or from.usage, cost = fields.cost or from.cost, latency = from.latency,
      model = fields.model or from.model, provider = fields.provider or from.provider,
      name = fields.name or from.name, confidence = fields.confidence,
   }
end

-- llm.is_reply(value) -> boolean.
llm.is_reply = reply.is

-- ---- one attempt ----

local function has_error(body)
   local found = json.find(body, "error")
   return found and found ~= "null"
end

-- How many answers are asked for: a stream is complete when all have finished.
local function choices_of(req, opts, codec)
   if codec.format ~= "openai" and codec.format ~= "gemini" then return 1 end
   local n = opts.n or (type(req) ~= "string" and req.n)
   return type(n) == "number" and math.tointeger(n) or 1
end

-- An answer that does not look like one: the provider's error, what the codec makes of it, or that it is
-- none.
local function no_answer(call, status, answer, entry, codec, err)
   if has_error(answer) then return failure(call, status, answer, entry, codec) end
   local view, better = codec.decode(answer)
   return place(not view and better or err, entry)
end

-- How long an attempt may take in all and to its first byte, and what else its call must keep to. 'ends' and
-- 'bounds' are careful.lua's.
local function limits_of(opts, stream)
   local timeout, ttft, bounds = opts.timeout, opts.ttft, opts.bounds
   if opts.ends then
      local left = math.max(opts.ends - clock.monotonic(), 0.001)
      if stream then ttft = math.min(ttft or left, left) else timeout = math.min(timeout or left, left) end
   end
   if stream and ttft then
      bounds = bounds or {}
      bounds.first_content = ttft
   end
   return timeout, ttft, bounds
end

-- What a call is told besides the request; nil: nothing.
local function terms_of(req, opts, codec, stream, n)
   local choices = stream and choices_of(req, opts, codec) or 1
   if opts == no_options and n == 1 and choices == 1 then return nil end
   local timeout, ttft, bounds = limits_of(opts, stream)
   return { choices = choices, timeout = timeout, first_byte = ttft, stall = opts.stall, bounds = bounds,
      label = opts.label, try = n }
end

-- Sends one request, for the n-th time. Returns the call, its body (nil: a stream), its usage (false: none),
-- its view (of other formats than OpenAI's, which may hold an error in what looks like an answer) and what
-- was left out | nil, err.
local function attempt(n, entry, codec, req, opts, stream)
   local out, wrong = make(req, entry, codec, stream, opts ~= no_options and settings_of(opts) or nil)
   if not out then return nil, wrong end
   local line, astray = line_to(entry, codec, stream)
   if not line then return nil, place(astray, entry) end
   -- without an answer: nil, err, call (if it was made)
   local call, status, answer, is_error = line:call(out, terms_of(req, opts, codec, stream, opts.try or n))
   if not call then
      local err, made = place(status, entry), answer
      if made then return failed(made, err) end
      return nil, err
   end
   if status ~= 200 or is_error then
      return failed(call, failure(call, status, answer, entry, codec), answer)
   end
   if not answer then return call, nil, false, false, out.warnings end
   local ok, a, b = codec.wire:read(answer)
   if not ok then return failed(call, no_answer(call, status, answer, entry, codec, a), answer) end
   if codec.format == "openai" then return call, answer, codec.usage(a, b) or false, false, out.warnings end
   local view, err, own = codec.decode(answer)
   if out.edits then view = view or own end -- a client of this format knows what to do with it
   local usage = view and view.usage or codec.usage(a, b)
   if not view then return failed(call, place(err, entry), answer, usage, book(entry, usage)) end
   return call, answer, usage or false, view, out.warnings
end

local function whole(entry, codec, opts, call, body, usage, view, warnings)
   local ttft, latency = call:times()
   local cost = book(entry, usage or nil)
   report(call, usage or nil, cost)
   return reply.of_call(entry, codec, body, view, usage, cost, latency, ttft, opts.label, warnings)
end

-- ---- streams ----

-- A stream: :events() gives what arrives, one event at a time; :reply() waits for the end and gives
-- a whole reply. Return it from run to pass the answer on while it arrives. Fields: model,
-- provider, name, label.
local Stream = {}
local stream_meta = { __metatable = "stream", __index = Stream }

local function new_stream(entry, codec, opts, call, warnings)
   return setmetatable({
      call = call, codec = codec, entry = entry, decode = false, waiting = {}, at = 1,
      usage = false, cost = 0, latency = 0, ttft = false, closed = false, flush = false, model = entry.model,
      provider = entry.provider, name = entry.name,
      label = opts.label or false, taken = false, said = reply.gathering(), warnings = warnings or false,
   }, stream_meta)
end

-- What a stream has cost that broke before it told its usage: an estimate.
local function spent(call)
   local input, output = call:spent()
   return { input_tokens = input, output_tokens = output, cached_tokens = 0 }
end

-- The end was reached, well or with an error: what the answer cost, and how it went. Once.
function Stream:settle(err)
   if self.closed then return end
   self.closed = true
   self.usage = self.codec.usage(self.call:usage()) or self.usage
   local used = self.usage or err and spent(self.call)
   self.cost = book(self.entry, used or nil)
   self.ttft, self.latency = self.call:times()
   if err then
      failed(self.call, err, nil, used, self.cost)
   else
      report(self.call, self.usage, self.cost)
   end
end

-- What arrived makes no sense: nobody wants the rest.
function Stream:break_off(err)
   err = place(err, self.entry)
   self:settle(err)
   self.call:close()
   return nil, err
end

-- stream:close(): nobody wants the rest. The connection ends at once; what was said so far is booked.
function Stream:close()
   self.closed = true
   self.call:close()
end

-- An error that a call ended with: the provider's own, when it sent one inside the stream.
function Stream:failure(err)
   if err.event then return failure(self.call, 200, err.event, self.entry, self.codec) end
   return place(err, self.entry)
end

-- stream:next() -> event | nil at the end | nil, err. Events: { kind = "text" | "reasoning" |
-- "refusal", text = }, { kind = "tool_call", index =, id =, name =, arguments = fragment }, { kind =
-- "reasoning_detail", detail = an entry of reasoning_details }, { kind = "annotations", annotations = },
-- { kind = "logprobs", logprobs = }, { kind = "finish", reason = }, { kind = "usage", usage = }. Yields.
function Stream:next()
   while not self.waiting[self.at] do
      local data, event = self.call:next() -- raises in another request than its own
      self.taken = true
      if not data then
         local err = event
         err = err and self:failure(err)
         local rest = not err and self.flush and self.flush() or {}
         self.flush = false
         if #rest == 0 then
            self:settle(err)
            return nil, err
         end
         self.waiting, self.at = rest, 1
         break
      end
      if not self.decode then self.decode, self.flush = self.codec.decoder() end
      self.waiting, self.at = self.decode(data, event), 1
   end
   self.at = self.at + 1
   local event = self.waiting[self.at - 1]
   if event.kind == "error" then return self:break_off(event.err) end
   reply.gather(self.said, event)
   return event
end

-- for event, err in stream:events() do ... end. An error comes as the last event, { kind = "error",
-- err = err }.
function Stream:events()
   local over = false
   return function()
      if over then return nil end
      local event, err = self:next()
      if event then return event end
      over = true
      return err and { kind = "error", err = err } or nil
   end
end

-- stream:reply() -> reply | nil, err. The whole answer, with what was read of it before. Yields.
function Stream:reply()
   for event in self:events() do
      if event.kind == "error" then return nil, event.err end
   end
   return reply.new {
      view = reply.gathered(self.said), warnings = self.warnings,
      usage = self.usage, cost = self.cost, latency = self.latency, ttft = self.ttft, model = self.model,
      provider = self.provider, name = self.name, label = self.label, models = self.models,
   }
end

-- llm.is_stream(value) -> boolean.
function llm.is_stream(value)
   return type(value) == "table" and getmetatable(value) == "stream"
end

-- ---- calls ----

-- One model: a reply or, when 'stream', a stream | nil, err. Again after errors that may pass.
local function ask(target, req, opts, stream)
   local entry, codec = find(target)
   if not entry then return nil, codec end
   if opts.form then req = opts.form(entry, req, opts) end
   local call, body, usage, view, warnings = try(entry, opts.retries or 0, attempt, codec, req, opts, stream)
   if not call then return nil, body end
   if not body then return new_stream(entry, codec, opts, call, warnings) end
   return whole(entry, codec, opts, call, body, usage, view, warnings)
end

local function ask_with_care(target, req, opts, stream)
   return careful.call(ask, target, req, opts, stream)
end

local function call(target, req, opts, care, stream)
   local send = care and ask_with_care or ask
   if opts.schema ~= nil then return structured.chat(send, target, req, opts) end
   return send(target, req, opts, stream)
end

-- llm.chat(target, req, opts?) -> reply | nil, err. Waits for the whole answer.
--   opts: timeout (seconds for all of it), ttft (to the first byte), stall (between bytes), retries
--   (of errors that may pass; 0), label (a name for logs), and settings that take the place of the
--   request's: temperature, top_p, max_tokens, max_completion_tokens, stop, seed, n,
--   response_format, tools, tool_choice, logprobs, top_logprobs, reasoning_effort,
--   presence_penalty, frequency_penalty. An unknown option raises. Errors: not_found (no such
--   model), no_candidate (no model fits the selector), and all that a provider can cause. A model
--   that is not to be called now (its breaker is open, it asked to wait, its rate is reached, its
--   keys are refused) is an error at once, with err.refused = "open" | "probe" | "forced" |
--   "benched" | "rate" | "quota" | "keys" and err.retry_after where it is known. Yields.
--   schema = a JSON Schema: the answer is JSON that fits it, and the second result is its value
--   (structured.lua). repairs (1): corrections a model may make; early = true: an answer is broken off
--   where it can no longer fit. Then also invalid_output, with err.errors.
function llm.chat(target, req, opts)
   if not opts then return ask(target, req, no_options, false) end
   local _, care = check_options(opts)
   return call(target, req, opts, care, false)
end

-- Of a request in another format than OpenAI's the door has said it: a look inside would translate all of it.
local function wants_stream(req, opts)
   if opts.stream ~= nil then return opts.stream end
   if type(req) ~= "userdata" then return false end
   local native, about = provider.native(req)
   if native then return about.head.stream end
   return req.stream == true
end

-- llm.stream(target, req, opts?) -> stream or reply | nil, err. To be returned from run: passes the
-- answer on while it arrives when the client asked for a stream, and gives a whole reply otherwise
-- (opts.stream = true or false decides). Returns when the provider has proved alive with its first
-- content: an error before that is nil, err, and another model can be tried unseen. Options and
-- errors as llm.chat; with a schema it is a whole reply, since nothing is passed on before it fits. Yields.
function llm.stream(target, req, opts)
   if not opts then return ask(target, req, no_options, wants_stream(req, no_options)) end
   local _, care = check_options(opts)
   return call(target, req, opts, care, opts.schema == nil and wants_stream(req, opts))
end

-- llm.embed(target, input, opts?) -> { vectors =, usage =, cost =, ... } | nil, err: see embed.lua. Yields.
llm.embed = embed.create

-- llm.fail(code, message) -> nil, err: for a policy that gives up. A code that is none raises.
function llm.fail(code, message)
   if not CODES[code] then
      errors.raise(("llm.fail: %s is no code of an error (known: %s)"):format(
         type(code) == "string" and "'" .. code .. "'" or "a " .. type(code), names_of(CODES)))
   end
   return nil, errors.new { code = code, message = message }
end

return llm
