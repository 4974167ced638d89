-- test_sim_faults: each fault in each format: what still comes, how it ends, in which words.
-- SPDX-License-Identifier: MIT
local home = ...

local help = require "simhelp"
local json = require "json"

local check, equal, post, bytes = help.check, help.equal, help.post, help.bytes
local server = help.server(home)

local TEXT = "Tell me about rivers and the sea."
local WEATHER = "How is the weather in Paris?"

-- name -> function(model, stream, text, tools) -> path, body
local ASK = {
   openai = function(model, stream, text, tools)
      return "/v1/chat/completions", { model = model, stream = stream, messages = { { role = "user",
         content = text } },
         tools = tools and { { type = "function", ["function"] = { name = "get_weather" } } } or nil }
   end,
   azure = function(model, stream, text)
      return "/openai/deployments/" .. model .. "/chat/completions?api-version=2024-10-21",
         { stream = stream, messages = { { role = "user", content = text } } }
   end,
   completions = function(model, stream, text)
      return "/v1/completions", { model = model, stream = stream, prompt = text, max_tokens = 500 }
   end,
   responses = function(model, stream, text, tools)
      return "/v1/responses", { model = model, stream = stream, input = text,
         tools = tools and { { type = "function", name = "get_weather" } } or nil }
   end,
   anthropic = function(model, stream, text, tools)
      return "/v1/messages", { model = model, stream = stream, max_tokens = 500,
         messages = { { role = "user", content = text } },
         tools = tools and { { name = "get_weather", input_schema = { type = "object" } } } or nil }
   end,
   gemini = function(model, stream, text, tools)
      return ("/v1beta/models/%s:%s"):format(model, stream and "streamGenerateContent?alt=sse"
         or "generateContent"),
         { contents = { { role = "user", parts = { { text = text } } } },
            tools = tools and { { functionDeclarations = { { name = "get_weather" } } } } or nil }
   end,
   ollama = function(model, stream, text, tools)
      return "/api/chat", { model = model, stream = stream or false, messages = { { role = "user",
         content = text } },
         tools = tools and { { type = "function", ["function"] = { name = "get_weather" } } } or nil }
   end,
}

local function plan_of(format, fault, stream, text, tools)
   return post(server, ASK[format](fault and "mini:" .. fault or "mini", stream, text or TEXT, tools))
end

local function test_refusals()
   local status = {
      ["429=7"] = { 429 }, quota = { 429, anthropic = 400, ollama = 402 }, ["500"] = { 500 },
         ["502"] = { 502 },
      ["503"] = { 503 }, ["504"] = { 504 }, ["529"] = { 529, gemini = 503, ollama = 503 },
      ["401"] = { 401, gemini = 400 }, ["403"] = { 403 }, ["404"] = { 404 }, ["413"] = { 413 },
         context = { 400 },
      blocked = { 400, anthropic = 200, gemini = 200 }, html = { 200 }, ["html=502"] = { 502 },
         empty = { 200 },
   }
   for format in pairs(ASK) do
      for fault, want in pairs(status) do
         for _, stream in ipairs { false, true } do
            local plan = plan_of(format, fault, stream)
            local text = bytes(plan)
            equal(plan.status, want[format] or want[1], format .. " " .. fault)
            if plan.status >= 400 and not fault:find("html") then
               check((json.decode(text) or {}).error, format .. " " .. fault .. ": " .. text)
            end
         end
      end
   end
end

local function test_the_time_to_wait()
   for format in pairs(ASK) do
      local plan = plan_of(format, "429=7", false)
      if format == "gemini" then
         equal(help.header(plan, "retry-after"), nil)
         check(plan.body:find('"retryDelay":"7s"', 1, true), plan.body)
      else
         equal(help.header(plan, "retry-after"), "7", format)
      end
   end
   equal(help.header(plan_of("azure", "429=7"), "retry-after-ms"), "7000")
   equal(help.header(plan_of("openai", "429=0.25"), "retry-after-ms"), "250")
   for _, format in ipairs { "openai", "anthropic", "ollama" } do -- the header knows whole seconds only
      equal(help.header(plan_of(format, "429=1.5"), "retry-after"), "2")
   end
   check(help.header(plan_of("anthropic", "429"), "anthropic-ratelimit-requests-reset"), "no header")
end

local TYPES = {
   ["401"] = "authentication_error", ["403"] = "permission_error", ["404"] = "not_found_error",
   ["413"] = "request_too_large", ["429"] = "rate_limit_error", ["500"] = "api_error",
      ["504"] = "timeout_error",
   ["529"] = "overloaded_error", context = "invalid_request_error",
}

