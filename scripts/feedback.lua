-- feedback: a score for what was decided under a trace, from a client or from a script.
-- SPDX-License-Identifier: MIT
local bandits = require "bandits"
local errors = require "errors"
local log = require "log"

local feedback = {}

local handlers = {} -- of this generation, filled while its files are loaded

local function is_score(score)
   return type(score) == "number" and score >= 0 and score <= 1
end

local OPTIONS = { bandit = "string", comment = "string", cost = "number" }

local function check(trace, score, options)
   if type(trace) ~= "string" or trace == "" then errors.raise "feedback.give: the trace must be a string" end
   if not is_score(score) then errors.raise "feedback.give: the score must be a number from 0 to 1" end
   for name, value in pairs(options) do
      local wanted = OPTIONS[name]
      if not wanted then errors.raise(("feedback.give: unknown option '%s'"):format(tostring(name))) end
      if type(value) ~= wanted then
         errors.raise(("feedback.give: %s must be a %s, not a %s"):format(name, wanted, type(value)))
      end
   end
   local cost = options.cost or 0
   if not (cost >= 0 and cost < math.huge) then
      errors.raise "feedback.give: cost must be a number of USD, 0 or more"
   end
end

-- A handler that fails does not take back what was learned.
local function tell(given)
   for _, handler in ipairs(handlers) do
      local ok, err = pcall(handler, given)
      if not ok then log.warn("a handler of feedback failed", { error = tostring(err) }) end
   end
end

-- feedback.give(trace, score, opts?) -> { decisions =, learned =, repeated =, told = list } | nil, err
--   trace   x-baton-trace of the answer, or the trace of a decision
--   score   0 to 1, for all decisions under the trace; opts.bandit: only those of that bandit
--   opts    comment: for feedback.on; cost: what it cost in USD, in place of what the request has cost
--   told    { bandit =, arm =, bucket =, probability =, cost =, reward =, learned = } of each decision
-- The same score again changes nothing (repeated). err.code: "not_found" when nothing was decided under the
-- trace, or it is too long ago; "invalid_output" when it has another score already.
function feedback.give(trace, score, options)
   options = options or {}
   check(trace, score, options)
   if options.cost then bandits.spent(trace, options.cost) end
   local result, err = bandits.feedback(trace, score, options.bandit)
   if not result then return nil, err end
   if not result.repeated then
      tell { trace = trace, score = score, comment = options.comment, told = result.told }
   end
   return result
end

-- feedback.on(f): calls f{ trace =, score =, comment =, told = } for each feedback that was taken, in the
-- worker that took it. Only while a file is loaded. f may wait.
function feedback.on(f)
   if type(f) ~= "function" then errors.raise("feedback.on takes a function, not a " .. type(f)) end
   if not bandits.loading() then errors.raise "feedback.on: only while a file is loaded" end
   handlers[#handlers + 1] = f
end

return feedback
