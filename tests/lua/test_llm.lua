-- test_llm: calls to models: whole and streamed, again after errors, with options, replies, events.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local json = require "json"
local llm = require "llm"
local provider = require "provider"
local task = require "task"
local trace = require "trace"

local function failing(status, fields, headers)
   t.reply(status, { error = fields or { message = "no" } }, headers)
end

t.case("chat: a string, an answer", function()
   t.reply(200, t.completion "Paris.", nil, 0.25)
   local reply, err = llm.chat("sim/mini", "Capital of France?", { label = "first" })
   t.equal(err, nil)
   t.equal(reply.text, "Paris.")
   t.equal(reply.message, { role = "assistant", content = "Paris." })
   t.equal(reply.finish_reason, "stop")
   t.equal(reply.tool_calls, nil)
   t.equal(reply.logprobs, nil)
   t.equal(reply.body.id, "chatcmpl-1")
   t.equal({ reply.usage.input_tokens, reply.usage.cached_tokens, reply.usage.output_tokens }, { 1000, 0,
      500 })
   t.equal(reply.cost, 0.002)
   t.equal(reply.latency, 0.25)
   t.equal(reply.ttft, 0.25)
   t.equal(reply.model, "mini")
   t.equal(reply.provider, "sim")
   t.equal(reply.name, "sim/mini")
   t.equal(reply.label, "first")
   t.equal(reply.confidence, false)
   t.ok(llm.is_reply(reply))
   t.ok(not llm.is_stream(reply) and not llm.is_reply {} and not llm.is_reply "x")
   local total = trace.total()
   t.equal(total.attempts, 1)
   t.equal(total.cost_usd, 0.002)
   t.equal(total.input_tokens, 1000)
   t.equal(total.output_tokens, 500)
end)

t.case("chat: what is sent", function()
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", "Hi", { temperature = 0, max_tokens = 9, timeout = 7, ttft = 2, stall = 1.5 })
   local request = t.requests()[1]
   t.equal(request.method, "POST")
   t.equal(request.url, "http://sim.test/v1/chat/completions")
   t.equal(request.headers, "content-type: application/json\nauthorization: Bearer sk-secret\n")
   t.equal(request.body,
      [[{"max_tokens":9,"messages":[{"content":"Hi","role":"user"}],"model":"mini","temperature":0}]])
   t.equal({ request.connect, request.first_byte, request.stall, request.total }, { 10, 2, 1.5, 7 })
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", "Hi")
   request = t.requests()[2]
   t.equal({ request.connect, request.first_byte, request.stall, request.total }, { 10, 120, 60, 600 })
end)

t.case("chat: a table stays as it is", function()
   t.reply(200, t.completion "x")
   local req = { messages = { { role = "user", content = "Hi" } }, temperature = 1 }
   llm.chat("sim/mini", req, { temperature = 0.5 })
   t.equal(req, { messages = { { role = "user", content = "Hi" } }, temperature = 1 })
   t.equal(t.sent(1).temperature, 0.5)
   t.equal(t.sent(1).model, "mini")
   t.equal(t.sent(1).stream, nil)
end)

t.case("chat: a client's request keeps its bytes", function()
   local text = '{ "model": "auto",\t"messages":[{"role":"user","content":"\\u0048i"}], "x": 1.50 ,"y":1e2}'
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", provider.request(text))
   t.equal(t.requests()[1].body, (text:gsub('"auto"', '"mini"')))
   t.reply(200, t.completion "x")
   llm.chat("sim/mini", provider.request(text), { temperature = 0, top_p = 0.5 })
   t.equal(t.requests()[2].body,
      (text:gsub('"auto"', '"mini"'):gsub("1e2}$", '1e2,"temperature":0,"top_p":0.5}')))
end)

t.case("chat: a streaming client's request is sent for a whole answer", function()
   local req = provider.request(
      '{"model":"auto","stream":true,"stream_options":{"include_usage":true},"messages":[]}')
   t.reply(200, t.completion "x")
   t.equal(llm.chat("sim/mini", req).text, "x")
   t.equal(t.requests()[1].body, '{"model":"mini","stream":false,"messages":[]}')
   t.equal(req.stream, true)
end)

