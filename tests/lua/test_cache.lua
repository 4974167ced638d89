-- test_cache: what a worker remembers, and one flight for each key.
-- SPDX-License-Identifier: MIT
local t = require "test"
local cache = require "cache"
local errors = require "errors"
local json = require "json"
local task = require "task"

-- A function that takes its time and counts its calls.
local function slow(seconds, value, err)
   local count = { calls = 0 }
   count.f = function()
      count.calls = count.calls + 1
      task.sleep(seconds)
      return value, err
   end
   return count
end

local function fetch(key, f, options, delay)
   return function()
      if delay then task.sleep(delay) end
      local value, err = cache.fetch(key, options, f)
      return { value = value, err = err }
   end
end

-- n tasks that want the same key at once.
local function together(n, key, f)
   local all = {}
   for i = 1, n do all[i] = fetch(key, f) end
   return task.all(all)
end

t.case("get, set, delete", function()
   t.equal(cache.get "a", nil)
   for _, value in ipairs { 1, 1.5, "x", false, json.null, json.array {}, { a = { 1, 2 } } } do
      t.equal(cache.set("a", value), true)
      t.equal(json.encode { cache.get "a" }, json.encode { value })
   end
   t.equal(cache.delete "a", true)
   t.equal(cache.delete "a", false)
   t.equal(cache.get "a", nil)
end)

t.case("ttl: an hour when nothing is said", function()
   cache.set("a", 1)
   cache.set("b", 2, { ttl = 5000 })
   cache.set("c", 3, { ttl = 0.5 })
   task.sleep(0.5)
   t.equal(cache.get "c", nil)
   task.sleep(3599)
   t.equal(cache.get "a", 1)
   task.sleep(0.5)
   t.equal(cache.get "a", nil)
   t.equal(cache.get "b", 2)
   cache.delete "b"
end)

t.case("wrong use", function()
   t.raises(function() cache.get "" end, "the key is empty")
   t.raises(function() cache.get(string.rep("k", 1025)) end, "longer than 1024 bytes")
   t.raises(function() cache.set("a", nil) end, "nil cannot be kept")
   t.raises(function() cache.set("a", print) end, "cannot be kept")
   t.raises(function() cache.set("a", 1, { persist = true }) end, "unknown option 'persist'")
   t.raises(function() cache.set("a", 1, { ttl = 2592001 }) end, "at most 2592000")
   t.raises(function() cache.fetch("a", {}) end, "function expected")
   t.raises(function() cache.fetch("a", print) end, "table expected")
   t.raises(function()
      table.sort({ 1, 2 }, function() return cache.fetch("a", nil, function() return true end) end)
   end, "cannot wait here")
   local value, err = cache.set("a", string.rep("x", 1 << 20))
   t.equal(value, nil)
   t.equal(err.code, "budget")
end)

t.case("what was used longest ago goes", function()
   local big = string.rep("x", 1000000)
   for i = 1, 40 do
      t.equal(cache.set("big" .. i, big), true)
      t.equal(cache.get "big1", big)
   end
   t.equal(cache.get "big2", nil)
   t.equal(cache.get "big1", big)
   local stats = cache.stats()
   t.ok(stats.bytes <= stats.max)
   t.ok(stats.evicted >= 20 and stats.entries >= 10)
   for i = 1, 40 do cache.delete("big" .. i) end
   t.equal(cache.stats().entries, 0)
   t.equal(cache.stats().bytes, 0)
end)

t.case("fetch: keeps what the function returns", function()
   local count = slow(1, { n = 1 })
   t.equal(cache.fetch("f", { ttl = 10 }, count.f), { n = 1 })
   t.equal(cache.fetch("f", { ttl = 10 }, count.f), { n = 1 })
   t.equal(count.calls, 1)
   task.sleep(10)
   t.equal(cache.fetch("f", nil, count.f), { n = 1 })
   t.equal(count.calls, 2)
   cache.delete "f"
   local no = slow(0, false)
   t.equal(cache.fetch("f", nil, no.f), false)
   t.equal(cache.fetch("f", nil, no.f), false)
   t.equal(no.calls, 1)
   cache.delete "f"
end)

