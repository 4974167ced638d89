-- test_door_anthropic: Anthropic Messages as clients speak it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local door = require "door.anthropic"
local errors = require "errors"
local fs = require "fs"
local hub = require "hub"
local json = require "json"
local read = require "anthropic.answer"
local reply_events = require("reply").events

local meta = { id = "abc", created = 7, model = "sim/mini" }

local function decode(body)
   body.messages = body.messages or { { role = "user", content = "x" } }
   body.model, body.max_tokens = body.model or "m", body.max_tokens or 10
   return door.decode(json.encode(body))
end

local function messages(list)
   local req, err, foreign = decode { messages = list }
   if not req then return nil, err end
   return req.messages, foreign
end

-- ---- head ----

t.case("head", function()
   t.equal(door.head '{"model":"m","messages":[]}', { model = "m", stream = false, include_usage = true })
   t.equal(door.head '{"model":"m","messages":[],"stream":true}'.stream, true)
   for body, param in pairs {
      ['{"messages":[]}'] = "model", ['{"model":7,"messages":[]}'] = "model", ['{"model":"m"}'] = "messages",
      ['{"model":"m","messages":"x"}'] = "messages", ['{"model":"m","messages":[],"stream":1}'] = "stream",
      ['{"model":null,"messages":[]}'] = "model",
   } do
      local head, err = door.head(body)
      t.equal(head, nil)
      t.equal({ err.code, err.param }, { "bad_request", param })
   end
end)

-- ---- requests ----

t.case("settings", function()
   local req, warnings, foreign = decode { system = "s", temperature = 0.5, top_p = 0.9, top_k = 4,
      stream = true,
      stop_sequences = { "a" }, metadata = { user_id = "u" }, service_tier = "standard_only",
      container = "c", tool_choice = { type = "any", disable_parallel_tool_use = true },
      output_config = { effort = "high", format = { type = "json_schema", schema = { type = "object" } } },
      thinking = { type = "adaptive", display = "omitted" },
      tools = { { name = "f", description = "d", input_schema = { type = "object" }, defer_loading = true,
         cache_control = { type = "ephemeral" } }, { type = "bash_20250124", name = "bash" } } }
   t.equal(req, {
      model = "m", max_tokens = 10, temperature = 0.5, top_p = 0.9, top_k = 4, stream = true, stop = { "a" },
      user = "u", service_tier = "default", tool_choice = "required", parallel_tool_calls = false,
      messages = { { role = "system", content = "s" }, { role = "user", content = "x" } },
      reasoning_effort = "high", reasoning = { enabled = true },
      response_format = { type = "json_schema", json_schema = { name = "answer", strict = true,
         schema = { type = "object" } } },
      tools = { { type = "function", cache_control = { type = "ephemeral" },
         ["function"] = { name = "f", description = "d", parameters = { type = "object" } },
         native = { format = "anthropic", defer_loading = true } },
         { type = "bash_20250124", name = "bash", format = "anthropic" } },
      native = { format = "anthropic", container = "c", _effort = "high",
         _thinking = { type = "adaptive", display = "omitted" } },
   })
   t.equal(warnings, {})
   t.equal(foreign, false)
   local warn, list = hub.warnings()
   hub.leftovers({ native = req.native }, {}, warn, "openai")
   t.equal(list, { "dropped: container" })
   t.equal(decode({ thinking = { type = "enabled", budget_tokens = 2000 } }).reasoning,
      { enabled = true, max_tokens = 2000 })
   t.equal(decode({ thinking = { type = "disabled" } }).reasoning_effort, "none")
   t.equal(decode({ tool_choice = { type = "tool", name = "f" } }).tool_choice,
      { type = "function", ["function"] = { name = "f" } })
   t.equal(decode({ stop_sequences = json.array {}, tools = json.array {} }).stop, nil)
end)

