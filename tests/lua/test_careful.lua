-- test_careful: calls with fallbacks, deadlines, limits of rate and price, and a budget of retries.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local llm = require "llm"
local models = require "models"
local provider = require "provider"
local task = require "task"
local trace = require "trace"

local function failing(status, fields, headers)
   t.reply(status, { error = fields or { message = "no" } }, headers)
end

local function hanging(at)
   t.answer { { at = at or 9999, head = 200 }, { done = true } }
end

-- Runs f and returns how much virtual time passed, and its results.
local function timed(f, ...)
   local begun = clock.monotonic()
   local a, b = f(...)
   return math.floor((clock.monotonic() - begun) * 1000 + 0.5) / 1000, a, b
end

-- ---- fallback ----

t.case("fallback: the targets in their order, until one answers", function()
   failing(500)
   failing(503)
   t.reply(200, t.completion "third")
   local reply = llm.chat("sim/mini", "x", { fallback = { "sim/pro", "sim/large" } })
   t.equal({ reply.text, reply.name }, { "third", "sim/large" })
   t.equal({ t.sent(1).model, t.sent(2).model, t.sent(3).model }, { "mini", "pro", "large" })
   t.equal(trace.total().attempts, 3)
end)

t.case("fallback: of several errors that of the first model is told", function()
   failing(429, { message = "slow down" }, "retry-after: 40\r\n")
   failing(500)
   local reply, err = llm.chat("sim/mini", "x", { fallback = { "sim/pro" } })
   t.equal({ reply == nil, err.code, err.model, err.retry_after }, { true, "rate_limited", "mini", 40 })
end)

