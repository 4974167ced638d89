-- test_features: what a request shows in numbers, and how hard that makes it look.
-- SPDX-License-Identifier: MIT
local t = require "test"
local classify = require "classify"
local json = require "json"

local NUMBERS = {
   "bytes", "characters", "lines", "words", "tokens", "sentences", "questions", "numbers", "steps",
   "bullets", "code_blocks", "code_bytes", "code_lines", "formulas", "urls", "symbols", "rare", "long_words",
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

t.case("steps as several languages number them", function()
   for _, text in ipairs { "1. a\n2. b", "(1) a\n(2) b", "1) a\n2) b", "1、一\n2、二", "１．一\n２．二", "①一\n②二",
      "Step 1: a\nstep 2: b",
      "Schritt 1: a\nSchritt 2: b", "Étape 1 : a\nétape 2 : b", "Paso 1: a\nPaso 2: b",
      "第一步：做\n第2步：做", "步骤1 做\n步骤2 做", "Шаг 1: а\nШаг 2: б" } do
      t.equal({ text, classify.features(text).steps }, { text, 2 })
   end
   for _, text in ipairs { "2024. a", "1.5 a", "(a) b", "1 a", "Stephen 1", "step by step", "第一次" } do
      t.equal({ text, classify.features(text).steps }, { text, 0 })
   end
end)

t.case("stops that end no sentence", function()
   for text, n in pairs {
      ["I met Dr. Who at 5 p.m. yesterday. Fine."] = 2, ["U.S. and U.K. laws, i.e. two."] = 1,
      ["Ask J. Smith, e.g. Mr. Jones. Now."] = 2, ["Pens, paper, etc. are here. Etc. Done."] = 3,
      ["fix this. then run it. thanks"] = 3, ["It was I. We won."] = 2,
      ["At 5 p.m. We left."] = 2, ["A first. B second."] = 2, ["Dr."] = 1, ["."] = 0,
   } do
      t.equal({ text, classify.features(text).sentences }, { text, n })
   end
   local long = ("e.g. "):rep(50000) .. (". "):rep(50000) .. "a." .. (" "):rep(100000) .. "b"
   t.ok(classify.features(long).sentences >= 1)
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

t.case("a client's request, not yet decoded", function()
   local req = require "provider".request(json.encode {
      model = "auto",
      messages = {
         { role = "user", content = "Explain it" },
         { role = "assistant", content = "So." },
         { role = "user", content = {
            { type = "text", text = "And then?" },
            { type = "image_url", image_url = { url = "https://a.example/b.png" } },
         } },
      },
      tools = { { type = "function" } },
   })
   local f = classify.features(req)
   t.equal(f.words, 2)
   t.equal(f.turns, 2)
   t.equal(f.images, 1)
   t.equal(f.tools, 1)
   t.equal(classify.features(nil).words, 0)
end)

t.case("words of other languages", function()
   for _, prompts in ipairs {
      { "Wie spät ist es?", [[Beweise zuerst Schritt für Schritt, dass die Gleichung höchstens zwei
         Lösungen hat, und erkläre danach, warum die Bedingung notwendig ist.]] },
      { "Quelle heure est-il ?", [[Démontre d'abord que l'équation a au plus deux solutions,
         puis explique étape par étape pourquoi la condition est nécessaire.]] },
      { "¿Qué hora es?", [[Demuestra primero que la ecuación tiene como máximo dos soluciones
         y luego explica paso a paso por qué la condición es necesaria.]] },
      { "现在几点了？", "请首先证明这个方程最多有两个解，然后逐步解释为什么这个条件是必要的，并比较两种算法的复杂度。" },
      { "今何時ですか？", "まず、この方程式の解が最大二つであることを証明し、次に、なぜこの条件が必要なのかを手順ごとに説明してください。" },
   } do
      local _, _, easy = classify.complexity(prompts[1])
      local _, _, hard = classify.complexity(prompts[2])
      t.equal(easy, "simple", prompts[1])
      t.equal(hard, "complex", prompts[2])
   end
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

t.case("tokens: about as many as there are, for every family", function()
   local text = "The quick brown fox jumps over the lazy dog."
   local n, verified = classify.tokens(text)
   t.equal(n, 10)
   t.equal(verified, true)
   t.equal(classify.features(text).tokens, n)
   for family, about in pairs(classify.token_families) do
      local m, known = classify.tokens(text, family)
      t.ok(m >= 9 and m <= 13, family)
      t.equal(known, about.verified)
      t.ok(about.factor >= 1 and about.factor < 2, family)
   end
   t.equal(select(2, classify.tokens(text, "claude")), false)
   t.equal(classify.tokens(""), 0)
   t.equal(classify.tokens("?"), 1)
   local messages = { { role = "system", content = text }, { role = "user", content = "x" } }
   t.equal((classify.tokens { messages = messages }), 11)
   t.raises(function() classify.tokens("x", "p50k") end, "unknown family 'p50k'")
   for _, c in ipairs { "a", "\255", "é", "中", "\0" } do
      local s = c:rep(1 << 16)
      local many = classify.tokens(s)
      t.ok(many >= 1 and many <= 2 * #s)
   end
end)

t.case("language: of the last message, code aside", function()
   for code, question in pairs {
      en = "Could you tell me which of these two books I should read first?",
      de = "Kannst du mir sagen, welches von diesen beiden Büchern ich zuerst lesen soll?",
      fr = "Peux-tu me dire lequel de ces deux livres je devrais lire en premier ?",
      zh = "你能告诉我这两本书应该先读哪一本吗？",
      ja = "この二冊の本のうち、どちらを先に読むべきか教えてください。",
   } do
      local found, confidence = classify.language(question .. "\n```\nif the for while and this\n```")
      t.equal(found, code)
      t.ok(confidence > 0.8 and confidence <= 1, code)
   end
   local messages = {
      { role = "user", content = "Tell me about this." }, { role = "assistant", content = "Ja, gerne." },
      { role = "user", content = "Schreibe bitte eine kurze Antwort auf die Frage." },
   }
   t.equal((classify.language { messages = messages }), "de")
   for _, nothing in ipairs { "", "1234 !?", "\255\254", "```\nfor the\n```" } do
      local code, confidence = classify.language(nothing)
      t.equal(code, "und")
      t.equal(confidence, 0)
   end
   t.ok(#classify.languages >= 45)
end)

t.case("tokens: what is no family is told at the line that asks", function()
   t.raises(function() classify.tokens("x", "gpt9") end, "test_features.lua:%d+: .*unknown family 'gpt9'")
   t.raises(function() classify.tokens("x", 5) end, "test_features.lua:%d+: .*must be a name, not a number")
end)
