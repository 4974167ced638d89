-- test_codec_ollama: Ollama's API read and written; recorded answers of real servers.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.ollama"
local fs = require "fs"
local json = require "json"

local function no_headers() end

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function encode(req, to)
   to = to or {}
   to.model, to.facts = to.model or "qwen3", to.facts or { context = 32768 }
   local body, warnings = codec.encode(req, to)
   if not body then return nil, warnings end
   return json.decode(body), warnings
end

local function user(content)
   return { role = "user", content = content }
end

local function call(id, name, arguments)
   return { id = id, type = "function", ["function"] = { name = name, arguments = arguments } }
end

-- ---- requests ----

t.case("edits", function()
   local provider = require "provider"
   local function edits(body, stream) return codec.edits(provider.request(body), "m", stream) end
   t.equal(edits("{}", true), { model = "m" })
   t.equal(edits("{}", false), { model = "m", stream = false })
   t.equal(edits('{"stream":false}', false), { model = "m" })
   t.equal(edits('{"stream":false}', true), { model = "m", stream = true })
   t.equal(edits('{"stream":null}', true), { model = "m" })
end)

t.case("encode: messages", function()
   local body, warnings = encode({ messages = {
      { role = "developer", content = "Be brief." },
      user { { type = "text", text = "What" }, { type = "text", text = "is it?" },
         { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } },
         { type = "file", file = { file_data = "data:image/jpeg;base64,BBBB" } },
         { type = "file", file = { file_data = "data:text/plain;base64,SGk=" } } },
      { role = "assistant", content = json.null, reasoning_content = "hm", tool_calls = {
         call("call_x", "f", '{"a":1}'), call("call_000000000", "g", "") } },
      { role = "tool", tool_call_id = "call_x", content = "1" },
      { role = "tool", tool_call_id = "call_000000000", content = { { type = "text", text = "2" } } },
   } }, { stream = true })
   t.equal(warnings, {})
   t.equal(body, { model = "qwen3", stream = true, messages = {
      { role = "system", content = "Be brief." },
      { role = "user", content = "What\nis it?\nHi", images = { "AAAA", "BBBB" } },
      { role = "assistant", content = "", thinking = "hm", tool_calls = {
         { id = "call_x", ["function"] = { index = 0, name = "f", arguments = { a = 1 } } },
         { ["function"] = { index = 1, name = "g", arguments = {} } } } },
      { role = "tool", content = "1", tool_name = "f", tool_call_id = "call_x" },
      { role = "tool", content = "2", tool_name = "g" },
   } })
   t.equal(encode({ messages = { user "x" } }).stream, false)
   local none, err = encode { messages = json.array {} }
   t.equal({ none, err.code }, { nil, "bad_request" })
end)

t.case("encode: settings", function()
   local body, warnings = encode { messages = { user "x" }, temperature = 0.1, top_p = 0.2, top_k = 3,
      seed = 4,
      max_completion_tokens = 5, stop = "END", presence_penalty = 1, frequency_penalty = 2, logprobs = true,
      top_logprobs = 2, n = 1, user = "u", stream_options = { include_usage = true },
      extra_body = { ollama = { options = { num_ctx = 8192, seed = 9 }, keep_alive = "5m" } } }
   t.equal(body.options, { temperature = 0.1, top_p = 0.2, top_k = 3, seed = 4, num_predict = 5,
      stop = { "END" },
      presence_penalty = 1, frequency_penalty = 2, num_ctx = 8192 })
   t.equal({ body.logprobs, body.top_logprobs, body.keep_alive, body.n }, { true, 2, "5m", nil })
   t.equal(warnings, { "dropped: user" })
   body, warnings = encode { messages = { user "x" }, n = 2, temperature = json.null, user = json.null }
   t.equal({ body.options, warnings }, { nil, { "dropped: n" } })
end)

