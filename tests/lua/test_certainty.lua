-- test_certainty: how sure an answer is: by log probabilities, by its words, by samples, by asking.
-- SPDX-License-Identifier: MIT
local t = require "test"
local certainty = require "certainty"

local function logprobs(...)
   local content = {}
   for i, p in ipairs { ... } do content[i] = { token = "x", logprob = math.log(p) } end
   return { content = content }
end

local function near(a, b) t.ok(a and math.abs(a - b) < 1e-9, tostring(a) .. " is not " .. b) end

t.case("log probabilities", function()
   local mean, least = certainty.of_logprobs(logprobs(0.9, 0.4))
   near(mean, math.sqrt(0.36))
   near(least, 0.4)
   near(certainty.of_logprobs(logprobs(0.8, 0.8, 0.8, 0.8)), 0.8)
   near(certainty.of_logprobs { content = { { logprob = -math.huge } } }, math.exp(-100))
   for _, nothing in ipairs { {}, { content = {} }, { content = "x" }, { content = { 1, {},
      { logprob = "x" } } },
      { content = { { logprob = 1 } } } } do
      t.equal(certainty.of_logprobs(nothing), nil)
   end
   t.equal(certainty.of_logprobs(nil), nil)
end)

t.case("what an answer says of itself", function()
   for s, p in pairs {
      ["Paris. Confidence: 85%"] = 0.85, ["confidence = 0.7"] = 0.7, ["**Confidence:** 0.9"] = 0.9,
      ["I am 90% sure."] = 0.9, ["I'm 75 % certain of it"] = 0.75, ["<confidence>0.25</confidence>"] = 0.25,
      ["Confidence: 20%, no, wait. Confidence: 60%"] = 0.6, ["60% confident"] = 0.6, ["Confidence: 1"] = 1,
      ["Confidence: 95"] = 0.95,
   } do near(certainty.of_text(s), p) end
   for _, s in ipairs { "", "confidence", "I am sure.", "90% of all", "Confidence: 9000",
      "Confidence: high" } do
      t.equal(certainty.of_text(s), nil)
   end
   t.equal(certainty.of_text(nil), nil)
   t.equal(certainty.of_text(("confidence "):rep(9999)), nil)
end)

t.case("a number of a scale", function()
   near(certainty.of_number("8", 10), 0.8)
   near(certainty.of_number("About 0.35.", 1), 0.35)
   t.equal(certainty.of_number("11", 10), nil)
   t.equal(certainty.of_number("none", 10), nil)
end)

t.case("the best source first", function()
   local p, source = certainty.of { confidence = 0.3, logprobs = logprobs(0.9), text = "Confidence: 60%" }
   t.equal({ p, source }, { 0.3, "given" })
   p, source = certainty.of { confidence = false, logprobs = logprobs(0.9), text = "Confidence: 60%" }
   near(p, 0.9)
   t.equal(source, "logprobs")
   p, source = certainty.of { text = "Confidence: 60%" }
   t.equal({ p, source }, { 0.6, "report" })
   p, source = certainty.of { text = "Paris" }
   t.equal({ p == nil, source == nil }, { true, true })
end)

-- ---- judge ----

-- judge on a model that answers 'said', or fails with a code.
local function load(said, code)
   local asked, judge = {}, nil
   local function chat(target, req, opts)
      asked[#asked + 1] = { target = target, content = req.messages[1].content, opts = opts }
      if said then return { text = said } end
      return nil, { code = code }
   end
   t.with({ llm = { chat = chat } }, function() judge = t.load("scripts/judge.lua") end)
   return judge, asked
end

local PARIS = { text = "Paris.", finish_reason = "stop", name = "p/a" }

t.case("judge.rate and judge.self", function()
   local judge, asked = load "7"
   near(judge.rate("Capital of France?", PARIS, { model = "p/judge", timeout = 3 }), 0.7)
   t.equal({ asked[1].target, asked[1].opts.timeout }, { "p/judge", 3 })
   t.ok(asked[1].content:find("<question>\nCapital of France?\n</question>", 1, true))
   t.ok(asked[1].content:find("<answer>\nParis.\n</answer>", 1, true))
   judge, asked = load "0.9"
   near(judge.self("Capital of France?", PARIS), 0.9)
   t.equal(asked[1].target, "p/a")
   near(judge.self("Capital of France?", "Paris.", { model = "p/b" }), 0.9)
   t.raises(function() judge.self("x", "Paris.") end, "does not say which model")
   t.raises(function() judge.rate("x", PARIS, {}) end, "'model' is missing")
   t.raises(function() judge.rate("x", PARIS, { models = 1 }) end, "unknown option 'models'")
   local p, err = load("No idea.").rate("x", PARIS, { model = "p/judge" })
   t.equal({ p == nil, err.code }, { true, "invalid_output" })
   p, err = load(nil, "timeout").self("x", PARIS)
   t.equal({ p == nil, err.code }, { true, "timeout" })
end)

t.case("judge.quality asks a model only where it is told to, and where there is something to ask about",
   function()
   local judge, asked = load "4"
   local score = judge.quality("Capital of France?", PARIS)
   t.equal({ score, #asked }, { 1, 0 })
   local details, reasons
   score, reasons, details = judge.quality("Capital of France?", PARIS, { judge = "p/judge" })
   t.equal({ score, reasons, details.rating }, { 0.4, { "poor_rating" }, 0.4 })
   score = judge.quality("Capital of France?", { text = "", finish_reason = "stop" }, { judge = "p/judge" })
   t.equal({ score, #asked }, { 0, 1 })
   judge, asked = load "0.8"
   score = judge.quality("Capital of France?", PARIS, { self = true })
   t.equal({ score, asked[1].target }, { 0.8, "p/a" })
   score, reasons, details = load(nil, "overloaded").quality("Capital of France?", PARIS, { self = true })
   t.equal({ score, #reasons, details.err.code }, { 1, 0, "overloaded" })
   t.raises(function() judge.quality("x", PARIS, { jugde = "x" }) end, "unknown option 'jugde'")
   local calls = { tool_calls = { { ["function"] = { name = "f", arguments = "{}" } } },
      finish_reason = "tool_calls" }
   t.equal((judge.quality("x", calls, { self = true })), 1)
end)

t.case("judge.confidence", function()
   local judge, asked = load "0.7"
   local p, source = judge.confidence { reply = PARIS, samples = { { text = "paris" }, { text = "Lyon" } } }
   near(p, 2 / 3)
   t.equal(source, "agreement")
   near(judge.confidence { reply = { text = "Rome" }, samples = { { text = "paris" }, { text = "Paris" } } },
      1 / 3)
   t.equal(judge.confidence { reply = PARIS }, nil)
   t.equal(select(2, judge.confidence { reply = "Paris" }), nil, "nothing to go by has no name")
   p, source = judge.confidence { reply = { text = "x", logprobs = logprobs(0.8) }, ask = true, req = "q" }
   near(p, 0.8)
   t.equal({ source, #asked }, { "logprobs", 0 })
   p, source = judge.confidence { reply = PARIS, ask = true, req = "Capital of France?" }
   t.equal({ p, source, #asked }, { 0.7, "asked", 1 })
   t.raises(function() judge.confidence {} end, "'reply' is missing")
   t.raises(function() judge.confidence { reply = PARIS, ask = true } end, "'req' is missing")
   t.raises(function() judge.confidence { reply = PARIS, sample = {} } end, "unknown field 'sample'")
end)
