-- local_and_cloud: what is personal stays on your machines, what is easy too; only the hard rest leaves them.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/local_and_cloud.lua
--    baton run examples/local_and_cloud.lua "Write to ada@example.com that the parcel has arrived."
--
-- classify.pii finds personal data, classify.complexity guesses how hard a request is; both run here, nobody
-- is asked. The selector where = "local" is the promise: when no local model answers, the request fails and
-- does not go elsewhere. policies/privacy.lua and policies/local_first.lua are this idea as policies of the
-- gateway.
local classify = require "classify"
local llm = require "llm"
local text = require "text"
local trace = require "trace"

local HARD = 0.25 -- complexity from which a request is worth a large model

local requests = {
   "What is the capital of Australia?",
   "Write a reminder to Maria Lindqvist, maria.lindqvist@example.com, that IBAN DE89 3704 0044 0532 0130 00 "
      .. "changes in May.",
   "Prove step by step that there are infinitely many prime numbers, and explain why the argument fails for "
      .. "twin primes.",
   "Say hello in one short sentence.",
}
if arg[1] then requests = { table.unpack(arg) } end

-- "email, iban" | nil. Only the kinds: what was found goes nowhere.
local function personal(request)
   local names, seen = {}, {}
   for _, finding in ipairs(classify.pii(request)) do
      if not seen[finding.kind] then
         seen[finding.kind] = true
         names[#names + 1] = finding.kind
      end
   end
   return #names > 0 and table.concat(names, ", ") or nil
end

-- Where a request goes, with which model, and why.
local function route(request)
   local kinds, hardness = personal(request), classify.complexity(request)
   if kinds then
      local tier = hardness >= HARD and "standard" or "fast"
      return { where = "local", tier = tier }, "holds " .. kinds
   end
   if hardness < HARD then
      return { where = "local", tier = "fast" }, ("easy, %.2f"):format(hardness)
   end
   return { where = "cloud", tier = "expert" }, ("hard, %.2f"):format(hardness)
end

local shares = { ["local"] = 0, cloud = 0 }
for _, request in ipairs(requests) do
   local target, why = route(request)
   trace.decide { model = target, reason = why }
   local reply, err = llm.chat(target, request, { timeout = 60 })
   print(("%-5s (%s)  %s"):format(target.where, why, text.clip(request, 70)))
   print("      " .. (reply and reply.name .. ": " .. text.clip(reply.text, 200) or tostring(err)))
   shares[target.where] = shares[target.where] + 1
end
print(("-- %d local, %d in the cloud, %.6f USD"):format(shares["local"], shares.cloud,
   trace.total().cost_usd))
