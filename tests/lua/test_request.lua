-- test_request: a client's request as policies see it: read, changed, copied, sent.
-- SPDX-License-Identifier: MIT
local t = require "test"
local json = require "json"
local llm = require "llm"
local provider = require "provider"

local BODY = '{ "model":"auto", "temperature" : 1.50,\n\t'
   .. '"messages":[{"role":"user","content":"\\u0048i \\/"}], "big":123456789012345678901234567890,'
   .. ' "e":1E2, "n":null, "t":true, "f":false,'
   .. '"stop":["a","b"],"x":{"y":{"z":[1,2,{"deep":1.0}]}}, "" : "empty name" }'

local function request(body)
   return provider.request(body or BODY)
end

t.case("is each message one text?", function()
   local function of(messages) return provider.request('{"model":"auto","messages":' .. messages .. "}") end
   t.equal(request():is_plain(), true)
   t.equal(provider.request('{"model":"auto"}'):is_plain(), true)
   t.equal(of '[{"role":"assistant","content":null},{"role":"user","content":"a"}]':is_plain(), true)
   t.equal(of '[{"role":"user","content":"a"},{"role":"user","content":[]}]':is_plain(), false)
   t.equal(of '[7,"a",{"content":[{"type":"image_url"}]}]':is_plain(), false)
   local req = request()
   t.equal(req:with({ temperature = 0 }):is_plain(), true)
   local function saying(content) return req:with({ messages = { { role = "user", content = content } } }) end
   t.equal({ saying("a"):is_plain(), saying({ { type = "text", text = "a" } }):is_plain() }, { true, false })
   t.equal(#req.messages, 1)
   t.equal(req:is_plain(), false, "they were looked at, and may have changed")
end)

t.case("members are decoded", function()
   local req = request()
   t.equal(req.model, "auto")
   t.equal(req.temperature, 1.5)
   t.equal(req.messages, { { role = "user", content = "Hi /" } })
   t.equal(req.e, 100)
   t.equal(req.n, json.null)
   t.equal(req.t, true)
   t.equal(req.f, false)
   t.equal(req[""], "empty name")
   t.equal(req.missing, nil)
   t.equal(tostring(req.big), "123456789012345678901234567890")
   t.ok(json.is_array(req.stop))
   t.ok(req.messages == req.messages, "one table, however often it is read")
   t.equal(req.x.y.z[3].deep, 1.0)
end)

t.case("reading changes no byte", function()
   local req = request()
   t.equal(req:json(), BODY)
   for _, name in ipairs { "model", "messages", "x", "stop", "big", "n", "t", "missing" } do
      local _ = req[name]
      t.equal(req:json(), BODY)
   end
   local _ = req.text
   t.equal(req:json(), BODY)
end)

t.case("assigning", function()
   local req = request()
   req.temperature = 0
   t.equal(req.temperature, 0)
   t.equal(req:json(), (BODY:gsub("1%.50", "0")))
   req.temperature = nil
   t.equal(req.temperature, nil)
   t.equal(json.decode(req:json()).temperature, nil)
   req.temperature = json.null
   t.equal(req.temperature, json.null)
   t.equal(req:json(), (BODY:gsub("1%.50", "null")))
   req.temperature = 1.5
   t.equal(req:json(), (BODY:gsub("1%.50", "1.5")))
   req.new = { 1, 2 }
   t.equal(req.new, { 1, 2 })
   t.equal(req:json(), (BODY:gsub("1%.50", "1.5"):gsub(" }$", ',"new":[1,2] }')))
end)

t.case("assigning: false is a value, nil takes out", function()
   local req = request '{"a":true,"b":1}'
   req.a = false
   t.equal(req.a, false)
   t.equal(req:json(), '{"a":false,"b":1}')
   req.b = nil
   t.equal(req:json(), '{"a":false}')
   req.a = nil
   t.equal(req:json(), "{}")
   req.a = nil
   req.never = nil
   t.equal(req:json(), "{}")
   req.c = json.array()
   t.equal(req:json(), '{"c":[]}')
end)

t.case("a nested change is sent", function()
   local req = request()
   table.insert(req.messages, { role = "assistant", content = "Hello" })
   t.equal(req:json(), (BODY:gsub('%[{"role.-}%]',
      '[{"role":"user","content":"Hi /"},{"content":"Hello","role":"assistant"}]')))
   req = request()
   req.x.y.z[3].deep = 2
   t.equal(req:json(), (BODY:gsub('{"y".-}}', '{"y":{"z":[1,2,{"deep":2}]}}', 1)))
   req = request()
   req.x.y.z[3].deep = 1
   t.ok(req:json() ~= BODY, "1 is not 1.0")
   req = request()
   req.messages[1].content = "Hi /"
   t.equal(req:json(), BODY)
   req.messages = json.array()
   t.equal(req:json(), (BODY:gsub('%[{"role.-}%]', "[]")))
end)

t.case("what was assigned can still be changed", function()
   local req = request "{}"
   local messages = { { role = "user", content = "a" } }
   req.messages = messages
   messages[2] = { role = "user", content = "b" }
   t.equal(json.decode(req:json()).messages[2].content, "b")
   t.equal(req.text, "b")
end)

t.case("what cannot be JSON", function()
   for _, value in ipairs { print, 0 / 0, math.huge, "\255", { [1] = 1, x = 2 } } do
      local req = request()
      req.x = value
      t.raises(function() req:json() end, "req:json: x")
      t.raises(function() req:with {} end, "req:with: x")
      t.raises(function() llm.chat("sim/mini", req) end, "the request cannot be sent: x")
   end
   local req = request()
   req.x.y.self = req.x
   t.raises(function() req:json() end, "x")
   t.equal(#t.requests(), 0)
   t.raises(function() req[{}] = 1 end, "string")
   t.raises(function() return req[true] end, "string")
end)

t.case("with: a changed copy", function()
   local req = request()
   local copy = req:with { temperature = 0, n = 2 }
   t.equal(copy.temperature, 0)
   t.equal(copy.n, 2)
   t.equal(copy.model, "auto")
   t.equal(copy:json(), (BODY:gsub("1%.50", "0"):gsub('"n":null', '"n":2')))
   t.equal(req:json(), BODY)
   t.equal(req.temperature, 1.5)
   copy = req:with({}, { "temperature", "missing", "x" })
   t.equal(copy.temperature, nil)
   t.equal(copy.x, nil)
   t.equal(copy.t, true)
   t.equal(req:with({ stop = json.null }).stop, json.null)
   t.equal(req:with({ stop = "s" }, { "stop" }).stop, nil)
   t.equal(req:with({}):json(), BODY)
end)

t.case("with: changes made so far go along", function()
   local req = request()
   req.temperature = 0
   req.messages[1].content = "changed"
   local copy = req:with { seed = 1 }
   t.equal(copy.temperature, 0)
   t.equal(copy.text, "changed")
   copy.messages[1].content = "again"
   t.equal(req.text, "changed")
   t.equal(copy:with({}).text, "again")
end)

t.case("with: wrong arguments", function()
   local req = request()
   t.raises(function() req:with() end, "table expected")
   t.raises(function() req:with "x" end, "table expected")
   t.raises(function() req:with({}, "x") end, "table expected")
   t.raises(function() req:with { 1 } end, "name of a member must be a string")
   t.raises(function() req:with({}, { 1 }) end, "name of a member must be a string")
   t.raises(function() req:with { x = print } end, "x")
   t.raises(function() req.with({}, {}) end, "baton.request expected")
   t.raises(function() req.json "x" end, "baton.request expected")
   local many = {}
   for i = 1, 200 do many["m" .. i] = i end
   t.raises(function() req:with(many) end, "more than 128 changed members")
   t.equal(req:json(), BODY)
end)

t.case("text: of the last user message", function()
   local function text(messages) return request(json.encode { messages = messages }).text end
   t.equal(request().text, "Hi /")
   t.equal(text { { role = "user", content = "a" }, { role = "assistant", content = "b" } }, "a")
   t.equal(text { { role = "user", content = "a" }, { role = "user", content = "b" } }, "b")
   t.equal(text { { role = "system", content = "a" } }, "")
   t.equal(text { { role = "user", content = { { type = "text", text = "a" },
      { type = "image_url", image_url = { url = "x" } }, { type = "text", text = "b" } } } }, "a\nb")
   t.equal(text { { role = "user" } }, "")
   t.equal(text { { role = "user", content = json.null } }, "")
   t.equal(text { { role = "user", content = 7 } }, "")
   t.equal(text { { role = "user", content = { 7, { text = 7 }, "x" } } }, "")
   t.equal(text { 7, "x", json.array {}, { role = 7 } }, "")
   t.equal(text { { role = "user", content = "\0 naïve 😀" } }, "\0 naïve 😀")
   t.equal(request("{}").text, "")
   t.equal(request('{"messages":7}').text, "")
   t.equal(request('{"messages":[]}').text, "")
   t.equal(request('{"messages":{"role":"user","content":"x"}}').text, "")
end)

t.case("text: follows changes", function()
   local req = request()
   req.messages[1].content = "new"
   t.equal(req.text, "new")
   req.messages = { { role = "user", content = "newer" } }
   t.equal(req.text, "newer")
   req.messages = nil
   t.equal(req.text, "")
   req = request()
   req.text = "mine"
   t.equal(req.text, "mine")
   req = request()
   req.messages[1].content = print
   t.raises(function() return req.text end, "messages")
end)

t.case("names like those of methods, twice, escaped", function()
   local req = request '{"a":1,"a":2,"\\u0061":3}'
   t.equal(req.a, 3)
   req.a = 4
   t.equal(req:json(), '{"\\u0061":4}')
   req = request '{"na\\u006De":"x","é":1}'
   t.equal(req.name, "x")
   t.equal(req["é"], 1)
   req.name = "y"
   t.equal(req:json(), '{"na\\u006De":"y","é":1}')
   req = request "{}"
   req["\n\"\\é"] = 1
   t.equal(req:json(), [[{"\n\"\\é":1}]])
end)

t.case("names with a zero byte cannot be read or written, and are passed on", function()
   local body = '{"a":1,"a\\u0000b":2}'
   local req = request(body)
   t.equal(req["a\0b"], nil)
   t.raises(function() req["a\0b"] = 3 end, "zero byte")
   t.raises(function() req:with { ["a\0b"] = 3 } end, "name of a member")
   req.a = 1
   t.equal(req:json(), body)
end)

t.case("what is no request", function()
   local req, err = provider.request "{"
   t.equal(req, nil)
   t.equal(err.code, "bad_request")
   t.raises(function() provider.request "[]" end, "not a JSON object")
   t.raises(function() provider.request "7" end, "not a JSON object")
   t.raises(function() provider.request() end, "string expected")
   t.equal(getmetatable(request()), "request")
   t.raises(function() setmetatable(request(), {}) end, "table expected")
   t.raises(function() return pairs(request()) end, "table expected")
   t.ok(not tostring(request()):find("0x", 1, true), tostring(request()))
end)

t.case("a body that is made late, by a function that looks at it", function()
   local view, n = nil, 0
   view = provider.view(function()
      n = n + 1
      local own = tostring(n)
      if n == 1 then t.ok(view.model) end
      return '{"model":"' .. ("x"):rep(5000) .. own .. '","messages":[]}'
   end)
   t.equal(view.nothing, nil)
   t.collect()
   t.equal(view.model:sub(-2), json.decode(view:json()).model:sub(-2))
end)

t.case("many requests and their garbage", function()
   for i = 1, 300 do
      local req = request()
      req.messages[1].content = ("x"):rep(i * 100)
      local copy = req:with { i = i }
      t.collect()
      if copy.i ~= i or #copy.text ~= i * 100 then t.ok(false, "lost") end
   end
   t.ok(true)
end)
