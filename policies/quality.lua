-- Choose this when the answer matters more than its price: the best model that fits.
-- SPDX-License-Identifier: MIT
local goal = require "_goal"
local policy = require "policy"

return policy.define {
   name = "quality",
   about = "Asks the best model that fits; the next best when it fails.",
   params = goal.params,
   limits = goal.limits,
   open = { "min_quality" },
   run = goal.run "quality",
}
