-- outcomes.data.lua - what is in examples/outcomes.jsonl: outcomes of the simulated models, by their names.
-- SPDX-License-Identifier: MIT
--
--    baton eval examples/outcomes.jsonl -d examples/outcomes.data.lua -p complexity -p cascade \
--       --html eval.html
--
-- Costs and answers are in the file. The models are toys: figures are to be looked at, not to be believed.
return {
   provider = "", -- models are called as the file calls them: "sim/mini"
   models = {
      ["sim/mini"] = { tier = "fast" },
      ["sim/base"] = { tier = "standard" },
      ["sim/pro"] = { tier = "expert" },
      ["sim/coder"] = { tier = "specialist", good_at = { "code" } },
      ["sim/math"] = { tier = "specialist", good_at = { "mathematics", "reasoning" } },
   },
   weak = "sim/mini", strong = "sim/pro",
}
