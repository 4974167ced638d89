-- careful: calls with more than one target, a deadline, a price limit, a rescue: llm.chat and llm.stream with
-- such options.
-- SPDX-License-Identifier: MIT
--
-- One call of llm.lua is made for each attempt; here is which target it goes to, how long it may take, what
-- it may cost, and whether another one follows.

local calling = require "calling"
local clock = require "clock"
local count = require "count"
local deadline = require "deadline"
local errors = require "errors"
local models = require "models"
local rescue = require "rescue"
local retrying = require "retrying"
local tasks = require "tasks"
local text = require "text"
local trace = require "trace"

local careful = {}

local TARGETS_MAX = 16
local TYPICAL = 500 -- output tokens, where the request does not limit them
local WINDOW = 5 -- seconds in which min_rate is measured
local LEAST = 0.01 -- seconds that an attempt needs at least

-- ---- options ----

local function is_seconds(value)
   return type(value) == "number" and value > 0 and value <= 86400
end

local function is_positive(value)
   return type(value) == "number" and value > 0 and value < math.huge
end

local function is_targets(value)
   if type(value) ~= "table" or #value < 1 or #value > TARGETS_MAX then return false end
   for _, target in ipairs(value) do
      if type(target) ~= "string" and type(target) ~= "table" then return false end
   end
   return true
end

local is_code = {}
for _, code in ipairs(errors.codes) do is_code[code] = true end

local function is_codes(value)
   if type(value) ~= "table" then return false end
   for _, code in pairs(value) do
      if not is_code[code] then return false end
   end
   return true
end

local KINDS = {
   deadline = { "seconds above 0, at most 86400", is_seconds },
   reserve = { "seconds above 0, at most 86400", is_seconds },
   min_rate = { "tokens a second, above 0", is_positive },
   rate_window = { "seconds above 0, at most 86400", is_seconds },
   max_cost = { "USD, above 0", is_positive },
   fallback = { "a list of 1 to 16 targets", is_targets },
   fallback_on = { "a list of codes of errors: " .. table.concat(errors.codes, ", "), is_codes },
   rescue = { '"error", "continue" or "restart"', rescue.is_mode },
   hold = { "{ tokens = N } or { ms = N }, or both", rescue.is_window },
}

-- careful.check(name, value): raises when an option of ours has a wrong value.
function careful.check(name, value)
   local kind = KINDS[name]
   if not kind[2](value) then errors.raise(("llm: option '%s' must be %s"):format(name, kind[1])) end
end

-- ---- time ----

-- What is kept back for the targets that follow: as the options say, else what the next one usually takes and
-- a quarter more, else a quarter of what is left; never more than a half.
local function reserve_of(opts, following, left)
   if not following then return 0 end
   if opts.reserve then return opts.reserve end
   local health = models.health(following)
   local usual = health and health.latency.p95
   return math.min(left / 2, usual and usual * 1.25 or left / 4)
end

-- The moment until which this target must have answered (a stream: begun to), nil without a deadline | false:
-- there is no time for it.
local function moment_for(opts, following)
   local left = tasks.left()
   if not left then return nil end
   local mine = left - reserve_of(opts, following, left)
   return mine >= LEAST and clock.monotonic() + mine
end

local function no_time(following)
   local message = following and "no time is left beside the reserve for the next model"
      or "the deadline has passed: no call is made"
   return errors.new { code = "timeout", message = message }
end

-- ---- money ----

local function limit_of(opts, req)
   local limit = opts.max_tokens or opts.max_completion_tokens
   if limit or type(req) == "string" then return limit end
   return req.max_completion_tokens or req.max_tokens
end

local function input_tokens(req)
   return type(req) == "string" and text.tokens(req) + 3 or count.estimate(req)
end

-- How many tokens the answer may have for max_cost | nil, err: the call would cost more. Nil, nil: the prices
-- are unknown.
local function affordable(entry, req, opts)
   if not entry.input or not entry.output then return nil end
   if opts.form then req = opts.form(entry, req, {}) end -- with the schema, where the prompt tells it
   local input = input_tokens(req)
   local limit = limit_of(opts, req)
   local output = type(limit) == "number" and limit or math.min(TYPICAL, entry.max_output or TYPICAL)
   local before = models.price(entry, { input_tokens = input, output_tokens = 0 })
   local cost = models.price(entry, { input_tokens = input, output_tokens = output })
   if cost > opts.max_cost then
      local message = "a call to '%s' would cost about %.4g USD, the limit is %g USD"
      return nil, errors.new { code = "budget", refused = "cost", provider = entry.provider,
         model = entry.model, message = message:format(entry.name, cost, opts.max_cost) }
   end
   return entry.output > 0 and (opts.max_cost - before) * 1e6 / entry.output or nil
