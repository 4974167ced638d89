-- test_task: work side by side in virtual time: results, order, cancelling, errors, limits.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local llm = require "llm"
local task = require "task"

local function after(seconds, value, err)
   return function()
      task.sleep(seconds)
      return value, err
   end
end

local function raises_after(seconds, what)
   return function()
      task.sleep(seconds)
      error(what, 0)
   end
end

-- Runs f and returns how much virtual time passed, and its results.
local function timed(f, ...)
   local begun = clock.monotonic()
   local a, b = f(...)
   local seconds = clock.monotonic() - begun
   return math.floor(seconds * 1000 + 0.5) / 1000, a, b
end

t.case("sleep", function()
   local seconds, result = timed(task.sleep, 1.5)
   t.equal(seconds, 1.5)
   t.equal(result, true)
   t.equal((timed(task.sleep, 0)), 0)
   t.equal((timed(task.sleep, 86400)), 86400)
   for _, wrong in ipairs { -1, 86401, 0 / 0, math.huge, -math.huge } do
      t.raises(function() task.sleep(wrong) end, "out of range")
   end
   t.raises(function() task.sleep("soon") end, "number expected")
   t.raises(function() task.sleep() end, "number expected")
end)

t.case("all: results and errors keep their keys", function()
   local seconds, results, errors = timed(task.all, {
      after(3, "first"), after(1, nil, "why"), after(2, false), named = after(1, { 7 }),
      nothing = after(1),
   })
   t.equal(seconds, 3)
   t.equal(results, { "first", [3] = false, named = { 7 } })
   t.equal(errors, { [2] = "why" })
end)

t.case("all: nothing to do", function()
   local results, errors = task.all {}
   t.equal(results, {})
   t.equal(errors, {})
end)

