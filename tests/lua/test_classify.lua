-- test_classify: scores are ordered as people would order the requests; kinds are recognised.
-- SPDX-License-Identifier: MIT
local t = require "test"
local classify = require "classify"

local HARD = [[First derive the closed form of the recurrence T(n) = 2T(n/2) + n,
then prove by induction that it holds
for all n,
and finally explain why the constraint that n is a power of two is not necessary. Compare the asymptotic
complexity with that of a distributed algorithm with p processors,
assuming that communication has a latency of L.]]

t.case("complexity is between 0 and 1 and ordered", function()
   local ladder = {
      "Hi!",
      "What is the capital of France?",
      "Explain how photosynthesis works and why plants need light, step by step.",
      HARD,
   }
   local last = -1
   for _, prompt in ipairs(ladder) do
      local score = classify.complexity(prompt)
      t.ok(score >= 0 and score <= 1, "score of " .. prompt)
      t.ok(score > last, "harder than the one before: " .. prompt)
      last = score
   end
   t.ok(classify.complexity("Hi!") < 0.35, "a greeting is easy")
   t.ok(last > 0.6, "a proof is hard")
end)

t.case("factors", function()
   local _, factors = classify.complexity(HARD)
   for _, name in ipairs { "length", "terms", "ambiguity", "steps", "logic" } do
      t.ok(factors[name] >= 0 and factors[name] <= 1, name)
   end
   t.ok(factors.logic > 0.5, "logic")
   local _, vague = classify.complexity("Make something nice, or whatever, maybe better stuff")
   t.ok(vague.ambiguity > 0.5, "ambiguity")
   t.equal(classify.complexity(""), 0)
   t.equal(classify.complexity { messages = {} }, 0)
end)

t.case("weights can be set", function()
   local zero = { length = 0, terms = 0, ambiguity = 0, steps = 0, logic = 0 }
   t.equal(classify.complexity(HARD, { weights = zero }), 0)
   t.raises(function() classify.complexity("x", { weights = { size = 1 } }) end, "unknown factor 'size'")
end)

t.case("wrong weights and thresholds are told, they do not make a wrong score", function()
   local function raises(opts, words) t.raises(function() classify.complexity(HARD, opts) end, words) end
   for _, weight in ipairs { -0.1, 1.1, math.huge, 0 / 0, "0.5", false } do
      raises({ weights = { logic = weight } }, "'logic' must be a number from 0 to 1")
   end
   for _, threshold in ipairs { -0.1, 0 / 0, "0.5" } do
      raises({ thresholds = { medium = threshold } }, "'medium' must be a number from 0 on")
   end
   raises({ thresholds = { medium = 0.5 } }, "'medium' must not be above 'complex'") -- of the defaults
   raises({ thresholds = 0.5 }, "the thresholds of complexity must be a table")
   raises({ threshold = {} }, "unknown option 'threshold'")
   raises(0.5, "the options of complexity must be a table")
   t.equal(select(3, classify.complexity(HARD, { thresholds = { complex = 2 } })), "medium")
   t.equal(select(3, classify.complexity("", { thresholds = { medium = 0, complex = 0 } })), "complex")
end)

t.case("what is neither a text nor a request is told", function()
   for _, name in ipairs { "features", "complexity", "task", "language", "level" } do
      t.raises(function() classify[name](5) end, "a text or a request is needed, not a number")
   end
   t.raises(function() classify.tokens(true) end, "not a boolean")
   t.raises(function() classify.pii(5) end, "not a number")
   t.equal(classify.features(nil).words, 0)
end)

t.case("any shape of request, any size", function()
   local parts = { { type = "text", text = HARD } }
   t.equal(classify.complexity { messages = { { role = "user", content = parts } } },
   (classify.complexity(HARD)))
   t.ok(classify.complexity(("word "):rep(100000)) <= 1)
   t.ok(classify.complexity(("("):rep(100000)) <= 1)
   t.ok(classify.task(("a?"):rep(100000)) ~= nil)
   t.ok(classify.complexity("\255\254\0 broken") >= 0)
end)

t.case("hostile texts", function()
   for _, s in ipairs { "(", "\n", " ", "$=", "$", ".", "a", "SELECT ", "1 ", "1", "```", "f(",
      "f() ", "def f", "\n ", "- ",
      "é", "\0", "?", "a b c d " } do
      local long = s:rep(5000)
      t.ok(classify.complexity(long) <= 1)
      t.ok(classify.task(long) ~= nil)
      t.ok(classify.task(long .. "x$") ~= nil)
   end
end)

