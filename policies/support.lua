-- Choose this for a support desk: common questions to the fast model, money to a model that reasons, and
-- what only a person may settle to a person.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local config = require "config"
local human = require "human"
local llm = require "llm"
local log = require "log"
local policy = require "policy"
local text = require "text"
local trace = require "trace"
local why = require "_why"

local TERMS = {
   money = { "refund", "refunds", "money back", "chargeback", "charged twice", "invoice",
      "cancel my subscription",
      "billing", "overcharged", "payment" },
   person = { "speak to a human", "talk to a human", "speak to a person", "real person", "talk to someone",
      "your manager", "a supervisor", "lawyer", "sue you", "legal action", "formal complaint" },
}

-- Compiled once, when the file is loaded; the configuration's are in place of these.
local keywords = classify.keywords((config.policies.support or {}).terms or TERMS)

local function topic_of(req, p)
   if ask.hint(req, p.member) == "escalated" then return "person" end
   local _, sums = keywords:score(text.of(req))
   if (sums.person or 0) > 0 then return "person" end
   return (sums.money or 0) > 0 and "money" or "faq"
end

-- What a person answers | nil: nobody did in time.
local function ask_person(req, p)
   local answer, err = human.ask { question = text.clip(text.of(req), 4000), within = p.within }
   if answer then return llm.reply { text = answer, name = "human" } end
   log.warn("no person answered", { code = err.code })
   return nil
end

local function run(req, p)
   local topic = topic_of(req, p)
   local first, second = p.money, p.faq
   if topic == "faq" then first, second = second, first end
   if topic == "person" and text.of(req) ~= "" then
      trace.decide { model = "a person", reason = topic,
         candidates = why.rest(nil, { first, second }, 1, "a person is wanted", req) }
      local answer = ask_person(req, p)
      if answer then return answer end
   end
   trace.decide { model = why.name(first, req), reason = topic == "person" and "no person answered" or topic,
      candidates = why.add(nil, second, "for " .. (topic == "faq" and "money" or "common questions"), req) }
   local reply, err = ask.once(first, req)
   if reply or policy.hopeless(err) then return reply, err end
   trace.decide { model = why.name(second, req), reason = err.code,
      candidates = why.failed(nil, first, err, req) }
   return ask.once(second, req)
end

return policy.define {
   name = "support",
   about = "Common questions to the fast model, money to a reasoning model, escalations to a person.",
   params = {
      faq = { tier = "fast" },      -- targets
      money = { tier = "expert" },  -- also when no person answers in time
      terms = TERMS,                -- lists of terms by topic: money, person
      member = "ticket",            -- the client's hint (req.context): "escalated" goes to a person
      within = 30,                  -- seconds a person has
   },
   limits = { within = { min = 0.001, max = 604800 } },
   open = { ticket = { type = "string", max_length = 64 } },
   run = run,
   checks = function()
      assert(keywords:score "I want a refund" > 0 or (config.policies.support or {}).terms)
   end,
}