t.case("all: children start in the order of their keys", function()
   local order = {}
   local function note(name)
      return function()
         order[#order + 1] = name
         task.sleep(1)
         order[#order + 1] = name .. "'"
         return true
      end
   end
   task.all { b = note "b", note "1", a = note "a", note "2", [-1] = note "-1" }
   t.equal(table.concat(order, " "), "-1 1 2 a b -1' 1' 2' a' b'")
end)

t.case("all: children that never wait", function()
   local results = task.all { function() return 1 end, function() return 2 end }
   t.equal(results, { 1, 2 })
end)

t.case("all: an error stops the others and is raised in the caller", function()
   local done = false
   local seconds, ok, err = timed(pcall, task.all, {
      raises_after(1, "broken"), function()
         task.sleep(2)
         done = true
      end,
   })
   t.equal(seconds, 1)
   t.equal(ok, false)
   t.equal(err.code, "internal")
   t.ok(tostring(err):find("broken", 1, true))
   task.sleep(5)
   t.equal(done, false)
end)

t.case("all: an error before the others were started", function()
   local ok, err = pcall(task.all, { function() error("at once", 0) end, after(1, "x") })
   t.equal(ok, false)
   t.ok(tostring(err):find("at once", 1, true))
end)

t.case("all: a raised err table keeps its code", function()
   local errors = require "errors"
   local _, err = pcall(task.all, {
      function() error(errors.new { code = "no_candidate", message = "none" }) end,
   })
   t.equal(err.code, "no_candidate")
   t.equal(err.message, "none")
   t.equal(err.retryable, false)
end)

t.case("all: what is no function", function()
   t.raises(function() task.all { 1 } end, "not a function")
   t.raises(function() task.all { after(1, 1), "x" } end, "entry 2 of the table is a string")
   t.raises(function() task.all(after(1, 1)) end, "table expected")
   t.raises(function() task.all() end, "table expected")
   local many = {}
   for i = 1, 257 do many[i] = after(0, i) end
   t.raises(function() task.all(many) end, "more than 256")
   many[257] = nil
   local results = task.all(many)
   t.equal(#results, 256)
   t.equal(results[256], 256)
end)

t.case("race: the first result wins", function()
   local seconds, value, key = timed(task.race, { after(3, "slow"), fast = after(1, "quick") })
   t.equal(seconds, 1)
   t.equal(value, "quick")
   t.equal(key, "fast")
   seconds, value, key = timed(task.race, { after(1, nil, "no"), after(2, false), after(3, "x") })
   t.equal(seconds, 2)
   t.equal(value, false)
   t.equal(key, 2)
end)

t.case("race: of two at one time the first in the list", function()
   local value, key = task.race { after(1, "a"), after(1, "b") }
   t.equal(value, "a")
   t.equal(key, 1)
   value, key = task.race { b = function() return "b" end, a = function() return "a" end }
   t.equal(value, "a")
   t.equal(key, "a")
end)

t.case("race: all fail", function()
   local seconds, value, err = timed(task.race, { after(3, nil, "three"), after(1, nil, "one") })
   t.equal(seconds, 3)
   t.equal(value, nil)
   t.equal(err, "three")
   value, err = task.race { after(1) }
   t.equal(value, nil)
   t.equal(err, nil)
   t.raises(function() task.race {} end, "no function")
end)

t.case("race: an error beats waiting, a result beats an error", function()
   local ok, err = pcall(task.race, { raises_after(1, "broken"), after(2, "late") })
   t.equal(ok, false)
   t.ok(tostring(err):find("broken", 1, true))
   t.equal((task.race { raises_after(2, "broken"), after(1, "early") }), "early")
end)

t.case("race: losers' calls are cancelled", function()
   t.answer { { at = 9, head = 200 }, { done = true } }
   t.answer { { at = 1, head = 200, headers = "content-type: application/json\r\n" },
      { data = [[{"choices":[{"message":{"content":"quick"},"finish_reason":"stop"}]}]] },
      { done = true } }
   local reply, key = task.race {
      slow = function() return llm.chat("sim/pro", "x") end,
      tiny = function() return llm.chat("sim/mini", "x") end,
   }
   t.equal(key, "tiny")
   t.equal(reply.text, "quick")
   local requests = t.requests()
   t.equal(#requests, 2)
   t.equal(requests[1].cancelled, true)
   t.equal(requests[1].ended, false)
   t.equal(requests[2].cancelled, false)
   t.equal(require("trace").total().attempts, 2)
end)

t.case("within", function()
   local seconds, value, err = timed(task.within, 2, after(1, "in time"))
   t.equal(seconds, 1)
   t.equal(value, "in time")
   t.equal(err, nil)
   seconds, value, err = timed(task.within, 2, after(3, "late"))
   t.equal(seconds, 2)
   t.equal(value, nil)
   t.equal(err.code, "timeout")
   t.equal(err.retryable, true)
   t.ok(err.message:find("2 seconds", 1, true))
   value, err = task.within(2, after(1, nil, "an error"))
   t.equal(value, nil)
   t.equal(err, "an error")
   value, err = task.within(2, after(1))
   t.equal(value, nil)
   t.equal(err, nil)
   t.equal((task.within(1, function() return false end)), false)
   t.raises(function() task.within(1, raises_after(0.5, "broken")) end, "broken")
   t.raises(function() task.within(-1, after(1)) end, "out of range")
   t.raises(function() task.within(1) end, "function expected")
   task.sleep(5)
end)

t.case("within: no time at all", function()
   local value, err = task.within(0, after(1, "x"))
   t.equal(value, nil)
   t.equal(err.code, "timeout")
   t.equal((task.within(0, function() return "at once" end)), "at once")
end)

t.case("within stops everything f has started", function()
   t.answer { { at = 9, head = 200 }, { done = true } }
   local value, err = task.within(1, function()
      return task.all { function() return llm.chat("sim/mini", "x") end, after(5, 1) }
   end)
   t.equal(value, nil)
   t.equal(err.code, "timeout")
   t.equal(t.requests()[1].cancelled, true)
end)

t.case("within inside within: the nearer one counts", function()
   local seconds, value, err = timed(task.within, 5, function()
      local inner, why = task.within(1, after(9, "x"))
      return nil, inner == nil and "inner " .. why.code
   end)
   t.equal(seconds, 1)
   t.equal(value, nil)
   t.equal(err, "inner timeout")
   seconds, value, err = timed(task.within, 1, function() return task.within(5, after(9, "x")) end)
   t.equal(seconds, 1)
   t.equal(value, nil)
   t.equal(err.code, "timeout")
end)

t.case("nesting", function()
   local results = task.all {
      function() return task.all { after(1, "a"), after(2, "b") } end,
      function() return task.race { after(3, "c"), after(4, "d") } end,
   }
   t.equal(results, { { "a", "b" }, "c" })
   local depth = 0
   local function deeper()
      depth = depth + 1
      return task.all { deeper }
   end
   t.raises(deeper, "nested more than 16 deep")
   t.equal(depth, 17)
   depth = 0
   local function within()
      depth = depth + 1
      return task.within(1, within)
   end
   t.raises(within, "nested more than 16 deep")
end)

t.case("errors go up through every level", function()
   local seconds, ok, err = timed(pcall, task.all, {
      function() return task.all { raises_after(1, "deep down"), after(2, 1) } end, after(3, 1),
   })
   t.equal(seconds, 1)
   t.equal(ok, false)
   t.ok(tostring(err):find("deep down", 1, true))
end)

t.case("an error of one part can be caught in that part", function()
   local results = task.all {
      function() return (pcall(raises_after(1, "x"))) end,
      function() return select(2, xpcall(raises_after(1, "x"), function(e) return e .. "!" end)) end,
   }
   t.equal(results, { false, "x!" })
end)

t.case("waiting across pcall and xpcall", function()
   t.equal({ pcall(after(1, "a", "b")) }, { true, "a", "b" })
   t.equal({ pcall(pcall, after(1, "a")) }, { true, true, "a" })
   t.equal({ pcall(raises_after(1, "x")) }, { false, "x" })
   t.equal({ xpcall(after(1, "a"), error) }, { true, "a" })
   local ok, value = xpcall(raises_after(1, "x"), function(e)
      task.sleep(1) -- a handler may wait, too
      return e .. " handled"
   end)
   t.equal(ok, false)
   t.equal(value, "x handled")
   t.raises(function() xpcall(raises_after(1, "x"), function() error("in the handler", 0) end) end,
      "in the handler")
   t.equal({ xpcall(function(...) return select("#", ...) end, error, nil, nil) }, { true, 2 })
   local seconds = timed(function()
      for _ = 1, 3 do pcall(pcall, raises_after(1, "x")) end
   end)
   t.equal(seconds, 3)
end)

t.case("no waiting inside C functions", function()
   t.raises(function() table.sort({ 2, 1 }, function() return task.sleep(1) end) end, "cannot wait here")
   t.raises(function() return ("x"):gsub("x", function() task.sleep(1) end) end, "cannot wait here")
   t.raises(function() table.sort({ 2, 1 }, function() return task.all { after(1, 1) } end) end,
      "cannot wait here")
   t.raises(function() table.sort({ 2, 1 }, function() return task.within(1, after(1, 1)) end) end,
      "cannot wait here")
   t.raises(function() table.sort({ 2, 1 }, function() return llm.chat("sim/mini", "x") end) end,
      "cannot")
end)

t.case("waiting inside metamethods and iterators", function()
   local object = setmetatable({}, {
      __index = function(_, key)
         task.sleep(1)
         return key
      end,
      __close = function() task.sleep(1) end,
   })
   local seconds, value = timed(function() return object.name end)
   t.equal(seconds, 1)
   t.equal(value, "name")
   seconds = timed(function()
      local guarded <close> = object
      return guarded.x
   end)
   t.equal(seconds, 2)
   local n = 0
   for i in function()
      task.sleep(1)
      n = n + 1
      if n < 4 then return n end
   end do t.equal(i, n) end
end)

t.case("to-be-closed values of a stopped child are closed", function()
   local closed = {}
   local function guarded(name)
      return function()
         local _ <close> = setmetatable({}, { __close = function() closed[#closed + 1] = name end })
         task.sleep(5)
      end
   end
   task.race { guarded "a", guarded "b", after(1, "x") }
   t.equal(table.concat(closed, " "), "a b")
   task.within(1, guarded "c")
   t.equal(table.concat(closed, " "), "a b c")
end)

t.case("a thousand children, one after the other and side by side", function()
   local total = 0
   for i = 1, 8 do
      local parts = {}
      for k = 1, 125 do parts[k] = after(k % 7, k) end
      for _, value in ipairs(task.all(parts)) do total = total + value end
      t.equal(total, 7875 * i)
   end
end)

t.case("results are values, whatever they are", function()
   local shared = {}
   local results = task.all { function() return shared end, function() return print end,
      function() return 1, 2, 3 end }
   t.ok(results[1] == shared)
   t.ok(results[2] == print)
   t.equal(results[3], 1)
end)

t.case("a stream from a child belongs to its parent", function()
   t.stream({ t.delta { content = "a" }, t.delta { content = "b" }, t.delta({}, "stop") },
      { every = 1 })
   local stream = task.within(2, function() return llm.stream("sim/mini", "x", { stream = true }) end)
   t.ok(llm.is_stream(stream))
   task.sleep(5)
   local reply = stream:reply()
   t.equal(reply.text, "ab")
   t.equal(t.requests()[1].ended, true)
end)

t.case("a stream that nobody takes is cancelled when its task fails", function()
   t.stream({ t.delta { content = "a" }, t.delta { content = "b" } }, { every = 1 })
   pcall(task.all, { function()
      llm.stream("sim/mini", "x", { stream = true })
      error "changed its mind"
   end })
   t.equal(t.requests()[1].cancelled, true)
end)

t.case("map: in order, at most so many at a time, results by place", function()
   local running, most, order = 0, 0, {}
   local seconds, results, errors = timed(task.map, { 3, 1, 2, 1, 0 }, 2, function(n, at)
      order[at] = n
      running = running + 1
      most = math.max(most, running)
      task.sleep(n)
      running = running - 1
      if n == 2 then return nil, "why" end
      return n > 0 and n * 10
   end)
   t.equal({ most, seconds }, { 2, 4 })
   t.equal(order, { 3, 1, 2, 1, 0 })
   t.equal(results, { 30, 10, [4] = 10, [5] = false })
   t.equal(errors, { [3] = "why" })
end)

t.case("map: a longer list than there may be children, and an empty one", function()
   local list = {}
   for i = 1, 1000 do list[i] = i end
   local seconds, results = timed(task.map, list, 256, function(n) return task.sleep(1) and n end)
   t.equal(seconds, 4)
   t.equal(results, list)
   t.equal({ task.map({}, 3, error) }, { {}, {} })
end)

t.case("map: an error stops the others", function()
   local begun = 0
   local seconds = timed(function()
      t.raises(function()
         task.map({ 1, 2, 3, 4 }, 2, function(n)
            begun = begun + 1
            task.sleep(n)
            error("no more", 0)
         end)
      end, "no more")
   end)
   t.equal({ begun, seconds }, { 2, 1 })
end)

t.case("map: wrong use raises", function()
   t.raises(function() task.map("abc", 1, print) end, "a list is needed")
   t.raises(function() task.map({ 1 }, 0, print) end, "limit must be an integer, 1 to 256")
   t.raises(function() task.map({ 1 }, 257, print) end, "limit must be an integer, 1 to 256")
   t.raises(function() task.map({ 1 }, 1.5, print) end, "limit must be an integer, 1 to 256")
   t.raises(function() task.map({ 1 }, 1) end, "a function is needed")
end)
