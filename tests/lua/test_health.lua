-- test_health: which models are called: breakers, benches, forced ones; who is to blame; what is
-- counted.
-- SPDX-License-Identifier: MIT
local t = require "test"
local blame = require "blame"
local clock = require "clock"
local codec = require "codec.openai"
local errors = require "errors"
local llm = require "llm"
local models = require "models"
local provider = require "provider"
local task = require "task"
local trace = require "trace"

local function failing(status, fields, headers)
   t.reply(status, { error = fields or { message = "no" } }, headers)
end

local function fail_times(n, model)
   for _ = 1, n do
      failing(500)
      llm.chat(model, "x")
   end
end

t.case("blame: one table", function()
   local function who(code, status, more)
      local err = errors.new { code = code, message = "m", status = status }
      for name, value in pairs(more or {}) do err[name] = value end
      local name, seconds = blame.of(err)
      return seconds and name .. " " .. seconds or name
   end
   t.equal(who("unavailable", 500), "model")
   t.equal(who("unavailable"), "model")
   t.equal(who("timeout"), "model")
   t.equal(who("timeout", 504), "model")
   t.equal(who("bad_response"), "model")
   t.equal(who("overloaded", 529), "model")
   t.equal(who("overloaded"), "nobody")
   t.equal(who("rate_limited", 429, { retry_after = 7 }), "wait 7")
   t.equal(who("rate_limited", 429), "wait 5")
   t.equal(who("rate_limited", 429, { scope = "key" }), "quota 60")
   t.equal(who("auth", 401), "key")
   t.equal(who("auth", 403), "key")
   t.equal((blame.of({ code = "auth", status = 403 }, true)), "key")
   t.equal((blame.of({ code = "auth", status = 403 }, false)), "nobody")
   t.equal((blame.of({ code = "auth", status = 401 }, false)), "key")
   for _, code in ipairs { "bad_request", "context_length", "content_filter", "not_found", "invalid_output",
      "budget", "cancelled", "no_candidate", "internal" } do
      t.equal(who(code, 400), "nobody")
      t.equal(who(code), "nobody")
   end
   t.equal(who("unavailable", 409), "nobody")
   t.equal(who("timeout", 408), "nobody")
end)

