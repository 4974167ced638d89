-- Choose this when a wrong answer costs more than three calls: several models answer at once, the majority
-- wins.
-- SPDX-License-Identifier: MIT
--
-- An answer that a provider's filter has ended is one of several here: the other models are asked anyway.
local ask = require "_ask"
local consensus = require "consensus"
local errors = require "errors"
local escalate = require "_escalate"
local llm = require "llm"
local log = require "log"
local policy = require "policy"
local task = require "task"
local trace = require "trace"
local why = require "_why"

local function ask_all(req, members, p)
   local calls = {}
   for i, target in ipairs(members) do
      calls[i] = function() return llm.chat(target, req, { timeout = p.timeout }) end
   end
   return task.all(calls)
end

-- What came back, the first error where nothing did.
local function none(names, failures)
   for i = 1, #names do
      if failures[i] then return nil, failures[i] end
   end
   return nil, errors.new { code = "no_candidate", message = "no model for the ensemble" }
end

local function run(req, p)
   local arbiter = { tier = p.arbiter }
   if req.tools then return ask.target(arbiter, req) end -- calls of tools cannot be voted on as texts
   local members = ask.members(p.models, p.selector, p.size, req)
   local replies, failures = ask_all(req, members, p)
   local winner, agreement, groups = consensus.majority(replies, { by = p.by })
   local enough = winner ~= nil and agreement >= p.agreement
   local votes = why.votes(members, replies, failures, groups, enough and winner or nil)
   if enough then
      trace.decide { model = winner.name, reason = "majority", confidence = agreement,
         candidates = why.add(votes, arbiter, "not needed: the most agree", req) }
      return winner
   end
   local _, err = none(members, failures)
   if not winner and policy.hopeless(err) then return nil, err end
   log.info("no majority", { agreement = agreement })
   trace.decide { model = why.name(arbiter, req), reason = "no majority", confidence = agreement,
      candidates = votes }
   local reply, failed = escalate(arbiter, req, winner)
   if reply then return reply end
   return nil, #members > 0 and err or failed
end

return policy.define {
   name = "ensemble",
   about = "Asks several models at once; the majority's answer wins, or an expert decides.",
   params = {
      models = {},          -- a list of targets; empty: the cheapest that the selector finds
      selector = {},        -- which models may be members (models.find)
      size = 3,             -- how many of them; an odd number
      by = "auto",          -- how answers are compared (consensus.majority)
      agreement = 0.6,
           -- share of the members (0..1) that must agree; a member that fails agrees with nobody
      arbiter = "expert",   -- the tier that decides otherwise
      timeout = 30,         -- seconds a member has
   },
   limits = {
      models = { of = "targets" }, selector = { of = "selector" },
      size = { min = 1, max = 20, integer = true }, by = ask.by, arbiter = ask.tier,
      agreement = policy.share, timeout = policy.seconds,
   },
   open = { "agreement" },
   run = run,
}
