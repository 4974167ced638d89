-- test_composing: policies made of policies: first, retry, when, wrap, chain, and the configuration's chains.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local policy = require "policy"

local function says(text)
   return function(req) return { text = text .. (req and ":" .. req or "") } end
end

local function fails(code, more)
   return function()
      local err = { code = code, message = code }
      for name, value in pairs(more or {}) do err[name] = value end
      return nil, err
   end
end

local function passes() return policy.pass end

-- The text, or the code, or "pass".
local function outcome(run, req, next)
   local result, err = run(req, {}, next)
   if result == policy.pass then return "pass" end
   return result and result.text or err.code
end

t.case("first", function()
   t.equal(outcome(policy.first(says "a", says "b")), "a")
   t.equal(outcome(policy.first(fails "timeout", passes, says "b")), "b")
   t.equal(outcome(policy.first(fails "bad_request", says "b")), "bad_request")
   t.equal(outcome(policy.first(fails "content_filter", says "b")), "content_filter")
   t.equal(outcome(policy.first(fails "timeout", fails "overloaded")), "overloaded")
   t.equal(outcome(policy.first(fails "timeout", passes)), "timeout")
   t.equal(outcome(policy.first(passes, passes)), "pass")
   t.equal(outcome(policy.first(policy.define { name = "x", params = { n = 3 }, run = function(_, p)
      return { text = "n=" .. p.n }
   end })), "n=3")
   local typo = policy.define { name = "x", params = { n = 3, m = 1 }, open = { word = true },
      run = function(_, p) return { text = tostring(p.word) .. tostring(p.deadline) .. tostring(p.k) } end }
   t.raises(function() outcome(policy.first(typo)) end, "policy 'x' has no parameter 'k' (params: m, n)")
   t.raises(function() policy.first() end, "at least one part")
   t.raises(function() policy.first(1) end, "part 1 must be a policy")
end)

t.case("retry", function()
   local n = 0
   local function flaky(err)
      return function()
         n = n + 1
         if n > 2 then return { text = "after " .. n } end
         return nil, err
      end
   end
   local begun = clock.monotonic()
   t.equal(outcome(policy.retry(3, flaky { code = "overloaded", retryable = true })), "after 3")
   local took = clock.monotonic() - begun
   t.ok(took >= 0.37 and took <= 0.76, took)
   n = 0
   t.equal(outcome(policy.retry(1, flaky { code = "overloaded", retryable = true })), "overloaded")
   t.equal(n, 2)
   n = 0
   t.equal(outcome(policy.retry(5, flaky { code = "auth", retryable = false })), "auth")
   t.equal(n, 1)
   n, begun = 0, clock.monotonic()
   t.equal(outcome(policy.retry(5, flaky { code = "rate_limited", retryable = true, retry_after = 7 })),
      "after 3")
   t.ok(clock.monotonic() - begun >= 14)
   n = 0
   t.equal(outcome(policy.retry(5, flaky { code = "rate_limited", retryable = true, retry_after = 31 })),
      "rate_limited")
   t.equal(n, 1)
   n = 0
   t.equal(outcome(policy.retry(5, flaky { code = "timeout", retryable = true })), "timeout") -- nobody's
   t.equal(n, 1)
   t.equal(outcome(policy.retry(5, passes)), "pass")
   t.raises(function() policy.retry(-1, passes) end, "at least 0")
end)

t.case("when", function()
   local function is_long(req) return #req > 3 end
   t.equal(outcome(policy.when(is_long, says "long", says "short"), "abcd"), "long:abcd")
   t.equal(outcome(policy.when(is_long, says "long", says "short"), "a"), "short:a")
   t.equal(outcome(policy.when(is_long, says "long"), "a"), "pass")
   t.raises(function() policy.when(true, passes) end, "must be a function")
end)

t.case("wrap and chain", function()
   local function shout(_, _, next)
      local reply, err = next()
      if not reply then return nil, err end
      return { text = reply.text:upper() }
   end
   local function changed(req, _, next) return next(req .. "!") end
   t.equal(outcome(policy.wrap(shout, says "a"), "x"), "A:X")
   t.equal(outcome(policy.wrap(passes, says "a"), "x"), "a:x")
   t.equal(outcome(policy.wrap(shout, fails "timeout"), "x"), "timeout")
   t.equal(outcome(policy.wrap(changed, says "a"), "x"), "a:x!")
   t.equal(outcome(policy.chain { passes, shout, changed, says "a" }, "x"), "A:X!")
   t.equal(outcome(policy.chain { passes, passes }, "x"), "pass")
   t.equal(outcome(policy.chain { says "only" }, "x"), "only:x")
   t.equal(outcome(policy.chain { shout }, "x", function() return { text = "outside" } end), "OUTSIDE")
   t.raises(function() policy.chain {} end, "at least one part")
   t.raises(function() policy.chain "x" end, "a list of parts")
end)

