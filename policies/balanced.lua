-- Choose this when neither price, quality nor speed decides alone.
-- SPDX-License-Identifier: MIT
local goal = require "_goal"
local policy = require "policy"

return policy.define {
   name = "balanced",
   about = "Asks the model nearest to the best, the cheapest and the fastest at once.",
   params = goal.params,
   limits = goal.limits,
   open = { "min_quality" },
   run = goal.run "balanced",
}
