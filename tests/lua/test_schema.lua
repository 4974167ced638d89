-- test_schema: the JSON in an answer is found wherever models put it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local schema = require "schema"

local function fails(s, pattern)
   local value, err = schema.extract(s)
   t.equal(value, nil)
   t.equal(err.code, "invalid_output")
   t.ok(err.message:find(pattern, 1, true), err.message)
end

t.case("the whole answer", function()
   t.equal(schema.extract('{"a": 1}').a, 1)
   t.equal(schema.extract(' [1, 2, 3]\n')[3], 3)
   t.equal(schema.extract("42"), 42)
   t.equal(schema.extract('"x"'), "x")
   t.equal(schema.extract("true"), true)
   t.equal(schema.extract("false"), false)
end)

t.case("fences", function()
   t.equal(schema.extract('```json\n{"a": 1}\n```').a, 1)
   t.equal(schema.extract('Here you are:\n```\n[7]\n```\nAnything else?')[1], 7)
   t.equal(schema.extract('```json\n{"a": 1}\n```\nNo, rather:\n```json\n{"a": 2}\n```').a, 2)
   t.equal(schema.extract('```lua\nprint {}\n```\nand {"a": 3}').a, 3)
end)

t.case("prose around it", function()
   t.equal(schema.extract('Sure! {"a": {"b": [1, 2]}} Hope that helps.').a.b[2], 2)
   t.equal(schema.extract('As said [see below], the result is {"ok": true}.').ok, true)
   t.equal(schema.extract('Braces in strings: {"s": "} ] \\" {"} done').s, '} ] " {')
   t.equal(schema.extract('{"a": 1} or better {"a": 2}').a, 2)
   t.equal(schema.extract('{"a": 1} or in full {"a": 2, "b": 3}').b, 3)
   t.equal(schema.extract('{"long": "the first one is long"} and {"a": 2}').a, nil)
   t.equal(schema.extract('{curly} words, then [1, 2]')[2], 2)
end)

t.case("what cannot be had", function()
   fails("", "empty")
   fails("   \n", "empty")
   fails(nil, "empty")
   fails("no json here", "holds no JSON")
   fails('{"a": 1, "b": [1, 2', "cut off")
   fails('```json\n{"a": "unfinished', "cut off")
   fails('{"a": 1} and then {"b": ', "cut off")
   fails("{'a': 1}", "malformed")
   fails('Result: {"a": 1,}', "malformed")
end)

t.case("hostile answers end soon", function()
   fails(("["):rep(100000), "cut off")
   fails(('{"a":'):rep(50000), "cut off")
   t.ok(schema.extract(("{} "):rep(1000)) ~= nil)
   t.ok(schema.extract(("x"):rep(200000) .. "[1]")[1] == 1)
   fails(("`"):rep(50000), "no JSON")
end)
