-- Choose this when one wrong answer is worse than two calls: another provider's model checks the answer,
-- and a stronger one answers where it finds a mistake.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local consensus = require "consensus"
local log = require "log"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

local function run(req, p)
   local reply, err = ask.whole(p.model, req, { timeout = p.timeout })
   if not reply then
      if policy.hopeless(err) then return nil, err end
      trace.decide { model = why.name(p.arbiter, req), reason = err.code,
         candidates = why.failed(nil, p.model, err, req) }
      return ask.once(p.arbiter, req)
   end
   if ask.filtered(reply) then return reply end
   if reply.tool_calls then return reply end -- their results will show
   local checker = p.checker ~= "" and p.checker or nil
   local verdict, details = consensus.verify(req, reply, { model = checker, timeout = p.timeout })
   if verdict == nil then log.warn("nobody checked the answer", { code = details.code }) end
   local accepted = verdict == "correct" or not p.strict and verdict ~= "wrong"
   local found = verdict or "not checked"
   trace.decide { model = accepted and reply.name or why.name(p.arbiter, req), reason = found,
      by = verdict and details.model, candidates = accepted
         and why.add(nil, p.arbiter, "not needed: " .. found, req) or why.add(nil, reply.name, found) }
   if accepted then return reply end
   local better, failed = ask.once(p.arbiter, req)
   if better then return better end
   trace.decide { model = reply.name, reason = "the arbiter failed: the first answer",
      candidates = why.failed(nil, p.arbiter, failed, req) }
   return reply
end

return policy.define {
   name = "cross_check",
   about = "Another provider's model checks the answer; a stronger one answers where it is wrong.",
   params = {
      model = { tier = "standard" }, -- a target: who answers
      checker = "",                  -- a target; empty: a comparable model of another provider
      arbiter = { tier = "expert" }, -- a target: who answers when the check fails
      strict = false,                -- also when the checker is not sure, or fails
      timeout = 60,                  -- seconds for each call but the last
   },
   limits = { checker = { of = "target" }, timeout = policy.seconds },
   open = { "strict" },
   run = run,
}