-- What is wrong is found out at different depths of the library; the line is that of the call.
t.case("wrong use names the line outside of the library", function()
   local errors = require "errors"
   local bad = { tear = "x" }
   local _, here = pcall(function() error "here" end)
   local first = tonumber(here:match(":(%d+): here"))
   for name, call in pairs {
      target = function() local r = llm.chat(5, "x") return r end,
      selector = function() local r = llm.chat(bad, "x") return r end,
      option = function() local r = llm.stream("sim/mini", "x", bad) return r end,
      request = function() local r = llm.chat("sim/mini", 5) return r end,
      setting = function() local r = llm.chat("sim/mini", { messages = {} }, { stop = print }) return r end,
      reply = function() local r = llm.reply(5) return r end,
      find = function() local r = require "models".find(bad) return r end,
      judge = function() local r = require "judge".quality("x", nil, { factors = bad }) return r end,
      vote = function() local r = require "consensus".agreement({}, bad) return r end,
      task = function() local r = require "classify".task("x", { keywords = bad }) return r end,
      complexity = function() local r = require "classify".complexity("x", { weights = bad }) return r end,
      define = function() local r = require "policy".define(bad) return r end,
      policy = function() local r = require "policy".define(5) return r end,
      raise = function() local r = errors.raise "mine" return r end,
      caught = function() local _, err = pcall(llm.chat, 5) error(err, 0) end,
   } do
      local err = tostring(t.raises(call, "tests/lua/test_llm.lua:"))
      local line = tonumber(err:match("^tests/lua/test_llm%.lua:(%d+): "))
      t.ok(line and line > first and line <= first + 17, name .. ": " .. err)
   end
end)

-- A tail call leaves no line of its own: that of who called is next.
t.case("wrong use in a tail call names what is left of the callers", function()
   local function helper() return llm.chat(5, "x") end
   local err = tostring(t.raises(function() return helper() end, "a selector, not a number"))
   t.ok(err:find("^tests/lua/test_llm%.lua:%d+: the target"), err)
   local _, child = pcall(function() return require "task".all { helper } end)
   t.ok(tostring(child):find("^internal: tests/lua/test_llm%.lua:%d+: the target"), tostring(child))
end)

