-- Choose this when cheap answers are often good enough and a poor one can be told: pay for the strong model
-- only then.
-- SPDX-License-Identifier: MIT
--
-- The cascade of FrugalGPT (Chen et al. 2023, arXiv 2305.05176), with cheap checks in place of a trained
-- judge. All but the last model answer whole, since an answer cannot be judged while it arrives.
local ask = require "_ask"
local escalate = require "_escalate"
local judge = require "judge"
local log = require "log"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

local WORDS = { "fast", "standard", "expert", "specialist" }
local TIERS = {}
for _, tier in ipairs(WORDS) do TIERS[tier] = { tier = tier } end

local function target_of(rung)
   return TIERS[rung] or rung
end

-- The rungs above the i-th, which nobody asks, after those that were passed over.
local function not_needed(passed, ladder, i, req)
   for above = i + 1, #ladder do
      passed = why.add(passed, target_of(ladder[above]), "not needed: a cheaper answer is good enough",
         req)
   end
   return passed
end

local function fault(score, threshold, reasons)
   return ("quality %.2f is below %g: %s"):format(score, threshold, table.concat(reasons, ", "))
end

local function run(req, p)
   local best, best_score, passed = nil, 0, nil
   for i = 1, #p.ladder - 1 do
      local target = target_of(p.ladder[i])
      local reply, err = ask.whole(target, req)
      if reply then
         local score, reasons = judge.quality(req, reply)
         if score >= p.threshold then
            trace.decide { model = reply.name, reason = "good enough", confidence = score, score = score,
               candidates = not_needed(passed, p.ladder, i, req) }
            return reply
         end
         if ask.filtered(reply) then return reply end
         trace.decide { model = reply.name, reason = "not good enough", score = score }
         passed = why.add(passed, reply.name, fault(score, p.threshold, reasons))
         if score > best_score then best, best_score = reply, score end
         log.info("answer not good enough", { model = reply.name, score = score, reasons = reasons })
      elseif policy.hopeless(err) then
         return nil, err
      else
         passed = why.failed(passed, target, err, req)
         log.info("rung failed", { code = err.code })
      end
   end
   local last = target_of(p.ladder[#p.ladder])
   trace.decide { model = why.name(last, req), reason = "the last of the ladder", candidates = passed }
   return escalate(last, req, best) -- nobody judges it, so it may stream
end

return policy.define {
   name = "cascade",
   about = "Asks the cheap model first and a stronger one when the answer is poor.",
   params = {
      ladder = { "fast", "expert" }, -- tiers, names of models or selectors, cheapest first
      threshold = 0.8,               -- judge.quality (0..1) from which an answer is taken
   },
   limits = { ladder = { of = "targets", words = WORDS, least = 1 }, threshold = policy.share },
   open = { "threshold" },
   run = run,
}
