-- Choose this when one model should answer, and an outage or a rate limit of its provider must not be seen:
-- then another vendor's comparable model does.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local policy = require "policy"

local function run(req, p)
   return ask.target(p.model, req, { fallback = p.fallback, tries = p.tries,
      call = { retries = p.retries, ttft = p.ttft }, other = { ttft = p.ttft } })
end

return policy.define {
   name = "fallback",
   about = "One model, and another vendor's comparable model when it is out or at its limit.",
   params = {
      model = { tier = "standard" }, -- a target: who answers when all is well
      fallback = {},  -- a list of targets, in order; empty: comparable models, those of other vendors first
      retries = 0,    -- of the first model, before another is asked; a Retry-After is waited for
      tries = 2,      -- other models that are asked
      ttft = 30,      -- seconds to the first byte of an answer
   },
   limits = {
      fallback = { of = "targets" }, retries = { min = 0, max = 10, integer = true },
      tries = { min = 0, max = 10, integer = true }, ttft = policy.seconds,
   },
   run = run,
}