t.case("options are checked", function()
   local err = t.raises(function() llm.chat("sim/mini", "x", { temprature = 1 }) end,
      "unknown option 'temprature'")
   t.ok(tostring(err):find("^tests/lua/test_llm.lua:%d+:"), "the caller's line: " .. tostring(err))
   t.raises(function() llm.stream("sim/mini", "x", { [1] = 1 }) end, "unknown option '1'")
   t.raises(function() llm.chat("sim/mini", "x", { timeout = 0 }) end, "option 'timeout' must be seconds")
   t.raises(function() llm.chat("sim/mini", "x", { ttft = "a" }) end, "option 'ttft' must be seconds")
   t.raises(function() llm.chat("sim/mini", "x", { stall = -1 }) end, "option 'stall' must be seconds")
   t.raises(function() llm.chat("sim/mini", "x", { temperature = 0 / 0 }) end, "temperature")
   t.raises(function() llm.chat("sim/mini", "x", { stop = print }) end, "stop")
   t.raises(function() llm.chat("sim/mini", "x", { retries = "a" }) end, "option 'retries' must be a number")
   t.raises(function() llm.chat("sim/mini", "x", 5) end, "the options must be a table, not a number")
   t.raises(function() llm.chat("sim/mini") end, "a table or a string, not a nil")
   t.equal(#t.requests(), 0)
   t.raises(function() llm.chat(7, "x") end, "target must be a name or a selector")
   t.raises(function() llm.chat(nil, "x") end, "target must be a name or a selector")
end)

t.case("targets", function()
   local function sent_to(target)
      t.reply(200, t.completion "x")
      local n = #t.requests() + 1
      local reply = llm.chat(target, "x")
      t.equal(t.sent(n).model, reply.model)
      return reply.name
   end
   t.equal(sent_to "sim/pro", "sim/pro")
   t.equal(sent_to "cheap", "sim/mini")
   t.equal(sent_to "pro", "sim/pro")
   t.equal(sent_to { tier = "expert" }, "sim/pro")
   t.equal(sent_to { needs = { "tools" } }, "sim/mini")
   t.equal(sent_to "sim/not/in/the/catalogue", "sim/not/in/the/catalogue")
   t.equal(sent_to(require("models").find { tier = "fast" }[1]), "sim/mini")
   t.equal(sent_to(require("models").resolve "sim/unlisted"), "sim/unlisted")
   local reply, err = llm.chat("nowhere/mini", "x")
   t.equal(reply, nil)
   t.equal(err.code, "not_found")
   reply, err = llm.chat({ tier = "huge" }, "x")
   t.equal(reply, nil)
   t.equal(err.code, "no_candidate")
   t.ok(err.message:find("tier = huge", 1, true))
end)

t.case("errors of providers", function()
   local cases = {
      { 400, "bad_request", false }, { 401, "auth", false }, { 403, "auth", false },
      { 404, "not_found", false }, { 408, "timeout", true }, { 413, "bad_request", false },
      { 422, "bad_request", false }, { 429, "rate_limited", true }, { 500, "unavailable", true },
      { 502, "unavailable", true }, { 503, "overloaded", true }, { 504, "timeout", true },
      { 524, "timeout", true }, { 529, "overloaded", true }, { 418, "bad_request", false },
      { 302, "bad_response", true },
   }
   for _, case in ipairs(cases) do
      t.forget()
      failing(case[1], { message = "told so", type = "some_type", param = "messages", code = "c1" })
      local reply, err = llm.chat("sim/mini", "x")
      t.equal(reply, nil)
      t.equal(err.code, case[2])
      t.equal(err.retryable, case[3])
      t.equal(err.status, case[1])
      t.equal(err.provider, "sim")
      t.equal(err.model, "mini")
      if err.code ~= "auth" then
         -- what is about the request is for the client; anything else says whose it is
         t.equal(err.message, (case[2] == "bad_request" and "" or "provider 'sim': ") .. "told so")
         t.equal(err.type, "some_type")
         t.equal(err.param, "messages")
         t.equal(err.provider_code, "c1")
      else
         t.ok(not err.message:find("told so", 1, true))
      end
      t.equal(tostring(err), err.code .. ": " .. err.message)
   end
end)

t.case("errors with words", function()
   local function code_of(status, fields)
      failing(status, fields)
      local _, err = llm.chat("sim/mini", "x")
      return err.code, err.retryable
   end
   t.equal(code_of(400, { code = "context_length_exceeded" }), "context_length")
   t.equal(code_of(400, { message = "This model's maximum context length is 8192 tokens." }),
      "context_length")
   t.equal(code_of(400, { code = "content_filter" }), "content_filter")
   t.equal(code_of(400, { type = "invalid_request_error" }), "bad_request")
   local code, retryable = code_of(429, { type = "insufficient_quota", code = "insufficient_quota" })
   t.equal(code, "rate_limited")
   t.equal(retryable, false)
end)

t.case("no answer", function()
   for _, code in ipairs { "timeout", "unavailable", "bad_response" } do
      t.answer { { at = 1, fail = code, message = "as the network says" } }
      local reply, err = llm.chat("sim/mini", "x")
      t.equal(reply, nil)
      t.equal(err.code, code)
      t.equal(err.message, "provider 'sim': as the network says")
      t.equal(err.provider, "sim")
   end
   t.answer { { head = 200, headers = "content-type: application/json\r\n" }, { data = '{"choices"' },
      { at = 1, fail = "unavailable" } }
   local reply, err = llm.chat("sim/mini", "x")
   t.equal(reply, nil)
   t.equal(err.code, "unavailable")
end)

t.case("answers that make no sense", function()
   for _, body in ipairs { "", "<html>", "[]", "{}", '{"choices":[]}', '{"choices":[{}]}',
      '{"choices":[{"message":{}}]}', '{"choices":[{"message":null}]}', '{"choices"', "null", "7" } do
      t.forget()
      t.reply(200, body)
      local reply, err = llm.chat("sim/mini", "x")
      t.equal(reply, nil)
      t.equal(err and err.code, "bad_response")
      t.equal(err and err.retryable, true)
   end
   t.forget()
   t.reply(200, { error = { message = "overloaded", code = 529 } })
   local reply, err = llm.chat("sim/mini", "x")
   t.equal(reply, nil)
   t.equal(err.code, "overloaded")
end)

t.case("answers with strange members", function()
   for _, body in ipairs { '{"choices":[{"message":5}]}', '{"choices":[{"message":"text"}]}',
      '{"choices":[{"message":[1]}]}', '{"choices":[{},{"message":{"content":"b"}}]}',
      '{"choices":[{"message":{"content":5,"tool_calls":7}}],"usage":[]}',
      '{"choices":[{"message":{"content":{"a":1}},"finish_reason":5}],"usage":"much"}',
      '{"choices":{"0":{"message":{"content":"x"}}}}' } do
      t.reply(200, body)
      local reply, err = llm.chat("sim/mini", "x")
      if reply then
         t.equal(type(reply.text), "string")
         t.ok(reply.finish_reason == nil or type(reply.finish_reason) == "string")
      else
         t.equal(err.code, "bad_response")
      end
   end
   t.reply(200, t.completion("good", { error = json.null }))
   t.equal(llm.chat("sim/mini", "x").text, "good")
   t.reply(200, t.completion("good", { error = json.null }))
   t.equal((llm.stream("sim/mini", "x", { stream = true })).text, "good")
end)

t.case("again after an error: Retry-After counts", function()
   failing(429, nil, "retry-after: 7\r\n")
   failing(503, nil, "retry-after-ms: 1500\r\n")
   t.reply(200, t.completion "at last")
   local reply = llm.chat("sim/mini", "x", { retries = 2 })
   t.equal(reply.text, "at last")
   local seconds = clock.monotonic() -- and up to a tenth more
   t.ok(seconds > 8.5 and seconds < 8.5 * 1.1, seconds)
   t.equal(trace.total().attempts, 3)
   t.equal(#t.requests(), 3)
   t.equal(t.requests()[2].body, t.requests()[1].body)
end)

t.case("again after an error: a date", function()
   local begun = clock.monotonic()
   failing(429, nil, "retry-after: Sat, 25 Jul 2026 00:00:30 GMT\r\n")
   t.reply(200, t.completion "at last")
   t.equal(llm.chat("sim/mini", "x", { retries = 1 }).text, "at last")
   t.ok(begun < 30 and clock.monotonic() > 30 and clock.monotonic() < 33)
end)

t.case("again after an error: backing off", function()
   local begun = clock.monotonic()
   for _ = 1, 4 do failing(500) end
   t.reply(200, t.completion "at last")
   t.equal(llm.chat("sim/mini", "x", { retries = 4 }).text, "at last")
   local waits, all = 0, t.requests()
   for n = 2, 5 do
      local wait = all[n].at - all[n - 1].at
      local most = 0.25 * 2 ^ (n - 2)
      t.ok(wait > most / 2 and wait <= most, ("wait %d of %g s"):format(n - 1, wait))
      waits = waits + wait
   end
   t.ok(math.abs(clock.monotonic() - begun - waits) < 1e-6)
end)

t.case("again after an error: not when it makes no sense", function()
   failing(400)
   local reply, err = llm.chat("sim/mini", "x", { retries = 3 })
   t.equal(reply, nil)
   t.equal(err.code, "bad_request")
   failing(429, nil, "retry-after: 31\r\n")
   reply, err = llm.chat("sim/mini", "x", { retries = 3 })
   t.equal(reply, nil)
   t.equal(err.code, "rate_limited")
   t.equal(err.retry_after, 31)
   t.forget()
   failing(503, nil, "x-should-retry: false\r\n")
   reply, err = llm.chat("sim/mini", "x", { retries = 3 })
   t.equal(reply, nil)
   t.equal(err.code, "overloaded")
   t.equal(err.retryable, false)
   failing(500)
   failing(502)
   reply, err = llm.chat("sim/mini", "x", { retries = 1 })
   t.equal(reply, nil)
   t.equal(err.status, 502)
   failing(500)
   llm.chat("sim/mini", "x")
   t.equal(#t.requests(), 6)
end)

t.case("a client's limit of time covers all attempts", function()
   failing(503, nil, "retry-after: 20\r\n")
   local reply, err = task.within(5, function() return llm.chat("sim/mini", "x", { retries = 1 }) end)
   t.equal(reply, nil)
   t.equal(err.code, "timeout")
   t.equal(#t.requests(), 1)
end)

t.case("replies are decoded when somebody looks inside", function()
   t.reply(200, t.completion "lazy")
   local reply = llm.chat("sim/mini", "x")
   t.equal(reply.view, false)
   t.equal({ reply.text, reply.finish_reason, reply.tool_calls, reply.logprobs }, { "lazy", "stop" })
   t.equal(reply.view, false) -- an answer that is a text and no more needs no decoding for that
   t.ok(reply.message == reply.message)
   t.ok(reply.view ~= false)
   t.equal({ reply.text, reply.edited }, { "lazy", false })
   reply.message.content = "in place"
   t.equal(reply.text, "in place")
   reply.text = "changed"
   t.equal(reply.edited, true)
   t.equal(reply.text, "changed")
   t.equal(reply.no_such_field, nil)
end)

t.case("llm.reply: an answer of the policy's own", function()
   local reply = llm.reply { text = "Hello" }
   t.ok(llm.is_reply(reply))
   t.equal(reply.text, "Hello")
   t.equal(reply.message, { role = "assistant", content = "Hello" })
   t.equal(reply.finish_reason, "stop")
   t.equal(reply.cost, 0)
   t.equal(reply.name, false)
   t.reply(200, t.completion "x")
   local from = llm.chat("sim/mini", "x")
   reply = llm.reply { text = "Made of it", from = from, confidence = 0.5 }
   t.equal(reply.name, "sim/mini")
   t.equal(reply.usage.output_tokens, 500)
   t.equal(reply.cost, 0.002)
   t.equal(reply.confidence, 0.5)
   t.raises(function() llm.reply "x" end, "a table is needed")
   t.raises(function() llm.reply { txt = "Hello" } end, "llm.reply: unknown field 'txt' (known: confidence, ")
end)

t.case("llm.fail", function()
   t.raises(function() llm.fail(nil, "x") end, "llm.fail: a nil is no code of an error")
   local nothing, err = llm.fail("no_candidate", "nobody")
   t.equal(nothing, nil)
   t.equal(tostring(err), "no_candidate: nobody")
   t.equal(err.retryable, false)
   t.raises(function() llm.fail("nonsense", "x") end, "is no code of an error")
end)

-- ---- streams ----

local words = {
   t.delta { role = "assistant", content = "" }, t.delta { reasoning_content = "Hm." },
   t.delta { content = "Hello" }, t.delta { content = " you" }, t.delta({}, "stop"),
   { choices = json.array {}, usage = { prompt_tokens = 1000, completion_tokens = 2,
      prompt_tokens_details = { cached_tokens = 400 } } },
}

t.case("stream: events", function()
   t.stream(words, { every = 0.5 })
   local stream = llm.stream("sim/mini", "x", { stream = true, label = "l" })
   t.ok(llm.is_stream(stream))
   t.equal(stream.name, "sim/mini")
   t.equal(stream.label, "l")
   t.equal(clock.monotonic(), 1) -- the commit point: the first thought
   local kinds, text = {}, ""
   for event in stream:events() do
      kinds[#kinds + 1] = event.kind
      text = text .. (event.text or "")
   end
   t.equal(table.concat(kinds, " "), "reasoning text text finish usage")
   t.equal(text, "Hm.Hello you")
   t.equal({ stream.usage.input_tokens, stream.usage.cached_tokens, stream.usage.output_tokens }, { 1000,
      400, 2 })
   t.equal(stream.cost, (600 * 1 + 400 * 0.5 + 2 * 2) / 1e6)
   t.equal(stream.ttft, 1)
   t.equal(stream.latency, 3)
   t.equal(stream:next(), nil)
   t.equal(t.sent(1).stream, true)
   t.equal(t.sent(1).stream_options, { include_usage = true })
   t.equal(trace.total().cost_usd, stream.cost)
end)

t.case("stream: a whole reply of it", function()
   t.stream(words)
   local reply = llm.stream("sim/mini", "x", { stream = true }):reply()
   t.ok(llm.is_reply(reply))
   t.equal(reply.text, "Hello you")
   t.equal(reply.message, { role = "assistant", content = "Hello you", reasoning_content = "Hm." })
   t.equal(reply.finish_reason, "stop")
   t.equal(reply.usage.cached_tokens, 400)
   t.equal(reply.name, "sim/mini")
end)

t.case("stream: only when the request asks for it, or the options", function()
   t.reply(200, t.completion "whole")
   local reply = llm.stream("sim/mini", provider.request '{"messages":[]}')
   t.ok(llm.is_reply(reply))
   t.equal(t.requests()[1].body, '{"messages":[],"model":"mini"}')
   t.reply(200, t.completion "whole")
   reply = llm.stream("sim/mini", provider.request '{"messages":[],"stream":true}', { stream = false })
   t.equal(reply.text, "whole")
   t.equal(t.requests()[2].body, '{"messages":[],"stream":false,"model":"mini"}')
   t.stream(words)
   local stream = llm.stream("sim/mini", provider.request
      '{"messages":[],"stream":true,"stream_options":{"include_usage":false,"x":1}}')
   t.equal(stream:reply().text, "Hello you")
   t.equal(t.sent(3).stream_options, { include_usage = true, x = 1 })
   t.stream(words)
   stream = llm.stream("sim/mini", provider.request '{"messages":[]}', { stream = true })
   t.equal(stream:reply().text, "Hello you")
end)

t.case("stream: a server that answers whole", function()
   t.reply(200, t.completion "whole")
   local reply = llm.stream("sim/mini", "x", { stream = true })
   t.ok(llm.is_reply(reply))
   t.equal(reply.text, "whole")
end)

t.case("stream: tool calls are merged", function()
   local function call(index, id, name, arguments)
      return t.delta { tool_calls = { { index = index, id = id, type = "function",
         ["function"] = { name = name, arguments = arguments } } } }
   end
   t.stream {
      call(0, "c1", "weather", ""), call(0, nil, nil, '{"city":'), call(1, "c2", "time", '{"zone":"'),
      call(0, json.null, json.null, '"Rome"}'), call(1, nil, nil, 'CET"}'), t.delta({}, "tool_calls"),
   }
   local reply = llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal(reply.tool_calls, {
      { id = "c1", type = "function", ["function"] = { name = "weather", arguments = '{"city":"Rome"}' } },
      { id = "c2", type = "function", ["function"] = { name = "time", arguments = '{"zone":"CET"}' } },
   })
   t.equal(reply.message.tool_calls, reply.tool_calls)
   t.equal(reply.message.content, json.null)
   t.equal(reply.text, "")
   t.equal(reply.finish_reason, "tool_calls")
end)

t.case("stream: tool calls with strange indexes", function()
   local function call(index, id)
      return t.delta { tool_calls = { { index = index, id = id, type = "function",
         ["function"] = { name = "f", arguments = "{}" } } } }
   end
   for _, indexes in ipairs { { 1 }, { 1, 2 }, { 5 }, { 0, 7 }, { -1 }, { 1e300 }, { 0.5 }, { "x" } } do
      local events = {}
      for position, index in ipairs(indexes) do events[position] = call(index, "c" .. position) end
      events[#events + 1] = t.delta({}, "tool_calls")
      t.stream(events)
      local reply = llm.stream("sim/mini", "x", { stream = true }):reply()
      t.equal(reply.tool_calls and #reply.tool_calls, #indexes)
      for position in ipairs(indexes) do t.equal(reply.tool_calls[position].id, "c" .. position) end
   end
end)

t.case("stream: errors before the first content are nil, err", function()
   failing(429, nil, "retry-after: 3\r\n")
   local stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "rate_limited")
   t.equal(err.retry_after, 3)
   t.forget()
   t.stream { t.delta { role = "assistant" }, { error = { message = "boom", type = "server_error" } } }
   stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "unavailable")
   t.equal(err.message, "provider 'sim': boom")
   t.stream({ t.delta { role = "assistant" } }, { open = true, cut = true })
   stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "unavailable")
   t.stream({ t.delta { role = "assistant" } }, { open = true })
   stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "bad_response")
   t.forget()
   t.stream { "no json" }
   stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "bad_response")
   t.stream {}
   stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "bad_response")
   t.reply(200, "<html>", "content-type: text/html\r\n")
   stream, err = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream, nil)
   t.equal(err.code, "bad_response")
end)

