-- Choose this when an answer must come in time: what takes too long is stopped, and the fastest model
-- answers in the time that is left. In front of other policies in a chain it guards them.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local clock = require "clock"
local models = require "models"
local policy = require "policy"
local task = require "task"
local trace = require "trace"
local why = require "_why"

local MOST <const> = 2 / 3 -- of the cap for whoever is asked first: the faster model needs the rest

local function run(req, p, next)
   local begun = clock.monotonic()
   local reply, err = task.within(math.min(p.patience, p.cap * MOST), function()
      if next then return next(req) end
      return ask.once(p.model, req)
   end)
   if reply or policy.hopeless(err) then return reply, err end
   local left = p.cap - (clock.monotonic() - begun)
   if left <= 0 then return nil, err end
   local first = err.code == "context_length" and not next and models.resolve(ask.selector(p.model, req))
   if first then -- the fastest model may be as small
      return task.within(left, function() return ask.instead(first, req, err) end)
   end
   local reason = err.code == "timeout" and "too slow" or err.code
   trace.decide { model = why.name(p.faster, req), reason = reason, left = left,
      candidates = not next and why.add(nil, p.model, reason, req) or nil }
   -- A stream is in time with its first word; a whole answer with its last.
   return task.within(left, function() return ask.once(p.faster, req) end)
end

return policy.define {
   name = "guardrail",
   about = "A hard cap on the time to an answer; a faster model when there is none in time.",
   passes = true,
   params = {
      patience = 8, -- seconds for what comes next in a chain, or for 'model'; at most 2/3 of the cap
      cap = 12,     -- seconds in all
      model = { tier = "standard" },      -- a target, where the policy stands alone
      faster = { prefer = "latency" },    -- a target: who answers in the time that is left
   },
   limits = { patience = policy.seconds, cap = policy.seconds },
   open = { patience = { min = 0.1, max = 600 }, cap = { min = 0.1, max = 600 } },
   run = run,
   checks = function()
      assert(policy.hopeless { code = "cancelled" }, "nobody waits for an answer that was given up")
   end,
}
