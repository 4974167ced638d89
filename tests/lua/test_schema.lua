-- test_schema: the JSON in an answer is found wherever models put it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local json = require "json"
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

t.case("a cut answer is told from a whole one", function()
   fails('{"items": [{"a": 1}, {"b": 2}', "cut off") -- what is whole inside of it is not the answer
   fails('{"a": tru', "cut off")
   fails('{"a": "\\u00', "cut off")
   t.equal(schema.extract('see [1] and {"a": 1}.').a, 1)
   local value, text = schema.extract 'so {"n": 10000000000000000000000}'
   t.equal(text, '{"n": 10000000000000000000000}')
   t.equal(json.encode(value.n), "10000000000000000000000")
end)

t.case("of several objects the one that fits is taken", function()
   local v = schema.compile { type = "object", required = { "b" } }
   t.equal(schema.extract('{"a": "long, but something else"} {"b": 2}', v).b, 2)
   local value, errs = schema.extract('{"a": 1}', v)
   t.equal(value, nil)
   t.equal(errs.code, "invalid_output")
   t.equal(errs[1].keyword, "required")
end)

-- ---- compiling and checking ----

local person = {
   type = "object", additionalProperties = false, required = { "name", "age" },
   properties = { name = { type = "string", minLength = 2 }, age = { type = "integer", minimum = 0 } },
}