local function test_anthropic_s_types()
   for fault, kind in pairs(TYPES) do
      local body = json.decode(plan_of("anthropic", fault).body)
      equal(body.type, "error")
      equal(body.error.type, kind, fault)
      check(body.request_id, "no id")
   end
end

-- The kind of the last thing that a stream says: "finish" where it is whole.
local ENDS = {
   openai = "data: %[DONE%]\n\n$", azure = "data: %[DONE%]\n\n$", completions = "data: %[DONE%]\n\n$",
   responses = 'event: response.completed\n[^\n]+\n\n$', anthropic = 'event: message_stop\n[^\n]+\n\n$',
   gemini = '"finishReason":"STOP"[^\n]+\r\n\r\n$', ollama = '"done":true[^\n]+\n$',
}
local WORDS = {
   openai = '"content":%s*"%w', azure = '"content":%s*"%w', completions = '"text":"%w',
      responses = '"delta":"%w',
   anthropic = '"text_delta"', gemini = '"text":"%w', ollama = '"content":"%w',
}
local BROKEN = {
   openai = '"error":{', azure = '"error":{', completions = '"error":{', responses = "\nevent: error\n",
   anthropic = "\nevent: error\n", gemini = '"error":{"code":503', ollama = '\n{"error":"',
}

local function lines(text)
   return select(2, text:gsub("\n", ""))
end

