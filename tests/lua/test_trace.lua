-- test_trace: what is noted of a request for those who want to know: decisions, every call, what was refused.
-- SPDX-License-Identifier: MIT
local t = require "test"
local explain = require "explain"
local llm = require "llm"
local task = require "task"
local trace = require "trace"

local function has(lines, pattern)
   for _, line in ipairs(lines) do
      if line:find(pattern) then return true end
   end
   return false
end

t.case("record: nobody wants to know", function()
   t.equal(trace.detailed(), false)
   t.equal(trace.record(), nil)
   trace.begun("m", { a = 1 })
   t.equal(trace.record(), nil)
end)

t.case("record: policy, parameters, decisions, notes, in their order", function()
   t.follow()
   t.equal(trace.detailed(), true)
   trace.policy "cascade"
   trace.begun("auto", { threshold = 0.9 }, { "threshold" })
   task.sleep(0.5)
   trace.decide { model = "sim/mini", reason = "cheap", confidence = 0.5,
      candidates = { "a", { model = "b", why = "dear" } } }
   trace.note "a text"
   trace.note { bad_response = { began = "half an answer" } }
   trace.decide {}
   local record = trace.record()
   t.equal({ record.v, record.policy, #record.generation }, { 1, "cascade", 12 })
   t.equal(record.params, { threshold = 0.9 })
   t.equal(record.overridden, { "threshold" })
   t.equal(record.decisions, { { at_ms = 500.0, model = "sim/mini", reason = "cheap", confidence = 0.5,
      candidates = { "a", { model = "b", why = "dear" } } }, { at_ms = 500.0 } })
   t.equal(record.notes, { { at_ms = 500.0, note = "a text" } }) -- parts of answers are not told
   t.equal(record.attempts, {})
end)

t.case("record: parameters that JSON cannot hold are left out", function()
   t.follow()
   trace.begun("m", { f = print })
   t.equal(trace.record().params, nil)
end)

t.case("decide: wrong use raises", function()
   t.raises(function() trace.decide "x" end, "table expected")
   t.raises(function() trace.decide { reason = 7 } end, "reason must be a string")
   t.raises(function() trace.decide { candidates = "a" } end, "candidates must be a table")
   t.raises(function() trace.decide { confidence = "high" } end, "confidence must be a number")
   trace.decide { model = false, confidence = false }
end)

t.case("attempts: an answer, with what it cost", function()
   t.follow()
   t.reply(200, t.completion "Paris.", nil, 0.25)
   llm.chat("sim/mini", "Capital of France?", { label = "first" })
   local record = trace.record()
   t.equal(record.attempts, { { model = "sim/mini", provider = "sim", outcome = "ok", status = 200,
      label = "first", at_ms = 0.0, ms = 250.0, input_tokens = 1000, cached_tokens = 0, output_tokens = 500,
      cost_usd = 0.002 } })
   t.equal({ record.calls, record.cost_usd }, { 1, 0.002 })
end)

t.case("decisions: a selector's word for what it prefers", function()
   t.follow()
   local words = { cost = { "the cheapest", "costs more" }, quality = { "the best", "not as good" },
      latency = { "the fastest", "slower" }, balanced = { "the best balanced", "less balanced" } }
   local n = 0
   for prefer, word in pairs(words) do
      t.reply(200, t.completion "x")
      llm.chat({ prefer = prefer }, "Hi")
      n = n + 1
      local decision = trace.record().decisions[n]
      t.equal({ decision.reason, decision.candidates[1].why },
         { word[1] .. " that fits and is ready", word[2] })
   end
end)

t.case("decisions: those that were too slow are called so", function()
   t.follow()
   t.reply(200, t.completion "x", nil, 3)
   llm.chat("sim/mini", "Hi") -- the cheapest took 3 seconds
   t.reply(200, t.completion "x")
   llm.chat({ max_latency = 1 }, "Hi")
   local decision = trace.record().decisions[1]
   t.ok(decision.model ~= "sim/mini", decision.model)
   t.equal(decision.candidates[1], { model = "sim/mini", why = "too slow lately" })
   t.reply(200, t.completion "x")
   llm.chat({ max_latency = 1, tier = "fast" }, "Hi")
   t.equal(trace.record().decisions[2].reason, "none that is ready is fast enough: the cheapest")
end)

t.case("attempts: retries, each with its status", function()
   t.follow()
   t.reply(429, { error = { message = "slow down" } }, "retry-after: 2\r\n")
   t.reply(500, { error = { message = "oops" } }, nil, 0.1)
   t.reply(200, t.completion "x")
   t.ok(llm.chat("sim/mini", "Hi", { retries = 2 }))
   local attempts = trace.record().attempts
   t.equal({ attempts[1].outcome, attempts[1].error, attempts[1].status, attempts[1].retry },
      { "error", "rate_limited", 429, nil })
   local second = attempts[2]
   t.equal({ second.outcome, second.error, second.status, second.retry },
      { "error", "unavailable", 500, 1 })
   t.ok(second.at_ms >= 2000 and second.at_ms < 2200, second.at_ms) -- and up to a tenth more
   t.equal({ #attempts, attempts[3].outcome, attempts[3].error, attempts[3].retry }, { 3, "ok", nil, 2 })
end)

t.case("attempts: a stream has its first token, a loser an estimate", function()
   t.follow()
   t.stream({ t.delta { content = "a" }, t.delta({}, "stop"),
      { choices = {}, usage = { prompt_tokens = 10, completion_tokens = 2 } } }, { every = 1 })
   t.stream({ t.delta { content = "a" } }, { every = 60, open = true })
   local stream = task.race {
      a = function() return llm.stream("sim/mini", "Hi", { stream = true }) end,
      b = function() return llm.stream("sim/pro", "Hi", { stream = true, label = "slow" }) end,
   }
   stream:reply()
   local attempts = trace.record().attempts
   t.equal(#attempts, 2)
   local loser = attempts[1]
   t.equal({ loser.model, loser.outcome, loser.label, loser.ms, loser.error },
      { "sim/pro", "cancelled", "slow", 1000.0, nil })
   t.ok(loser.estimated and loser.cost_usd > 0 and loser.cost_usd < 0.001, loser.cost_usd)
   t.equal({ attempts[2].outcome, attempts[2].stream, attempts[2].ttft_ms, attempts[2].output_tokens },
      { "ok", true, 1000.0, 2 })
   t.ok(has(explain.lines(trace.record()), "sim/pro: cancelled.*about %$0%.000"))
end)

t.case("attempts: a model that is not called says why", function()
   t.follow()
   t.force("sim/mini", "open")
   t.equal(llm.chat("sim/mini", "Hi"), nil)
   local attempt = trace.record().attempts[1]
   t.equal({ attempt.model, attempt.outcome, attempt.refused }, { "sim/mini", "refused", "forced" })
   t.ok(has(explain.lines(trace.record()), "not called %(forced%)"))
   t.force("sim/mini", "none")
end)

t.case("selectors: which one was taken, and why not the others", function()
   t.follow()
   t.force("sim/mini", "open")
   t.reply(200, t.completion "x")
   local reply = llm.chat({ provider = "sim" }, "Hi")
   t.force("sim/mini", "none")
   local decision = trace.record().decisions[1]
   t.equal(decision.model, reply.name)
   t.equal(decision.selector, { provider = "sim" })
   t.equal(decision.candidates[1], { model = "sim/mini", why = "an operator has switched it off" })
   t.ok(#decision.candidates > 1)
   t.equal(decision.candidates[2].why, "costs more")
end)

t.case("notes: those that find no room are counted", function()
   t.follow()
   for _ = 1, 20 do trace.note(("x"):rep(5000)) end
   local record = trace.record()
   t.ok(#record.notes > 10 and record.left_out.notes == 20 - #record.notes)
   t.ok(has(explain.lines(record), "left out: 0 attempts"))
end)

t.case("explain: lines for a person", function()
   local lines = explain.lines { policy = "p", generation = "abc",
      params = { b = 2, a = "x" }, overridden = { "b" },
      decisions = { { at_ms = 20, model = "m", reason = "r",
         candidates = { "m", { model = "n", why = "dear" } } } },
      notes = { { at_ms = 30, note = { k = "v" } } },
      attempts = { { at_ms = 10, model = "s/m", outcome = "error", error = "overloaded", status = 503,
         ms = 4 } } }
   t.equal(lines, {
      "policy p, generation abc", "  a = x", "  b = 2 (set by the caller)",
      "      10 ms  call    s/m: error, overloaded 503, 4 ms",
      "      20 ms  decide  m: r; not n (dear)",
      "      30 ms  note    k = v",
   })
end)
