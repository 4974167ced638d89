-- test_models: the catalogue: what a target means, what fits a selector, what usage costs.
-- SPDX-License-Identifier: MIT
local t = require "test"

-- The module afresh, on a configuration of the test's own.
local function load(more)
   local config = {
      providers = { a = { codec = "openai" }, b = { codec = "openai" } },
      models = {
         ["a/small"] = { tier = "fast", input = 1, cached_input = 0.25, output = 2,
            capabilities = { "tools", "vision" }, good_at = { "code" }, context = 1000 },
         ["a/large"] = { tier = "expert", input = 10, output = 30, capabilities = { "tools" } },
         ["b/small"] = { tier = "fast", input = 0.5, output = 1, where = "local" },
         ["b/free"] = { tier = "fast" },
         ["b/with/slashes"] = { tier = "standard", input = 3, output = 3 },
      },
      aliases = { quick = "a/small", fast = "quick", best = { tier = "expert" } },
   }
   for name, value in pairs(more or {}) do config[name] = value end
   local catalog = { unlisted = {}, models = { ["a/small"] = { tier = "wrong" },
      ["a/old"] = { tier = "standard", input = 2, output = 2 }, ["c/other"] = { tier = "fast" } } }
   local models
   t.with({ config = config, catalog = catalog }, function() models = t.load("scripts/models.lua") end)
   return models
end

local function names(entries)
   local list = {}
   for i, entry in ipairs(entries) do list[i] = entry.name end
   return table.concat(list, " ")
end

t.case("all: cheapest first, unknown prices last, of known providers only", function()
   t.equal(names(load().all()), "b/small a/small a/old b/with/slashes a/large b/free")
end)

t.case("find", function()
   local models = load()
   t.equal(names(models.find { tier = "fast" }), "b/small a/small b/free")
   t.equal(names(models.find { needs = { "tools" } }), "a/small a/large")
   t.equal(names(models.find { needs = { "tools", "vision" } }), "a/small")
   t.equal(names(models.find { needs = {} }), names(models.all()))
   t.equal(names(models.find { good_at = "code" }), "a/small")
   t.equal(names(models.find { where = "local" }), "b/small")
   t.equal(names(models.find { where = "cloud", tier = "fast" }), "a/small b/free")
   t.equal(names(models.find { max_price = 2 }), "b/small a/small a/old")
   t.equal(names(models.find { provider = "b" }), "b/small b/with/slashes b/free")
   t.equal(names(models.find { tier = "none" }), "")
   t.raises(function() models.find { tear = "fast" } end, "unknown key 'tear'")
   t.raises(function() models.find { "fast" } end, "unknown key '1'")
end)

t.case("resolve", function()
   local models = load()
   local function name(target) return models.resolve(target).name end
   t.equal(name "a/small", "a/small")
   t.equal(name "large", "a/large")
   t.equal(name "with/slashes", "b/with/slashes")
   t.equal(name "quick", "a/small")
   t.equal(name "fast", "a/small")
   t.equal(name "best", "a/large")
   t.equal(name { tier = "fast" }, "b/small")
   t.equal(name(models.all()[3]), "a/old")
   local entry = models.resolve "a/not/listed"
   t.equal(entry, { name = "a/not/listed", provider = "a", model = "not/listed" })
   t.equal(name(entry), "a/not/listed")
   t.equal(models.resolve("with/slashes").model, "with/slashes")
end)

