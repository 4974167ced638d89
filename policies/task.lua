-- Choose this when you have models that are strong at one kind of work: code to the coder, sums to the
-- calculator.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local log = require "log"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

-- The selector for a kind of work, and why.
local function route(kind, confidence, p)
   if confidence < p.confidence then return p.otherwise, "no clear kind of task" end
   return p.routes[kind] or p.otherwise, kind
end

-- Where no model of the route answers, the general one does.
local function run(req, p)
   local kind, confidence = classify.task(req)
   local target, reason = route(kind, confidence, p)
   trace.decide { model = why.name(target, req), reason = reason, confidence = confidence,
      candidates = why.routes(nil, p.routes, target ~= p.otherwise and kind or nil, req) }
   if target == p.otherwise then return ask.target(target, req) end
   local reply, err = ask.once(target, req)
   if reply or policy.hopeless(err) then return reply, err end
   log.info("general model instead", { kind = kind, code = err.code })
   return ask.target(p.otherwise, req)
end

return policy.define {
   name = "task",
   about = "Routes by kind of work: specialists where there are some, a general model otherwise.",
   params = {
      confidence = 0.4, -- below this (classify.task, 0..1) the kind is not trusted
      otherwise = { tier = "standard" },
      routes = { -- kinds are those of classify.kinds; what is not named goes to 'otherwise'
         code = { good_at = "code" },
         mathematics = { good_at = "mathematics" },
         reasoning = { good_at = "reasoning" },
         analysis = { tier = "expert" },
         chat = { tier = "fast" },
         summarisation = { tier = "fast" },
         extraction = { tier = "fast" },
      },
   },
   limits = { confidence = policy.share, routes = { of = "targets" } },
   run = run,
   checks = function()
      assert(classify.task("Write a Python function that reverses a string.") == "code")
   end,
}
