-- Choose this when most requests are easy and some are hard: each goes to the cheapest tier that its
-- words suggest.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local log = require "log"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

local TIERS = { "fast", "standard", "expert" }

-- Where to start on the list of tiers.
local function first_tier(score, p)
   if score < p.standard_from then return 1 end
   return score < p.expert_from and 2 or 3
end

-- Those that were passed over, and the tiers above the i-th.
local function stronger(passed, i, req)
   local all = passed and table.move(passed, 1, #passed, 1, {})
   for above = i + 1, #TIERS do
      all = why.add(all, { tier = TIERS[above] }, "not needed: dearer", req)
   end
   return all
end

-- Where no stronger tier answers, the next weaker one does: better than nobody, but not for a prompt that is
-- too long.
local function weaker(req, first, err)
   local reply
   for i = first - 1, 1, -1 do
      if policy.hopeless(err) or err.code == "context_length" then return nil, err end
      local target = { tier = TIERS[i] }
      trace.decide { model = why.name(target, req), tier = TIERS[i], reason = err.code,
         candidates = why.failed(nil, { tier = TIERS[#TIERS] }, err, req) }
      reply, err = ask.once(target, req)
      if reply then return reply end
   end
   return nil, err
end

-- A tier that fails hands over to the next stronger one. A request that is wrong in itself fails everywhere.
local function run(req, p)
   local score = classify.complexity(req)
   local first = first_tier(score, p)
   local passed, reply, err
   for i = 1, first - 1 do passed = why.add(passed, { tier = TIERS[i] }, "looks too hard for it", req) end
   for i = first, #TIERS do
      local tier, target = TIERS[i], { tier = TIERS[i] }
      trace.decide { model = why.name(target, req), tier = tier, reason = ("complexity %.2f"):format(score),
         score = score, candidates = stronger(passed, i, req) }
      reply, err = ask.once(target, req)
      if reply then return reply end
      passed = why.failed(passed, target, err, req)
      if policy.hopeless(err) then return nil, err end
      log.info("next tier", { tier = tier, code = err.code })
   end
   return weaker(req, first, err)
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
