-- test_features: what a request shows in numbers, and how hard that makes it look.
-- SPDX-License-Identifier: MIT
local t = require "test"
local classify = require "classify"

local NUMBERS = {
   "bytes", "characters", "lines", "words", "sentences", "questions", "numbers", "steps", "bullets",
   "code_blocks", "code_bytes", "code_lines", "formulas", "urls", "symbols", "rare", "long_words",
   "technical", "vague", "sequence", "orders", "imperatives", "constraints", "logic", "messages", "turns",
   "system_bytes", "tool_results", "tools", "attachments", "images", "audio", "files",
}

t.case("a text: every documented field, and no other", function()
   local f = classify.features("1. Write `x`.\n2. Explain https://a.example/ in at most two words, please?")
   local known = { code_languages = true }
   for _, name in ipairs(NUMBERS) do
      known[name] = true
      t.equal(type(f[name]), "number", name)
   end
   for name in pairs(f) do t.ok(known[name], "is not documented: " .. name) end
   t.equal(f.steps, 2)
   t.equal(f.imperatives, 2)
   t.equal(f.urls, 1)
   t.equal(f.constraints, 1)
   t.equal(f.questions, 1)
   t.equal(f.turns, 1)
   t.equal(f.messages, 1)
   t.equal(f.attachments, 0)
   t.equal(#f.code_languages, 0)
   t.equal(table.concat(classify.features("```LUA\nx\n```\n```c\n```").code_languages, " "), "lua c")
end)

t.case("a request: the last thing asked, and the conversation around it", function()
   local f = classify.features {
      messages = {
         { role = "system", content = "Be brief." },
         { role = "user", content = "What is that?" },
         { role = "assistant", content = "A picture." },
         { role = "tool", content = "42" },
         { role = "user", content = {
            { type = "text", text = "And these two?" },
            { type = "image_url", image_url = { url = "https://a.example/b.png" } },
            { type = "image_url", image_url = { url = "https://a.example/c.png" } },
            { type = "input_audio", input_audio = {} },
            { type = "file", file = {} },
         } },
      },
      tools = { { type = "function" }, { type = "function" } },
   }
   t.equal(f.words, 3)
   t.equal(f.messages, 5)
   t.equal(f.turns, 2)
   t.equal(f.system_bytes, 9)
   t.equal(f.tool_results, 1)
   t.equal(f.tools, 2)
   t.equal(f.attachments, 4)
   t.equal(f.images, 2)
   t.equal(f.audio, 1)
   t.equal(f.files, 1)
   t.equal(classify.features({ messages = {} }).words, 0)
   t.equal(classify.features({ messages = { 1, "x", { role = 3, content = 4 } }, tools = 5 }).messages, 1)
end)

t.case("any bytes", function()
   local long = ("a"):rep(1 << 20)
   for _, s in ipairs { "", "\0", "\255\254", "\xe4\xbd", ("\xc3"):rep(1000), long, ("`"):rep(100000) } do
      local f = classify.features(s)
      t.equal(f.bytes, #s)
      t.ok(f.characters <= f.bytes and f.rare >= 0 and f.rare <= 1)
   end
end)

t.case("levels and their thresholds", function()
   local _, _, level = classify.complexity("Hello there!")
   t.equal(level, "simple")
   _, _, level = classify.complexity("What is 17 * 24? And 3/4 of 100?")
   t.equal(level, "medium")
   local hard = "Prove that n^2 - 1 is divisible by 8 if n is odd, then explain why each step is necessary."
   local score
   score, _, level = classify.complexity(hard)
   t.equal(level, "complex")
   _, _, level = classify.complexity(hard, { thresholds = { complex = score + 0.01 } })
   t.equal(level, "medium")
   _, _, level = classify.complexity(hard, { thresholds = { complex = score } })
   t.equal(level, "complex", "from the threshold on")
   for why, opts in pairs {
      ["unknown threshold 'hard'"] = { thresholds = { hard = 1 } },
      ["must be a table"] = { weights = 1 },
      ["'logic' must be a number"] = { weights = { logic = "1" } },
      ["unknown option 'weight'"] = { weight = {} },
   } do
      t.raises(function() classify.complexity("x", opts) end, why)
   end
   t.equal(classify.complexity_thresholds.medium, 0.1)
   t.equal(classify.complexity_weights.terms, 0.6)
end)
