-- test_door_responses: the Responses API as clients speak it: requests, answers, the exact stream.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.openai_responses"
local door = require "door.responses"
local fs = require "fs"
local json = require "json"

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function decoded(body, head)
   if type(body) == "table" then body = json.encode(body) end
   local hub, warnings, foreign = door.decode(body, head or {}, {})
   t.ok(hub, tostring(warnings))
   return hub, table.concat(warnings or {}, "; "), foreign
end

local function refused(body)
   local hub, err = door.decode(type(body) == "table" and json.encode(body) or body, {}, {})
   t.equal(hub, nil)
   return err.code .. " " .. tostring(err.param)
end

-- ---- head ----

t.case("head", function()
   t.equal(door.head '{"model":"m","stream":true}', { model = "m", stream = true, include_usage = true })
   t.equal(door.head '{"input":"x"}', { stream = false, include_usage = true })
   for body, param in pairs { ['{"model":7}'] = "model", ['{"model":"m","stream":"yes"}'] = "stream",
      ["{"] = "nil" } do
      local head, err = door.head(body)
      t.equal({ head, err.code, tostring(err.param) }, { nil, "bad_request", param })
   end
end)

-- ---- requests ----

t.case("decode: a string, instructions, parts", function()
   local hub, warnings = decoded { model = "m", input = "Hi", instructions = "Be short." }
   t.equal(hub, { model = "m", messages = { { role = "system", content = "Be short." },
      { role = "user", content = "Hi" } } })
   t.equal(warnings, "")
   hub = decoded { model = "m", input = { { role = "developer", content = "d" }, { type = "message",
      role = "user",
      content = { { type = "input_text", text = "a" },
         { type = "input_image", image_url = "https://x.example/a.png", detail = "low" },
         { type = "input_file", filename = "a.pdf", file_data = "data:application/pdf;base64,QQ==" },
         { type = "input_file", file_url = "https://x.example/a.pdf" }, { type = "input_image",
            file_id = "f" } } } } }
   t.equal(hub.messages, { { role = "developer", content = "d" }, { role = "user", content = {
      { type = "text", text = "a" }, { type = "image_url", image_url = { url = "https://x.example/a.png",
         detail = "low" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,QQ==" } },
      { type = "file", file = { file_url = "https://x.example/a.pdf" } }, { type = "file",
         file = { file_id = "f" } } } } })
end)

t.case("decode: a conversation with tools and reasoning", function()
   local own = "openai-responses-v1"
   local hub, warnings, foreign = decoded { model = "m", input = {
      { role = "user", content = "x" },
      { type = "reasoning", id = "rs_1", summary = { { type = "summary_text", text = "think" } },
         encrypted_content = "E1" },
      { type = "message", id = "msg_1", role = "assistant", status = "completed",
         content = { { type = "output_text", text = "I look.", annotations = {} } } },
      { type = "reasoning", id = "rs_2", summary = json.array {}, encrypted_content = "E2" },
      { type = "function_call", id = "fc_1", call_id = "call_1", name = "f", arguments = '{"a":1}' },
      { type = "function_call", id = "fc_2", call_id = "call_2", name = "g", arguments = "" },
      { type = "web_search_call", id = "ws_1", status = "completed" },
      { type = "function_call_output", call_id = "call_1", output = "one" },
      { type = "function_call_output", call_id = "call_2", output = { { type = "input_text", text = "two" },
         { type = "input_image", image_url = "data:image/png;base64,QQ==" } } },
      { type = "message", role = "assistant", content = { { type = "refusal", refusal = "No." } } },
      { role = "user", content = "y" } } }
   t.equal({ warnings, foreign }, { "dropped: input of the type web_search_call", false })
   t.equal(hub.messages, {
      { role = "user", content = "x" },
      { role = "assistant", content = "I look.", reasoning_content = "think", reasoning_details = {
         { type = "reasoning.summary", summary = "think", format = own, id = "rs_1" },
         { type = "reasoning.encrypted", data = "E1", format = own, id = "rs_1" } } },
      { role = "assistant", content = json.null,
         reasoning_details = { { type = "reasoning.encrypted", data = "E2", format = own, id = "rs_2" } },
         tool_calls = { { id = "call_1", type = "function", ["function"] = { name = "f",
            arguments = '{"a":1}' } },
            { id = "call_2", type = "function", ["function"] = { name = "g", arguments = "{}" } } } },
      { role = "tool", tool_call_id = "call_1", content = "one" },
      { role = "tool", tool_call_id = "call_2", content = { { type = "text", text = "two" },
         { type = "image_url", image_url = { url = "data:image/png;base64,QQ==" } } } },
      { role = "assistant", content = json.null, refusal = "No." },
      { role = "user", content = "y" } })
end)

t.case("decode: what Baton itself has named is known to no provider", function()
   local hub, _, foreign = decoded { model = "m", input = {
      { role = "user", content = "x" },
      { type = "reasoning", id = "rs_baton_abc00", summary = { { type = "summary_text", text = "hm" } } },
      { type = "function_call", id = "fc_1", call_id = "call_1", name = "f", arguments = "{}" },
      { type = "function_call_output", call_id = "call_1", output = "one" } } }
   t.equal({ foreign, hub.messages[2].reasoning_content, hub.messages[2].reasoning_details }, { true, "hm" })
   local body, warnings = codec.encode(hub, { model = "m", facts = {} })
   t.equal({ json.decode(body).input[2].type, warnings },
      { "function_call", { "dropped: reasoning_content" } })
   t.ok(json.encode { id = "rs_baton_abc00" }:find(door.stamps[2], 1, true))
end)

t.case("decode: tools and choices", function()
   local head = {}
   local hub, warnings = decoded({ model = "m", input = "x", tools = {
      { type = "function", name = "f", description = "d", parameters = { type = "object" }, strict = true },
      { type = "custom", name = "patch", description = "p", format = { type = "grammar", syntax = "lark",
         definition = "s: x" } },
      { type = "web_search", search_context_size = "low" } }, tool_choice = { type = "function",
         name = "f" } }, head)
   t.equal(warnings, "changed: the custom tool patch -> a function")
   t.equal(hub.tools[1], { type = "function", ["function"] = { name = "f", description = "d",
      parameters = { type = "object" }, strict = true } })
   t.equal(hub.tools[2]["function"].parameters.required, { "input" })
   t.ok(hub.tools[2]["function"].description:find("s: x", 1, true))
   t.equal(hub.tools[3], { type = "web_search", search_context_size = "low", format = "responses" })
   t.equal(hub.tool_choice, { type = "function", ["function"] = { name = "f" } })
   t.equal(head.custom, { patch = true })
   hub, warnings = decoded { model = "m", input = { { type = "custom_tool_call", call_id = "c",
      name = "patch",
      input = "***" }, { type = "custom_tool_call_output", call_id = "c", output = "done" },
      { type = "local_shell_call", call_id = "d", id = "l", status = "completed",
         action = { command = { "ls" } } },
      { type = "local_shell_call_output", call_id = "d", output = "a b" } },
      tool_choice = { type = "web_search" } }
   t.equal(warnings, "dropped: tool_choice")
   t.equal(hub.messages[1].tool_calls[1]["function"], { name = "patch", arguments = '{"input":"***"}' })
   t.equal(hub.messages[2], { role = "tool", tool_call_id = "c", content = "done" })
   t.equal(hub.messages[3].tool_calls[1]["function"], { name = "local_shell",
      arguments = '{"action":{"command":["ls"]}}' })
   hub = decoded { model = "m", input = "x", tool_choice = { type = "allowed_tools", mode = "required",
      tools = { { type = "function", name = "f" } } } }
   t.equal(hub.tool_choice, { type = "allowed_tools", allowed_tools = { mode = "required",
      tools = { { type = "function", ["function"] = { name = "f" } } } } })
end)

t.case("decode: settings", function()
   local hub, warnings = decoded { model = "m", input = "x", temperature = 0.5, top_p = json.null,
      stream = true,
      max_output_tokens = 9, store = false, metadata = { a = "b" }, user = "u", parallel_tool_calls = false,
      reasoning = { effort = "low", summary = "auto" }, text = { verbosity = "low", format = {
         type = "json_schema", name = "s", strict = true, schema = { type = "object" } } },
      include = { "reasoning.encrypted_content", "message.output_text.logprobs" }, top_logprobs = 2,
      previous_response_id = json.null, truncation = "disabled" }
   hub.messages = nil
   t.equal(hub, { model = "m", stream = true, temperature = 0.5, max_completion_tokens = 9, store = false,
      metadata = { a = "b" }, user = "u", parallel_tool_calls = false, reasoning_effort = "low",
      reasoning = { summary = "auto" }, verbosity = "low", logprobs = true, top_logprobs = 2,
      response_format = { type = "json_schema", json_schema = { name = "s", strict = true,
         schema = { type = "object" } } } })
   t.equal(warnings, "")
   hub, warnings = decoded { model = "m", input = "x", truncation = "auto",
      include = { "file_search_call.results" },
      max_tool_calls = 3, unheard_of = 1 }
   t.equal(#hub.messages, 1)
   for _, warning in ipairs { "dropped: truncation", "dropped: include file_search_call.results",
      "dropped: max_tool_calls", "dropped: unheard_of" } do
      t.ok(warnings:find(warning, 1, true), warnings)
   end
end)

t.case("decode: what is wrong names the place", function()
   t.equal(refused "{", "bad_request nil")
   t.equal(refused "[]", "bad_request nil")
   t.equal(refused { model = "m" }, "bad_request input")
   t.equal(refused { input = 7 }, "bad_request input")
   t.equal(refused { input = { 7 } }, "bad_request input[0]")
   t.equal(refused { input = { { role = "wizard", content = "x" } } }, "bad_request input[0].role")
   t.equal(refused { input = { { role = "user", content = 7 } } }, "bad_request input[0].content")
   t.equal(refused { input = { { role = "user", content = { 7 } } } }, "bad_request input[0].content[0]")
   t.equal(refused { input = { { type = "function_call", name = "f" } } }, "bad_request input[0].call_id")
   t.equal(refused { input = { { type = "function_call_output" } } }, "bad_request input[0].call_id")
   t.equal(refused { input = { { type = "item_reference", id = "x" } } }, "bad_request input[0]")
   t.equal(refused { input = { { type = "compaction", encrypted_content = "x" } } }, "bad_request input[0]")
   t.equal(refused { input = "x", previous_response_id = "resp_1" }, "bad_request previous_response_id")
   t.equal(refused { input = "x", conversation = "conv_1" }, "bad_request conversation")
   t.equal(refused { input = "x", background = true }, "bad_request background")
   t.equal(refused { input = "x", prompt = { id = "p" } }, "bad_request prompt")
   t.equal(refused { input = "x", instructions = 7 }, "bad_request instructions")
   t.equal(refused { input = "x", tools = 7 }, "bad_request tools")
   t.equal(refused { input = "x", tools = { 7 } }, "bad_request tools[0].type")
   t.equal(refused { input = "x", tools = { { type = "function" } } }, "bad_request tools[0].name")
end)

t.case("decode: nonsense raises nothing", function()
   for _, value in ipairs { "null", "7", '"x"', "[]", "{}", "[7,null]", '[{"type":"reasoning"}]', "true",
      '[{"type":"reasoning","summary":7,"encrypted_content":{}}]', '[{"type":"function_call","call_id":"c"}]',
      '[{"type":"function_call_output","call_id":"c","output":{"a":1}}]',
         '[{"role":"user","content":[{"type":"x"}]}]',
      '[{"role":"assistant","content":[{"type":"output_text","text":7}]}]', '[{"type":7,"role":7}]',
      '{"format":7,"effort":7,"summary":{}}', '[{"type":"function","name":"f"}]' } do
      for _, name in ipairs { "input", "tools", "tool_choice", "text", "reasoning", "include", "metadata",
         "stream",
         "top_logprobs", "instructions", "truncation" } do
         local body = ('{"model":"m","input":"x","%s":%s}'):format(name, value)
         local hub, err = door.decode(body, {}, {})
         t.ok(hub and json.encode(hub) or type(err.code) == "string", body)
      end
   end
end)

-- ---- whole answers ----

local META = { id = "abc", created = 5, model = "sim/mini", head = {}, hub = function() return {} end }
local USAGE = { input_tokens = 10, cached_tokens = 4, cache_write_tokens = 0, cache_write_1h_tokens = 0,
   output_tokens = 5, reasoning_tokens = 2 }

local function answered(reply, meta)
   return json.decode(door.answer(reply, meta or META))
end

t.case("answer: text, reasoning, calls, usage", function()
   local body = answered { message = { role = "assistant", content = "Hi", reasoning_content = "hm",
      annotations = { { type = "url_citation", url_citation = { url = "u", title = "t", start_index = 0,
         end_index = 2 } } },
      tool_calls = { { id = "call_1", type = "function", ["function"] = { name = "f", arguments = "" } } } },
      finish_reason = "tool_calls", usage = USAGE,
      logprobs = { content = { { token = "Hi", logprob = -1, bytes = json.null,
         top_logprobs = json.array {} } } } }
   t.equal({ body.id, body.object, body.created_at, body.status, body.model, body.error,
      body.incomplete_details },
      { "resp_abc", "response", 5, "completed", "sim/mini", json.null, json.null })
   t.equal(body.output, {
      { type = "reasoning", id = "rs_baton_abc00", summary = { { type = "summary_text", text = "hm" } } },
      { type = "message", id = "msg_abc01", role = "assistant", status = "completed", content = {
         { type = "output_text", text = "Hi", logprobs = { { token = "Hi", logprob = -1, bytes = {},
            top_logprobs = {} } },
            annotations = { { type = "url_citation", url = "u", title = "t", start_index = 0,
               end_index = 2 } } } } },
      { type = "function_call", id = "fc_abc02", call_id = "call_1", name = "f", arguments = "{}",
         status = "completed" },
   })
   t.equal(body.usage, { input_tokens = 10, output_tokens = 5, total_tokens = 15,
      input_tokens_details = { cached_tokens = 4, cache_write_tokens = 0 },
         output_tokens_details = { reasoning_tokens = 2 } })
   body = answered { message = { content = "x" }, finish_reason = "length", usage = false }
   t.equal({ body.status, body.incomplete_details, body.output[1].status },
      { "incomplete", { reason = "max_output_tokens" }, "incomplete" })
   body = answered { message = { refusal = "No." }, finish_reason = "content_filter" }
   t.equal({ body.incomplete_details.reason, body.output[1].content }, { "content_filter",
      { { type = "refusal", refusal = "No." } } })
end)

t.case("answer: sealed reasoning comes back as it went", function()
   local function roundtrip(details, thoughts)
      local body = answered { message = { content = "x", reasoning_content = thoughts,
         reasoning_details = details },
         finish_reason = "stop" }
      table.insert(body.output, { role = "user", content = "y" })
      local hub, _, foreign = decoded { model = "m", input = body.output }
      return hub.messages[1], foreign, body.output
   end
   local own = { { type = "reasoning.summary", summary = "s", format = "openai-responses-v1", id = "rs_1" },
      { type = "reasoning.encrypted", data = "E", format = "openai-responses-v1", id = "rs_1" } }
   local message, foreign, output = roundtrip(own, "s")
   t.equal({ message.reasoning_details, foreign, output[1].id }, { own, false, "rs_1" })
   local claude = { { type = "reasoning.text", text = "one", signature = "S1",
      format = "anthropic-claude-v1" },
      { type = "reasoning.text", text = "two", signature = "S2", format = "anthropic-claude-v1" },
      { type = "reasoning.encrypted", data = "R", format = "anthropic-claude-v1" } }
   message, foreign = roundtrip(claude, "one\n\ntwo")
   t.equal({ message.reasoning_details, foreign }, { claude, true })
   local gemini = { { type = "reasoning.encrypted", data = "G", format = "google-gemini-v1", id = "call_1" } }
   message, foreign = roundtrip(gemini, "thought")
   t.equal({ message.reasoning_details, foreign, message.reasoning_content }, { gemini, true, "thought" })
end)

t.case("answer: what was asked is shown, custom tools are custom again", function()
   local head = {}
   decoded({ model = "m", input = "x", instructions = "i", temperature = 0.5, tools = { { type = "custom",
      name = "p" } },
      tool_choice = "auto", metadata = { a = "b" } }, head)
   local meta = { id = "abc", created = 5, model = "m", head = head }
   local body = answered({ message = { tool_calls = { { id = "c", ["function"] = { name = "p",
      arguments = '{"input":"***"}' } } } }, finish_reason = "tool_calls" }, meta)
   t.equal({ body.instructions, body.temperature, body.tools, body.metadata },
      { "i", 0.5, { { type = "custom", name = "p" } }, { a = "b" } })
   t.equal(body.output, { { type = "custom_tool_call", id = "ctc_abc00", call_id = "c", name = "p",
      input = "***",
      status = "completed" } })
end)

t.case("items that the client names in its next turn", function()
   local function ask(store)
      local head = {}
      decoded({ model = "m", input = "x", store = store }, head)
      return { id = "named" .. tostring(store), created = 5, model = "m", head = head }
   end
   local message = { content = "Hi", reasoning_content = "hm", reasoning_details = {
      { type = "reasoning.text", text = "hm", signature = "S", format = "anthropic-claude-v1" } } }
   local body = answered({ message = message, finish_reason = "stop" }, ask(nil))
   local hub, _, foreign = decoded { model = "m", input = { { role = "user", content = "x" },
      { type = "item_reference", id = body.output[1].id }, { type = "item_reference",
         id = body.output[2].id },
      { role = "user", content = "y" } } }
   t.equal({ hub.messages[2].content, hub.messages[2].reasoning_details, foreign },
      { "Hi", message.reasoning_details, true })
   body = answered({ message = message, finish_reason = "stop" }, ask(false))
   t.equal(refused { input = { { type = "item_reference", id = body.output[1].id } } },
      "bad_request input[0]")
   local function rewrite(item) return door.head('{"model":"m","input":[' .. item .. "]}").rewrite end
   t.ok(rewrite('{"type":"item_reference","id":"msg_' .. ("0a"):rep(17) .. '"}'))
   t.ok(not rewrite('{"type":"item_reference","id":"msg_' .. ("0a"):rep(25) .. '"}'))
   t.ok(not rewrite('{"type":"message","id":"msg_' .. ("0a"):rep(17) .. '"}'))
   local meta = ask(nil)
   meta.id = "streamed"
   local encoder = door.encoder(meta)
   encoder:event { kind = "text", text = "Hello" }
   encoder:finish()
   hub = decoded { model = "m", input = { { type = "item_reference", id = "msg_streamed00" } } }
   t.equal(hub.messages[1].content, "Hello")
end)

-- ---- streams ----

-- The events of the bytes that the encoder makes of these: { type =, ... }.
local function streamed(events, meta)
   local encoder, out = door.encoder(meta or META), {}
   for _, event in ipairs(events) do out[#out + 1] = encoder:event(event) end
   out[#out + 1] = encoder:finish()
   local list = {}
   for kind, data in table.concat(out):gmatch "event: ([^\n]*)\ndata: ([^\n]*)\n\n" do
      local event = json.decode(data)
      t.equal({ event.type, event.sequence_number }, { kind, #list })
      list[#list + 1] = event
   end
   return list
end

local function types(list)
   local out = {}
   for i, event in ipairs(list) do out[i] = (event.type:gsub("^response%.", "")) end
   return table.concat(out, " ")
end

t.case("stream: the exact order", function()
   local list = streamed { { kind = "text", text = "Hel" }, { kind = "text", text = "lo" },
      { kind = "finish", reason = "stop" }, { kind = "usage", usage = USAGE } }
   t.equal(types(list), "created in_progress output_item.added content_part.added output_text.delta "
      .. "output_text.delta output_text.done content_part.done output_item.done completed")
   t.equal(list[1].response.status, "in_progress")
   t.equal(list[3].item, { type = "message", id = "msg_abc00", role = "assistant", status = "in_progress",
      content = {} })
   t.equal(list[4].part, { type = "output_text", text = "", annotations = {}, logprobs = {} })
   t.equal(list[5], { type = "response.output_text.delta", sequence_number = 4, item_id = "msg_abc00",
      output_index = 0,
      content_index = 0, delta = "Hel", logprobs = {} })
   t.equal(list[7].text, "Hello")
   local response = list[10].response
   t.equal({ response.id, response.status, response.usage.total_tokens }, { "resp_abc", "completed", 15 })
   t.equal(response.output, { list[9].item })
   t.equal(response.output[1].content[1].text, "Hello")
end)

t.case("stream: reasoning, words, calls in turns", function()
   local list = streamed { { kind = "reasoning", text = "h" }, { kind = "reasoning", text = "m" },
      { kind = "reasoning_detail", detail = { type = "reasoning.text", signature = "S",
         format = "anthropic-claude-v1" } },
      { kind = "text", text = "So:" },
      { kind = "tool_call", index = 0, id = "c0", name = "f", arguments = "" },
      { kind = "tool_call", index = 1, id = "c1", name = "g", arguments = '{"b"' },
      { kind = "tool_call", index = 0, arguments = '{"a":1}' }, { kind = "tool_call", index = 1,
         arguments = ":2}" },
      { kind = "finish", reason = "tool_calls" } }
   t.equal(types(list), "created in_progress output_item.added reasoning_summary_part.added "
      .. "reasoning_summary_text.delta reasoning_summary_text.delta reasoning_summary_text.done "
      .. "reasoning_summary_part.done output_item.done output_item.added content_part.added "
      .. "output_text.delta "
      .. "output_text.done content_part.done output_item.done output_item.added output_item.added "
      .. "function_call_arguments.delta function_call_arguments.delta function_call_arguments.delta "
      .. "function_call_arguments.done output_item.done function_call_arguments.done "
      .. "output_item.done completed")
   local output = list[#list].response.output
   t.equal(output[1], { type = "reasoning", id = "rs_baton_abc00", summary = { { type = "summary_text",
      text = "hm" } },
      encrypted_content = "baton:anthropic-claude-v1::S" })
   t.equal({ output[3].call_id, output[3].arguments, output[4].call_id, output[4].arguments },
      { "c0", '{"a":1}', "c1", '{"b":2}' })
   t.equal({ output[3].id, output[3].type }, { "fc_abc02", "function_call" })
end)

t.case("stream: a provider's decoder understands it", function()
   local events = { { kind = "reasoning", text = "hm" },
      { kind = "reasoning_detail", detail = { type = "reasoning.encrypted", data = "E",
         format = "google-gemini-v1",
         id = "c0" } },
      { kind = "logprobs", logprobs = { content = { { token = "Hi", logprob = -1,
         top_logprobs = json.array {} } } } },
      { kind = "text", text = "Hi" },
      { kind = "annotations", annotations = { { type = "url_citation", url_citation = { url = "u",
         title = "t",
         start_index = 0, end_index = 2 } } } },
      { kind = "refusal", text = "No" }, { kind = "refusal", text = "." },
      { kind = "tool_call", index = 0, id = "c0", name = "f", arguments = "{}" },
      { kind = "text", text = "Bye" },
      { kind = "finish", reason = "length" }, { kind = "usage", usage = USAGE } }
   local decode, said = codec.decoder(), {}
   for _, event in ipairs(streamed(events)) do
      for _, e in ipairs(decode(json.encode(event), event.type)) do
         said[#said + 1] = e.kind .. ":" .. tostring(e.text or e.arguments or e.reason
            or (e.detail and e.detail.data) or "")
      end
   end
   t.equal(table.concat(said, " "),
      "reasoning:hm reasoning_detail:baton:google-gemini-v1:c0:E logprobs: text:Hi "
      .. "annotations: refusal:No refusal:. tool_call: tool_call:{} text:Bye finish:length usage:")
end)

t.case("stream: custom tools, nothing at all, a second choice", function()
   local meta = { id = "abc", created = 5, model = "m", head = { custom = { p = true } } }
   local list = streamed({ { kind = "tool_call", index = 0, id = "c", name = "p", arguments = '{"inp' },
      { kind = "tool_call", index = 0, arguments = 'ut":"***"}' }, { kind = "finish",
         reason = "tool_calls" } }, meta)
   t.equal(types(list), "created in_progress output_item.added custom_tool_call_input.delta "
      .. "custom_tool_call_input.done output_item.done completed")
   t.equal({ list[4].delta, list[5].input, list[6].item.input }, { "***", "***", "***" })
   list = streamed { { kind = "text", text = "x", choice = 1 }, { kind = "finish", reason = "stop" } }
   t.equal(types(list), "created in_progress completed")
   t.equal(list[3].response.output, {})
   list = streamed { { kind = "tool_call", index = 0, id = "c", name = "f", arguments = "" },
      { kind = "finish", reason = "tool_calls" } }
   t.equal(list[#list].response.output[1].arguments, "{}")
end)

-- ---- recorded requests through the hub and out again ----

local function without_nulls(value)
   if type(value) ~= "table" then return value end
   local own = json.is_array(value) and json.array {} or {}
   for name, item in pairs(value) do
      if item ~= json.null then own[name] = without_nulls(item) end
   end
   return own
end

-- Writings of one meaning: a message without a type, parts that are one text, ids that nobody needs.
local function plain_item(item)
   item = without_nulls(item)
   item.type = item.type or "message"
   if item.type ~= "reasoning" then item.id = nil end
   item.status, item.phase = nil, nil
   local content = item.content
   if type(content) == "table" and item.type == "message" then
      if #content == 1 and content[1].text then
         item.content = content[1].text
      else
         for _, part in ipairs(content) do
            if part.type == "input_image" then part.detail = part.detail or "auto" end
         end
      end
   end
   if item.type == "function_call" and item.arguments == "" then item.arguments = "{}" end
   return item
end

local function plain_request(body)
   body = without_nulls(body)
   if type(body.input) == "string" then body.input = { { role = "user", content = body.input } } end
   local input = json.array {}
   if body.instructions then table.insert(body.input, 1, { role = "system", content = body.instructions }) end
   body.instructions = nil
   for _, item in ipairs(body.input) do
      item = plain_item(item)
      -- what only OpenAI can do with it is told as a warning; an item that only it has kept cannot go back
      local sealed = item.type ~= "reasoning" or item.encrypted_content
      if sealed and not item.type:find "_search_call$" and item.type ~= "code_interpreter_call" then
         input[#input + 1] = item
      end
   end
   body.input = input
   for _, tool in ipairs(body.tools or {}) do
      if tool.type == "function" then tool.strict = tool.strict == true end
   end
   if body.tools and #body.tools == 0 then body.tools = nil end
   body.store, body.include, body.stream_options = nil, nil, nil -- ours to decide when we translate
   body.stream = body.stream or nil
   if body.truncation == "disabled" then body.truncation = nil end
   if body.text and body.text.format and next(body.text.format) == "type"
      and body.text.format.type == "text" then
      body.text.format = nil
   end
   if body.text and next(body.text) == nil then body.text = nil end
   if body.reasoning and next(body.reasoning) == nil then body.reasoning = nil end
   return body
end

t.case("recorded requests", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.endpoint == "responses" and entry.request:find "%.json$" then
         local raw = assert(fs.read(ROOT .. entry.request))
         local body = json.decode(raw)
         local hub, warnings = door.decode(raw, {}, {})
         if body.conversation then
            t.equal(warnings.param, "conversation")
         else
            t.ok(hub, entry.id .. ": " .. tostring(warnings))
            local back = codec.encode(hub, { model = body.model, stream = body.stream == true, facts = {},
               provider = { name = "openai" } })
            t.equal({ entry.id, plain_request(json.decode(back)) }, { entry.id, plain_request(body) })
         end
         n = n + 1
      end
   end
   t.ok(n >= 20, "requests: " .. n)
end)
