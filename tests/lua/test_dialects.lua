-- test_dialects: servers that speak OpenAI's format in their own way: what they are sent, what they answer.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.openai"
local dialects = require "codec.dialects"
local fs = require "fs"
local json = require "json"
local usage = require "usage"
local provider = require "provider"

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function to(name, more)
   local all = { model = "m", stream = false, facts = {}, provider = { name = name } }
   for key, value in pairs(more or {}) do all[key] = value end
   return all
end

local function encoded(name, req, more)
   local body, warnings = codec.encode(req, to(name, more))
   t.ok(body, tostring(warnings))
   return json.decode(body), table.concat(warnings, "; ")
end

local function ask(members)
   local req = { messages = { { role = "user", content = "x" } } }
   for name, value in pairs(members or {}) do req[name] = value end
   return req
end

t.case("which dialect", function()
   local function is(facts, name) return dialects.of(facts) == dialects.of { dialect = name } end
   t.ok(is({ name = "a", host = "api.groq.com" }, "groq"))
   t.ok(is({ name = "a", host = "mine.openai.azure.com" }, "azure"))
   t.ok(is({ name = "vllm", host = "10.0.0.1" }, "vllm"))
   t.ok(is({ name = "a", host = "10.0.0.1", dialect = "llamacpp" }, "llamacpp"))
   t.ok(is({ name = "mistral" }, "mistral"))
   t.ok(not is({ name = "openai", host = "127.0.0.1" }, "openai")) -- somebody's own server
   t.equal(dialects.of(nil), dialects.of { name = "a", host = "example.org" })
end)

t.case("what models are known to be", function()
   for model, wanted in pairs { o3 = true, ["openai/gpt-5-mini"] = true, ["gpt-5-chat-latest"] = false,
      ["gpt-4o"] = false, ["codex-mini-latest"] = true } do
      t.equal({ model, dialects.reasons(model) }, { model, wanted })
   end
   t.equal(dialects.reasons "llama", nil)
   t.equal(dialects.reasons("x", { capabilities = { "reasoning" } }), true)
   t.equal(dialects.reasons("x", { capabilities = { "tools" } }), false)
   t.equal({ dialects.fixed_sampling("gpt-5.2", {}, nil), dialects.fixed_sampling("gpt-5.2", {}, "low"),
      dialects.fixed_sampling("gpt-5", {}, nil) }, { false, true, true })
end)

-- ---- requests ----

t.case("encode: extensions of the hub go only where they are taken", function()
   local said = { role = "assistant", content = json.null, reasoning_content = "hm", annotations = {},
      reasoning_details = { { type = "reasoning.text", text = "hm", signature = "S",
         format = "anthropic-claude-v1" } },
      tool_calls = { { id = "c1", type = "function", extra_content = { google = { thought_signature = "G" } },
         ["function"] = { name = "f", arguments = "" } } } }
   local req = { top_k = 3, messages = { { role = "developer", content = "d" },
      { role = "user", content = { { type = "text", text = "x",
         cache_control = { type = "ephemeral" } } } }, said,
      { role = "tool", tool_call_id = "c1", is_error = true, name = "f", content = "r" } } }
   local body, warnings = encoded("openai", req)
   t.equal(body.messages, { { role = "developer", content = "d" },
      { role = "user", content = { { type = "text", text = "x" } } },
      { role = "assistant", content = json.null, tool_calls = { { id = "c1", type = "function",
         ["function"] = { name = "f", arguments = "{}" } } } },
      { role = "tool", tool_call_id = "c1", content = "r" } })
   t.equal({ body.top_k, warnings }, { nil, "dropped: cache_control; reasoning of another provider dropped; "
      .. "dropped: reasoning_content; dropped: is_error; dropped: top_k" })
   body = encoded("openrouter", req)
   t.equal({ body.top_k, body.messages[2].content[1].cache_control, body.messages[3].reasoning_details },
      { 3, { type = "ephemeral" }, said.reasoning_details })
   body = encoded("deepseek", req)
   t.equal({ body.messages[1].role, body.messages[2].content, body.messages[3].reasoning_content },
      { "system", "x", "hm" })
   said.tool_calls, said.content = nil, "y"
   body, warnings = encoded("deepseek", req)
   t.equal({ body.messages[3].reasoning_content, warnings:find("reasoning_content", 1, true) }, { nil, nil })
   t.equal(encoded("groq", req).messages[3].reasoning, "hm")
end)

