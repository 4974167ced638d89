-- Choose this when a wrong answer costs more than three calls: several models answer at once, the majority
-- wins.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local consensus = require "consensus"
local errors = require "errors"
local llm = require "llm"
local log = require "log"
local models = require "models"
local policy = require "policy"
local task = require "task"
local trace = require "trace"

-- The members as named, or the cheapest models there are.
local function members(p)
   if #p.models > 0 then return p.models end
   local names = {}
   for _, model in ipairs(models.find(p.selector)) do
      names[#names + 1] = model.name
      if #names == p.size then break end
   end
   return names
end

local function ask_all(req, names, p)
   local whole = req:with { stream = false }
   local calls = {}
   for i, name in ipairs(names) do
      calls[i] = function() return llm.chat(name, whole, { timeout = p.timeout }) end
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
   local arbiter = { tier = p.arbiter, needs = req.tools and { "tools" } or nil }
   if req.tools then return llm.stream(arbiter, req) end -- calls of tools cannot be voted on as texts
   local names = members(p)
   local replies, failures = ask_all(req, names, p)
   local winner, agreement = consensus.majority(replies, { by = p.by })
   if winner and agreement >= p.agreement then
      trace.decide { model = winner.model, reason = "majority", confidence = agreement, candidates = names }
      return winner
   end
   log.info("no majority", { agreement = agreement })
   local reply, err = llm.stream(arbiter, req)
   if reply then
      trace.decide { model = p.arbiter, reason = "no majority", confidence = agreement, candidates = names }
      return reply
   end
   if winner then return winner end
   if #names == 0 then return nil, err end
   return none(names, failures)
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
      size = { min = 1, max = 20, integer = true }, by = ask.by,
      agreement = policy.share, timeout = policy.seconds,
   },
   open = { "agreement" },
   run = run,
}
