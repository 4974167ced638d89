-- test_strategies: the shipped strategies make the calls they promise, on models that are tables; and what
-- they do when each of these fails.
-- SPDX-License-Identifier: MIT
local t = require "test"

local MODELS = {
   { name = "p/fast", provider = "p", tier = "fast", input = 0.1, output = 0.4, where = "local",
      context = 8000,
      capabilities = { "logprobs" } },
   { name = "p/standard", provider = "p", tier = "standard", input = 1, output = 4, where = "local",
      context = 16000 },
   { name = "q/standard", provider = "q", tier = "standard", input = 1.2, output = 4.4, where = "cloud",
      context = 64000 },
   { name = "p/coder", provider = "p", tier = "specialist", good_at = { "code" }, input = 1.5, output = 5,
      where = "cloud", context = 16000 },
   { name = "q/expert", provider = "q", tier = "expert", input = 5, output = 20, where = "cloud",
      context = 99000, capabilities = { "tools" } },
}

local function catalogue(list)
   local facts = {}
   for _, entry in ipairs(list) do facts[entry.name] = entry end
   local models
   t.with({ config = { providers = { p = { codec = "openai" }, q = { codec = "openai" } }, models = facts,
      aliases = {} }, catalog = { unlisted = {}, models = {} },
      health = { ready = function() return true end, look = function() return { latency = {} } end } },
      function() models = t.load "scripts/models.lua" end)
   return models
end

