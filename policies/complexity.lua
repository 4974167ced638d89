-- Choose this when most requests are easy and some are hard: each goes to the cheapest tier that its
-- words suggest.
-- SPDX-License-Identifier: MIT
local classify = require "classify"
local llm = require "llm"
local log = require "log"
local policy = require "policy"
local trace = require "trace"

local TIERS = { "fast", "standard", "expert" }

-- Where to start on the list of tiers.
local function first_tier(score, p)
   if score < p.standard_from then return 1 end
   return score < p.expert_from and 2 or 3
end

-- A tier that fails hands over to the next stronger one. A request that is wrong in itself fails everywhere.
local function run(req, p)
   local score = classify.complexity(req)
   local reply, err
   for i = first_tier(score, p), #TIERS do
      local tier = TIERS[i]
      trace.decide {
         model = tier, reason = ("complexity %.2f"):format(score), score = score, candidates = TIERS,
      }
      reply, err = llm.stream({ tier = tier, needs = req.tools and { "tools" } or nil }, req)
      if reply then return reply end
      if err.code == "bad_request" or err.code == "content_filter" or err.code == "cancelled" then break end
      log.info("next tier", { tier = tier, code = err.code })
   end
   return nil, err
end

return policy.define {
   name = "complexity",
   about = "Routes by how hard a request looks: fast, standard or expert tier.",
   params = {
      standard_from = 0.1, -- score (classify.complexity, 0..1) from which the standard tier answers
      expert_from = 0.3,   -- and the expert tier
   },
   limits = { standard_from = policy.share, expert_from = policy.share },
   open = { "standard_from", "expert_from" },
   run = run,
   checks = function()
      assert(classify.complexity("Hello there!") < 0.1, "a greeting is for the fast tier")
   end,
}
