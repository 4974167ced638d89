-- test_verbs: task.spawn, first, quorum, hedge in virtual time: results, order, what is stopped and booked.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local errors = require "errors"
local kv = require "kv"
local llm = require "llm"
local task = require "task"
local trace = require "trace"

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

local function timed(f, ...)
   local begun = clock.monotonic()
   local a, b = f(...)
   return math.floor((clock.monotonic() - begun) * 1000 + 0.5) / 1000, a, b
end

-- ---- spawn, join, first ----

t.case("spawn: the caller goes on, join waits for the result", function()
   local order = {}
   local handle = task.spawn(function()
      order[#order + 1] = "child"
      task.sleep(2)
      return "value", "second"
   end)
   order[#order + 1] = "caller"
   t.equal(handle:done(), false)
   local seconds, value, err = timed(handle.join, handle)
   t.equal({ seconds, value, err }, { 2, "value", "second" })
   t.equal(table.concat(order, " "), "caller child")
   t.equal(handle:done(), true)
   t.equal({ handle:join() }, { "value", "second" })
   t.equal(handle:cancel(), false)
end)

t.case("spawn: nil and an error are a result", function()
   local value, err = task.spawn(after(1, nil, "why")):join()
   t.equal({ value == nil, err }, { true, "why" })
   value, err = task.spawn(function() end):join()
   t.equal({ value == nil, err == nil }, { true, true })
end)

t.case("spawn: children that ended while the caller did something else", function()
   local a, b = task.spawn(after(1, "a")), task.spawn(after(2, { 7 }))
   task.sleep(5)
   t.equal({ a:done(), b:done() }, { true, true })
   local seconds, value = timed(b.join, b)
   t.equal({ seconds, value, a:join() }, { 0, { 7 }, "a" })
end)

t.case("spawn: the end of a child does not end another wait of its parent", function()
   task.spawn(after(1, "x"))
   t.equal((timed(task.sleep, 3)), 3)
   task.spawn(after(1, "x"))
   t.equal((timed(task.all, { after(4, 1) })), 4)
   local first, second = task.spawn(after(1, "x")), task.spawn(after(3, "y"))
   local seconds, value = timed(second.join, second)
   t.equal({ seconds, value, first:join() }, { 3, "y", "x" })
end)

t.case("spawn: an error is raised by join, each time", function()
   local handle = task.spawn(raises_after(1, "broken"))
   t.raises(function() handle:join() end, "broken")
   t.raises(function() handle:join() end, "broken")
   local coded = task.spawn(function() error(errors.new { code = "no_candidate", message = "none" }) end)
   local ok, err = pcall(coded.join, coded)
   t.equal({ ok, err.code }, { false, "no_candidate" })
end)

t.case("spawn: cancel stops a child with everything it started", function()
   t.answer { { at = 9, head = 200 }, { done = true } }
   local closed = false
   local handle = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      return task.all { function() return llm.chat("sim/mini", "x") end }
   end)
   task.sleep(1)
   t.equal(handle:cancel(), true)
   t.equal({ closed, t.requests()[1].cancelled }, { true, true })
   local ok, err = pcall(handle.join, handle)
   t.equal({ ok, err.code }, { false, "cancelled" })
end)

t.case("spawn: children end before their parent", function()
   local ended = {}
   local function guarded(name)
      return function()
         local _ <close> = setmetatable({}, { __close = function() ended[#ended + 1] = name end })
         task.sleep(100)
      end
   end
   local seconds = timed(task.all, { function()
      task.spawn(function()
         task.spawn(guarded "grandchild")
         task.sleep(100)
      end)
      task.spawn(guarded "child")
      task.sleep(1)
      return true
   end })
   t.equal({ seconds, table.concat(ended, " ") }, { 1, "grandchild child" })
   ended = {}
   task.within(1, function()
      task.spawn(guarded "a")
      task.sleep(50)
   end)
   t.equal(ended, { "a" })
   ended = {}
   pcall(task.all, { function()
      task.spawn(guarded "b")
      task.sleep(1)
      error("broken", 0)
   end })
   t.equal(ended, { "b" })
end)

t.case("spawn: a handle that nobody keeps", function()
   local done = false
   task.spawn(function()
      task.sleep(2)
      done = true
      return {}
   end)
   t.collect()
   task.sleep(1)
   t.collect()
   task.sleep(2)
   t.equal(done, true)
   t.collect()
end)

t.case("spawn: a handle outlives the task that made it", function()
   local kept
   task.all { function()
      kept = { task.spawn(after(1, "in time")), task.spawn(after(9, "late")) }
      task.sleep(2)
      return true
   end }
   t.equal(kept[1]:join(), "in time")
   t.raises(function() kept[2]:join() end, "has ended")
end)

t.case("spawn: only the parent waits and stops", function()
   local handle = task.spawn(after(5, "x"))
   task.all { function()
      t.raises(function() handle:join() end, "only the task that spawned")
      t.raises(function() handle:cancel() end, "only the task that spawned")
      t.raises(function() task.first { handle } end, "only the task that spawned")
      return true
   end }
   t.equal(handle:join(), "x")
end)

t.case("spawn: wrong use", function()
   t.raises(function() task.spawn() end, "function expected")
   t.raises(function() task.spawn "f" end, "function expected")
   t.raises(function() task.first {} end, "no task to wait for")
   t.raises(function() task.first { 1 } end, "entry 1 of the list is no task")
   t.raises(function() task.first({ task.spawn(after(0, 1)) }, -1) end, "out of range")
   t.raises(function() task.spawn(after(1)).join() end, "task expected")
   local depth = 0
   local function deeper()
      depth = depth + 1
      return task.spawn(deeper):join()
   end
   t.raises(deeper, "nested more than 16 deep")
   t.equal(depth, 17)
   t.raises(function()
      for _ = 1, 257 do task.spawn(after(1)) end
   end, "more than 256 tasks")
end)

t.case("first: in the order of their ends", function()
   local handles = { task.spawn(after(3, "c")), task.spawn(after(1, "a")), task.spawn(after(2, "b")) }
   local got = {}
   while #handles > 0 do got[#got + 1] = table.remove(handles, (task.first(handles))):join() end
   t.equal(got, { "a", "b", "c" })
   handles = { task.spawn(after(3, "c")), task.spawn(after(1, "a")), task.spawn(after(2, "b")) }
   task.sleep(9)
   t.equal(task.first(handles), 2)
   local seconds, at = timed(task.first, { task.spawn(after(5, "x")) }, 2)
   t.equal({ seconds, at == nil }, { 2, true })
   seconds, at = timed(task.first, { task.spawn(after(5, "x")) }, 7)
   t.equal({ seconds, at }, { 5, 1 })
   t.equal((timed(task.sleep, 9)), 9) -- its timer is gone
end)

t.case("first: a list that changes meanwhile", function()
   local list = { task.spawn(after(3, "a")), task.spawn(after(5, "b")) }
   local a, b = list[1], list[2]
   task.spawn(function() list[1], list[2] = nil, "no task" end)
   t.equal(task.first(list, 60), 1)
   t.equal(a:join(), "a")
   list = { b }
   task.spawn(function()
      task.sleep(1)
      list[1] = task.spawn(after(1, "another's"))
      task.sleep(4)
   end)
   t.equal((timed(task.first, list, 60)), 2)
   t.equal((timed(task.sleep, 9)), 9) -- neither a timer nor a child of before ends it
end)

t.case("first: a list that is too long", function()
   local handle, list = task.spawn(after(1)), {}
   for i = 1, 1025 do list[i] = handle end
   t.raises(function() task.first(list) end, "more than 1024")
end)

t.case("tasks.deadline: a moment that no clock shows", function()
   local tasks = require "tasks"
   for _, at in ipairs { 0 / 0, math.huge, -math.huge, 1e300 } do
      t.raises(function() tasks.deadline(at) end, "no moment")
   end
   t.equal(tasks.left(), nil)
end)

-- ---- quorum ----

t.case("quorum: ends with the n-th result, the rest is stopped", function()
   local stopped = {}
   local function slow(name)
      return function()
         local _ <close> = setmetatable({}, { __close = function() stopped[#stopped + 1] = name end })
         task.sleep(50)
         return name
      end
   end
   local seconds, values, keys = timed(task.quorum, 2, {
      after(3, "third"), slow "four", quick = after(1, "first"), no = after(2, nil, "fails"), z = slow "z",
   })
   t.equal({ seconds, values, keys }, { 3, { "first", "third" }, { "quick", 1 } })
   t.equal(stopped, { "four", "z" })
end)

t.case("quorum: with a comparison, the n-th that agrees", function()
   local function same(a, b) return a.text == b.text end
   local function says(seconds, text) return after(seconds, { text = text }) end
   local seconds, values, keys = timed(task.quorum, 2,
      { says(1, "A"), says(2, "B"), says(3, "C"), says(4, "B"), says(9, "A") }, same)
   t.equal({ seconds, values, keys }, { 4, { { text = "B" }, { text = "B" } }, { 2, 4 } })
end)

t.case("quorum: ends as soon as it cannot be reached", function()
   local seconds, values, err = timed(task.quorum, 3,
      { after(1, nil, "one"), after(2, nil, "two"), after(9, "x"), after(9, "y") })
   t.equal({ seconds, values == nil, err }, { 2, true, "one" })
   local function same(a, b) return a == b end
   seconds, values, err = timed(task.quorum, 3,
      { after(1, "A"), after(2, "B"), after(3, "C"), after(9, "A") }, same)
   t.equal({ seconds, values == nil, err.code }, { 3, true, "invalid_output" })
   t.ok(err.message:find("3 results, 3 wanted, at most 1 agree", 1, true), err.message)
   seconds, values, err = timed(task.quorum, 2, { after(1, "A") })
   t.equal({ seconds, values == nil, err.code }, { 0, true, "invalid_output" })
end)

t.case("quorum: an error stops the others and is raised", function()
   local late = false
   local seconds, ok, err = timed(pcall, task.quorum, 2, { raises_after(1, "broken"), after(2, 1), function()
      task.sleep(3)
      late = true
      return 1
   end })
   t.equal({ seconds, ok }, { 1, false })
   t.ok(tostring(err):find("broken", 1, true))
   task.sleep(9)
   t.equal(late, false)
   local function odd() error("odd", 0) end
   t.raises(function() task.quorum(2, { after(1, 1), after(1, 1) }, odd) end, "odd")
end)

t.case("quorum: wrong use", function()
   t.raises(function() task.quorum(0, {}) end, "at least 1")
   t.raises(function() task.quorum(1.5, {}) end, "an integer")
   t.raises(function() task.quorum(1, after(1)) end, "a table of functions")
   t.raises(function() task.quorum(1, { after(1, 1) }, 5) end, "must be a function")
   t.raises(function() task.quorum(1, { "x" }) end, "entry 1 of the table is a string")
   local many = {}
   for i = 1, 257 do many[i] = after(0, i) end
   t.raises(function() task.quorum(1, many) end, "more than 256")
end)

t.case("quorum: the calls of those who lost are closed and booked", function()
   t.reply(200, t.completion "yes", nil, 1)
   t.reply(200, t.completion "yes", nil, 2)
   t.answer { { at = 9, head = 200 }, { done = true } }
   local question = ("word "):rep(800) -- 4,000 bytes
   local function ask(model) return function() return llm.chat(model, question) end end
   local values = task.quorum(2, { ask "sim/mini", ask "sim/mini", ask "sim/pro" },
      function(a, b) return a.text == b.text end)
   t.equal(#values, 2)
   t.equal(t.requests()[3].cancelled, true)
   local total = trace.total()
   t.equal({ total.attempts, total.stopped }, { 3, 1 })
   local body = #t.requests()[3].body
   local input = require("models").resolve("sim/pro").input
   t.ok(math.abs(total.stopped_usd - body // 4 * input / 1e6) < 1e-9, total.stopped_usd)
   t.ok(math.abs(total.cost_usd - 2 * values[1].cost - total.stopped_usd) < 1e-9)
   t.equal(total.input_tokens, 2000 + body // 4)
end)

t.case("a stream that is stopped books what it has said", function()
   t.stream({ t.delta { content = "a" }, t.delta { content = "b" }, t.delta { content = "c" } },
      { every = 1, open = true })
   local stream = llm.stream("sim/mini", "x", { stream = true })
   stream:next()
   task.sleep(1.5)
   stream:close()
   t.equal(t.requests()[1].cancelled, true)
   local total = trace.total()
   t.equal({ total.stopped, total.output_tokens }, { 1, 2 })
   t.equal({ stream:next() == nil, (select(2, stream:next())).code }, { true, "cancelled" })
   t.equal(trace.total().stopped, 1)
end)

-- ---- hedge ----

local full = { share = 1 }

t.case("hedge: only when the first takes long", function()
   local seconds, value, which = timed(task.hedge, 2, after(1, "f"), after(9, "g"), full)
   t.equal({ seconds, value, which }, { 1, "f", 1 })
   local value2, which2
   seconds = timed(function() value2, which2 = task.hedge(2, after(9, "f"), after(1, "g"), full) end)
   t.equal({ seconds, value2, which2 }, { 3, "g", 2 })
   value, which = task.hedge(2, after(3, "f"), after(5, "g"), full)
   t.equal({ value, which }, { "f", 1 })
   value, which = task.hedge(2, after(3, "f"), after(1, nil, "no"), full)
   t.equal({ value, which }, { "f", 1 })
   value, which = task.hedge(2, after(3, nil, "one"), after(5, "g"), full)
   t.equal({ value, which }, { "g", 2 })
   local none, err = task.hedge(2, after(3, nil, "one"), after(5, nil, "two"), full)
   t.equal({ none == nil, err }, { true, "one" })
end)

t.case("hedge: a first that fails early", function()
   local passing = errors.new { code = "unavailable", message = "gone" }
   local wrong = errors.new { code = "bad_request", message = "wrong" }
   local seconds, value, which = timed(task.hedge, 5, after(1, nil, passing), after(2, "g"), { share = 0 })
   t.equal({ seconds, value, which }, { 3, "g", 2 })
   seconds, value, which = timed(task.hedge, 5, after(1, nil, wrong), after(2, "g"), full)
   t.equal({ seconds, value == nil, which.code }, { 1, true, "bad_request" })
   seconds, value, which = timed(task.hedge, 5, after(1, nil, passing), after(2, nil, "two"), full)
   t.equal({ seconds, value == nil, which }, { 3, true, "two" })
   t.raises(function() task.hedge(5, raises_after(1, "broken"), after(1, 1), full) end, "broken")
   local late = false
   t.raises(function()
      task.hedge(1, raises_after(2, "broken"), function()
         task.sleep(5)
         late = true
      end, full)
   end, "broken")
   task.sleep(9)
   t.equal(late, false)
end)

t.case("hedge: no more than the share", function()
   local hedged = 0
   for _ = 1, 45 do
      local _, which = task.hedge(1, after(2, "f"), after(0.5, "g"), { budget = "test" })
      if which == 2 then hedged = hedged + 1 end
   end
   t.equal(hedged, 4)
   for _ = 1, 400 do task.hedge(1, after(0, "f"), after(0.5, "g"), { budget = "test" }) end
   hedged = 0
   for _ = 1, 30 do
      local _, which = task.hedge(1, after(2, "f"), after(0.5, "g"), { budget = "test" })
      if which == 2 then hedged = hedged + 1 end
   end
   t.equal(hedged, 12) -- ten saved up, and their shares since
   local _, which = task.hedge(1, after(2, "f"), after(0.5, "g"), { share = 0, budget = "none" })
   t.equal(which, 1)
   t.ok(math.abs(kv.get "baton/hedge/test") < 1)
end)

t.case("hedge: after a live quantile of a model", function()
   t.forget()
   local seconds = timed(task.hedge, "p95", after(7, "f"), after(1, "g"), { model = "sim/mini", share = 1 })
   t.equal(seconds, 7) -- nothing is known yet
   seconds = timed(task.hedge, "p95", after(7, "f"), after(1, "g"),
      { model = "sim/mini", share = 1, otherwise = 3 })
   t.equal(seconds, 4)
   for _ = 1, 20 do
      t.reply(200, t.completion "x", nil, 2)
      llm.chat("sim/mini", "x")
   end
   local p95 = require("models").health("sim/mini").latency.p95
   t.ok(p95 > 1.8 and p95 < 2.3, p95)
   seconds = timed(task.hedge, "p95", after(7, "f"), after(1, "g"), { model = "sim/mini", share = 1 })
   t.ok(math.abs(seconds - p95 - 1) < 0.002, seconds)
   seconds = timed(task.hedge, "p95", after(7, "f"), after(1, "g"),
      { model = "sim/mini", share = 1, of = "ttft" })
   t.equal(seconds, 7)
end)

t.case("hedge: the loser's call is closed", function()
   t.answer { { at = 9, head = 200 }, { done = true } }
   t.reply(200, t.completion "quick", nil, 0.5)
   local function ask(model) return function() return llm.chat(model, "x") end end
   local reply, which = task.hedge(1, ask "sim/mini", ask "sim/pro", full)
   t.equal({ reply.text, which }, { "quick", 2 })
   t.equal({ t.requests()[1].cancelled, t.requests()[2].at }, { true, 1 })
   t.equal({ trace.total().attempts, trace.total().stopped }, { 2, 1 })
end)

t.case("hedge: of two streams in one moment one is closed", function()
   for _, at in ipairs { 2, 1 } do
      t.answer { { at = at, head = 200, headers = "content-type: text/event-stream\r\n" },
         { data = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n' }, { at = 30, data = ": x\n\n" } }
   end
   local function ask(model) return function() return llm.stream(model, "x", { stream = true }) end end
   local stream, which = task.hedge(1, ask "sim/mini", ask "sim/pro", full)
   t.equal(which, 1)
   t.equal({ t.requests()[1].cancelled, t.requests()[2].cancelled }, { false, true })
   stream:close()
end)

t.case("hedge: wrong use", function()
   local f = after(0, 1)
   t.raises(function() task.hedge("soon", f, f) end, "'after' must be")
   t.raises(function() task.hedge(-1, f, f) end, "'after' must be")
   t.raises(function() task.hedge("p95", f, f) end, "option 'model' is missing")
   t.raises(function() task.hedge(1, f) end, "two functions")
   t.raises(function() task.hedge(1, f, f, 5) end, "must be a table")
   t.raises(function() task.hedge(1, f, f, { shar = 1 }) end, "unknown option 'shar'")
   t.raises(function() task.hedge(1, f, f, { share = 2 }) end, "a number from 0 to 1")
   t.raises(function() task.hedge(1, f, f, { budget = "" }) end, "a name")
   t.raises(function() task.hedge(1, f, f, { of = "p95" }) end, "\"ttft\" or \"latency\"")
end)