local function test_streams()
   for format in pairs(ASK) do
      local good = bytes(plan_of(format, nil, true))
      check(good:find(ENDS[format]), format .. " ends otherwise: " .. good:sub(-200))
      for fault, want in pairs {
         cut = { ending = "cut" }, stall = { ending = "hang" }, truncated = { ending = "cut" },
         ["error-event"] = { words = true, broken = true }, malformed = { words = true, whole = true },
         ["no-finish"] = { words = true }, ["slow-first-token=5"] = { words = true, whole = true },
         ["keep-alive=5"] = { words = true, whole = true, more = true },
            ["huge-event=100000"] = { whole = true, more = true },
         ["shred=3"] = { words = true, whole = true, same = true }, ["drip=1"] = { words = true,
            whole = true, same = true },
         ["wrong-type"] = { words = true, whole = true, same = true },
      } do
         local plan = plan_of(format, fault, true)
         local text, what = bytes(plan), format .. " " .. fault
         equal(plan.status, 200, what)
         equal(plan.finish, want.ending, what)
         if want.words then check(text:find(WORDS[format]), what .. " says nothing: " .. text:sub(1, 300)) end
         equal(text:find(ENDS[format]) ~= nil, want.whole or false, what)
         if want.broken then check(text:find(BROKEN[format], 1, true), what .. ": " .. text:sub(-200)) end
         if want.more then check(#text > #good, what) end
         if want.same then equal(lines(text), lines(good), what) end
      end
      local crlf = bytes(plan_of(format, "crlf", true))
      equal(lines(crlf), lines(good), format)
      check(not crlf:find("[^\r]\n"), format .. ": a bare line feed")
   end
end

local function test_it_fails_behind_the_head()
   local before = {
      openai = '"role":"assistant"', azure = '"prompt_filter_results"', responses = "response.in_progress",
      anthropic = "message_start",
   }
   for format in pairs(ASK) do
      local text = bytes(plan_of(format, "failed", true))
      check(not text:find(WORDS[format]), format .. " says something: " .. text)
      if before[format] then check(text:find(before[format], 1, true), format .. ": " .. text) end
      local whole = json.decode(bytes(plan_of(format, "failed", false)))
      check(whole.error and whole.error ~= json.null, format .. ": no error")
   end
   local text = bytes(plan_of("responses", "failed", true))
   local last = help.events(text)[3].data
   equal(last.type, "response.failed")
   equal(last.response.status, "failed")
   equal(last.response.error.code, "server_error")
   equal(json.decode(bytes(plan_of("responses", "failed", false))).status, "failed")
   check(bytes(plan_of("anthropic", "failed", true)):find("overloaded_error", 1, true), "another error")
end

local function test_blocked_and_filtered()
   local blocked = json.decode(bytes(plan_of("gemini", "blocked")))
   equal(blocked.candidates, nil)
   equal(blocked.promptFeedback.blockReason, "SAFETY")
   equal(help.events(bytes(plan_of("gemini", "blocked", true)))[1].data.promptFeedback.blockReason, "SAFETY")
   local refusal = json.decode(bytes(plan_of("anthropic", "blocked")))
   equal(refusal.stop_reason, "refusal")
   equal(#refusal.content, 0)
   local marks = {
      openai = '"finish_reason":"content_filter"', azure = '"finish_reason":"content_filter"',
      anthropic = '"stop_reason":"refusal"', gemini = '"finishReason":"SAFETY"',
      responses = '"incomplete_details":{"reason":"content_filter"}',
         completions = '"finish_reason":"content_filter"',
   }
   for format, mark in pairs(marks) do
      for _, stream in ipairs { false, true } do
         local text = bytes(plan_of(format, "filter", stream))
         check(text:find(mark, 1, true), format .. ": " .. text:sub(-400))
      end
   end
   check(bytes(plan_of("anthropic", "odd-finish")):find('"stop_reason":"pause_turn"', 1, true), "pause_turn")
   check(bytes(plan_of("gemini", "odd-finish")):find('"MALFORMED_FUNCTION_CALL"', 1, true), "malformed call")
   check(bytes(plan_of("gemini", "odd-finish=RECITATION", true)):find('"RECITATION"', 1, true), "by argument")
end

local TALKS = { "openai", "responses", "anthropic", "gemini", "ollama" }

local function test_tool_calls()
   for _, format in ipairs(TALKS) do
      for _, stream in ipairs { false, true } do
         for _, fault in ipairs { "whole-arguments", "no-arguments", "no-ids" } do
            local text = bytes(plan_of(format, fault, stream, WEATHER, true))
            check(text:find("get_weather", 1, true), format .. " " .. fault .. ": " .. text)
         end
      end
   end
   local text = bytes(plan_of("responses", "whole-arguments", true, WEATHER, true))
   check(not text:find("arguments.delta", 1, true) and text:find("arguments.done", 1, true), text)
   check(bytes(plan_of("openai", "no-arguments", false, WEATHER, true)):find('"arguments":""', 1, true),
      "arguments")
   check(not bytes(plan_of("gemini", "no-arguments", false, WEATHER, true)):find('"args"', 1, true), "args")
   check(not bytes(plan_of("ollama", "no-ids", false, WEATHER, true)):find('"id"', 1, true), "id")
   check(not bytes(plan_of("openai", "no-ids", true, WEATHER, true)):find('"id":"call', 1, true), "id")
end

local function test_nulls()
   for format in pairs(ASK) do
      for _, stream in ipairs { false, true } do
         local good, bad = bytes(plan_of(format, nil, stream)), bytes(plan_of(format, "nulls", stream))
         check(good ~= bad and bad:find(":null", 1, true), format .. ": " .. bad:sub(1, 300))
         local text = bytes(plan_of(format, "nulls=optional", stream))
         check(text:find(WORDS[format]) or not stream, format .. ": " .. text:sub(1, 300))
         if not stream then check(json.decode(text), format .. ": no JSON: " .. text) end
      end
   end
end

local function test_gzip()
   for _, stream in ipairs { false, true } do
      local good, plan = bytes(plan_of("anthropic", nil, stream)), plan_of("anthropic", "gzip", stream)
      local packed = bytes(plan)
      equal(help.header(plan, "content-encoding"), "gzip")
      equal(packed:sub(1, 3), "\x1f\x8b\8")
      equal(string.unpack("<I4", packed, #packed - 3), #good)
      check(stream or packed:find(good:sub(100, 200), 1, true), "other bytes")
   end
end

local function test_huge_answers()
   for _, format in ipairs(TALKS) do
      for _, stream in ipairs { false, true } do
         local plan, size, last = plan_of(format, "huge", stream), 0, nil
         while true do
            local wait, data = plan.next()
            if not wait then break end
            size, last = size + #data, data
         end
         check(size >= 64 * 1024 * 1024, format .. ": " .. size)
         if stream then check(("\n" .. last):find(ENDS[format]), format .. " ends otherwise: "
            .. last:sub(-200)) end
      end
   end
end

local function test_vectors_fail_too()
   local function embed(fault) return post(server, "/v1/embeddings", { model = "embed:"
      .. fault, input = "x" }) end
   equal(embed("429").status, 429)
   equal(embed("cut").finish, "cut")
   check(bytes(embed("nulls")):find('"embedding":null', 1, true), "no null")
   check(not json.decode(bytes(embed("malformed"))), "it is JSON")
   equal(help.header(embed("gzip"), "content-encoding"), "gzip")
end

test_refusals()
test_the_time_to_wait()
test_anthropic_s_types()
test_streams()
test_it_fails_behind_the_head()
test_blocked_and_filtered()
test_tool_calls()
test_nulls()
test_gzip()
test_huge_answers()
test_vectors_fail_too()

return help.passed, help.failed
