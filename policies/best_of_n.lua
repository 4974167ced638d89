-- Choose this when questions have one right answer, and a cheap model finds it more often than not: it is
-- asked several times, and the answer that comes most often wins.
-- SPDX-License-Identifier: MIT
--
-- An answer that a provider's filter has ended is one of several here: the other models are asked anyway.
--
-- Self-consistency (Wang et al. 2022, arXiv 2203.11171), ended early when the rest cannot change the outcome.
local ask = require "_ask"
local consensus = require "consensus"
local llm = require "llm"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

-- One that is worth more than the others where there is no majority: the judge's, else the first of the
-- largest group.
local function settle(req, p, winner, replies, agreement)
   if agreement >= p.agreement or p.judge == "" then return winner, "majority" end
   local best = consensus.judge(req, replies, { model = p.judge, timeout = p.timeout })
   return best or winner, best and "judge" or "majority"
end

local function run(req, p)
   local entry, err = ask.entry(p.model, req)
   if not entry then return nil, err end
   local samples = {}
   for i = 1, p.n do
      samples[i] = function()
         return llm.chat(entry, req, { temperature = p.temperature, seed = i, timeout = p.timeout })
      end
   end
   local winner, agreement, _, replies, failures = consensus.quorum(samples,
      { by = p.by, threshold = p.agreement, least = 1 })
   if winner then
      local reply, how = settle(req, p, winner, replies, agreement)
      trace.decide { model = reply.name, reason = how, confidence = agreement, samples = p.n,
         candidates = why.add(nil, p.otherwise, "not needed: there is an answer", req) }
      reply.confidence = agreement
      return reply
   end
   for i = 1, p.n do err = err or failures[i] end
   if err and policy.hopeless(err) then return nil, err end
   trace.decide { model = why.name(p.otherwise, req), reason = "no sample can be used",
      candidates = why.add(nil, entry, err and err.code or "its answers say nothing that can be compared") }
   return ask.once(p.otherwise, req)
end

return policy.define {
   name = "best_of_n",
   about = "One model is asked several times; the answer that comes most often wins.",
   params = {
      model = { tier = "fast" },         -- a target
      n = 5,                             -- how often
      temperature = 0.7,                 -- so that the answers differ
      by = "auto",                       -- how answers are compared (consensus.majority)
      agreement = 0.6,                   -- share (0..1) that ends the asking
      judge = "",                        -- a target that chooses below that; empty: the largest group's first
      otherwise = { tier = "standard" }, -- when the model fails
      timeout = 30,                      -- seconds for a sample
   },
   limits = {
      n = { min = 1, max = 20, integer = true }, temperature = { min = 0, max = 2 }, by = ask.by,
      agreement = policy.share, judge = { of = "target" }, timeout = policy.seconds,
   },
   open = { "n" },
   run = run,
}
