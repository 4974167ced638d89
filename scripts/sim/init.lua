-- sim: simulated providers; a request goes in, a plan of the answer comes out, and core/sim.c plays it.
-- SPDX-License-Identifier: MIT
--
-- A plan:
--   status, headers   { { name, value } … }; no status: nothing is sent at all
--   after             milliseconds before the first byte
--   body              the whole answer at once, or
--   next              a function that gives milliseconds to wait and the bytes to send then; nil at the end
--   finish            how it ends: "end" (the default), "cut", "reset", "hang" (it does not)
--   format, model, stream   for the log
--   log               a function, called at the end with whether all was sent; gives the log's "answered"
-- Streams are made piece by piece while they are sent, so that ten thousand waiting ones cost little.
--
-- A wire is one format (see openai.lua): read(ask, req, capture, server) fills an ask (request.lua) or raises
-- a plan, whole(reply) and stream(reply) write the reply, fail(what, detail) a refusal, page(ask, server) an
-- answer that is no reply, and the rest is what faults need; 'answers' names the faults which that format
-- tells inside of an answer.
local dice = require "sim.dice"
local faults = require "sim.faults"
local json = require "json"
local mind = require "sim.mind"
local openai = require "sim.openai"
local questions = require "sim.questions"
local request = require "sim.request"
local routes = require "sim.routes"
local script = require "sim.script"
local seal = require "sim.seal"
local spoil = require "sim.spoil"
local tokens = require "sim.tokens"

local sim = {}

local server = {}
server.__index = server

-- options: seed (1), pace (1), answers (the JSONL file of questions), script (JSONL of turns, or nil). Raises
-- when one cannot be read.
function sim.new(options)
   local self = setmetatable({}, server)
   self.seed = options.seed or 1
   self.pace = options.pace or 1
   self.known = questions.load(options.answers)
   self.script = options.script and script.load(options.script)
   self.met = {}    -- how often each fault string has struck
   self.memory = {} -- what wires remember of earlier requests
   return self
end

-- ---- one choice ----

local function stopped(choice, stops)
   local cut
   for _, s in ipairs(stops) do
      local at = #s > 0 and choice.text:find(s, 1, true)
      if at and (not cut or at < cut) then cut, choice.stopped_by = at, s end
   end
   if cut then choice.text = choice.text:sub(1, cut - 1) end
end

-- Applies stop and the limit of tokens; thoughts count, and arguments of tools can be cut too.
local function limited(choice, ask)
   stopped(choice, ask.stop)
   choice.finish = #choice.calls > 0 and "tool_calls" or "stop"
   local thoughts, spent, cut = tokens.head(choice.reasoning or "", ask.limit)
   if choice.reasoning then choice.reasoning = thoughts end
   local text, used, short = tokens.head(choice.text, ask.limit - spent)
   choice.text, used, cut = text, used + spent, cut or short
   for i, call in ipairs(choice.calls) do
      local left = math.max(0, ask.limit - used - 4)
      local arguments, n, over = tokens.head(call.arguments, left)
      call.arguments, used, cut = arguments, used + n + 4, cut or over
      if over then choice.calls[i + 1] = nil end
   end
   if cut then choice.finish, choice.stopped_by = "length", nil end
   return choice
end

-- The key that chance depends on: another number of choice or another seed is another draw.
local function key_of(self, ask, index)
   local key = ("%d/%s"):format(self.seed, ask.model.id)
   if index > 0 then key = key .. "/" .. index end
   return ask.seed and ("%s/seed %d"):format(key, ask.seed) or key
end

