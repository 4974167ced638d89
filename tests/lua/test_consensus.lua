-- test_consensus: answers that mean the same count together, and ties go the same way every time.
-- SPDX-License-Identifier: MIT
local t = require "test"
local consensus = require "consensus"

local function replies(...)
   local out = {}
   for i, s in ipairs { ... } do out[i] = { text = s, model = "m" .. i } end
   return out
end

t.case("choices", function()
   for s, letter in pairs {
      ["The answer is (B)."] = "B", ["Answer: C"] = "C", ["**D**"] = "D", ["a"] = "A",
      ["B) because it is"] = "B",
      ["So the answer is: **A**"] = "A", ["\\boxed{E}"] = "E", ["I choose option F."] = "F", ["C."] = "C",
   } do t.equal(consensus.choice(s), letter) end
   for _, s in ipairs { "A cat sat there.", "I think so", "Because", "", "The answer is Blue" } do
      t.equal(consensus.choice(s), nil)
   end
end)

t.case("numbers", function()
   for s, number in pairs {
      ["#### 1,234"] = "1234", ["The answer is $18.00."] = "18", ["so 3 + 4 = 7."] = "7",
      ["\\boxed{-2.50}"] = "-2.5",
      ["It costs 12 dollars"] = "12", ["from 3 to 0.1"] = "0.1", ["1e5"] = "5",
   } do t.equal((consensus.number(s)), number) end
   t.equal(consensus.number("none"), nil)
end)

