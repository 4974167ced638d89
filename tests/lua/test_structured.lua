-- test_structured: answers that must fit a schema: native or by instructions, checked, corrected, escalated.
-- SPDX-License-Identifier: MIT
local t = require "test"
local json = require "json"
local llm = require "llm"
local trace = require "trace"

local person = {
   type = "object", properties = { name = { type = "string" }, age = { type = "integer" } },
   required = { "name", "age" }, additionalProperties = false,
}
local native = { name = "sim/native", provider = "sim", model = "native", capabilities = { "json_schema" } }

t.case("by instructions where a model has no structured output", function()
   t.reply(200, t.completion 'Here you are:\n```json\n{"name": "Ada", "age": 36}\n```')
   local reply, value = llm.chat("sim/mini", "Who?", { schema = person, temperature = 0 })
   t.equal(value, { name = "Ada", age = 36 })
   t.equal(reply.text, '{"name": "Ada", "age": 36}')
   local sent = t.sent(1)
   t.equal(sent.response_format, nil)
   t.equal(sent.temperature, 0)
   t.equal(sent.messages[1].role, "system")
   t.ok(sent.messages[1].content:find('"required":["name","age"]', 1, true))
   t.equal(sent.messages[2].content, "Who?")
end)

t.case("natively where the catalogue says so, strict where that can be said", function()
   t.reply(200, t.completion '{"name":"Ada","age":36}')
   local reply, value = llm.chat(native, { messages = { { role = "user", content = "Who?" } } },
      { schema = person })
   t.equal(value.age, 36)
   t.equal(reply.edited, false) -- as it came
   local format = t.sent(1).response_format
   t.equal(format.type, "json_schema")
   t.equal(format.json_schema.strict, true)
   t.equal(format.json_schema.name, "answer")
   t.equal(#t.sent(1).messages, 1)
   t.reply(200, t.completion '{"x":1}')
   llm.chat(native, "x",
      { schema = '{"title":"An x!","type":"object","properties":{"x":{"type":"integer"}}}' })
   format = t.sent(2).response_format.json_schema
   t.equal(format.strict, nil)
   t.equal(format.name, "An_x_")
   t.reply(200, t.completion "[1]")
   t.equal(select(2, llm.chat(native, "x", { schema = { type = "array" } })), { 1 })
   t.equal(t.sent(3).response_format, nil) -- no object: by instructions
end)

t.case("a wrong answer is shown to the model with what is wrong", function()
   t.reply(200, t.completion '{"name": "Ada", "age": "36"}')
   t.reply(200, t.completion '{"name": "Ada", "age": 36}')
   local _, value = llm.chat("sim/mini", "Who?", { schema = person })
   t.equal(value.age, 36)
   local list = t.sent(2).messages
   t.equal(#list, 4)
   t.equal(list[3], { role = "assistant", content = '{"name": "Ada", "age": "36"}' })
   t.ok(list[4].content:find("- /age: must be an integer, not a string", 1, true), list[4].content)
end)

t.case("then the next tier, then the errors", function()
   for _ = 1, 2 do t.reply(200, t.completion "I would rather not.") end
   t.reply(200, t.completion '{"name": "Ada", "age": 36}')
   local reply, value = llm.chat({ tier = "fast" }, "Who?", { schema = person })
   t.equal(reply.name, "sim/base")
   t.equal(value.name, "Ada")
   for _ = 1, 2 do t.reply(200, t.completion '{"name": 1}') end
   local nothing, err = llm.chat("sim/mini", "Who?", { schema = person })
   t.equal(nothing, nil)
   t.equal(err.code, "invalid_output")
   t.equal(#err.errors, 2)
   t.equal({ err.errors[1].instance, err.errors[1].keyword }, { "/name", "type" })
   t.reply(200, t.completion '{"name": 1')
   nothing, err = llm.chat("sim/mini", "Who?", { schema = person, repairs = 0 })
   t.equal(nothing, nil)
   t.ok(err.message:find("cut off", 1, true), err.message)
   t.reply(200, t.completion "I would rather not.")
   nothing, err = llm.chat("sim/mini", "Who?", { schema = person, repairs = 0 })
   t.equal(nothing, nil)
   t.equal({ #err.errors, err.errors[1].instance }, { 1, "" }) -- no JSON at all
end)

t.case("an error of the provider stays one; a wrong schema is told at once", function()
   t.reply(400, { error = { message = "no" } })
   local nothing, err = llm.chat("sim/mini", "Who?", { schema = person })
   t.equal({ nothing, err.code }, { nil, "bad_request" })
   for _ = 1, 2 do nothing, err = llm.chat("sim/mini", "Who?", { schema = { type = "persn" } }) end
   t.equal({ nothing, err.code }, { nil, "bad_request" })
   t.equal(err.message, "the option 'schema' is no JSON Schema: /type: there is no type 'persn'")
   t.equal(#t.requests(), 1)
end)

t.case("early: broken off at the first byte that cannot be repaired", function()
   local words = { t.delta { role = "assistant", content = "" }, t.delta { content = '{"name": "Ada", ' },
      t.delta { content = '"height": 1.7, "and": "much more"' }, t.delta { content = ', "and": "more"}' },
      t.delta({}, "stop") }
   t.stream(words, { every = 1, cut = true })
   t.stream { t.delta { content = '{"name": "Ada", "a' }, t.delta { content = 'ge": 36}' }, t.delta({},
      "stop") }
   local reply, value = llm.chat("sim/mini", "Who?", { schema = person, early = true })
   t.equal(value, { name = "Ada", age = 36 })
   t.ok(llm.is_reply(reply))
   local list = t.sent(2).messages
   t.ok(list[4].content:find("- /height: is not allowed here", 1, true), list[4].content)
   t.equal(t.sent(1).stream, true)
end)

t.case("early: a name that begins no allowed one ends the call with the word that it came in", function()
   t.stream({ t.delta { role = "assistant", content = "" }, t.delta { content = '{"name": "Ada", ' },
      t.delta { content = '"h' }, t.delta { content = 'eight' }, t.delta { content = '": 1.7}' },
      t.delta({}, "stop") }, { every = 1, cut = true })
   t.stream { t.delta { content = '{"name": "Ada", "age": 36}' }, t.delta({}, "stop") }
   local _, value = llm.chat("sim/mini", "Who?", { schema = person, early = true })
   t.equal(value.age, 36)
   local list = t.sent(2).messages
   t.equal(list[3].content, '{"name": "Ada", "h')
   t.ok(list[4].content:find("the member 'h...' is not allowed here", 1, true), list[4].content)
end)

t.case("a stream with a schema is a whole reply", function()
   t.reply(200, t.completion '{"name": "Ada", "age": 36}')
   local reply, value = llm.stream("sim/mini", "Who?", { schema = json.encode(person) })
   t.ok(llm.is_reply(reply))
   t.equal(value.age, 36)
end)

t.case("each model of a fallback is told the schema in its own way", function()
   t.reply(503, { error = { message = "busy" } })
   t.reply(200, t.completion '{"name":"Ada","age":36}')
   t.equal(select(2, llm.chat("sim/mini", "Who?", { schema = person, fallback = { native } })).age, 36)
   t.equal(t.sent(1).messages[1].role, "system")
   t.equal(t.sent(2).response_format.type, "json_schema")
   t.equal(#t.sent(2).messages, 1)
   t.reply(503, { error = { message = "busy" } })
   t.reply(200, t.completion '{"name":"Ada","age":"36"}')
   t.reply(503, { error = { message = "busy" } })
   t.reply(200, t.completion '{"name":"Ada","age":36}')
   t.equal(select(2, llm.chat(native, "Who?", { schema = person, fallback = { "sim/mini" } })).age, 36)
   t.equal({ t.sent(3).response_format.type, t.sent(4).response_format }, { "json_schema", nil })
   t.equal({ #t.sent(4).messages, t.sent(4).messages[1].role }, { 2, "system" })
   t.equal({ #t.sent(5).messages, #t.sent(6).messages }, { 3, 4 }) -- corrected, told once
end)

t.case("what is wrong with the request is not asked of the tiers above", function()
   t.reply(400, { error = { message = "no" } })
   local nothing, err = llm.chat({ tier = "fast" }, "Who?", { schema = person })
   t.equal({ nothing, err.code, #t.requests() }, { nil, "bad_request", 1 })
end)

t.case("a deadline holds for all corrections and tiers together", function()
   for _ = 1, 3 do t.reply(200, t.completion "I would rather not.", nil, 0.4) end
   local nothing = llm.chat({ tier = "fast" }, "Who?", { schema = person, deadline = 1 })
   t.equal({ nothing, #t.requests() }, { nil, 3 })
end)

t.case("the trace says which models a selector meant", function()
   t.follow()
   for _ = 1, 2 do t.reply(200, t.completion "I would rather not.") end
   t.reply(200, t.completion '{"name": "Ada", "age": 36}')
   llm.chat({ tier = "fast" }, "Who?", { schema = person })
   local meant = {}
   for i, decision in ipairs(trace.record().decisions) do meant[i] = decision.model end
   t.equal(meant, { "sim/mini", "sim/base" })
end)
