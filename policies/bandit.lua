-- Choose this when you do not know which model is best for what, and your application can tell how good an
-- answer was: it tries them, learns from the scores, and follows when models or requests change.
-- SPDX-License-Identifier: MIT
--
-- Each kind of request is learned by itself. Scores come from POST /v1/feedback, or, with learn_from =
-- "judge", from judge.quality, which finds answers that are broken and not those that are wrong.
local bandit = require "bandit"
local classify = require "classify"
local judge = require "judge"
local llm = require "llm"
local log = require "log"
local policy = require "policy"
local selector = require "_ask".selector
local trace = require "trace"
local why = require "_why"

-- Whoever answers would fail, or nobody asks any more: that says nothing of the arm.
local HOPELESS = { bad_request = true, context_length = true, content_filter = true, cancelled = true,
   budget = true }

local TIERS = { fast = true, standard = true, expert = true, specialist = true }

local FACTORS = { "length", "terms", "ambiguity", "steps", "logic" }

local function target_of(arm, req)
   return TIERS[arm] and selector({ tier = arm }, req) or arm
end

-- ---- what kind of request it is ----

local buckets = {}

function buckets.none() return "" end

function buckets.task(req)
   local kind, confidence = classify.task(req)
   return confidence >= 0.4 and kind or "general"
end

function buckets.complexity(req)
   return (select(3, classify.complexity(req)))
end

local function context_of(req, p)
   local context = { bucket = buckets[p.by](req), among = {} }
   for place, arm in ipairs(p.arms) do context.among[place] = arm end
   if p.method == "linucb" then
      local _, factors = classify.complexity(req)
      context.features = {}
      for _, name in ipairs(FACTORS) do context.features[name] = factors[name] end
   end
   return context
end

-- ---- the answer ----

local function bandit_of(p)
   return bandit.new { name = p.name, arms = p.arms, method = p.method, discount = p.discount,
      explore = p.explore, worth = p.worth, features = p.method == "linucb" and FACTORS or nil }
end

-- An answer that is to be judged cannot be passed on while it arrives.
local function ask(target, req, p)
   if p.learn_from == "judge" then return llm.chat(target, req) end
   return llm.stream(target, req)
end

-- A model that was not called (its breaker is open) or could not help it has not done badly.
local function note_failure(b, decision, err)
   if err.refused or HOPELESS[err.code] then
      b:withdraw(decision)
   else
      b:learn(decision, 0, { final = true })
   end
   log.info("arm failed", { arm = decision.arm, code = err.code })
end

local function without(list, item)
   local left = {}
   for _, one in ipairs(list) do
      if one ~= item then left[#left + 1] = one end
   end
   return left
end

-- An arm that fails hands over to one of the others.
local function run(req, p)
   local b, context = bandit_of(p), context_of(req, p)
   local failure, failed
   while #context.among > 0 do
      local arm, none, decision = b:choose(context)
      if not arm then return nil, none end
      local target = target_of(arm, req)
      trace.decide { model = why.name(target), reason = "the arm " .. arm, candidates = failed }
      local reply, err = ask(target, req, p)
      if reply then
         if p.learn_from == "judge" then b:learn(decision, (judge.quality(req, reply))) end
         return reply
      end
      note_failure(b, decision, err)
      if HOPELESS[err.code] then return nil, err end
      failure, failed = err, why.failed(failed, target, err)
      context.among = without(context.among, arm)
   end
   return nil, failure
end

return policy.define {
   name = "bandit",
   about = "Learns from scores which model is best for which kind of request.",
   params = {
      name = "bandit",                         -- under which it is learned
      arms = { "fast", "standard", "expert" }, -- tiers, or names of models
      method = "thompson",                     -- or "linucb", which weighs the factors of classify.complexity
      by = "task",                             -- kinds of requests: "task", "complexity" or "none"
      learn_from = "feedback",                 -- or "judge"
      discount = 0.995,                        -- what a score weighs after each new one of its kind
      explore = 0.02,                          -- share of requests that go to any arm
      worth = 0.01,                            -- USD that a good answer is worth, beside what it costs
   },
   limits = {
      name = { min_length = 1, max_length = 64 }, arms = { of = "names", least = 1, most = 32 },
      method = { one_of = { "thompson", "linucb" } }, by = { one_of = { "task", "complexity", "none" } },
      learn_from = { one_of = { "feedback", "judge" } }, discount = { min = 0.5, max = 1 },
      explore = policy.share, worth = { min = 0 },
   },
   run = run,
   checks = {
      kinds = function() assert(buckets.task "Write a Python function that sorts a list." == "code") end,
      bandit = function()
         bandit_of { name = "check", arms = { "fast" }, method = "linucb", by = "none", discount = 1,
            explore = 0, worth = 0, learn_from = "judge" }
      end,
   },
}