t.case("messages", function()
   local cache = { type = "ephemeral" }
   local list, foreign = messages {
      { role = "user", content = { { type = "text", text = "a", cache_control = cache } } },
      { role = "assistant", content = {
         { type = "thinking", thinking = "hm", signature = "s" }, { type = "redacted_thinking", data = "d" },
         { type = "text", text = "b" }, { type = "tool_use", id = "1", name = "f", input = json.object {} },
         { type = "tool_use", id = "2", name = "g", input = { x = 1 }, cache_control = cache } } },
      { role = "user", content = {
         { type = "tool_result", tool_use_id = "1", content = "r", is_error = true },
         { type = "tool_result", tool_use_id = "2", cache_control = cache, content = {
            { type = "image", source = { type = "base64", media_type = "image/png", data = "AA==" } } } },
         { type = "tool_result", tool_use_id = "3" },
         { type = "text", text = "c" } } },
   }
   t.equal(list, {
      { role = "user", content = { { type = "text", text = "a", cache_control = cache } } },
      { role = "assistant", content = "b", reasoning_content = "hm", cache_control = cache,
         reasoning_details = {
            { type = "reasoning.text", text = "hm", signature = "s", format = "anthropic-claude-v1",
               index = 0 },
            { type = "reasoning.encrypted", data = "d", format = "anthropic-claude-v1", index = 1 } },
         tool_calls = {
            { id = "1", type = "function", ["function"] = { name = "f", arguments = "{}" } },
            { id = "2", type = "function", ["function"] = { name = "g", arguments = '{"x":1}' } } } },
      { role = "tool", tool_call_id = "1", content = "r", is_error = true },
      { role = "tool", tool_call_id = "2", cache_control = cache, content = {
         { type = "image_url", image_url = { url = "data:image/png;base64,AA==" } } } },
      { role = "tool", tool_call_id = "3", content = "" },
      { role = "user", content = "c" },
   })
   t.equal(foreign, false)
end)

t.case("images and documents", function()
   local text = { type = "document", title = "t", source = { type = "text", media_type = "text/plain",
      data = "d" } }
   local odd = { type = "container_upload", file_id = "f" }
   local list = messages { { role = "user", content = {
      { type = "image", source = { type = "url", url = "https://a.b/c.png" } },
      { type = "document", title = "t", citations = { enabled = true },
         source = { type = "base64", media_type = "application/pdf", data = "AA==" } },
      { type = "document", source = { type = "url", url = "https://a.b/c.pdf" } },
      text, odd,
   } } }
   t.equal(list[1].content, {
      { type = "image_url", image_url = { url = "https://a.b/c.png" } },
      { type = "file", file = { filename = "t", file_data = "data:application/pdf;base64,AA==" },
         native = { format = "anthropic", citations = { enabled = true } } },
      { type = "file", file = { file_url = "https://a.b/c.pdf" }, native = { format = "anthropic" } },
      { type = "text", text = "t\n\nd", native = { format = "anthropic", block = text } },
      { type = "container_upload", native = { format = "anthropic", block = odd } },
   })
end)

t.case("reasoning of other providers comes back with their name", function()
   local own = "anthropic-claude-v1"
   local list, foreign = messages { { role = "user", content = "x" }, { role = "assistant", content = {
      { type = "thinking", thinking = "sum", signature = hub.stamp({ format = "openai-responses-v1",
         id = "rs_1" }, own) },
      { type = "redacted_thinking", data = hub.stamp({ format = "openai-responses-v1", id = "rs_1",
         data = "enc" }, own) },
      { type = "redacted_thinking", data = hub.stamp({ format = "google-gemini-v1", id = "c:1", data = "g" },
         own) },
      { type = "thinking", thinking = "deep", signature = hub.stamp({ format = "unknown" }, own) },
   } } }
   t.equal(foreign, true)
   t.equal(list[2].reasoning_details, {
      { type = "reasoning.summary", summary = "sum", format = "openai-responses-v1", id = "rs_1" },
      { type = "reasoning.encrypted", data = "enc", format = "openai-responses-v1", id = "rs_1" },
      { type = "reasoning.encrypted", data = "g", format = "google-gemini-v1", id = "c:1" },
      { type = "reasoning.text", text = "deep", format = "unknown" },
   })
   t.equal(list[2].reasoning_content, "sumdeep")
end)

