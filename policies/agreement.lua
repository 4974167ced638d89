-- Choose this when answers can be compared (a number, a letter, a short text): what two cheap models say
-- alike is mostly right, and only where they differ the strong model is asked.
-- SPDX-License-Identifier: MIT
--
-- An answer that a provider's filter has ended is one of several here: the other models are asked anyway.
--
-- On recorded outcomes this is as right as the strong model alone, at a fraction of its calls: agreement of
-- independent models says more than one model's confidence. Models of one family err together; take
-- different ones.
local ask = require "_ask"
local consensus = require "consensus"
local escalate = require "_escalate"
local llm = require "llm"
local log = require "log"
local policy = require "policy"
local task = require "task"
local trace = require "trace"
local why = require "_why"

-- Asks the members 'from' to 'to' side by side; what comes of it goes to 'replies' and 'failures' at their
-- places. -> the first error
local function ask_some(req, members, from, to, p, replies, failures)
   local calls = {}
   for i = from, to do
      calls[i - from + 1] = function() return llm.chat(members[i], req, { timeout = p.timeout }) end
   end
   local got, errs = task.all(calls)
   for i = from, to do replies[i], failures[i] = got[i - from + 1], errs[i - from + 1] end
   return errs[1]
end

local function decide(req, winner, confidence, votes, p)
   trace.decide { model = winner and winner.name or why.name(p.strong, req),
      reason = winner and "agreed" or "no agreement", confidence = confidence,
      candidates = winner and why.add(votes, p.strong, "not needed: enough agree", req) or votes }
end

local function run(req, p)
   if req.tools then return ask.target(p.strong, req) end -- calls of tools cannot be compared as texts
   local members, replies, failures = ask.members(p.models, p.selector, p.need, req), {}, {}
   local asked, winner, groups, enough = 0, nil, {}, false
   while not enough and asked < #members do
      local to = math.max(asked + 1, math.min(p.need, #members))
      local err = ask_some(req, members, asked + 1, to, p, replies, failures)
      if err and policy.hopeless(err) then return nil, err end
      asked = to
      local _
      winner, _, groups = consensus.majority(replies, { by = p.by })
      enough = winner ~= nil and groups[1].weight >= p.need
   end
   local taken = enough and winner or nil
   decide(req, taken, taken and p.need / asked or 0, why.votes(members, replies, failures, groups, taken), p)
   if enough then return winner end
   log.info("no agreement", { asked = asked })
   return escalate(p.strong, req, winner)
end

return policy.define {
   name = "agreement",
   about = "Cheap models side by side; where they do not agree, the strong one.",
   params = {
      models = {},                   -- cheap ones; the first 'need' are asked at once, more one by one until
                                     -- enough agree; empty: the cheapest that the selector finds
      selector = {},                 -- which these may be (models.find)
      need = 2,                      -- how many must agree
      by = "auto",                   -- how answers are compared (consensus.majority)
      strong = { tier = "expert" },  -- who decides otherwise
      timeout = 30,                  -- seconds a cheap model has
   },
   limits = {
      models = { of = "targets" }, selector = { of = "selector" },
      need = { min = 2, max = 20, integer = true }, by = ask.by, timeout = policy.seconds,
   },
   run = run,
}