t.case("a breaker opens, refuses at once, lets one call try, and closes", function()
   local opened = t.metric("opened", "sim/mini")
   fail_times(4, "sim/mini")
   t.equal(models.health("sim/mini").state, "closed")
   t.equal(models.health("sim/mini").failures, 4)
   fail_times(1, "sim/mini")
   local view = models.health "cheap" -- an alias
   t.equal({ view.name, view.state, view.ready, view.failures }, { "sim/mini", "open", false, 5 })
   t.ok(view.open_for > 9.9 and view.open_for <= 10)
   t.equal({ view.error_rate, view.calls, view.cooldown }, { 1, 5, 10 })
   t.equal(t.metric("opened", "sim/mini") - opened, 1)
   local before = t.metric("refused", "sim/mini", "open")
   local reply, err = llm.chat("sim/mini", "x", { retries = 3 })
   t.equal(reply, nil)
   t.equal({ err.code, err.refused, err.retryable, err.provider, err.model },
      { "unavailable", "open", true, "sim", "mini" })
   t.ok(err.retry_after > 9.9 and err.retry_after <= 10)
   t.equal(err.message, "provider 'sim': model 'sim/mini' is not called now: its circuit breaker is open "
      .. "after failures, 10.0 s left")
   t.equal(t.metric("refused", "sim/mini", "open") - before, 1)
   t.equal(#t.requests(), 5)
   t.equal(trace.total().attempts, 5) -- what was not called is no attempt
   task.sleep(10)
   t.equal(models.health("sim/mini").state, "half_open")
   t.reply(200, t.completion "well again", nil, 2)
   local tried = 0
   local replies = task.all {
      function() return llm.chat("sim/mini", "x") end,
      function()
         local _, why = llm.chat("sim/mini", "x")
         tried = why.refused
         return true
      end,
   }
   t.equal(replies[1].text, "well again")
   t.equal(tried, "probe")
   view = models.health("sim/mini")
   t.equal({ view.state, view.ready, view.failures }, { "closed", true, 0 })
   t.ok(math.abs(view.latency.p50 - 2) < 0.3 and view.latency.p99 >= view.latency.p50)
   t.equal(view.ttft, {}) -- no stream was seen
end)

t.case("a probe that is a stream proves itself with its first content", function()
   fail_times(5, "sim/mini")
   task.sleep(10)
   t.stream({ t.delta { content = "Hel" }, t.delta { content = "lo" }, t.delta({}, "stop") }, { gap = 30 })
   local stream = llm.stream("sim/mini", "x", { stream = true })
   t.equal(models.health("sim/mini").state, "closed")
   t.equal(stream:reply().text, "Hello")
   t.ok(models.health("sim/mini").ttft.p50 ~= nil)
end)

t.case("selectors go where they would be admitted", function()
   t.equal(models.resolve({ provider = "sim" }).name, "sim/mini")
   fail_times(5, "sim/mini")
   t.equal(models.resolve({ provider = "sim" }).name, "sim/base")
   t.equal(models.resolve({ tier = "fast" }).name, "sim/mini") -- there is no other
   fail_times(5, "sim/base")
   t.equal(models.resolve({ provider = "sim" }).name, "sim/coder")
   task.sleep(10)
   t.equal(models.resolve({ provider = "sim" }).name, "sim/mini")
   t.reply(200, t.completion "x")
   llm.chat({ provider = "sim" }, "x")
   t.equal(models.health("sim/mini").state, "closed")
end)

t.case("the client's faults count against nobody", function()
   for _ = 1, 10 do
      for _, status in ipairs { 400, 404, 409, 413, 422 } do
         failing(status)
         llm.chat("sim/mini", "x")
      end
      failing(400, { code = "context_length_exceeded" })
      llm.chat("sim/mini", "x")
   end
   local view = models.health "sim/mini"
   t.equal({ view.state, view.failures, view.calls, view.ready }, { "closed", 0, 0, true })
end)

t.case("what is cancelled counts against nobody, and frees the probe", function()
   for _ = 1, 8 do
      t.answer { { at = 50, fail = "unavailable" } }
      task.within(1, function() return llm.chat("sim/mini", "x") end)
   end
   t.equal(models.health("sim/mini").failures, 0)
   fail_times(5, "sim/mini")
   task.sleep(10)
   t.answer { { at = 50, fail = "unavailable" } }
   task.within(1, function() return llm.chat("sim/mini", "x") end)
   t.equal(models.is_ready(models.resolve "sim/mini"), true)
   t.reply(200, t.completion "x")
   t.ok(llm.chat("sim/mini", "x"))
end)

t.case("a probe whose request cannot be composed is free for the next call at once", function()
   local line = provider.line { provider = "sim", path = "/", wire = codec.wire, model = "sim/mini" }
   for _, out in ipairs {
      { headers = { a = 1 } }, { body = 1 }, { body = "{}", headers = { a = "b\nc: d" } },
   } do
      fail_times(5, "sim/mini")
      task.sleep(10)
      t.raises(function() line:call(out) end, "line:call: ")
      t.equal(models.health("sim/mini").state, "half_open")
      t.reply(200, t.completion "x")
      t.ok(llm.chat("sim/mini", "x"))
   end
   t.raises(function() line:call({ body = "{}" }, { timeout = -1 }) end, "timeout must be seconds")
end)

t.case("timeouts, cut streams and nonsense count against the model", function()
   for _, code in ipairs { "timeout", "unavailable" } do
      t.answer { { at = 1, fail = code } }
      llm.chat("sim/mini", "x")
   end
   t.reply(200, "<html>")
   llm.chat("sim/mini", "x")
   t.stream({ t.delta { content = "Hello" } }, { open = true, cut = true })
   llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal(models.health("sim/mini").failures, 4)
   t.stream { t.delta { content = "Hello" }, { error = { message = "boom", type = "server_error" } } }
   llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal(models.health("sim/mini").state, "open")
end)

t.case("429 benches for as long as the provider says", function()
   failing(429, nil, "retry-after: 20\r\n")
   llm.chat("sim/mini", "x")
   local view = models.health "sim/mini"
   t.equal({ view.state, view.benched, view.ready, view.failures }, { "closed", true, false, 0 })
   local _, err = llm.chat("sim/mini", "x")
   t.equal({ err.code, err.refused, err.retryable }, { "rate_limited", "benched", true })
   t.ok(err.retry_after > 19.9 and err.retry_after <= 20)
   t.reply(200, t.completion "later")
   t.equal(llm.chat("sim/mini", "x", { retries = 1 }).text, "later") -- it waits
   t.ok(clock.monotonic() > 19.9 and clock.monotonic() < 22.1)
end)

t.case("a key that is refused is benched; with one key, calls fail at once", function()
   failing(401)
   local _, err = llm.chat("sim/mini", "x")
   t.equal({ err.code, err.status }, { "auth", 401 })
   _, err = llm.chat("sim/pro", "x")
   t.equal({ err.code, err.refused, err.retryable }, { "auth", "keys", false })
   t.ok(err.retry_after > 59.9)
   t.equal(#t.requests(), 1)
   task.sleep(60)
   t.reply(200, t.completion "x")
   t.ok(llm.chat("sim/pro", "x"))
end)

t.case("forced by an operator", function()
   t.force("sim/mini", "open")
   local _, err = llm.chat("sim/mini", "x")
   t.equal({ err.refused, err.retry_after }, { "forced", nil })
   t.equal(models.health("sim/mini").forced, "open")
   t.force("sim/mini", "closed")
   fail_times(10, "sim/mini")
   t.equal(models.health("sim/mini").state, "closed")
   t.equal(#t.requests(), 10)
end)

t.case("what is counted", function()
   local function change(family, ...)
      local labels, before = { ... }, t.metric(family, ...)
      return function() return t.metric(family, table.unpack(labels)) - before end
   end
   local ok = change("calls", "", "sim/mini", "ok")
   local bad = change("calls", "", "sim/mini", "unavailable")
   local made_up = change("calls", "", "sim/made-up", "not_found")
   local other = change("calls", "", "(other)", "not_found")
   local input = change("tokens", "", "sim/mini", "input")
   local output = change("tokens", "", "sim/mini", "output")
   local cost = change("cost", "", "sim/mini")
   local cancelled = change("calls", "", "sim/mini", "cancelled")
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", "x")
   fail_times(1, "sim/mini")
   failing(404)
   llm.chat("sim/made-up", "x")
   t.answer { { at = 50, fail = "unavailable" } }
   task.within(1, function() return llm.chat("sim/mini", "x") end)
   t.equal({ ok(), bad(), made_up(), other(), cancelled() }, { 1, 1, 0, 1, 1 })
   local stopped = #t.requests()[4].body // 4 -- about so many tokens of the call that was stopped
   t.equal({ input(), output() }, { 1000 + stopped, 500 })
   t.ok(math.abs(cost() - 0.002 - stopped * models.resolve("sim/mini").input / 1e6) < 1e-12)
end)
