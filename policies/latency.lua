-- Choose this when people wait for the answer: the model that is fastest at the moment.
-- SPDX-License-Identifier: MIT
local goal = require "_goal"
local policy = require "policy"

return policy.define {
   name = "latency",
   about = "Asks the model with the lowest measured latency; the next when it fails.",
   params = goal.params,
   limits = goal.limits,
   open = { "min_quality" },
   run = goal.run "latency",
}