t.case("wrong requests say where", function()
   local function place(body)
      local req, err = door.decode(body)
      t.equal(req, nil)
      t.equal(err.code, "bad_request")
      return err.param
   end
   for body, where in pairs {
      ['{"messages":7}'] = "messages", ["{}"] = "messages", ['{"messages":[7]}'] = "messages.0",
      ['{"messages":[{}]}'] = "messages.0.role", ['{"messages":[{"role":"user"}]}'] = "messages.0.content",
      ['{"messages":[{"role":"tool","content":"x"}]}'] = "messages.0.role",
      ['{"messages":[{"role":"user","content":null}]}'] = "messages.0.content",
      ['{"messages":[{"role":"user","content":{"a":1}}]}'] = "messages.0.content",
      ['{"messages":[{"role":"user","content":[7]}]}'] = "messages.0.content.0",
      ['{"messages":[{"role":"user","content":[{}]}]}'] = "messages.0.content.0.type",
      ['{"messages":[{"role":"user","content":[{"type":"text"}]}]}'] = "messages.0.content.0.text",
      ['{"messages":[{"role":"user","content":[{"type":"image"}]}]}'] = "messages.0.content.0.source",
      ['{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":7}}]}]}'] =
         "messages.0.content.0.source.data",
      ['{"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}'] =
         "messages.0.content.0.tool_use_id",
      ['{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":1}]}]}'] =
         "messages.0.content.0.input",
      ['{"messages":[],"tools":7}'] = "tools",
         ['{"messages":[],"tools":[{"name":"f"}]}'] = "tools.0.input_schema",
      ['{"messages":[],"tool_choice":{"type":"x"}}'] = "tool_choice.type",
      ['{"messages":[],"max_tokens":"many"}'] = "max_tokens", ['{"messages":[],"system":7}'] = "system",
      ['{"messages":[],"stop_sequences":"x"}'] = "stop_sequences",
         ['{"messages":[],"thinking":7}'] = "thinking",
   } do
      t.equal({ body, place(body) }, { body, where })
   end
   for _, body in ipairs { "", "[]", "7", "null", "{" } do t.equal(place(body), nil) end
   local _, err = door.decode '{"messages":[],"thread":{"type":"create"}}'
   t.equal({ err.param, err.provider_code }, { "thread", "thread_unsupported_request" })
   t.ok((door.decode '{"messages":[],"thread":null}'))
end)

-- ---- whole answers ----

local function answer(reply)
   return json.decode(door.answer(reply, meta))
end

local CALLS = { { id = "functions.f:0", type = "function", ["function"] = { name = "f", arguments = "" } },
   { id = "c2", type = "function", ["function"] = { name = "g", arguments = '{"x":1}' } } }