t.case("stream: tried again before the first content", function()
   failing(503)
   t.stream({ t.delta { role = "assistant" } }, { open = true, cut = true })
   t.stream(words)
   local stream = llm.stream("sim/mini", "x", { stream = true, retries = 2 })
   t.equal(stream:reply().text, "Hello you")
   t.equal(trace.total().attempts, 3)
end)

t.case("stream: errors after the first content end it", function()
   local function last(events, options)
      t.forget()
      t.stream(events, options)
      local stream = llm.stream("sim/mini", "x", { stream = true })
      local text, err = "", nil
      for event in stream:events() do
         text = text .. (event.text or "")
         if event.kind == "error" then err = event.err end
      end
      t.equal(text, "Hello")
      t.equal(stream:next(), nil)
      return err
   end
   local hello = t.delta { content = "Hello" }
   local err = last { hello, { error = { message = "boom", code = "rate_limit_exceeded" } } }
   t.equal(err.code, "rate_limited")
   t.equal(err.message, "provider 'sim': boom")
   t.equal(err.provider, "sim")
   t.equal(last({ hello }, { open = true, cut = true }).code, "unavailable")
   t.equal(last({ hello }, { open = true }).code, "bad_response")
   t.equal(last({ hello, "{" }).code, "bad_response")
   t.equal(last({ hello, t.delta({}, "length") }, { open = true, cut = true }), nil)
   t.equal(last({ hello, t.delta({}, "stop") }, { open = true }), nil)
   t.equal(last { hello }, nil)
   t.stream({ hello }, { open = true, cut = true })
   local reply, why = llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal(reply, nil)
   t.equal(why.code, "unavailable")
end)

