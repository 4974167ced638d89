-- test_kv: values that outlive a request: types, steps, ends, room, wrong use.
-- SPDX-License-Identifier: MIT
local t = require "test"
local json = require "json"
local kv = require "kv"
local task = require "task"

local ROOM = 16 << 20 -- bytes, when the configuration says nothing else

t.case("values come back as they were", function()
   for i, value in ipairs {
      1, 1.0, -0.0, 2 ^ 53 + 1, math.maxinteger, math.mininteger, 0.1, 1e300, "", "text\0with \u{e9}",
      true, false, json.null, json.array {}, {}, { 1, 2, { a = { b = json.null } } },
      json.number "123456789012345678901234567890",
   } do
      local key = "values:" .. i
      t.equal(kv.set(key, value), true)
      local back = kv.get(key)
      t.equal(json.encode { back }, json.encode { value })
      t.equal(math.type(back), math.type(value))
      t.equal(kv.delete(key), true)
      t.equal(kv.get(key), nil)
   end
   t.equal(kv.delete "values:none", false)
end)

t.case("a value is a copy", function()
   local mine = { list = { 1 } }
   kv.set("copy", mine)
   mine.list[1] = 2
   local first = kv.get "copy"
   first.list[1] = 3
   t.equal(kv.get "copy", { list = { 1 } })
   kv.delete "copy"
end)

t.case("keys may hold any bytes, up to 256", function()
   local long = string.rep("k", 256)
   for _, key in ipairs { long, "\0", "\0\0", "\xff", " ", "a.b/c:d" } do
      kv.set(key, key == "\xff" and "ff" or key)
   end
   t.equal(kv.get(long), long)
   t.equal(kv.get "\0", "\0")
   t.equal(kv.get "\0\0", "\0\0")
   t.equal(kv.get "\xff", "ff")
   for _, key in ipairs { long, "\0", "\0\0", "\xff", " ", "a.b/c:d" } do t.equal(kv.delete(key), true) end
   local function set(k) kv.set(k, 1) end
   local function cas(k) kv.cas(k, 1, 1) end
   for _, f in ipairs { kv.get, kv.delete, kv.incr, set, cas } do
      t.raises(function() f(long .. "k") end, "longer than 256 bytes")
      t.raises(function() f "" end, "the key is empty")
      t.raises(function() f(7) end, "string expected, got number")
      t.raises(function() f() end, "string expected")
   end
end)

t.case("ttl", function()
   kv.set("ttl", 1, { ttl = 10 })
   task.sleep(9.9)
   t.equal(kv.get "ttl", 1)
   task.sleep(0.1)
   t.equal(kv.get "ttl", nil)
   kv.set("ttl", 1, { ttl = 10 })
   kv.set("ttl", 2)
   task.sleep(10)
   t.equal(kv.get "ttl", 2)
   kv.delete "ttl"
end)

t.case("incr", function()
   t.equal(kv.incr "n", 1)
   t.equal(kv.incr "n", 2)
   t.equal(kv.incr("n", 40), 42)
   t.equal(kv.incr("n", -43), -1)
   t.equal(kv.get "n", -1)
   t.equal(math.type(kv.get "n"), "integer")
   t.equal(kv.incr("n", 0.5), -0.5)
   t.equal(math.type(kv.incr("n", 1)), "float")
   kv.set("n", math.maxinteger)
   local sum, err = kv.incr "n"
   t.equal(sum, nil)
   t.equal(err.code, "bad_request")
   t.equal(kv.get "n", math.maxinteger)
   for _, value in ipairs { "1", true, { 1 }, json.null } do
      kv.set("n", value)
      t.equal(select(2, kv.incr "n").code, "bad_request")
   end
   kv.delete "n"
   t.raises(function() kv.incr("n", "1") end, "number expected, got string")
   t.raises(function() kv.incr("n", 0 / 0) end, "not finite")
   t.raises(function() kv.incr("n", math.huge) end, "not finite")
   t.equal(kv.get "n", nil)
end)

t.case("incr: ttl is a window from the first call", function()
   kv.incr("window", 1, { ttl = 10 })
   task.sleep(6)
   t.equal(kv.incr("window", 1, { ttl = 10 }), 2)
   task.sleep(4)
   t.equal(kv.incr("window", 1, { ttl = 10 }), 1)
   kv.delete "window"
end)

