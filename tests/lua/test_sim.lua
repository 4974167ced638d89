-- test_sim: the simulator's plans: format, errors, faults, and that chance is the same every time.
-- SPDX-License-Identifier: MIT
--
-- Run by tests/unit/test_sim.c with the directory of the sources; returns how many checks passed and failed.
local home = ...

local faults = require "sim.faults"
local json = require "json"
local models = require "sim.models"
local sim = require "sim"
local tokens = require "sim.tokens"

local passed, failed = 0, 0

local function check(ok, what)
   if ok then passed = passed + 1 return end
   failed = failed + 1
   io.stderr:write("FAIL ", debug.getinfo(2, "Sl").short_src, ":", debug.getinfo(2, "l").currentline, ": ",
      tostring(what), "\n")
end

local function equal(got, want, what)
   local ok = got == want
   if ok then passed = passed + 1 return end
   failed = failed + 1
   io.stderr:write("FAIL ", debug.getinfo(2, "Sl").short_src, ":", debug.getinfo(2, "l").currentline, ": ",
      what or "", " got ", tostring(got), ", want ", tostring(want), "\n")
end

local ANSWERS = home .. "/examples/workload.jsonl"
local CAPITAL = "What is the capital of Australia?"

local function server(seed, pace)
   return sim.new { seed = seed or 1, pace = pace or 0, answers = ANSWERS }
end

local shared = server()

local function plan_of(body, headers, who)
   if type(body) == "table" then body = json.encode(body) end
   return (who or shared):answer {
      method = "POST", path = "/v1/chat/completions", headers = headers or {}, body = body,
   }
end

local function ask(prompt, more)
   local body = { model = "mini", messages = { { role = "user", content = prompt } } }
   for k, v in pairs(more or {}) do body[k] = v end
   return body
end