-- A stand-in for llm and what stands on it. 'answers' gives for each model a text, a table of a reply's
-- fields, { fails = code }, or function(req, opts) -> one of these; a model without one is out.
local function world(answers, more)
   local models = catalogue(MODELS)
   local w = { calls = {}, decisions = {}, chosen = {} }
   local function call(how, target, req, opts)
      local entry, none = models.resolve(target)
      if not entry then return nil, none end
      w.calls[#w.calls + 1] = how .. " " .. entry.name
      local answer = answers[entry.name]
      if type(answer) == "function" then answer = answer(req, opts or {}) end
      if answer == nil then answer = { fails = "unavailable" } end
      if type(answer) == "string" then answer = { text = answer } end
      if answer.fails then
         local code = answer.fails
         return nil, { code = code, message = code, retryable = code ~= "context_length" }
      end
      local reply = { finish_reason = "stop", name = entry.name, model = entry.model, cost = 0, how = how }
      for key, value in pairs(answer) do reply[key] = value end
      return reply, reply.value
   end
   local llm = {
      chat = function(target, req, opts) return call("chat", target, req, opts) end,
      stream = function(target, req, opts) return call("stream", target, req, opts) end,
      fail = function(code, message) return nil, { code = code, message = message } end,
      reply = function(fields) return fields end,
      is_reply = function() return true end,
   }
   local nobody = { ask = function() return nil, { code = "timeout" } end }
   local modules = { llm = llm, models = models, human = nobody, log = { info = function() end,
      warn = function() end },
      trace = { decide = function(d) w.decisions[#w.decisions + 1] = d end,
         detailed = function() return true end }, explain = { selection = function() end } }
   t.with(modules, function()
      modules["consensus.asking"] = t.load "scripts/consensus/asking.lua"
      t.with({ ["consensus.asking"] = modules["consensus.asking"] }, function()
         modules.consensus = t.load "scripts/consensus.lua"
      end)
   end)
   t.with({ llm = llm, consensus = modules.consensus },
      function() modules.judge = t.load "scripts/judge.lua" end)
   t.with(modules, function()
      for _, helper in ipairs { "_ask", "_why", "_escalate", "_goal" } do
         modules[helper] = t.load("policies/" .. helper .. ".lua")
      end
   end)
   t.with({ llm = llm }, function() modules["classify.ask"] = t.load "scripts/classify/ask.lua" end)
   t.with(modules, function() modules.classify = t.load "scripts/classify.lua" end)
   for name, module in pairs(more or {}) do modules[name] = module end
   t.with(modules, function() modules._trained = t.load "policies/_trained.lua" end)
   w.modules = modules
   function w.said() return table.concat(w.calls, ", ") end
   return w
end

local function request(content, more)
   local req = { messages = { { role = "user", content = content } }, text = content, stream = false }
   for key, value in pairs(more or {}) do req[key] = value end
   return req
end

-- What is wrong with the decisions of a run: models and candidates are "provider/model" (or a selector that
-- no model fits), and of each candidate it is said why it was not taken.
local function faults(decisions)
   local wrong = {}
   local function check(what, model)
      local named = type(model) == "string" and (model:find "^%l/%l+$" or model == "a person")
      if not named and type(model) ~= "table" then wrong[#wrong + 1] = what .. " " .. tostring(model) end
   end
   for _, decision in ipairs(decisions) do
      check("model", decision.model)
      if type(decision.reason) ~= "string" then wrong[#wrong + 1] = "no reason" end
      for _, other in ipairs(decision.candidates or {}) do
         check("candidate", other.model)
         if type(other.why) ~= "string" or other.why == "" then wrong[#wrong + 1] = "no why" end
      end
   end
   return table.concat(wrong, ", ")
end

-- Runs a policy as the engine would: defaults, then the test's own parameters. next: as in a chain.
local function run(name, answers, req, params, next, more)
   local w = world(answers, more)
   local reply, err
   t.with(w.modules, function()
      local definition = t.load("policies/" .. name .. ".lua")
      local p = {}
      for key, value in pairs(definition.params) do p[key] = value end
      for key, value in pairs(params or {}) do p[key] = value end
      if definition.checks then definition.checks() end
      reply, err = definition.run(type(req) == "string" and request(req) or req, p, next)
   end)
   t.equal(faults(w.decisions), "")
   return reply, err, w
end

local ALL = { ["p/fast"] = "fast", ["p/standard"] = "standard", ["q/standard"] = "other",
   ["p/coder"] = "coder",
   ["q/expert"] = "expert" }

local function all_but(...)
   local answers = {}
   for name, answer in pairs(ALL) do answers[name] = answer end
   for _, name in ipairs { ... } do answers[name] = nil end
   return answers
end

-- The calls that are made, and the answer's text or the error's code.
local function outcome(name, answers, req, params, next)
   local reply, err, w = run(name, answers, req, params, next)
   return w.said(), reply and reply.text or err.code
end

local function is(calls, answer, name, answers, req, params)
   local said, got = outcome(name, answers, req, params)
   t.equal(said, calls)
   t.equal(got, answer)
end

local EASY = "What is the capital of France?"
local HARD = "First prove that if n is odd then n^2 - 1 is divisible by 8, then explain why, derive the " ..
   "general theorem for all primes, compare both proofs and finally justify every necessary assumption " ..
   "such that the induction holds."
local CODE = "Write a Python function that reverses a linked list."

-- ---- goals ----

t.case("cost, quality, latency, balanced", function()
   is("stream p/fast", "fast", "cost", ALL, EASY)
   is("stream p/fast, stream p/standard", "standard", "cost", all_but "p/fast", EASY)
   is("stream p/fast, stream p/standard, stream q/standard", "unavailable", "cost", {}, EASY)
   is("stream p/standard", "standard", "cost", ALL, EASY, { min_quality = 0.6 })
   is("", "no_candidate", "cost", ALL, EASY, { min_quality = 1 })
   is("stream q/standard", "other", "cost", ALL, EASY, { selector = { where = "cloud" } })
   is("", "no_candidate", "cost", ALL, EASY, { selector = { tier = "none" } })
   is("stream p/fast", "bad_request", "cost", { ["p/fast"] = { fails = "bad_request" } }, EASY)
   is("stream q/expert", "expert", "quality", ALL, EASY)
   is("stream q/expert, stream q/standard", "other", "quality", all_but "q/expert", EASY)
   is("stream p/fast", "fast", "latency", ALL, EASY)
   is("stream p/fast, stream p/standard", "standard", "latency", all_but "p/fast", EASY)
   is("stream p/standard", "standard", "balanced", ALL, EASY)
   is("stream p/standard, stream q/standard", "other", "balanced", all_but "p/standard", EASY)
   is("stream q/expert", "expert", "cost", ALL, request(EASY, { tools = { {} } })) -- the others have no tools
end)

-- ---- failing well ----

t.case("fallback: another vendor's comparable model", function()
   is("stream p/standard", "standard", "fallback", ALL, EASY)
   is("stream p/standard, stream q/standard", "other", "fallback", all_but "p/standard", EASY)
   is("stream p/standard, stream q/standard, stream q/expert", "expert", "fallback", all_but("p/standard",
      "q/standard"), EASY)
   is("stream p/standard, stream q/standard, stream q/expert", "unavailable", "fallback", {}, EASY)
   is("stream p/standard, stream p/fast", "fast", "fallback", all_but "p/standard", EASY,
      { fallback = { "p/fast" } })
   for _, code in ipairs { "bad_request", "content_filter" } do
      is("stream p/standard", code, "fallback", { ["p/standard"] = { fails = code } }, EASY)
   end
   local long = all_but()
   long["p/standard"] = { fails = "context_length" }
   is("stream p/standard, stream q/standard", "other", "fallback", long, EASY)
   is("stream p/standard, stream q/expert", "expert", "fallback", long, EASY,
      { fallback = { "p/fast", "p/coder", "q/expert" } }) -- these two are not larger
end)

local function slow(seconds, answer)
   return function()
      require("task").sleep(seconds)
      return answer
   end
end

t.case("guardrail: what takes too long is stopped, the fast model answers", function()
   is("stream p/standard", "standard", "guardrail", ALL, EASY)
   local answers = all_but()
   answers["p/standard"] = slow(60, "late")
   local clock = require "clock"
   local begun = clock.monotonic()
   is("stream p/standard, stream p/fast", "fast", "guardrail", answers, EASY)
   t.ok(clock.monotonic() - begun < 9)
   is("stream p/standard, stream p/fast", "fast", "guardrail", all_but "p/standard", EASY)
   answers["p/fast"] = slow(60, "late, too")
   begun = clock.monotonic()
   is("stream p/standard, stream p/fast", "timeout", "guardrail", answers, EASY)
   local took = clock.monotonic() - begun
   t.ok(took > 11.9 and took < 13, took)
   is("stream p/standard", "bad_request", "guardrail", { ["p/standard"] = { fails = "bad_request" } }, EASY)
   is("stream p/standard, stream p/fast", "unavailable", "guardrail", {}, EASY)
end)

t.case("guardrail: the cap holds whatever the patience, and leaves time for the faster model", function()
   local answers = all_but()
   answers["p/standard"] = slow(60, "late")
   local clock = require "clock"
   local begun = clock.monotonic()
   is("stream p/standard, stream p/fast", "fast", "guardrail", answers, EASY, { cap = 3 }) -- patience is 8
   local took = clock.monotonic() - begun
   t.ok(took > 1.9 and took < 3, took)
   answers["p/fast"] = slow(60, "late, too")
   begun = clock.monotonic()
   is("stream p/standard, stream p/fast", "timeout", "guardrail", answers, EASY, { cap = 3 })
   took = clock.monotonic() - begun
   t.ok(took > 2.9 and took < 3.5, took)
end)

t.case("guardrail guards what comes next", function()
   local reply, _, w = run("guardrail", ALL, EASY, {}, function() return { text = "of the chain" } end)
   t.equal({ reply.text, #w.calls }, { "of the chain", 0 })
   reply, _, w = run("guardrail", ALL, EASY, {}, slow(60, { text = "late" }))
   t.equal({ reply.text, w.said() }, { "fast", "stream p/fast" })
end)

t.case("hedged: a second model when the first takes long", function()
   is("stream p/standard", "standard", "hedged", ALL, EASY, { share = 1 })
   local answers = all_but()
   answers["p/standard"] = slow(60, "late")
   is("stream p/standard, stream q/standard", "other", "hedged", answers, EASY, { share = 1 })
   is("stream p/standard, stream q/expert", "expert", "hedged", answers, EASY, { share = 1,
      second = "q/expert" })
   is("stream p/standard, stream q/standard", "other", "hedged", all_but "p/standard", EASY, { share = 1 })
   local said, code = outcome("hedged", {}, EASY, { share = 1 })
   t.equal({ said, code }, { "stream p/standard, stream q/standard", "unavailable" })
   is("", "no_candidate", "hedged", ALL, EASY, { model = { tier = "none" } })
end)

-- ---- where it may go ----

t.case("privacy", function()
   local mail = "Write to ada.lovelace@example.com, please."
   is("stream p/standard", "standard", "privacy", ALL, EASY)
   is("stream q/expert", "expert", "privacy", ALL, EASY, { otherwise = { tier = "expert" } })
   is("stream p/standard", "standard", "privacy", ALL, mail, { otherwise = { tier = "expert" } })
   is("stream p/standard, stream p/fast", "fast", "privacy", all_but "p/standard", mail)
   is("stream p/standard, stream p/fast", "unavailable", "privacy", all_but("p/standard", "p/fast"), mail)
   is("stream p/standard, stream q/standard", "other", "privacy", all_but "p/standard", EASY)
   is("stream q/expert", "expert", "privacy", ALL, mail, { kinds = { "iban" },
      otherwise = { tier = "expert" } })
   local labelled = request(EASY, { metadata = { data = "Confidential" } })
   is("stream p/standard", "standard", "privacy", ALL, labelled, { otherwise = { tier = "expert" } })
   labelled.metadata.data = " top secret\n"
   is("stream p/standard", "standard", "privacy", ALL, labelled, { closed = { "Top Secret" },
      otherwise = { tier = "expert" } })
   labelled.metadata.data = "public"
   is("stream q/expert", "expert", "privacy", ALL, labelled, { otherwise = { tier = "expert" } })
   local earlier = request(EASY, { messages = { { role = "user", content = mail }, { role = "user",
      content = EASY } } })
   is("stream p/standard", "standard", "privacy", ALL, earlier, { otherwise = { tier = "expert" } })
   local image = request(EASY, { messages = { { role = "user", content = { { type = "text", text = EASY },
      { type = "image_url" } } } } })
   is("", "no_candidate", "privacy", ALL, image) -- no local model sees
   local result = run("privacy", ALL, EASY, {}, function() return { text = "next" } end)
   t.ok(result == require("policy").pass)
   local reply, _, w = run("privacy", ALL, mail, {}, function() return { text = "next" } end)
   t.equal({ reply.text, w.decisions[1].reason }, { "standard", "email" })
end)

t.case("keywords", function()
   is("stream p/standard", "standard", "keywords", ALL, EASY)
   is("stream q/expert", "expert", "keywords", ALL, "Is this liability clause void?")
   is("stream q/expert, stream p/standard", "standard", "keywords", all_but "q/expert",
      "Is this clause void?")
   is("stream p/coder", "coder", "keywords", ALL, request(EASY, { metadata = { domain = "code" } }))
   is("stream p/fast", "fast", "keywords", ALL, "The contract of ada@example.com, any clause")
   is("stream p/fast, stream p/standard", "unavailable", "keywords", {},
      "I am ada@example.com") -- not elsewhere
   local own = { routes = { law = { tier = "expert" } } } -- says nothing of what is private
   is("stream p/fast", "fast", "keywords", ALL, "I am ada@example.com", own)
   is("stream p/fast, stream p/standard", "unavailable", "keywords", {}, "I am ada@example.com", own)
   is("stream p/fast, stream p/standard", "unavailable", "keywords", {},
      request(EASY, { metadata = { domain = "private" } })) -- the client's word for it
   local named = { config = { policies = { keywords = { terms = { private = { "Bluebird" },
      law = { "contract", "clause" } } } } } }
   local _, _, w = run("keywords", ALL, "A contract with a clause about Bluebird", own, nil, named)
   t.equal(w.said(), "stream p/fast")
   is("stream q/expert", "bad_request", "keywords", { ["q/expert"] = { fails = "bad_request" } }, "a clause")
   local result = run("keywords", ALL, EASY, {}, function() end)
   t.ok(result == require("policy").pass)
end)

t.case("local_first", function()
   is("chat p/fast", "fast", "local_first", ALL, EASY)
   is("stream q/standard", "other", "local_first", ALL, HARD)
   local answers = all_but()
   answers["p/fast"] = "I don't know."
   is("chat p/fast, stream q/standard", "other", "local_first", answers, EASY)
   is("chat p/fast, stream q/standard", "other", "local_first", all_but "p/fast", EASY)
   is("stream p/fast", "I don't know.", "local_first", answers, EASY, { check = false })
   is("chat p/fast, stream q/standard", "I don't know.", "local_first", { ["p/fast"] = "I don't know." },
      EASY)
   is("stream q/standard, stream p/fast", "fast", "local_first", all_but "q/standard", HARD)
   is("chat p/fast, stream q/standard", "unavailable", "local_first", {}, EASY)
   is("chat p/fast", "bad_request", "local_first", { ["p/fast"] = { fails = "bad_request" } }, EASY)
end)

-- ---- who is good at it ----

t.case("tiers", function()
   is("stream p/fast", "fast", "tiers", ALL, EASY)
   is("stream q/expert", "expert", "tiers", ALL, HARD, { specialists = {} })
   is("stream p/coder", "coder", "tiers", ALL, CODE)
   local said, answer = outcome("tiers", all_but("p/coder", "q/expert"), CODE)
   t.equal({ said:sub(1, 14), answer }, { "stream p/coder", "fast" })
   is("stream p/fast, stream q/expert", "expert", "tiers", all_but "p/fast", EASY)
   is("stream p/fast", "content_filter", "tiers", { ["p/fast"] = { fails = "content_filter" } }, EASY)
   is("stream p/fast, stream q/expert", "unavailable", "tiers", {}, EASY)
end)

t.case("intent", function()
   local fresh = { cache = 0 }
   local function labels(label)
      local answers = all_but()
      answers["p/fast"] = function(_, opts)
         return opts.label == "classify" and { text = "", value = { label = label } } or "fast"
      end
      return answers
   end
   is("chat p/fast, stream p/coder", "coder", "intent", labels "code", "x", fresh)
   is("chat p/fast, stream p/fast", "fast", "intent", labels "chat", "x", fresh)
   is("chat p/fast, stream p/coder", "coder", "intent", all_but "p/fast", CODE, fresh) -- words decide
   is("chat p/fast, stream p/standard", "standard", "intent", all_but "p/fast", "zzz yyy",
      { cache = 0, confidence = 0.95 })
   local answers = labels "code"
   answers["p/coder"] = nil
   is("chat p/fast, stream p/coder, stream p/standard", "standard", "intent", answers, "x", fresh)
   is("chat p/fast, stream p/coder, stream p/standard, stream q/standard, stream q/expert", "unavailable",
      "intent", {}, CODE, fresh)
   is("chat p/fast, stream p/coder", "coder", "intent", labels "code", "kept for a while")
   is("stream p/coder", "coder", "intent", labels "chat", "kept for a while")
end)

t.case("support", function()
   is("stream p/fast", "fast", "support", ALL, "How do I change my address?")
   is("stream q/expert", "expert", "support", ALL, "I was charged twice and want a refund.")
   is("stream p/fast, stream q/expert", "expert", "support", all_but "p/fast", "How do I change it?")
   is("stream q/expert, stream p/fast", "fast", "support", all_but "q/expert", "A refund, please.")
   is("stream p/fast, stream q/expert", "unavailable", "support", {}, "How?")
   local function person(answer)
      return { human = { ask = function() return answer, not answer and { code = "timeout" } or nil end } }
   end
   local reply, _, w = run("support", ALL, "Let me speak to a human!", {}, nil, person "Hello, this is Ada.")
   t.equal({ reply.text, w.said() }, { "Hello, this is Ada.", "" })
   reply, _, w = run("support", ALL, request("Hi", { metadata = { ticket = "escalated" } }), {}, nil,
      person(nil))
   t.equal({ reply.text, w.said() }, { "expert", "stream q/expert" })
end)

-- ---- more than one answer ----

local function sure(text, p)
   return { text = text, logprobs = { content = { { logprob = math.log(p) } } } }
end

t.case("confidence", function()
   local answers = all_but()
   answers["p/fast"] = sure("Paris", 0.9)
   is("chat p/fast", "Paris", "confidence", answers, EASY)
   answers["p/fast"] = sure("Paris", 0.5)
   is("chat p/fast, stream q/expert", "expert", "confidence", answers, EASY)
   answers["q/expert"] = nil
   is("chat p/fast, stream q/expert", "Paris", "confidence", answers, EASY)
   is("chat p/fast, stream q/expert", "expert", "confidence", all_but "p/fast", EASY)
   is("chat p/fast, stream q/expert", "unavailable", "confidence", {}, EASY)
   local function asked(p)
      return function(req) return req.messages[1].content:find "^Rate" and p or "Paris" end
   end
   answers = all_but()
   answers["p/fast"] = asked "0.9"
   is("chat p/fast, chat p/fast", "Paris", "confidence", answers, EASY)
   answers["p/fast"] = asked "0.2"
   is("chat p/fast, chat p/fast, stream q/expert", "expert", "confidence", answers, EASY)
   is("chat p/fast, stream q/expert", "expert", "confidence", answers, EASY, { ask = false })
   answers["p/fast"] = sure("I'm sorry, but I cannot.", 0.99)
   is("chat p/fast, stream q/expert", "expert", "confidence", answers, EASY)
end)

local function trio(a, b, c, expert)
   return { ["p/fast"] = a, ["p/standard"] = b, ["q/standard"] = c, ["q/expert"] = expert }
end

t.case("consensus", function()
   local three, two = "chat p/fast, chat p/standard, chat q/standard", "chat p/fast, chat p/standard"
   is(three, "42", "consensus", trio("42", "The answer is 42.", "42", "43"), "6 * 7?")
   is(two .. ", stream q/expert", "43", "consensus", trio("42", "41", "42", "43"), "6 * 7?")
   is(three, "42", "consensus", trio("42", "41", "42", "43"), "6 * 7?", { threshold = 0.6 })
   is(three, "42", "consensus", trio("42", nil, "42", "43"), "6 * 7?")
   is(three .. ", stream q/expert", "43", "consensus", trio("42", nil, nil, "43"),
      "6 * 7?") -- one is no consensus
   is(two .. ", stream q/expert", "42", "consensus", trio("42", "41", "42"), "6 * 7?")
   is(two .. ", stream q/expert", "unavailable", "consensus", {}, "6 * 7?")
   is(three, "2", "consensus", trio(sure("1", 0.2), sure("2", 0.9), sure("2", 0.9), "3"), "1 + 1?")
   local law = request("6 * 7?", { context = { domain = "law" } })
   local answers = trio("42", "41", "42", "43")
   answers["p/coder"] = "a lawyer"
   is(two .. ", stream p/coder", "a lawyer", "consensus", answers, law, { experts = { law = "p/coder" } })
   is("chat p/fast", "bad_request", "consensus", { ["p/fast"] = { fails = "bad_request" } }, "x",
      { models = { "p/fast" } })
end)

t.case("consensus stops as soon as it is clear", function()
   local clock = require "clock"
   local begun = clock.monotonic()
   is("chat p/fast, chat p/standard, chat q/standard, stream q/expert", "3", "consensus",
      trio(slow(1, "1"), slow(1, "2"), slow(25, "1"), "3"), "1 + 2?")
   t.ok(clock.monotonic() - begun < 2)
end)

t.case("cross_check", function()
   local function checker(verdict, mine)
      return function(req)
         return req.messages[1].content:find "^Verify" and "VERDICT: " .. verdict or mine
      end
   end
   local answers = all_but()
   answers["q/standard"] = checker "correct"
   is("chat p/standard, chat q/standard", "standard", "cross_check", answers, EASY)
   answers["q/standard"] = checker "wrong"
   is("chat p/standard, chat q/standard, stream q/expert", "expert", "cross_check", answers, EASY)
   answers["q/expert"] = nil
   is("chat p/standard, chat q/standard, stream q/expert", "standard", "cross_check", answers, EASY)
   is("chat p/standard, chat q/standard", "standard", "cross_check", all_but "q/standard", EASY)
   is("chat p/standard, chat q/standard, stream q/expert", "expert", "cross_check", all_but "q/standard",
      EASY,
      { strict = true })
   is("chat p/standard, stream q/expert", "expert", "cross_check", all_but "p/standard", EASY)
   is("chat p/standard, stream q/expert", "unavailable", "cross_check", {}, EASY)
   answers = all_but()
   answers["p/fast"] = checker "unsure"
   is("chat p/standard, chat p/fast", "standard", "cross_check", answers, EASY, { checker = "p/fast" })
   is("chat p/standard", "bad_request", "cross_check", { ["p/standard"] = { fails = "bad_request" } }, EASY)
end)

t.case("panel", function()
   local three = "chat p/fast, chat p/standard, chat q/standard"
   is(three .. ", stream q/expert", "expert", "panel", ALL, EASY)
   is(three .. ", stream q/expert", "expert", "panel", { ["q/expert"] = "expert", ["p/fast"] = "x" }, EASY)
   is(three .. ", stream q/expert", "2", "panel", trio("1", "2", "2"), EASY)
   is(three .. ", stream q/expert", "expert", "panel", { ["q/expert"] = "expert" }, EASY)
   is(three .. ", stream q/expert", "unavailable", "panel", {}, EASY)
   is("stream q/expert", "expert", "panel", ALL, request(EASY, { tools = { {} } }))
end)

t.case("best_of_n", function()
   local function samples(...)
      local list = { ... }
      return function(_, opts)
         t.equal(opts.temperature, 0.7)
         return list[opts.seed]
      end
   end
   local five = "chat p/fast, chat p/fast, chat p/fast, chat p/fast, chat p/fast"
   is(five, "2", "best_of_n", { ["p/fast"] = samples("1", "2", "2", "3", "2") }, "1 + 1?")
   is(five:sub(1, -14), "1", "best_of_n", { ["p/fast"] = samples("1", "2", "3", "4", "5") }, "1 + 1?")
   is(five .. ", stream p/standard", "standard", "best_of_n", all_but "p/fast", "1 + 1?")
   is(five .. ", stream p/standard", "unavailable", "best_of_n", {}, "1 + 1?")
   is(five:sub(1, -14), "2", "best_of_n", { ["p/fast"] = samples({ fails = "timeout" }, "2", "2",
      { fails = "timeout" },
      "2") },
      "1 + 1?")
   local said, answer = outcome("best_of_n", { ["p/fast"] = samples("1", "2", "3", "4", "5"),
      ["q/expert"] = function(req)
         return req.messages[1].content:find("<answer_B>\n2\n", 1, true) and "[[B]]"
            or req.messages[1].content:find("<answer_A>\n2\n", 1, true) and "[[A]]" or "[[C]]"
      end }, "1 + 1?", { judge = "q/expert" })
   t.equal(answer, "2")
   t.ok(said:find("chat q/expert", 1, true))
end)

t.case("canary_model", function()
   local kv = require "kv"
   local new = { new = "q/expert", share = 1, min_calls = 3 }
   is("stream p/standard", "standard", "canary_model", ALL, EASY, { new = "q/expert", share = 0 })
   is("stream q/expert", "expert", "canary_model", ALL, EASY, new)
   is("stream q/expert, stream p/standard", "standard", "canary_model", all_but "q/expert", EASY, new)
   is("stream q/expert, stream p/standard", "standard", "canary_model", all_but "q/expert", EASY, new)
   is("stream p/standard", "standard", "canary_model", ALL, EASY, new) -- two of three failed: left alone
   local lines = 0
   local log = { info = function(_, fields)
      lines = lines + 1
      t.equal({ fields.new_calls, fields.new_failed }, { 4, 0.5 })
   end, warn = function() end }
   run("canary_model", ALL, EASY, { new = "q/expert", share = 1, min_calls = 9, report = 4 }, nil,
      { log = log })
   t.equal(lines, 1)
   t.equal(kv.get "canary_model:new:q/expert:calls", 4)
   t.equal(kv.get "canary_model:new:q/expert:failed", 2)
   t.equal(kv.get "canary_model:old:p/standard:failed", nil)
   new.new = "p/coder" -- another new model begins anew: the failures were the first one's
   is("stream p/coder", "coder", "canary_model", ALL, EASY, new)
   is("stream p/standard, stream q/standard, stream q/expert", "unavailable", "canary_model", {}, EASY,
      { share = 0 })
end)

-- ---- what holds for all ----

t.case("what a filter says of the content is passed on, not routed around", function()
   local filtered = { text = "I", finish_reason = "content_filter" }
   local answers = { ["p/fast"] = filtered, ["p/standard"] = filtered, ["q/expert"] = "expert",
      ["p/coder"] = { fails = "content_filter" } }
   for _, name in ipairs { "cascade", "weak_score", "local_first" } do
      is("chat p/fast", "I", name, answers, EASY)
   end
   local said, text = outcome("confidence", answers, EASY)
   t.equal({ (said:gsub("chat p/fast", "")), text }, { "", "I" })
   is("chat p/standard", "I", "cross_check", answers, EASY)
   is("stream p/coder", "content_filter", "task", answers, CODE)
   local blocked = {}
   for name in pairs(ALL) do blocked[name] = { fails = "content_filter" } end
   is("chat p/fast, chat p/standard, chat q/standard", "content_filter", "ensemble", blocked, EASY)
   -- of several that are asked side by side it is one
   local one = { ["p/fast"] = filtered, ["p/standard"] = "2", ["q/standard"] = "2" }
   is("chat p/fast, chat p/standard, chat q/standard", "2", "ensemble", one, "1 + 1?")
end)

t.case("a request with tools is answered while the expert is out", function()
   local tooled = { tools = { { type = "function", ["function"] = { name = "f" } } } }
   table.insert(MODELS, { name = "p/tooled", provider = "p", tier = "standard", input = 2, output = 8,
      context = 99000, capabilities = { "tools" } })
   local answers = all_but "q/expert"
   answers["p/tooled"] = "tooled"
   for _, name in ipairs { "agreement", "ensemble", "panel", "weak_score" } do
      is("stream q/expert, stream p/tooled", "tooled", name, answers, request(EASY, tooled))
   end
   table.remove(MODELS)
end)

t.case("complexity: a weaker tier answers when no stronger one does, but not what is too long", function()
   is("stream q/expert, stream p/standard", "standard", "complexity", all_but "q/expert", HARD)
   is("stream q/expert, stream p/standard, stream p/fast", "fast", "complexity", { ["p/fast"] = "fast" },
      HARD)
   for _, code in ipairs { "context_length", "bad_request" } do
      is("stream q/expert", code, "complexity", { ["q/expert"] = { fails = code } }, HARD)
   end
end)

t.case("cost and quality: a prompt that is too long goes to larger models only", function()
   local long = { fails = "context_length" }
   is("stream q/expert", "context_length", "quality", { ["q/expert"] = long }, EASY)
   local answers = all_but()
   answers["p/fast"], answers["p/standard"] = long, long
   is("stream p/fast, stream p/standard, stream q/standard", "other", "cost", answers, EASY)
end)

t.case("hedged, guardrail: a prompt that is too long goes to a larger model", function()
   local answers = all_but()
   answers["p/standard"] = { fails = "context_length" }
   is("stream p/standard, stream q/standard", "other", "guardrail", answers, EASY)
   is("stream p/standard, stream q/standard", "other", "hedged", answers, EASY)
end)

t.case("a request with a picture goes to models that can see, whatever the policy", function()
   local picture = request(EASY, { messages = { { role = "user", content = { { type = "text", text = EASY },
      { type = "image_url", image_url = { url = "data:image/png;base64,iVBORw0KGgo=" } } } } } })
   local seeing = { name = "q/seeing", provider = "q", tier = "fast", input = 2, output = 8, where = "local",
      context = 99000, capabilities = { "tools", "vision", "json_schema" } }
   table.insert(MODELS, seeing)
   local answers = all_but()
   answers["q/seeing"] = "seen"
   for _, name in ipairs { "agreement", "cascade", "complexity", "confidence", "cost", "direct", "ensemble",
      "gain", "local_first", "tiers", "weak_score" } do
      local params = name == "gain" and { threshold = 1 } or name == "complexity" and { standard_from = 0 }
         or nil
      local said = outcome(name, answers, picture, params)
      t.ok(said:find "q/seeing" and not said:find "p/" and not said:find "q/expert", name .. ": " .. said)
   end
   table.remove(MODELS)
end)

-- ---- what the trace says ----

-- The decisions of a run as lines: "p/fast (good enough); not q/expert (not needed ...)".
local function told(name, answers, req, params, next)
   local _, _, w = run(name, answers, req, params, next)
   local lines = {}
   for i, decision in ipairs(w.decisions) do
      local others = {}
      for k, other in ipairs(decision.candidates or {}) do
         local model = type(other.model) == "string" and other.model or "a selector"
         others[k] = ("%s (%s)"):format(model, other.why)
      end
      local not_these = #others > 0 and "; not " .. table.concat(others, ", ") or ""
      lines[i] = ("%s (%s)%s"):format(decision.model, decision.reason, not_these)
   end
   return table.concat(lines, "\n")
end

t.case("the trace says who was looked at, and why it was not taken: one after the other", function()
   local poor = { ["p/fast"] = "I don't know.", ["q/expert"] = "Paris" }
   t.equal(told("cascade", ALL, EASY),
      "p/fast (good enough); not q/expert (not needed: a cheaper answer is good enough)")
   t.equal(told("cascade", poor, EASY), "p/fast (not good enough)\n"
      .. "q/expert (the last of the ladder); not p/fast (quality 0.50 is below 0.8: ignorance)")
   t.equal(told("cascade", { ["p/fast"] = "I don't know." }, EASY), "p/fast (not good enough)\n"
      .. "q/expert (the last of the ladder); not p/fast (quality 0.50 is below 0.8: ignorance)\n"
      .. "p/fast (the last model failed: the best answer so far); not q/expert (unavailable)")
   t.equal(told("cascade", { ["q/expert"] = "Paris" }, EASY),
      "q/expert (the last of the ladder); not p/fast (unavailable)")
   local unsure = { ["p/fast"] = { text = "Paris", confidence = 0.3 }, ["q/expert"] = "x" }
   t.equal(told("confidence", unsure, EASY),
      "p/fast (given)\nq/expert (the last of the ladder); not p/fast (confidence 0.30 is below 0.7)")
   t.equal(told("confidence", { ["p/fast"] = { text = "Paris", confidence = 0.9 } }, EASY),
      "p/fast (given); not q/expert (not needed: the cheaper model is sure)")
   t.equal(told("tiers", all_but "p/fast", EASY),
      "p/fast (complexity 0.03); not q/expert (asked only when this one fails)\n"
      .. "q/expert (unavailable); not p/fast (unavailable)")
   t.equal(told("cost", all_but "p/fast", EASY, { min_quality = 0.6, tries = 1 }),
      "p/standard (cost); not q/standard (next best), q/expert (next best), "
      .. "p/fast (quality 0.4 is below 0.6), p/coder (quality 0.5 is below 0.6)")
   t.equal(told("gain", all_but "p/fast", EASY, { threshold = 0.5 }),
      "p/fast (gain 0.032); not q/expert (the gain is below 0.5)\n"
      .. "q/expert (unavailable); not p/fast (unavailable)")
   t.equal(told("weak_score", ALL, EASY), "p/fast (gain 0.000); not q/expert (not needed: gain 0.000)")
   t.equal(told("complexity", all_but "p/fast", EASY),
      "p/fast (complexity 0.03); not p/standard (not needed: dearer), q/expert (not needed: dearer)\n"
      .. "p/standard (complexity 0.03); not p/fast (unavailable), q/expert (not needed: dearer)")
end)

t.case("the trace says who was looked at, and why it was not taken: side by side", function()
   local members = { models = { "p/fast", "p/standard", "q/standard" } }
   local two = { ["p/fast"] = "4", ["p/standard"] = "4", ["q/standard"] = "5", ["q/expert"] = "6" }
   local none = { ["p/fast"] = "4", ["p/standard"] = "7", ["q/expert"] = "6" }
   t.equal(told("agreement", two, "2 + 2?", members), "p/fast (agreed); not p/standard (said the same), "
      .. "q/standard (not needed: the outcome was clear before it had answered), "
      .. "q/expert (not needed: enough agree)")
   t.equal(told("agreement", none, "2 + 2?", members), "q/expert (no agreement); "
      .. "not p/fast (the most said this: 1), p/standard (said something else), q/standard (unavailable)")
   t.equal(told("ensemble", two, "2 + 2?", members), "p/fast (majority); not p/standard (said the same), "
      .. "q/standard (said something else), q/expert (not needed: the most agree)")
   t.equal(told("consensus", none, "2 + 2?", members), "q/expert (no consensus); not "
      .. "p/fast (the most said this: 1), p/standard (said something else), "
      .. "q/standard (not needed: the outcome was clear before it had answered)")
   t.equal(told("best_of_n", { ["p/fast"] = "4" }, "2 + 2?"),
      "p/fast (majority); not p/standard (not needed: there is an answer)")
   t.equal(told("best_of_n", { ["p/standard"] = "4" }, "2 + 2?"),
      "p/standard (no sample can be used); not p/fast (unavailable)")
   t.equal(told("panel", all_but "p/standard", "2 + 2?", { proposers = { "p/fast", "p/standard" } }),
      "q/expert (made of the proposals); not p/fast (proposed), p/standard (unavailable)")
   t.equal(told("cross_check", all_but "p/standard", EASY),
      "q/expert (unavailable); not p/standard (unavailable)")
end)

t.case("the trace says who was looked at, and why it was not taken: routes", function()
   t.equal(told("privacy", ALL, "Mail me at ada@example.com"), "p/standard (email); not "
      .. "q/standard (not on your machines), p/coder (not on your machines), q/expert (not on your machines)")
   t.equal(told("task", ALL, CODE):match "^[^\n]+", "p/coder (code); not q/expert (for analysis), "
      .. "p/fast (for chat, extraction, summarisation), a selector (for mathematics), "
      .. "a selector (for reasoning)")
   t.equal(told("support", all_but "p/fast", "How do I change it?"),
      "p/fast (faq); not q/expert (for money)\nq/expert (unavailable); not p/fast (unavailable)")
   t.equal(told("support", ALL, "I want to speak to a human."),
      "a person (person); not q/expert (a person is wanted), p/fast (a person is wanted)\n"
      .. "q/expert (no person answered); not p/fast (for common questions)")
   t.equal(told("local_first", all_but "p/fast", EASY),
      "p/fast (complexity 0.03); not q/standard (not needed: complexity 0.03)\n"
      .. "q/standard (unavailable); not p/fast (unavailable)")
end)
