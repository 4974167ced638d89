-- sim: simulated providers; a request goes in, a plan of the answer comes out, and core/sim.c plays it.
-- SPDX-License-Identifier: MIT
--
-- A plan:
--   status, headers   { { name, value } … }; no status: nothing is sent at all
--   after             milliseconds before the first byte
--   body              the whole answer at once, or
--   next              a function that gives milliseconds to wait and the bytes to send then; nil at the end
--   finish            how it ends: "end" (the default), "cut", "reset", "hang" (it does not)
--   model, stream     for the log
--   log               a function, called at the end with whether all was sent; gives the log's "answered"
-- Streams are made piece by piece while they are sent, so that ten thousand waiting ones cost little.
local dice = require "sim.dice"
local faults = require "sim.faults"
local json = require "json"
local mind = require "sim.mind"
local questions = require "sim.questions"
local request = require "sim.request"
local tokens = require "sim.tokens"
local wire = require "sim.openai"

local sim = {}

local server = {}
server.__index = server

-- options: seed (1), pace (1), answers (the JSONL file of questions). Raises when that cannot be read.
function sim.new(options)
   local self = setmetatable({}, server)
   self.seed = options.seed or 1
   self.pace = options.pace or 1
   self.known = questions.load(options.answers)
   self.met = {} -- how often each fault string has struck
   return self
end

-- ---- one choice ----

local function stopped(text, stops)
   local cut
   for _, s in ipairs(stops) do
      local at = #s > 0 and text:find(s, 1, true)
      if at and (not cut or at < cut) then cut = at end
   end
   return cut and text:sub(1, cut - 1) or text
end

-- Applies stop and the limit of tokens; arguments of tools can be cut too.
local function limited(choice, ask)
   choice.text = stopped(choice.text, ask.stop)
   choice.finish = #choice.calls > 0 and "tool_calls" or "stop"
   local text, used, cut = tokens.head(choice.text, ask.limit)
   choice.text = text
   for i, call in ipairs(choice.calls) do
      local left = math.max(0, ask.limit - used - 4)
      local arguments, n, short = tokens.head(call.arguments, left)
      call.arguments, used, cut = arguments, used + n + 4, cut or short
      if short then choice.calls[i + 1] = nil end
   end
   if cut then choice.finish = "length" end
   return choice
end

-- The key that chance depends on: another number of choice or another seed is another draw.
local function key_of(self, ask, index)
   local key = ("%d/%s"):format(self.seed, ask.model.id)
   if index > 0 then key = key .. "/" .. index end
   return ask.seed and ("%s/seed %d"):format(key, ask.seed) or key
end

local function choices(self, ask)
   local list = {}
   for i = 1, ask.n do
      ask.key, ask.known = key_of(self, ask, i - 1), self.known
      list[i] = limited(mind.answer(ask), ask)
      list[i].index = i - 1
   end
   return list
end

local function reply_to(self, ask, body)
   local id = dice.id(29, self.seed, body)
   local prompt = tokens.estimate(ask.bytes)
   return {
      id = "chatcmpl-" .. id, model = ask.model.id,
      created = wire.CREATED + dice.between(0, 9999999, self.seed, body),
      fingerprint = "fp_sim" .. dice.id(8, self.seed, ask.model.id), choices = choices(self, ask),
      prompt_tokens = prompt,
      cached_tokens = prompt >= 1024 and prompt // 256 * 128 or 0, -- half of a long prompt
      include_usage = ask.include_usage, logprobs = ask.logprobs, top_logprobs = ask.top_logprobs,
   }
end

-- ---- the plan of a good answer ----

local function token_total(reply)
   local n = 0
   for _, choice in ipairs(reply.choices) do
      n = n + tokens.count(choice.text)
      for _, call in ipairs(choice.calls) do n = n + 1 + tokens.count(call.arguments) end
   end
   return n
end

local function good_plan(self, ask, reply)
   local first = ask.model.first * (0.7 + 0.6 * dice.unit(self.seed, reply.id, "first")) * self.pace
   local plan = {
      status = 200, headers = { { "x-request-id", "req_" .. reply.id:sub(10) } }, tokens = token_total(reply),
      head_ms = first // 2, first_ms = first - first // 2, token_ms = ask.model.token * self.pace,
   }
   if ask.stream then
      plan.after = plan.head_ms
      plan.events, plan.event_of = wire.stream(reply), wire.event_of(reply)
      table.insert(plan.headers, { "content-type", "text/event-stream; charset=utf-8" })
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
   plan.next = events and function()
      local kind, data, fragment = events()
      if not kind then return nil end
      sent = sent + #(fragment or "")
      if kind == "finish" then finish = reply.choices[1].finish end
      if kind ~= "token" then return 0, data end
      local wait = first and plan.first_ms or plan.token_ms
      first = false
      return wait, data
   end
   plan.model, plan.stream, plan.events = ask.asked or json.null, ask.stream, nil
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
local function fault_of(self, ask, headers)
   local text = headers["x-sim-fault"] or ask.fault
   if not text then return nil end
   local fault, why = faults.parse(text)
   why = why or faults.complaint(fault)
   if why then return nil, wire.failure(400, why, "invalid_request_error", "model", "unknown_fault") end
   local name = ask.asked .. " " .. text
   self.met[name] = (self.met[name] or 0) + 1
   if fault.times and self.met[name] > fault.times then return nil end
   ask.struck = text
   return fault
end

local function complete(self, req)
   local ask, refusal = request.read(req.body)
   if refusal then return sealed(refusal, ask) end
   local fault
   fault, refusal = fault_of(self, ask, req.headers)
   if refusal then return sealed(refusal, ask) end
   if fault and faults.instead[fault.name] then
      return sealed(faults.instead[fault.name](fault.argument, ask.model), ask)
   end
   local prompt = tokens.estimate(ask.bytes)
   if prompt > ask.model.context then return sealed(wire.context_exceeded(ask.model, prompt), ask) end
   local reply = reply_to(self, ask, req.body)
   if fault and faults.prepare[fault.name] then
      for _, choice in ipairs(reply.choices) do faults.prepare[fault.name](choice) end
   end
   local plan = good_plan(self, ask, reply)
   if fault then faults.spoil[fault.name](plan, fault.argument) end
   return sealed(plan, ask, reply)
end

-- ---- routes ----

local ROUTES = {
   { "^/v1/chat/completions$", "POST", complete },
   { "^/v1/models$", "GET", wire.list_models },
   { "^/v1/models/([^/]+)$", "GET", function(_, _, id) return wire.one_model(id) end },
}

local function refused(plan)
   return sealed(plan, {})
end

-- req: method, path, headers (lower-case names), body. Returns the plan.
function server:answer(req)
   local path = req.path:gsub("[^\33-\126]", "?") -- goes into messages, which are JSON
   for _, route in ipairs(ROUTES) do
      local capture = path:match(route[1])
      if capture and req.method == route[2] then
         local plan = route[3](self, req, capture)
         return plan.log and plan or refused(plan)
      elseif capture then
         local plan = wire.failure(405, ("Not allowed to %s on %s."):format(req.method, path),
            "invalid_request_error", nil, "method_not_supported")
         table.insert(plan.headers, { "allow", route[2] })
         return refused(plan)
      end
   end
   return refused(wire.failure(404, ("Invalid URL (%s %s)"):format(req.method, path),
      "invalid_request_error", nil, nil))
end

return sim
