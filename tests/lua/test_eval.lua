-- test_eval: what a description of recorded outcomes means, and how a result is shown.
-- SPDX-License-Identifier: MIT
local json = require "json"
local t = require "test"

local describe = t.load "scripts/eval/describe.lua"
local report = t.load "scripts/eval/report.lua"

local function plan(description, ...)
   return describe.plan(json.encode(description), json.encode(json.array { ... }), "[]")
end

t.case("the documented columns need no description", function()
   local p = plan(json.null, "prompt", "score:a", "cost:a", "score:b:2", "group", "score:", "cost:c")
   t.equal(p.prompt, "prompt")
   t.equal(p.group, "group")
   t.equal(p.reference, nil)
   t.equal(p.models, { { name = "oracle/a", score = "score:a", cost = "cost:a" },
      { name = "oracle/b:2", score = "score:b:2" } }) -- of c only the cost is there
end)

t.case("a description names columns, models and prices", function()
   local p = plan({
      prompt = "q", columns = { score = "* ok" }, only = { "a", "b" },
      models = { a = { as = "openai/x", input = 1 }, b = { score = "right", per_call = 2 } },
   }, "q", "a ok", "c ok", "right")
   t.equal(p.models, { { name = "openai/x", score = "a ok", input = 1 },
      { name = "oracle/b", score = "right", per_call = 2 } })
   t.raises(function() plan({ provider = "" }, "score:plain") end, "'plain' is not \"provider/model\"")
   t.raises(function() plan({}, "prompt", "cost:a") end, "there are no scores")
   t.raises(function() plan({ models = { a = { as = "x" } } }, "score:a") end, "models.a.as must be")
   t.raises(function() plan({ models = { a = { x = 1 } } }, "score:a") end, "models.a.x: unknown field")
end)

local STATS <const> = json.encode(json.array {
   { name = "oracle/a", score = 0.5, cost = 0.001, tokens = 1000 },
   { name = "oracle/b", score = 0.9, cost = 0.004, tokens = 1000 },
   { name = "oracle/c", score = 0.7, cost = 0.002, tokens = 0 },
})

t.case("the cheapest is weak, the best strong, and prices give the recorded costs in the mean", function()
   local c = describe.catalogue("null", STATS, "", "")
   t.equal({ c.weak, c.strong }, { "oracle/a", "oracle/b" })
   t.equal(c.models["oracle/a"].guessed, { tier = "fast", input = 1, output = 1 })
   t.equal(c.models["oracle/b"].guessed, { tier = "expert", input = 4, output = 4 })
   t.equal(c.models["oracle/c"].guessed, { tier = "standard", input = 0, output = 0 })
   local described = [[{"weak": "b", "models": {"c": {"tier": "specialist", "output": 3}}}]]
   c = describe.catalogue(described, STATS, "", "c")
   t.equal({ c.weak, c.strong }, { "oracle/b", "oracle/c" })
   t.equal(c.models["oracle/c"].described, { tier = "specialist", output = 3 })
   t.raises(function() describe.catalogue("null", STATS, "z", "") end, "weak: the data have no model 'z'")
end)

-- A result as core/eval_write.c makes it, of one policy that never answers.
local function result()
   local none = { value = json.null, low = json.null, high = json.null }
   local line = { name = "<p>", policy = true, errors = 2, missing = 0, reworded = 0, unjudged = 0, calls = 0,
      error = "line 2: gone", quality = { value = 0, low = 0, high = 0 }, cost = { value = 0 },
      strong_share = { value = 0 } }
   for _, name in ipairs { "pgr", "apgr", "cpt50", "cpt80", "aiq" } do line[name] = none end
   return {
      data = { file = "f.csv", rows = 2, left_out = 1, groups = 2, weak = "oracle/a", strong = "oracle/b",
         models = { { name = "oracle/a", rows = 2, quality = 1, cost = json.null, answers = false } } },
      bootstrap = { replicates = 10, seed = 0, level = 0.95 }, lines = { line },
      target_quality = json.null, target_cost = json.null,
   }
end

t.case("a result without a curve, costs or answers is shown as what it is", function()
   local said = report.text(result())
   t.ok(said:find("<p>%s+0.000 %[0.000, 0.000%]"), said)
   t.ok(said:find("1 rows left out", 1, true) and said:find("no costs are known", 1, true), said)
   t.ok(said:find("2 rows without an answer (quality 0); the first: line 2: gone", 1, true), said)
   t.ok(not said:find("baton.lua", 1, true), said)
   local page = report.html(result())
   t.ok(page:find("&lt;p&gt;", 1, true) and not page:find("<th><p>", 1, true), "a name is no markup")
end)
