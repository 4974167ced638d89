-- test_human: a person decides: answers, time that runs out, limits, webhooks, ends.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local human = require "human"
local json = require "json"
local task = require "task"
local trace = require "trace"

-- Asks, and meanwhile calls f after so many seconds: what human.ask returned.
local function asked(ask, after, f)
   local out
   task.all {
      function() out = table.pack(human.ask(ask)) end,
      function()
         task.sleep(after)
         f()
      end,
   }
   return table.unpack(out, 1, out.n)
end

t.case("an answer: the text, who and after how long", function()
   local begun = clock.monotonic()
   local answer, about = asked({ question = "Refund 300 USD?", details = { order = 7 } }, 5, function()
      local seen = t.questions()
      t.equal(seen.total, 1)
      local one = seen.items[1]
      t.ok(one.id:find "^q_%x+$" and #one.id == 18, one.id)
      t.equal({ one.question, one.details, one.age_s, one.left_s },
         { "Refund 300 USD?", { order = 7 }, 5.0, 25.0 })
      t.ok(one.trace:find "^trace", one.trace)
      t.equal({ one.asked_at, one.expires_at }, { "2026-07-25T00:00:00.000Z", "2026-07-25T00:00:30.000Z" })
      t.equal(t.person("go ahead", "ada"), 1)
      t.equal(t.person("again", "eve", one.id), 0)
   end)
   t.equal({ answer, about }, { "go ahead", { by = "ada", waited = 5.0 } })
   t.equal(clock.monotonic() - begun, 5.0)
   t.equal(t.questions().total, 0)
end)

t.case("options: only these are answers", function()
   local answer, about = asked({ question = "?", options = { "yes", "no" } }, 1, function()
      t.equal(t.person "maybe", "answer: must be one of: yes, no")
      t.equal(t.person "Yes", "answer: must be one of: yes, no")
      t.equal(t.person "no", 1)
   end)
   t.equal({ answer, about.by }, { "no", false })
end)

t.case("nobody answers: otherwise, or an error", function()
   local begun = clock.monotonic()
   local answer, err = human.ask { question = "?", within = 2.5 }
   t.equal({ answer, err.code, err.message }, { nil, "timeout", "nobody answered within 2.5 seconds" })
   t.equal(clock.monotonic() - begun, 2.5)
   local about
   answer, about = human.ask { question = "?", within = 1, otherwise = "no" }
   t.equal({ answer, about.otherwise, about.reason.code }, { "no", true, "timeout" })
   t.equal(human.ask { question = "?", within = 1, otherwise = false }, false)
   t.equal(human.ask { question = "?", within = 1, otherwise = function(why) return why.code end }, "timeout")
end)

t.case("within: 30 seconds in a request", function()
   local begun = clock.monotonic()
   human.ask { question = "?" }
   t.equal(clock.monotonic() - begun, 30.0)
end)

t.case("an operator lets it expire", function()
   local answer, err = asked({ question = "?" }, 3, function()
      t.equal(t.end_questions("expire", t.questions().items[1].id), true)
      t.equal(t.end_questions("expire", "q_none"), false)
   end)
   t.equal({ answer, err.code, err.message },
      { nil, "timeout", "an operator let the question expire after 3.0 seconds" })
end)

t.case("a question that is given up is gone", function()
   local _, err = task.within(2, function() return human.ask { question = "?" } end)
   t.equal(err.code, "timeout")
   t.equal(t.questions().total, 0)
   local who = select(2, task.race {
      asked = function() return human.ask { question = "?" } end,
      quick = function() return task.sleep(1) end,
   })
   t.equal({ who, t.questions().total }, { "quick", 0 })
end)

t.case("policies that were replaced do not wait for ever", function()
   local begun = clock.monotonic()
   local answer, err = asked({ question = "?", within = 3600 }, 10, function()
      t.end_questions("limit", 600)
      t.equal(t.questions().items[1].left_s, 600.0)
      t.end_questions("limit", 5) -- only the first time counts
   end)
   t.equal({ answer, err.code }, { nil, "timeout" })
   t.equal(err.message, "nobody answered, and the policies that ask were replaced 600 seconds ago")
   t.equal(clock.monotonic() - begun, 610.0)
   t.equal(asked({ question = "?", within = 5 }, 1, function() t.end_questions("limit", 600) end), nil)
   t.equal(clock.monotonic() - begun, 615.0) -- its own time is shorter
   t.equal(asked({ question = "?", within = 3600 }, 1, function()
      t.end_questions("limit", 600)
      t.person "in time"
   end), "in time")
end)

t.case("the engine stops: an honest error, not what otherwise says", function()
   local answer, err = asked({ question = "?", otherwise = "no" }, 1, function() t.end_questions "stop" end)
   t.equal({ answer, err.code, err.retryable }, { nil, "overloaded", true })
   t.equal(err.message, "the engine is stopping: nobody has answered the question yet")
end)

t.case("a ceiling on open questions", function()
   t.end_questions("open", 2)
   local results, errors = task.all {
      function() return human.ask { question = "1", within = 5 } end,
      function() return human.ask { question = "2", within = 5 } end,
      function() return human.ask { question = "3", within = 5 } end,
   }
   t.equal(results, {})
   t.equal({ errors[1].code, errors[2].code, errors[3].code }, { "timeout", "timeout", "overloaded" })
   t.ok(errors[3].message:find("2 questions are open already (human.open)", 1, true), errors[3].message)
   t.end_questions("open", 1000)
end)

t.case("wrong use raises and names it", function()
   local function raises(ask, message)
      t.raises(function() human.ask(ask) end, message)
   end
   raises("x", "a table is needed")
   raises({}, "question must be a text")
   raises({ question = ("x"):rep(4097) }, "question must be a text of 1 to 4096 bytes")
   raises({ question = "?", wihtin = 1 }, "unknown field 'wihtin'")
   raises({ question = "?", within = 0 }, "within must be seconds above 0")
   raises({ question = "?", within = 1e9 }, "at most 604800")
   raises({ question = "?", options = {} }, "options must be a list of 1 to 20 texts")
   raises({ question = "?", options = { "a", 7 } }, "options[2] must be a text")
   raises({ question = "?", options = { "a", "a" } }, "'a' stands there twice")
   raises({ question = "?", details = ("x"):rep(17000) }, "more than 16384 bytes")
   raises({ question = "?", details = print }, "")
   t.equal(t.questions().total, 0)
end)

t.case("the trace has decisions, and no texts", function()
   t.follow()
   asked({ question = "SECRET?", options = { "yes", "no" } }, 1, function() t.person("yes", "ada") end)
   asked({ question = "SECRET?" }, 1, function() t.person "my own words" end)
   human.ask { question = "SECRET?", within = 1, otherwise = 1 }
   local notes = trace.record().notes
   t.equal(notes[1].note.human, { outcome = "answered", answer = "yes", by = "ada", waited_s = 1.0 })
   t.equal(notes[2].note.human, { outcome = "answered", by = false, waited_s = 1.0 })
   t.equal(notes[3].note.human, { outcome = "otherwise", reason = "nobody answered within 1 seconds" })
   t.ok(not json.encode(notes):find "SECRET")
end)

-- ---- the webhook ----

t.case("webhook: told once, with what is asked and where to answer", function()
   t.end_questions("open", 1000, "http://hook.test/x?sig=abc")
   t.reply(204, "")
   asked({ question = "Go?", options = { "yes" } }, 2, function() t.person "yes" end)
   t.end_questions("open", 1000)
   local request = t.requests()[1]
   t.equal({ request.method, request.url, #t.requests() }, { "POST", "http://hook.test/x?sig=abc", 1 })
   t.equal(request.headers, "content-type: application/json\nx-key: hook-secret\n")
   local body = json.decode(request.body)
   t.equal({ body.event, body.question.question, body.question.options }, { "question", "Go?", { "yes" } })
   t.equal(body.answer, "POST /admin/questions/" .. body.question.id)
   t.ok(not request.body:find "hook" and not request.body:find "sig=")
end)

t.case("webhook: again where it may help, with pauses, four times", function()
   t.end_questions("open", 1000, "http://hook.test/x")
   t.answer { { fail = "unavailable", message = "refused" } }
   t.reply(503, "")
   t.reply(429, "")
   t.reply(500, "")
   human.ask { question = "Go?", within = 100 }
   local at = {}
   for position, request in ipairs(t.requests()) do at[position] = request.at end
   t.equal(at, { 0, 1.0, 5.0, 21.0 })
   t.reply(404, "")
   human.ask { question = "Go?", within = 100 }
   t.equal(#t.requests(), 5) -- that will not change
   t.end_questions("open", 1000)
end)

t.case("webhook: not once more when the answer is here", function()
   t.end_questions("open", 1000, "http://hook.test/x")
   t.reply(500, "")
   asked({ question = "Go?" }, 0.5, function() t.person "yes" end)
   task.sleep(10)
   t.equal(#t.requests(), 1)
   t.answer { { at = 60, head = 200 }, { done = true } }
   asked({ question = "Go?" }, 0.5, function() t.person "yes" end)
   t.equal(t.requests()[2].cancelled, true)
   t.end_questions("open", 1000)
end)
