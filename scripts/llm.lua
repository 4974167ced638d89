-- llm: calls to models.
-- SPDX-License-Identifier: MIT
--
-- A target is "provider/model", an alias of the configuration, a selector ({ tier = "fast", needs =
-- { "tools" } }) or an entry of the catalogue. A request is what the policy was given, a table in
-- the shape of OpenAI Chat Completions ({ messages = ... }), or a string, which becomes one user
-- message.

local blame = require "blame"
local config = require "config"
local errors = require "errors"
local json = require "json"
local log = require "log"
local models = require "models"
local provider = require "provider"
local random = require "random"
local task = require "task"
local text = require "text"
local trace = require "trace"

local llm = {}

-- ---- options ----

-- What a call takes besides the target and the request. 'setting' ones are members of the request.
local options = {
   timeout = "limit", ttft = "limit", stall = "limit", retries = "count", label = "option",
   stream = "option",
   temperature = "setting", top_p = "setting", max_tokens = "setting", max_completion_tokens = "setting",
   stop = "setting", seed = "setting", n = "setting", response_format = "setting", tools = "setting",
   tool_choice = "setting", logprobs = "setting", top_logprobs = "setting", reasoning_effort = "setting",
   presence_penalty = "setting", frequency_penalty = "setting",
}

local no_options = {}

local function check_options(opts)
   if type(opts) ~= "table" then errors.raise("llm: the options must be a table, not a " .. type(opts)) end
   for name, value in pairs(opts) do
      local kind = options[name]
      if not kind then errors.raise(("llm: unknown option '%s'"):format(tostring(name))) end
      if kind == "limit" and not (type(value) == "number" and value > 0 and value <= 86400) then
         errors.raise(("llm: option '%s' must be seconds above 0, at most 86400"):format(name))
      elseif kind == "count" and not (type(value) == "number" and value >= 0) then
         errors.raise(("llm: option '%s' must be a number, at least 0"):format(name))
      end
   end
   return opts
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