t.case("stream: the end mark without the end of the body", function()
   t.answer { { head = 200, headers = "Content-Type: text/event-stream\r\n" },
      { data = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n' },
      { at = 3600, done = true } }
   local reply = llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal(reply.text, "a")
   t.ok(clock.monotonic() < 1, "nobody waits for the end of the connection")
   t.equal(t.requests()[1].cancelled, true)
end)

t.case("stream: in any pieces", function()
   local bytes = ""
   for _, event in ipairs(words) do bytes = bytes .. "data: " .. json.encode(event) .. "\r\n\r\n" end
   bytes = bytes .. "data: [DONE]\n\n"
   for _, size in ipairs { 7, 64, 1000 } do
      local steps = { { head = 200, headers = "content-type: text/event-stream\r\n" } }
      for at = 1, #bytes, size do steps[#steps + 1] = { data = bytes:sub(at, at + size - 1) } end
      steps[#steps + 1] = { done = true }
      t.answer(steps)
      t.equal(llm.stream("sim/mini", "x", { stream = true }):reply().text, "Hello you")
   end
end)

t.case("stream: close", function()
   t.stream(words, { every = 1 })
   local stream = llm.stream("sim/mini", "x", { stream = true })
   t.equal(stream:next().text, "Hm.")
   stream.call:close()
   t.equal(t.requests()[1].cancelled, true)
   t.equal(stream:next(), nil)
end)

t.case("the key is nowhere to be seen", function()
   local config = require "config"
   t.ok(not json.encode(config):find("sk-secret", 1, true))
   failing(401, { message = "Incorrect API key provided: sk-se***et" })
   local _, err = llm.chat("sim/mini", "x")
   t.ok(not err.message:find("sk-", 1, true))
   t.ok(not tostring(err):find("sk-", 1, true))
end)
