-- test_lua_json: the module "json" as scripts see it. Run by test_lua_json.c.
-- SPDX-License-Identifier: MIT
local function fails(what, f, ...)
   local ok, message = pcall(f, ...)
   assert(not ok and tostring(message):find(what, 1, true), tostring(message))
end
local d, e = json.decode, json.encode

-- values
assert(math.type(d '1') == 'integer' and math.type(d '1.0') == 'float' and d '1e2' == 100)
assert(d 'null' == json.null and json.null == cjson_null)
assert(1 / d '-0' == -math.huge and e(d '-0') == '-0.0')
assert(d '"\\u20ac\\n"' == '\u{20ac}\n')
assert(#d '[1,null,3]' == 3 and d '[1,null,3]'[2] == json.null)

-- errors are values
local v, err = d '[1,'
assert(v == nil and err.code == 'bad_request' and err.retryable == false)
assert(err.message == 'invalid JSON: line 1, column 4: the text ends too early')
fails('string expected', d)

-- encoding
assert(e {} == '{}' and e(json.array()) == '[]' and e(json.array {}) == '[]' and e(json.object {}) == '{}')
assert(e { 1, 2, { x = {} } } == '[1,2,{"x":{}}]')
assert(e { b = 1, a = 2, C = 3, [''] = 4, ab = 5 } == '{"":4,"C":3,"a":2,"ab":5,"b":1}')
assert(e(2.0) == '2.0' and e(0.1) == '0.1' and e(math.mininteger) == '-9223372036854775808')
local o = d '{"z":1,"y":2,"x":3}'; o.y = nil; o.b = 5; o.a = 6
assert(e(o) == '{"z":1,"x":3,"a":6,"b":5}')
o.y = 9; assert(e(o) == '{"z":1,"y":9,"x":3,"a":6,"b":5}')
local many, want = {}, {}
for i = 1, 500 do local k = string.format('%03d', i * 7919 % 501) many[k] = i want[i] = k end
table.sort(want); for i, k in ipairs(want) do want[i] = string.format('%q:%d', k, many[k]) end
assert(e(many) == '{' .. table.concat(want, ',') .. '}')
local a = d '[1,2]'; a[3] = 'x'; assert(e(a) == '[1,2,"x"]')
assert(e(setmetatable({ a = 1 }, { __index = error, __pairs = error, __len = error })) == '{"a":1}')

-- refusals say where
fails('json.encode: messages[2].content: a value of type function', e,
   { messages = { { content = 'a' }, { content = print } } })
fails('x: not a number (NaN)', e, { x = 0 / 0 })
fails('[1]: an infinite number', e, { -1 / 0 })
fails('["a b"].c[1]: a string of invalid UTF-8', e, { ['a b'] = { c = { '\xff' } } })
fails('invalid UTF-8', e, { ['\xff'] = 1 })
fails('keys that are neither', e, { [1] = 1, x = 2 })
fails('keys that are neither', e, { [2] = 1 })
fails('keys that are neither', e, { [1.5] = 1 })
fails('a hole', e, json.array { 1, nil, 3 })
fails('other keys', e, json.array { 1, n = 1 })
fails('keys that are neither', e, json.object { 1 })
fails('a value of type thread', e, coroutine.create(print))
fails('a userdata', e, io.stdout)
fails('value expected', e)
local loop = {}; loop.loop = { loop }
fails('loop[1].loop[1]', e, loop); fails('does a table hold itself', e, loop)
local fan = {}; for i = 1, 50 do fan[i] = fan end; fails('512 levels', e, fan)

-- shapes: shared, locked
local p, q = d '{"a":1,"b":2}', d '{ "a" : 3, "b" : 4 }'
assert(debug.getmetatable(p) == debug.getmetatable(q))
assert(debug.getmetatable(p) ~= debug.getmetatable(d '{"b":1,"a":2}'))
assert(getmetatable(p) == 'json.object' and getmetatable(d '[]') == 'json.array')
fails('protected', setmetatable, p, {}); fails('protected', setmetatable, d '[]', {})
fails('metatable already', json.array, setmetatable({}, {}))
fails('metatable already', json.object, setmetatable({}, {}))
fails('table expected', json.array, 1)
assert(json.object(p) == p and e(json.object(d '{"z":1,"a":2}')) == '{"z":1,"a":2}')
assert(e(d '{"__gc":1,"__index":2,"__mode":"kv","__metatable":3}') ==
   '{"__gc":1,"__index":2,"__mode":"kv","__metatable":3}')
collectgarbage(); p = d '{"a":1,"b":2}'; collectgarbage(); assert(e(p) == '{"a":1,"b":2}')

-- is_array
assert(json.is_array(d '[]') and json.is_array { 1 } and json.is_array(json.array()))
assert(not json.is_array {} and not json.is_array { x = 1 } and not json.is_array { 1, x = 1 })
assert(not json.is_array(d '{}') and not json.is_array 'x' and not json.is_array(json.object { 1 }))

-- numbers
local n = d '12345678901234567890123'
assert(tostring(n) == '12345678901234567890123' and e { n } == '[12345678901234567890123]')
assert(n + 1 == 12345678901234567890123.0 and 2 * n > n and n < 1e23 and n <= n and -n < 0)
assert(n == json.number(tostring(n)))
assert(n ~= json.number '1' and n .. '!' == '12345678901234567890123!')
assert(1 .. n == '112345678901234567890123')
assert(json.number '7' // 2 == 3.0 and json.number '7' % 4 == 3.0)
assert(json.number '2' ^ 3 == 8.0 and json.number '7' / 2 == 3.5)
assert(json.number '1' - 3 == -2.0 and e(json.number '1.10') == '1.10')
assert(math.type(d '12345678901234567') == 'integer')
assert(getmetatable(n) == 'json.number' and d '1e999' == json.number '1e999' and d '1e999' + 0 == math.huge)
fails('not a number of JSON', json.number, '01'); fails('not a number', json.number, ' 1')
fails('not a number', json.number, '1 ')
fails('not a number', json.number, '[1]'); fails('not a number', json.number, '')
fails('number expected', function() return n + {} end); fails('number expected', function() return n < {} end)

-- find
assert(json.find('{"a":[1,{"b": "x\\n" }]}', 'a.1.b') == '"x\\n"' and json.find('{}', 'a') == nil)
v, err = json.find('{', 'a'); assert(v == nil and err.code == 'bad_request')
