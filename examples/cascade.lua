-- cascade: ask the cheap model, look at its answer, and pay for a stronger one only when it is poor.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/cascade.lua
--    baton run examples/cascade.lua "Return the three primary colours as a JSON array."
--
-- judge.quality finds answers that are broken (empty, cut, refused, malformed, not in the form asked for),
-- not answers that are wrong. Prints what each rung did and what the whole cost. policies/cascade.lua is
-- this idea as a policy of the gateway.
local judge = require "judge"
local llm = require "llm"

local LADDER = { "fast", "standard", "expert" }
local GOOD_ENOUGH = 0.8

local question = arg[1] or "What is the capital of Australia?"

local cost = 0
for _, tier in ipairs(LADDER) do
   local reply, err = llm.chat({ tier = tier }, question)
   if not reply then
      print(("%-8s failed: %s"):format(tier, err.message))
   else
      local score, reasons = judge.quality(question, reply)
      cost = cost + (reply.cost or 0)
      print(("%-8s %s scored %.2f %s"):format(tier, reply.model, score, table.concat(reasons, ", ")))
      if score >= GOOD_ENOUGH then
         print(reply.text)
         break
      end
   end
end
print(("-- %.6f USD in all"):format(cost))
