-- ensemble: three models answer at once, and the majority decides.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/ensemble.lua
--    baton run examples/ensemble.lua "Is 91 a prime number? Answer yes or no."
--
-- task.all runs the calls side by side: it takes as long as the slowest. consensus.majority compares letters,
-- numbers or texts, as it finds them, and says how many agree. policies/ensemble.lua is this idea as a
-- policy of the gateway, with an expert who decides when nobody agrees.
local consensus = require "consensus"
local llm = require "llm"
local models = require "models"
local task = require "task"

local question = arg[1] or "What is the capital of Australia?"

local names, calls = {}, {}
for _, model in ipairs(models.find {}) do
   if #names == 3 then break end
   names[#names + 1] = model.name
   calls[#calls + 1] = function() return llm.chat(model.name, question, { timeout = 30 }) end
end

local replies, errors = task.all(calls)
for i, name in ipairs(names) do
   print(("%-20s %s"):format(name,
   replies[i] and replies[i].text or "failed: " .. tostring(errors[i].message)))
end

local winner, agreement, groups = consensus.majority(replies)
if winner then
   print(("-- %d different answers, %.0f %% agree: %s"):format(#groups, agreement * 100, winner.text))
else
   print("-- no answer")
end
