-- test_rescue: streams that break in the middle: held back, continued from the cut, or told as an error.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local json = require "json"
local llm = require "llm"
local provider = require "provider"
local trace = require "trace"

-- Models that go on from the beginning of an answer, and one that does not.
local function model(name, capabilities)
   return { name = "sim/" .. name, provider = "sim", model = name, capabilities = capabilities, input = 1,
      output = 2 }
end

local first, second, plain = model("first", { "prefill" }), model("second", { "prefill" }), model "plain"

-- A stream of these texts; broken after them, or whole.
local function says(texts, options)
   local events = {}
   for i, text in ipairs(texts) do events[i] = t.delta { content = text } end
   if not (options and options.cut) then events[#events + 1] = t.delta({}, "stop") end
   t.stream(events, options)
end

local cut = { cut = true, open = true, every = 1 }

local function refuses(status, message)
   t.reply(status or 400, { error = { message = message or "no prefill here" } })
end

-- What a client would see: the text, how it ended.
local function read(stream)
   local text, reason, err = {}, nil, nil
   for event in stream:events() do
      if event.kind == "text" then text[#text + 1] = event.text end
      reason = event.reason or reason
      err = event.err or err
   end
   return table.concat(text), reason, err
end

local function open(target, opts, req)
   opts.stream = true
   return llm.stream(target, req or "Tell me.", opts)
end

-- ---- continue ----

t.case("continue: the same model goes on from the cut", function()
   says({ "The quick ", "brown fox" }, cut)
   says { " jumps", " over." }
   local stream = open(first, { rescue = "continue", max_tokens = 100, reasoning_effort = "low" })
   local text, reason, err = read(stream)
   t.equal({ text, reason, err == nil }, { "The quick brown fox jumps over.", "stop", true })
   local sent = t.sent(2)
   t.equal(sent.messages, { { role = "user", content = "Tell me." },
      { role = "assistant", content = "The quick brown fox" } })
   t.equal({ sent.max_tokens, sent.reasoning_effort == nil }, { 96, true })
   t.equal({ stream.name, stream.models }, { "sim/first", { "sim/first", "sim/first" } })
end)

t.case("continue: another model, and all that spoke are told", function()
   says({ "The quick " }, cut)
   refuses(500)
   says { "brown fox" }
   local stream = open(first, { rescue = "continue", fallback = { plain, second } })
   t.equal({ read(stream) }, { "The quick brown fox", "stop" })
   t.equal({ stream.name, stream.models }, { "sim/second", { "sim/first", "sim/second" } })
   t.equal({ t.sent(2).model, t.sent(3).model, #t.requests() }, { "first", "second", 3 })
end)

t.case("continue: a whole reply of it tells its models, too", function()
   says({ "The quick " }, cut)
   says { "brown fox" }
   local reply = open(first, { rescue = "continue", fallback = { second } }):reply()
   t.equal({ reply.text, reply.models, reply.finish_reason },
      { "The quick brown fox", { "sim/first", "sim/first" }, "stop" })
end)

t.case("continue: white space at the cut is neither sent nor doubled", function()
   says({ "One. \n\n" }, cut)
   says { "\n\nTwo." }
   t.equal({ read(open(first, { rescue = "continue" })) }, { "One. \n\nTwo.", "stop" })
   t.equal(t.sent(2).messages[2].content, "One.")
   says({ "One " }, cut)
   says { " two" }
   t.equal({ read(open(first, { rescue = "continue" })) }, { "One two", "stop" })
   says({ "One " }, cut)
   says { "two" }
   t.equal({ read(open(first, { rescue = "continue" })) }, { "One two", "stop" })
end)

t.case("continue: a model that says the beginning again", function()
   says({ "The quick brown fox" }, cut)
   says { "The qu", "ick brown", " fox jumps", "." }
   t.equal({ read(open(first, { rescue = "continue" })) }, { "The quick brown fox jumps.", "stop" })
   says({ "The" }, cut)
   says { "The", " end." }
   t.equal({ read(open(first, { rescue = "continue" })) }, { "The end.", "stop" })
   says({ "The quick brown fox jumps" }, cut)
   says { "The" } -- a short answer that happens to begin so
   t.equal({ read(open(first, { rescue = "continue" })) }, { "The quick brown fox jumpsThe", "stop" })
end)

t.case("continue: a model that begins anew is not listened to", function()
   says({ "The quick brown fox jumps over the lazy dog" }, cut)
   says { "The quick brown fox jumps", " over a fence instead." }
   says { " and sleeps." }
   local stream = open(first, { rescue = "continue", fallback = { second } })
   t.equal({ read(stream) }, { "The quick brown fox jumps over the lazy dog and sleeps.", "stop" })
   t.equal({ t.requests()[2].cancelled or t.requests()[2].ended, stream.models }, { true,
      { "sim/first", "sim/second" } })
end)

t.case("continue: where nobody can, the error comes last", function()
   for _, fallback in ipairs { { plain }, { second } } do
      t.forget()
      says({ "The quick " }, cut)
      local asked = #t.requests()
      if fallback[1] == second then refuses() end
      if fallback[1] == second then refuses() end
      local target = fallback[1] == second and first or plain
      local text, reason, err = read(open(target, { rescue = "continue", fallback = fallback }))
      t.equal({ text, reason == nil, err.code }, { "The quick ", true, "unavailable" })
      t.equal(#t.requests() - asked, fallback[1] == second and 3 or 1)
   end
end)

t.case("continue: not after the call of a tool has begun", function()
   t.stream({ t.delta { content = "I look. " },
      t.delta { tool_calls = { { index = 0, id = "a", ["function"] = { name = "f", arguments = "{" } } } } },
      cut)
   local text, _, err = read(open(first, { rescue = "continue" }))
   t.equal({ text, err.code, #t.requests() }, { "I look. ", "unavailable", 1 })
end)

t.case("continue: reasoning before the text is no hindrance, and does not come twice", function()
   t.stream({ t.delta { reasoning_content = "Hm." }, t.delta { content = "The quick " } }, cut)
   t.stream { t.delta { reasoning_content = "Again?" }, t.delta { content = "fox" }, t.delta({}, "stop") }
   local reply = open(first, { rescue = "continue" }):reply()
   t.equal(reply.text, "The quick fox")
   t.equal(reply.message.reasoning_content or reply.message.reasoning, "Hm.")
end)

t.case("continue: a stall, a drip and an error event are cuts, too", function()
   local event = "data: " .. json.encode(t.delta { content = "The quick " }) .. "\n\n"
   local head = { head = 200, headers = "content-type: text/event-stream\r\n" }
   t.answer { head, { data = event }, { at = 3, fail = "timeout", message = "stall timeout" } }
   says { "fox" }
   t.equal((read(open(first, { rescue = "continue" }))), "The quick fox")
   t.answer { head, { data = event }, { at = 50, data = event } }
   says { "fox" }
   t.equal((read(open(first, { rescue = "continue", min_rate = 2, rate_window = 4 }))), "The quick fox")
   t.answer { head, { data = event .. 'data: {"error":{"message":"boom"}}\n\n' } }
   says { "fox" }
   t.equal((read(open(first, { rescue = "continue" }))), "The quick fox")
end)

t.case("continue: cut again and again, each model once", function()
   says({ "a " }, cut)
   says({ "b " }, cut)
   says({ "c " }, cut)
   local text, _, err = read(open(first, { rescue = "continue", fallback = { second } }))
   t.equal({ text, err.code, #t.requests() }, { "a b c ", "unavailable", 3 })
   t.equal(t.sent(3).messages[2].content, "a b")
end)

t.case("continue: not beyond the deadline", function()
   says({ "a ", "b ", "c " }, cut)
   local _, _, err = read(open(first, { rescue = "continue", deadline = 2.5 }))
   t.equal({ err.code, #t.requests() }, { "timeout", 1 })
   says({ "a ", "b " }, cut)
   says({ "c ", "d " }, { every = 1 })
   local stream = open(first, { rescue = "continue", deadline = 3.5 })
   local text, reason
   text, reason, err = read(stream)
   t.equal({ text, err.code, t.requests()[3].total, reason == nil }, { "a b c ", "timeout", 1.5, true })
end)

t.case("continue: what the cut answer cost is booked, and is not the answer's", function()
   says({ "The quick ", "brown " }, cut)
   t.stream { t.delta { content = "fox" }, t.delta({}, "stop"),
      { choices = json.array {}, usage = { prompt_tokens = 20, completion_tokens = 1 } } }
   local stream = open(first, { rescue = "continue" })
   read(stream)
   t.equal({ stream.usage.input_tokens, stream.usage.output_tokens }, { 20, 1 })
   local total = trace.total()
   local body = #t.requests()[1].body // 4
   t.equal({ total.input_tokens, total.output_tokens, total.attempts }, { 20 + body, 3, 2 })
   t.ok(math.abs(stream.cost - 22e-6) < 1e-12 and total.cost_usd > stream.cost)
end)

t.case("continue: of a client's request nothing is lost", function()
   local req = provider.request(
      '{"model":"auto","stream":true,"x":1.5,"messages":[{"role":"system","content":"Be."},{"role":"user",'
      .. '"content":"Hi"}],"max_completion_tokens":3}')
   says({ "The quick brown fox " }, cut)
   says { "jumps" }
   t.equal((read(open(first, { rescue = "continue" }, req))), "The quick brown fox jumps")
   t.equal({ t.sent(2).x, #t.sent(2).messages, t.sent(2).messages[1].content }, { 1.5, 3, "Be." })
   t.equal(t.sent(2).max_completion_tokens or t.sent(2).max_tokens, 1)
end)

-- ---- the window that is held back ----

t.case("hold: a cut in the window is repaired unseen", function()
   says({ "one ", "two " }, cut)
   says { "three ", "four ", "five" }
   local stream = open(plain, { hold = { tokens = 10 }, fallback = { first } })
   t.equal({ read(stream) }, { "three four five", "stop" })
   t.equal({ stream.name, stream.models }, { "sim/first", { "sim/first" } })
   says({ "one ", "two " }, cut)
   says { "three" }
   t.equal((read(open(plain, { hold = { tokens = 10 }, retries = 1 }))), "three")
   says({ "one ", "two " }, cut)
   local none, err = open(plain, { hold = { tokens = 10 } })
   t.equal({ none == nil, err.code }, { true, "unavailable" }) -- a real status, not 200
end)

t.case("hold: after the window the error is seen", function()
   says({ "one ", "two ", "three ", "four " }, cut)
   local text, reason, err = read(open(plain,
      { hold = { tokens = 2 }, fallback = { first }, retries = 3 }))
   t.equal({ text, reason == nil, err.code, #t.requests() },
      { "one two three four ", true, "unavailable", 1 })
end)

t.case("hold: for some time", function()
   says({ "one ", "two ", "three " }, { every = 1 })
   local begun = clock.monotonic()
   local stream = open(plain, { hold = { ms = 1500 } })
   t.equal(clock.monotonic() - begun, 2.5)
   t.equal({ read(stream) }, { "one two three ", "stop" })
   t.equal(clock.monotonic() - begun, 4)
   says({ "one ", "two " }, cut)
   says { "three" }
   t.equal((read(open(plain, { hold = { ms = 5000 }, retries = 1 }))), "three")
   says({ "one ", "two " }, { every = 1 })
   begun = clock.monotonic()
   stream = open(plain, { hold = { ms = 60000, tokens = 1 } })
   t.equal(clock.monotonic() - begun, 1)
   stream:close()
   t.equal(t.requests()[4].cancelled, true)
end)

t.case("hold: an answer shorter than the window", function()
   t.stream { t.delta { content = "short" }, t.delta({}, "stop"),
      { choices = json.array {}, usage = { prompt_tokens = 5, completion_tokens = 1 } } }
   local stream = open(plain, { hold = { tokens = 100 } })
   t.equal(stream.taken, false)
   local reply = stream:reply()
   t.equal({ reply.text, reply.finish_reason, reply.usage.output_tokens, reply.cost > 0 },
      { "short", "stop", 1, true })
   t.equal({ stream.taken, stream:next() == nil, (select(2, stream:next())) == nil }, { true, true, true })
end)

t.case("restart: once in the window, without being told how often", function()
   says({ "one ", "two " }, cut)
   says { "three" }
   t.equal({ read(open(plain, { rescue = "restart" })) }, { "three", "stop" })
   says({ "one ", "two " }, cut)
   says({ "one ", "two " }, cut)
   local none, err = open(plain, { rescue = "restart" })
   t.equal({ none == nil, err.code, #t.requests() }, { true, "unavailable", 4 })
   local many = {}
   for i = 1, 60 do many[i] = "word " end
   says(many, cut)
   local text
   text, none, err = read(open(plain, { rescue = "restart" }))
   t.equal(none, nil)
   t.equal({ #text, err.code, #t.requests() }, { 300, "unavailable", 5 })
end)

t.case("continue: not with several choices, each of which has another beginning", function()
   for _, where in ipairs { "options", "request" } do
      says({ "The quick " }, cut)
      local opts = { rescue = "continue", fallback = { second }, n = where == "options" and 2 or nil }
      local twice = { n = 2, messages = { { role = "user", content = "Tell me." } } }
      local req, sent = where == "request" and twice or nil, #t.requests()
      local text, reason, err = read(open(first, opts, req))
      t.equal({ text, reason == nil, err.code }, { "The quick ", true, "unavailable" })
      t.equal(#t.requests(), sent + 1)
   end
end)

t.case("hold and continue together", function()
   says({ "one " }, cut)
   says({ "two ", "three ", "four " }, cut)
   says { "five" }
   local stream = open(first, { rescue = "continue", hold = { tokens = 3 }, fallback = { second } })
   t.equal({ read(stream) }, { "two three four five", "stop" })
   t.equal(stream.models, { "sim/second", "sim/second" })
end)

t.case("without an option of these a stream flows through C", function()
   says { "one" }
   local stream = open(plain, { rescue = "error", fallback = { first } })
   t.ok(stream.call and stream.codec.format == "openai")
   stream:close()
   says { "one" }
   stream = open(plain, { hold = { tokens = 1 } })
   t.equal({ stream.call == nil, stream.codec.format == nil, llm.is_stream(stream) }, { true, true, true })
   stream:close()
end)