t.case("encode: names of members, ids, words for effort", function()
   local function limits(name, req, more)
      local body = encoded(name, ask(req), more)
      return { body.max_tokens, body.max_completion_tokens }
   end
   t.equal(limits("openai", { max_tokens = 5 }, { model = "gpt-4o" }), { 5, nil })
   t.equal(limits("openai", { max_tokens = 5 }, { model = "o3" }), { nil, 5 })
   t.equal(limits("mistral", { max_completion_tokens = 5 }), { 5, nil })
   t.equal(limits("nobody", { max_completion_tokens = 5 }), { 5, nil })
   t.equal(limits("nobody", { max_tokens = 5 }, { model = "gpt-5" }), { nil, 5 })
   t.equal(limits("groq", { max_completion_tokens = 5 }), { nil, 5 })
   local body, warnings = encoded("mistral", { seed = 7, logprobs = true, reasoning_effort = "low",
      messages = {
      { role = "user", name = "Ada", content = "x" },
      { role = "assistant", content = json.null, tool_calls = { { id = "call_0123456789", type = "function",
         ["function"] = { name = "f", arguments = "{}" } }, { id = "AbCdEf123", type = "function",
         ["function"] = { name = "g", arguments = "{}" } } } },
      { role = "tool", tool_call_id = "call_0123456789", content = "r" },
      { role = "tool", tool_call_id = "AbCdEf123", content = "s" } } }, { stream = true })
   local id = body.messages[2].tool_calls[1].id
   t.ok(id:find "^%w%w%w%w%w%w%w%w%w$", id)
   t.equal({ body.messages[3].tool_call_id, body.messages[2].tool_calls[2].id }, { id, "AbCdEf123" })
   t.equal({ body.random_seed, body.seed, body.logprobs, body.stream_options, body.messages[1].name,
      body.stream },
      { 7, nil, nil, nil, nil, true })
   t.equal(warnings, "dropped: name; dropped: reasoning_effort; dropped: logprobs")
   local long = ("x"):rep(60)
   body = encoded("openai", { messages = { { role = "assistant", tool_calls = { { id = long,
      type = "function",
      ["function"] = { name = "f" } } } }, { role = "tool", tool_call_id = long } } })
   t.ok(#body.messages[1].tool_calls[1].id <= 40)
   t.equal(body.messages[2].tool_call_id, body.messages[1].tool_calls[1].id)
   body, warnings = encoded("deepseek", ask { reasoning_effort = "medium", n = 1 })
   t.equal({ body.reasoning_effort, body.n, warnings }, { "high", nil,
      "changed: reasoning_effort medium -> high" })
end)

t.case("encode: what a model or server refuses is left out and told", function()
   local body, warnings = encoded("openai", ask { temperature = 0.5, top_p = 1, stop = "x",
      presence_penalty = 0,
      metadata = { a = "b" }, reasoning_effort = "high" }, { model = "o3" })
   t.equal({ body.temperature, body.top_p, body.stop, body.metadata, body.reasoning_effort },
      { nil, nil, nil, nil, "high" })
   t.equal(warnings, "dropped: temperature; dropped: stop; dropped: metadata")
   body, warnings = encoded("openai", ask { reasoning_effort = "high", store = true, metadata = { a = "b" } },
      { model = "gpt-4o" })
   t.equal({ body.reasoning_effort, body.metadata, warnings }, { nil, { a = "b" },
      "dropped: reasoning_effort" })
   body, warnings = encoded("openai", ask { reasoning = { max_tokens = 3000 } }, { model = "o3" })
   t.equal({ body.reasoning, body.reasoning_effort, warnings },
      { nil, "medium", "changed: reasoning budget 3000 -> effort medium" })
   body, warnings = encoded("nobody", ask { reasoning = { max_tokens = 3000 } })
   t.equal({ body.reasoning, body.reasoning_effort, warnings }, { nil, nil, "dropped: reasoning" })
   t.equal(encoded("openrouter", ask { reasoning = { max_tokens = 3000 } }).reasoning, { max_tokens = 3000 })
   body, warnings = encoded("deepseek", ask { response_format = { type = "json_schema", json_schema = {
      name = "s", schema = { type = "object" } } } })
   t.equal({ body.response_format, warnings }, { { type = "json_object" },
      "changed: response_format json_schema -> json_object" })
   t.ok(body.messages[1].content:find('{"type":"object"}', 1, true))
   body, warnings = encoded("openai", ask { tools = { { type = "web_search_20250305",
      format = "anthropic" } },
      tool_choice = "auto" })
   t.equal({ body.tools, body.tool_choice, warnings }, { nil, nil, "dropped: tool web_search_20250305" })
   body = encoded("nobody", ask { guided_json = { a = 1 }, seed = json.null, stream = true })
   t.equal({ body.guided_json, body.seed, body.stream }, { { a = 1 }, nil, nil })
end)

t.case("encode: images and files", function()
   local image = { type = "image_url", image_url = { url = "data:image/png;base64,QQ==" } }
   local body, warnings = encoded("openai", { messages = {
      { role = "assistant", tool_calls = { { id = "c", type = "function", ["function"] = { name = "f" } } } },
      { role = "tool", tool_call_id = "c", content = { { type = "text", text = "see" }, image } },
      { role = "user", content = "so?" } } })
   t.equal(warnings, "changed: images of a tool's result -> a message of the user")
   t.equal(body.messages[2].content, "see")
   t.equal(body.messages[3], { role = "user", content = { { type = "text", text = "The tool's result:" },
      image } })
   body, warnings = encoded("cerebras", ask { messages = { { role = "user",
      content = { { type = "text", text = "a" }, image, { type = "text", text = "b" } } } } })
   t.equal({ body.messages[1].content, warnings }, { "a\nb", "dropped: image_url" })
end)

t.case("edits: what a client's own bytes need at a server", function()
   local function edits(body, name, model, stream)
      return codec.edits(provider.request(body), model, stream, to(name, { model = model }))
   end
   local changed, removed = edits('{"max_tokens":5}', "openai", "o3", false)
   t.equal({ changed, removed }, { { model = "o3", max_completion_tokens = 5 }, { "max_tokens" } })
   changed, removed = edits('{"max_completion_tokens":5,"stream":true,"stream_options":{}}', "mistral", "m",
      true)
   t.equal({ changed, removed }, { { model = "m", max_tokens = 5 }, { "stream_options",
      "max_completion_tokens" } })
   changed, removed = edits('{"max_completion_tokens":5}', "nobody", "m", false)
   t.equal({ changed, removed }, { { model = "m" }, nil })
   changed, removed = edits('{"max_tokens":5}', "openai", "gpt-4o", false)
   t.equal({ changed, removed }, { { model = "gpt-4o" }, nil })
end)

t.case("encode: nonsense raises nothing", function()
   for _, value in ipairs { 7, "x", true, json.null, json.array {}, json.object {}, { 7, json.null, {} } } do
      for _, name in ipairs { "messages", "tools", "tool_choice", "response_format", "reasoning",
         "reasoning_effort",
         "max_tokens", "top_k", "stop", "metadata" } do
         for _, dialect in ipairs { "openai", "mistral", "deepseek", "openrouter", "perplexity" } do
            local body, err = codec.encode({ messages = {}, [name] = value }, to(dialect))
            t.ok(body or err, name)
         end
      end
      for _, name in ipairs { "content", "tool_calls", "reasoning_details", "reasoning_content", "name",
         "refusal",
         "tool_call_id", "cache_control" } do
         for _, role in ipairs { "user", "assistant", "tool", "system", 7 } do
            local body, err = codec.encode({ messages = { { role = role, [name] = value } } }, to "mistral")
            t.ok(body or err, name)
         end
      end
   end
end)

-- ---- answers ----

-- What events say, folded; 'events' are tables or data.
local function folded(events)
   local decode, said = codec.decoder(), { text = "", reasoning = "", calls = {}, details = {},
      annotations = 0 }
   for _, data in ipairs(events) do
      for _, e in ipairs(decode(type(data) == "table" and json.encode(data) or data)) do
         if e.kind == "text" or e.kind == "reasoning" then
            said[e.kind] = said[e.kind] .. e.text
         elseif e.kind == "tool_call" then
            local call = said.calls[e.index + 1] or { e.id, nil, "" }
            said.calls[e.index + 1] = call
            call[2], call[3] = call[2] or e.name, call[3] .. e.arguments
         elseif e.kind == "reasoning_detail" then
            said.details[#said.details + 1] = e.detail
         elseif e.kind == "annotations" then
            said.annotations = said.annotations + #e.annotations
         elseif e.kind == "finish" then
            said.finish = (said.finish or "") .. e.reason
         else
            said[e.kind] = e.usage or e.err or e.logprobs
         end
      end
   end
   return said
end

local function chunk(delta, reason, more)
   local event = { id = "x", choices = { { index = 0, delta = json.object(delta), finish_reason = reason
      or json.null } } }
   for name, value in pairs(more or {}) do event[name] = value end
   return event
end

t.case("stream: calls that share an index, or have no id", function()
   local function call(index, id, name, arguments)
      return { index = index, id = id, type = "function", ["function"] = { name = name,
         arguments = arguments } }
   end
   local said = folded { chunk { tool_calls = { call(0, "a", "f", '{"x":1}') } },
      chunk { tool_calls = { call(0, "b", "g", '{"y":2}') } }, chunk({}, "stop") }
   t.equal(said.calls, { { "a", "f", '{"x":1}' }, { "b", "g", '{"y":2}' } })
   t.equal(said.finish, "tool_calls")
   said = folded { chunk { tool_calls = { call(0, "a", "f", "") } }, chunk { tool_calls = { call(0, "a",
      nil, "{") } },
      chunk { tool_calls = { call(0, "other", nil, "}") } }, chunk({}, "tool_calls") }
   t.equal(said.calls, { { "a", "f", "{}" } })
   said = folded { chunk { tool_calls = { call(nil, nil, "f", "") } }, chunk({}, "tool_calls") }
   t.equal({ #said.calls, said.calls[1][2], said.calls[1][3] }, { 1, "f", "{}" })
   t.ok(said.calls[1][1]:find "^call_", said.calls[1][1])
   said = folded { chunk { tool_calls = { { index = 3, id = "a", ["function"] = { name = "f",
      arguments = { a = 1 } } } } } }
   t.equal(said.calls, { { "a", "f", '{"a":1}' } })
end)

t.case("stream: ends by other words", function()
   for word, wanted in pairs { eos = "stop", end_turn = "stop", model_length = "length",
      MAX_TOKENS = "length",
      SAFETY = "content_filter", ["null"] = "nil", [""] = "nil" } do
      t.equal(word .. tostring(folded({ chunk({}, word) }).finish), word .. wanted)
   end
   for _, word in ipairs { "error", "insufficient_system_resource", "network_error", "abort",
      "pause_turn" } do
      local said = folded { chunk({ content = "a" }, word) }
      t.equal({ said.finish, said.error.code, said.text }, { nil, "bad_response", "a" })
      local view, err = codec.decode(json.encode { choices = { { message = { content = "a" },
         finish_reason = word } } })
      t.equal({ view, err.code }, { nil, "bad_response" })
   end
   t.equal(folded({ chunk({}, "stop"), chunk({}, "stop") }).finish, "stop") -- OpenRouter
end)

t.case("stream: reasoning in every form, logprobs, sources, usage in a choice", function()
   local said = folded { chunk { reasoning_content = "a" }, chunk { reasoning = "b" },
      chunk { content = { { type = "thinking", thinking = { { type = "text", text = "c" } } },
         { type = "text", text = "!" } } },
      chunk { reasoning = "d", reasoning_details = { { type = "reasoning.text", text = "d",
         format = "anthropic-claude-v1", index = 0 } } },
      chunk { reasoning_details = { { type = "reasoning.text", signature = "S",
         format = "anthropic-claude-v1" },
         { type = "reasoning.encrypted", data = "E", format = "openai-responses-v1", id = "rs_1" } } },
      chunk { reasoning_details = { { type = "reasoning.summary", summary = "e" } } } }
   t.equal({ said.text, said.reasoning }, { "!", "abcde" })
   t.equal(said.details, { { type = "reasoning.text", signature = "S", format = "anthropic-claude-v1" },
      { type = "reasoning.encrypted", data = "E", format = "openai-responses-v1", id = "rs_1" } })
   local event = chunk({ content = "Hi" }, "stop", { search_results = { { url = "u", title = "t" } },
      citations = { "u" } })
   event.choices[1].logprobs = { content = { { token = "Hi", logprob = -1 } } }
   event.choices[1].usage = { prompt_tokens = 3, completion_tokens = 4 }
   said = folded { event }
   t.equal({ said.annotations, said.logprobs, said.usage.output_tokens },
      { 1, { content = { { token = "Hi", logprob = -1 } } }, 4 })
end)

t.case("message: one way of writing for clients of other formats", function()
   local view = codec.decode(json.encode { id = "x", citations = { "https://x.example" }, choices = { {
      finish_reason = "stop", message = { reasoning = "hm", content = { { type = "thinking",
         thinking = { { type = "text", text = "no" } } }, { type = "text", text = "Hi" } },
         tool_calls = { { ["function"] = { name = "f", arguments = { a = 1 } } } } } } } })
   t.equal(view.finish_reason, "tool_calls")
   local message = codec.message(view)
   t.equal({ message.content, message.reasoning_content, message.tool_calls[1]["function"].arguments },
      { "Hi", "hm", '{"a":1}' })
   t.ok(message.tool_calls[1].id:find "^call_")
   t.equal(message.annotations[1].url_citation.url, "https://x.example")
   t.equal(codec.message({ message = {}, body = {} }).content, json.null)
end)

-- ---- recordings of many servers ----

local function string_of(value) return type(value) == "string" and value or "" end

-- What a whole answer says, read by hand.
local function said_by(body)
   local message = body.choices[1].message
   local text, calls = string_of(message.content), {}
   if type(message.content) == "table" then
      for _, part in ipairs(message.content) do text = text .. string_of(part.text) end
   end
   for i, call in ipairs(type(message.tool_calls) == "table" and message.tool_calls or {}) do
      calls[i] = { call.id, call["function"].name, call["function"].arguments }
   end
   return text, calls
end

local function check_whole(file, bytes)
   local body = json.decode(bytes)
   local view, err = codec.decode(bytes)
   t.equal({ file, err }, { file, nil })
   local message = codec.message(view)
   local text, calls = said_by(body)
   local got = {}
   for i, call in ipairs(message.tool_calls or {}) do
      got[i] = { call.id, call["function"].name, call["function"].arguments }
   end
   t.equal({ file, string_of(message.content), got }, { file, text, calls })
   local raw = body.choices[1].message
   local thoughts = string_of(raw.reasoning_content) ~= "" and raw.reasoning_content
      or string_of(raw.reasoning)
   if thoughts ~= "" then t.equal({ file, message.reasoning_content }, { file, thoughts }) end
   if file:find "mistral%-reasoning" then t.ok(#string_of(message.reasoning_content) > 20, file) end
   t.equal({ file, view.finish_reason }, { file, #calls > 0 and "tool_calls"
      or body.choices[1].finish_reason })
   t.equal({ file, usage.from.openai(view.body.usage).input_tokens }, { file, body.usage.prompt_tokens })
end

-- What a stream's chunks say, folded by hand.
local function folded_by_hand(events)
   local text, calls, places, reason, used = "", {}, {}, nil, nil -- indexes may have gaps
   for _, data in ipairs(events) do
      local event = json.decode(data)
      local choice = type(event.choices) == "table" and event.choices[1] or {}
      local delta = type(choice.delta) == "table" and choice.delta or {}
      text = text .. string_of(delta.content)
      if type(delta.content) == "table" then
         for _, part in ipairs(delta.content) do text = text .. string_of(part.text) end
      end
      for _, call in ipairs(type(delta.tool_calls) == "table" and delta.tool_calls or {}) do
         local at = places[call.index or 0] or #calls + 1
         places[call.index or 0] = at
         calls[at] = calls[at] or { call.id, call["function"].name, "" }
         calls[at][3] = calls[at][3] .. string_of(call["function"].arguments)
      end
      reason = type(choice.finish_reason) == "string" and choice.finish_reason or reason
      used = type(event.usage) == "table" and event.usage or used
   end
   return text, calls, reason, used
end

local function check_stream(file, bytes)
   local events = {}
   for line in bytes:gmatch "[^\r\n]+" do
      line = line:match "^data: ?(.*)" or line
      if line ~= "[DONE]" and line:find "^{" then events[#events + 1] = line end
   end
   local said = folded(events)
   local text, calls, reason, used = folded_by_hand(events)
   for _, call in ipairs(calls) do call[3] = call[3] ~= "" and call[3] or "{}" end
   t.equal({ file, said.error, said.text }, { file, nil, text })
   t.equal({ file, said.calls, said.finish }, { file, calls, reason == "stop" and #calls > 0
      and "tool_calls" or reason })
   if used then t.equal({ file, said.usage.input_tokens }, { file, used.prompt_tokens }) end
end

t.case("fixtures of the Vercel AI SDK", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n, servers = 0, {}
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index-verbatim.json")))) do
      local server = entry.file:match "^vercel%-ai/([^/]+)/"
      local bytes = server and assert(fs.read(ROOT .. entry.file))
      if bytes and bytes:find '"choices"' and not bytes:find '"text_completion"' then
         local whole = entry.file:find "%.json$"
         if whole then check_whole(entry.file, bytes) else check_stream(entry.file, bytes) end
         n, servers[server] = n + 1, true
      end
   end
   t.ok(n >= 20, "fixtures: " .. n)
   for _, server in ipairs { "groq", "mistral", "deepseek", "alibaba", "moonshotai", "perplexity", "openai",
      "openai-compatible" } do
      t.ok(servers[server], "no fixture of " .. server)
   end
end)

-- Members that a translation decides on.
local function plain_request(body)
   local own = {}
   for name, value in pairs(body) do
      if value ~= json.null then own[name] = value end
   end
   own.stream, own.stream_options = own.stream == true or nil, nil
   own.messages = json.array {}
   for i, message in ipairs(body.messages) do
      local copy = {}
      for name, value in pairs(message) do copy[name] = value ~= json.null and value or nil end
      copy.annotations, copy.refusal = nil, nil
      if copy.content == "" then copy.content = nil end
      for _, call in ipairs(copy.tool_calls or {}) do
         call.index = nil
         if call["function"].arguments == "" then call["function"].arguments = "{}" end
      end
      own.messages[i] = copy
   end
   return own
end

t.case("recorded requests go through the hub as they are", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.endpoint == "chat" and entry.provider == "openai" and entry.request:find "%.json$"
         and entry.status == 200 then
         local body = json.decode(assert(fs.read(ROOT .. entry.request)))
         local name = type(body.model) == "string" and body.model or "m"
         local back, warnings = encoded("openai", body, { model = name, stream = body.stream == true })
         t.equal({ entry.id, warnings }, { entry.id, "" })
         t.equal({ entry.id, plain_request(back) }, { entry.id, plain_request(body) })
         n = n + 1
      end
   end
   t.ok(n >= 20, "requests: " .. n)
end)
