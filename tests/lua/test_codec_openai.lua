-- test_codec_openai: Chat Completions read and written; recorded answers of real servers.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.openai"
local door = require "door.openai"
local fs = require "fs"
local json = require "json"
local llm = require "llm"
local policy = require "policy"
local provider = require "provider"
local reply_events = require "reply".events
local serve = require "serve"

local function no_headers() end

-- A whole reply as the events of a stream, with the end mark's absence.
local function stream_of(reply, meta)
   local encoder, out = door.encoder(meta), {}
   for _, event in ipairs(reply_events(reply)) do out[#out + 1] = encoder:event(event) end
   out[#out + 1] = encoder:finish()
   return table.concat(out)
end

-- ---- requests to providers ----

local function edits(body, stream)
   return codec.edits(provider.request(body), "m", stream)
end

t.case("what another server has said goes through the encoder where this one would refuse it", function()
   local function refuses(body, facts) return codec.refuses(body, { provider = facts }) end
   local openai, mistral = { host = "api.openai.com" }, { host = "api.mistral.ai" }
   local details = '{"messages":[{"reasoning_details":[{"format":"anthropic-claude-v1"}]}]}'
   t.equal(refuses(details, {}), true)
   t.equal(refuses(details, { host = "openrouter.ai" }), false)
   t.equal(refuses('{"messages":[{"reasoning_details":[{"format":"unknown"}]}]}', {}) or false, false)
   t.equal(refuses('{"messages":[{"reasoning_content":"x"}]}', openai), true)
   t.equal(refuses('{"messages":[{"reasoning": "x"}]}', openai), true)
   t.equal(refuses('{"reasoning":{"a":1},"reasoning_effort":"low"}', openai), false)
   t.equal(refuses('{"messages":[{"reasoning_content":"x"}]}', {}) or false, false)
   t.equal(refuses('{"messages":[{"tool_call_id":"toolu_0123456789"}]}', mistral), true)
   t.equal(refuses('{"messages":[{"tool_call_id": "abcDEF123"}]}', mistral) or false, false)
   t.equal(refuses('{"messages":[{"tool_call_id":"' .. ("x"):rep(41) .. '"}]}', openai), true)
end)

t.case("edits", function()
   local changed, removed = edits("{}", false)
   t.equal(changed, { model = "m" })
   t.equal(removed, nil)
   changed, removed = edits('{"stream":true,"stream_options":{"include_usage":true}}', false)
   t.equal(changed, { model = "m", stream = false })
   t.equal(removed, { "stream_options" })
   changed, removed = edits('{"stream":true}', true)
   t.equal(changed, { model = "m", stream_options = { include_usage = true } })
   t.equal(removed, nil)
   changed, removed = edits('{"stream":true,"stream_options":{"include_usage":true,"x":1}}', true)
   t.equal(changed, { model = "m" })
   t.equal(removed, nil)
   changed, removed = edits('{"stream":true,"stream_options":{"include_usage":false,"x":1}}', true)
   t.equal(changed, { model = "m", stream_options = { include_usage = true, x = 1 } })
   t.equal(removed, nil)
   for _, odd in ipairs { "null", "7", "[]", '""' } do
      changed, removed = edits('{"stream":true,"stream_options":' .. odd .. "}", true)
      t.equal(changed.stream_options, { include_usage = true })
      t.equal(removed, nil)
   end
   t.equal(edits("{}", true).stream, true)
end)

t.case("encode", function()
   local req = { messages = { { role = "user", content = "é" } }, model = "other", stream = true, x = 1 }
   t.equal(codec.encode(req, { model = "m", stream = false }),
      '{"messages":[{"content":"é","role":"user"}],"model":"m","x":1}')
   local to = { model = "m", stream = true }
   t.equal(json.decode(codec.encode(req, to)).stream_options, { include_usage = true })
   t.equal(req.model, "other")
   t.raises(function() codec.encode({ x = print }, { model = "m" }) end, "x")
end)

t.case("usage", function()
   t.equal(codec.usage(nil), nil)
   t.equal(codec.usage(json.null), nil)
   t.equal(codec.usage "many", nil)
   t.equal(codec.usage {}, nil)
   local counts = codec.usage { prompt_tokens = 3, completion_tokens = 4, prompt_tokens_details = json.null,
      completion_tokens_details = { reasoning_tokens = 2 } }
   t.equal({ counts.input_tokens, counts.cached_tokens, counts.output_tokens, counts.reasoning_tokens },
      { 3, 0, 4, 2 })
   t.equal(codec.usage { prompt_tokens = "3", completion_tokens = {} }, nil)
end)

t.case("error: bodies of all kinds", function()
   for body, message in pairs {
      ['{"error":{"message":"m"}}'] = "m", ['{"error":"m"}'] = "m", ['{"message":"m"}'] = "m",
      ['{"detail":"m"}'] = "m", [""] = "status 500", ["<html>"] = "status 500", ["[]"] = "status 500",
      ['{"error":null}'] = "status 500", ['{"error":{"message":7}}'] = "status 500", ["7"] = "status 500",
      ['{"error":{}}'] = "status 500", ['[{"error":{"message":"m"}}]'] = "m", -- Google, streaming
      ['{"object":"error","message":"m","code":400}'] = "m", ['[7]'] = "status 500",
      ['{"detail":[{"loc":["body","top_p"],"msg":"m"}]}'] = "m", ['{"detail":[7]}'] = "status 500",
      ['{"object":"error","message":{"detail":[{"msg":"m"}]}}'] = "m",
   } do
      local err = codec.error(500, body, no_headers)
      t.equal(err.code, "unavailable")
      t.equal(err.message, message)
      t.equal(err.status, 500)
   end
   t.equal(codec.error(200, '{"error":{"message":"m","code":429}}', no_headers).code, "rate_limited")
   t.equal(codec.error(200, '{"error":{"message":"m","type":"overloaded_error"}}', no_headers).code,
      "overloaded")
   t.equal(codec.error(200, '{"error":{"message":"m"}}', no_headers).code, "unavailable")
   t.equal(codec.error(200, '{"error":{"code":{}}}', no_headers).code, "unavailable")
   t.equal(codec.error(200, '{"error":{"code":1e300}}', no_headers).code, "unavailable")
   t.equal(codec.error(200, '{"error":{"code":-1}}', no_headers).code, "bad_response")
end)

t.case("error: reported incidents", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local wanted = {
      ["anthropic-529-overloaded"] = "overloaded", ["anthropic-529-overloaded-details"] = "overloaded",
      ["anthropic-429-itpm"] = "rate_limited", ["anthropic-500"] = "unavailable",
      ["openai-429-tpm"] = "rate_limited", ["openai-429-too-large"] = "rate_limited",
      ["openai-429-quota"] = "rate_limited", ["openai-500"] = "unavailable",
      ["openai-stream-server-error"] = "unavailable", ["gemini-503"] = "overloaded",
      ["gemini-503-high-demand"] = "overloaded", ["proxy-524"] = "timeout",
   }
   local incidents = json.decode(assert(fs.read(t.vectors .. "/provider-fixtures/reported-errors.json")))
   for _, incident in ipairs(incidents) do
      local body = incident.body ~= json.null and json.encode(incident.body) or "<html>timeout</html>"
      local err = codec.error(incident.status, body, function(name) return incident.headers[name] end)
      t.equal(incident.id .. " " .. err.code, incident.id .. " " .. tostring(wanted[incident.id]))
      local hopeless = incident.id == "openai-429-quota" or incident.id == "openai-429-too-large"
      t.equal(incident.id .. tostring(err.retryable), incident.id .. tostring(not hopeless))
      if incident.body ~= json.null then t.equal(err.message, incident.body.error.message) end
   end
   t.equal(#incidents, 12)
end)

-- ---- answers to clients ----

local meta = { id = "x", created = 7, model = "sim/mini" }

t.case("answer", function()
   local reply = llm.reply { text = "Hi", usage = { input_tokens = 3, cached_tokens = 1, output_tokens = 2,
      reasoning_tokens = 0 } }
   local body = json.decode(door.answer(reply, meta))
   t.equal(body, {
      id = "chatcmpl-x", object = "chat.completion", created = 7, model = "sim/mini",
      choices = { { index = 0, message = { role = "assistant", content = "Hi" }, logprobs = json.null,
         finish_reason = "stop" } },
      usage = { prompt_tokens = 3, completion_tokens = 2, total_tokens = 5,
         prompt_tokens_details = { cached_tokens = 1 },
         completion_tokens_details = { reasoning_tokens = 0 } },
   })
   local calls = { { id = "c", type = "function", ["function"] = { name = "f", arguments = "{}" } } }
   body = json.decode(door.answer(llm.reply { tool_calls = calls, finish_reason = "tool_calls" }, meta))
   t.equal(body.choices[1].message.content, json.null)
   t.equal(body.choices[1].message.tool_calls, calls)
   t.equal(body.choices[1].finish_reason, "tool_calls")
   t.equal(body.usage, nil)
end)

-- Reads what answer_stream wrote as a client does.
local function read_stream(text)
   local decode = codec.decoder()
   local said, calls, reason, usage = "", {}, nil, nil
   for data in text:gmatch "data: ([^\n]*)\n\n" do
      for _, event in ipairs(decode(data)) do
         if event.kind == "text" or event.kind == "refusal" then said = said .. event.text end
         if event.kind == "tool_call" then
            local call = calls[event.index + 1] or { name = event.name, arguments = "" }
            calls[event.index + 1] = call
            call.arguments = call.arguments .. event.arguments
         end
         if event.kind == "finish" then reason = event.reason end
         if event.kind == "usage" then usage = event.usage end
      end
   end
   return said, calls, reason, usage
end

t.case("answer_stream", function()
   local usage = { input_tokens = 3, cached_tokens = 0, output_tokens = 2, reasoning_tokens = 0 }
   local calls = { { id = "c", type = "function", ["function"] = { name = "f", arguments = '{"a":1}' } } }
   local reply = llm.reply { text = "Hi\nthere", tool_calls = calls, finish_reason = "tool_calls",
      usage = usage }
   local said, got, reason, tokens = read_stream(stream_of(reply, meta))
   t.equal(said, "Hi\nthere")
   t.equal(got, { { name = "f", arguments = '{"a":1}' } })
   t.equal(reason, "tool_calls")
   t.equal(tokens, nil)
   local wants = { id = "x", created = 1, model = "m", include_usage = true }
   said, got, reason, tokens = read_stream(stream_of(reply, wants))
   t.equal({ said, #got, reason }, { "Hi\nthere", 1, "tool_calls" })
   t.equal({ tokens.input_tokens, tokens.output_tokens }, { usage.input_tokens, usage.output_tokens })
   local first = json.decode((stream_of(reply, wants):match "data: ([^\n]*)"))
   t.equal(first.choices[1].delta, { role = "assistant", content = "" })
   t.equal(first.usage, json.null)
   t.equal(door.comment "x", ": x\n\n")
   t.equal(door.stream_end, "data: [DONE]\n\n")
end)

-- The choices of what answer_stream wrote, as whole ones: deltas joined, logprobs where they came.
local function join_choices(text)
   local choices = {}
   for data in text:gmatch "data: ([^\n]*)\n\n" do
      for _, part in ipairs(json.decode(data).choices) do
         local choice = choices[part.index + 1] or {}
         choices[part.index + 1] = choice
         for name, value in pairs(part.delta) do choice[name] = (choice[name] or "") .. value end
         if part.logprobs ~= json.null then
            t.equal(choice.logprobs, nil)
            choice.logprobs = part.logprobs
         end
         if part.finish_reason ~= json.null then choice.finish_reason = part.finish_reason end
      end
   end
   return choices
end

t.case("answer_stream carries logprobs, reasoning and refusals", function()
   local logprobs = { content = { { token = "Hi", logprob = -0.5, bytes = { 72, 105 }, top_logprobs = {} } } }
   local function choice(index, message, probs)
      message.role = "assistant"
      return { index = index, message = message, logprobs = probs, finish_reason = "stop" }
   end
   t.reply(200, { choices = {
      choice(0, { content = "Hi", reasoning_content = "They greet." }, logprobs),
      choice(1, { content = json.null, refusal = "No." }, json.null),
      choice(2, { content = "", reasoning = "Hm." }, logprobs),
   } })
   local reply = llm.chat("sim/mini", "x")
   t.equal(join_choices(stream_of(reply, meta)), {
      { role = "assistant", content = "Hi", reasoning_content = "They greet.", logprobs = logprobs,
         finish_reason = "stop" },
      { role = "assistant", content = "", refusal = "No.", finish_reason = "stop" },
      { role = "assistant", content = "", reasoning_content = "Hm.", logprobs = logprobs,
         finish_reason = "stop" },
   })
   reply.text = "Bye"
   t.equal(join_choices(stream_of(reply, meta))[1].content, "Bye")
   local made = llm.reply { message = { role = "assistant", content = "A", reasoning_content = "B" } }
   local joined = join_choices(stream_of(made, meta))[1]
   t.equal({ joined.content, joined.reasoning_content, joined.logprobs }, { "A", "B", nil })
end)

t.case("check_request", function()
   local function wrong(body)
      local err = door.check(provider.request(body))
      return err and err.param
   end
   local good = '"messages":[{"role":"user","content":"x"}]'
   t.equal(wrong("{" .. good .. "}"), nil)
   t.equal(wrong("{" .. good .. ',"stream":null}'), nil)
   t.equal(wrong("{" .. good .. ',"stream":false}'), nil)
   t.equal(wrong("{" .. good .. ',"stream":"yes"}'), "stream")
   t.equal(wrong("{" .. good .. ',"stream":1}'), "stream")
   t.equal(wrong("{" .. good .. ',"stream_options":[]}'), "stream_options")
   t.equal(wrong("{" .. good .. ',"stream_options":7}'), "stream_options")
   t.equal(wrong("{" .. good .. ',"stream_options":null}'), nil)
   t.equal(wrong "{}", "messages")
   t.equal(wrong '{"messages":null}', "messages")
   t.equal(wrong '{"messages":{}}', "messages")
   t.equal(wrong '{"messages":"x"}', "messages")
   t.equal(wrong '{"messages":[]}', "messages")
   t.equal(wrong '{"messages":[7]}', "messages[0]")
   t.equal(wrong '{"messages":[{"role":"user"},[]]}', "messages[1]")
   t.equal(wrong '{"messages":[{"content":"x"}]}', "messages[0].role")
   t.equal(wrong '{"messages":[{"role":7}]}', "messages[0].role")
   t.equal(door.check(provider.request "{}").code, "bad_request")
end)

-- ---- recordings of real servers ----

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function recordings(transport, good)
   local list = {}
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.endpoint == "chat" and entry.transport == transport and (entry.status == 200) == good then
         list[#list + 1] = entry
      end
   end
   return list
end

local function expected_of(entry)
   local text = fs.read(ROOT .. entry.id .. ".expected.json")
   return text and json.decode(text)
end

-- Answers the next call with these bytes, in pieces of 'size'.
local function play(entry, bytes, size)
   local steps = { { head = entry.status, headers = "content-type: " .. entry.content_type .. "\r\n" } }
   for at = 1, #bytes, size do steps[#steps + 1] = { data = bytes:sub(at, at + size - 1) } end
   steps[#steps + 1] = { done = true }
   t.answer(steps)
end

local function string_of(value)
   return type(value) == "string" and value or ""
end

-- { name, arguments } of each call.
local function calls_of(calls)
   local list = {}
   for i, call in ipairs(type(calls) == "table" and calls or {}) do
      local fn = call["function"] or call
      list[i] = { call.id, fn.name, fn.arguments }
   end
   return list
end

local function number(value)
   return type(value) == "number" and value or 0
end

local function check_usage(id, usage, raw)
   if type(raw) ~= "table" then return t.ok(not usage, id .. ": usage") end
   t.equal({ id, usage.input_tokens, usage.output_tokens },
      { id, number(raw.prompt_tokens), number(raw.completion_tokens) })
end

t.case("recorded answers", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recordings("json", true)
   for _, entry in ipairs(list) do
      local bytes = assert(fs.read(ROOT .. entry.response))
      local raw = json.decode(bytes)
      play(entry, bytes, 4096)
      local reply, err = llm.chat("sim/mini", "x")
      t.equal(err, nil)
      local message = raw.choices[1].message
      t.equal(reply.text, string_of(message.content) ~= "" and message.content or string_of(message.refusal))
      t.equal(calls_of(reply.tool_calls), calls_of(message.tool_calls))
      -- OpenAI says "stop" of a call that tool_choice has forced
      local forced = #calls_of(message.tool_calls) > 0 and raw.choices[1].finish_reason == "stop"
      t.equal(reply.finish_reason, forced and "tool_calls" or raw.choices[1].finish_reason)
      check_usage(entry.id, reply.usage, raw.usage)
      -- and on to a client that speaks another way
      local back = json.decode(door.answer(reply, meta))
      local again = back.choices[1].message
      t.equal(string_of(again.content) ~= "" and again.content or string_of(again.refusal), reply.text)
      t.equal(calls_of(back.choices[1].message.tool_calls), calls_of(message.tool_calls))
      local said, calls, reason = read_stream(stream_of(reply, meta))
      t.equal({ said, #calls, reason }, { reply.text, #calls_of(message.tool_calls), reply.finish_reason })
   end
   t.ok(#list >= 30, "recordings: " .. #list)
end)

local CODES = { BadRequestError = "bad_request", AuthenticationError = "auth", NotFoundError = "not_found",
   RateLimitError = "rate_limited", PermissionDeniedError = "auth" }

-- The provider's message, without our word of whose it is.
local function own_words(err)
   return (err.message:gsub("^provider 'sim': ", ""))
end

t.case("recorded errors", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recordings("json", false)
   for _, entry in ipairs(list) do
      local expected = expected_of(entry).error
      t.forget()
      play(entry, assert(fs.read(ROOT .. entry.response)), 4096)
      local reply, err = llm.chat("sim/mini", "x")
      t.equal(reply, nil)
      local code = err.code == "context_length" and "bad_request" or err.code
      t.equal(entry.id .. code, entry.id .. tostring(CODES[expected.class]))
      t.equal(err.status, expected.status)
      if err.code ~= "auth" then
         t.equal(expected.status .. " " .. own_words(err), expected.message)
         t.equal(err.type, type(expected.type) == "string" and expected.type or nil)
         t.equal(err.provider_code, type(expected.code) == "string" and expected.code or nil)
      end
      -- a stream was asked for, too
      t.forget()
      play(entry, assert(fs.read(ROOT .. entry.response)), 4096)
      local stream, why = llm.stream("sim/mini", "x", { stream = true })
      t.equal(stream, nil)
      t.equal(why.code, err.code)
   end
   t.ok(#list >= 10, "recordings: " .. #list)
end)

-- What the SDK's text was; the parts that Mistral sends for a text are folded into "[object Object]".
local function text_of(choice)
   return choice.content ~= "" and (choice.content:gsub("%[object Object%]", "")) or choice.refusal
end

local function check_stream(entry, bytes, size, expected)
   t.forget()
   play(entry, bytes, size)
   local stream, err = llm.stream("sim/mini", "x", { stream = true })
   if expected.error then
      if stream then stream, err = stream:reply() end
      t.equal(stream, nil)
      t.equal(own_words(err), expected.error.message)
      t.equal(err.provider_code, expected.error.code)
      return
   end
   t.equal({ entry.id, tostring(err) }, { entry.id, "nil" })
   local reply
   reply, err = stream:reply()
   t.equal(err, nil)
   local choice = expected.choices["0"]
   t.equal({ entry.id, reply.text }, { entry.id, text_of(choice) })
   local calls = calls_of(choice.tool_calls)
   for _, call in ipairs(calls) do call[3] = call[3] ~= "" and call[3] or "{}" end
   t.equal({ entry.id, calls_of(reply.tool_calls) }, { entry.id, calls })
   t.equal({ entry.id, reply.finish_reason }, { entry.id, choice.finish_reason })
   local thoughts = string_of(reply.message.reasoning_content)
   if entry.id == "mistral/chat-sse-1" then -- in parts of the content, which the SDK does not know
      t.ok(thoughts:find "^Okay, the user is asking how to cross the street", thoughts)
   else
      t.equal({ entry.id, thoughts }, { entry.id, choice.reasoning })
   end
   check_usage(entry.id, reply.usage, expected.usage)
end

t.case("recorded streams, whole and cut anew", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recordings("sse", true)
   for _, entry in ipairs(list) do
      local bytes, expected = assert(fs.read(ROOT .. entry.response)), expected_of(entry)
      if expected then
         check_stream(entry, bytes, #bytes, expected)
         for _, pieces in ipairs { 3, 50, 200 } do
            check_stream(entry, bytes, #bytes // pieces + 1, expected)
         end
      else
         t.skip(entry.id .. " has no expected.json")
      end
   end
   t.ok(#list >= 20, "recordings: " .. #list)
end)

local function served(body)
   local answer, got = t.client()
   serve.request(answer, { door = "openai", path = "/v1/chat/completions" }, body, provider.request(body))
   return got()
end

t.case("recorded streams pass through byte for byte", function()
   if not t.vectors then return t.skip "no VECTORS" end
   for _, entry in ipairs(recordings("sse", true)) do
      local bytes = assert(fs.read(ROOT .. entry.response))
      if not (expected_of(entry) or {}).error then
         play(entry, bytes, #bytes // 50 + 1)
         local got = served('{"model":"sim/mini","stream":true,"stream_options":{"include_usage":true},'
            .. '"messages":[{"role":"user","content":"x"}]}')
         t.equal(got.status, 200)
         t.equal(got.ended, true)
         local done = bytes:find("data: [DONE]", 1, true)
         t.equal(got.body, bytes:sub(1, (done or #bytes + 1) - 1) .. "data: [DONE]\n\n")
         -- without the usage that only the engine asked for
         play(entry, bytes, #bytes // 50 + 1)
         got = served '{"model":"sim/mini","stream":true,"messages":[{"role":"user","content":"x"}]}'
         local said, calls, reason, usage = read_stream((got.body:gsub("\r\n", "\n")))
         local expected = expected_of(entry)
         local choice = expected and expected.choices["0"]
         t.equal(usage, nil)
         if choice then
            t.equal(said, text_of(choice))
            t.equal(#calls, #calls_of(choice.tool_calls))
            t.equal(reason, choice.finish_reason)
         end
      end
   end
end)

t.case("recorded answers pass through byte for byte", function()
   if not t.vectors then return t.skip "no VECTORS" end
   for _, entry in ipairs(recordings("json", true)) do
      local bytes = assert(fs.read(ROOT .. entry.response))
      play(entry, bytes, 4096)
      local got = served '{"model":"sim/mini","messages":[{"role":"user","content":"x"}]}'
      t.equal(got.status, 200)
      t.equal(got.body, bytes)
   end
end)

-- ---- quirks ----

local ENDING = 'data: {"choices":[{"index":0,"delta":{"content":"."},"finish_reason":"stop"}]}\n\n'
   .. "data: [DONE]\n\n"

local QUIRKS = {
   ["usage-chunk-empty-choices"] = ".", ["usage-chunk-no-choices"] = ".", ["azure-prompt-filter-first"] = ".",
   ["null-content-delta"] = ".", ["null-role-and-null-tool-id"] = "a.", ["data-null"] = ".",
   ["choice-index-counts-tokens"] = "I am.", ["content-with-finish-reason"] = "end.",
   ["missing-finish-reason"] = "a.", ["tool-calls-null"] = "a.",
}

t.case("quirks of streams", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, quirk in ipairs(json.decode(assert(fs.read(ROOT .. "stream-quirks.json")))) do
      local entry = { status = 200, content_type = "text/event-stream" }
      local text = quirk.raw or ""
      for _, data in ipairs(quirk.data or {}) do text = text .. "data: " .. data .. "\n\n" end
      if QUIRKS[quirk.id] then
         n = n + 1
         play(entry, text .. ENDING, 64)
         local stream, err = llm.stream("sim/mini", "x", { stream = true })
         t.equal(quirk.id .. tostring(err), quirk.id .. "nil")
         local reply, why = stream:reply()
         t.equal(quirk.id .. tostring(why), quirk.id .. "nil")
         t.equal(quirk.id .. reply.text, quirk.id .. QUIRKS[quirk.id])
         if quirk.id == "null-role-and-null-tool-id" then
            t.equal(calls_of(reply.tool_calls), { { "c1", "f", "{}" } })
         end
         if quirk.id:find "^usage" then t.equal(reply.usage.output_tokens, 1) end
      elseif quirk.raw then
         n = n + 1
         for _, type_ in ipairs { "text/event-stream", "text/html", "application/json" } do
            play({ status = 200, content_type = type_ }, text, 64)
            local stream, err = llm.stream("sim/mini", "x", { stream = true })
            if stream then stream, err = stream:reply() end
            t.equal(stream, nil)
            t.ok(err.code == "bad_response" or err.code == "unavailable", quirk.id .. tostring(err))
         end
      end
   end
   t.ok(n >= 12, "quirks: " .. n)
end)

t.case("strange events are passed over or told, never raised", function()
   for _, data in ipairs { "null", "7", '"x"', "[]", "{}", '{"choices":7}', '{"choices":[7]}',
      '{"choices":[null]}', '{"choices":[{"delta":7}]}', '{"choices":[{"delta":{"content":7}}]}',
      '{"choices":[{"delta":{"tool_calls":7}}]}',
      '{"choices":[{"delta":{"tool_calls":[7,null,{"function":7},{"function":{"name":7,"arguments":7}}]}}]}',
      '{"choices":[{"finish_reason":7}]}', '{"choices":{"a":1}}', '{"usage":7}', '{"usage":[]}', "[DONE]",
      '{"choices":[{"delta":{"content":""}}]}', '{"choices":[{"delta":{"reasoning":{},"refusal":[]}}]}' } do
      t.ok(type(codec.decoder()(data)) == "table", data)
      t.stream { data, t.delta({ content = "ok" }, "stop") }
      local stream, err = llm.stream("sim/mini", "x", { stream = true })
      if stream then stream, err = stream:reply() end
      t.ok(stream or err.code == "bad_response", data)
   end
end)

t.case("an answer that came whole is complete, also without a reason; it is told so", function()
   local function whole(choice)
      t.reply(200, { choices = { choice } })
      return llm.chat("sim/mini", "x")
   end
   for _, none in ipairs { json.null, "", "null", false } do -- false: no member
      local reply = whole { message = { content = "Hi" }, finish_reason = none or nil }
      t.equal({ reply.finish_reason, reply.assumed, policy.finished(reply) }, { "stop", true, true })
   end
   local call = { id = "1", type = "function", ["function"] = { name = "f", arguments = "{}" } }
   local reply = whole { message = { tool_calls = { call } } }
   t.equal({ reply.finish_reason, reply.assumed }, { "tool_calls", true })
   reply = whole { message = { content = "Hi" }, finish_reason = "length" }
   t.equal({ reply.finish_reason, reply.assumed }, { "length", nil })
   t.stream { t.delta { content = "Hi" } } -- and the mark of the end
   reply = llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal({ reply.finish_reason, reply.assumed }, { "stop", true })
   t.stream({ t.delta { content = "cut" } }, { open = true })
   local got, err = llm.stream("sim/mini", "x", { stream = true }):reply()
   t.equal({ got, err.code }, { nil, "bad_response" })
end)