t.case("fallback: retries come first, of each", function()
   for _ = 1, 3 do failing(500) end
   t.reply(200, t.completion "fine")
   local reply = llm.chat("sim/mini", "x", { fallback = { "sim/pro" }, retries = 1 })
   t.equal(reply.name, "sim/pro")
   t.equal(#t.requests(), 4)
end)

t.case("fallback: what is wrong with the request is not routed around", function()
   failing(400, { message = "wrong" })
   local _, err = llm.chat("sim/mini", "x", { fallback = { "sim/pro" } })
   t.equal({ err.code, #t.requests() }, { "bad_request", 1 })
   failing(400, { message = "filtered", code = "content_filter" })
   _, err = llm.chat("sim/mini", "x", { fallback = { "sim/pro" } })
   t.equal({ err.code, #t.requests() }, { "content_filter", 2 })
   failing(400, { message = "filtered", code = "content_filter" })
   t.reply(200, t.completion "fine")
   local reply = llm.chat("sim/mini", "x", { fallback = { "sim/pro" }, fallback_on = { "content_filter" } })
   t.equal(reply.text, "fine")
end)

local function cut_by_filter(text)
   local body = t.completion(text)
   body.choices[1].finish_reason = "content_filter"
   t.reply(200, body)
end

t.case("fallback_on: an answer that a filter has cut, whole or held back", function()
   local opts = { fallback = { "sim/pro" }, fallback_on = { "content_filter" } }
   cut_by_filter "half of it"
   t.reply(200, t.completion "fine")
   t.equal(llm.chat("sim/mini", "x", opts).text, "fine")
   cut_by_filter "half of it"
   t.equal(llm.chat("sim/mini", "x", { fallback = { "sim/pro" } }).finish_reason, "content_filter")
   cut_by_filter "half of it"
   cut_by_filter "other half"
   t.equal(llm.chat("sim/mini", "x", opts).text, "other half") -- the last one's is passed on
   local filtered = { t.delta { content = "half" }, t.delta({}, "content_filter") }
   t.stream(filtered)
   t.stream { t.delta { content = "fine" }, t.delta({}, "stop") }
   opts.stream, opts.hold = true, { tokens = 50 }
   t.equal(llm.stream("sim/mini", "x", opts):reply().text, "fine")
   opts.hold = nil
   t.stream(filtered)
   local n = #t.requests()
   t.equal(llm.stream("sim/mini", "x", opts):reply().finish_reason, "content_filter")
   t.equal(#t.requests(), n + 1)
end)

t.case("what a provider said stands in no note: it may quote the prompt", function()
   t.follow()
   failing(500, { message = "cannot digest 'my secret'" })
   t.reply(200, t.completion "fine")
   llm.chat("sim/mini", "my secret", { fallback = { "sim/pro" } })
   local record = require("trace").record()
   t.equal(record.notes[1].note, { failed = { model = "sim/mini", code = "unavailable" } })
   t.equal(require("json").encode(record):find("secret", 1, true), nil)
end)

t.case("fallback: a prompt that is too long goes to a larger model only", function()
   failing(400, { message = "too long", code = "context_length_exceeded" })
   t.reply(200, t.completion "fits")
   local small = { name = "sim/small", provider = "sim", model = "small", context = 1000 }
   local large = { name = "sim/large", provider = "sim", model = "large", context = 9000 }
   local reply = llm.chat(small, "x", { fallback = { small, large }, retries = 3 })
   t.equal({ reply.name, #t.requests() }, { "sim/large", 2 })
   failing(400, { message = "too long", code = "context_length_exceeded" })
   local _, err = llm.chat(large, "x", { fallback = { small } })
   t.equal({ err.code, #t.requests() }, { "context_length", 3 })
end)

t.case("fallback: models that are not there, or not to be called now", function()
   t.reply(200, t.completion "fine")
   t.equal(llm.chat("nowhere", "x", { fallback = { "sim/mini" } }).text, "fine")
   t.force("sim/mini", "open")
   t.reply(200, t.completion "fine")
   local reply = llm.chat("sim/mini", "x", { fallback = { { tier = "none" }, "sim/pro" }, retries = 2 })
   t.equal({ reply.name, #t.requests() }, { "sim/pro", 2 })
   t.force("sim/mini", "none")
end)

t.case("fallback: a stream that fails before its first content", function()
   t.answer { { head = 200, headers = "content-type: text/event-stream\r\n" }, { data = ": hello\n\n" },
      { at = 1, fail = "unavailable" } }
   t.stream { t.delta { content = "fine" }, t.delta({}, "stop") }
   local req = provider.request '{"model":"auto","stream":true,"messages":[{"role":"user","content":"x"}]}'
   local stream = llm.stream("sim/mini", req, { fallback = { "sim/pro" } })
   t.ok(llm.is_stream(stream) and stream.call) -- it flows through C
   t.equal({ stream.name, stream:reply().text }, { "sim/pro", "fine" })
end)

-- ---- time ----

t.case("ttft of a stream: what is no content does not count", function()
   t.answer { { head = 200, headers = "content-type: text/event-stream\r\n" }, { data = ": hello\n\n" },
      { at = 1, data = "data: " .. require("json").encode(t.delta { role = "assistant" }) .. "\n\n" },
      { at = 60, data = "data: [DONE]\n\n" }, { done = true } }
   local seconds, stream, err = timed(llm.stream, "sim/mini", "x", { stream = true, ttft = 3 })
   t.equal({ seconds, stream == nil, err.code, err.retryable }, { 3, true, "timeout", true })
   t.ok(err.message:find("no content within 3 s", 1, true), err.message)
   t.equal(t.requests()[1].cancelled, true)
   t.stream({ t.delta { content = "a" }, t.delta { content = "b" }, t.delta({}, "stop") }, { every = 2 })
   t.equal(llm.stream("sim/mini", "x", { stream = true, ttft = 3 }):reply().text, "ab")
end)

t.case("deadline: no attempt and no pause goes beyond it", function()
   hanging()
   local seconds, reply, err = timed(llm.chat, "sim/mini", "x", { deadline = 5, retries = 3 })
   t.equal({ seconds <= 5, reply == nil, err.code }, { true, true, "timeout" })
   t.equal(t.requests()[1].total, 5)
   failing(503, nil, "retry-after: 20\r\n")
   seconds, reply, err = timed(llm.chat, "sim/mini", "x", { deadline = 5, retries = 3 })
   t.equal({ seconds, reply == nil, err.code, #t.requests() }, { 0, true, "overloaded", 2 })
   failing(503, nil, "retry-after: 2\r\n")
   t.reply(200, t.completion "fine")
   t.equal(llm.chat("sim/mini", "x", { deadline = 5, retries = 3 }).text, "fine")
   t.ok(t.requests()[4].total < 3)
   t.equal(task.left(), nil) -- it held for that call only
end)

t.case("deadline: a reserve for the faster model", function()
   t.forget()
   hanging()
   t.reply(200, t.completion "fast", nil, 1)
   local seconds, reply = timed(llm.chat, "sim/pro", "x",
      { deadline = 10, reserve = 4, fallback = { "sim/mini" } })
   t.equal({ reply.name, seconds }, { "sim/mini", 7 })
   t.equal({ t.requests()[1].total, t.requests()[2].total }, { 6, 4 })
   hanging()
   t.reply(200, t.completion "fast", nil, 1)
   t.forget()
   seconds = timed(llm.chat, "sim/pro", "x", { deadline = 10, fallback = { "sim/mini" } })
   t.equal(seconds, 8.5) -- nothing is known of it: a quarter
   for _ = 1, 20 do
      t.reply(200, t.completion "x", nil, 2)
      llm.chat("sim/mini", "x")
   end
   local usual = models.health("sim/mini").latency.p95
   hanging()
   t.reply(200, t.completion "fast", nil, 1)
   seconds = timed(llm.chat, "sim/pro", "x", { deadline = 10, fallback = { "sim/mini" } })
   t.ok(math.abs(seconds - (10 - usual * 1.25 + 1)) < 0.01, seconds)
end)

t.case("deadline: a stream must have begun before the reserve, and end before the deadline", function()
   t.stream({ t.delta { content = "a" }, t.delta { content = "b" }, t.delta({}, "stop") }, { every = 3 })
   local opts = { stream = true, deadline = 10, reserve = 5, fallback = { "sim/mini" } }
   local stream = llm.stream("sim/pro", "x", opts)
   t.equal(stream.name, "sim/pro")
   t.equal(stream:reply().text, "ab") -- 9 s
   hanging()
   t.stream { t.delta { content = "a" }, t.delta({}, "stop") }
   local seconds
   seconds, stream = timed(llm.stream, "sim/pro", "x", opts)
   t.equal({ stream.name, seconds }, { "sim/mini", 5 })
   stream:close()
   t.stream({ t.delta { content = "a" }, t.delta { content = "b" }, t.delta({}, "stop") }, { every = 4 })
   t.equal(t.requests()[1].total, 10)
   stream = llm.stream("sim/pro", "x", opts)
   t.equal(t.requests()[4].total, 10)
   stream:close()
end)

t.case("deadline: no time beside the reserve", function()
   t.reply(200, t.completion "fast")
   local reply = llm.chat("sim/pro", "x", { deadline = 3, reserve = 3, fallback = { "sim/mini" } })
   t.equal({ reply.name, #t.requests() }, { "sim/mini", 1 })
end)

t.case("task.deadline: of a task and its children, and only ever nearer", function()
   t.equal(task.deadline(10), 10)
   t.equal(task.deadline(20), 10)
   task.sleep(4)
   t.equal(task.left(), 6)
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", "x")
   t.equal(t.requests()[1].total, 6)
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", "x", { timeout = 2 })
   t.equal(t.requests()[2].total, 2)
   task.all { function()
      t.equal(task.left(), 6)
      t.equal(task.deadline(1), 1)
      return true
   end }
   t.equal(task.left(), 6)
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", "x", { deadline = 60 })
   t.equal(t.requests()[3].total, 6)
   t.equal(task.left(), 6)
   task.sleep(7)
   t.equal(task.left(), 0)
   local reply, err = llm.chat("sim/mini", "x", { retries = 2, fallback = { "sim/pro" } })
   t.equal({ reply == nil, err.code, #t.requests() }, { true, "timeout", 3 })
   reply, err = llm.chat("sim/mini", "x")
   t.equal({ reply == nil, err.code, #t.requests() }, { true, "timeout", 3 })
   for _, wrong in ipairs { 0, -1, 86401, "x" } do
      t.raises(function() task.deadline(wrong) end, "seconds are needed")
   end
end)

-- ---- rate ----

local function drip(every, n)
   local events = {}
   for i = 1, n do events[i] = t.delta { content = "word" } end
   events[n + 1] = t.delta({}, "stop")
   t.stream(events, { every = every })
end

t.case("min_rate: a stream that drips is ended", function()
   drip(1, 60)
   local stream = llm.stream("sim/mini", "x", { stream = true, min_rate = 2, rate_window = 4 })
   local seconds, reply, err = timed(stream.reply, stream)
   t.equal({ seconds, reply == nil, err.code }, { 4, true, "timeout" })
   t.ok(err.message:find("slower than 2 tokens a second", 1, true), err.message)
   t.equal(t.requests()[1].cancelled, true)
   drip(0.25, 60)
   t.equal(#llm.stream("sim/mini", "x", { stream = true, min_rate = 2, rate_window = 4 }):reply().text, 240)
   t.stream({ t.delta { content = ("word "):rep(20) }, t.delta { content = "x" }, t.delta({}, "stop") },
      { every = 4 })
   stream = llm.stream("sim/mini", "x", { stream = true, min_rate = 2, rate_window = 5 })
   t.equal(#stream:reply().text, 101) -- it counts tokens, not events
end)

-- ---- price ----

t.case("max_cost: a call that would cost more is not made", function()
   t.forget()
   local long = ("word "):rep(4000) -- about 5,000 tokens
   local reply, err = llm.chat("sim/pro", long, { max_cost = 0.001 })
   t.equal({ reply == nil, err.code, err.refused, #t.requests() }, { true, "budget", "cost", 0 })
   t.ok(err.message:find("the limit is 0.001 USD", 1, true), err.message)
   t.reply(200, t.completion "cheap")
   reply = llm.chat("sim/pro", "x", { max_cost = 0.009, max_tokens = 4000, fallback = { "sim/mini" } })
   t.equal({ reply.name, #t.requests() }, { "sim/mini", 1 })
   t.reply(200, t.completion "fine")
   t.ok(llm.chat("sim/pro", { messages = { { role = "user", content = "x" } }, max_tokens = 10 },
      { max_cost = 0.003 }))
end)

t.case("max_cost: a stream that passes it is ended", function()
   local entry = models.resolve "sim/mini"
   drip(0.1, 240)
   local limit = 100 * entry.output / 1e6
   local stream = llm.stream("sim/mini", "x", { stream = true, max_cost = limit, max_tokens = 50 })
   local text, err = {}, nil
   for event in stream:events() do
      if event.kind == "text" then text[#text + 1] = event.text end
      err = event.err or err
   end
   t.equal(err.code, "budget")
   t.ok(err.message:find("passes the limit", 1, true), err.message)
   t.ok(#text > 90 and #text <= 101, #text)
   t.equal(t.requests()[1].cancelled, true)
   t.ok(trace.total().cost_usd > 0.8 * limit and trace.total().cost_usd < 1.5 * limit)
end)

-- ---- the budget of retries ----

t.case("retries of all calls together are bounded", function()
   t.forget()
   local made = 0
   for _ = 1, 30 do
      failing(429, { message = "slow down" }, "retry-after-ms: 1\r\n")
      t.reply(200, t.completion "fine")
      local reply = llm.chat("sim/mini", "x", { retries = 1 })
      if not reply then break end
      made = made + 1
   end
   t.equal(made, 10)
   t.equal(llm.chat("sim/mini", "x").text, "fine") -- the answer that nobody asked for again
   task.sleep(40)
   failing(429, { message = "slow down" }, "retry-after-ms: 1\r\n")
   t.reply(200, t.completion "fine")
   t.ok(llm.chat("sim/mini", "x", { retries = 1 })) -- the window has passed
end)

-- ---- wrong use ----

t.case("wrong options", function()
   for _, case in ipairs {
      { { deadline = 0 }, "'deadline' must be seconds" }, { { reserve = "x" }, "'reserve' must be seconds" },
      { { min_rate = -1 }, "'min_rate' must be tokens a second" }, { { rate_window = 0 }, "'rate_window'" },
      { { max_cost = 0 }, "'max_cost' must be USD" }, { { fallback = "sim/pro" }, "a list of 1 to 16" },
      { { fallback = {} }, "a list of 1 to 16" }, { { fallback = { 5 } }, "a list of 1 to 16" },
      { { fallback_on = { 5 } }, "a list of codes" }, { { fallback_on = "timeout" }, "a list of codes" },
      { { fallback_on = { "timeout", "content_filtered" } },
         "llm: option 'fallback_on' must be a list of codes of errors: timeout, rate_limited, overloaded" },
      { { rescue = "maybe" }, "\"error\", \"continue\"" },
      { { hold = 5 }, "{ tokens = N }" }, { { hold = {} }, "{ tokens = N }" },
      { { hold = { tokens = 0 } }, "{ tokens = N }" }, { { hold = { words = 5 } }, "{ tokens = N }" },
   } do
      t.raises(function() llm.chat("sim/mini", "x", case[1]) end, case[2])
   end
end)
