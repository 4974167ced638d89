-- test_judge: each fault is found, and good answers are left alone.
-- SPDX-License-Identifier: MIT
local t = require "test"
local judge = require "judge"

local function reply(s, more)
   local r = { text = s, finish_reason = "stop" }
   for k, v in pairs(more or {}) do r[k] = v end
   return r
end

local function reasons(req, r)
   local _, list = judge.quality(req, r)
   return table.concat(list, " ")
end

t.case("a request and a reply that changed places are told", function()
   local given = require "llm".reply { text = "x" }
   t.raises(function() judge.quality(given, "x") end, "judge.quality(req, reply): the request comes first")
end)

t.case("good answers score 1", function()
   for question, answer in pairs {
      ["What is the capital of France?"] = "The capital of France is Paris.",
      ["Is 7 a prime number? Answer yes or no."] = "Yes, 7 is prime.",
      ["How many legs has a spider?"] = "A spider has eight legs.",
      ["Pick one.\nA) red\nB) blue"] = "The answer is B.",
      ["Give the colours as a JSON array."] = 'Here:\n```json\n["red", "blue"]\n```',
      ["Write a poem about refusals."] = "The door said no, and so did I.\nThe wind sang on.",
      ["Describe rain in one sentence."] = "Rain is water that falls from clouds.",
   } do
      local score, list = judge.quality(question, reply(answer))
      t.ok(score == 1, question .. ": " .. score .. " " .. table.concat(list, " "))
   end
end)

t.case("nothing there", function()
   t.equal((judge.quality("x", nil)), 0)
   t.equal(reasons("x", nil), "no_reply")
   t.equal((judge.quality("x", reply " \n")), 0)
   t.equal(reasons("x", reply ""), "empty")
   t.equal(reasons("x", { finish_reason = "stop" }), "empty")
end)

t.case("endings", function()
   t.equal(reasons("x", reply("half an ans", { finish_reason = "length" })), "cut")
   t.equal(reasons("x", reply("a text", { finish_reason = "content_filter" })), "filtered")
   t.equal(reasons("x", { text = "a text" }), "unfinished")
   t.ok(judge.quality("x", reply("half an ans", { finish_reason = "length" })) < 0.5)
end)