-- A reply decodes its body when somebody looks inside. Fields: text, message, tool_calls,
-- finish_reason, logprobs, body (all of the provider's answer); usage, cost (USD), latency, ttft
-- (seconds), model, provider, name ("provider/model"), label, confidence (where one is known).
-- Assigning one changes what the client gets.
local Reply = { __metatable = "reply" }

local function view_of(reply)
   if not reply.view then reply.view = reply.codec.decode(reply.raw) end
   return reply.view
end

local function text_of(message)
   local content = text.content(message.content)
   if content == "" and type(message.refusal) == "string" then return message.refusal end
   return content
end

-- text and tool_calls are those of the message, read and written: there is one truth.
function Reply.__index(reply, name)
   local view = view_of(reply)
   if name == "text" then return text_of(view.message) end
   if name == "tool_calls" then
      local calls = view.message.tool_calls
      return type(calls) == "table" and calls or nil
   end
   return view[name]
end

function Reply.__newindex(reply, name, value)
   local view = view_of(reply)
   reply.edited = true
   if name == "text" then
      view.message.content = value
   elseif name == "tool_calls" then
      view.message.tool_calls = value
   else
      view[name] = value
   end
end

-- Only these are kept in the reply itself; everything else is looked up in the decoded view.
local function new_reply(fields)
   return setmetatable({
      raw = fields.raw or false, codec = fields.codec or false, view = fields.view or false, edited = false,
      usage = fields.usage or false, cost = fields.cost or 0, latency = fields.latency or 0,
      ttft = fields.ttft or false,
      model = fields.model or false, provider = fields.provider or false, name = fields.name or false,
      label = fields.label or false, confidence = fields.confidence or false,
   }, Reply)
end

-- llm.reply{ text =, tool_calls =, finish_reason = "stop", model =, provider =, usage =, cost =,
-- confidence = } -> reply. An answer made by the policy itself. from = another reply takes over
-- whose model, usage and cost it shows.
function llm.reply(fields)
   if type(fields) ~= "table" then errors.raise("llm.reply: a table is needed") end
   local from = fields.from or {}
   local message = fields.message
      or { role = "assistant", content = fields.text or json.null, tool_calls = fields.tool_calls }
   return new_reply {
      view = { message = message, finish_reason = fields.finish_reason or "stop" },
      usage = fields.usage or from.usage, cost = fields.cost or from.cost, latency = from.latency,
      model = fields.model or from.model, provider = fields.provider or from.provider,
      name = fields.name or from.name, confidence = fields.confidence,
   }
end

-- llm.is_reply(value) -> boolean.
function llm.is_reply(value)
   return type(value) == "table" and getmetatable(value) == "reply"
end

-- ---- one attempt ----

local codecs = {}

local function codec_of(name)
   if not codecs[name] then codecs[name] = require("codec." .. name) end
   return codecs[name]
end

-- What a provider says of the request itself is meant for the client, word for word.
local of_the_request = { bad_request = true, context_length = true, content_filter = true }

-- Whose error it is; the message, too, tells whom to look at.
local function place(err, entry)
   err.provider, err.model = entry.provider, entry.model
   local name = ("provider '%s'"):format(entry.provider)
   local told = of_the_request[err.code] or err.code == "cancelled"
   if not told and not err.message:find(name, 1, true) then
      err.message = name .. ": " .. err.message
   end
   return err
end

-- The body: a client's request of the provider's format is edited as bytes; anything else is
-- encoded.
local function body_of(req, entry, codec, stream, settings)
   if type(req) == "userdata" and not codec.edits then req = json.decode(req:json()) end
   if type(req) ~= "userdata" then
      if type(req) == "string" then req = { messages = { { role = "user", content = req } } } end
      if type(req) ~= "table" then
         errors.raise("llm: the request must be a request, a table or a string, not a " .. type(req))
      end
      local body = req
      if settings then
         body = {}
         for name, value in pairs(req) do body[name] = value end
         for name, value in pairs(settings) do body[name] = value end
      end
      return codec.encode(body, entry.model, stream)
   end
   local edits, removed = codec.edits(req, entry.model, stream)
   for name, value in pairs(settings or no_options) do edits[name] = value end
   return req, edits, removed
end

local function book(entry, usage)
   local cost = models.price(entry, usage)
   if usage then trace.spend(cost, usage.input_tokens, usage.output_tokens) end
   return cost
end

-- What an answer that is none means.
local function failure(call, status, body, entry, codec)
   return place(codec.error(status, body or "", function(name) return call:header(name) end), entry)
end

-- The end of a call, for the model's health and the metrics: it worked.
local function report(call, usage, cost)
   if not usage then return call:report("ok", "ok") end
   call:report("ok", "ok", 0, usage.input_tokens, usage.cached_tokens, usage.output_tokens, cost)
end

-- It failed. nil, err.
local function failed(call, err, usage, cost)
   local who, seconds = blame.of(err, err.model and models.is_known(err.provider .. "/" .. err.model))
   if usage then
      call:report(who, err.code, seconds, usage.input_tokens, usage.cached_tokens, usage.output_tokens, cost)
   else
      call:report(who, err.code, seconds)
   end
   return nil, err
end

local function has_error(body)
   local found = json.find(body, "error")
   return found and found ~= "null"
end

-- How many answers are asked for: a stream is complete when all have finished.
local function choices_of(req, opts)
   local n = opts.n or (type(req) ~= "string" and req.n)
   return type(n) == "number" and math.tointeger(n) or 1
end

-- Sends one request. Returns what is needed to make a reply or a stream: the call, its body (nil: a
-- stream), the codec.
local function attempt(entry, req, opts, stream)
   local codec = codec_of(config.providers[entry.provider].codec)
   local body, edits, removed = body_of(req, entry, codec, stream, settings_of(opts))
   local call, status, answer = provider.call { -- without an answer: nil, err, call (if it was made)
      provider = entry.provider, path = codec.path, body = body, edits = edits, removed = removed,
      wire = codec.wire, stream = stream, choices = stream and choices_of(req, opts),
      auth_header = codec.auth_header, auth_prefix = codec.auth_prefix, timeout = opts.timeout,
      first_byte = opts.ttft, stall = opts.stall, model = entry.name, known = models.is_known(entry.name),
      requests_per_minute = entry.requests_per_minute, tokens_per_minute = entry.tokens_per_minute,
   }
   if not call then
      local err, made = place(status, entry), answer
      if made then return failed(made, err) end
      return nil, err
   end
   if status ~= 200 or (answer and stream and has_error(answer)) then
      return failed(call, failure(call, status, answer, entry, codec))
   end
   if not answer then return call, nil, codec end
   local ok, usage = codec.wire:read(answer)
   if not ok then
      local err = usage
      if has_error(answer) then err = failure(call, status, answer, entry, codec) end
      return failed(call, place(err, entry))
   end
   return call, answer, codec, usage
end

local function whole(entry, call, body, codec, opts, usage)
   usage = codec.usage(usage)
   local ttft, latency = call:times()
   local cost = book(entry, usage)
   report(call, usage, cost)
   return new_reply {
      raw = body, codec = codec, usage = usage, cost = cost, latency = latency, ttft = ttft,
      model = entry.model, provider = entry.provider, name = entry.name, label = opts.label,
   }
end

-- ---- streams ----

-- Fragments of one call share an index. Providers count from 0, from 1, or with gaps.
local function add_tool_call(calls, event)
   local call = calls[event.index]
   if not call then
      call = { id = event.id, name = event.name, arguments = {} }
      calls[event.index] = call
   end
   call.id, call.name = call.id or event.id, call.name or event.name
   call.arguments[#call.arguments + 1] = event.arguments
end

-- What a stream has said so far.
local function new_gathering()
   return { parts = {}, reasoning = {}, calls = {}, reason = false }
end

local function gather(said, event)
   local kind = event.kind
   if kind == "text" or kind == "refusal" then said.parts[#said.parts + 1] = event.text end
   if kind == "reasoning" then said.reasoning[#said.reasoning + 1] = event.text end
   if kind == "tool_call" then add_tool_call(said.calls, event) end
   if kind == "finish" then said.reason = event.reason end
end

local function gathered(said)
   local message = { role = "assistant", content = #said.parts > 0 and table.concat(said.parts) or json.null }
   if #said.reasoning > 0 then message.reasoning_content = table.concat(said.reasoning) end
   for _, call in pairs(said.calls) do -- in the order of their indexes
      message.tool_calls = message.tool_calls or {}
      message.tool_calls[#message.tool_calls + 1] = {
         id = call.id, type = "function",
         ["function"] = { name = call.name, arguments = table.concat(call.arguments) },
      }
   end
   return message
end

-- A stream: :events() gives what arrives, one event at a time; :reply() waits for the end and gives
-- a whole reply. Return it from run to pass the answer on while it arrives. Fields: model,
-- provider, name, label.
local Stream = {}
local stream_meta = { __metatable = "stream", __index = Stream }

local function new_stream(entry, call, codec, opts)
   return setmetatable({
      call = call, codec = codec, entry = entry, decode = false, waiting = {}, at = 1,
      usage = false, cost = 0, latency = 0, ttft = false, closed = false, model = entry.model,
      provider = entry.provider, name = entry.name,
      label = opts.label or false, taken = false, said = new_gathering(),
   }, stream_meta)
end

-- The end was reached, well or with an error: what the answer cost, and how it went. Once.
function Stream:settle(err)
   if self.closed then return end
   self.closed = true
   local usage = self.call:usage()
   self.usage = usage and self.codec.usage(usage) or self.usage
   self.cost = book(self.entry, self.usage or nil)
   self.ttft, self.latency = self.call:times()
   if err then
      failed(self.call, err, self.usage, self.cost)
   else
      report(self.call, self.usage, self.cost)
   end
end

-- An error that a call ended with: the provider's own, when it sent one inside the stream.
function Stream:failure(err)
   if err.event then return failure(self.call, 200, err.event, self.entry, self.codec) end
   return place(err, self.entry)
end

-- stream:next() -> event | nil at the end | nil, err. Events: { kind = "text" | "reasoning" |
-- "refusal", text = }, { kind = "tool_call", index =, id =, name =, arguments = fragment }, { kind
-- = "finish", reason = }, { kind = "usage", usage = }. Yields.
function Stream:next()
   while not self.waiting[self.at] do
      local data, event = self.call:next() -- raises in another request than its own
      self.taken = true
      if not data then
         local err = event
         err = err and self:failure(err)
         self:settle(err)
         return nil, err
      end
      self.decode = self.decode or self.codec.decoder()
      self.waiting, self.at = self.decode(data, event), 1
   end
   self.at = self.at + 1
   local event = self.waiting[self.at - 1]
   gather(self.said, event)
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
   return new_reply {
      view = { message = gathered(self.said), finish_reason = self.said.reason or "stop" },
      usage = self.usage, cost = self.cost, latency = self.latency, ttft = self.ttft, model = self.model,
      provider = self.provider, name = self.name, label = self.label,
   }
end

-- llm.is_stream(value) -> boolean.
function llm.is_stream(value)
   return type(value) == "table" and getmetatable(value) == "stream"
end

-- ---- calls ----

-- Seconds before attempt n + 1: what the provider asked for, else 0.25 s doubled each time, less up
-- to a half by chance.
local function pause(err, n)
   local who, seconds = blame.of(err)
   if who == "wait" or err.retry_after then return err.retry_after or seconds end
   return math.min(8, 0.25 * 2 ^ (n - 1)) * (1 - 0.5 * random.number())
end

local WAIT_MAX = 30 -- seconds: a longer Retry-After is the caller's to decide on

-- Refusals that a little patience ends. A breaker is open for a reason: nobody waits for it here.
local passing = { rate = true, benched = true }

local function worth_again(err)
   return err.retryable and (not err.refused or passing[err.refused])
end

-- The key was at fault, and the provider has another one.
local function has_spare_key(entry, err)
   local who = blame.of(err)
   return (who == "key" or who == "quota") and not err.refused and models.is_ready(entry)
end

local function try(entry, req, opts, stream)
   local n, retries = 1, opts.retries or 0
   local spare_keys = (config.providers[entry.provider].keys or 1) - 1
   while true do
      local call, body, codec, usage = attempt(entry, req, opts, stream)
      if call then return call, body, codec, usage end
      local err = body
      log.debug("attempt failed", { model = entry.name, code = err.code, attempt = n })
      if spare_keys > 0 and has_spare_key(entry, err) then
         spare_keys = spare_keys - 1
      else
         if n > retries or not worth_again(err) then return nil, err end
         local seconds = pause(err, n)
         if seconds > WAIT_MAX then return nil, err end
         task.sleep(seconds)
         n = n + 1
      end
   end
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
function llm.chat(target, req, opts)
   opts = opts and check_options(opts) or no_options
   local entry, err = models.resolve(target)
   if not entry then return nil, err end
   local call, body, codec, usage = try(entry, req, opts, false)
   if not call then return nil, body end
   return whole(entry, call, body, codec, opts, usage)
end

local function wants_stream(req, opts)
   if opts.stream ~= nil then return opts.stream end
   return type(req) == "userdata" and req.stream == true
end

-- llm.stream(target, req, opts?) -> stream or reply | nil, err. To be returned from run: passes the
-- answer on while it arrives when the client asked for a stream, and gives a whole reply otherwise
-- (opts.stream = true or false decides). Returns when the provider has proved alive with its first
-- content: an error before that is nil, err, and another model can be tried unseen. Options and
-- errors as llm.chat. Yields.
function llm.stream(target, req, opts)
   opts = opts and check_options(opts) or no_options
   local entry, err = models.resolve(target)
   if not entry then return nil, err end
   local call, body, codec, usage = try(entry, req, opts, wants_stream(req, opts))
   if not call then return nil, body end
   if body then return whole(entry, call, body, codec, opts, usage) end
   return new_stream(entry, call, codec, opts)
end

-- llm.fail(code, message) -> nil, err: for a policy that gives up.
function llm.fail(code, message)
   return nil, errors.new { code = code, message = message }
end

return llm
