-- Choose this when the best possible text is worth several calls: proposers answer side by side, and an
-- aggregator makes one answer of theirs.
-- SPDX-License-Identifier: MIT
--
-- An answer that a provider's filter has ended is one of several here: the other models are asked anyway.
--
-- One layer of Mixture-of-Agents (Wang et al. 2024, arXiv 2406.04692).
local ask = require "_ask"
local consensus = require "consensus"
local llm = require "llm"
local policy = require "policy"
local task = require "task"
local trace = require "trace"
local why = require "_why"

-- The proposals, the first error, and what became of each proposer.
local function propose(req, p)
   local calls, targets = {}, ask.members(p.proposers, p.selector, p.size, req)
   for i, target in ipairs(targets) do
      calls[i] = function() return llm.chat(target, req, { timeout = p.timeout }) end
   end
   local replies, failures = task.all(calls)
   local first, fates
   for i, target in ipairs(targets) do
      local reply, err = replies[i], failures[i]
      first = first or err
      fates = reply and why.add(fates, reply.name, "proposed") or err and why.failed(fates, target, err, req)
         or fates
   end
   return replies, first, fates
end

local function run(req, p)
   if req.tools then return ask.target(p.aggregator, req) end -- calls of tools cannot be merged as texts
   local proposals, err, fates = propose(req, p)
   if next(proposals) == nil and err and policy.hopeless(err) then return nil, err end
   if next(proposals) == nil then
      trace.decide { model = why.name(p.aggregator, req), reason = "no proposals", candidates = fates }
      return ask.once(p.aggregator, req)
   end
   local reply, failed = consensus.fuse(req, proposals, { model = ask.selector(p.aggregator, req) })
   if reply then
      trace.decide { model = reply.name, reason = "made of the proposals", candidates = fates }
      return reply
   end
   local winner, agreement = consensus.majority(proposals)
   if not winner then return nil, err end
   trace.decide { model = winner.name, reason = "the aggregator failed", confidence = agreement,
      candidates = why.failed(fates, p.aggregator, failed, req) }
   return winner
end

return policy.define {
   name = "panel",
   about = "Several models propose, one makes the answer of their proposals.",
   params = {
      proposers = {},   -- a list of targets; empty: the cheapest 'size' that 'selector' finds
      selector = {},
      size = 3,
      aggregator = { tier = "expert" }, -- a target
      timeout = 60,     -- seconds a proposer has
   },
   limits = {
      proposers = { of = "targets" }, selector = { of = "selector" },
      size = { min = 1, max = 20, integer = true }, timeout = policy.seconds,
   },
   run = run,
}