end

-- The options of one attempt: those that llm.lua knows, and what its call must keep to | nil, err.
local function attempt_options(entry, req, opts, ends)
   local own = { ends = ends, retries = 0 }
   for name, value in pairs(opts) do
      if not KINDS[name] and name ~= "retries" then own[name] = value end
   end
   if not opts.min_rate and not opts.max_cost then return own end
   own.bounds = { window = opts.rate_window or WINDOW, min_rate = opts.min_rate, max_cost = opts.max_cost }
   if opts.max_cost then
      local most, err = affordable(entry, req, opts)
      if err then return nil, err end
      own.bounds.max_tokens = most
   end
   return own
end

-- ---- one target ----

local function is_listed(code, opts)
   for _, listed in ipairs(opts.fallback_on or {}) do
      if listed == code then return true end
   end
   return false
end

-- An answer that a filter has cut is an error where the options want another model then, and there is one.
-- result | nil, err
local function unless_filtered(result, opts, plan)
   local wanted = plan.following and is_listed("content_filter", opts)
   if not wanted then return result end
   local reason = result.finish_reason
   if rescue.is_stream(result) then reason = plan.guarded and result:ends_with() end
   if reason ~= "content_filter" then return result end
   return nil, errors.new { code = "content_filter", provider = result.provider, model = result.model,
      message = ("provider '%s': a filter has cut the answer"):format(result.provider) }
end

-- What is tried again, and again: the model, until it answers or retries are over. Yields.
local function of_one(ask, entry, req, opts, plan)
   local ends = moment_for(opts, plan.following)
   if ends == false then return nil, no_time(plan.following) end
   local n, retries = 1, opts.retries or 0
   if opts.rescue == "restart" then retries = math.max(retries, 1) end
   while true do
      local own, err = attempt_options(entry, req, opts, ends)
      if not own then return nil, err end
      own.try = n
      local result
      result, err = ask(entry, req, own, plan.stream)
      if result and plan.guarded and rescue.is_stream(result) then
         result, err = rescue.guard(result, plan)
      end
      if result then return unless_filtered(result, opts, plan) end
      if not retrying.wait(entry.name, err, n, retries, ends) then return nil, err end
      n = n + 1
   end
end

-- ---- several targets ----

-- Errors after which another model may do better. What is wrong with the request is told, not routed around.
local going_on = {
   timeout = true, rate_limited = true, overloaded = true, unavailable = true, bad_response = true,
   auth = true, not_found = true, no_candidate = true, context_length = true,
}

local function goes_on(err, opts)
   return going_on[err.code] or err.refused == "cost" or is_listed(err.code, opts)
end

-- A model of no larger window has nothing to offer to a prompt that was too long.
local function is_too_small(entry, failed)
   return failed and failed.context and entry.context and entry.context <= failed.context
end

-- What a provider says may quote the prompt: it is not noted.
local function note(entry, err)
   local message = not err.provider and err.message or nil
   trace.note { failed = { model = entry and entry.name, code = err.code, message = message } }
end

local function all_targets(target, fallback)
   local targets = { target }
   for _, other in ipairs(fallback or {}) do targets[#targets + 1] = other end
   return targets
end

-- The targets in their order, until one answers. Of several errors the first is told: it is that of the model
-- that was wanted.
local function first_of(ask, targets, req, opts, plan)
   local first, too_long
   for position, target in ipairs(targets) do
      local entry, err = calling.find(target)
      if entry then err = nil end -- the codec
      local result
      if entry and not is_too_small(entry, too_long) then
         plan.following, plan.entry = targets[position + 1], entry
         plan.rest = table.move(targets, position + 1, #targets, 1, {})
         result, err = of_one(ask, entry, req, opts, plan)
      end
      if result then return result end
      if err then
         if #targets > 1 then note(entry, err) end
         if not goes_on(err, opts) then return nil, err end
         if err.code == "context_length" then too_long = entry end
         first = first or err
      end
   end
   return nil, first
end

-- careful.call(ask, target, req, opts, stream) -> what ask returns | nil, err. ask(entry, req, opts, stream)
-- makes one call. Yields.
function careful.call(ask, target, req, opts, stream)
   local _ <close> = deadline.lower(opts.deadline and clock.monotonic() + opts.deadline)
   local plan = { ask = ask, req = req, opts = opts, stream = stream, options = attempt_options,
      guarded = stream and rescue.is_wanted(opts), ends = deadline.moment() }
   return first_of(ask, all_targets(target, opts.fallback), req, opts, plan)
end

return careful
