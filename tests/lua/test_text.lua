-- test_text: what a request says, whatever its shape.
-- SPDX-License-Identifier: MIT
local t = require "test"
local text = require "text"

t.case("the text of a request", function()
   t.equal(text.of("hi"), "hi")
   t.equal(text.of { text = "already there" }, "already there")
   t.equal(text.of { messages = { { role = "user", content = "one" }, { role = "assistant",
   content = "two" } } }, "one")
   t.equal(text.of { messages = { { role = "user", content = "a" }, { role = "user", content = "b" } } }, "b")
   t.equal(text.of { messages = {} }, "")
   t.equal(text.of {}, "")
   t.equal(text.of(nil), "")
   t.equal(text.all { messages = { { role = "system", content = "s" }, { role = "user", content = "u" } } },
   "s\nu")
end)

t.case("content in parts", function()
   local parts = { { type = "text", text = "look" }, { type = "image_url", image_url = {} }, { type = "text",
   text = "here" } }
   t.equal(text.content(parts), "look\nhere")
   t.equal(text.content(nil), "")
   t.equal(text.content(7), "")
   t.equal(text.of { messages = { { role = "user", content = parts } } }, "look\nhere")
end)

t.case("words", function()
   t.equal(table.concat(text.words("Don't stop! It's 3 o'clock, naïve."), "|"),
   "don't|stop|it's|3|o'clock|naïve")
   t.equal(#text.words("  ...  "), 0)
   t.ok(text.has(text.spaced("Well, I don't know."), "i don't know"))
   t.ok(not text.has(text.spaced("knowing"), "know"))
end)

t.case("normalise", function()
   t.equal(text.normalise("The Answer is: **Paris**."), "answer is paris")
   t.equal(text.normalise("1,234.50 dollars"), "1234.50 dollars")
   t.equal(text.normalise("-5 %"), "-5")
   t.equal(text.normalise("well-known, e.g. this"), "well known e g this")
   t.equal(text.normalise("50%."), "50%")
   t.equal(text.normalise("Zürich\n\tis  nice"), "zürich is nice")
   t.equal(text.normalise("…"), "…")
   t.equal(text.normalise("-- . -"), "")
end)

t.case("trim, sentences, tokens, clip", function()
   t.equal(text.trim("  a b \n"), "a b")
   t.equal(text.trim("   "), "")
   t.equal(text.trim((" "):rep(100000) .. "x" .. (" "):rep(100000)), "x")
   t.equal(text.sentences("One. Two! Three?"), 3)
   t.equal(text.sentences("no end"), 1)
   t.equal(text.sentences("3.14 is pi."), 1)
   t.equal(text.sentences(" "), 0)
   t.equal(text.tokens("Is this about right?"), 5)
   t.equal(text.clip("short", 10), "short")
   t.equal(text.clip("äöü", 3), "ä…")
   t.equal(text.clip("abcdef", 3), "abc…")
end)

t.case("spaced: the words between single blanks, on any bytes", function()
   local function slow(s) return " " .. table.concat(text.words(s), " ") .. " " end
   local random = require "random"
   local pieces = { "a", "B7", "don't", "'", "''", " ", "\n", ".", "-", "é", "\255", "\0", "dogs'",
      "'tis", "x''y" }
   for _ = 1, 2000 do
      local parts = {}
      for i = 1, random.integer(0, 12) do parts[i] = pieces[random.integer(1, #pieces)] end
      local s = table.concat(parts)
      local spaced, words = text.spaced(s)
      t.equal({ spaced, words }, { slow(s), #text.words(s) })
   end
   t.equal({ text.spaced "" }, { "  ", 0 })
   t.equal(select("#", text.spaced "x"), 2)
end)

local words = require "words"

t.case("phrases: a bit for each group of which a text holds one", function()
   local looker = words.phrases { { "i don't know", "no idea" }, {}, { "sure*" } }
   t.equal({ looker:look "I DON\u{2019}T know, surely" }, { 1 | 4, 4, (select(3, looker:look "i am")) })
   t.equal((looker:look "no ideas"), 0)
   t.equal({ looker:look "" }, { 0, 0, 0 })
   t.raises(function() words.phrases { { "Upper case" } } end, "'Upper case'")
   t.raises(function() words.phrases { "no list" } end, "group 1 is no list")
   t.raises(function() words.phrases { { 1 } } end, "phrase 1 of group 1 is no string")
   local many = {}
   for i = 1, 33 do many[i] = {} end
   t.raises(function() words.phrases(many) end, "more than 32 groups")
end)

t.case("again: how much of a text was there before", function()
   t.equal(words.again "a b c d", 0)
   t.equal(words.again(("round and round it goes "):rep(50)) > 0.9, true)
   local all = {}
   for i = 1, 5000 do all[i] = "w" .. i end
   t.equal(words.again(table.concat(all, " ")), 0)
end)
