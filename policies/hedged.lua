-- Choose this when a few answers take far longer than most: a second model is asked when the first takes
-- unusually long, and the first answer wins.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local llm = require "llm"
local models = require "models"
local policy = require "policy"
local task = require "task"
local trace = require "trace"
local why = require "_why"

-- Who is asked second: the one that is named, else one that is like the first, else the first again.
local function second_of(req, p, first)
   if p.second ~= "" then return p.second end
   return models.alternatives(first.name, { needs = policy.needs(req) })[1] or first
end

local function run(req, p)
   local first, err = ask.entry(p.model, req)
   if not first then return nil, err end
   local second = second_of(req, p, first)
   local reply, who = task.hedge(p.after,
      function() return llm.stream(first, req) end,
      function() return llm.stream(second, req) end,
      { model = first.name, of = req.stream == true and "ttft" or "latency", otherwise = p.otherwise,
         share = p.share })
   if not reply and who.code == "context_length" then return ask.instead(first, req, who) end
   if not reply then return nil, who end
   local late = who == 2
   trace.decide { model = reply.name, reason = late and "the first took too long" or "in time",
      candidates = late and why.add(nil, first, "took too long")
         or why.add(nil, second, "not needed, or slower") }
   return reply
end

return policy.define {
   name = "hedged",
   about = "Asks a second model when the first takes longer than usual; the first answer wins.",
   params = {
      model = { tier = "standard" }, -- a target
      second = "",      -- a target; empty: a comparable model
      after = "p95",    -- the first model's live quantile ("p50", "p95", "p99")
      otherwise = 5,    -- seconds, while nothing is known of it
      share = 0.1,      -- of the requests that may be hedged
   },
   limits = {
      second = { of = "target" },
      after = { one_of = { "p50", "p95", "p99" } }, otherwise = { min = 0, max = 86400 },
      share = policy.share,
   },
   run = run,
}