t.case("resolve: what there is not", function()
   local models = load()
   for _, target in ipairs { "small", "nothing", "c/other", "", "/", "a/", "/x", "auto" } do
      local entry, err = models.resolve(target)
      t.equal(entry, nil)
      t.equal(err.code, "not_found")
      t.equal(err.retryable, false)
      t.equal(err.param, "model")
      t.equal(err.provider_code, "model_not_found")
   end
   for target, words in pairs {
      small = "several providers have the model 'small'; say which: ",
      ["c/other"] = "the model 'c/other' cannot be asked: its provider 'c' is not configured",
      other = "the model 'other' cannot be asked: its provider 'c' is not configured",
      ["d/x"] = "the model 'd/x' does not exist: there is no provider 'd'",
      nothing = "the model 'nothing' does not exist",
   } do
      local message = select(2, models.resolve(target)).message
      t.equal(message:sub(1, #words), words)
   end
   local entry, err = models.resolve { tier = "expert", needs = { "vision", "audio" } }
   t.equal(entry, nil)
   t.equal(err.code, "no_candidate")
   local _, astray = models.pick { tier = "fastest", needs = { "tools" } }
   t.ok(astray.message:find("no model is of this tier (tiers: expert, fast, standard)", 1, true),
      astray.message)
   t.ok(err.message:find("needs = vision+audio, tier = expert", 1, true), err.message)
   t.raises(function() models.resolve(1) end, "name or a selector")
end)

t.case("aliases that lead nowhere are refused when they are loaded", function()
   t.raises(function() load { aliases = { x = "y", y = "x" } } end, "aliases.x")
   t.raises(function() load { aliases = { x = "x" } } end, "aliases.x")
   t.raises(function() load { aliases = { x = { tear = "fast" } } } end, "aliases.x")
   t.raises(function() load { aliases = { x = { tear = "fast" } } } end, "unknown key 'tear'")
end)

t.case("price", function()
   local models = load()
   local small, large, free = models.resolve "a/small", models.resolve "a/large", models.resolve "b/free"
   local usage = { input_tokens = 1000, cached_tokens = 400, output_tokens = 100 }
   t.equal(models.price(small, usage), (600 * 1 + 400 * 0.25 + 100 * 2) / 1e6)
   t.equal(models.price(large, usage), (1000 * 10 + 100 * 30) / 1e6)
   t.equal(models.price(free, usage), 0)
   t.equal(models.price(small, nil), 0)
   t.equal(models.price(small, { input_tokens = 0, cached_tokens = 0, output_tokens = 0 }), 0)
end)

local function cost(entry, usage)
   local all = { input_tokens = 0, output_tokens = 0 }
   for name, value in pairs(usage) do all[name] = value end
   return load().price(entry, all) * 1e6
end

t.case("price: the provider's cache, for five minutes and for an hour", function()
   local entry = { input = 3, cached_input = 0.3, cache_write = 3.75, cache_write_1h = 6, output = 15 }
   local usage = { input_tokens = 4676, cached_tokens = 1150, cache_write_tokens = 3522,
      cache_write_1h_tokens = 522, output_tokens = 113 }
   t.equal(cost(entry, usage), 4 * 3 + 1150 * 0.3 + 3000 * 3.75 + 522 * 6 + 113 * 15)
   entry.cache_write_1h = nil
   t.equal(cost(entry, usage), 4 * 3 + 1150 * 0.3 + 3522 * 3.75 + 113 * 15)
   t.equal(cost({ input = 3, output = 15 }, usage), 4676 * 3 + 113 * 15)
   usage.cached_tokens = 9999 -- more than there is: never less than nothing
   t.ok(cost(entry, usage) > 0)
end)

t.case("price: reasoning, audio, calls, searches", function()
   local entry = { input = 1, output = 2, reasoning = 3, audio_input = 10, audio_output = 20 }
   t.equal(cost(entry, { output_tokens = 100, reasoning_tokens = 60 }), 40 * 2 + 60 * 3)
   t.equal(cost(entry, { input_tokens = 100, audio_input_tokens = 30, output_tokens = 50,
      audio_output_tokens = 50 }), 70 * 1 + 30 * 10 + 50 * 20)
   t.equal(cost({ input = 1, output = 2 }, { output_tokens = 100, reasoning_tokens = 60 }), 200)
   t.equal(cost({ input = 0, output = 0, request = 0.005 }, {}), 5000)
   t.equal(cost({ input = 0, output = 0, search = 0.01 }, { requests = 3 }), 30000)
   t.equal(cost({ input = 0, output = 0, search = 0.01 }, {}), 0)
end)

t.case("price: above a threshold the whole request is dearer", function()
   local entry = { input = 1.25, cached_input = 0.125, output = 10,
      above = { tokens = 200000, input = 2.5, output = 15 } }
   t.equal(cost(entry, { input_tokens = 200000, output_tokens = 10 }), 200000 * 1.25 + 100)
   t.equal(cost(entry, { input_tokens = 200001, output_tokens = 10 }), 200001 * 2.5 + 150)
   t.equal(cost(entry, { input_tokens = 200001, cached_tokens = 200001 }), 200001 * 0.125)
   entry.above = { { tokens = 10, input = 2 }, { tokens = 20, input = 3 } }
   t.equal(cost(entry, { input_tokens = 10 }), 12.5)
   t.equal(cost(entry, { input_tokens = 11 }), 22)
   t.equal(cost(entry, { input_tokens = 21 }), 63)
end)

t.case("entries and the catalogue are read-only, or changes stay one's own", function()
   local models = require "models"
   t.raises(function() models.resolve = nil end, "read-only")
   local config = require "config"
   t.raises(function() config.aliases = {} end, "read-only")
   t.raises(function() config.aliases.cheap = "sim/pro" end, "read-only")
   t.raises(function() config.providers.sim = nil end, "read-only")
   t.equal(config.aliases.cheap, "sim/mini")
   t.equal(config.aliases.none, nil)
   t.equal(config.none, nil)
   local names_ = {}
   for name in pairs(config.models) do names_[#names_ + 1] = name end
   t.equal(table.concat(names_, " "), "sim/mini sim/pro")
end)

t.case("embeddings are asked for by name, and no answer to a question", function()
   local models = load { models = {
      ["a/embed"] = { mode = "embedding", input = 0.01, output = 0, capabilities = { "embeddings" } },
      ["a/chat"] = { input = 1, output = 1 },
      ["a/pro"] = { input = 2, output = 2, dialect = { "responses" } },
   } }
   t.equal(models.find({})[1].name, "a/chat")
   t.equal(names(models.find { mode = "embedding" }), "a/embed")
   t.equal(names(models.find { needs = { "embeddings" } }), "a/embed")
   t.equal(names(models.find { mode = "chat", provider = "a" }), "a/chat a/old a/small")
   t.equal(#models.all(), 5)
   models = load { providers = { a = { codec = "openai_responses" } },
      models = { ["a/pro"] = { input = 2, output = 2, dialect = { "responses" } } } }
   t.equal(names(models.find {}), "a/old a/pro a/small")
end)

t.case("an imported catalogue comes before ours and after the configuration", function()
   local models = load { catalogue = { dated = "2026-11-01", models = {
      ["a/small"] = { input = 99, output = 99 },
      ["a/old"] = { input = 7, output = 8, context = 5, tier = "fast" },
      ["a/new"] = { input = 1, output = 1 },
   } } }
   t.equal(models.resolve("a/small").input, 1)
   local old = models.resolve "a/old"
   t.equal({ old.input, old.output, old.tier, old.context }, { 7, 8, "standard" })
   t.equal(old.dated, "2026-11-01")
   t.equal(models.resolve("a/new").input, 1)
end)

t.case("models of one's own machine cost nothing, listed or not", function()
   local catalog = { unlisted = { ollama = { input = 0, output = 0, where = "local" } }, models = {} }
   local config = { providers = { home = { codec = "ollama" }, a = { codec = "openai" } }, models = {},
      aliases = {} }
   t.with({ config = config, catalog = catalog }, function()
      local models = t.load "scripts/models.lua"
      local entry = models.resolve "home/llama3.2"
      t.equal({ entry.input, entry.output, entry.where }, { 0, 0, "local" })
      t.equal(models.resolve("a/x").input, nil)
   end)
end)

local CAPABILITIES = { tools = 1, vision = 1, json = 1, json_schema = 1, reasoning = 1, prefill = 1,
   files = 1, audio = 1, logprobs = 1, embeddings = 1, cache = 1, search = 1 }
local DIALECT = { responses = 1, max_completion_tokens = 1, no_sampling = 1, adaptive_thinking = 1,
   always_thinks = 1, no_forced_tool = 1 }

local function check_words(name, list, known)
   for _, word in ipairs(list or {}) do t.ok(known[word], name .. ": " .. word) end
end

local function check_prices(name, facts)
   t.ok(facts.input >= 0 and facts.output >= 0, name)
   t.ok(facts.mode == "embedding" or facts.output >= facts.input, name)
   t.ok((facts.cached_input or 0) <= facts.input, name .. ": cached input costs no more")
   t.ok((facts.cache_write or facts.input) >= facts.input, name .. ": nor does writing cost less")
   t.ok((facts.cache_write_1h or 1e9) >= (facts.cache_write or 0), name)
   if not facts.above then return end
   t.ok(facts.above.tokens >= 100000 and facts.above.tokens < facts.context, name)
   t.ok(facts.above.input > facts.input and facts.above.output >= facts.output, name)
end

t.case("the shipped catalogue", function()
   local catalog = require "catalog"
   local tiers = { fast = true, standard = true, expert = true, specialist = true }
   local n = 0
   for name, facts in pairs(catalog.models) do
      n = n + 1
      t.ok(name:find("^[%w_-]+/.+$"), name)
      t.ok(tiers[facts.tier] or facts.mode == "embedding", name .. " has a tier")
      check_prices(name, facts)
      t.ok((facts.max_output or 0) <= facts.context, name .. ": " .. facts.context)
      check_words(name, facts.capabilities, CAPABILITIES)
      check_words(name, facts.dialect, DIALECT)
      t.ok(facts.source and facts.dated:find("^%d%d%d%d%-%d%d%-%d%d$"), name .. ": where from?")
      t.ok((facts.ends or "9") > facts.dated, name .. " is served no more")
   end
   t.ok(n > 100, n)
end)
