-- Choose this when answers can be compared (a number, a letter, a short text): what two cheap models say
-- alike is mostly right, and only where they differ the strong model is asked.
-- SPDX-License-Identifier: MIT
--
-- On recorded outcomes this is as right as the strong model alone, at a fraction of its calls: agreement of
-- independent models says more than one model's confidence. Models of one family err together; take
-- different ones.
local consensus = require "consensus"
local errors = require "errors"
local llm = require "llm"
local log = require "log"
local models = require "models"
local policy = require "policy"
local task = require "task"
local trace = require "trace"

local HOPELESS = { bad_request = true, cancelled = true, budget = true, content_filter = true }

-- The models as named, or the cheapest there are.
local function members(p)
   if #p.models > 0 then return p.models end
   local names = {}
   for _, model in ipairs(models.find(p.selector)) do
      names[#names + 1] = model.name
      if #names == p.need then break end
   end
   return names
end

-- Asks the members 'from' to 'to' side by side; their replies go to 'replies' at their places.
local function ask(req, names, from, to, p, replies)
   local calls = {}
   for i = from, to do
      calls[i - from + 1] = function() return llm.chat(names[i], req, { timeout = p.timeout }) end
   end
   local got, failures = task.all(calls)
   for i = from, to do replies[i] = got[i - from + 1] end
   return failures[1]
end

-- The reply that as many as needed agree on; else the first of the largest group, and false.
local function agreed(replies, p)
   local winner, _, groups = consensus.majority(replies, { by = p.by })
   return winner, winner ~= nil and groups[1].weight >= p.need
end

local function escalate(req, p, best)
   local reply, err = llm.stream(p.strong, req)
   if reply then return reply end
   if not best then return nil, err end
   trace.decide { model = best.model, reason = "the strong model failed: the largest group" }
   return best
end

local function run(req, p)
   if req.tools then return llm.stream(p.strong, req) end -- calls of tools cannot be compared as texts
   if p.need < 2 then errors.raise "agreement: 'need' is 2 or more" end
   local names, replies = members(p), {}
   local whole = req:with { stream = false }
   local asked, winner, enough = 0, nil, false
   while not enough and asked < #names do
      local to = math.max(asked + 1, math.min(p.need, #names))
      local err = ask(whole, names, asked + 1, to, p, replies)
      if err and HOPELESS[err.code] then return nil, err end
      asked = to
      winner, enough = agreed(replies, p)
   end
   trace.decide {
      model = enough and winner.model or p.strong, candidates = names,
      reason = enough and "agreed" or "no agreement", confidence = enough and p.need / asked or 0,
   }
   if enough then return winner end
   log.info("no agreement", { asked = asked })
   return escalate(req, p, winner)
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
   run = run,
}
