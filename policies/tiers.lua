-- Choose this for a portfolio of three: a workhorse for most requests, an expert for hard ones, specialists
-- for what they are good at.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

-- Who is asked, in order, and why.
local function order_of(req, p)
   local kind, confidence = classify.task(req)
   local complexity = classify.complexity(req)
   local hard = complexity >= p.expert_from
   local general = hard and { p.expert, p.workhorse } or { p.workhorse, p.expert }
   local specialist = confidence >= p.confidence and p.specialists[kind]
   if not specialist then return general, ("complexity %.2f"):format(complexity) end
   table.insert(general, 1, specialist)
   return general, kind
end

local function run(req, p)
   local targets, reason = order_of(req, p)
   local failed, err
   for i, target in ipairs(targets) do
      local others = failed and table.move(failed, 1, #failed, 1, {})
      trace.decide { model = why.name(target, req), reason = err and err.code or reason,
         candidates = why.rest(others, targets, i + 1, "asked only when this one fails", req) }
      local reply
      reply, err = ask.once(target, req)
      if reply or policy.hopeless(err) then return reply, err end
      failed = why.failed(failed, target, err, req)
   end
   return nil, err
end

return policy.define {
   name = "tiers",
   about = "A workhorse for most requests, an expert for hard ones, specialists for their field.",
   params = {
      workhorse = { tier = "fast" },  -- targets
      expert = { tier = "expert" },
      specialists = { code = { good_at = "code" }, mathematics = { good_at = "mathematics" } },
         -- by kind of task
      confidence = 0.4,   -- of classify.task (0..1) from which a specialist is asked
      expert_from = 0.3,  -- classify.complexity (0..1) from which the expert is
   },
   limits = { specialists = { of = "targets" }, confidence = policy.share, expert_from = policy.share },
   open = { "expert_from" },
   run = run,
   checks = function()
      assert(classify.task "Write a Python function that reverses a string." == "code")
   end,
}