-- What follows the beginning that was given: the rest of the model's own answer, or as much of it as is left.
local function going_on(text, begun)
   if text:sub(1, #begun) == begun then return text:sub(#begun + 1) end
   local rest = text:sub(#(tokens.head(text, tokens.count(begun))) + 1)
   return rest ~= "" and rest or " That is all."
end

local function choices(self, ask)
   local list, prompts = {}, ask.prompts or { ask.user }
   for i = 1, ask.n * #prompts do
      ask.user = prompts[(i - 1) // ask.n + 1]
      ask.key, ask.known = key_of(self, ask, i - 1), self.known
      local choice = ask.load and { text = "", calls = {}, sure = 1 } or self.script
         and script.answer(self.script, ask)
         or mind.answer(ask)
      if ask.begun and not self.script then choice.text = going_on(choice.text, ask.begun) end
      choice.reasoning = ask.think and (choice.reasoning or mind.thoughts(ask)) or nil
      choice.shown = ask.think and ask.think.shown
      choice.signature = function(prefix, about) return seal.make(prefix, about, ask.key, ask.user) end
      list[i] = limited(choice, ask)
      list[i].index = i - 1
   end
   return list
end

local function reply_to(self, ask, body, wire)
   local key = dice.id(29, self.seed, body)
   return {
      key = key, id = wire.prefix .. key, model = ask.model.id, ask = ask,
      created = openai.CREATED + dice.between(0, 9999999, self.seed, body),
      fingerprint = "fp_sim" .. dice.id(8, self.seed, ask.model.id), choices = choices(self, ask),
      include_usage = ask.include_usage, logprobs = ask.logprobs, top_logprobs = ask.top_logprobs,
      details = ask.details,
   }
end

-- Tokens: input counts all of the prompt, output the thoughts too.
local function usage_of(ask, reply)
   local input = tokens.estimate(ask.bytes)
   local usage = {
      input = input, written = ask.written or 0, written_1h = ask.written_1h or 0, output = 0, reasoning = 0,
      cached = ask.cached or (input >= 1024 and input // 256 * 128 or 0), -- half of a long prompt
   }
   for _, choice in ipairs(reply.choices) do
      local all, thoughts = tokens.of_choice(choice)
      usage.output, usage.reasoning = usage.output + all, usage.reasoning + thoughts
   end
   return usage
end

-- ---- the plan of a good answer ----

local function token_total(reply)
   local n = 0
   for _, choice in ipairs(reply.choices) do
      n = n + tokens.count(choice.text) + (choice.shown and tokens.count(choice.reasoning) or 0)
      for _, call in ipairs(choice.calls) do n = n + 1 + tokens.count(call.arguments) end
   end
   return n
end

local function good_plan(self, ask, reply, wire)
   local first = ask.model.first * (0.7 + 0.6 * dice.unit(self.seed, reply.id, "first")) * self.pace
   local plan = {
      status = 200, headers = wire.headers(reply), tokens = (wire.token_total
         or token_total)(reply), wire = wire, reply = reply,
      head_ms = first // 2, first_ms = first - first // 2, token_ms = ask.model.token * self.pace,
   }
   if ask.stream then
      plan.after = plan.head_ms
      plan.events, plan.event_of = wire.stream(reply), wire.event_of(reply)
      table.insert(plan.headers, { "content-type", reply.stream_type or wire.stream_type })
   else
      plan.after = first + plan.tokens * plan.token_ms
      plan.body = wire.whole(reply)
      table.insert(plan.headers, { "content-type", "application/json" })
   end
   return plan
end

-- Gives the plan its clock, and counts for the log what has been sent.
local function sealed(plan, ask, reply)
   local text, sent, finish = reply and reply.choices[1].text or "", 0, nil
   local first, events = true, plan.events
   local function paced()
      local kind, data, fragment, wait = events()
      if not kind then return nil end
      sent = sent + #(fragment or "")
      if kind == "finish" then finish = reply.choices[1].finish end
      if kind ~= "token" then return wait or 0, data end
      wait = first and plan.first_ms or plan.token_ms
      first = false
      return wait, data
   end
   plan.next = events and (plan.rewrite and plan.rewrite(paced) or paced)
   plan.model, plan.stream, plan.events = ask.asked or json.null, ask.stream or false, nil
   plan.format = ask.format or json.null
   plan.log = function(complete)
      if reply and plan.status == 200 and not events and complete and not plan.replaced then
         sent, finish = #text, reply.choices[1].finish
      end
      return {
         status = plan.status or json.null, fault = ask.struck or json.null, text = text:sub(1, sent),
         finish_reason = finish or json.null,
      }
   end
   return plan
end

-- The fault that is asked for and still strikes; or nil and the plan that refuses it.
local function fault_of(self, ask, headers, wire)
   local text = headers["x-sim-fault"] or ask.fault
   if not text then return nil end
   local fault, why = faults.parse(text)
   why = why or faults.complaint(fault)
   if why then return nil, wire.fail("unknown_fault", { message = why, param = "model" }) end
   local name = ask.asked .. " " .. text
   self.met[name] = (self.met[name] or 0) + 1
   if fault.times and self.met[name] > fault.times then return nil end
   ask.struck = text
   return fault
end

-- Faults of bytes and time, which an answer that is no reply can have too.
local PAGES = {}
for name in ([[latency slow-first-token stall cut truncated malformed gzip wrong-type crlf shred drip
   nulls]]):gmatch("%S+") do
   PAGES[name] = true
end

local function spoiled_page(wire, ask, fault)
   local plan = wire.page(ask)
   plan.wire, plan.tokens, plan.after = wire, 10, 0
   plan.head_ms, plan.first_ms, plan.token_ms = 0, 0, 0
   if fault and PAGES[fault.name] and (fault.name ~= "nulls" or wire.nulls) then
      spoil[fault.name](plan, fault.argument)
   end
   return plan
end

local function complete(self, req, wire, capture)
   local ask, refusal = request.read(wire, req, capture, self)
   if refusal then return sealed(refusal, ask) end
   local fault
   fault, refusal = fault_of(self, ask, req.headers, wire)
   if refusal then return sealed(refusal, ask) end
   local instead = fault and not (wire.answers and wire.answers[fault.name]) and faults.instead[fault.name]
   if instead then return sealed(instead(fault.argument, ask.model, wire), ask) end
   local prompt = tokens.estimate(ask.bytes)
   if prompt > ask.model.context and wire.truncates then
      ask.bytes = 4 * ask.model.context -- and says nothing about it
   elseif prompt > ask.model.context then
      return sealed(wire.fail("context", { limit = ask.model.context, got = prompt }), ask)
   end
   if wire.page then return sealed(spoiled_page(wire, ask, fault), ask) end
   local reply = reply_to(self, ask, req.body, wire)
   if fault and faults.prepare[fault.name] then
      for _, choice in ipairs(reply.choices) do faults.prepare[fault.name](choice, wire, fault.argument) end
   end
   reply.usage = usage_of(ask, reply)
   if wire.remember then wire.remember(self, ask, reply) end
   local plan = good_plan(self, ask, reply, wire)
   if fault then spoil[fault.name](plan, fault.argument) end
   return sealed(plan, ask, reply)
end

-- req: method, path, query, headers (lower-case names), body. Returns the plan.
function server:answer(req)
   local route, capture, plan = routes.find(req)
   if plan then return sealed(plan, {}) end
   if route.page then return sealed(route.page(req, capture), { format = route.wire.format }) end
   return complete(self, req, route.wire, capture)
end

return sim
