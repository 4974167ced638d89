-- test_recipes: the policies that stand on trained classifiers or on agreement, with each of their models
-- failing.
-- SPDX-License-Identifier: MIT
local t = require "test"

-- Stand-ins for the modules a policy uses. 'answers': a text for each target, or { fails = code }. 'said':
-- what a classifier tells: values, label, confidence, inputs.
local function world(answers, said)
   local calls, decisions = {}, {}
   local function call(how, target)
      local name = type(target) == "string" and target or target.name or target.tier
      calls[#calls + 1] = how .. " " .. name
      local answer = answers[name] or { fails = "unavailable" }
      if type(answer) == "table" then return nil, { code = answer.fails } end
      return { text = answer, finish_reason = "stop", name = name }
   end
   local model = { inputs = said.inputs or {}, asked = {} }
   function model.values(_, what, inputs)
      model.asked = { what = what, inputs = inputs }
      return said.values
   end
   function model.label() return said.label, said.confidence end
   function model.scores() return said.scores end
   local modules = {
      llm = {
         chat = function(target) return call("chat", target) end,
         stream = function(target) return call("stream", target) end,
         fail = function(code) return nil, { code = code } end,
      },
      task = {
         all = function(functions)
            local results, failures = {}, {}
            for i, f in ipairs(functions) do results[i], failures[i] = f() end
            return results, failures
         end,
      },
      classify = {
         linear = function() return model end,
         complexity = function() return 0.5 end,
         task = function() return "chat", 0.9 end,
      },
      models = {
         find = function() return { { name = "a" }, { name = "b" }, { name = "c" } } end,
         resolve = function(name) return name == "dear" and { input = 1000, output = 1000 } or nil end,
      },
      trace = { decide = function(d) decisions[#decisions + 1] = d end,
         detailed = function() return false end },
      log = { info = function() end },
   }
   for _, helper in ipairs { "_ask", "_why", "_escalate", "_trained" } do
      t.with(modules, function() modules[helper] = t.load("policies/" .. helper .. ".lua") end)
   end
   function modules._ask.target(target) return call("stream", target) end
   return modules, calls, decisions, model
end

local function request(more)
   local req = { text = "What is 2 + 2?", messages = {} }
   for k, v in pairs(more or {}) do req[k] = v end
   function req.with() return req end
   return req
end

-- What a policy did: reply, err, calls as one string, decisions, the classifier.
local function run(name, answers, params, said, req)
   local modules, calls, decisions, model = world(answers, said or {})
   local reply, err
   t.with(modules, function()
      local definition = t.load("policies/" .. name .. ".lua")
      local p = {}
      for k, v in pairs(definition.params) do p[k] = v end
      for k, v in pairs(params or {}) do p[k] = v end
      reply, err = definition.run(req or request(), p)
   end)
   return reply, err, table.concat(calls, ", "), decisions, model
end

t.case("gain: by both heads, by one, by all, without a classifier", function()
   local answers = { fast = "4", expert = "four" }
   local function score_of(values)
      local _, _, calls, decisions = run("gain", answers, { model = "m" }, { values = values })
      return calls, decisions[1].score
   end
   local calls, score = score_of { weak = 0.5, strong = 0.9 }
   t.equal(calls, "stream expert")
   t.ok(math.abs(score - 0.4) < 1e-9)
   calls, score = score_of { gain = 0.1 }
   t.equal(calls, "stream fast")
   t.equal(score, 0.1)
   calls, score = score_of { weak = 0.5, strong = 0.9, gain = 0.2 }
   t.equal(calls, "stream expert")
   t.ok(math.abs(score - 0.3) < 1e-9)
   local _, _, plain, decisions = run("gain", answers)
   t.equal(plain, "stream expert")
   t.equal(decisions[1].score, 0.5)
   local ok, err = pcall(run, "gain", answers, { model = "m" }, { values = { weak = 0.5 } })
   t.ok(not ok and tostring(err):find("no head 'gain'", 1, true))
end)

t.case("gain: the model's inputs are numbers of the question", function()
   local said = { values = { gain = 0 }, inputs = { "words" } }
   local _, _, _, _, model = run("gain", { fast = "4" }, { model = "m" }, said)
   t.equal(model.asked.inputs.words, 5)
   said.inputs = {}
   _, _, _, _, model = run("gain", { fast = "4" }, { model = "m" }, said)
   t.equal(model.asked.inputs, nil)
end)

t.case("gain: the other model stands in, but not for what is wrong in itself", function()
   local reply, _, calls = run("gain", { fast = "4" })
   t.equal(calls, "stream expert, stream fast")
   t.equal(reply.text, "4")
   local err
   reply, err, calls = run("gain", { expert = { fails = "bad_request" }, fast = "4" })
   t.equal(calls, "stream expert")
   t.equal(reply, nil)
   t.equal(err.code, "bad_request")
   reply, err = run("gain", {})
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
end)

t.case("weak_score: the answer is read, and kept or not", function()
   local answers = { fast = "2 + 2 = 5", expert = "4" }
   local said = { values = { gain = 0.6 }, inputs = { "wrong_calculations" } }
   local reply, _, calls, decisions, model = run("weak_score", answers, { model = "m" }, said)
   t.equal(calls, "chat fast, stream expert")
   t.equal(reply.text, "4")
   t.equal(decisions[1].score, 0.6)
   t.equal(model.asked.what.text, "2 + 2 = 5")
   t.equal(model.asked.inputs.wrong_calculations, 1)
   reply, _, calls = run("weak_score", answers, { model = "m" }, { values = { weak = 0.9 } })
   t.equal(calls, "chat fast")
   t.equal(reply.text, "2 + 2 = 5")
   reply, _, calls = run("weak_score", { fast = "I cannot say.", expert = "4" })
   t.equal(calls, "chat fast, stream expert")
   t.equal(reply.text, "4")
   local ok, err = pcall(run, "weak_score", answers, { model = "m" }, { values = { strong = 1 } })
   t.ok(not ok and tostring(err):find("neither a head 'gain' nor 'weak'", 1, true))
end)

t.case("weak_score: when a model fails", function()
   local reply, _, calls = run("weak_score", { expert = "4" })
   t.equal(calls, "chat fast, stream expert")
   t.equal(reply.text, "4")
   reply, _, calls = run("weak_score", { fast = "5" }, { model = "m" }, { values = { gain = 1 } })
   t.equal(calls, "chat fast, stream expert")
   t.equal(reply.text, "5")
   local err
   reply, err = run("weak_score", { fast = { fails = "context_length" } })
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
   reply, err, calls = run("weak_score", { fast = { fails = "content_filter" }, expert = "4" })
   t.equal(reply, nil)
   t.equal(err.code, "content_filter")
   t.equal(calls, "chat fast")
   _, _, calls = run("weak_score", { fast = "x", expert = "4" }, nil, nil, request { tools = { {} } })
   t.equal(calls, "stream expert")
end)

t.case("agreement: two that agree are enough", function()
   local reply, _, calls = run("agreement", { a = "The answer is 4.", b = "#### 4", expert = "5" })
   t.equal(calls, "chat a, chat b")
   t.equal(reply.text, "The answer is 4.")
   reply, _, calls = run("agreement", { a = "3", b = "4", expert = "5" })
   t.equal(calls, "chat a, chat b, stream expert")
   t.equal(reply.text, "5")
end)

t.case("agreement: more members are asked one by one", function()
   local three = { models = { "a", "b", "c" } }
   local reply, _, calls = run("agreement", { a = "3", b = "4", c = "4", expert = "5" }, three)
   t.equal(calls, "chat a, chat b, chat c")
   t.equal(reply.text, "4")
   _, _, calls = run("agreement", { a = "4", b = "4", c = "4", expert = "5" }, three)
   t.equal(calls, "chat a, chat b")
   _, _, calls = run("agreement", { a = "3", b = "4", c = "6", expert = "5" }, three)
   t.equal(calls, "chat a, chat b, chat c, stream expert")
   reply, _, calls = run("agreement", { b = "4", c = "4", expert = "5" }, three)
   t.equal(calls, "chat a, chat b, chat c")
   t.equal(reply.text, "4")
end)

t.case("agreement: when models fail", function()
   local reply, _, calls = run("agreement", { a = "3", b = "4" })
   t.equal(calls, "chat a, chat b, stream expert")
   t.equal(reply.text, "3")
   local err
   reply, err = run("agreement", {})
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
   reply, err, calls = run("agreement", { a = { fails = "bad_request" }, b = "4", expert = "5" })
   t.equal(reply, nil)
   t.equal(err.code, "bad_request")
   t.equal(calls, "chat a, chat b")
   reply, _, calls = run("agreement", { expert = "5" }, { models = { "a" } })
   t.equal(calls, "chat a, stream expert")
   t.equal(reply.text, "5")
   _, _, calls = run("agreement", { expert = "5" }, nil, nil, request { tools = { {} } })
   t.equal(calls, "stream expert")
end)

t.case("expected: the best for its price", function()
   local answers = { dear = "d", cheap = "c" }
   local said = { values = { dear = 0.9, cheap = 0.8 } }
   local _, _, calls = run("expected", answers, { model = "m" }, said)
   t.equal(calls, "stream dear")
   _, _, calls = run("expected", answers, { model = "m", price_weight = 1 }, said)
   t.equal(calls, "stream cheap")
   _, _, calls = run("expected", answers, { model = "m", price_weight = 1, prices = { dear = 0.01 } }, said)
   t.equal(calls, "stream dear")
   _, _, calls = run("expected", { x = "x" }, { model = "m", targets = { dear = "x" } }, said)
   t.equal(calls, "stream x")
   local reply
   reply, _, calls = run("expected", { cheap = "c" }, { model = "m" }, said)
   t.equal(calls, "stream dear, stream cheap")
   t.equal(reply.text, "c")
   local _, err = run("expected", {}, { model = "m" }, said)
   t.equal(err.code, "unavailable")
   _, err = run("expected", {}, { model = "m" }, { values = {} })
   t.equal(err.code, "no_candidate")
   local means = { law = { dear = 0.9, cheap = 0.1 }, code = { dear = 0.5, cheap = 0.6 } }
   local by_label = { model = "m", qualities = means }
   _, _, calls = run("expected", answers, by_label, { scores = { law = 0.5, code = 0.5 } })
   t.equal(calls, "stream dear")
   _, _, calls = run("expected", answers, by_label, { scores = { law = 0.05, code = 0.95 } })
   t.equal(calls, "stream cheap") -- 0.575 against 0.52
   _, _, calls = run("expected", { standard = "s" })
   t.equal(calls, "stream standard")
end)

t.case("task_tiers: the label decides, when it is sure", function()
   local routes = { model = "m", routes = { law = "x" } }
   local _, _, calls = run("task_tiers", { x = "x" }, routes, { label = "law", confidence = 0.8 })
   t.equal(calls, "stream x")
   _, _, calls = run("task_tiers", { standard = "s" }, routes, { label = "law", confidence = 0.2 })
   t.equal(calls, "stream standard")
   _, _, calls = run("task_tiers", { standard = "s" }, routes, { label = nil, confidence = 0.9 })
   t.equal(calls, "stream standard")
   _, _, calls = run("task_tiers", { standard = "s" }, routes, { label = "other", confidence = 0.9 })
   t.equal(calls, "stream standard")
   local reply
   reply, _, calls = run("task_tiers", { standard = "s" }, routes, { label = "law", confidence = 0.8 })
   t.equal(calls, "stream x, stream standard")
   t.equal(reply.text, "s")
   local _, err = run("task_tiers", { fast = { fails = "cancelled" } })
   t.equal(err.code, "cancelled")
   _, err, calls = run("task_tiers", {})
   t.equal(calls, "stream fast, stream standard")
   t.equal(err.code, "unavailable")
end)