t.case("cas", function()
   t.equal(kv.cas("c", 1, 2), false)
   t.equal(kv.cas("c", nil, { a = 1, b = { 2 } }), true)
   t.equal(kv.cas("c", nil, 1), false)
   t.equal(kv.cas("c", { b = { 2 }, a = 1.0 }, 1), false)
   t.equal(kv.cas("c", { b = { 2 } }, 1), false)
   t.equal(kv.cas("c", { b = { 2 }, a = 1 }, 1), true)
   t.equal(kv.cas("c", 1.0, 2), false)
   t.equal(kv.cas("c", 1, 1.0), true)
   t.equal(kv.cas("c", 1.0, nil), true)
   t.equal(kv.get "c", nil)
   t.equal(kv.cas("c", nil, nil), true)
   kv.set("c", json.decode '{"z":1,"a":[2]}') -- keeps the order of its members
   t.equal(kv.cas("c", { a = { 2 }, z = 1 }, false), true)
   t.equal(kv.cas("c", false, 5, { ttl = 1 }), true)
   task.sleep(1)
   t.equal(kv.get "c", nil)
   t.raises(function() kv.cas("c", 1) end, "new value is missing")
end)

t.case("values that JSON cannot hold are refused", function()
   t.raises(function() kv.set("bad", print) end, "cannot be kept")
   t.raises(function() kv.set("bad", { x = { 0 / 0 } }) end, "cannot be kept: .*x")
   t.raises(function() kv.set("bad", "\xff") end, "cannot be kept")
   t.raises(function() kv.set("bad", nil) end, "nil cannot be kept")
   t.raises(function() kv.cas("bad", nil, print) end, "cannot be kept")
   local loop = {}
   loop.loop = loop
   t.raises(function() kv.set("bad", loop) end, "cannot be kept")
   t.equal(kv.get "bad", nil)
end)

t.case("options", function()
   for _, ttl in ipairs { 0, -1, 0 / 0, math.huge, 315360001, "1", true } do
      t.raises(function() kv.set("o", 1, { ttl = ttl }) end, "ttl must be a number of seconds")
   end
   t.raises(function() kv.set("o", 1, { tll = 1 }) end, "unknown option 'tll'")
   t.raises(function() kv.set("o", 1, { 1 }) end, "unknown option")
   t.raises(function() kv.set("o", 1, { persist = 1 }) end, "persist must be true or false")
   t.raises(function() kv.set("o", 1, 60) end, "table expected, got number")
   t.equal(kv.get "o", nil)
   t.equal(kv.set("o", 1, require "readonly" { ttl = 5 }), true)
   task.sleep(5)
   t.equal(kv.get "o", nil)
end)

t.case("room has an end, and what is there stays", function()
   local _, err = kv.set("large", string.rep("x", 65535))
   t.equal(err.code, "budget")
   t.equal(kv.set("large", string.rep("x", 65534)), true)
   t.equal(#kv.get "large", 65534)
   -- Keys fall into shards by chance. With twice as many as fit each shard is full: how many do is no chance.
   local tail = string.rep("x", 65000)
   local kept, refused = {}, {}
   local codes, wrong = {}, {}
   for n = 1, 500 do
      local done, failed = kv.set("fill:" .. n, n .. tail, { ttl = 60 })
      table.insert(done and kept or refused, n)
      if not done then codes[failed.code] = true end
   end
   t.equal(codes, { budget = true })
   local share = #kept * #tail / ROOM
   t.ok(share > 0.9 and share < 1, ("%d values, %.3f of the room"):format(#kept, share))
   for _, n in ipairs(refused) do wrong[#wrong + 1] = kv.get("fill:" .. n) and n end
   for _, n in ipairs(kept) do wrong[#wrong + 1] = kv.get("fill:" .. n) ~= n .. tail and n or nil end
   t.equal(wrong, {})
   local first = "fill:" .. kept[1]
   t.equal(kv.set(first, string.rep("y", 65000), { ttl = 60 }), true)
   t.equal(#kv.get "large", 65534)
   task.sleep(60)
   t.equal(kv.set("fill:" .. refused[1], tail, { ttl = 60 }), true)
   task.sleep(60)
   t.equal(kv.get(first), nil)
   kv.delete "large"
end)