t.case("a majority of numbers, choices, texts", function()
   local winner, agreement, groups = consensus.majority(replies("The answer is 42.", "#### 42.0", "It is 41"))
   t.equal(winner.model, "m1")
   t.equal(agreement, 2 / 3)
   t.equal(#groups, 2)
   t.equal(groups[1].key, "42")
   winner, agreement = consensus.majority(replies("A", "The answer is (B).", "**B**"))
   t.equal(winner.model, "m2")
   t.equal(agreement, 2 / 3)
   winner, agreement = consensus.majority(replies("Lyon", "It is the Paris.", "it is Paris"))
   t.equal(winner.model, "m2")
   t.equal(agreement, 2 / 3)
end)

t.case("words that announce an answer do not count", function()
   t.equal(consensus.agreement(replies("The answer is Paris.", "Paris", "Final answer: paris", "Rom")), 3 / 4)
   t.equal(consensus.agreement(replies("Answer", "answer", "x")), 2 / 3)
end)

t.case("longer texts by their words", function()
   local _, agreement = consensus.majority(replies(
      "Water boils at lower temperatures on high mountains because the air pressure is lower there.",
      "On high mountains water boils at lower temperatures because the air pressure there is lower.",
      "Cats sleep for most of the day since they hunt at dawn and at dusk in the wild."))
   t.equal(agreement, 2 / 3)
   t.equal(consensus.agreement(replies("yes", "no", "yes"), { similar = 0.1 }), 2 / 3)
end)

t.case("ties go to the first", function()
   for _ = 1, 20 do
      t.equal((consensus.majority(replies("x", "y", "z"))).model, "m1")
      t.equal((consensus.majority(replies("x", "y", "z", "y", "x"))).model, "m1")
   end
   t.equal(consensus.agreement(replies("x", "y")), 0.5)
end)

t.case("holes, names, strings, nothing", function()
   local winner, agreement = consensus.majority { [2] = { text = "b", model = "m2" }, [5] = { text = "b",
   model = "m5" } }
   t.equal(winner.model, "m2")
   t.equal(agreement, 1)
   t.equal((consensus.majority { beta = "y", alpha = "x", [3] = "z" }), "z")
   t.equal((consensus.majority { "p", "q", "q" }), "q")
   t.equal(consensus.majority {}, nil)
   t.equal(consensus.agreement {}, 0)
   t.equal(consensus.majority(replies("", " ")), nil)
   winner, agreement = consensus.majority(replies("", "x", "x"))
   t.equal(winner.model, "m2")
   t.equal(agreement, 2 / 3)
end)

t.case("hostile texts", function()
   for _, s in ipairs { "=1", "1", "=", " ", ".", "-", "answer is ", "####", "$", "1,", "*", "(", "1." } do
      local long = s:rep(5000)
      t.ok(consensus.agreement(replies(long, long .. "x", "=" .. long, "=1" .. long .. "x")) >= 0)
      t.ok(consensus.agreement(replies(long, long .. "x"), { by = "text" }) >= 0)
      t.ok(consensus.agreement(replies(long, long .. "x"), { by = "choice" }) >= 0)
   end
end)

t.case("weights and own keys", function()
   local winner, agreement = consensus.majority(replies("x", "y", "y"), { weight = function(_,
   i) return i == 1 and 3 or 1 end })
   t.equal(winner.model, "m1")
   t.equal(agreement, 0.6)
   winner = consensus.majority(replies("aa", "b", "cc"), { by = function(r) return #r.text end })
   t.equal(winner.model, "m1")
   t.raises(function() consensus.majority({}, { key = 1 }) end,
      "unknown option 'key'")
   t.raises(function() consensus.majority({}, { by = "sound" }) end,
      "option 'by'")
   t.raises(function() consensus.majority "text" end,
      "a table of replies or functions is needed, not a string")
   t.raises(function() consensus.quorum(5) end,
      "a table of replies or functions is needed, not a number")
   t.raises(function() consensus.majority({}, "text") end,
      "the options are a table")
   t.raises(function() consensus.majority({}, { similar = "much" }) end,
      "option 'similar' is a number from 0")
   t.raises(function() consensus.majority({}, { weight = 2 }) end,
      "option 'weight' is a function")
   t.raises(function() consensus.weighted({}, { unknown = -1 }) end,
      "option 'unknown' is a number, at least 0")
   t.raises(function() consensus.weighted({}, { weights = 1 }) end,
      "option 'weights' is a table")
   t.raises(function() consensus.quorum({}, { threshold = 3 }) end,
      "option 'threshold' is a number from 0 to 1")
   t.raises(function() consensus.quorum({}, { threshold = 0 / 0 }) end,
      "option 'threshold' is a number")
   t.raises(function() consensus.quorum({}, { least = 1.5 }) end,
      "option 'least' is a whole number")
   t.raises(function() consensus.quorum({}, { least = "2" }) end,
      "option 'least' is a whole number")
   t.raises(function() consensus.quorum({}, { most = 0 }) end,
      "option 'most' is a number above 0")
   t.raises(function() consensus.expert({ "a", "b" }, {}) end,
      "option 'expert' or 'experts' is missing")
   t.raises(function() consensus.expert({}, { expert = true }) end,
      "option 'expert' is a key or a model")
end)

-- ---- JSON and tool calls ----

t.case("JSON answers are the same when they say the same", function()
   local winner, agreement = consensus.majority(replies('{"city": "Paris", "n": 2.0}',
      'Here it is:\n```json\n{"n": 2, "city": "paris"}\n```', '{"city": "Lyon", "n": 2}'))
   t.equal(winner.model, "m1")
   t.equal(agreement, 2 / 3)
   local by_city = { by = "json", fields = { "city" } }
   t.equal(consensus.agreement(replies('{"city":"Rome","x":1}', '{"x":2,"city":"Rome"}'), by_city), 1)
   t.equal(consensus.kind(replies('{"a":1}', "[1]", "x")), "json")
   t.equal(consensus.kind(replies('{"a":', "{", "x")), "text")
   t.equal(consensus.agreement(replies('{"a":[1,2]}', '{"a":[2,1]}'), { by = "json" }), 0.5)
   t.equal(consensus.agreement(replies('{"a":null}', '{"a":null}', "{}"), { by = "json" }), 2 / 3)
   t.equal(consensus.agreement(replies('{"a":12345678901234567890}', '{"a":12345678901234567890}'),
      { by = "json" }), 1)
end)

t.case("members of JSON objects are voted on one by one", function()
   local value, agreement, shares = consensus.fields(replies('{"name":"Ada","born":1815}',
      '{"name":"ada","born":1816,"died":1852}', "Sure: {\"name\":\"Eve\",\"born\":1815,\"died\":1852}"))
   t.equal(value, { name = "Ada", born = 1815, died = 1852 })
   t.equal(agreement, 2 / 3)
   t.equal(shares.died, 2 / 3)
   value = consensus.fields(replies('{"a":1,"b":2}', '{"a":1}', '{"a":2}'))
   t.equal(value, { a = 1 }) -- most have no b
   value = consensus.fields(replies('{"a":1,"b":2}', '{"a":1,"b":3}'), { fields = { "b" } })
   t.equal(value, { b = 2 })
   t.equal(select("#", consensus.fields(replies("none", "[1]"))), 3)
   t.equal((consensus.fields(replies("none", "[1]"))), nil)
end)

local function calls(...)
   local list = {}
   for i, c in ipairs { ... } do
      list[i] = { id = "call_" .. i, ["function"] = { name = c[1], arguments = c[2] } }
   end
   return { tool_calls = list }
end

t.case("tool calls are the same by function and arguments", function()
   local a = calls({ "weather", '{"city":"Paris","days":2}' }, { "time", "{}" })
   local b = calls({ "time", "{}" }, { "weather", '{"days":2.0,"city":"paris"}' })
   local c = calls({ "weather", '{"city":"Lyon"}' })
   local winner, agreement, groups = consensus.majority { a, b, c }
   t.ok(winner == a)
   t.equal(agreement, 2 / 3)
   t.equal(#groups, 2)
   local words = { text = "No need to look." }
   winner, agreement = consensus.majority({ words, words, c }, { by = "tools" })
   t.equal(winner.text, "No need to look.")
   t.equal(agreement, 2 / 3)
   t.equal(consensus.agreement({ calls({ "f", "not JSON" }), calls({ "f", "not JSON" }) }), 1)
end)

-- ---- weights, an expert ----

t.case("weighted by confidence", function()
   local three = { { text = "1", confidence = 0.9, name = "p/a" }, { text = "2", confidence = 0.3 },
      { text = "2", confidence = 0.4 } }
   local winner, agreement = consensus.weighted(three)
   t.equal(winner.text, "1")
   t.ok(math.abs(agreement - 0.9 / 1.6) < 1e-9)
   t.equal(consensus.weighted(three, { weights = { ["p/a"] = 0.5 } }).text, "2")
   t.equal(consensus.weighted(three, { weights = { [1] = 0.1 } }).text, "2")
   t.equal(consensus.weighted { { text = "A" }, { text = "B. Confidence: 90%" } }.text, "B. Confidence: 90%")
   local sure = { content = { { logprob = -0.01 }, { logprob = -0.02 } } }
   t.equal(consensus.weighted({ { text = "1" }, { text = "2", logprobs = sure } }).text, "2")
   t.equal(consensus.weighted({ { text = "1" }, { text = "2", confidence = 0.4 } }, { unknown = 0.2 }).text,
      "2")
   t.raises(function() consensus.majority({ "1" }, { weight = function() return -1 end }) end, "at least 0")
   t.raises(function() consensus.majority({ "1" }, { weights = {} }) end, "unknown option 'weights'")
end)

t.case("an expert decides ties, or its domain", function()
   local list = { { text = "1", name = "p/a" }, { text = "2", name = "p/b" }, { text = "1", name = "p/c" } }
   local tie = { list[1], list[2] }
   t.equal(consensus.expert(tie, { expert = "p/b" }).text, "2")
   t.equal(consensus.expert(tie, { expert = "p/none" }).text, "1")
   t.equal(consensus.expert(list, { expert = "p/b" }).text, "1")
   local winner, agreement = consensus.expert(list, { expert = 2, threshold = 0.8 })
   t.equal(winner.text, "2")
   t.equal(agreement, 1 / 3)
   local experts = { code = "p/b" }
   t.equal(consensus.expert(list, { experts = experts, domain = "code" }).text, "2")
   t.equal(consensus.expert(list, { experts = experts, domain = "law" }).text, "1")
   t.equal(consensus.expert({ list[1], { text = "", name = "p/b" } }, { expert = "p/b" }).text, "1")
   t.equal((consensus.expert({}, { expert = "p/b" })), nil)
end)

-- ---- quorum ----

local task = require "task"

local function after(seconds, said)
   return function()
      task.sleep(seconds)
      if said then return { text = said } end
      return nil, { code = "unavailable" }
   end
end

t.case("a quorum ends as soon as the rest can change nothing", function()
   local clock = require "clock"
   local begun = clock.monotonic()
   local winner, agreement, _, got = consensus.quorum({ after(1, "7"), after(2, "7"), after(3, "7"),
      after(4, "7"), after(60, "8") }, { threshold = 0.8 })
   t.equal(winner.text, "7")
   t.equal(agreement, 1)
   t.equal(#got, 4)
   t.ok(clock.monotonic() - begun < 5)
   begun = clock.monotonic()
   _, agreement, _, got = consensus.quorum({ after(1, "1"), after(2, "2"), after(3, "3"), after(60, "1") })
   t.ok(agreement < 0.8)
   t.equal(#got, 2) -- hopeless: two of four cannot be outvoted
   t.ok(clock.monotonic() - begun < 3)
end)

t.case("a quorum's members may fail, but not most of them", function()
   local winner, agreement, _, got, failed = consensus.quorum { after(1, "7"), after(2), after(3, "7") }
   t.equal({ winner.text, agreement }, { "7", 1 })
   t.equal(failed[2].code, "unavailable")
   t.equal(got[2], nil)
   winner, _, _, got = consensus.quorum { after(1, "7"), after(2), after(3) }
   t.equal(winner.text, "7")
   t.equal(#got, 1)
   winner, agreement = consensus.quorum { after(1), after(2) }
   t.equal(winner, nil)
   t.equal(agreement, 0)
   t.equal((consensus.quorum {}), nil)
   t.raises(function() consensus.quorum { function() error "broken" end } end, "broken")
   t.raises(function() consensus.quorum({}, { treshold = 1 }) end, "unknown option 'treshold'")
end)

t.case("a weighted quorum", function()
   local function sure(text, confidence)
      return function() return { text = text, confidence = confidence } end
   end
   local winner, agreement = consensus.quorum({ sure("1", 0.9), sure("2", 0.1), sure("1", 0.9) },
      { unknown = 0.5, threshold = 0.9 })
   t.equal(winner.text, "1")
   t.ok(agreement >= 0.9)
end)
