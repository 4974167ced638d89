-- test_session: what a conversation has been given before; which requests belong together.
-- SPDX-License-Identifier: MIT
local t = require "test"
local json = require "json"
local kv = require "kv"
local llm = require "llm"
local provider = require "provider"
local session = require "session"
local task = require "task"

local function request(members, route)
   members.messages = json.array {}
   return provider.view(provider.request(json.encode(members)), nil, { route = route or {} })
end

local function of(id, opts)
   return session.of(request({}, { session = id }), opts)
end

t.case("id: header, user, metadata, in this order", function()
   t.equal(session.of(request({ user = "u", metadata = { user_id = "m" } }, { session = "h" })).id, "h")
   t.equal(session.of(request { user = "u", metadata = { user_id = "m" } }).id, "u")
   t.equal(session.of(request { metadata = { user_id = "m" } }).id, "m")
   t.equal(session.of(request { user = 7, metadata = "x" }).id, nil)
   t.equal(session.of(request { user = "" }).id, nil)
   t.equal(session.of(request({}, { session = ("x"):rep(513) })).id, nil)
   t.equal(session.of("a text").id, nil)
   local native = provider.request '{"metadata":{"user_id":"n"}}' -- a body in another format
   t.equal(session.of(provider.view('{"messages":[]}', native, {})).id, "n")
end)

t.case("remember, model, get, forget", function()
   local s = of "a"
   t.equal({ s:model(), s:get() }, { nil, {} })
   t.equal(s:remember { model = "sim/mini", turns = 1, topic = "law" }, true)
   t.equal(of("a"):model(), "sim/mini")
   t.equal(of("a"):get(), { turns = 1, topic = "law" })
   t.equal(s:remember { turns = 2, topic = json.null }, true)
   t.equal({ s:model(), s:get() }, { "sim/mini", { turns = 2 } })
   t.equal(of("b"):model(), nil)
   s:forget()
   t.equal({ s:model(), s:get() }, { nil, {} })
   s:forget()
end)

t.case("without a session nothing is kept, and nothing fails", function()
   local s = session.of(request {})
   local done, err = s:remember { model = "x" }
   t.equal({ done, err.code }, { nil, "not_found" })
   t.equal({ s:model(), s:get() }, { nil, {} })
   s:forget()
end)

t.case("it is forgotten after its time, which begins anew with each word", function()
   local s = of("c", { ttl = 10 })
   s:remember { model = "m/1" }
   task.sleep(8)
   s:remember { n = 1 }
   task.sleep(8)
   t.equal(s:model(), "m/1")
   task.sleep(3)
   t.equal(s:model(), nil)
end)

t.case("customers do not share sessions", function()
   local one = session.of(request({}, { session = "s", caller = 1 }))
   one:remember { model = "m/1" }
   t.equal(session.of(request({}, { session = "s", caller = 2 })):model(), nil)
   t.equal(session.of(request({}, { session = "s", caller = 1 })):model(), "m/1")
end)

t.case("wrong use raises, too much is an error", function()
   local s = of "d"
   t.raises(function() s:remember "x" end, "a table is needed")
   t.raises(function() s:remember { model = 7 } end, "model must be a name")
   t.raises(function() s:remember { "x" } end, "must have names")
   t.raises(function() session.of(request {}, { tll = 1 }) end, "unknown option 'tll'")
   t.raises(function() session.of(request {}, { ttl = 0 }) end, "ttl must be seconds")
   t.raises(function() s:stick({}, print) end, "at least one candidate")
   local done, err = s:remember { text = ("x"):rep(1100) }
   t.equal({ done, err.code }, { nil, "budget" })
end)

t.case("many ids take a fixed number of places: the oldest go", function()
   local places = {}
   for i = 1, 300 do
      local s = of("crowd" .. i)
      t.ok(s:remember { n = i })
      for way = 1, 4 do
         local key = ("session:%x:%d"):format((s.hash >> 1) % 8192, way)
         if kv.get(key) then places[key] = true end
      end
   end
   local count = 0
   for _ in pairs(places) do count = count + 1 end
   t.equal(count, 300) -- far fewer than there are places
   local first = of "crowd1"
   local full = ("session:%x:"):format((first.hash >> 1) % 8192)
   for way = 1, 4 do -- four others with the same hash
      kv.set(full .. way, { key = "0\nother" .. way, at = 100 + way, data = {} })
   end
   t.equal(first:model(), nil)
   first:remember { model = "m/1" }
   t.equal(first:model(), "m/1")
   t.equal(kv.get(full .. "1").key, "0\ncrowd1")
   t.equal(kv.get(full .. "2").key, "0\nother2")
end)

-- ---- stick ----

t.case("stick: the first that answers is kept", function()
   local s, asked = of "e", {}
   local function f(target)
      asked[#asked + 1] = target
      if target == "sim/mini" and #asked < 2 then return llm.fail("overloaded", "no") end
      return llm.reply { text = "x", name = target }
   end
   t.equal(s:stick({ "sim/mini", "sim/pro" }, f).name, "sim/pro")
   t.equal(asked, { "sim/mini", "sim/pro" })
   t.equal(s:model(), "sim/pro")
   t.equal(of("e"):stick({ "sim/mini", "sim/pro" }, f).name, "sim/pro")
   t.equal(#asked, 3)
   t.equal(of("e"):stick({ "sim/mini" }, f).name, "sim/mini") -- not a candidate any more
   t.equal(of("e"):model(), "sim/mini")
end)

t.case("stick: a selector means any model that fits; one that is not called now is passed over", function()
   local s, asked = of "f", {}
   s:remember { model = "sim/pro" }
   local function f(target)
      asked[#asked + 1] = target
      return llm.reply { text = "x", name = type(target) == "string" and target or "sim/mini" }
   end
   t.equal(s:stick({ { provider = "sim" } }, f).name, "sim/pro")
   t.force("sim/pro", "open")
   t.equal(s:stick({ { provider = "sim" } }, f).name, "sim/mini")
   t.force("sim/pro", "none")
   t.equal(asked, { "sim/pro", { provider = "sim" } })
end)

t.case("stick: when the session's model fails, the others are tried", function()
   local s, asked = of "g", {}
   s:remember { model = "sim/pro" }
   local reply = s:stick({ "sim/mini", "sim/pro" }, function(target)
      asked[#asked + 1] = target
      if target == "sim/pro" then return llm.fail("unavailable", "no") end
      return llm.reply { text = "x", name = target }
   end)
   t.equal({ reply.name, asked, s:model() }, { "sim/mini", { "sim/pro", "sim/mini" }, "sim/mini" })
end)

t.case("stick: an error that no model would cure ends it; all failing gives the last", function()
   local n = 0
   local _, err = of("h"):stick({ "sim/mini", "sim/pro" }, function()
      n = n + 1
      return llm.fail("bad_request", "no")
   end)
   t.equal({ n, err.code, of("h"):model() }, { 1, "bad_request", nil })
   _, err = of("h"):stick({ "sim/mini", "sim/pro" }, function(target)
      return llm.fail("overloaded", target)
   end)
   t.equal({ err.code, err.message }, { "overloaded", "sim/pro" })
end)

t.case("stick: without a session the candidates in their order", function()
   local reply = session.of(request {}):stick({ "sim/mini", "sim/pro" }, function(target)
      return llm.reply { text = "x", name = target }
   end)
   t.equal(reply.name, "sim/mini")
end)
