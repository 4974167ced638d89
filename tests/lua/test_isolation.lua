-- test_isolation: what one request does stays its own: views, streams, replies, limits of libraries.
-- SPDX-License-Identifier: MIT
-- luacheck: read globals _G rawequal rawlen
local t = require "test"
local codec = require "codec.openai"
local door = require "door.openai"
local reply_events = require "reply".events

-- A whole reply as the events of a stream.
local function stream_of(reply, meta)
   local encoder, out = door.encoder(meta), {}
   for _, event in ipairs(reply_events(reply)) do out[#out + 1] = encoder:event(event) end
   return table.concat(out)
end
local json = require "json"
local llm = require "llm"
local provider = require "provider"
local serve = require "serve"
local task = require "task"

local MODULES = {
   "clock", "random", "task", "timer", "trace", "log", "json", "fs",
   "provider", "errors", "llm", "models", "judge",
   "consensus", "classify", "schema", "text", "policy", "policies", "config", "catalog", "serve",
   "codec.openai",
}

-- ---- views of what all requests share ----

t.case("a loop over a view never holds the table behind it", function()
   local views = { _G, string, table, math, utf8, require "config".providers.sim, require "policies".direct,
      require "catalog".models, require "models".resolve "sim/pro" }
   for _, name in ipairs(MODULES) do views[#views + 1] = require(name) end
   for _, view in ipairs(views) do
      local _, state, first = pairs(view)
      t.ok(rawequal(state, view), tostring(view))
      t.equal(first, nil)
      t.equal(rawlen(view), 0)
      t.raises(function() state.anything = 1 end, "read-only")
      t.raises(function() setmetatable(state, nil) end, "protected metatable")
   end
end)

t.case("what a view holds cannot be written either", function()
   local writes = {
      function() require "policies".direct.run = print end,
      function() require "policies".cascade.params.threshold = 0 end,
      function() require "catalog".models["openai/gpt-4o-mini"].input = 0 end,
      function() require "config".aliases.mine = "sim/mini" end,
      function() require "config".providers.sim.codec = "mine" end,
      function() require "models".resolve "sim/pro".model = "mini" end,
      function() require "models".find { tier = "fast" }[1].input = 0 end,
      function() require "models".all()[1].capabilities[1] = "all" end,
      function() codec.wire.read = print end,
      function() codec.edits = print end,
   }
   for position, write in ipairs(writes) do
      t.ok(not pcall(write), "write " .. position)
   end
end)

t.case("nothing that a request holds leads to what all share", function()
   t.stream({ t.delta { content = "a" }, t.delta({}, "stop") })
   t.reply(200, t.completion "b")
   local stream = llm.stream("sim/mini", "x", { stream = true })
   local values = {
      stream = stream, call = stream.call, wire = codec.wire, reply = llm.chat("sim/mini", "x"),
      made = llm.reply { text = "c" }, request = provider.request "{}",
      err = select(2, llm.fail("timeout", "x")), text = "", null = json.null,
   }
   for name, value in pairs(values) do
      local metatable = getmetatable(value)
      t.ok(metatable == nil or type(metatable) == "string", name .. ": metatable")
      if name ~= "null" then t.equal(value.__index, nil) end
   end
   t.equal(stream:reply().text, "a")
end)

t.case("a view cannot be turned into something else", function()
   for _, change in ipairs { json.array, json.object, require "errors".new, require "readonly" } do
      for _, view in ipairs { require "clock", require "config".aliases, require "config".models } do
         pcall(change, view)
         t.ok(type(getmetatable(view)) == "string" and next(view) ~= nil)
      end
   end
   t.equal(type(require "clock".now), "function")
   t.equal(require "config".aliases.cheap, "sim/mini")
end)

t.case("readonly: as deep as data is, and no deeper", function()
   local readonly = require "readonly"
   local view = readonly({ a = { b = { 1 } } }, "mine")
   t.equal(view.a.b[1], 1)
   t.raises(function() view.a.b[1] = 2 end, "mine is read-only")
   local itself = {}
   itself.itself = itself
   view = readonly(itself)
   t.ok(view.itself == view)
   local deep = {}
   for _ = 1, 400000 do deep = { deep } end
   t.raises(function() readonly(deep) end, "nested")
end)

-- ---- streams ----

local function slow_stream(options)
   t.stream({
      t.delta { content = "a" }, t.delta { content = "b" }, t.delta { content = "c" }, t.delta({}, "stop"),
   }, options or { every = 1 })
   return llm.stream("sim/mini", "x", { stream = true })
end

t.case("a wait on a stream ends with its task, and another may wait then", function()
   local stream = slow_stream()
   t.equal(stream:next().text, "a")
   for _ = 1, 3 do
      local value = task.race { function() return stream:next() end,
         function()
            task.sleep(0.25)
            return "late"
         end }
      t.equal(value, "late")
      t.collect()
   end
   task.sleep(0.5) -- the next event comes when nobody waits any more
   t.equal(stream:next().text, "b")
   task.sleep(0.5)
   t.equal(stream:next().text, "c")
end)

t.case("one task at a time waits on a stream", function()
   local stream = slow_stream()
   stream:next()
   local errors = {}
   task.all {
      function() return stream:next() end,
      function()
         local ok, err = pcall(stream.next, stream)
         errors[1] = not ok and tostring(err)
      end,
   }
   t.ok(errors[1] and errors[1]:find("another task already waits", 1, true), tostring(errors[1]))
   t.equal(stream:reply().text, "abc")
end)

t.case("closing a stream wakes who waits on it", function()
   local stream = slow_stream()
   stream:next()
   local err
   task.all {
      function() err = select(2, stream:next()) end,
      function()
         task.sleep(0.5)
         stream.call:close()
      end,
   }
   t.equal(err and err.code, "cancelled")
end)

t.case("a stream of a stopped task says that it was closed, not that it has ended", function()
   local stream
   task.race {
      function()
         stream = slow_stream()
         stream:next()
         task.sleep(9)
      end,
      function()
         task.sleep(1.5)
         return "enough"
      end,
   }
   local event, err = stream:next()
   t.equal(event, nil)
   t.equal(err and err.code, "cancelled")
   local reply
   reply, err = stream:reply()
   t.equal(reply, nil)
   t.equal(err and err.code, "cancelled")
end)

t.case("reply: with what was read before", function()
   local stream = slow_stream()
   t.equal(stream:next().text, "a")
   t.equal(stream:next().text, "b")
   local reply = stream:reply()
   t.equal(reply.text, "abc")
   t.equal(reply.finish_reason, "stop")
   t.equal(stream:reply().text, "abc")
   t.stream {
      t.delta { tool_calls = { { index = 0, id = "c", ["function"] = { name = "f", arguments = '{"a"' } } } },
      t.delta { tool_calls = { { index = 0, ["function"] = { arguments = ":1}" } } } },
      t.delta({}, "tool_calls"),
   }
   stream = llm.stream("sim/mini", "x", { stream = true })
   stream:next()
   reply = stream:reply()
   t.equal(reply.tool_calls[1]["function"].arguments, '{"a":1}')
   t.equal(reply.finish_reason, "tool_calls")
end)

local kept

t.case("a stream put aside by one request ...", function()
   kept = slow_stream()
   t.equal(kept:next().text, "a")
end)

t.case("... is closed for every other", function()
   t.collect()
   local ok, event, err = pcall(kept.next, kept)
   t.ok(not ok or (event == nil and err.code == "cancelled"))
   kept = nil
end)

t.case("a stream with more than the queue before its first content", function()
   local early = { choices = { { delta = json.object {} } }, junk = ("x"):rep(400000) }
   t.answer { { head = 200, headers = "content-type: text/event-stream\r\n" },
      { data = "data: " .. json.encode(early) .. "\n\n" },
      { at = 1, data = "data: " .. json.encode(t.delta { content = "at last" }) .. "\n\n" },
      { data = "data: " .. json.encode(t.delta({}, "stop")) .. "\n\ndata: [DONE]\n\n" },
      { done = true } }
   local stream = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream and stream:reply().text, "at last")
end)

t.case("a queue that is never empty does not grow", function()
   local event = "data: " .. json.encode(t.delta { content = ("x"):rep(60000) }) .. "\n\n"
   local steps = { { head = 200, headers = "content-type: text/event-stream\r\n" } }
   for i = 2, 200 do steps[i] = { at = 0, data = event:rep(4) } end
   steps[201] = { data = "data: " .. json.encode(t.delta({}, "stop")) .. "\n\ndata: [DONE]\n\n" }
   steps[202] = { done = true }
   t.answer(steps)
   local stream = llm.stream("sim/mini", "x", { stream = true })
   local n, bad = 0, nil
   for e in stream:events() do
      if e.kind == "text" then n = n + #e.text end
      if e.kind == "error" then bad = e.err.message end
      task.sleep(0.001)
   end
   t.equal(bad, nil)
   t.equal(n, 199 * 4 * 60000)
end)

local function of(index, fields, reason)
   return { choices = { { index = index, delta = json.object(fields), finish_reason = reason } } }
end

t.case("n = 2: a stream is complete when both answers are", function()
   local half = {
      of(0, { content = "zero" }), of(1, { content = "one" }), of(0, {}, "stop"), of(1, { content = "cut" }),
   }
   for _, options in ipairs { { cut = true, open = true }, { open = true } } do
      t.stream(half, options)
      local reply, err = llm.stream("sim/mini", "x", { stream = true, n = 2 }):reply()
      t.equal(reply, nil)
      t.ok(err and err.retryable)
      t.stream(half, options)
      reply, err = llm.stream("sim/mini", provider.request '{"n":2,"stream":true,"messages":[]}'):reply()
      t.equal(reply, nil)
      t.ok(err and err.retryable)
   end
   half[#half + 1] = of(1, {}, "stop")
   t.stream(half, { cut = true, open = true })
   local reply = llm.stream("sim/mini", "x", { stream = true, n = 2 }):reply()
   t.equal(reply and reply.text, "zero")
end)

-- ---- keys ----

t.case("a path cannot lead a key to another host", function()
   for _, path in ipairs { ".evil.test/v1", "@evil.test/", ":8080/", "1/steal", "\\@evil.test", "?", "#" } do
      local line, err = provider.line { provider = "sim", path = path, wire = codec.wire }
      t.equal(line, nil)
      t.equal(err and err.code, "bad_request")
   end
   t.equal(#t.requests(), 0)
end)

t.case("line:call: numbers that no timer and no counter holds", function()
   local most = {
      window = 1e300, first_content = math.huge, min_rate = 1e-300, max_tokens = math.huge, max_cost = 0 / 0,
   }
   for _, bounds in ipairs { most, { window = 1e-300, min_rate = 1e-9 } } do
      t.stream { t.delta { content = "It." }, t.delta({}, "stop") }
      local line = provider.line { provider = "sim", path = "/chat/completions", stream = true,
         wire = codec.wire, context = math.huge, input_price = 1, output_price = 1 }
      local call, status = line:call({ body = "{}" }, { bounds = bounds })
      t.equal(status, 200)
      while call:next() do end
      call:close()
   end
end)

t.case("line:call: bounds that raise leave nothing behind", function()
   local bounds = setmetatable({}, { __index = function() error("no bounds", 0) end })
   local line = provider.line { provider = "sim", path = "/", wire = codec.wire }
   for _ = 1, 3 do
      t.raises(function()
         line:call({ body = ("x"):rep(5000) }, { bounds = bounds })
      end, "no bounds")
   end
end)

t.case("a line and its calls read plain tables only", function()
   local asked = setmetatable({}, { __index = function() return "sim" end })
   t.raises(function() provider.line(asked) end, "without metatable")
   asked = { provider = "sim", path = "/", wire = codec.wire }
   local line = provider.line(asked)
   setmetatable(asked, { __metatable = false })
   t.raises(function() provider.line(asked) end, "without metatable")
   t.raises(function() line:call(setmetatable({ body = "{}" }, {})) end, "without metatable")
   t.raises(function() line:call({ body = "{}" }, setmetatable({}, {})) end, "without metatable")
   t.raises(function() line.call({}, { body = "{}" }) end, "line")
   t.equal(#t.requests(), 0)
end)

-- The fields of a request, by names in lower case: all that were sent under one name.
local function fields_of(request)
   local all = {}
   for name, value in request.headers:gmatch("([^\n:]+): ([^\n]*)") do
      name = name:lower()
      all[name] = all[name] and all[name] .. ", " .. value or value
   end
   return all
end

t.case("a call's own header fields take the place of its line's", function()
   local line = provider.line { provider = "sim", path = "/", wire = codec.wire,
      headers = { ["x-version"] = "1", ["x-versions"] = "2" } }
   t.reply(200, {})
   line:call({ body = "{}", headers = { ["X-Version"] = "3", ["x-beta"] = "4" } }):close()
   t.reply(200, {})
   line:call({ body = "{}" }):close()
   local first, second = fields_of(t.requests()[1]), fields_of(t.requests()[2])
   t.equal({ first["x-version"], first["x-versions"], first["x-beta"] }, { "3", "2", "4" })
   t.equal({ second["x-version"], second["x-versions"], second["x-beta"] }, { "1", "2" })
   t.equal(first["content-type"], "application/json")
   local many = {}
   for i = 1, 32 do many["x-" .. i] = "y" end
   t.raises(function() line:call { body = "{}", headers = many } end, "more than 31 headers")
   t.equal(#t.requests(), 2)
end)

t.case("a line says what is wrong with it", function()
   local function refused(fields, what)
      local facts = { provider = "sim", path = "/", wire = codec.wire }
      for name, value in pairs(fields) do facts[name] = value end
      t.raises(function() provider.line(facts) end, what)
   end
   refused({ provider = "nobody" }, "there is no provider 'nobody'")
   refused({ wire = {} }, "wire")
   refused({ path = 1 }, "path must be a string")
   refused({ headers = { ["x-a"] = "b\r\nhost: evil" } }, "line break")
   refused({ headers = { ["x-a\n"] = "b" } }, "line break")
   refused({ auth_prefix = "a\n" }, "line break")
   refused({ headers = { ["x-a"] = 1 } }, "names and texts")
   refused({ headers = { ["x-a"] = ("b"):rep(70000) } }, "65536 bytes")
   local many = {}
   for i = 1, 70 do many["x-" .. i] = "y" end
   refused({ headers = many }, "64 header fields")
   local line, err = provider.line { provider = "sim", path = "/" .. ("x"):rep(3000), wire = codec.wire }
   t.equal(line, nil)
   t.equal(err.code, "bad_request")
end)

-- ---- libraries with memory of their own ----

t.case("cjson writes and reads no more than it may", function()
   local cjson = require "cjson"
   t.raises(function() cjson.encode_sparse_array(false, 0, 0) end, "1 to 10")
   t.raises(function() cjson.encode_sparse_array(true, 0) end, "1 to 10")
   cjson.encode_sparse_array(true, 10, 1 << 30)
   t.raises(function() cjson.encode { [50000000] = 1 } end, "may become larger")
   t.raises(function() cjson.encode { [math.maxinteger] = 1 } end, "")
   local many, s = {}, ("\1"):rep(1000000)
   for i = 1, 50 do many[i] = s end
   t.raises(function() cjson.encode(many) end, "may become larger")
   t.raises(function() cjson.decode(("["):rep(1 << 25)) end, "larger than")
   local deep = {}
   for _ = 1, 400000 do deep = { [deep] = 1 } end
   t.raises(function() cjson.encode(deep) end, "table key must be a number or string")
   deep = {}
   for _ = 1, 400000 do deep = { deep } end
   t.raises(function() cjson.encode(deep) end, "nest")
   t.equal(require "cjson".encode { 1, 2, { a = "x" } }, '[1,2,{"a":"x"}]')
   t.equal(require "cjson".decode '{"a":[1,{"b":null}]}'.a[1], 1)
end)

-- ---- replies ----

local META = { id = "chatcmpl-x", created = 1, model = "m" }

t.case("edits inside a reply are its answer", function()
   for _, edit in ipairs {
      function(reply) reply.message.content = "mine" end,
      function(reply) reply.text = "mine" end,
      function(reply) reply.body.choices[1].message.content = "mine" end,
      function(reply)
         reply.message = { role = "assistant", content = "mine" }
      end,
   } do
      t.reply(200, t.completion "theirs")
      local reply = llm.chat("sim/mini", "x")
      edit(reply)
      t.equal(reply.text, "mine")
      local sent = json.decode(door.answer(reply, META))
      t.equal(sent.choices[1].message.content, "mine")
      t.equal(sent.id, "chatcmpl-1")
      t.ok(stream_of(reply, META):find('"content":"mine"', 1, true))
   end
end)

local function two_choices()
   return t.completion("zero", { choices = {
      { index = 0, message = { role = "assistant", content = "zero" }, finish_reason = "stop" },
      { index = 1, message = { role = "assistant", content = "one",
         tool_calls = { { id = "c1", type = "function", ["function"] = { name = "f", arguments = "{}" } } } },
         finish_reason = "tool_calls" },
   } })
end

t.case("an edit of one answer keeps the others", function()
   t.reply(200, two_choices())
   local reply = llm.chat("sim/mini", "x", { n = 2 })
   reply.text = "mine"
   local sent = json.decode(door.answer(reply, META))
   t.equal(#sent.choices, 2)
   t.equal(sent.choices[1].message.content, "mine")
   t.equal(sent.choices[2].message.content, "one")
   t.equal(sent.usage.total_tokens, 1500)
end)

t.case("a whole reply is streamed with all its answers", function()
   t.reply(200, two_choices())
   local texts, reasons, tools = { "", "" }, {}, 0
   for data in stream_of(llm.chat("sim/mini", "x", { n = 2 }), META):gmatch "data: ([^\n]+)" do
      for _, choice in ipairs(json.decode(data).choices) do
         local at = choice.index + 1
         texts[at] = texts[at] .. (choice.delta.content or "")
         if choice.finish_reason ~= json.null then reasons[at] = choice.finish_reason end
         if choice.delta.tool_calls then tools = tools + at end
      end
   end
   t.equal(texts, { "zero", "one" })
   t.equal(reasons, { "stop", "tool_calls" })
   t.equal(tools, 2)
end)

-- ---- the usage that only we asked for ----

-- What the client of a stream gets of these bytes.
local function passed_on(bytes, body)
   local head = { head = 200, headers = "content-type: text/event-stream\r\n" }
   t.answer { head, { data = bytes }, { done = true } }
   local answer, got = t.client()
   body = body or '{"model":"sim/mini","stream":true,"messages":[{"role":"user"}]}'
   serve.request(answer, { door = "openai", path = "/v1/chat/completions" }, body, provider.request(body))
   return got().body
end

local CHUNK = '{"choices":[{"delta":{"content":"x"}}]}'

t.case("usage that the client did not ask for is taken out of any event", function()
   local body = passed_on("data: " .. CHUNK .. '\n\nevent: message\nid: 7\n: note\ndata: {"choices":[\n'
      .. 'data: {"delta":{},"finish_reason":"stop"}],\ndata:  "usage":{"prompt_tokens":1}}\nretry: 5\n\n'
      .. 'data: {"choices":[],\ndata: "usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n')
   t.ok(not body:find("usage", 1, true) and not body:find("prompt_tokens", 1, true), body)
   for _, line in ipairs { "event: message\n", "id: 7\n", ": note\n", "retry: 5\n" } do
      t.ok(body:find(line, 1, true), line .. "is missing in " .. body)
   end
   local reasons = 0
   for block in body:gmatch "(.-)\n\n" do
      local data = {}
      for line in (block .. "\n"):gmatch "data: ?([^\n]*)\n" do data[#data + 1] = line end
      data = table.concat(data, "\n")
      if data ~= "[DONE]" then
         local event, err = json.decode(data)
         t.equal(err, nil)
         if event.choices[1].finish_reason == "stop" then reasons = reasons + 1 end
      end
   end
   t.equal(reasons, 1)
end)

t.case("usage that the client asked for stays, byte for byte", function()
   local bytes = "data: " .. CHUNK .. '\n\nid: 7\ndata: {"choices":[{"finish_reason":"stop"}],\n'
      .. 'data: "usage":{"prompt_tokens":1}}\n\n'
   local body = passed_on(bytes .. "data: [DONE]\n\n", '{"model":"sim/mini","stream":true,'
      .. '"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}')
   t.equal(body, bytes .. "data: [DONE]\n\n")
end)

t.case("a stream of a request that a script made is stripped as well", function()
   local last = { choices = json.array {}, usage = { prompt_tokens = 1 } }
   t.stream { t.delta { content = "x" }, t.delta({}, "stop"), last }
   local req = { messages = { { role = "user", content = "x" } } }
   local stream = llm.stream("sim/mini", req, { stream = true })
   local answer, got = t.client()
   answer:start(200, "text/event-stream")
   t.equal(stream.call:forward(answer, true), true)
   t.ok(got().body:find '"content":"x"' and not got().body:find "usage", got().body)
   answer:finish()
end)
