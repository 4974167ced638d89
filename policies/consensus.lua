-- Choose this when an answer counts only if models agree on it: they answer side by side, stop as soon as
-- the outcome is clear, and an expert decides where they disagree.
-- SPDX-License-Identifier: MIT
--
-- An answer that a provider's filter has ended is one of several here: the other models are asked anyway.
local ask = require "_ask"
local consensus = require "consensus"
local llm = require "llm"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

local function calls_of(req, list, p)
   local calls = {}
   for i, target in ipairs(list) do
      calls[i] = function() return llm.chat(target, req, { timeout = p.timeout }) end
   end
   return calls
end

local function first_error(list, failures)
   for i = 1, #list do
      if failures[i] then return failures[i] end
   end
end

local function run(req, p)
   local list = ask.members(p.models, p.selector, p.size, req)
   local winner, agreement, groups, replies, failures = consensus.quorum(calls_of(req, list, p),
      { by = p.by, threshold = p.threshold, unknown = p.weighted and p.unknown or nil })
   local arbiter, answered = p.experts[ask.hint(req, "domain")] or p.arbiter, 0
   for _ in pairs(replies) do answered = answered + 1 end
   if winner and agreement >= p.threshold and answered * 2 > #list then
      trace.decide { model = winner.name, reason = "consensus", confidence = agreement,
         candidates = why.add(why.votes(list, replies, failures, groups, winner), arbiter,
            "not needed: enough agree", req) }
      winner.confidence = agreement
      return winner
   end
   local err = first_error(list, failures)
   if not winner and err and policy.hopeless(err) then return nil, err end
   trace.decide { model = why.name(arbiter, req), reason = "no consensus", confidence = agreement,
      candidates = why.votes(list, replies, failures, groups) }
   local reply, wrong = ask.once(arbiter, req)
   if reply then return reply end
   if not winner then return nil, err or wrong end
   trace.decide { model = winner.name, reason = "the arbiter failed: the most say this",
      confidence = agreement, candidates = why.failed(nil, arbiter, wrong, req) }
   return winner -- better than nothing, and the log says how much
end

return policy.define {
   name = "consensus",
   about = "Models answer side by side until enough of them agree; an expert decides otherwise.",
   params = {
      models = {},       -- a list of targets; empty: the cheapest 'size' that 'selector' finds
      selector = {},
      size = 3,
      threshold = 0.8,   -- share of the votes (0..1) that must agree
      by = "auto",       -- how answers are compared (consensus.majority)
      weighted = true,   -- votes weigh as much as their confidence,
      unknown = 0.5,     -- this much where it is not known
      arbiter = { tier = "expert" }, -- a target: who decides otherwise
      experts = {},      -- targets by the client's hint "domain", in place of it
      timeout = 30,      -- seconds a member has
   },
   limits = {
      models = { of = "targets" }, selector = { of = "selector" },
      size = { min = 1, max = 20, integer = true },
      threshold = policy.share, by = ask.by, unknown = policy.share, experts = { of = "targets" },
      timeout = policy.seconds,
   },
   open = { threshold = true, domain = { type = "string", max_length = 64 } },
   run = run,
}
