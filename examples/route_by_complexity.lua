-- route_by_complexity: easy questions to a cheap model, hard ones to a strong one.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/route_by_complexity.lua
--    baton run examples/route_by_complexity.lua "Prove that there are infinitely many primes."
--
-- classify.complexity reads only the words of a request and costs some microseconds. It also says why: the
-- factors. policies/complexity.lua is this idea as a policy of the gateway.
local classify = require "classify"
local llm = require "llm"

local questions = {
   "What is the capital of Australia?",
   "Write a haiku about the sea.",
   "First explain how a B-tree index works, then compare it with a hash index, and recommend one.",
   "Prove that if n is odd then n^2 - 1 is divisible by 8, and explain why each step is necessary.",
}
if arg[1] then questions = { arg[1] } end

local TIERS = { simple = "fast", medium = "standard", complex = "expert" }

-- The factor that counts most.
local function main_factor(factors)
   local best
   for name, value in pairs(factors) do
      if not best or value > factors[best] then best = name end
   end
   return best
end

for _, question in ipairs(questions) do
   local score, factors, level = classify.complexity(question)
   local tier = TIERS[level]
   print(("%.2f %-8s %s"):format(score, tier, question))
   local reply, err = llm.chat({ tier = tier }, question)
   print(("     mostly %s; %s"):format(main_factor(factors), reply and reply.model or err.message))
   if reply then print("     " .. reply.text:sub(1, 200):gsub("\n", "\n     ")) end
end
