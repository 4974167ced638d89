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
   t.raises(function() consensus.majority({}, { key = 1 }) end, "unknown option 'key'")
   t.raises(function() consensus.majority({}, { by = "sound" }) end, "option 'by'")
end)