local KINDS = {
   summarisation = { "Summarize this article in three bullet points: …",
   "Give me a summary of the text below.", "TL;DR please",
      "Condense the following report to its main points." },
   code = { "Write a Python function that checks whether a string is a palindrome.",
   "Fix this bug:\n```js\nfoo()\n```",
      "How do I write a SQL query that joins two tables?", "Refactor this class to use composition." },
   translation = { "Translate 'good morning' into French.", "How do you say thank you in Japanese?",
      "Translate the following sentence from English to German." },
   analysis = { "Analyse the strengths and weaknesses of this business plan.",
   "Compare the pros and cons of solar and wind power.",
      "What is the sentiment of this review? Evaluate it." },
   extraction = { "Extract all email addresses and dates from the following text.",
   "Extract the names as JSON from this invoice." },
   creative = { "Write a short story about a dragon who is afraid of fire.", "Compose a haiku about autumn.",
      "Write a slogan for a bakery." },
   chat = { "Hi there, how are you today?", "thanks!", "Hello", "good morning" },
   qa = { "What is the capital of Australia?", "Who wrote Pride and Prejudice?",
   "When did the Second World War end?" },
   mathematics = { "What is 17 * 23?", "What is 17% of 2,350?", "Solve the equation 2x + 3 = 11.",
   "Calculate the integral of x^2.",
      "Tom has 5 apples and buys 7 more. How many apples does he have?" },
   reasoning = { "A puzzle with three clues: who is lying, the knight or the knave?",
      "Suppose all cats are animals. Which conclusion must be true? Use logic." },
}

t.case("kinds of work", function()
   for kind, prompts in pairs(KINDS) do
      for _, prompt in ipairs(prompts) do
         local found, confidence = classify.task(prompt)
         t.ok(found == kind, ("%s, not %s: %s"):format(kind, found, prompt))
         t.ok(confidence > 0 and confidence <= 1, "confidence of " .. prompt)
      end
   end
end)

t.case("no evidence, own words", function()
   local kind, confidence = classify.task("zzz")
   t.equal(kind, "chat")
   t.ok(confidence < 0.7)
   local _, nothing = classify.task("")
   t.equal(nothing, 0)
   t.equal(classify.task("fortran fortran", { keywords = { code = { fortran = 9 } } }), "code")
   t.equal(classify.task("Translate: hello", { keywords = { code = { fortran = 9 } } }), "translation")
   t.ok(classify.task("fortran, is it old?") ~= "code", "the change is for one call")
   t.raises(function() classify.task("x", { keywords = { cooking = {} } }) end, "unknown kind 'cooking'")
   t.raises(function() classify.task("x", { keywords = { code = 1 } }) end, "table of weights")
end)

t.case("the shipped model: levels, and scores of all kinds", function()
   t.equal((classify.level "hi"), "simple")
   t.equal((classify.level(HARD)), "complex")
   local level, p, scores = classify.level "What is the capital of France?"
   t.equal(level, "simple")
   t.ok(p == scores.simple and math.abs(scores.simple + scores.medium + scores.complex - 1) < 1e-5)
   local kind, confidence, all = classify.task "Give me a haiku about snow."
   t.equal({ kind, confidence == all.creative }, { "creative", true })
   local sum = 0
   for _, name in ipairs(classify.kinds) do sum = sum + all[name] end
   t.ok(sum > 0.5 and sum <= 1.001, sum)
end)

