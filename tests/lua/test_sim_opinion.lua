-- test_sim_opinion: simulated judges know right from wrong as far as their skill goes, and lean to the first.
-- SPDX-License-Identifier: MIT
--
-- Run by tests/unit/test_sim.c with the directory of the sources; returns how many checks passed and failed.
local home = ...

local help = require "simhelp"
local questions = require "sim.questions"

local known = questions.load(home .. "/examples/workload.jsonl").list
local server = help.server(home)

local function ask(model, user, system)
   local messages = { { role = "user", content = user } }
   if system then table.insert(messages, 1, { role = "system", content = system }) end
   local plan = help.post(server, "/v1/chat/completions", { model = model, messages = messages })
   return require("json").decode(plan.body).choices[1].message.content
end

local function block(mark, s) return ("<%s>\n%s\n</%s>\n"):format(mark, s, mark) end

local function share(f)
   local n = 0
   for _, q in ipairs(known) do
      if f(q) then n = n + 1 end
   end
   return n / #known
end

local function compare(model, q, a, b)
   return ask(model, "Compare two answers: [[A]], [[B]] or [[C]].\n" .. block("question", q.prompt)
      .. block("answer_A", a) .. block("answer_B", b))
end

local function verify(model, q, answer)
   return ask(model, "Verify the answer: VERDICT.\n" .. block("question", q.prompt) .. block("answer",
      answer))
end

local strong = share(function(q) return compare("pro", q, q.wrong[1], q.answer) == "[[B]]" end)
local weak = share(function(q) return compare("mini", q, q.wrong[1], q.answer) == "[[B]]" end)
local first = share(function(q) return compare("pro", q, q.answer, q.wrong[1]) == "[[A]]" end)
help.check(strong > 0.7 and strong > weak + 0.1, strong .. " " .. weak)
help.check(first > strong, "a judge leans to the first: " .. first)
help.equal(compare("pro", { prompt = "Unheard of" }, "x", "y"):match("%[%[[AC]%]%]") ~= nil, true)

local caught = share(function(q) return verify("pro", q, q.wrong[1]):find("VERDICT: wrong", 1, true) end)
local passed = share(function(q) return verify("pro", q, q.answer):find("VERDICT: correct", 1, true) end)
help.check(caught > 0.8 and passed > 0.8, caught .. " " .. passed)
help.check(verify("pro", { prompt = "Unheard of" }, "x"):find("VERDICT: unsure", 1, true), "unsure")

local merged = share(function(q)
   local system = "Merge the answers\n" .. block("answer_1", q.wrong[1]) .. block("answer_2", q.answer)
   return ask("pro", q.prompt, system) == q.answer
end)
help.check(merged > 0.7, merged)
help.equal(ask("pro", "Unheard of", "Merge the answers\n" .. block("answer_1", "this")), "this")

return help.passed, help.failed