t.case("encode: tools", function()
   local fn = { name = "f", description = "d", parameters = { type = "object" }, strict = true }
   local function with(choice)
      return encode { messages = { user "x" }, tool_choice = choice, tools = {
         { type = "function", ["function"] = fn }, { type = "function", ["function"] = { name = "g" } },
         { type = "web_search" } } }
   end
   local body, warnings = with(nil)
   t.equal(body.tools, { { type = "function", ["function"] = { name = "f", description = "d",
      parameters = { type = "object" } } }, { type = "function", ["function"] = { name = "g",
      parameters = { type = "object", properties = {} } } } })
   t.equal(warnings, { "dropped: tool web_search" })
   t.equal(with("none").tools, nil)
   body, warnings = with { type = "function", ["function"] = { name = "g" } }
   t.equal({ #body.tools, body.tools[1]["function"].name, #warnings }, { 1, "g", 2 })
   t.equal(#select(2, with "required"), 2)
end)

t.case("encode: format and thinking", function()
   local function of(req, model)
      req.messages = { user "x" }
      return encode(req, { model = model })
   end
   t.equal(of({ response_format = { type = "json_object" } }).format, "json")
   t.equal(of({ response_format = { type = "json_schema",
      json_schema = { schema = { type = "object" } } } }).format,
      { type = "object" })
   t.equal(of({ response_format = { type = "text" } }).format, nil)
   t.equal(of({}).think, nil)
   t.equal(of({ reasoning_effort = "low" }).think, true)
   t.equal(of({ reasoning_effort = "none" }).think, false)
   local body, warnings = encode({ messages = { user "x" }, reasoning_effort = "low" },
      { facts = { capabilities = { "tools" } } })
   t.equal({ body.think, warnings }, { nil, { "dropped: reasoning" } })
   t.equal(of({ reasoning_effort = "minimal" }, "gpt-oss:20b").think, "low")
   t.equal(of({ reasoning = { max_tokens = 16000 } }, "gpt-oss:20b").think, "high")
end)

t.case("encode: what would be cut is told", function()
   local _, warnings = encode({ messages = { user(("word "):rep(8000)) } }, { facts = {} })
   t.equal(#warnings, 1)
   t.ok(warnings[1]:find "num_ctx %(4096%)", warnings[1])
   _, warnings = encode({ messages = { user(("word "):rep(8000)) },
      extra_body = { ollama = { options = { num_ctx = 32768 } } } }, { facts = {} })
   t.equal(warnings, {})
end)

t.case("encode: nothing raises", function()
   for _, odd in ipairs { json.null, 7, "x", true, {}, json.array {}, { 7 }, { {} }, { { { 1 } } } } do
      for _, name in ipairs { "messages", "tools", "tool_choice", "response_format", "stop", "reasoning",
         "reasoning_effort", "extra_body", "temperature", "top_logprobs", "logprobs", "n" } do
         local req = { messages = { user "x" } }
         req[name] = odd
         t.ok(pcall(codec.encode, req, { model = "m", facts = {} }), name)
      end
      for _, role in ipairs { "system", "user", "assistant", "tool" } do
         local messages = { { role = role, content = odd, tool_calls = odd, tool_call_id = odd,
            reasoning_details = odd }, { role = role, content = { { type = "image_url", image_url = odd },
            { type = "file", file = odd } } },
            { role = role, tool_calls = { { id = odd, ["function"] = { name = "f", arguments = odd } } } } }
         t.ok(pcall(codec.encode, { messages = messages }, { model = "m", facts = {} }), role)
      end
   end
end)

-- ---- answers ----

t.case("decode", function()
   local view = codec.decode(json.encode { model = "m", done = true, done_reason = "stop",
      prompt_eval_count = 3,
      eval_count = 4, message = { role = "assistant", content = "Hi", thinking = "hm", tool_calls = {
         { ["function"] = { name = "f", arguments = { a = 1 } } },
         { id = "c2", ["function"] = { name = "g", arguments = json.object {} } } } },
      logprobs = { { token = "Hi", logprob = -1 } } })
   t.equal({ view.message.content, view.message.reasoning_content, view.finish_reason }, { "Hi", "hm",
      "tool_calls" })
   t.equal(view.message.tool_calls[1]["function"], { name = "f", arguments = '{"a":1}' })
   t.equal(view.message.tool_calls[2], { id = "c2", type = "function",
      ["function"] = { name = "g", arguments = "{}" } })
   t.ok(view.message.tool_calls[1].id:find "^[%w_-]+$", view.message.tool_calls[1].id)
   t.equal({ view.usage.input_tokens, view.usage.output_tokens }, { 3, 4 })
   t.equal(view.logprobs.content[1].token, "Hi")
end)

t.case("decode: reasons to stop, and nonsense", function()
   local function reason(more)
      local body = { done = true, message = { content = "x" } }
      for name, value in pairs(more) do body[name] = value end
      local view, err = codec.decode(json.encode(body))
      return view and view.finish_reason or err.code
   end
   t.equal(reason {}, "stop")
   t.equal(reason { done_reason = "length" }, "length")
   t.equal(reason { done_reason = "load" }, "bad_response")
   t.equal(reason { done = false }, "bad_response")
   t.equal(reason { error = "boom" }, "unavailable")
   for _, body in ipairs { "", "x", "null", "7", "[]", "{}", '{"done":"x"}', '{"message":7}',
      '{"done":false}',
      '{"message":{"content":7,"thinking":{},"tool_calls":[7,null,{"function":7},{"function":{"name":7}}]}}',
      '{"message":null,"logprobs":[7],"images":7}' } do
      local view, err = codec.decode(body)
      t.equal(body .. tostring(view), body .. "nil")
      t.equal(err.code, "bad_response")
      t.ok(type(codec.decoder()(body)) == "table", body)
   end
end)

t.case("errors", function()
   local function code(status, message)
      return codec.error(status, json.encode { error = message }, no_headers).code
   end
   t.equal(code(404, "model 'x' not found"), "not_found")
   t.equal(code(400, "x does not support tools"), "bad_request")
   t.equal(code(400, "the input length exceeds the context length"), "context_length")
   t.equal(code(500, "boom"), "unavailable")
   t.equal(code(503, "server busy, please try again.  maximum pending requests exceeded"), "overloaded")
   t.equal(code(200, "llama runner process has terminated"), "unavailable")
   t.equal(code(401, "unauthorized"), "auth")
   local events = codec.decoder() '{"error":"an error was encountered while running the model"}'
   t.equal({ events[1].kind, events[1].err.code }, { "error", "unavailable" })
   for _, body in ipairs { "", "<html>", "[]", "7", '{"error":7}', '{"error":{}}' } do
      t.equal(codec.error(500, body, no_headers).code, "unavailable")
   end
end)

t.case("embed", function()
   t.equal(json.decode(codec.embed.encode("m", { "a" }, {})), { model = "m", input = { "a" } })
   local found = codec.embed.decode '{"embeddings":[[1,2]],"prompt_eval_count":3}'
   t.equal({ found.vectors, found.usage.input_tokens }, { { { 1, 2 } }, 3 })
   for _, body in ipairs { "", "[]", "{}", '{"embeddings":[]}', '{"embeddings":[7]}' } do
      t.equal(select(2, codec.embed.decode(body)).code, "bad_response")
   end
end)

-- ---- recordings ----

local function recorded(transport)
   local list = {}
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.provider == "ollama" and entry.transport == transport and entry.id:find "api_" then
         list[#list + 1] = entry
      end
   end
   return list
end

local function calls_of(calls)
   local list = {}
   for position, one in ipairs(calls or {}) do
      local fn = one["function"]
      local arguments = fn.arguments
      if type(arguments) == "string" then arguments = json.decode(arguments) end
      list[position] = { one.id, fn.name, arguments }
   end
   return list
end

t.case("recorded answers", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(recorded "json") do
      local bytes = assert(fs.read(ROOT .. entry.response))
      n = n + 1
      if entry.status ~= 200 then
         t.equal(codec.error(entry.status, bytes, no_headers).code, "not_found")
      else
         local raw, view = json.decode(bytes), codec.decode(bytes)
         local message = raw.message or { content = raw.response }
         t.equal(view.message.content, message.content ~= "" and message.content or json.null)
         t.equal(view.message.reasoning_content, message.thinking)
         t.equal(calls_of(view.message.tool_calls), calls_of(message.tool_calls))
         t.equal(view.finish_reason, message.tool_calls and "tool_calls" or raw.done_reason)
         t.equal({ view.usage.input_tokens, view.usage.output_tokens },
            { raw.prompt_eval_count or 0, raw.eval_count })
      end
   end
   t.ok(n >= 6, "recordings: " .. n)
end)

t.case("recorded streams", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recorded "ndjson"
   for _, entry in ipairs(list) do
      local expected = json.decode(assert(fs.read(ROOT .. entry.id .. ".expected.json")))
      local decode, said, finish, used = codec.decoder(), {}, nil, nil
      for line in assert(fs.read(ROOT .. entry.response)):gmatch "[^\n]+" do
         for _, event in ipairs(decode(line)) do
            if event.kind == "text" then said[#said + 1] = event.text end
            if event.kind == "finish" then finish = event.reason end
            if event.kind == "usage" then used = event.usage end
            t.ok(event.kind ~= "error", entry.id)
         end
      end
      t.equal({ entry.id, table.concat(said), finish }, { entry.id, expected.text,
         expected.last.done_reason })
      t.equal({ used.input_tokens, used.output_tokens },
         { expected.last.prompt_eval_count, expected.last.eval_count })
   end
   t.ok(#list >= 4, "recordings: " .. #list)
end)

t.case("a message may be missing at the end of a stream, but is nothing else than an object", function()
   t.equal(codec.decode('{"message":{"role":"assistant","content":""},"done":true}').finish_reason, "stop")
   t.equal(codec.decode('{"response":"","done":true}').finish_reason, "stop")
   for _, odd in ipairs { '"message":null,', '"message":7,', '"message":"x",', '"message":[],', "" } do
      local text = "{" .. odd .. '"done":true}'
      local view, err = codec.decode(text)
      t.equal({ view, err.code }, { nil, "bad_response" })
      local events = codec.decoder()(text)
      t.equal(events[1].kind, odd == "" and "finish" or "error")
   end
end)