t.case("refusals", function()
   t.equal(reasons("Tell me", reply "I'm sorry, but I can't help with that."), "refusal")
   t.equal(reasons("Tell me", reply "I’m unable to do this."), "refusal")
   t.equal(reasons("Tell me", reply "I won't help with that."), "refusal")
   t.equal(reasons("Sag es mir", reply "Es tut mir leid, dabei kann ich nicht helfen."), "refusal")
   t.equal(reasons("Dis-le-moi", reply "Désolé, je ne peux pas répondre à cette question."), "refusal")
   t.equal(reasons("Tell me", reply "As an AI language model, I have no opinion."), "refusal")
   t.equal(reasons("Tell me", reply "They wrote: ‘Sorry.’I cannot do this."), "refusal")
   local begun = ("it’s "):rep(31)
   t.equal(#begun > 200, true)
   t.equal(reasons("Tell me", reply(begun .. "I can’t")), "") -- beyond 160 bytes, however it is spelled
   t.equal(reasons("Tell me", reply(("it’s "):rep(20) .. ("it is "):rep(8) .. "I can’t")), "refusal")
   t.ok(judge.quality("x", reply "I cannot assist with that request.") < 0.2)
end)

t.case("JSON", function()
   local strict = { messages = { { role = "user", content = "colours" } },
   response_format = { type = "json_object" } }
   t.equal(reasons(strict, reply '{"a": 1}'), "")
   t.equal(reasons(strict, reply '```json\n{"a": 1}\n```'), "wrapped_json")
   t.equal(reasons(strict, reply '{"a": 1'), "malformed_json")
   t.equal(reasons(strict, reply "red and blue"), "malformed_json")
   t.equal(reasons("Answer as JSON.", reply "red and blue"), "malformed_json")
   t.equal(reasons("Answer as JSON.", reply 'Sure: {"a": [1, 2]}. Anything else?'), "")
end)

t.case("tool calls", function()
   local function call(arguments)
      return { finish_reason = "tool_calls", tool_calls = { { id = "1", ["function"] = { name = "f",
      arguments = arguments } } } }
   end
   t.equal(reasons("x", call '{"a": 1}'), "")
   t.equal(reasons("x", call ""), "")
   t.equal(reasons("x", call '{"a": '), "malformed_tool_call")
   t.equal(reasons("x", { finish_reason = "tool_calls", tool_calls = { {} } }), "malformed_tool_call")
end)

t.case("form", function()
   t.equal(reasons("Is water wet? Answer yes or no.", reply "Water is a liquid."), "off_form")
   t.equal(reasons("How many legs has a spider?", reply "Spiders have many legs."), "off_form")
   t.equal(reasons("Pick.\nA) red\nB) blue", reply "blue is nice"), "off_form")
   t.equal(reasons("Answer with one word: what is grass?", reply "Grass is a kind of plant."), "off_form")
   t.equal(reasons("Say it in one sentence.", reply "One. Two. Three."), "off_form")
end)

t.case("doubt, echo, repetition", function()
   t.equal(reasons("Who was it?", reply "I don't know."), "ignorance")
   t.equal(reasons("Who was it?", reply "It might be Newton."), "hedging")
   t.equal(reasons("What is the tallest mountain on Earth?", reply "What is the tallest mountain on earth"),
   "echo")
   t.equal(reasons("What's the tallest mountain on Earth?", reply "What’s the tallest mountain on earth"),
   "echo")
   t.equal(reasons("Who was it?", reply "It’s ’perhaps’ Newton."), "hedging")
   t.equal(reasons("Tell me a story.", reply(("and then he went home again "):rep(30))), "repetition")
   t.equal(reasons("x", reply(("\0"):rep(50000))), "")
end)

t.case("hostile texts", function()
   local asks = "Answer as JSON in one sentence, yes or no.\nA) x\nB) y"
   for _, s in ipairs { ".", "{", "[", " ", "\n", "```\n", "`", "=1", "1", "answer is ",
      "-", "a ", "{\"", "\\", "A", "####", "#" } do
      local long = s:rep(5000)
      t.ok(judge.quality(asks, reply(long)) <= 1)
      t.ok(judge.quality(long, reply(long .. "x")) <= 1)
      t.ok(judge.quality("How much, in one sentence?", reply(long .. "x")) <= 1)
   end
end)

t.case("faults multiply, factors can be set", function()
   local r = reply("It might be", { finish_reason = "length" })
   t.equal((judge.quality("x", r)), 0.3 * 0.75)
   t.equal((judge.quality("x", r, { factors = { hedging = 1 } })), 0.3)
   t.raises(function() judge.quality("x", r, { factors = { style = 1 } }) end, "unknown reason 'style'")
end)

t.case("the schema that was asked for", function()
   local wanted = { type = "object", required = { "name" }, properties = { name = { type = "string" } } }
   local function fault(s, req, opts)
      local _, list = judge.quality(req or "Who?", reply(s), opts or { schema = wanted })
      return table.concat(list, " ")
   end
   t.equal(fault '{"name": "Ada"}', "")
   t.equal(fault 'Here: {"name": "Ada"}', "")
   t.equal(fault '{"name": 1}', "schema")
   t.equal(fault "Ada", "malformed_json")
   t.equal(fault('{"name": 1}', nil, { schema = require("schema").compile(wanted) }), "schema")
   local req = { messages = { { role = "user", content = "Who?" } }, response_format = { type = "json_schema",
      json_schema = { name = "x", schema = wanted } } }
   t.equal(fault('{"name": 1}', req, {}), "schema")
   t.equal(fault('{"name": "Ada"}', req, {}), "")
   t.equal(fault('{"name": 1}', nil, { schema = "no schema" }), "")
end)

t.case("the language of the question", function()
   local russian = "Расскажите, пожалуйста, почему небо голубое?"
   local english = "The sky is blue because air scatters short waves most."
   local german = "Der Himmel ist blau, weil die Luft kurze Wellen stärker streut als lange."
   t.equal(reasons(russian, reply(english)), "language")
   t.equal(reasons(russian, reply "Небо голубое, потому что воздух рассеивает волны."), "")
   t.equal(reasons(russian, reply "Rayleigh"), "") -- too short to tell
   t.equal(reasons("Why is the sky blue in the daytime?", reply(german)), "language")
   t.equal(reasons("Why is the sky blue in the daytime?", reply(english)), "")
   t.equal(reasons("Warum ist der Himmel am Tag eigentlich blau?", reply(english)), "language")
   t.equal(reasons("Warum ist der Himmel am Tag eigentlich blau?", reply(german)), "")
   t.equal(reasons("Why is the sky blue? Answer in German.", reply(german)), "")
   t.equal(reasons("Why is the sky blue in the daytime?",
      reply "空は青い。空気が短い波長の光をよく散乱するからです。"), "language")
   t.equal(reasons("Translate into Russian: the sky is blue because of the air.",
      reply "Небо голубое, потому что таков воздух."), "")
   t.equal(reasons("Напишите функцию сортировки списка на языке Python",
      reply "```python\ndef sort_list(items):\n    return sorted(items)\n```"), "")
   t.equal(reasons("Who wrote these novels?", reply "Jane Austen, Charlotte Brontë, Elizabeth Gaskell"), "")
end)

t.case("answers that are not sure of themselves", function()
   local unsure = { content = { { logprob = -1.5 }, { logprob = -0.7 } } }
   t.equal(reasons("Who?", reply("Ada", { logprobs = unsure })), "low_confidence")
   t.equal(reasons("Who?", reply("Ada. Confidence: 30%")), "low_confidence")
   t.equal(reasons("Who?", reply("Ada. Confidence: 90%")), "")
   t.equal(reasons("Who?", reply("Ada—confidence: 30%")), "low_confidence")
   t.equal(reasons("Who?", reply("艾达。confidence: 30%")), "low_confidence")
   t.equal((judge.quality("Who?", reply("Ada", { confidence = 0.5 }), { confidence = 0.4 })), 1)
end)
