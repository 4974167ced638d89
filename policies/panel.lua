-- Choose this when the best possible text is worth several calls: proposers answer side by side, and an
-- aggregator makes one answer of theirs.
-- SPDX-License-Identifier: MIT
--
-- One layer of Mixture-of-Agents (Wang et al. 2024, arXiv 2406.04692).
local ask = require "_ask"
local consensus = require "consensus"
local llm = require "llm"
local policy = require "policy"
local task = require "task"
local trace = require "trace"

-- The proposals, and the first error.
local function propose(req, p)
   local calls = {}
   for i, target in ipairs(ask.members(p.proposers, p.selector, p.size, req)) do
      calls[i] = function() return llm.chat(target, req, { timeout = p.timeout }) end
   end
   local replies, failures = task.all(calls)
   for i = 1, #calls do
      if failures[i] then return replies, failures[i] end
   end
   return replies, nil
end

local function run(req, p)
   if req.tools then return ask.once(p.aggregator, req) end -- calls of tools cannot be merged as texts
   local proposals, err = propose(req, p)
   if next(proposals) == nil and err and policy.hopeless(err) then return nil, err end
   if next(proposals) == nil then return ask.once(p.aggregator, req) end
   local reply = consensus.fuse(req, proposals, { model = ask.selector(p.aggregator, req) })
   if reply then
      trace.decide { model = reply.name, reason = "made of the proposals" }
      return reply
   end
   local winner, agreement = consensus.majority(proposals)
   if not winner then return nil, err end
   trace.decide { model = winner.name, reason = "the aggregator failed", confidence = agreement }
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
