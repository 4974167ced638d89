-- test: what the tests in this folder say and compare.
-- SPDX-License-Identifier: MIT
--
-- Each t.case runs later, as a task of its own, on a fake effect (tests/unit/test_lua.c): time is
-- virtual, sleeps end at once in the order of time, and providers answer what the case has told
-- them to. A case that leaves a task, a timer or a call open fails, and so does one that scripts an
-- answer nobody asks for.

local json = require "json"

-- The C side is the global 'harness', which only the tests' generation has.
local harness = harness -- luacheck: globals harness

local t = {}

-- t.case(name, f): a test. f may wait (task.sleep, llm.chat).
function t.case(name, f)
   harness.case(name, f)
end

local function show(value)
   if type(value) == "string" then return ("%q"):format(value) end
   if type(value) ~= "table" then return tostring(value) end
   local ok, text = pcall(json.encode, value)
   return ok and text or tostring(value)
end

local function same(a, b)
   if type(a) ~= "table" or type(b) ~= "table" then return a == b end
   for key, value in pairs(a) do
      if not same(value, b[key]) then return false end
   end
   for key in pairs(b) do
      if a[key] == nil then return false end
   end
   return true
end

-- t.equal(a, b): the same value; tables by what they hold. 1 and 1.0 are the same.
function t.equal(a, b)
   local equal = same(a, b)
   harness.check(equal, equal or show(a) .. " is not " .. show(b))
end

-- t.ok(condition, message?)
function t.ok(condition, message)
   harness.check(condition and true or false, message or "not true")
end

-- t.raises(f, pattern): f raises an error whose text holds the pattern (as it stands, or as a
-- pattern). f may wait. Returns the error.
function t.raises(f, pattern)
   local ok, err = pcall(f)
   local text = tostring(err)
   local found = not ok and (text:find(pattern, 1, true) or text:find(pattern)) and true or false
   harness.check(found, ok and "raised nothing" or ("raised %q, not %q"):format(text, pattern))
   return err
end

-- t.skip(why): counts something that cannot be tested here.
function t.skip(why)
   harness.skip(why)
end

-- t.with({ name = fake module, ... }, f): while f runs, t.load hands these out for require.
local replaced = {}

function t.with(modules, f)
   local before = replaced
   replaced = modules
   local ok, err = pcall(f)
   replaced = before
   if not ok then error(err, 0) end
end

-- t.load(path, ...): runs a file of the repository afresh and returns what it returns.
function t.load(path, ...)
   local modules = replaced
   local chunk = harness.compile(path, function(name)
      if modules[name] ~= nil then return modules[name] end
      return require(name)
   end, modules.print)
   return chunk(...)
end

-- ---- providers ----

-- t.answer(steps): how the next call that is made is answered. Each step is one of
--   { at = seconds, head = status, headers = "name: value\r\n..." }, { at =, data = bytes },
--   { at =, done = true }, { at =, fail = error code, message = }; 'at' defaults to the one before.
function t.answer(steps)
   harness.answer(steps)
end

-- t.reply(status, body, headers?, at?): an answer in one piece. A table is encoded.
function t.reply(status, body, headers, at)
   if type(body) == "table" then body = json.encode(body) end
   t.answer {
      { at = at or 0, head = status, headers = "content-type: application/json\r\n" .. (headers or "") },
      { data = body }, { done = true },
   }
end

-- t.stream(events, options?): a stream of these events (tables are encoded, strings sent as data as
-- they are), 'every' seconds apart, with the end mark unless options.open. options.cut: the
-- connection breaks at the end instead.
function t.stream(events, options)
   options = options or {}
   local steps = { { head = 200, headers = "content-type: text/event-stream\r\n" } }
   local at = 0
   for _, event in ipairs(events) do
      at = at + (options.every or 0)
      local data = type(event) == "table" and json.encode(event) or event
      steps[#steps + 1] = { at = at, data = "data: " .. data .. "\n\n" }
   end
   if not options.open then steps[#steps + 1] = { data = "data: [DONE]\n\n" } end
   steps[#steps + 1] = options.cut and { fail = "unavailable", message = "the connection broke" }
      or { done = true }
   t.answer(steps)
end

-- t.completion(text, more?): the body of a whole answer, as a table.
function t.completion(text, more)
   local body = {
      id = "chatcmpl-1", object = "chat.completion", created = 1, model = "mini-1",
      choices = { {
         index = 0, message = { role = "assistant", content = text }, finish_reason = "stop",
      } },
      usage = { prompt_tokens = 1000, completion_tokens = 500, total_tokens = 1500 },
   }
   for name, value in pairs(more or {}) do body[name] = value end
   return body
end

-- t.delta(fields, reason?): an event of a stream, as a table.
function t.delta(fields, reason)
   return { id = "chatcmpl-1", object = "chat.completion.chunk",
      choices = { { index = 0, delta = json.object(fields), finish_reason = reason or json.null } } }
end

-- t.requests() -> what was sent so far: { method, url, headers, body = text, at = seconds,
-- cancelled, ended, pauses, public_only, connect, first_byte, stall, total = seconds }.
function t.requests()
   return harness.requests()
end

-- t.sent(n) -> the decoded body of the n-th request.
function t.sent(n)
   return json.decode(t.requests()[n].body)
end

-- t.forget(): what is remembered of models and keys is forgotten: breakers, benches, rates.
function t.forget()
   harness.forget()
end

-- t.force(model, "open" | "closed" | "none"): as an operator does.
function t.force(model, how)
   harness.force(model, how)
end

-- Families of core/metrics.h.
local families = { calls = 4, tokens = 7, cost = 8, refused = 9, opened = 10 }

-- t.metric(name in 'families', labels...) -> its value, over all cases so far.
function t.metric(family, ...)
   return harness.metric(families[family], ...)
end

-- t.follow(): from now on every step of this case is noted, as the trace log wants it (trace.record).
function t.follow()
   harness.follow()
end

-- t.questions() -> what operators see of the questions to people: { total =, items = { { id =, ... } } }.
function t.questions()
   return json.decode(harness.questions())
end

-- t.person(text, by?, id?): answers the oldest question, or that one: 1, 0 (there is none), or a message.
function t.person(text, by, id)
   local first = t.questions().items[1]
   return harness.answer_question(id or first and first.id or "none", text, by)
end

-- t.end_questions("expire", id) -> boolean | ("limit", seconds): as when their policies are replaced |
-- ("stop"): as when the engine ends | ("open", n, url?): the configuration's human.open and human.webhook.
function t.end_questions(how, what, url)
   return harness.end_questions(how, what, url)
end

-- t.collect(): collects garbage now.
function t.collect()
   harness.collect()
end

-- The folder of the public test data; nil when it is not here.
t.vectors = harness.vectors

-- t.client() -> an answer object as a door gives to serve.request, and a function that tells what
-- the client got: { status, type, body, ended, failure = message, code }.
function t.client()
   return harness.client()
end

return t
