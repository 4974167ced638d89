-- support_desk: tickets are answered by models; what costs money or goodwill is sent when a person agrees.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/support_desk.lua
--    baton run examples/support_desk.lua "I was charged twice, please give me my money back."
--    baton run --answer send --answer refuse examples/support_desk.lua
--
-- human.ask parks the work until somebody has answered: here at the terminal, or by --answer; in the gateway
-- in the admin API, by a webhook, with `baton questions`. Where nobody can be asked, or nobody answers
-- within the time, 'otherwise' is taken: the ticket waits. policies/support.lua is this idea as a policy of
-- the gateway.
local classify = require "classify"
local human = require "human"
local llm = require "llm"

local PATIENCE = 600 -- seconds a person has

local tickets = {
   "How do I change my password?",
   "I was charged twice in March, please refund 40 euros.",
   "Your product is terrible. I will talk to my lawyer.",
   "What are your opening hours?",
}
if arg[1] then tickets = { table.unpack(arg) } end

local keywords = classify.keywords {
   money = { "refund", "money back", "charged twice", "chargeback", "cancel my subscription" },
   anger = { "lawyer", "legal action", "formal complaint", "terrible", "a real person", "your manager" },
}

local function topic_of(ticket)
   local _, sums = keywords:score(ticket)
   return (sums.anger or 0) > 0 and "anger" or (sums.money or 0) > 0 and "money" or "question"
end

-- Common questions to a cheap model; where a person will look at the draft, a strong one writes it.
local function draft_for(ticket, topic)
   local reply, err = llm.chat({ tier = topic == "question" and "fast" or "expert" }, { messages = {
      { role = "system", content = "You answer customers of a shop in three sentences. Promise no refund." },
      { role = "user", content = ticket },
   } }, { timeout = 60, retries = 1 })
   if not reply then error(err, 0) end
   return reply.text
end

local function decide(ticket, topic, draft)
   return human.ask {
      question = "Send this answer to the customer?",
      options = { "send", "refuse", "hold" },
      details = { ticket = ticket, topic = topic, draft = draft },
      within = PATIENCE,
      otherwise = "hold",
   }
end

local counts = { answered = 0, refused = 0, waiting = 0 }

local function settle(outcome, line)
   counts[outcome] = counts[outcome] + 1
   print(("   %s: %s\n"):format(outcome, line))
end

for _, ticket in ipairs(tickets) do
   local topic = topic_of(ticket)
   print(("[%s] %s"):format(topic, ticket))
   local draft = draft_for(ticket, topic)
   if topic == "question" then
      settle("answered", draft)
   else
      local decision, about = decide(ticket, topic, draft)
      if not decision then error(about, 0) end
      if decision == "send" then
         settle("answered", draft)
      elseif decision == "refuse" then
         settle("refused", "a person writes the answer")
      else
         settle("waiting", about.otherwise and "nobody decided (" .. about.reason.code .. ")" or "put aside")
      end
   end
end
print(("-- %d answered, %d refused, %d waiting"):format(counts.answered, counts.refused, counts.waiting))
