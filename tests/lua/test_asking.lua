-- test_asking: judge, fuse and verify: what is asked, what is made of the answers, and of none.
-- SPDX-License-Identifier: MIT
local t = require "test"

-- consensus on models that are a function: answer(messages, target, how) -> text | nil, code.
local function load(answer)
   local asked = {}
   local function call(how)
      return function(target, req, opts)
         asked[#asked + 1] = { target = target, how = how, messages = req.messages, req = req, opts = opts }
         local said, code = answer(req.messages, target, how)
         if said then return { text = said, name = target, finish_reason = "stop" } end
         return nil, { code = code or "unavailable" }
      end
   end
   local llm = { chat = call "chat", stream = call "stream", fail = require("llm").fail }
   local asking
   t.with({ llm = llm, models = { alternatives = function(name)
      asked.not_by = name
      return { "p/other" }
   end } }, function() asking = t.load("scripts/consensus/asking.lua") end)
   return asking, asked
end

local function replies(...)
   local out = {}
   for i, s in ipairs { ... } do out[i] = { text = s, name = "p/" .. i } end
   return out
end

-- A judge that prefers the answer with this word in it, wherever it stands.
local function prefers(word)
   return function(messages)
      local a = messages[1].content:match "<answer_A>\n(.-)\n</answer_A>"
      local b = messages[1].content:match "<answer_B>\n(.-)\n</answer_B>"
      if a:find(word, 1, true) then return "[[A]]" end
      return b:find(word, 1, true) and "[[B]]" or "[[C]]"
   end
end

t.case("judge: each pair in both orders", function()
   local asking, asked = load(prefers "good")
   local winner, report = asking.judge("Why?", replies("bad one", "a good one", "worse"),
      { model = "p/judge" })
   t.equal(winner.text, "a good one")
   t.equal({ report.compared, report.sure, report.failed, report.confidence }, { 2, 2, 0, 1 })
   t.equal(#asked, 4)
   t.equal(asked[1].target, "p/judge")
   t.equal(asked[1].req.temperature, 0)
   t.ok(asked[1].messages[1].content:find("Why?", 1, true))
end)

t.case("judge: one who always prefers the first it reads convinces nobody", function()
   local asking = load(function() return "[[A]]" end)
   local winner, report = asking.judge("Why?", replies("one", "two", "three"), { model = "p/judge" })
   t.equal(winner.text, "one")
   t.equal(report.sure, 0)
   t.equal(report.confidence, 0)
end)

t.case("judge: equal answers are compared once, one answer not at all", function()
   local asking, asked = load(prefers "yes")
   t.equal(asking.judge("Is it?", replies("no", "No.", "yes"), { model = "p/judge" }).text, "yes")
   t.equal(#asked, 2)
   asking, asked = load(prefers "yes")
   t.equal(asking.judge("Is it?", replies("no", "No!"), { model = "p/judge" }).text, "no")
   t.equal(#asked, 0)
end)

t.case("judge: when it fails", function()
   local asking = load(function() return nil, "timeout" end)
   local winner, err = asking.judge("Why?", replies("one", "two"), { model = "p/judge" })
   t.equal({ winner == nil, err.code }, { true, "timeout" })
   asking = load(function() return "I like both." end)
   winner, err = asking.judge("Why?", replies("one", "two"), { model = "p/judge" })
   t.equal({ winner == nil, err.code }, { true, "invalid_output" })
   winner, err = asking.judge("Why?", {}, { model = "p/judge" })
   t.equal({ winner == nil, err.code }, { true, "no_candidate" })
   local n = 0
   asking = load(function() -- one of the two orders fails: that is no victory
      n = n + 1
      if n % 2 == 0 then return nil end
      return "[[B]]"
   end)
   winner = asking.judge("Why?", replies("one", "two"), { model = "p/judge" })
   t.equal(winner.text, "one")
   t.raises(function() asking.judge("Why?", replies("one"), {}) end, "option 'model' is missing")
   t.raises(function() asking.judge("Why?", replies("one"), { modle = "x" }) end, "unknown option 'modle'")
end)

t.case("fuse: the answers in front of the client's own request", function()
   local asking, asked = load(function() return "The best of both." end)
   local req = { messages = { { role = "system", content = "Be brief." }, { role = "user",
      content = "Why?" } },
      temperature = 0.3 }
   local reply = asking.fuse(req, replies("first", "second", "Second."), { model = "p/big" })
   t.equal(reply.text, "The best of both.")
   t.equal({ asked[1].how, asked[1].target, asked[1].req.temperature }, { "stream", "p/big", 0.3 })
   local messages = asked[1].messages
   t.equal(#messages, 3)
   t.ok(messages[1].content:find("<answer_1>\nfirst\n</answer_1>", 1, true))
   t.ok(messages[1].content:find("<answer_2>\nsecond\n</answer_2>", 1, true))
   t.ok(not messages[1].content:find("answer_3", 1, true))
   t.equal(messages[3].content, "Why?")
   t.equal(#req.messages, 2)
   asking.fuse("Why?", replies "first", { model = "p/big", timeout = 3, stream = false })
   t.equal(asked[2].messages[2].content, "Why?")
   t.equal(asked[2].opts, { timeout = 3, stream = false })
   local none, err = asking.fuse("Why?", { { text = "" } }, { model = "p/big" })
   t.equal({ none == nil, err.code }, { true, "no_candidate" })
end)

t.case("fuse: the client's request stays as it is", function()
   local provider = require "provider"
   local asking, asked = load(function() return "x" end)
   local req = provider.request '{"model":"auto","x":1.50,"messages":[{"role":"user","content":"Why?"}]}'
   asking.fuse(req, replies("first", "second"), { model = "p/big" })
   t.ok(asked[1].req:json():find('"x":1.50', 1, true))
   t.equal(#asked[1].req.messages, 2)
   t.equal(#req.messages, 1)
end)

t.case("verify", function()
   local said
   local asking, asked = load(function() return said end)
   local function verify(answer, opts)
      said = answer
      return asking.verify("What is 2 + 2?", { text = "5", name = "p/a" }, opts)
   end
   local verdict, details = verify "It is 4.\nVERDICT: wrong"
   t.equal(verdict, "wrong")
   t.equal(details, { reason = "It is 4.", model = "p/other" })
   t.equal(asked.not_by, "p/a")
   t.equal((verify "VERDICT: **correct**"), "correct")
   t.equal((verify("verdict: unsure", { model = "p/x" })), "unsure")
   t.equal(asked[#asked].target, "p/x")
   local err
   for _, nonsense in ipairs { "It is fine.", "VERDICT: maybe", "" } do
      verdict, err = verify(nonsense)
      t.equal({ verdict == nil, err.code }, { true, "invalid_output" })
   end
   verdict, err = verify(nil)
   t.equal({ verdict == nil, err.code }, { true, "unavailable" })
end)
