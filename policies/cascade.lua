-- Choose this when cheap answers are often good enough and a poor one can be told: pay for the strong model
-- only then.
-- SPDX-License-Identifier: MIT
--
-- The cascade of FrugalGPT (Chen et al. 2023, arXiv 2305.05176), with cheap checks in place of a trained
-- judge. All but the last model answer whole, since an answer cannot be judged while it arrives.
local judge = require "judge"
local llm = require "llm"
local log = require "log"
local policy = require "policy"
local trace = require "trace"

local HOPELESS = { bad_request = true, cancelled = true, budget = true } -- would fail on every rung

local TIERS = { fast = true, standard = true, expert = true, specialist = true }

local function target_of(rung)
   return TIERS[rung] and { tier = rung } or rung
end

-- Nobody judges the last rung, so it may stream.
local function last_rung(req, rung, best)
   local reply, err = llm.stream(target_of(rung), req)
   if reply then return reply end
   if best then
      trace.decide { model = best.model, reason = "the last model failed: best answer so far" }
      return best
   end
   return nil, err
end

local function run(req, p)
   local best, best_score = nil, 0
   for i = 1, #p.ladder - 1 do
      local reply, err = llm.chat(target_of(p.ladder[i]), req)
      if reply then
         local score, reasons = judge.quality(req, reply)
         if score >= p.threshold then
            trace.decide { model = reply.model, reason = "good enough", confidence = score, score = score }
            return reply
         end
         trace.decide { model = reply.model, reason = "not good enough", score = score }
         if score > best_score then best, best_score = reply, score end
         log.info("answer not good enough", { model = reply.model, score = score, reasons = reasons })
      elseif HOPELESS[err.code] then
         return nil, err
      else
         log.info("rung failed", { code = err.code })
      end
   end
   return last_rung(req, p.ladder[#p.ladder], best)
end

return policy.define {
   name = "cascade",
   about = "Asks the cheap model first and a stronger one when the answer is poor.",
   params = {
      ladder = { "fast", "expert" }, -- tiers, names of models or selectors, cheapest first
      threshold = 0.8,               -- judge.quality (0..1) from which an answer is taken
   },
   limits = { ladder = { of = "targets", least = 1 }, threshold = policy.share },
   open = { "threshold" },
   run = run,
}