t.case("parts that are targets are asked", function()
   t.reply(503, { error = { message = "busy" } })
   t.reply(200, t.completion "Hi")
   t.equal(outcome(policy.first("sim/mini", { tier = "expert" }), "Hello"), "Hi")
   t.equal(#t.requests(), 2)
   t.equal(t.sent(2).model, "pro")
end)

t.case("hopeless", function()
   for _, code in ipairs { "bad_request", "content_filter", "cancelled", "budget", "internal" } do
      t.ok(policy.hopeless { code = code })
   end
   for _, code in ipairs { "timeout", "rate_limited", "unavailable", "auth", "context_length" } do
      t.ok(not policy.hopeless { code = code })
   end
end)

t.case("needs", function()
   local function needs(content, tools)
      return policy.needs { messages = { { role = "user", content = content } }, tools = tools }
   end
   t.equal(needs "x", nil)
   t.equal(policy.needs "x", nil)
   t.equal(needs({ { type = "text", text = "x" } }, {}), nil)
   t.equal(needs({ { type = "image_url" }, { type = "image_url" }, { type = "file" },
      { type = "input_audio" } },
      { {} }), { "tools", "vision", "files", "audio" })
   t.equal(policy.needs { messages = "x" }, nil)
   t.equal(policy.needs { messages = { 1, { content = { 2 } } } }, nil)
end)

-- ---- chains of the configuration ----

local function load(config, definitions)
   local base = { policies = {}, default_policy = "answer" }
   for name, value in pairs(config) do base[name] = value end
   local composing
   t.with({ config = base, policies = definitions },
      function() composing = t.load "scripts/composing.lua" end)
   return composing
end

local POLICIES = {
   guard = { name = "guard", params = { word = "no" }, open = { word = { type = "string" } },
      passes = true, run = function(req, p, next)
      if req == p.word then return { text = "refused" } end
      return next and next() or policy.pass
   end },
   ["answer"] = { name = "answer", params = { list = { 1 } }, run = function(req, p)
      p.list[1] = p.list[1] + 1
      return { text = "answer " .. p.list[1] }
   end },
}

t.case("chains by name, and the configuration's policy", function()
   local composing = load({ chains = { safe = { "guard", "answer" } }, policy_chain = { "guard", "answer" },
      default_policy = "guard+answer", policies = { guard = { word = "secret" } } }, POLICIES)
   for _, name in ipairs { "safe", "guard+answer" } do
      local definition, p = composing.find(name)
      t.equal(definition.name, name)
      t.equal(p, {})
      t.equal(outcome(definition.run, "no"), "answer 2")
      t.equal(outcome(definition.run, "no"), "answer 2") -- each run has parameters of its own
      t.equal(outcome(definition.run, "secret"), "refused")
   end
   t.equal(select(2, composing.find "guard").word, "secret")
   local chain = composing.find "safe"
   t.equal(chain.open.word.type, "string")
   t.equal(chain.run("other", { word = "other" }).text, "refused") -- as a caller has set it
   t.equal(chain.run("secret", { word = "other" }).text, "answer 2")
   t.equal(composing.find "none", nil)
   local result, err = composing.passed "guard"
   t.equal({ result == nil, err.code }, { true, "no_candidate" })
end)

t.case("chains that cannot be meant are refused", function()
   local function refused(config, why)
      t.raises(function() load(config, POLICIES) end, why)
   end
   refused({ chains = { x = { "guard", "none" } } }, "chains.x: there is no policy 'none'")
   refused({ chains = { x = { "answer", "guard" } } }, "'answer' never passes a request on")
   refused({ chains = { answer = { "guard" } } }, "chains.answer: there is a policy of that name")
   refused({ policy_chain = { "guard", "nobody" }, default_policy = "guard+nobody" },
      "policy: there is no policy")
   refused({ default_policy = "none" }, "default_policy: there is no policy 'none'")
   refused({ policies = { none = {} } },
      "policies.none: there is no policy of that name; those of your own are found with --policies DIR (")
   refused({ policies = { guard = { wrod = "x" } } }, "policies.guard.wrod")
end)
