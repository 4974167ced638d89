-- test_limits: what the configuration may set a policy's parameters to.
-- SPDX-License-Identifier: MIT
local t = require "test"
local caller = require "caller"
local policies = require "policies"
local policy = require "policy"

local function define(limits, open)
   return policy.define { name = "p", limits = limits, open = open, run = function() end,
      params = { share = 0.5, size = 3, by = "auto", tone = "dry", models = {}, kinds = {},
         routes = { a = "x" }, target = { tier = "fast" }, deep = true, judge = "", arms = {}, means = {},
      prices = {} } }
end

local LIMITS = { share = policy.share, size = { min = 1, max = 8, integer = true },
   by = { one_of = { "auto", "text" } }, tone = { max_length = 5 },
   models = { of = "targets", least = 1 },
   kinds = { of = { "email", "phone" } }, routes = { of = "targets" }, judge = { of = "target" },
   arms = { of = "names", most = 2 }, means = { of = "rows", min = 0, max = 1 },
   prices = { of = "numbers", min = 0 } }

local function refused(name, value, message)
   t.raises(function() policy.params(define(LIMITS), { [name] = value }) end,
      "configuration: policies.p." .. name .. ": " .. message)
end

t.case("limits: values within them", function()
   local set = { share = 1, size = 8.0, by = "text", tone = "warm",
      models = { "sim/mini", { tier = "fast" } }, kinds = { "phone" }, judge = "sim/mini",
      arms = { "a", "b" }, means = { law = { a = 0.5 }, code = {} },
      prices = { a = 0.01 }, routes = { b = { good_at = "code" } }, target = { where = "local" },
      deep = false }
   local p = policy.params(define(LIMITS), set)
   for name, value in pairs(set) do t.equal(p[name], value, name) end
   t.equal(policy.params(define(LIMITS), { target = "a/b" }).target, "a/b")
   t.equal(policy.params(define(nil), { size = -5 }).size, -5)
end)

t.case("limits: what a policy has by default, the configuration may say", function()
   for name, definition in pairs(policies) do
      t.equal({ name, policy.params(definition, definition.params) }, { name, policy.params(definition) })
   end
   local ladder = { "standard", "sim/pro" }
   t.equal(policy.params(policies.cascade, { ladder = ladder }).ladder, ladder)
   t.raises(function() policy.params(policies.cascade, { ladder = { "fastest" } }) end,
      "the model 'fastest' does not exist")
   t.raises(function() policy.params(policies.confidence, { ladder = { "fast" } }) end,
      "the model 'fast' does not exist (the tier is { tier = \"fast\" })")
end)

t.case("limits: values beyond them, each named", function()
   refused("models", { { tier = "fast" }, "a/b" }, "the model 'a/b' does not exist: there is no provider 'a'")
   refused("models", { "sim/mini", "" }, "must be a table")
   refused("share", 1.5, "must be a number from 0 to 1, not '1.5'")
   refused("share", 0 / 0, "must be a number from 0 to 1")
   refused("size", 0, "must be a whole number from 1 to 8, not '0'")
   refused("size", 2.5, "must be a whole number from 1 to 8, not '2.5'")
   refused("by", "zzz", "must be one of auto, text, not 'zzz'")
   refused("tone", "louder", "must be a text of at most 5 bytes")
   refused("models", {}, "must be a table of at least 1 of targets (names, selectors)")
   refused("models", { 5 }, "must be a table of at least 1 of targets")
   refused("models", { { foo = 1 } }, "must be a table of at least 1 of targets")
   refused("models", { "" }, "must be a table of at least 1 of targets")
   refused("routes", { a = 5 }, "must be a table of targets (names, selectors)")
   refused("judge", "nobody", "must be the name of a model, or empty, not 'nobody'")
   refused("arms", { "a", "b", "c" }, "must be a table of at most 2 of names")
   refused("arms", { { tier = "fast" } }, "must be a table of at most 2 of names")
   refused("means", { law = 0.5 }, "must be a table of tables of numbers from 0 to 1")
   refused("means", { law = { a = 1.5 } }, "must be a table of tables of numbers from 0 to 1")
   refused("prices", { a = "dear" }, "must be a table of numbers, at least 0")
   refused("prices", { a = -1 }, "must be a table of numbers, at least 0")
   refused("kinds", { "email", "nonsense" }, "must be a list of email, phone")
end)

t.case("selectors need no limits: their keys are known", function()
   refused("target", { foo = 1 }, "unknown key 'foo'")
   refused("target", { tier = 5 }, "'tier' must be a string, not a number")
   refused("target", { prefer = "cheap" }, "'prefer' must be one of")
   refused("target", {}, "must name a model or say which models fit")
   refused("target", "", "must name a model")
end)

