-- Choose this when the price decides and any model that fits is good enough.
-- SPDX-License-Identifier: MIT
local goal = require "_goal"
local policy = require "policy"

return policy.define {
   name = "cost",
   about = "Asks the cheapest model that fits; the next cheapest when it fails.",
   params = goal.params,
   limits = goal.limits,
   open = { "min_quality" },
   run = goal.run "cost",
}