t.case("answer", function()
   local body = answer { message = { role = "assistant", content = "Hi" }, finish_reason = "stop",
      usage = { input_tokens = 10, cached_tokens = 4, cache_write_tokens = 3, cache_write_1h_tokens = 1,
         output_tokens = 5, reasoning_tokens = 0 } }
   t.equal({ body.id, body.type, body.role, body.model }, { "msg_abc", "message", "assistant", "sim/mini" })
   t.equal(body.content, { { type = "text", text = "Hi" } })
   t.equal({ body.stop_reason, body.stop_sequence }, { "end_turn", json.null })
   t.equal({ body.usage.input_tokens, body.usage.cache_read_input_tokens,
      body.usage.cache_creation_input_tokens,
      body.usage.output_tokens }, { 3, 4, 3, 5 })
   body = answer { message = { content = json.null, tool_calls = CALLS }, finish_reason = "tool_calls",
      usage = false }
   t.equal(#body.content, 2)
   t.ok(body.content[1].id:find "^[%w_-]+$")
   t.equal(body.content[2], { type = "tool_use", id = "c2", name = "g", input = { x = 1 } })
   t.equal(body.stop_reason, "tool_use")
   t.equal(body.usage.output_tokens, 0)
   t.ok(door.answer({ message = { tool_calls = CALLS } }, meta):find('"input":{}', 1, true))
   for reason, stop in pairs { length = "max_tokens", content_filter = "refusal", stop = "end_turn" } do
      t.equal(answer({ message = {}, finish_reason = reason }).stop_reason, stop)
   end
   t.ok(door.answer({ message = {} }, meta):find('"content":[]', 1, true))
   body = answer { message = { refusal = "no" }, finish_reason = "stop" }
   t.equal({ body.stop_reason, body.stop_details.explanation, body.content[1].text }, { "refusal", "no",
      "no" })
end)

local REASONED = { content = "a", reasoning_content = "hm", reasoning_details = {
   { type = "reasoning.text", text = "hm", signature = "s", format = "anthropic-claude-v1" },
   { type = "reasoning.encrypted", data = "d", format = "google-gemini-v1", id = "c1" } } }

t.case("answer: reasoning and citations", function()
   local body = answer { message = REASONED, finish_reason = "stop" }
   t.equal(body.content, { { type = "thinking", thinking = "hm", signature = "s" },
      { type = "redacted_thinking", data = "baton:google-gemini-v1:c1:d" }, { type = "text", text = "a" } })
   body = answer { message = { content = "a", reasoning_content = "deep" }, finish_reason = "stop" }
   t.equal(body.content[1], { type = "thinking", thinking = "deep", signature = "baton:unknown::" })
   body = answer { message = { content = "a", annotations = { { type = "url_citation",
      url_citation = { url = "u", title = "t", start_index = 0, end_index = 1 } } } } }
   t.equal(body.content[1].citations, { { type = "web_search_result_location", url = "u", title = "t",
      cited_text = "", encrypted_index = "" } })
   body = answer { message = { tool_calls = { { id = "c1", ["function"] = { name = "f", arguments = "{}" },
      extra_content = { google = { thought_signature = "g" } } } } } }
   t.equal(body.content[1], { type = "redacted_thinking", data = "baton:google-gemini-v1:c1:g" })
end)

-- ---- streams ----

-- What a client reads: the list of { event name, data }; checks the framing.
local function frames(bytes)
   local list, size = {}, 0
   for name, data in bytes:gmatch "event: ([%w_]+)\ndata: ([^\n]*)\n\n" do
      local decoded = json.decode(data)
      t.equal(decoded.type, name)
      list[#list + 1] = decoded
      size = size + #name + #data + 16
   end
   t.equal(size, #bytes)
   return list
end

-- The message that the events make, as the vendor's SDK gathers it; checks their order.
local function gather(list)
   local message, open_, done
   for position, event in ipairs(list) do
      t.equal(done, nil)
      if event.type == "message_start" then
         t.equal(position, 1)
         message = event.message
         t.equal({ message.content, message.stop_reason }, { {}, json.null })
      elseif event.type == "content_block_start" then
         t.equal(open_, nil)
         t.equal(event.index, #message.content)
         open_ = event.content_block
         open_.partial, open_.deltas = "", 0
         message.content[#message.content + 1] = open_
      elseif event.type == "content_block_delta" then
         t.equal(event.index, #message.content - 1)
         local delta = event.delta
         open_.deltas = open_.deltas + 1
         if delta.text then open_.text = open_.text .. delta.text end
         if delta.thinking then open_.thinking = open_.thinking .. delta.thinking end
         if delta.signature then open_.signature = open_.signature .. delta.signature end
         if delta.partial_json then open_.partial = open_.partial .. delta.partial_json end
         if delta.citation then open_.citations = { delta.citation } end
      elseif event.type == "content_block_stop" then
         t.equal(event.index, #message.content - 1)
         if open_.partial ~= "" then open_.input = json.decode(open_.partial) or open_.partial end
         if open_.type == "text" then t.ok(open_.deltas > 0, "an empty text block") end
         open_.partial, open_.deltas, open_ = nil, nil, nil
      elseif event.type == "message_delta" then
         t.equal(open_, nil)
         for name, value in pairs(event.delta) do message[name] = value end
         for name, value in pairs(event.usage) do message.usage[name] = value end
      elseif event.type == "message_stop" then
         done = true
      end
   end
   t.equal(done, true)
   return message
end

local function encode(events, own_meta)
   local enc = door.encoder(own_meta or meta)
   local out = {}
   for _, event in ipairs(events) do out[#out + 1] = enc:event(event) end
   out[#out + 1] = enc:finish()
   return table.concat(out) .. door.stream_end, out
end

local function stream(events)
   local message = gather(frames((encode(events))))
   return message.content, message
end

local function text(words)
   return { kind = "text", text = words }
end

local function call(index, id, name, arguments)
   return { kind = "tool_call", index = index, id = id, name = name, arguments = arguments }
end

t.case("encoder: text", function()
   local bytes, parts = encode { text "Hel", text "", text "lo", { kind = "finish", reason = "length" },
      { kind = "usage", usage = { input_tokens = 9, cached_tokens = 4, cache_write_tokens = 0,
         output_tokens = 3 } } }
   local kinds = {}
   for position, event in ipairs(frames(bytes)) do kinds[position] = event.type end
   t.equal(kinds, { "message_start", "content_block_start", "content_block_delta", "content_block_delta",
      "content_block_stop", "message_delta", "message_stop" })
   t.ok(parts[1]:find "^event: message_start")
   t.ok(parts[1]:find('"text":"Hel"', 1, true))
   t.equal(parts[2], "")
   local message = gather(frames(bytes))
   t.equal(message.content, { { type = "text", text = "Hello" } })
   t.equal({ message.stop_reason, message.stop_sequence }, { "max_tokens", json.null })
   t.equal({ message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens },
      { 5, 4, 3 })
end)

t.case("encoder: nothing at all", function()
   local content, message = stream {}
   t.equal({ content, message.stop_reason, message.usage.output_tokens }, { {}, "end_turn", 0 })
   content, message = stream { text "", { kind = "finish", reason = "content_filter" } }
   t.equal({ content, message.stop_reason }, { {}, "refusal" })
end)

t.case("encoder: usage at the start where it is known", function()
   local bytes = encode { { kind = "usage", usage = { input_tokens = 7, output_tokens = 1 } }, text "a",
      { kind = "usage", usage = { input_tokens = 7, output_tokens = 5 } } }
   t.equal(frames(bytes)[1].message.usage.input_tokens, 7)
   t.equal(gather(frames(bytes)).usage.output_tokens, 5)
end)

t.case("encoder: reasoning", function()
   t.equal(stream { { kind = "reasoning", text = "h" }, { kind = "reasoning", text = "m" },
      { kind = "reasoning_detail", detail = { type = "reasoning.text", text = "hm", signature = "s",
         format = "anthropic-claude-v1" } }, text "a" },
      { { type = "thinking", thinking = "hm", signature = "s" }, { type = "text", text = "a" } })
   -- without a signature, the block says that it is not Anthropic's
   t.equal(stream { { kind = "reasoning", text = "hm" }, text "a" },
      { { type = "thinking", thinking = "hm", signature = "baton:unknown::" }, { type = "text",
         text = "a" } })
   -- a summary that was told as reasoning is not said again
   t.equal(stream { { kind = "reasoning", text = "sum" },
      { kind = "reasoning_detail", detail = { type = "reasoning.summary", summary = "sum", id = "rs",
         format = "openai-responses-v1" } },
      { kind = "reasoning_detail", detail = { type = "reasoning.encrypted", data = "e", id = "rs",
         format = "openai-responses-v1" } }, text "a" },
      { { type = "thinking", thinking = "sum", signature = "baton:openai-responses-v1:rs:" },
         { type = "redacted_thinking", data = "baton:openai-responses-v1:rs:e" }, { type = "text",
            text = "a" } })
   -- only the whole block
   t.equal(stream { { kind = "reasoning_detail", detail = { type = "reasoning.text", text = "hm",
      signature = "s",
      format = "anthropic-claude-v1" } }, { kind = "reasoning", text = "more" }, text "a" },
      { { type = "thinking", thinking = "hm", signature = "s" },
         { type = "thinking", thinking = "more", signature = "baton:unknown::" }, { type = "text",
            text = "a" } })
end)

t.case("encoder: tool calls", function()
   local content, message = stream { text "a", call(0, "x:1", "f", ""), call(0, nil, nil, '{"a"'),
      call(0, nil, nil, ":1}"), call(1, nil, "g", "{}"), { kind = "finish", reason = "stop" } }
   t.equal({ content[1].text, content[2].name, content[2].input, content[3].name, content[3].input },
      { "a", "f", { a = 1 }, "g", {} })
   t.ok(content[2].id:find "^[%w_-]+$" and content[3].id:find "^[%w_-]+$" and content[2].id ~= content[3].id)
   t.equal(message.stop_reason, "tool_use")
   content = stream { call(0, "a", "f", ""), { kind = "finish", reason = "tool_calls" } }
   t.equal(content, { { type = "tool_use", id = "a", name = "f", input = {} } })
end)

t.case("encoder: calls that come interleaved", function()
   local content = stream { call(0, "a", "f", ""), call(1, "b", "g", ""), call(0, nil, nil, '{"x":'),
      call(1, nil, nil, '{"y":'), text "between", call(1, nil, nil, "2}"), call(0, nil, nil, '"}"}'),
      call(2, "c", "h", '{"z":3}'), text "after" }
   t.equal(content, {
      { type = "tool_use", id = "a", name = "f", input = { x = "}" } },
      { type = "tool_use", id = "b", name = "g", input = { y = 2 } },
      { type = "text", text = "between" },
      { type = "tool_use", id = "c", name = "h", input = { z = 3 } },
      { type = "text", text = "after" },
   })
   -- those that come one after the other are not held back
   local enc = door.encoder(meta)
   enc:event(call(0, "a", "f", '{"x":1}'))
   t.ok(enc:event(call(1, "b", "g", '{"y'))
      :find('"partial_json":"{\\"y"', 1, true))
   -- one that is cut
   content = stream { call(0, "a", "f", '{"x'), call(1, "b", "g", "{}"), { kind = "finish",
      reason = "length" } }
   t.equal({ content[1].input, content[2].input }, { '{"x', {} })
   -- a name that comes late
   content = stream { call(0, "a", nil, ""), call(0, nil, "f", "{}") }
   t.equal(content[1].name, "f")
end)

t.case("encoder: a call's own signature", function()
   local told = call(0, "c1", "f", "{}")
   told.extra_content = { google = { thought_signature = "g" } }
   local signed = { type = "redacted_thinking", data = "baton:google-gemini-v1:c1:g" }
   local content = stream { text "a", told }
   t.equal(content[2], signed)
   local detail = { type = "reasoning.encrypted", data = "g", format = "google-gemini-v1", id = "c1" }
   content = stream { text "a", { kind = "reasoning_detail", detail = detail }, told }
   t.equal({ #content, content[2] }, { 3, signed })
end)

t.case("encoder: refusals, citations, what it does not know", function()
   local content, message = stream { { kind = "refusal", text = "n" }, { kind = "refusal", text = "o" },
      { kind = "finish", reason = "stop" } }
   t.equal({ content[1].text, message.stop_reason, message.stop_details.explanation }, { "no", "refusal",
      "no" })
   content = stream { text "a", { kind = "annotations", annotations = { { type = "url_citation",
      url_citation = { url = "u", title = "t" } }, 7, { type = "x" } } }, { kind = "logprobs" },
         { kind = "news" } }
   t.equal(content[1].citations[1].url, "u")
   t.equal(stream { { kind = "annotations", annotations = { { url_citation = { url = "u" } } } } }, {})
end)

t.case("a whole reply streamed says the same", function()
   local reply = { message = { content = "a", tool_calls = CALLS, reasoning_content = "onetwo",
      reasoning_details = {
      { type = "reasoning.text", text = "one", signature = "s1", format = "anthropic-claude-v1" },
      { type = "reasoning.text", text = "two", signature = "s2", format = "anthropic-claude-v1" } } },
      finish_reason = "tool_calls", usage = { input_tokens = 1, output_tokens = 2 } }
   local whole = json.decode(door.answer(reply, meta))
   local content, message = stream(reply_events(reply))
   t.equal(content, whole.content)
   t.equal(message.stop_reason, whole.stop_reason)
   t.equal(message.usage.output_tokens, 2)
   t.equal(stream(reply_events { message = REASONED }), json.decode(door.answer({ message = REASONED },
      meta)).content)
   t.equal(stream(reply_events { message = { reasoning_content = "r", content = "a" } })[1].thinking, "r")
   t.equal(stream(reply_events { message = {} }), {})
end)

-- ---- recordings: what a provider of this format says, through the hub ----

t.case("recorded answers through the hub and back", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local root, n = t.vectors .. "/provider-fixtures/", 0
   local known = { text = true, thinking = true, redacted_thinking = true, tool_use = true }
   for _, entry in ipairs(json.decode(assert(fs.read(root .. "index.json")))) do
      local is_message = entry.provider == "anthropic" and entry.endpoint == "messages"
         and entry.status == 200
      if is_message and entry.transport == "json" then
         local native = json.decode(assert(fs.read(root .. entry.response)))
         local view = read.decode(json.encode(native))
         local whole = json.decode(door.answer(view, meta))
         local content, message = stream(reply_events(view))
         t.equal({ entry.id, content }, { entry.id, whole.content })
         t.equal({ entry.id, whole.stop_reason, message.stop_reason },
            { entry.id, native.stop_reason == "stop_sequence" and "end_turn" or native.stop_reason,
               message.stop_reason })
         for _, name in ipairs { "input_tokens", "output_tokens", "cache_read_input_tokens" } do
            t.equal({ entry.id, name, whole.usage[name], message.usage[name] },
               { entry.id, name, native.usage[name] or 0, native.usage[name] or 0 })
         end
         local same, texts = true, 0
         for _, block in ipairs(native.content) do
            same = same and known[block.type] and not (block.citations and block.citations[1]) or false
            texts = texts + (block.type == "text" and 1 or 0)
            block.caller, block.citations = nil, nil
         end
         if same and texts <= 1 then
            n = n + 1
            t.equal({ entry.id, whole.content }, { entry.id, native.content })
         end
      elseif is_message and entry.transport == "sse" then
         local decoder = read.decoder(error)
         local enc, out = door.encoder(meta), {}
         for data in assert(fs.read(root .. entry.response)):gmatch "data: ?([^\r\n]*)" do
            for _, event in ipairs(decoder(data)) do out[#out + 1] = enc:event(event) end
         end
         out[#out + 1] = enc:finish()
         local message = gather(frames(table.concat(out) .. door.stream_end))
         local final = json.decode(assert(fs.read(root .. entry.response:gsub("response%.sse$",
            "expected.json")))).final
         t.equal(message.stop_reason, final.stop_reason)
         t.equal(message.usage.output_tokens, final.usage.output_tokens)
         t.equal(message.usage.input_tokens, final.usage.input_tokens)
         local expected, got = {}, {}
         local function note(list, blocks)
            for _, block in ipairs(blocks) do
               if block.type == "text" and list[#list]
                  and list[#list].text then -- texts beside each other join
                  list[#list].text = list[#list].text .. block.text
               elseif known[block.type] then
                  list[#list + 1] = { text = block.text, thinking = block.thinking,
                     signature = block.signature,
                     data = block.data, id = block.id, name = block.name, input = block.input }
               end
            end
         end
         note(expected, final.content)
         note(got, message.content)
         t.equal({ entry.id, got }, { entry.id, expected })
         n = n + 1
      end
   end
   t.ok(n >= 25, "answers: " .. n)
end)

-- ---- small pages ----

local function page(name, ctx)
   local client, got = t.client()
   door.pages[name](client, ctx)
   return got()
end

t.case("count_tokens", function()
   local body = '{"model":"m","messages":[{"role":"user","content":"' .. ("word "):rep(100)
      .. '"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}'
   local got = page("count_tokens", { body = body, view = require "provider".request(body),
      find = function(id) return { id = id } end })
   t.equal(got.status, 200)
   local n = json.decode(got.body).input_tokens
   t.ok(math.type(n) == "integer" and n > 100 and n < 250, tostring(n))
   t.equal(page("count_tokens", { body = '{"model":"m"}' }).code, "bad_request")
end)

t.case("models", function()
   local list = {}
   for i = 1, 25 do list[i] = { id = "m" .. i, entry = { context = 1000, max_output = 100 } } end
   local function find(id)
      if id == "m1" then return list[1] end
      return nil, errors.new { code = "not_found", message = "no such model" }
   end
   local function models(query, id)
      return page(id and "model" or "models", { route = { query = query, model = id }, find = find,
         list = function() return list end })
   end
   local body = json.decode(models(nil).body)
   t.equal({ #body.data, body.has_more, body.first_id, body.last_id }, { 20, true, "m1", "m20" })
   t.equal(body.data[1], { type = "model", id = "m1", display_name = "m1",
      created_at = "1970-01-01T00:00:00Z", max_input_tokens = 1000, max_tokens = 100 })
   body = json.decode(models("limit=10&after_id=m20").body)
   t.equal({ #body.data, body.has_more, body.first_id }, { 5, false, "m21" })
   body = json.decode(models("limit=3&before_id=m5").body)
   t.equal({ #body.data, body.has_more, body.first_id, body.last_id }, { 3, true, "m2", "m4" })
   t.equal(json.decode(models("limit=x&after_id=").body).first_id, "m1")
   local astray = models "after_id=no%20body" -- from the first page again: a client would go round for ever
   t.equal({ astray.code, astray.failure }, { "bad_request", "after_id: there is no model 'no body'" })
   t.equal(models("before_id=nobody").code, "bad_request")
   t.equal(json.decode(models(nil, "m1").body).id, "m1")
   t.equal(models(nil, "nobody").code, "not_found")
   for i, entry in ipairs(list) do entry.id = "sim/m" .. i end -- clients write '/' as %2F
   body = json.decode(models("limit=2&after_id=sim%2Fm3").body)
   t.equal({ body.first_id, body.last_id }, { "sim/m4", "sim/m5" })
   list = {}
   t.equal(models(nil).body, '{"data":[],"first_id":null,"has_more":false,"last_id":null}')
end)