t.case("keywords: categories, weights, overlaps", function()
   local words = classify.keywords {
      billing = { "invoice", "credit card" },
      fraud = { chargeback = 2.5, Invoice = 0.5 },
   }
   local sum, by_category, n = words:score("Two INVOICES? One Invoice, a credit\n card and a chargeback.")
   t.equal(sum, 5)
   t.equal(by_category.billing, 2)
   t.equal(by_category.fraud, 3)
   t.equal(n, 3)
   local hits = words:find("an invoice")
   t.equal(#hits, 2)
   t.equal(("an invoice"):sub(hits[1].from, hits[1].to), "invoice")
   t.equal(#classify.keywords({ "art" }):find("smart art"), 1)
   t.equal(#classify.keywords({ "art" }, { inside = true }):find("smart art"), 2)
   t.equal(#classify.keywords({}):find("anything"), 0)
   t.equal(#words:find { messages = { { role = "user", content = "invoice" } } }, 2)
   t.raises(function() classify.keywords { "" } end, "keyword 1 must have 1 to 256 bytes")
   t.raises(function() classify.keywords { a = 1 } end, "keywords of 'a' must be a table")
   t.raises(function() classify.keywords({}, { case = true }) end, "unknown option 'case'")
end)

t.case("keywords: what is wrong with terms is told at the line that has them", function()
   local function raises(terms, words)
      t.raises(function() classify.keywords(terms) end, "test_classify.lua:%d+: .*" .. words)
   end
   raises("x", "must be a table")
   raises({ 5 }, "must be strings, not a number")
   raises({ { "x" } }, "must be strings, not a table")
   raises({ billing = { "x", 2 } }, "the keywords of 'billing' must be strings, not a number")
   raises({ [3] = "x" }, "a list with holes")
   raises({ billing = { "x", [3] = "y" } }, "the keywords of 'billing' are a list with holes")
   for _, weight in ipairs { 0 / 0, math.huge, true, "1" } do
      raises({ billing = { x = weight } }, "the weight of 'x' must be a number")
   end
   raises({ ("x"):rep(257) }, "keyword 1 must have 1 to 256 bytes")
   local many = {}
   for i = 1, 100001 do many[i] = "term" .. i end
   raises(many, "100001 terms, more than 100000")
   many[100001] = nil
   t.equal(#classify.keywords(many):find("term1 TERM100000 term100001"), 2)
end)

t.case("keywords: a term that is given twice counts once in a category", function()
   local words = classify.keywords { billing = { "invoice", "Invoice", INVOICE = 3 }, legal = { "invoice" } }
   local sum, by_category, n = words:score "an invoice"
   t.equal({ sum, by_category.billing, by_category.legal, n }, { 4, 3, 1, 1 })
   t.equal(#classify.keywords({ "x", "X", "x" }):find "x", 1)
end)

t.case("regex: words and digits of all scripts, and errors at the line that has the pattern", function()
   local function found(pattern, s)
      local from, to = classify.regex(pattern):find(s)
      return s:sub(from, to)
   end
   t.equal(found([[\bübung\b]], "die übung"), "übung")
   t.equal(found([[\w+]], "…ñandú!"), "ñandú")
   t.equal(classify.regex([[\bcaf\b]]):find("café"), nil)
   t.equal(classify.regex([[^\d+$]]):find("٣٤"), 1)
   t.raises(function() classify.regex("(") end, "test_classify.lua:%d+: classify.regex: missing")
   t.raises(function() classify.regex("x"):count("x", "many") end, "must be a number")
end)

t.case("regex: groups, and a hostile text ends in an error", function()
   local regex = classify.regex([[(\w+)@(x)?(\w+)]], { caseless = true })
   local from, to, groups = regex:find("to ADA@Home")
   t.equal(from .. "-" .. to, "4-11")
   t.equal(groups[1], "ADA")
   t.equal(groups[2], false)
   t.equal(regex:find("nobody"), nil)
   t.equal(regex:count("a@b c@d"), 2)
   t.equal(classify.regex("x*"):count("é"), 2)
   local none, err = classify.regex("(a+)+$"):find(("a"):rep(50000) .. "b")
   t.equal(none, nil)
   t.equal(err.code, "budget")
   t.equal(select(2, regex:find("\255")).code, "bad_request")
   t.raises(function() classify.regex("(") end, "classify.regex: ")
end)

t.case("personal data: found, and taken out", function()
   local text = "Ada <ada@example.org>, card 4012-8888-8888-1881, 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"
   local redacted, findings = classify.redact(text)
   t.equal(redacted, "Ada <[EMAIL]>, card [CREDIT_CARD], [API_KEY]")
   t.equal(findings[2].name, "visa")
   t.equal(findings[3].name, "github")
   t.equal(text:sub(findings[1].from, findings[1].to), "ada@example.org")
   t.equal(#classify.pii(text, { kinds = { "email" } }), 1)
   t.equal(#classify.pii(text, { score = 0.99 }), 0)
   t.equal(classify.redact("a@b.de", { mask = function(f, what) return f.kind .. #what end }), "email6")
   t.equal(#classify.pii { messages = { { role = "user", content = "a@b.de" } } }, 1)
   t.equal((classify.redact "「ada@example.org」と １９２．１６８．０．１、tél +33\u{a0}1\u{a0}42\u{a0}68\u{a0}53\u{a0}00…"),
      "「[EMAIL]」と [IP]、tél [PHONE]…")
   t.equal((classify.redact("Ünï “a@b.de”", { mask = function(_, what) return what end })), "Ünï “a@b.de”")
   t.raises(function() classify.pii("x", { kinds = { "name" } }) end, "unknown kind 'name'")
   t.raises(function() classify.pii("x", { least = 1 }) end, "unknown option 'least'")
   t.raises(function() classify.pii("x", { mask = print }) end, "unknown option 'mask' of classify.pii")
   t.raises(function() classify.redact("x", { masks = print }) end, "unknown option 'masks'")
   t.raises(function() classify.pii("x", { kinds = "email" }) end, "must be a list")
   for _, score in ipairs { -1, 2, 0 / 0, "high" } do
      t.raises(function() classify.pii("x", { score = score }) end, "a number from 0 to 1")
   end
   t.raises(function() classify.redact("x", { mask = "X" }) end, "must be a function")
   t.raises(function() classify.redact("a@b.de", { mask = function() end }) end, "gave a nil, not a string")
end)
