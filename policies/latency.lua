-- Choose this when people wait for the answer: the model that is fastest at the moment.
-- SPDX-License-Identifier: MIT
local goal = require "_goal"
local policy = require "policy"

return policy.define {
   name = "latency",
   about = "Asks the model with the lowest measured latency; the next when it fails.",
   params = goal.params,
   open = { min_quality = { min = 0, max = 1 } },
   run = goal.run "latency",
}
