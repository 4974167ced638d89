-- route_by_intent: what a customer wants decides who answers: a cheap model, a strong one, or nobody at all.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/route_by_intent.lua
--    baton run examples/route_by_intent.lua "Where is my parcel?"
--
-- From cheap to dear: nearest examples decide in microseconds where a request is like one of them. Where none
-- is near enough a small model is asked, which takes part of a second (the simulator's only guesses). When it
-- is down, the nearest example decides all the same: no outage stops the routing. In a policy, make the
-- classifiers when the file is loaded, outside of run; with hundreds of examples train a model with "baton
-- train", and take classify.linear{ model = "NAME" } in the place of the examples.
local classify = require "classify"
local llm = require "llm"

local INTENTS = {
   order = {
      "Where is my order?", "The parcel has not arrived", "Track my delivery", "When will it be shipped?",
      "I want to change the address of my order",
   },
   refund = {
      "I want my money back", "How do I return an item?", "You charged me twice", "The refund is missing",
      "The invoice is wrong",
   },
   technical = {
      "The app crashes when I open it", "I cannot log in", "Error 500 when I upload a file",
      "It does not connect to the network", "The update fails with a checksum error",
   },
   person = { "Let me talk to a human", "I want to speak to an agent", "Give me your manager" },
}

-- Which model answers what; false: a person does.
local ROUTES = {
   order = { tier = "fast" }, refund = { tier = "standard" }, technical = { tier = "expert" }, person = false,
}

local NEAR <const> = 0.35 -- from here on the nearest examples are trusted

local examples = classify.neighbours { examples = INTENTS, k = 3 }
local asked = classify.ask {
   labels = {
      order = "deliveries and orders", refund = "money, returns, invoices",
      technical = "faults of the product", person = "wants to talk to a person",
   },
   model = { tier = "fast" }, timeout = 3, fallback = examples,
}

-- The intent of a question, and who found it.
local function intent_of(question)
   local label, score = examples:label(question)
   if label and score >= NEAR then return label, ("examples, %.2f"):format(score) end
   local found, from = asked:label(question)
   if not found then return "person", "nobody: " .. from.message end
   return found, from
end

local questions = {
   "My parcel did not arrive, can you track it?",
   "I was charged twice, I want the money back!",
   "The app crashes at every update",
   "Can I talk to a human, please?",
   "What colour goes with a red sofa?",
}
if arg[1] then questions = { arg[1] } end

for _, question in ipairs(questions) do
   local intent, how = intent_of(question)
   local target = ROUTES[intent]
   print(("%-10s (%s)  %s"):format(intent, how, question))
   if not target then
      print "   a person will call you back"
   else
      local reply, err = llm.chat(target, question, { timeout = 20 })
      print("   " .. (reply and reply.model .. ": " .. reply.text:sub(1, 100) or err.message))
   end
end
