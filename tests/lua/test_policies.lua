-- test_policies: each policy makes the calls it promises, on models that are tables.
-- SPDX-License-Identifier: MIT
local t = require "test"

-- A stand-in for llm, models, task, trace and log. 'answers' gives a reply, or nil and a code, for each
-- target.
local function world(answers)
   local calls, decisions = {}, {}
   local function target_name(target)
      return type(target) == "string" and target or target.name or target.tier or target.good_at
   end
   local function call(how, target, req)
      local name = target_name(target)
      calls[#calls + 1] = how .. " " .. name
      local answer = answers[name]
      if type(answer) == "function" then answer = answer(req) end
      if answer == nil then answer = { fails = "unavailable" } end
      if type(answer) == "string" then answer = { text = answer } end
      if answer.fails then return nil, { code = answer.fails, message = answer.fails } end
      return { text = answer.text, finish_reason = answer.finish_reason or "stop", name = name,
         how = how }
   end
   local w = { calls = calls, decisions = decisions }
   w.modules = {
      llm = {
         chat = function(target, req) return call("chat", target, req) end,
         stream = function(target, req) return call("stream", target, req) end,
      },
      task = {
         all = function(functions)
            local results, errors = {}, {}
            local keys = {}
            for key in pairs(functions) do keys[#keys + 1] = key end
            table.sort(keys)
            for _, key in ipairs(keys) do results[key], errors[key] = functions[key]() end
            return results, errors
         end,
      },
      models = {
         find = function() return { { name = "p/a" }, { name = "p/b" }, { name = "p/c" },
            { name = "p/d" } } end,
         resolve = function(target) return { name = target_name(target) } end,
         alternatives = function() return {} end,
      },
      trace = { decide = function(d) decisions[#decisions + 1] = d end,
         detailed = function() return false end },
      log = { info = function() end },
   }
   for _, helper in ipairs { "_ask", "_why", "_escalate" } do
      t.with(w.modules, function() w.modules[helper] = t.load("policies/" .. helper .. ".lua") end)
   end
   function w.said() return table.concat(calls, ", ") end
   return w
end

local function request(content, more)
   local req = { messages = { { role = "user", content = content } }, text = content, model = "x",
   stream = false }
   for k, v in pairs(more or {}) do req[k] = v end
   function req.with(self, changes)
      local copy = {}
      for k, v in pairs(self) do copy[k] = v end
      for k, v in pairs(changes) do copy[k] = v end
      copy.text = copy.messages[#copy.messages].content
      return copy
   end
   return req
end

-- Runs a policy as the engine would: defaults, then the test's own parameters.
local function run(name, answers, req, params)
   local w = world(answers)
   local reply, err
   t.with(w.modules, function()
      local definition = t.load("policies/" .. name .. ".lua")
      local p = {}
      for k, v in pairs(definition.params) do p[k] = v end
      for k, v in pairs(params or {}) do p[k] = v end
      if definition.checks then definition.checks() end
      reply, err = definition.run(req, p)
   end)
   return reply, err, w
end

local HARD = "First prove that if n is odd then n^2 - 1 is divisible by 8, then explain why, derive the " ..
   "general theorem for all primes, compare both proofs and finally justify every necessary assumption " ..
   "such that the induction holds."

t.case("complexity", function()
   local _, _, w = run("complexity", { fast = "hi", expert = "qed" }, request "Hello!")
   t.equal(w.said(), "stream fast")
   _, _, w = run("complexity", { fast = "hi", expert = "qed" }, request(HARD))
   t.equal(w.said(), "stream expert")
   t.equal(w.decisions[1].model, "expert")
   local reply
   reply, _, w = run("complexity", { standard = "s" }, request "Hello!")
   t.equal(w.said(), "stream fast, stream standard")
   t.equal(reply.text, "s")
   local err
   reply, err, w = run("complexity", {}, request "Hello!")
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
   t.equal(#w.calls, 3)
   _, err, w = run("complexity", { fast = { fails = "bad_request" } }, request "Hello!")
   t.equal(err.code, "bad_request")
   t.equal(#w.calls, 1)
end)

t.case("task", function()
   local _, _, w = run("task", { code = "def f" }, request "Write a Python function that sorts a list.")
   t.equal(w.said(), "stream code")
   _, _, w = run("task", { standard = "s" }, request "zzz yyy xxx", { confidence = 0.95 })
   t.equal(w.said(), "stream standard")
   local reply
   reply, _, w = run("task", { standard = "s" }, request "Write a Python function that sorts a list.")
   t.equal(w.said(), "stream code, stream standard")
   t.equal(reply.text, "s")
end)

t.case("cascade", function()
   local reply, _, w = run("cascade", { fast = "Paris.", expert = "Paris!" },
   request "What is the capital of France?")
   t.equal(w.said(), "chat fast")
   t.equal(reply.text, "Paris.")
   reply, _, w = run("cascade", { fast = "I don't know.", expert = "Paris!" },
   request "What is the capital of France?")
   t.equal(w.said(), "chat fast, stream expert")
   t.equal(reply.text, "Paris!")
   reply = run("cascade", { fast = "I don't know." }, request "What is the capital of France?")
   t.equal(reply.text, "I don't know.")
   local err
   reply, err, w = run("cascade", {}, request "x")
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
   t.equal(#w.calls, 2)
   _, err, w = run("cascade", { fast = { fails = "bad_request" }, expert = "x" }, request "x")
   t.equal(err.code, "bad_request")
   t.equal(#w.calls, 1)
   _, _, w = run("cascade", { ["p/a"] = "", expert = "good" }, request "x", { ladder = { "p/a",
   { tier = "expert" } } })
   t.equal(w.said(), "chat p/a, stream expert")
   reply = run("cascade", { fast = "" }, request "x")
   t.equal(reply, nil)
end)

t.case("ensemble", function()
   local reply, _, w = run("ensemble", { ["p/a"] = "41", ["p/b"] = "42", ["p/c"] = "It is 42." },
   request "6 * 7?")
   t.equal(w.said(), "chat p/a, chat p/b, chat p/c")
   t.equal(reply.name, "p/b")
   t.equal(w.decisions[1].confidence, 2 / 3)
   reply, _, w = run("ensemble", { ["p/a"] = "1", ["p/b"] = "2", ["p/c"] = "3", expert = "42" },
   request "6 * 7?")
   t.equal(w.said(), "chat p/a, chat p/b, chat p/c, stream expert")
   t.equal(reply.text, "42")
   reply = run("ensemble", { ["p/a"] = "1", ["p/b"] = "2" }, request "6 * 7?")
   t.equal(reply.text, "1")
   local err
   reply, err = run("ensemble", {}, request "6 * 7?")
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
   _, _, w = run("ensemble", { expert = "x" }, request("x", { tools = {} }))
   t.equal(w.said(), "stream expert")
   _, _, w = run("ensemble", { ["p/z"] = "yes" }, request "x", { models = { "p/z" } })
   t.equal(w.said(), "chat p/z")
end)

t.case("chain", function()
   local function reader(req)
      return req.messages[2].content:find("one word", 1, true) and "positive" or "- a fact"
   end
   local asked
   local answers = { fast = reader, standard = function(req)
      if #req.messages == 2 then return "A summary." end
      asked = req.messages[1].content
      return "The report."
   end }
   local reply, _, w = run("chain", answers, request("A long document.", { temperature = 0 }))
   t.equal(w.said(), "chat fast, chat fast, chat standard, stream standard")
   t.equal(reply.text, "The report.")
   t.ok(asked:find("A summary.", 1, true) and asked:find("- a fact", 1, true) and asked:find("positive", 1,
   true), asked)
   local err
   reply, err, w = run("chain", { standard = "x" }, request "A long document.")
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
   t.equal(w.calls[#w.calls], "chat standard")
   reply, err = run("chain", { fast = { text = "cut", finish_reason = "length" }, standard = "x" },
   request "A document.")
   t.equal(reply, nil)
   t.equal(err.code, "bad_response")
end)

t.case("policy.define", function()
   local policy = require "policy"
   local function f() end
   t.equal(policy.define { name = "a", run = f }.name, "a")
   t.equal(next(policy.define { name = "a", run = f }.params), nil)
   t.raises(function() policy.define { name = "a", run = f, parms = {} } end, "unknown field 'parms'")
   t.raises(function() policy.define { name = "a", run = f, parms = {} } end,
      "known: about, checks, limits, name,")
   t.raises(function() policy.define { name = 1, run = f } end, "'name' of a policy must be a string")
   t.raises(function() policy.define { name = "a", run = "f" } end, "'run' of a policy must be a function")
   t.raises(function() policy.define { name = "a", run = f, checks = 1 } end, "function or table")
   t.raises(function() policy.define { run = f } end, "needs a name")
   t.raises(function() policy.define { name = "a" } end, "has no function 'run'")
   t.raises(function() policy.define { name = "a/b", run = f } end, "is no name")
   t.raises(function() policy.define { name = "a", run = f, params = { 1 } } end, "must have names")
   t.raises(function() policy.define "a" end, "takes a table")
   local def = policy.define { name = "a", run = f, params = { model = { tier = "fast" }, list = {}, n = 1 } }
   t.equal(policy.params(def, { model = "p/x" }).model, "p/x")
   t.equal(policy.params(def, { model = { tier = "expert" } }).model, { tier = "expert" })
   t.raises(function() policy.params(def, { list = "p/x" }) end, "policies.a.list: must be a table")
   t.raises(function() policy.params(def, { n = "p/x" }) end, "policies.a.n: must be a number")
   t.ok(policy.finished { finish_reason = "stop" })
   t.ok(policy.finished { finish_reason = "tool_calls" })
   t.ok(not policy.finished { finish_reason = "length" })
   t.ok(not policy.finished(nil))
end)