t.case("limits: what is wrong with them", function()
   t.raises(function() define { share = { low = 1 } } end, "policy 'p': limits.share: unknown field 'low'")
   t.raises(function() define { nobody = policy.share } end,
      "limits.nobody: the policy has no such parameter")
   t.raises(function() define { share = { min = 0.9 } } end,
      "limits.share: the default must be a number, at least 0.9")
   t.raises(function() define { kinds = { of = "nonsense" } } end, "of must be one of names,")
   t.raises(function() define { deep = { type = "number" } } end, "but the default is a boolean")
end)

t.case("callers are held to them, too, unless 'open' says something narrower", function()
   local definition = define(LIMITS, { "size", share = { max = 0.6 } })
   local function override(fields)
      local p = policy.params(definition)
      local names, err = caller.override(definition, p, fields)
      return names and p or nil, err
   end
   t.equal(override { size = "8" }.size, 8)
   t.equal(select(2, override { size = "9" }).message,
      "x-baton-param-size: must be a whole number from 1 to 8, not '9'")
   t.equal(override { share = "0.6" }.share, 0.6)
   t.equal(select(2, override { share = "0.7" }).message,
      "x-baton-param-share: must be a number from 0 to 0.6, not '0.7'")
   t.equal(select(2, override { share = "-0.1" }).param, "x-baton-param-share")
end)

-- Of each shipped policy: values that cannot be meant.
local WRONG = {
   complexity = { standard_from = -5, expert_from = 2 }, task = { confidence = 7, routes = { code = 5 } },
   cascade = { ladder = {}, threshold = 7 },
   ensemble = { size = 0, by = "zzz", agreement = 4, timeout = -1, models = { 5 } },
   cost = { min_quality = 5, tries = 0, timeout = 0, selector = { foo = 1 } }, quality = { tries = 2.5 },
   balanced = { tries = 0 }, latency = { tries = -1 },
   fallback = { fallback = { 5 }, retries = -1, tries = -1, ttft = 0, model = { foo = 1 } },
   guardrail = { patience = 0, cap = 0 }, hedged = { after = "p42", otherwise = -1, share = 4 },
   local_first = { hard_from = 9, threshold = 9 },
   privacy = { kinds = { "nonsense" }, score = 5, prefer = "cheap" },
   keywords = { routes = { law = 5 } },
   intent = { timeout = -1, cache = -1, confidence = 3, routes = { code = { foo = 1 } } },
   tiers = { confidence = 3, expert_from = 3, specialists = { code = 5 } }, support = { within = -1 },
   confidence = { ladder = {}, threshold = 5, quality = 5, timeout = 0 },
   consensus = { size = 0, threshold = 3, by = "zz", unknown = 3, experts = { law = 5 }, timeout = 0,
      models = { 5 } },
   cross_check = { timeout = -1 }, panel = { size = 0, timeout = 0, proposers = { 5 },
      selector = { foo = 1 } },
   best_of_n = { n = 0, temperature = 99, by = "zz", agreement = 3, timeout = 0 },
   canary_model = { share = 7, min_calls = 0, margin = -1, report = 0 },
}

t.case("shipped policies refuse what cannot be meant", function()
   for name, values in pairs(WRONG) do
      for parameter, value in pairs(values) do
         t.raises(function() policy.params(policies[name], { [parameter] = value }) end,
            "configuration: policies." .. name .. "." .. parameter .. ": ")
      end
   end
end)

t.case("every parameter of a shipped policy keeps to its limits: it is told when it is loaded", function()
   local wrong = {
      agreement = { need = 0, by = "votes", timeout = 0, models = { 5 } },
      gain = { threshold = 2 }, weak_score = { threshold = -2 },
      expected = { tries = 0, price_weight = -1, answer = -1, targets = { a = 5 }, prices = { a = "x" },
         qualities = { law = 1 } },
      task_tiers = { confidence = 1.5, routes = { a = 5 } },
      bandit = { method = "ucb", by = "hour", learn_from = "me", discount = 0, explore = 2, worth = -1,
         arms = {}, name = "" },
      chain = { reader = "", writer = ("x"):rep(65) }, ensemble = { arbiter = "" },
      direct = { model = "nobody" }, hedged = { second = "nobody" }, cross_check = { checker = "nobody" },
      best_of_n = { judge = "nobody" },
   }
   for name, params in pairs(wrong) do
      for parameter, value in pairs(params) do
         t.raises(function() policy.params(policies[name], { [parameter] = value }) end,
            ("configuration: policies.%s.%s: must be "):format(name, parameter))
      end
   end
   t.raises(function() policy.params(policies.agreement, { need = 0 }) end,
      "policies.agreement.need: must be a whole number from 2 to 20, not '0'")
end)
