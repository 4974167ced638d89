-- test_codec_anthropic_answers: what a provider of Anthropic's format answers; recorded answers and streams.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.anthropic"
local fs = require "fs"
local json = require "json"

local function no_headers() end

local function call(id, name, arguments)
   return { id = id, type = "function", ["function"] = { name = name, arguments = arguments } }
end

-- ---- errors ----

t.case("errors", function()
   local function code(status, kind, message)
      local err = codec.error(status, json.encode { type = "error", request_id = "req_1",
         error = { type = kind, message = message or "m" } }, no_headers)
      return err.code
   end
   t.equal(code(529, "overloaded_error"), "overloaded")
   t.equal(code(200, "overloaded_error"), "overloaded")
   t.equal(code(200, "api_error"), "unavailable")
   t.equal(code(200, "rate_limit_error"), "rate_limited")
   t.equal(code(429, "rate_limit_error"), "rate_limited")
   t.equal(code(400, "invalid_request_error"), "bad_request")
   t.equal(code(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
      "context_length")
   t.equal(code(401, "authentication_error"), "auth")
   t.equal(code(402, "billing_error"), "auth")
   t.equal(code(403, "permission_error"), "auth")
   t.equal(code(404, "not_found_error"), "not_found")
   t.equal(code(413, "request_too_large"), "bad_request")
   t.equal(code(500, "api_error"), "unavailable")
   t.equal(code(504, "timeout_error"), "timeout")
end)

-- ---- answers ----

local function decode(fields)
   local body = { id = "msg_1", type = "message", role = "assistant", content = json.array {},
      stop_reason = "end_turn", usage = { input_tokens = 3, output_tokens = 2 } }
   for name, value in pairs(fields) do body[name] = value end
   return codec.decode(json.encode(body))
end

t.case("decode", function()
   local view = decode { stop_reason = "tool_use", content = {
      { type = "thinking", thinking = "hm", signature = "s" }, { type = "redacted_thinking", data = "d" },
      { type = "text", text = "é" }, { type = "server_tool_use", id = "x", name = "web_search", input = {} },
      { type = "text", text = "b", citations = { { type = "web_search_result_location", url = "https://a.b",
         title = "t", cited_text = "c", encrypted_index = "e" } } },
      { type = "tool_use", id = "toolu_1", name = "f", input = { x = 1 } },
      { type = "tool_use", id = "toolu_2", name = "g", input = json.object {} },
   } }
   t.equal(view.message, {
      role = "assistant", content = "éb", reasoning_content = "hm",
      reasoning_details = {
         { type = "reasoning.text", text = "hm", signature = "s", format = "anthropic-claude-v1", index = 0 },
         { type = "reasoning.encrypted", data = "d", format = "anthropic-claude-v1", index = 1 } },
      annotations = { { type = "url_citation", url_citation = { url = "https://a.b", title = "t",
         start_index = 1,
         end_index = 2 } } },
      tool_calls = { call("toolu_1", "f", '{"x":1}'), call("toolu_2", "g", "{}") },
   })
   t.equal(view.finish_reason, "tool_calls")
   t.equal(view.usage.input_tokens, 3)
end)

t.case("a bill that is not paid is the engine's trouble, not the client's", function()
   local err = codec.error(400, '{"type":"error","error":{"type":"invalid_request_error","message":'
      .. '"Your credit balance is too low to access the Anthropic API."}}', function() end)
   t.equal({ err.code, err.type }, { "auth", nil })
end)

t.case("a conversation that the provider holds no more is told by its code", function()
   local lost = codec.error(400, '{"type":"error","error":{"type":"invalid_request_error","message":"m",'
      .. '"details":{"error_code":"thread_not_found"}}}', no_headers)
   t.equal({ lost.code, lost.provider_code }, { "bad_request", "thread_not_found" })
end)

t.case("decode: why it stopped", function()
   for told, reason in pairs { end_turn = "stop", stop_sequence = "stop", max_tokens = "length",
      model_context_window_exceeded = "length", refusal = "content_filter" } do
      t.equal(decode({ stop_reason = told }).finish_reason, reason)
   end
   for _, told in ipairs { "pause_turn", "compaction", "news" } do
      local view, err, own = decode { stop_reason = told }
      t.equal(view, nil)
      t.equal(own.finish_reason, told) -- for a client of the same format
      t.equal(err.code, "bad_response")
      t.ok(err.message:find(told, 1, true))
   end
   local view = decode { stop_reason = "refusal", stop_details = { type = "refusal", explanation = "no" } }
   t.equal(view.message.refusal, "no")
   t.equal(view.message.content, json.null)
   for _, none in ipairs { json.null, "", 7 } do -- of message_start, not of a message that is whole
      local nothing, err = decode { stop_reason = none }
      t.equal({ nothing, err.code }, { nil, "bad_response" })
   end
end)

t.case("decode: nonsense", function()
   for _, body in ipairs { "", "null", "7", "[]", "{}", '"x"', "<html>", '{"content":7}', '{"content":"x"}',
      '{"content":{"a":1}}', '{"content":null}' } do
      local view, err = codec.decode(body)
      t.equal(view, nil)
      t.equal(err.code, "bad_response")
   end
   for _, content in ipairs { "[7,null,[],{}]", '[{"type":7}]', '[{"type":"text"}]',
      '[{"type":"text","text":7}]',
      '[{"type":"text","text":"x","citations":7}]', '[{"type":"text","text":"x","citations":[7,null,{}]}]',
      '[{"type":"tool_use"}]', '[{"type":"tool_use","id":7,"name":7,"input":7}]',
      '[{"type":"thinking"}]', '[{"type":"redacted_thinking","data":{}}]' } do
      local view = codec.decode('{"content":' .. content .. ',"stop_reason":"end_turn","usage":[]}')
      t.ok(view and view.finish_reason == "stop", content)
   end
end)

-- ---- streams ----

-- What the events of a stream say: a message as codec.decode gives it, finish, usage, error.
local function gather(list)
   local decoder = codec.decoder()
   local said = { text = "", reasoning = "", calls = {}, details = {}, annotations = {} }
   for _, item in ipairs(list) do
      local data = type(item) == "string" and item or json.encode(item)
      for _, event in ipairs(decoder(data, nil)) do
         if said.finish and event.kind ~= "usage" and event.kind ~= "error" then said.late = event.kind end
         if event.kind == "text" then said.text = said.text .. event.text end
         if event.kind == "reasoning" then said.reasoning = said.reasoning .. event.text end
         if event.kind == "refusal" then said.refusal = event.text end
         if event.kind == "reasoning_detail" then said.details[#said.details + 1] = event.detail end
         if event.kind == "usage" then said.usage = event.usage end
         if event.kind == "error" then said.error = event.err end
         if event.kind == "finish" then
            t.equal(said.finish, nil)
            said.finish = event.reason
         end
         if event.kind == "annotations" then
            for _, annotation in ipairs(event.annotations) do
               said.annotations[#said.annotations + 1] = annotation
            end
         end
         if event.kind == "tool_call" then
            local one = said.calls[event.index + 1]
            if not one then
               one = call(event.id, event.name, "")
               said.calls[event.index + 1] = one
            else
               t.equal({ event.id, event.name }, {})
            end
            one["function"].arguments = one["function"].arguments .. event.arguments
         end
      end
   end
   return said
end

local function block(index, start, ...)
   local list = { { type = "content_block_start", index = index, content_block = start } }
   for _, delta in ipairs { ... } do
      list[#list + 1] = { type = "content_block_delta", index = index, delta = delta }
   end
   list[#list + 1] = { type = "content_block_stop", index = index }
   return list
end

local function join(...)
   local out = {}
   for _, list in ipairs { ... } do
      for _, item in ipairs(list) do out[#out + 1] = item end
   end
   return out
end

local START = { { type = "message_start", message = { id = "msg_1", usage = { input_tokens = 5,
   output_tokens = 1,
   cache_read_input_tokens = 2 } } }, { type = "ping" } }

local function ending(reason, tokens)
   return { { type = "message_delta", delta = { stop_reason = reason }, usage = { output_tokens = tokens } },
      { type = "message_stop" } }
end

t.case("decoder", function()
   local said = gather(join(START,
      block(0, { type = "thinking", thinking = "", signature = "" }, { type = "thinking_delta",
         thinking = "h" },
         { type = "thinking_delta", thinking = "m" }, { type = "signature_delta", signature = "s" }),
      block(1, { type = "redacted_thinking", data = "d" }),
      block(2, { type = "text", text = "" }, { type = "text_delta", text = "é" },
         { type = "citations_delta", citation = { type = "web_search_result_location", url = "u",
            title = "t" } },
         { type = "text_delta", text = "b" }),
      block(3, { type = "tool_use", id = "a", name = "f", input = {} }, { type = "input_json_delta",
         partial_json = "" },
         { type = "input_json_delta", partial_json = '{"x"' }, { type = "input_json_delta",
            partial_json = ":1}" }),
      block(4, { type = "tool_use", id = "b", name = "g", input = json.object {} }),
      block(5, { type = "tool_use", id = "c", name = "h", input = { y = 1 } }),
      ending("tool_use", 9)))
   t.equal(said.text, "éb")
   t.equal(said.reasoning, "hm")
   t.equal(said.details, {
      { type = "reasoning.text", text = "hm", signature = "s", format = "anthropic-claude-v1", index = 0 },
      { type = "reasoning.encrypted", data = "d", format = "anthropic-claude-v1", index = 1 } })
   t.equal(said.annotations, { { type = "url_citation", url_citation = { url = "u", title = "t",
      start_index = 0,
      end_index = 2 } } })
   t.equal(said.calls, { call("a", "f", '{"x":1}'), call("b", "g", "{}"), call("c", "h", '{"y":1}') })
   t.equal(said.finish, "tool_calls")
   t.equal(said.usage.input_tokens, 7)
   t.equal(said.usage.cached_tokens, 2)
   t.equal(said.usage.output_tokens, 9)
   t.equal(said.late, nil)
end)

t.case("decoder: what goes wrong", function()
   local said = gather { { type = "error", error = { type = "overloaded_error", message = "Overloaded" } } }
   t.equal(said.error.code, "overloaded")
   said = gather(join(START, ending("pause_turn", 1)))
   t.equal(said.error.code, "bad_response")
   t.equal(said.finish, nil)
   said = gather(join(START, block(0, { type = "text", text = "a" }), START))
   t.equal(said.error.code, "bad_response")
   said = gather(join(START, START, block(0, { type = "text", text = "a" }), ending("end_turn", 1)))
   t.equal(said.text, "a")
   t.equal(said.error, nil)
   said = gather(join(START, { { type = "message_delta", usage = {}, delta = { stop_reason = "refusal",
      stop_details = { explanation = "no" } } } }))
   t.equal({ said.finish, said.refusal }, { "content_filter", "no" })
   -- blocks that are never closed, deltas without a start
   said = gather(join(START, { { type = "content_block_delta", index = 0, delta = { type = "text_delta",
      text = "a" } },
      { type = "content_block_start", index = 1, content_block = { type = "tool_use", id = "i",
         name = "f" } } },
      ending("tool_use", 1)))
   t.equal(said.text, "a")
   t.equal(said.calls, { call("i", "f", "{}") })
end)

t.case("decoder: nonsense", function()
   for _, data in ipairs { "", "null", "7", "[]", "{}", '"x"', "{", '{"type":7}', '{"type":"news"}',
      '{"type":"message_start"}', '{"type":"message_start","message":7}', '{"type":"content_block_start"}',
      '{"type":"content_block_start","index":{},"content_block":{"type":"text","text":7}}',
      '{"type":"content_block_start","content_block":{"type":7}}', '{"type":"content_block_delta"}',
      '{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"x"}}',
      '{"type":"content_block_delta","delta":{"type":"text_delta","text":{}}}',
         '{"type":"content_block_stop"}',
      '{"type":"content_block_start","content_block":{"type":"thinking"}}',
      '{"type":"message_delta"}', '{"type":"message_delta","delta":7,"usage":7}',
      '{"type":"message_delta","delta":{"stop_reason":7}}', '{"type":"error"}',
         '{"type":"error","error":7}' } do
      local said = gather { data, data, data }
      t.ok(said.finish == nil, data)
   end
end)

-- ---- recordings ----

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function read_json(path)
   local bytes = fs.read(ROOT .. path)
   return bytes and assert(json.decode(bytes))
end

local function recordings(transport)
   local list = {}
   for _, entry in ipairs(read_json "index.json") do
      if entry.provider == "anthropic" and entry.transport == transport then list[#list + 1] = entry end
   end
   return list
end

-- What the blocks of a native message say, in the hub's words.
local function blocks_say(content)
   local text, reasoning, calls = "", "", {}
   for _, item in ipairs(content) do
      if item.type == "text" then text = text .. item.text end
      if item.type == "thinking" then reasoning = reasoning .. item.thinking end
      if item.type == "tool_use" then calls[#calls + 1] = { item.id, item.name, item.input } end
   end
   return text, reasoning, calls
end

local REASONS = { end_turn = "stop", stop_sequence = "stop", max_tokens = "length", tool_use = "tool_calls",
   refusal = "content_filter" }

local function check_usage(id, usage, native)
   local read, written = native.cache_read_input_tokens or 0, native.cache_creation_input_tokens or 0
   t.equal({ id, usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens },
      { id, native.input_tokens + read + written, read, written, native.output_tokens })
end

local function check_whole(id, bytes)
   local native = json.decode(bytes)
   local view, err = codec.decode(bytes)
   t.equal(id .. tostring(err), id .. "nil")
   local text, reasoning, calls = blocks_say(native.content)
   t.equal({ id, view.message.content ~= json.null and view.message.content or "" }, { id, text })
   t.equal(view.message.reasoning_content or "", reasoning)
   t.equal(#(view.message.tool_calls or {}), #calls)
   for position, one in ipairs(view.message.tool_calls or {}) do
      local fn = one["function"]
      t.equal({ one.id, fn.name, json.decode(fn.arguments) }, calls[position])
   end
   t.equal(view.finish_reason, REASONS[native.stop_reason])
   check_usage(id, view.usage, native.usage)
   local is_answer, a, b = codec.wire:read(bytes)
   t.equal({ id, is_answer }, { id, true })
   check_usage(id, codec.usage(a, b), native.usage)
end

t.case("recorded answers", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(recordings "json") do
      local bytes = assert(fs.read(ROOT .. entry.response))
      if entry.status ~= 200 then
         t.equal(codec.wire:read(bytes), nil)
         local err = codec.error(entry.status, bytes, function(name) return entry.headers[name] end)
         local expected = read_json(entry.response:gsub("response%.json$", "expected.json"))
         t.equal({ entry.id, err.status }, { entry.id, entry.status })
         t.ok(err.code == "auth" or (expected and err.message == json.decode(bytes).error.message), entry.id)
         n = n + 1
      elseif entry.endpoint == "messages" then
         check_whole(entry.id, bytes)
         n = n + 1
      end
   end
   for _, entry in ipairs(read_json "index-verbatim.json") do
      if entry.file:find "^vercel%-ai/anthropic/.*%.json$" then
         check_whole(entry.file, assert(fs.read(ROOT .. entry.file)))
         n = n + 1
      end
   end
   t.ok(n >= 35, "answers: " .. n)
end)

-- The data of the events of a stream, as C hands them out.
local function frames(bytes)
   local list = {}
   for frame in (bytes:gsub("\r\n", "\n") .. "\n\n"):gmatch "(.-)\n\n" do
      local data = {}
      for line in (frame .. "\n"):gmatch "(.-)\n" do
         local value = line:match "^data: ?(.*)$"
         if value then data[#data + 1] = value end
      end
      if #data > 0 then list[#list + 1] = table.concat(data, "\n") end
   end
   return list
end

-- What the vendor's client makes of a stream, done again here: for recordings without its word.
local function fold(list)
   local message = { content = {}, usage = {} }
   local partial = {}
   for _, data in ipairs(list) do
      local event = json.decode(data)
      if event.type == "message_start" then message.usage = event.message.usage end
      if event.type == "content_block_start" then message.content[event.index + 1] = event.content_block end
      local delta, at = event.delta, (event.index or 0) + 1
      if event.type == "content_block_delta" then
         local to = message.content[at]
         if delta.text then to.text = to.text .. delta.text end
         if delta.thinking then to.thinking = to.thinking .. delta.thinking end
         if delta.partial_json then partial[at] = (partial[at] or "") .. delta.partial_json end
      elseif event.type == "message_delta" then
         message.stop_reason = delta.stop_reason
         for name, value in pairs(event.usage) do message.usage[name] = value end
      end
   end
   for at, text in pairs(partial) do
      if text ~= "" then message.content[at].input = json.decode(text) or text end
   end
   return message
end

local function check_stream(id, list, native)
   local said = gather(list)
   local text, reasoning, calls = blocks_say(native.content)
   t.equal({ id, tostring(said.error) }, { id, "nil" })
   t.equal({ id, said.text, said.reasoning }, { id, text, reasoning })
   t.equal(#said.calls, #calls)
   for position, one in ipairs(said.calls) do
      local fn = one["function"]
      local expected = calls[position]
      local input = json.decode(fn.arguments)
      if type(expected[3]) == "string" then input = fn.arguments end -- was cut by max_tokens
      t.equal({ one.id, fn.name, input }, expected)
   end
   t.equal({ id, said.finish }, { id, REASONS[native.stop_reason] })
   check_usage(id, said.usage, native.usage)
   t.equal(said.late, nil)
end

t.case("recorded streams", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(recordings "sse") do
      local expected = read_json(entry.response:gsub("response%.sse$", "expected.json"))
      check_stream(entry.id, frames(assert(fs.read(ROOT .. entry.response))), expected.final)
      n = n + 1
   end
   t.ok(n >= 14, "streams: " .. n)
end)

t.case("streams of the SDKs' own tests", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(read_json "index-verbatim.json") do
      local list
      if entry.file:find "^anthropic%-sdk/" then list = frames(assert(fs.read(ROOT .. entry.file))) end
      if entry.file:find "^vercel%-ai/anthropic/.*%.chunks%.txt$" then
         list = {}
         for line in assert(fs.read(ROOT .. entry.file)):gmatch "[^\r\n]+" do list[#list + 1] = line end
      end
      local one, messages_ = {}, {} -- some files hold the streams of several turns
      for _, data in ipairs(list or {}) do
         one[#one + 1] = data
         if data:find('"message_stop"', 1, true) then
            messages_[#messages_ + 1] = one
            one = {}
         end
      end
      for _, part in ipairs(messages_) do
         n = n + 1
         if entry.file:find "spliced" then
            t.equal(gather(part).error.code, "bad_response")
         else
            check_stream(entry.file, part, fold(part))
         end
      end
   end
   t.ok(n >= 25, "streams: " .. n)
end)