-- Everything that the plan sends, and the milliseconds it takes.
local function play(plan)
   if plan.body then return plan.body, plan.after end
   local out, ms = {}, plan.after or 0
   while plan.next do
      local wait, data = plan.next()
      if not wait then break end
      out[#out + 1], ms = data, ms + wait
   end
   return table.concat(out), ms
end

-- The events of a stream: their JSON decoded, "[DONE]" as text.
local function events(bytes)
   local list = {}
   for data in bytes:gmatch("data: (.-)\n\n") do
      list[#list + 1] = data == "[DONE]" and data or json.decode(data)
   end
   return list
end

local function streamed_text(bytes)
   local out = {}
   for _, e in ipairs(events(bytes)) do
      local delta = type(e) == "table" and e.choices and e.choices[1] and e.choices[1].delta
      if delta and type(delta.content) == "string" then out[#out + 1] = delta.content end
   end
   return table.concat(out)
end

local function message(prompt, more)
   local plan = plan_of(ask(prompt, more))
   local whole = json.decode((play(plan)))
   return whole.choices and whole.choices[1].message, whole
end

-- ---- tokens ----

local function test_tokens_are_the_whole_text()
   for _, text in ipairs { "", "a", "Hello, world!  And\n\nmore", ("x"):rep(100), "日本語のテキストです。",
      "naïve — café" } do
      local out, at, n = {}, 1, 0
      while at <= #text do
         local ending = tokens.ending(text, at)
         out[#out + 1] = text:sub(at, ending)
         check(utf8.len(out[#out]), "a cut character in " .. text)
         at, n = ending + 1, n + 1
      end
      equal(table.concat(out), text)
      equal(tokens.count(text), n)
   end
   local head, n, cut = tokens.head("one two three", 2)
   equal(head, "one two")
   equal(n, 2)
   equal(cut, true)
end

-- ---- what is refused ----

local function test_errors_are_those_of_the_provider()
   local user = { role = "user", content = "hi" }
   local tool = { type = "function", ["function"] = { name = "f" } }
   local cases = {
      { "{", 400 }, { "[]", 400 }, { "\"text\"", 400 },
      { {}, 400, "model" }, { { model = 7, messages = { user } }, 400, "model", "invalid_type" },
      { { model = "gpt-9", messages = { user } }, 404, nil, "model_not_found" },
      { { model = "mini" }, 400, "messages", "missing_required_parameter" },
      { { model = "mini", messages = "hi" }, 400, "messages", "invalid_type" },
      { { model = "mini", messages = json.array {} }, 400, "messages", "empty_array" },
      { { model = "mini", messages = { { content = "x" } } }, 400, "messages[0].role",
         "missing_required_parameter" },
      { { model = "mini", messages = { { role = "boss", content = "x" } } }, 400, "messages[0].role",
         "invalid_value" },
      { { model = "mini", messages = { { role = "user" } } }, 400, "messages[0].content" },
      { { model = "mini", messages = { { role = "user", content = 7 } } }, 400, "messages[0].content",
         "invalid_type" },
      { ask("x", { temperature = 3 }), 400, "temperature", "decimal_above_max_value" },
      { ask("x", { temperature = "hot" }), 400, "temperature", "invalid_type" },
      { ask("x", { max_tokens = 0 }), 400, "max_tokens", "integer_below_min_value" },
      { ask("x", { max_tokens = 5, max_completion_tokens = 5 }), 400, "max_tokens" },
      { ask("x", { n = 0 }), 400, "n", "integer_below_min_value" },
      { ask("x", { stream = 1 }), 400, "stream", "invalid_type" },
      { ask("x", { stream_options = { include_usage = true } }), 400, "stream_options" },
      { ask("x", { top_logprobs = 2 }), 400, "top_logprobs" },
      { ask("x", { stop = { "a", "b", "c", "d", "e" } }), 400, "stop", "array_above_max_length" },
      { ask("x", { tools = { {} } }), 400, "tools[0].function", "missing_required_parameter" },
      { ask("x", { tool_choice = "required" }), 400, "tool_choice" },
      { ask("x", { tools = { tool }, tool_choice = { type = "function", ["function"] = { name = "g" } } }),
         400, "tool_choice" },
      { ask("x", { response_format = { type = "yaml" } }), 400, "response_format.type", "invalid_value" },
      { ask("x", { response_format = { type = "json_object" } }), 400, "messages" },
      { { model = "mini", messages = { { role = "tool", tool_call_id = "c", content = "x" } } }, 400 },
      { ask("x", { model = "mini:no-such-fault" }), 400, "model", "unknown_fault" },
      { ask("x", { model = "mini:drip=soon" }), 400, "model", "unknown_fault" },
   }
   for i, c in ipairs(cases) do
      local plan = plan_of(c[1])
      equal(plan.status, c[2], "case " .. i)
      local body = json.decode(plan.body)
      check(body and type(body.error) == "table" and #body.error.message > 0, "case " .. i .. ": no error")
      if c[3] then equal(body.error.param, c[3], "case " .. i) end
      if c[4] then equal(body.error.code, c[4], "case " .. i) end
      equal(body.error.type, "invalid_request_error", "case " .. i)
   end
end

local function test_unknown_members_are_taken()
   equal(plan_of(ask("hi", { new_thing = { 1, 2 }, verbosity = "low", metadata = json.null })).status, 200)
end

local function route(method, path)
   return shared:answer { method = method, path = path, headers = {}, body = "" }
end

local function test_routes()
   equal(route("GET", "/v1/models").status, 200)
   equal(#json.decode(route("GET", "/v1/models").body).data, #models.all)
   equal(json.decode(route("GET", "/v1/models/pro").body).id, "pro")
   equal(route("GET", "/v1/models/nope").status, 404)
   equal(route("POST", "/v1/models").status, 405)
   equal(route("GET", "/v1/chat/completions").status, 405)
   equal(route("GET", "/caf\xe9").status, 404)
end

-- ---- what is answered ----

local function test_a_stream_says_what_the_whole_answer_says()
   for _, prompt in ipairs { CAPITAL, "Tell me something about rivers.", "A haiku about tea: 'ä€𝄞'" } do
      local text = message(prompt).content
      local bytes = play(plan_of(ask(prompt, { stream = true, stream_options = { include_usage = true } })))
      equal(streamed_text(bytes), text)
      local list = events(bytes)
      equal(list[#list], "[DONE]")
      equal(list[1].choices[1].delta.role, "assistant")
      equal(list[#list - 2].choices[1].finish_reason, "stop")
      equal(#list[#list - 1].choices, 0)
      equal(list[#list - 1].usage.completion_tokens, tokens.count(text))
      equal(list[1].usage, json.null)
      for i = 1, #list - 1 do equal(list[i].id, list[1].id) end
   end
   local plain = events((play(plan_of(ask(CAPITAL, { stream = true })))))
   equal(plain[1].usage, nil)
end

local function test_chance_depends_on_seed_and_request_only()
   local other = server(2)
   local differs = 0
   for i = 1, 20 do
      local body = ask("Tell me about subject number " .. i, { stream = i % 2 == 0 })
      local a, b = play(plan_of(body, nil, server())), play(plan_of(body))
      equal(a, b)
      if a ~= play(plan_of(body, nil, other)) then differs = differs + 1 end
   end
   equal(differs, 20)
end

local function test_the_strong_model_is_better_and_more_sure()
   local right, unsure = {}, {}
   for line in io.lines(ANSWERS) do
      local q = json.decode(line)
      for _, m in ipairs(models.list) do
         local text = message(q.prompt, { model = m.id }).content
         if text:find(q.answer, 1, true) then
            right[m.id] = (right[m.id] or 0) + 1
         elseif text:find("sure") or text:find("certain") or text:find("guess") or text:find("be wrong") then
            unsure[m.id] = (unsure[m.id] or 0) + 1
         end
      end
   end
   check(right.pro > right.base and right.base > right.mini, "the order of the models")
   check(unsure.mini >= 8, "wrong answers that show it: " .. tostring(unsure.mini))
end

local function test_limits_stops_and_choices()
   local _, whole = message("Tell me about rivers.", { max_tokens = 3 })
   equal(whole.choices[1].finish_reason, "length")
   equal(whole.usage.completion_tokens, 3)
   local text = message("Tell me about rivers.").content
   local word = text:match("%a+ (%a+)")
   local cut = message("Tell me about rivers.", { stop = word }).content
   check(not cut:find(word, 1, true) and #cut < #text, cut)
   _, whole = message("Tell me about rivers.", { n = 3, logprobs = true, top_logprobs = 2 })
   equal(#whole.choices, 3)
   equal(whole.choices[3].index, 2)
   equal(#whole.choices[1].logprobs.content[1].top_logprobs, 2)
   local finished = 0
   for _, e in ipairs(events((play(plan_of(ask("Tell me about rivers.", { n = 3, stream = true })))))) do
      if e ~= "[DONE]" and e.choices[1].finish_reason == "stop" then finished = finished + 1 end
   end
   equal(finished, 3)
end

local WEATHER = {
   type = "function",
   ["function"] = {
      name = "get_weather", description = "Current weather at a place",
      parameters = {
         type = "object", required = { "city" },
         properties = {
            city = { type = "string" }, unit = { type = "string", enum = { "c", "f" } },
            days = { type = "integer", minimum = 1, maximum = 7 },
         },
      },
   },
}

local function test_tools()
   local said, whole = message("How is the weather in Paris?", { tools = { WEATHER } })
   equal(whole.choices[1].finish_reason, "tool_calls")
   equal(said.content, json.null)
   local call = said.tool_calls[1]
   local arguments = json.decode(call["function"].arguments)
   equal(arguments.city, "Paris")
   check(arguments.days >= 1 and arguments.days <= 7, arguments.days)
   equal(message("Tell me a joke", { tools = { WEATHER } }).tool_calls, nil)
   equal(#message("Tell me a joke", { tools = { WEATHER }, tool_choice = "required" }).tool_calls, 1)
   equal(message("The weather!", { tools = { WEATHER }, tool_choice = "none" }).tool_calls, nil)
   local fragments = {}
   for _, e in ipairs(events((play(plan_of(ask("How is the weather in Paris?",
      { tools = { WEATHER }, stream = true })))))) do
      local delta = e ~= "[DONE]" and e.choices[1].delta
      if delta and delta.tool_calls then
         fragments[#fragments + 1] = delta.tool_calls[1]["function"].arguments
      end
   end
   check(#fragments > 2, "one fragment is no stream")
   equal(json.decode(table.concat(fragments)).city, "Paris")
   local answer = message(nil, {
      tools = { WEATHER },
      messages = {
         { role = "user", content = "How is the weather in Paris?" },
         { role = "assistant", tool_calls = { call } },
         { role = "tool", tool_call_id = call.id, content = "sunny, 21 degrees" },
      },
   }).content
   check(answer:find("sunny, 21 degrees", 1, true), answer)
end

local function test_json_fits_the_schema()
   local format = {
      type = "json_schema",
      json_schema = {
         name = "order",
         schema = {
            type = "object", required = { "items", "kind", "total", "paid", "next" },
            properties = {
               items = { type = "array", minItems = 2, items = { ["$ref"] = "#/$defs/item" } },
               kind = { enum = { "new", "used" } }, total = { type = "number", minimum = 10, maximum = 20 },
               paid = { type = "boolean" }, mail = { type = "string", format = "email" },
               next = { anyOf = { { type = "null" }, { type = "string", maxLength = 5 } } },
            },
            ["$defs"] = { item = { type = "object", properties = { name = { type = "string" } } } },
         },
      },
   }
   local said = message("A used bike, ann@example.org", { response_format = format }).content
   local value = json.decode(said)
   equal(#value.items, 2)
   equal(type(value.items[1].name), "string")
   equal(value.kind, "used")
   check(value.total >= 10 and value.total <= 20, value.total)
   equal(type(value.paid), "boolean")
   equal(value.mail, "ann@example.org")
   check(utf8.len(value.next) <= 5, value.next)
   local any = message("Give me JSON about tea", { response_format = { type = "json_object" } }).content
   value = json.decode(any)
   equal(type(value), "table")
end

local function test_a_schema_that_never_ends_ends()
   local node = { type = "object", required = { "next" }, properties = { next = { ["$ref"] = "#" } } }
   local said = message("x", {
      response_format = { type = "json_schema", json_schema = { name = "list", schema = node } },
   }).content
   check(json.decode(said), said)
end

local LETTER = "The delivery was late and the support was terrible. The box was damaged. Ann Lee wrote on "
   .. "2025-03-04 from ann@example.org. She wants 30 euros back."

local function test_simple_instructions_are_obeyed()
   equal(message("Summarise the following text.\n\n" .. LETTER).content,
      "The delivery was late and the support was terrible. The box was damaged.")
   equal(message("What is the sentiment of this text?\n\n" .. LETTER).content, "negative")
   local found = json.decode(message("Extract the facts.\n\n" .. LETTER).content)
   equal(found.emails[1], "ann@example.org")
   equal(found.dates[1], "2025-03-04")
   equal(found.numbers[1], "30")
   check(message("Translate into Danish:\n\nGood day").content:find("Good day", 1, true), "the text is lost")
   local text = message("Write a report from this.\n\nSummary: all is well\n\nFacts: none").content
   check(text:find("# Report") and text:find("## Summary") and text:find("## Facts"), text)
   equal(message("Classify the text as one of: weather, billing, delivery.\n\n" .. LETTER).content,
      "delivery")
   local score = tonumber(message("Rate this answer from 0 to 1.\n\nParis is nice.").content)
   check(score and score >= 0 and score <= 1, score)
   equal(message("What is 17 plus 25?").content, "42")
   local messages = {
      { role = "system", content = "You judge the sentiment." }, { role = "user", content = LETTER },
   }
   equal(message(nil, { messages = messages }).content, "negative")
end

-- "[French] …" stands for French; who translates it into English reads it back; at times its end is lost.
local function test_translations_there_and_back()
   equal(message("Translate into French:\n\nGood day").content, "[French] Good day")
   equal(message("Translate into English:\n\n[French] Good day").content, "Good day")
   equal(message("Translate into Danish:\n\n[French] Good day").content, "[Danish] Good day")
   local lost = { mini = 0, pro = 0 }
   for model in pairs(lost) do
      for i = 1, 60 do
         local said = message(("Translate into French:\n\nIt is day %d. All is well."):format(i),
            { model = model }).content
         if said == ("[French] It is day %d."):format(i) then
            lost[model] = lost[model] + 1
         else
            equal(said, ("[French] It is day %d. All is well."):format(i))
         end
      end
   end
   check(lost.mini >= 8 and lost.mini <= 26 and lost.pro <= 5, json.encode(lost)) -- skill 0.72 and 0.98
end

local function test_a_schema_is_filled_with_the_facts_and_the_answer()
   local function texts(least) return { type = "array", minItems = least, items = { type = "string" } } end
   local function fill(prompt, properties)
      return json.decode(message(prompt, { model = "pro", response_format = { type = "json_schema",
         json_schema = { name = "x", schema = { type = "object", properties = properties } } } }).content)
   end
   local found = fill("Extract the facts.\n\n" .. LETTER, { dates = texts(), numbers = texts(),
      emails = { type = "array", maxItems = 1, items = { type = "string" } } })
   equal(json.encode(found), '{"dates":["2025-03-04"],"emails":["ann@example.org"],"numbers":["30"]}')
   equal(json.encode(fill("Extract the facts.\n\nNothing is here.", { dates = texts() })), '{"dates":[]}')
   equal(#fill("Extract the facts.\n\nNothing is here.", { dates = texts(2) }).dates, 2)
   equal(fill("What is the sentiment of this text?\n\n" .. LETTER,
      { mood = { enum = { "positive", "neutral", "negative" } } }).mood, "negative")
end

local function test_a_judge_knows_right_from_wrong()
   local function rate(answer)
      return tonumber(message("Rate the answer with a score from 0 to 1.\n\nQuestion: " .. CAPITAL
         .. "\nAnswer: " .. answer, { model = "pro" }).content)
   end
   check(rate("Canberra") > 0.7, "the right answer")
   check(rate("Sydney") < 0.6, "a wrong answer")
end

-- ---- faults ----

local function faulty(fault, stream)
   return plan_of(ask("Tell me about rivers and the sea.", { model = "mini:" .. fault, stream = stream }))
end

local function test_faults_before_an_answer()
   for fault, status in pairs { ["429=7"] = 429, ["500"] = 500, ["502"] = 502, ["503"] = 503, ["529"] = 529,
      ["401"] = 401, ["404"] = 404, ["context"] = 400 } do
      local plan = faulty(fault, false)
      equal(plan.status, status)
      check(json.decode(plan.body).error.message, fault)
      if status == 429 then equal(plan.headers[2][2], "7") end
   end
   equal(faulty("reset").finish, "reset")
   equal(faulty("no-answer").finish, "hang")
   equal(faulty("empty").body, "")
   check(not json.decode(faulty("wrong-json").body), "it is JSON")
   check(json.decode(faulty("wrong-json=shape").body), "it is no JSON")
   check(faulty("html").body:find("<html>", 1, true), "it is no HTML")
end

local function test_faults_in_a_stream()
   local good = play(plan_of(ask("Tell me about rivers and the sea.", { stream = true })))
   local text = streamed_text(good)
   for fault, expected in pairs {
      stall = { "hang", "half" }, cut = { "cut", "half" }, truncated = { "cut", "half" },
      ["no-done"] = { nil, "all", finish = true }, ["no-finish"] = { nil, "all" },
      ["error-event"] = { nil, "half" }, malformed = { nil, "all", finish = true, done = true },
      ["filter"] = { nil, "half", finish = true, done = true },
      ["slow-first-token=50"] = { nil, "all", finish = true, done = true },
      ["drip=5"] = { nil, "all", finish = true, done = true },
      ["latency=5"] = { nil, "all", finish = true, done = true },
   } do
      local plan = faulty(fault, true)
      local bytes = play(plan)
      local got = streamed_text(bytes)
      equal(plan.finish, expected[1], fault)
      check(text:sub(1, #got) == got and #got > 0, fault .. ": other text")
      equal(#got < #text, expected[2] == "half", fault)
      equal(bytes:find('"finish_reason":"', 1, true) ~= nil, expected.finish or false, fault)
      equal(bytes:find("data: [DONE]", 1, true) ~= nil, expected.done or false, fault)
      local log = plan.log(expected[1] == nil)
      equal(log.text, got, fault)
      equal(log.fault, fault)
   end
end

local function test_faults_of_a_whole_answer()
   local _, whole = message("Tell me about rivers and the sea.")
   check(whole.usage, "no usage")
   for fault, expected in pairs { stall = { "hang" }, cut = { "cut" }, truncated = { "cut", json = true },
      ["no-done"] = { nil, json = true }, malformed = {}, ["error-event"] = { nil, json = true },
      ["drip=5"] = { nil, json = true }, ["latency=5"] = { nil, json = true } } do
      local plan = faulty(fault, false)
      local bytes = play(plan)
      equal(plan.finish, expected[1], fault)
      equal(json.decode(bytes) ~= nil, expected.json or false, fault)
   end
   equal(json.decode((play(faulty("filter")))).choices[1].finish_reason, "content_filter")
   equal(json.decode((play(faulty("no-finish")))).choices[1].finish_reason, json.null)
end

local function test_a_fault_strikes_so_often_and_no_more()
   local who = server()
   local body = ask("hi", { model = "base:503*2" })
   local got = {}
   for i = 1, 3 do got[i] = plan_of(body, nil, who).status end
   equal(table.concat(got, " "), "503 503 200")
   got = {}
   for i = 1, 2 do got[i] = plan_of(ask("hi"), { ["x-sim-fault"] = "429=3*1" }, who).status end
   equal(table.concat(got, " "), "429 200")
end

local function test_every_fault_is_long_enough_for_what_it_asks()
   local _, ms = play(faulty("slow-first-token=700", true))
   equal(ms, 700)
   _, ms = play(faulty("drip=10", true))
   check(ms > 50, ms)
   _, ms = play(faulty("latency=900", false))
   equal(ms, 900)
   _, ms = play(plan_of(ask(CAPITAL), nil, server(1, 1)))
   check(ms >= 28 and ms < 80, ms)
   check(#faults.names() > 100, "names")
   local seen = {}
   for name in faults.names():gmatch "[^, ]+" do
      check(not seen[name], name .. " is listed twice")
      seen[name] = true
   end
end

local function test_a_huge_answer_is_made_piece_by_piece()
   for _, stream in ipairs { false, true } do
      local plan = faulty("huge", stream)
      local bytes = 0
      while true do
         local wait, data = plan.next()
         if not wait then break end
         bytes = bytes + #data
      end
      check(bytes >= 64 * 1024 * 1024, bytes)
   end
end

local function test_answers_that_cannot_be_read_are_named()
   local ok, why = pcall(sim.new, { answers = home .. "/no/such/file" })
   check(not ok and why:find("no/such/file", 1, true), why)
   local name = os.tmpname()
   local file = io.open(name, "w")
   file:write('{"prompt":"p","answer":"a","wrong":["b"]}\n{"prompt":"p"}\n')
   file:close()
   ok, why = pcall(sim.new, { answers = name })
   check(not ok and why:find(name .. ":2: ", 1, true), why)
   os.remove(name)
end

test_tokens_are_the_whole_text()
test_errors_are_those_of_the_provider()
test_unknown_members_are_taken()
test_routes()
test_a_stream_says_what_the_whole_answer_says()
test_chance_depends_on_seed_and_request_only()
test_the_strong_model_is_better_and_more_sure()
test_limits_stops_and_choices()
test_tools()
test_json_fits_the_schema()
test_a_schema_that_never_ends_ends()
test_simple_instructions_are_obeyed()
test_a_judge_knows_right_from_wrong()
test_translations_there_and_back()
test_a_schema_is_filled_with_the_facts_and_the_answer()
test_faults_before_an_answer()
test_faults_in_a_stream()
test_faults_of_a_whole_answer()
test_a_fault_strikes_so_often_and_no_more()
test_every_fault_is_long_enough_for_what_it_asks()
test_a_huge_answer_is_made_piece_by_piece()
test_answers_that_cannot_be_read_are_named()

return passed, failed
