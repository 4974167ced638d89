-- route_by_task: each kind of work to the model that is good at it.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/route_by_task.lua
--    baton run examples/route_by_task.lua "Translate 'good morning' into French."
--
-- classify.task names the kind and how sure it is. The catalogue knows what models are good at; models.find
-- lists those that fit, cheapest first, and is asked before the call so that a kind nobody is good at goes
-- to the general model. policies/task.lua is this idea as a policy of the gateway.
local classify = require "classify"
local llm = require "llm"
local models = require "models"

local questions = {
   "Write a Python function that returns the n-th Fibonacci number.",
   "What is 17% of 2,350?",
   "Summarise in one sentence: The council met on Monday and agreed to repair the old bridge before winter.",
   "Hi there, how are you today?",
}
if arg[1] then questions = { arg[1] } end

local GENERAL = { tier = "standard" }

local function target_of(kind, confidence)
   if confidence < 0.4 then return GENERAL end
   local specialists = models.find { good_at = kind }
   return specialists[1] and specialists[1].name or GENERAL
end

for _, question in ipairs(questions) do
   local kind, confidence = classify.task(question)
   print(("%-14s %3.0f %%  %s"):format(kind, confidence * 100, question))
   local reply, err = llm.chat(target_of(kind, confidence), { messages = { { role = "user",
   content = question } } })
   print("   " .. (reply and reply.model .. ": " .. reply.text:sub(1, 200) or err.message))
end