t.case("values and bytes are checked alike", function()
   local v = schema.compile(person)
   t.equal(v:check { name = "Ada", age = 36 }, true)
   t.equal(v:check_json '{"name": "Ada", "age": 36.0}', true)
   local ok, errs = v:check({ name = "A", age = -1, x = 1 }, { all = true })
   t.equal(ok, nil)
   t.equal(#errs, 3)
   t.equal(errs.more, false)
   local seen = {}
   for _, e in ipairs(errs) do seen[e.instance] = e.keyword .. " " .. e.schema end
   t.equal(seen, { ["/name"] = "minLength /properties/name/minLength",
      ["/age"] = "minimum /properties/age/minimum",
      ["/x"] = "additionalProperties /additionalProperties" })
   errs = select(2, v:check_json '{"name": 7}')
   t.equal(#errs, 1)
   t.equal(tostring(errs), "invalid_output: /name: must be a string, not a number")
   errs = select(2, v:check_json '{"name": ')
   t.equal(errs.code, "invalid_output")
   t.equal(#errs, 0)
end)

t.case("one fault is told unless all are wanted, however many rules find one", function()
   local cases = {
      { [[{"propertyNames":{"enum":["q"]},"additionalProperties":{"maxItems":0}}]], '{"a":[1],"b":[2]}', 4 },
      { [[{"properties":{"a":false},"patternProperties":{"a":false,"^a":false}}]], '{"a":1}', 3 },
      { [[{"minProperties":3,"maxProperties":1}]], '{"a":1,"b":2}', 2 },
      { [[{"minItems":3,"maxItems":1}]], "[1,2]", 2 },
      { [[{"minimum":5,"maximum":1,"exclusiveMinimum":5,"exclusiveMaximum":1}]], "3", 4 },
      { [[{"minLength":5,"maxLength":1,"pattern":"x","const":1,"enum":[2]}]], '"abc"', 4 },
      { [[{"dependentSchemas":{"a":false},"dependentRequired":{"a":["b","c"]}}]], '{"a":1}', 3 },
   }
   for _, case in ipairs(cases) do
      local validator = schema.compile(case[1])
      local _, first = validator:check_json(case[2])
      local _, all = validator:check_json(case[2], { all = true })
      t.equal({ #first, #all }, { 1, case[3] })
   end
end)

t.case("a schema is compiled once, whatever it came as", function()
   local text = '{"type":"integer"}'
   t.ok(schema.compile(text) == schema.compile(text))
   t.ok(schema.compile { type = "integer" } == schema.compile(text))
   t.ok(schema.compile(text, { draft = "7" }) ~= schema.compile(text))
   t.equal(schema.compile(true):check(json.null), true)
   t.equal(schema.compile(false):check(1), nil)
end)

t.case("what is wrong with a schema is said: keyword, place, reason", function()
   local function wrong(s, pattern, opts)
      local v, err = schema.compile(s, opts)
      t.equal(v, nil)
      t.equal(err.code, "bad_request")
      t.ok(err.message:find(pattern, 1, true), err.message)
   end
   wrong({ properties = { a = { type = "strin" } } }, "/properties/a/type: there is no type 'strin'")
   wrong({ minLength = -1 }, "/minLength: must be a whole number")
   wrong({ pattern = "(" }, "/pattern: no regular expression")
   wrong({ type = { "null", "string", "null" } }, "/type/2: 'null' is there twice")
   wrong({ required = { "a", "b", "a" } }, "/required/2: 'a' is there twice")
   for _, keyword in ipairs { "properties", "patternProperties", "$defs", "dependentSchemas" } do
      wrong({ [keyword] = { a = { "b" } } }, "/" .. keyword .. "/a: a schema must be an object or a boolean")
   end
   for _, name in ipairs { "", "a b", "1a", "#a", "a:b", "a\0" } do
      wrong({ ["$anchor"] = name }, "/$anchor: must be a name")
      wrong({ ["$dynamicAnchor"] = name }, "/$dynamicAnchor: must be a name")
   end
   wrong({ items = { title = 1 } }, "/items/title: must be a string")
   wrong({ deprecated = "no" }, "/deprecated: must be true or false")
   wrong({ examples = "one" }, "/examples: must be an array")
   wrong({ ["$vocabulary"] = { ["https://x/y"] = 1 } }, "/$vocabulary/https:~1~1x~1y: must be true or false")
   wrong({ ["$ref"] = "#/nowhere" }, "refers to '#/nowhere', which is not there")
   wrong({ ["$ref"] = "http://x/y.json" }, "nothing is fetched")
   wrong({ allOf = { { ["$ref"] = "#" } } }, "refers to itself without end")
   wrong('{"type": }', "no JSON")
   t.ok(schema.compile { type = { "integer", "number" }, ["$anchor"] = "_a-1.B" })
   t.ok(schema.compile({ dependencies = { a = { "b" } }, deprecated = "no" }, { draft = "7" }))
   t.raises(function() schema.compile({}, { draft = "4" }) end, '"2020-12" or "7"')
   t.raises(function() schema.compile({}, { drafts = "7" }) end, "unknown option 'drafts'")
end)

t.case("remote schemas come from a table", function()
   local remotes = { ["http://x/int.json"] = { type = "integer" } }
   local v = schema.compile({ items = { ["$ref"] = "http://x/int.json" } }, { remotes = remotes })
   t.equal(v:check(json.array { 1, 2 }), true)
   local ok, errs = v:check(json.array { 1, "x" })
   t.equal(ok, nil)
   t.equal(errs[1].schema, "http://x/int.json#/type")
end)

t.case("formats are notes unless they are asked for", function()
   local s = { format = "date" }
   t.equal(schema.compile(s):check "x", true)
   t.equal(schema.compile(s, { formats = "assert" }):check "x", nil)
   t.equal(schema.compile(s, { formats = "assert" }):check "2026-02-28", true)
end)

t.case("the beginning of an answer shows when nothing can save it", function()
   local v = schema.compile { type = "object", required = { "kind", "n" }, additionalProperties = false,
      properties = { kind = { enum = { "cat", "dog" } }, n = { type = "integer", maximum = 10 },
         list = { type = "array", maxItems = 2, items = { type = "string", maxLength = 3 } },
         sure = { type = "boolean" }, much = { multipleOf = 10, ["not"] = { minimum = 5 } } } }
   for _, begun in ipairs { "", " ", "{", '{"', '{"ki', '{"kind"', '{"kind":',
      '{"kind": "d', '{"kind": "dog", ', '{"n": 1',
      '{"n": -', '{"n": 1.', '{"n": 1.5', '{"n": 1E', '{"sure": t', '{"sure": fals', '{"much": 7',
      '{"list": ["abc", "x', '{"kind":"dog","n":10}' } do
      local ok, errs = v:check_beginning(begun)
      t.ok(ok, begun .. ": " .. tostring(errs))
   end
   for _, begun in ipairs { "[", "x", "1", "t", "{t", "{1", '{"kind":"dog", n', '{"kind": 1', '{"kind": n',
      '{"n": t', '{"n": fal', '{"sure": 0', '{"sure": n', '{"sure": tu', '{"list": -', '{"list": [1',
      '{"list": ["a",null', '{"list": ["a","b",t',
      '{"kind": "b', '{"kind": 1,', '{"other": 1,', '{"n": 11,', '{"list": ["abcd',
      '{"list": ["a","b","c', '{"kind":"dog"}', '{"n" 1', '{} x' } do
      t.equal(v:check_beginning(begun), nil)
   end
end)

-- Where the mark '|' stands the text before is possible, and with the next byte no longer.
local STOPS = {
   -- names of members
   { '{"properties":{"kind":{},"king":{}},"additionalProperties":false}',
      '{"ki|t":1}', '{"kin|x', '{"|x', '{"kind|s"', '{"ki|"', '{"kind":1,"|n', '{"king" : 1 , "kin|"',
      '{"k\\u0069n|e' },
   { '{"properties":{"a":true,"no":false},"additionalProperties":false}', '{"|no', '{"a|a' },
   { '{"properties":{"no":false}}', '{"no|"', '{"not":1,"no|"' },
   { '{"additionalProperties":false}', '{|"', '{ |"a"' },
   { '{"patternProperties":{"^x":{}},"additionalProperties":false}', '{"|abc"', '{"x":1,"|abc"' },
   { '{"patternProperties":{"^x-y":{}},"properties":{"xa":{}},"additionalProperties":false}', '{"x|b',
      '{"x-|z',
      '{"x-yz":1,"xa|b' },
   { '{"patternProperties":{"x":{}},"additionalProperties":false}', '{"abc|"' },
   { '{"patternProperties":{"^x":false}}', '{"x|"', '{"y":1,"xyz|"' },
   { '{"patternProperties":{"^x":false},"additionalProperties":false}', '{"x|"', '{"|y' },
   { '{"propertyNames":{"pattern":"^[a-z]+$"}}', '{"ab|1', '{"ab":1,"|A', '{"|"' },
   { '{"propertyNames":{"enum":["ab","abc"]}}', '{"ab|d', '{"a|"', '{"ab":1,"|b' },
   { '{"propertyNames":{"maxLength":2}}', '{"ab|c' },
   { '{"propertyNames":false}', '{|"' },
   { '{"maxProperties":1}', '{"ab":1,"a|c', '{"ab":1,"a|"', '{"":1,"|x' },
   { '{"maxProperties":0}', '{|"' },
   { '{"required":["a"]}', '{"b":1|}' },
   { '{"allOf":[{"properties":{"ab":{}},"additionalProperties":false},{"properties":{"ac":{},'
         .. '"ab":{}},"additionalProperties":false}]}',
      '{"a|c' },
   { '{"anyOf":[{"properties":{"ab":{}},"additionalProperties":false},{"properties":{"cd":{}},'
         .. '"additionalProperties":false}]}',
      '{"|x', '{"a|d', '{"ab":1,"|c' },
   { '{"$ref":"#/$defs/o","$defs":{"o":{"properties":{"ab":{}},"additionalProperties":false}}}', '{"a|c' },
   -- texts
   { '{"type":"string","pattern":"^[A-Z]{2}-[0-9]+$"}', '"|a', '"A|1', '"AB|1', '"AB-|"', '"AB-12|x',
      '"AB-12\\u006|1' },
   { '{"pattern":"^(?:red|green|re)$"}', '"re|x', '"gree|"', '"red|d' },
   { '{"pattern":"^(?!no)"}', '"n|o', '"n\\u006|f' },
   { '{"pattern":"[0-9]$"}', '"1a|"' },
   { '{"pattern":"^ä\\\\p{L}é$"}', '"|a', '"ä|1', '"äöé|x' },
   { '{"pattern":"^a|b"}', '"ccc|"' },
   { '{"enum":["red","green","re"]}', '"r|x', '"red|d', '"|b', '"gre|"', '|1', '|{', '|t' },
   { '{"const":"a\\"b"}', '"a|b', '"a\\"|c' },
   { '{"enum":["\\u00e9a","b"]}', '"éa|b', '"\\u00e9|b' },
   { '{"anyOf":[{"const":"one"},{"const":"two"}]}', '"o|f', '"t|h' },
   { '{"type":"string","maxLength":3}', '"abc|d', '"äöü|x' },
   { '{"type":"string","minLength":3}', '"ab|"' },
   { '{"type":"string","pattern":"^a"}', '"|b' },
   -- types, by the first byte
   { '{"type":"string"}', '|1', '|-', '|t', '|n', '|[', '|{' },
   { '{"type":"number"}', '|"', '|f', '|[', '1|x', '-|-', '0|1', '1.|e', '1e|.', '1|}' },
   { '{"type":"integer"}', '|"', '|t' },
   { '{"type":"boolean"}', '|"', '|n', '|0', 't|u' },
   { '{"const":true}', '|f', 't|a' },
   { '{"enum":[null,1]}', '|"', '|t', 'n|o' },
   { '{"type":["null","object"]}', '|[', '|"' },
   { '{"maximum":10}', '11|,' },
   -- lists
   { '{"maxItems":2}', '[1,2|,', '["a" , "b" |,', '[[1,2],[1,2,3]|,' },
   { '{"maxItems":0}', '[|1', '[|"' },
   { '{"prefixItems":[{"type":"integer"},{"const":"ab"}],"items":false}', '[1,"a|c', '[1,"ab"|,', '[|"',
      '[1,|2' },
   { '{"items":{"enum":["ab","cd"]},"uniqueItems":true}', '["ab","c|e', '["ab","ab|"', '["ab",|1' },
   { '{"minItems":2}', '[1|]' },
   { '{"items":{"properties":{"ab":{"type":"integer"}},"additionalProperties":false}}', '[{},{"a|c',
      '[{"ab":|"' },
   -- no JSON
   { '{}', '{|1', '[1|:', '{"a"|,', '"\\|x', '{}|x', '[1,|]', 'tru|f' },
}

t.case("a beginning is refused at the first impossible byte, and from there on", function()
   for _, row in ipairs(STOPS) do
      local v = schema.compile(row[1])
      for i = 2, #row do
         local text = row[i]:gsub("|", "")
         local stop = row[i]:find("|", 1, true)
         for n = 0, #text do
            local ok = v:check_beginning(text:sub(1, n)) == true
            t.equal({ row[1], row[i], n, ok }, { row[1], row[i], n, n < stop })
         end
      end
   end
end)

t.case("hostile schemas and values end soon, with an error", function()
   local function ends(s, value)
      local v, err = schema.compile(s)
      local ok, errs
      if v then ok, errs = v:check(value) end
      t.ok(ok or (errs or err).code == "budget" or (errs or err).code == "invalid_output", tostring(errs
         or err))
      return errs or err
   end
   t.equal(ends({ pattern = "^(a+)+$" }, ("a"):rep(50000) .. "b").code, "budget")
   t.equal(ends({ pattern = "^(a|aa)+$" }, ("a"):rep(5000) .. "b").code, "budget")
   ends({ pattern = "(.*)*x" }, ("a"):rep(30))
   ends({ pattern = "a*b" }, ("a"):rep(1000000))
   ends({ ["$ref"] = "#/$defs/a", ["$defs"] = { a = { anyOf = { { ["$ref"] = "#/$defs/b" } } },
      b = { anyOf = { { ["$ref"] = "#/$defs/a" } } } } }, 1)
   local deep = {}
   local text = '{"$defs":{"n0":{"type":"string"}'
   for i = 1, 40 do
      text = text .. (',"n%d":{"anyOf":[{"$ref":"#/$defs/n%d"},{"$ref":"#/$defs/n%d"}]}'):format(i, i - 1,
         i - 1)
   end
   t.equal(ends(text .. '},"$ref":"#/$defs/n40"}', 1).code, "budget")
   for i = 1, 60000 do deep[i] = i % 1000 end
   ends({ uniqueItems = true }, deep)
   ends({ multipleOf = 1e-300 }, 1e300)
   t.equal(schema.compile('{"multipleOf": 0.01}'):check_json "19.99", true)
   t.equal(schema.compile('{"const": 1e400}'):check_json("1" .. ("0"):rep(400)), true)
end)

t.case("strict schemas are what the providers' own SDKs make", function()
   local function strict(s, provider) return schema.strict(json.decode(s), provider) end
   local text = '{"type":"object","properties":{"b":{"type":"string"},"a":{"type":["null","number"]}},%s}'
   t.equal(json.encode(strict(text:format '"required":["b"]', "openai")),
      text:format '"required":["b","a"],"additionalProperties":false')
   local made, err = strict('{"type":"object","properties":{"a":{"type":"string"}}}', "openai")
   t.equal(made, nil)
   t.equal(err.code, "bad_request")
   t.ok(err.message:find("/properties/a: what is optional must allow null", 1, true), err.message)
   made = strict('{"type":"object","properties":{"z":{"type":"integer","minimum":1},"a":{"const":1}}}',
      "anthropic")
   t.equal(made.properties.z, { type = "integer", description = "{minimum: 1}" })
   t.ok(json.encode(made.properties):find '^{"z":.*"a":') -- models write members in their order
   t.equal(select(2, schema.strict({ properties = {} }, "anthropic")).code, "bad_request")
   t.raises(function() schema.strict({}, "nobody") end, "openai, anthropic")
end)
