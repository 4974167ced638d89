-- Choose this when the price decides and any model that fits is good enough.
-- SPDX-License-Identifier: MIT
local goal = require "_goal"
local policy = require "policy"

return policy.define {
   name = "cost",
   about = "Asks the cheapest model that fits; the next cheapest when it fails.",
   params = goal.params,
   open = { min_quality = { min = 0, max = 1 } },
   run = goal.run "cost",
}
