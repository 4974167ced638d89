-- test_ranking: models.pick: what comes first by cost, quality, latency and all three; what is passed over.
-- SPDX-License-Identifier: MIT
local t = require "test"

-- models afresh, on these models and this health: { [name] = { ready =, p50 =, p95 = } }.
local function load(list, health)
   local models
   t.with({
      config = { providers = { a = { codec = "openai" }, b = { codec = "openai" } }, models = list,
         aliases = {} },
      catalog = { unlisted = {}, models = {} },
      health = {
         ready = function(_, name) return (health[name] or {}).ready ~= false end,
         look = function(name)
            local h = health[name] or {}
            return { latency = { p50 = h.p50, p95 = h.p95 } }
         end,
      },
   }, function() models = t.load("scripts/models.lua") end)
   return models
end

local LIST = {
   ["a/small"] = { tier = "fast", input = 0.15, output = 0.60 },
   ["a/middle"] = { tier = "standard", input = 0.8, output = 3.2 },
   ["a/large"] = { tier = "expert", input = 5, output = 20 },
   ["b/large"] = { tier = "expert", input = 6, output = 24 },
   ["b/odd"] = { tier = "expert" },
}

local function names(entries)
   local list = {}
   for i, entry in ipairs(entries) do list[i] = entry.name end
   return table.concat(list, " ")
end

t.case("prefer", function()
   local models = load(LIST, {})
   t.equal(names(models.find {}), "a/small a/middle a/large b/large b/odd")
   t.equal(names(models.find { prefer = "cost" }), names(models.find {}))
   t.equal(names(models.find { prefer = "quality" }), "b/large a/large b/odd a/middle a/small")
   t.equal(names(models.find { prefer = "latency" }), "a/small a/middle a/large b/large b/odd")
   t.equal(models.find { prefer = "balanced" }[1].name, "a/middle")
   t.equal(names(models.find { prefer = "quality", tier = "fast" }), "a/small")
   t.equal(models.find { prefer = "quality", tier = "none" }, {})
   t.raises(function() models.find { prefer = "luck" } end, "must be one of balanced, cost, latency, quality")
   t.raises(function() models.find { max_latency = "1" } end, "'max_latency' must be a number")
end)

t.case("a quality of its own comes before that of the tier", function()
   local list = { ["a/x"] = { tier = "fast", quality = 0.95, input = 1, output = 1 },
      ["a/y"] = LIST["a/large"] }
   local models = load(list, {})
   t.equal(names(models.find { prefer = "quality" }), "a/x a/y")
   t.equal(models.quality(models.resolve "a/x"), 0.95)
   t.equal(models.quality(models.resolve "a/y"), 0.9)
   t.equal(models.quality { name = "a/z" }, 0.5)
   t.equal(models.find { prefer = "balanced" }[1].name, "a/x") -- better, cheaper and faster than the other
end)

t.case("latency as measured", function()
   local models = load(LIST, { ["a/small"] = { p50 = 9, p95 = 20 }, ["a/large"] = { p50 = 0.2, p95 = 0.4 } })
   t.equal(names(models.find { prefer = "latency" }), "a/large a/middle b/large b/odd a/small")
   t.equal(models.pick({ prefer = "latency" }).name, "a/large")
end)

t.case("pick: what is not ready or too slow is passed over, and said", function()
   local models = load(LIST, { ["a/small"] = { ready = false }, ["a/middle"] = { p50 = 1, p95 = 5 } })
   local entry, passed = models.pick { max_latency = 3 }
   t.equal(entry.name, "a/large")
   t.equal(passed, { { model = "a/small", reason = "not ready" }, { model = "a/middle", reason = "slow" } })
   entry, passed = models.pick { max_latency = 6 }
   t.equal(entry.name, "a/middle")
   t.equal(#passed, 1)
   t.equal(models.resolve({ max_latency = 3 }).name, "a/large")
   t.equal(models.resolve({ max_price = 1 }).name, "a/small") -- the only one, ready or not
end)

t.case("pick: when all are slow, one that is ready; when none is, the first", function()
   local slow = { p50 = 9, p95 = 9 }
   local models = load({ ["a/x"] = LIST["a/small"], ["a/y"] = LIST["a/middle"] },
      { ["a/x"] = { ready = false },
      ["a/y"] = slow })
   local entry, passed = models.pick { max_latency = 1 }
   t.equal(entry.name, "a/y")
   t.equal(#passed, 2)
   models = load({ ["a/x"] = LIST["a/small"] }, { ["a/x"] = { ready = false } })
   t.equal(models.pick({}).name, "a/x")
end)

t.case("pick: none", function()
   local models = load(LIST, {})
   local entry, err = models.pick { tier = "expert", prefer = "cost", where = "local" }
   t.equal(entry, nil)
   t.equal(err.code, "no_candidate")
   t.ok(err.message:find("prefer = cost, tier = expert, where = local", 1, true), err.message)
   t.equal(names(models.find { not_provider = "a" }), "b/large b/odd")
end)

t.case("alternatives: another provider's, and like it", function()
   local list = {
      ["a/small"] = LIST["a/small"], ["a/large"] = LIST["a/large"], ["a/next"] = { tier = "expert", input = 5,
      output = 21 }, ["b/small"] = { tier = "fast", input = 0.2, output = 0.8 },
      ["b/cheap"] = { tier = "expert", input = 1, output = 4 }, ["b/large"] = LIST["b/large"],
   }
   local models = load(list, {})
   t.equal(names(models.alternatives "a/large"), "b/large b/cheap b/small a/next a/small")
   t.equal(names(models.alternatives "a/small"), "b/small b/cheap b/large a/large a/next")
   t.equal(names(models.alternatives("a/large", { tier = "expert" })), "b/large b/cheap a/next")
   t.equal(names(models.alternatives(nil, { provider = "b" })), "b/large b/cheap b/small")
   models = load(list, { ["b/large"] = { ready = false } })
   t.equal(models.alternatives("a/large")[1].name, "b/cheap")
   t.equal(models.alternatives("a/unlisted")[1].name, "b/small") -- nothing is known of it: the middle
end)
