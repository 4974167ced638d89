-- learn_from_feedback: which model is best for what is learned from scores, and learned anew when it changes.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/learn_from_feedback.lua
--
-- A bandit chooses the model, for facts and for sums apart. The users here know the right answers and give a
-- score; in the gateway clients send it to POST /v1/feedback. A right answer is worth a twentieth of a cent,
-- so that a cheap model that is right as often wins. After some rounds the model that was good at sums is
-- replaced behind its name by a broken one, whose answers are cut off. policies/bandit.lua is this idea as a
-- policy of the gateway.
local bandit = require "bandit"
local feedback = require "feedback"
local llm = require "llm"
local task = require "task"

local ARMS = { "mini", "math", "pro" }
local ROUNDS, BROKEN_AFTER = 9, 4

local QUESTIONS = {
   facts = {
      { "What is the capital of Australia?", "Canberra" },
      { "Which planet in our solar system has the shortest year?", "Mercury" },
      { "Which chemical element has the symbol W?", "Tungsten" },
      { "Who wrote the novel \"Middlemarch\"?", "George Eliot" },
      { "Which country has the most time zones, counting its overseas territories?", "France" },
      { "Which vitamin is missing in the diet of somebody who has beriberi?", "Thiamine" },
   },
   sums = {
      { "What is 17 * 24?", "408" },
      { "What is the sum of all whole numbers from 1 to 200?", "20100" },
      { "How many different ways are there to choose 3 people out of 10?", "120" },
      { "What is the remainder when 7 to the power of 100 is divided by 5?", "1" },
      { "1,000 euros are invested at 5 percent interest a year, compounded yearly. How many euros are there "
         .. "after 3 years, to the cent?", "1157.63" },
   },
}

local models = bandit.new { name = "learn_from_feedback", arms = ARMS, buckets = { "facts", "sums" },
   discount = 0.95, explore = 0.05, worth = 0.0005 }

local function target_of(arm, round)
   return "sim/" .. arm .. (arm == "math" and round > BROKEN_AFTER and ":filter" or "")
end

-- One question, its answer, and the user's score.
local function ask(kind, question, round)
   local arm, _, decision = models:choose(kind)
   if not arm then error(decision, 0) end
   local reply, err = llm.chat(target_of(arm, round), question[1])
   if not reply then error(err, 0) end
   local right = reply.finish_reason == "stop" and reply.text:find(question[2], 1, true) ~= nil
   feedback.give(decision.trace, right and 1 or 0, { cost = reply.cost })
   return { kind = kind, arm = arm, right = right, cost = reply.cost }
end

-- All questions six times, a few side by side, as clients would send them.
local function play(round)
   local answers = {}
   for _ = 1, 3 do
      local asked = {}
      for kind, list in pairs(QUESTIONS) do
         for i = 1, 2 * #list do
            asked[i .. kind] = function() return ask(kind, list[(i + 1) // 2], round) end
         end
      end
      for _, answer in pairs((task.all(asked))) do answers[#answers + 1] = answer end
   end
   return answers
end

local function shares(answers, kind)
   local n, of = 0, {}
   for _, answer in ipairs(answers) do
      if answer.kind == kind then
         n = n + 1
         of[answer.arm] = (of[answer.arm] or 0) + 1
      end
   end
   local shown = {}
   for place, arm in ipairs(ARMS) do
      shown[place] = ("%s %3.0f%%"):format(arm, 100 * (of[arm] or 0) / n)
   end
   return table.concat(shown, "  ")
end

local HEAD = { "round", "answers facts", "who answers sums", "right", "USD" }

print(("%-5s  %-31s  %-31s  %5s  %s"):format(table.unpack(HEAD)))
for round = 1, ROUNDS do
   local answers = play(round)
   local right, cost = 0, 0
   for _, answer in ipairs(answers) do
      right, cost = right + (answer.right and 1 or 0), cost + answer.cost
   end
   print(("%5d  %-31s  %-31s  %4.0f%%  %.5f"):format(round, shares(answers, "facts"),
      shares(answers, "sums"), 100 * right / #answers, cost))
   if round == BROKEN_AFTER then print "       -- from here on \"math\" is broken" end
end