t.case("fetch: one flight for all who come meanwhile, a copy for each", function()
   local count = slow(1, { list = { 1 } })
   local results = together(50, "f", count.f)
   t.equal(count.calls, 1)
   t.equal(#results, 50)
   results[1].value.list[1] = 2
   results[2].value.list[1] = 3
   t.equal(results[3].value, { list = { 1 } })
   t.equal(cache.get "f", { list = { 1 } })
   cache.delete "f"
   local other = slow(1, 5)
   task.all { fetch("f", count.f), fetch("g", other.f), fetch("f", count.f), fetch("g", other.f) }
   t.equal(count.calls + other.calls, 3)
   cache.delete "f"
   cache.delete "g"
end)

t.case("fetch: an expected failure goes to all and is not kept", function()
   local err = errors.new {
      code = "rate_limited", message = "later", retry_after = 3, cause = { code = "timeout" },
   }
   local count = slow(1, nil, err)
   for _, result in ipairs(together(3, "f", count.f)) do
      t.equal(result.value, nil)
      t.equal(result.err.code, "rate_limited")
      t.equal(result.err.retry_after, 3)
      t.equal(result.err.cause.code, "timeout")
      t.equal(tostring(result.err), "rate_limited: later")
   end
   t.equal(count.calls, 1)
   t.equal(cache.get "f", nil)
   for _, result in ipairs(together(3, "f", slow(1, nil, "why").f)) do t.equal(result.err, "why") end
   for _, result in ipairs(together(3, "f", slow(1).f)) do t.equal(result, {}) end
   for _, result in ipairs(together(3, "f", slow(1, nil, { code = "x", f = print }).f)) do
      t.ok(type(result.err) == "table")
   end
   t.equal(cache.get "f", nil)
end)

t.case("fetch: what is raised is raised where it ran and an error for the others", function()
   local results = task.all {
      function() return { pcall(cache.fetch, "f", nil, function() task.sleep(1) error("broken", 0) end) } end,
      fetch("f", print), fetch("f", print),
   }
   t.equal(results[1], { false, "broken" })
   for i = 2, 3 do
      t.equal(results[i].value, nil)
      t.equal(results[i].err.code, "internal")
      t.ok(results[i].err.message:find "broken")
   end
   t.raises(function() cache.fetch("f", nil, function() error({ code = "timeout" }) end) end, "table")
   t.equal(cache.fetch("f", nil, function() return 1 end), 1)
   cache.delete "f"
end)

t.case("fetch: what cannot be kept is raised where it ran", function()
   local results = task.all {
      function() return { pcall(cache.fetch, "f", nil, function() task.sleep(1) return print end) } end,
      fetch("f", print),
   }
   t.equal(results[1][1], false)
   t.ok(tostring(results[1][2]):find "cannot be kept")
   t.ok(results[2].err.message:find "cannot be kept")
   t.equal(cache.get "f", nil)
end)

t.case("fetch: a value that is too large is returned and not kept", function()
   local count = slow(1, string.rep("x", 1 << 20))
   local results = together(3, "f", count.f)
   for i = 1, 3 do t.equal(#results[i].value, 1 << 20) end
   t.equal(count.calls, 3)
   t.equal(cache.get "f", nil)
end)

t.case("fetch: when the one that runs is stopped, the next one takes over", function()
   local first, second, third = slow(10, "first"), slow(2, "second"), slow(1, "third")
   local results = task.all {
      function() return { task.within(1, function() return cache.fetch("f", nil, first.f) end) } end,
      fetch("f", second.f, nil, 0.1), fetch("f", third.f, nil, 0.2),
   }
   t.equal(results[1][2].code, "timeout")
   t.equal(results[2].value, "second")
   t.equal(results[3].value, "second")
   t.equal(first.calls + second.calls, 2)
   t.equal(third.calls, 0)
   cache.delete "f"
end)

t.case("fetch: one after the other is stopped", function()
   local count, calls = slow(10, "never"), {}
   for i = 1, 5 do
      calls[i] = function()
         task.sleep(i / 100)
         return { task.within(i, function() return cache.fetch("f", nil, count.f) end) }
      end
   end
   calls[6] = fetch("f", slow(1, "last").f, nil, 0.1)
   local results = task.all(calls)
   for i = 1, 5 do t.equal(results[i][2].code, "timeout") end
   t.equal(results[6].value, "last")
   t.equal(count.calls, 5)
   cache.delete "f"
end)

t.case("fetch: who waits may leave", function()
   local count = slow(5, "value")
   local results = task.all {
      fetch("f", count.f),
      function() return { task.within(1, function() return cache.fetch("f", nil, count.f) end) } end,
      fetch("f", count.f),
   }
   t.equal(results[1].value, "value")
   t.equal(results[2][2].code, "timeout")
   t.equal(results[3].value, "value")
   t.equal(count.calls, 1)
   cache.delete "f"
   local stopped = task.race { -- all at once
      fetch("f", count.f), fetch("f", count.f), function() task.sleep(1) return "out" end,
   }
   t.equal(stopped, "out")
   t.equal(cache.fetch("f", nil, function() return "after" end), "after")
   cache.delete "f"
end)

t.case("fetch: inside of another one nobody waits in a circle", function()
   local function both(a, b)
      return function()
         return cache.fetch(a, nil, function()
            task.sleep(1)
            return a .. cache.fetch(b, nil, function() task.sleep(1) return b end)
         end)
      end
   end
   local results = task.all { both("x", "y"), both("y", "x") }
   t.equal(results, { "xy", "yx" })
   cache.delete "x"
   cache.delete "y"
   t.equal(cache.fetch("x", nil, function() -- itself, and in a child
      return task.all { function() return cache.fetch("x", nil, function() return "inner" end) end }[1]
   end), "inner")
   cache.delete "x"
   local depth = 0
   local function deeper()
      depth = depth + 1
      task.sleep(0.1)
      return cache.fetch("x", nil, deeper)
   end
   t.raises(deeper, "nested more than 16 deep")
   t.ok(depth < 40, depth)
   t.equal(cache.get "x", nil)
end)

t.case("fetch: hits and misses are counted", function()
   local before = cache.stats()
   cache.fetch("s", nil, function() return 1 end)
   cache.fetch("s", nil, function() return 1 end)
   local after = cache.stats()
   t.equal(after.misses - before.misses, 1)
   t.equal(after.hits - before.hits, 1)
   cache.delete "s"
end)
