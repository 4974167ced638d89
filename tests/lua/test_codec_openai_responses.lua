-- test_codec_openai_responses: the Responses API of providers; recorded answers of real servers.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.openai_responses"
local fs = require "fs"
local json = require "json"

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function no_header() end

local function to(more)
   local all = { model = "gpt-4o", stream = false, facts = {}, provider = { name = "openai" } }
   for name, value in pairs(more or {}) do all[name] = value end
   return all
end

-- The body that a hub request becomes, decoded, and the warnings as one text.
local function encoded(req, more)
   local body, warnings = codec.encode(req, to(more))
   t.ok(not body:find("null", 1, true), "null in " .. body)
   return json.decode(body), table.concat(warnings, "; ")
end

local function ask(members)
   local req = { messages = { { role = "user", content = "x" } } }
   for name, value in pairs(members) do req[name] = value end
   return req
end

-- ---- requests ----

t.case("encode: a plain request", function()
   local body, warnings = encoded({ messages = {
      { role = "system", content = "Be short." }, { role = "developer", content = "In French." },
      { role = "user", content = "Hi" }, { role = "assistant", content = "Salut" },
      { role = "user", content = { { type = "text", text = "a" },
         { type = "image_url", image_url = { url = "https://x.example/a.png", detail = "low" } },
         { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,QQ==" } },
         { type = "file", file = { file_url = "https://x.example/a.pdf" } },
         { type = "file", file = { file_id = "file-1" } },
         { type = "input_audio", input_audio = { data = "QQ==", format = "wav" } } } },
   } }, { stream = true })
   t.equal(warnings, "dropped: input_audio")
   t.equal(body, { model = "gpt-4o", stream = true, store = false, instructions = "Be short.", input = {
      { type = "message", role = "developer", content = "In French." },
      { type = "message", role = "user", content = "Hi" },
      { type = "message", role = "assistant", content = "Salut" },
      { type = "message", role = "user", content = {
         { type = "input_text", text = "a" },
         { type = "input_image", image_url = "https://x.example/a.png", detail = "low" },
         { type = "input_file", filename = "a.pdf", file_data = "data:application/pdf;base64,QQ==" },
         { type = "input_file", file_url = "https://x.example/a.pdf" },
         { type = "input_file", file_id = "file-1" } } },
   } })
end)

t.case("encode: tools, their calls and results", function()
   local tools = { { type = "function", ["function"] = { name = "f", description = "d",
      parameters = { type = "object" } } },
      { type = "function", ["function"] = { name = "g", strict = true } },
      { type = "custom", custom = { name = "c", format = { type = "grammar",
         grammar = { syntax = "lark", definition = "s: x" } } } },
      { type = "web_search", format = "responses", search_context_size = "low" },
      { type = "web_search_20250305", format = "anthropic", name = "web_search" } }
   local body, warnings = encoded { tools = tools, parallel_tool_calls = false,
      tool_choice = { type = "function", ["function"] = { name = "f" } }, messages = {
         { role = "user", content = "x" },
         { role = "assistant", content = json.null, tool_calls = {
            { id = "call_1", type = "function", ["function"] = { name = "f", arguments = '{"a":1}' } },
            { id = "call_2", type = "function", ["function"] = { name = "g", arguments = "" } } } },
         { role = "tool", tool_call_id = "call_1", content = "one" },
         { role = "tool", tool_call_id = "call_2", is_error = true, content = {
            { type = "text", text = "two" }, { type = "image_url",
               image_url = { url = "data:image/png;base64,QQ==" } },
         } } } }
   t.equal(warnings, "dropped: is_error; dropped: tool web_search_20250305")
   t.equal(body.tools, {
      { type = "function", name = "f", description = "d", parameters = { type = "object" }, strict = false },
      { type = "function", name = "g", parameters = { type = "object", properties = {} }, strict = true },
      { type = "custom", name = "c", format = { type = "grammar", syntax = "lark", definition = "s: x" } },
      { type = "web_search", search_context_size = "low" } })
   t.equal(body.tool_choice, { type = "function", name = "f" })
   t.equal(body.parallel_tool_calls, false)
   t.equal(body.input, {
      { type = "message", role = "user", content = "x" },
      { type = "function_call", call_id = "call_1", name = "f", arguments = '{"a":1}' },
      { type = "function_call", call_id = "call_2", name = "g", arguments = "{}" },
      { type = "function_call_output", call_id = "call_1", output = "one" },
      { type = "function_call_output", call_id = "call_2", output = {
         { type = "input_text", text = "two" },
         { type = "input_image", image_url = "data:image/png;base64,QQ==", detail = "auto" } } } })
   body = encoded { tools = tools, messages = {}, tool_choice = { type = "allowed_tools", allowed_tools = {
      mode = "required", tools = { { type = "function", ["function"] = { name = "f" } } } } } }
   t.equal(body.tool_choice, { type = "allowed_tools", mode = "required",
      tools = { { type = "function", name = "f" } } })
   t.equal(encoded { messages = {}, tools = tools, tool_choice = "required" }.tool_choice, "required")
   t.equal(encoded({ messages = {}, tool_choice = "auto" }).tool_choice, nil)
end)

t.case("encode: reasoning goes back sealed, and only to its own provider", function()
   local function said(details)
      return { messages = { { role = "user", content = "x" },
         { role = "assistant", content = "y", reasoning_content = "z", reasoning_details = details } } }
   end
   local own = "openai-responses-v1"
   local body, warnings = encoded(said {
      { type = "reasoning.summary", summary = "s1", format = own, id = "rs_1" },
      { type = "reasoning.encrypted", data = "E1", format = own, id = "rs_1" },
      { type = "reasoning.encrypted", data = "E2", format = own, id = "rs_2" },
      { type = "reasoning.summary", summary = "nothing sealed", format = own, id = "rs_3" },
   }, { model = "gpt-5" })
   t.equal(warnings, "")
   t.equal(body.input[2], { type = "reasoning", id = "rs_1", encrypted_content = "E1",
      summary = { { type = "summary_text", text = "s1" } } })
   t.equal(body.input[3], { type = "reasoning", id = "rs_2", encrypted_content = "E2", summary = {} })
   t.equal(body.input[4].content, "y")
   t.equal(body.include, { "reasoning.encrypted_content" })
   body, warnings = encoded(said { { type = "reasoning.text", text = "t", signature = "S",
      format = "anthropic-claude-v1" } })
   t.equal(#body.input, 2)
   t.equal(warnings, "reasoning of another provider dropped")
   t.equal(body.include, nil) -- gpt-4o refuses it
end)

t.case("encode: settings", function()
   local body, warnings = encoded(ask { max_tokens = 100, temperature = 0.5, top_p = 0.9, n = 1,
      presence_penalty = 0, user = "u", metadata = { a = "b" }, service_tier = "flex", store = true,
      prompt_cache_key = "k", verbosity = "low", logprobs = true, top_logprobs = 3,
      response_format = { type = "json_schema", json_schema = { name = "s", schema = { type = "object" },
         strict = true } } })
   t.equal(warnings, "")
   body.input = nil
   t.equal(body, { model = "gpt-4o", max_output_tokens = 100, temperature = 0.5, top_p = 0.9, user = "u",
      metadata = { a = "b" }, service_tier = "flex", store = true, prompt_cache_key = "k",
      include = { "message.output_text.logprobs" }, top_logprobs = 3, text = { verbosity = "low",
         format = { type = "json_schema", name = "s", schema = { type = "object" }, strict = true } } })
   body, warnings = encoded(ask { max_completion_tokens = 5, stop = "x", seed = 1, logit_bias = {}, top_k = 3,
      n = 2, response_format = { type = "json_object" } })
   t.equal(body.max_output_tokens, 16)
   t.equal(body.text, { format = { type = "json_object" } })
   for _, warning in ipairs { "changed: max_tokens 5 -> 16", "dropped: stop", "dropped: seed",
      "dropped: top_k",
      "dropped: logit_bias", "dropped: n" } do
      t.ok(warnings:find(warning, 1, true), warnings)
   end
   body, warnings = encoded(ask { temperature = 0.2, top_p = 1, reasoning_effort = "low" }, { model = "o3" })
   t.equal({ body.temperature, body.top_p, warnings }, { nil, nil, "dropped: temperature" })
   t.equal(body.reasoning, { effort = "low" })
   body = encoded(ask { temperature = 0.2 }, { model = "gpt-5.2" })
   t.equal(body.temperature, 0.2)
   body, warnings = encoded(ask { reasoning = { max_tokens = 3000 } }, { model = "o3" })
   t.equal(body.reasoning, { effort = "medium", summary = "auto" })
   t.equal(warnings, "changed: reasoning budget 3000 -> effort medium")
   body, warnings = encoded(ask { reasoning_effort = "high" }, { facts = { capabilities = { "tools" } } })
   t.equal({ body.reasoning, warnings }, { nil, "dropped: reasoning_effort" })
   body, warnings = encoded(ask { web_search_options = { search_context_size = "low",
      user_location = { type = "approximate", approximate = { country = "DE" } } } })
   t.equal(body.tools, { { type = "web_search", search_context_size = "low",
      user_location = { type = "approximate", country = "DE" } } })
   t.equal(warnings, "changed: web_search_options -> the tool web_search")
   body = encoded({ messages = { { role = "system", content = "s" } } }, { provider = { name = "xai" } })
   t.equal({ body.instructions, body.input[1].role }, { nil, "system" })
end)

t.case("edits: the model, and the stream", function()
   t.equal(codec.edits({ stream = true }, "m", true), { model = "m" })
   t.equal(codec.edits({}, "m", true), { model = "m", stream = true })
   t.equal(codec.edits({ stream = true }, "m", false), { model = "m", stream = false })
end)

-- ---- errors ----

t.case("error: a failed response, an error event, a status", function()
   local function code(data) return codec.error(200, json.encode(data), no_header) end
   local err = code { type = "response.failed", response = { status = "failed",
      error = { code = "rate_limit_exceeded", message = "slow" } } }
   t.equal({ err.code, err.message, err.retryable, err.provider_code },
      { "rate_limited", "slow", true, "rate_limit_exceeded" })
   err = code { type = "response.failed", response = { error = { code = "server_error", message = "m" } } }
   t.equal({ err.code, err.retryable }, { "unavailable", true })
   err = code { type = "response.failed", response = { error = { code = "invalid_prompt", message = "m" } } }
   t.equal({ err.code, err.retryable }, { "content_filter", false })
   err = code { type = "error", code = "server_error", message = "m", param = json.null }
   t.equal({ err.code, err.message, err.type }, { "unavailable", "m", nil })
   err = code { type = "error", error = { type = "server_error", code = "server_error", message = "m" } }
   t.equal({ err.code, err.message }, { "unavailable", "m" })
   t.equal(code({ type = "response.failed", response = json.null }).code, "unavailable")
   t.equal(codec.error(429, '{"error":{"message":"m"}}', no_header).code, "rate_limited")
   t.equal(codec.error(200, "<html>", no_header).code, "unavailable")
end)

-- ---- whole answers ----

local function response(members)
   local body = { id = "resp_1", object = "response", status = "completed", output = json.array {} }
   for name, value in pairs(members) do body[name] = value end
   return json.encode(body)
end

t.case("decode: everything that an answer can say", function()
   local view = codec.decode(response { usage = { input_tokens = 10, output_tokens = 5,
      input_tokens_details = { cached_tokens = 4 }, output_tokens_details = { reasoning_tokens = 2 } },
         output = {
      { type = "reasoning", id = "rs_1", encrypted_content = "E", summary = {
         { type = "summary_text", text = "a" }, { type = "summary_text", text = "b" } } },
      { type = "web_search_call", id = "ws_1" },
      { type = "message", id = "msg_1", role = "assistant", content = {
         { type = "output_text", text = "Hi ", annotations = { { type = "url_citation",
            url = "https://x.example",
            title = "X", start_index = 0, end_index = 2 }, { type = "file_citation" } },
            logprobs = { { token = "Hi", logprob = -0.1 } } },
         { type = "output_text", text = "you" } } },
      { type = "function_call", id = "fc_1", call_id = "call_1", name = "f", arguments = "" },
      { type = "custom_tool_call", call_id = "call_2", name = "patch", input = "***" } } })
   local own = "openai-responses-v1"
   t.equal(view.message, { role = "assistant", content = "Hi you", reasoning_content = "a\n\nb",
      reasoning_details = { { type = "reasoning.summary", summary = "a", format = own, id = "rs_1" },
         { type = "reasoning.summary", summary = "b", format = own, id = "rs_1" },
         { type = "reasoning.encrypted", data = "E", format = own, id = "rs_1" } },
      annotations = { { type = "url_citation", url_citation = { url = "https://x.example", title = "X",
         start_index = 0, end_index = 2 } } },
      tool_calls = { { id = "call_1", type = "function", ["function"] = { name = "f", arguments = "{}" } },
         { id = "call_2", type = "function", ["function"] = { name = "patch",
            arguments = '{"input":"***"}' } },
      } })
   t.equal(view.finish_reason, "tool_calls")
   t.equal(view.logprobs, { content = { { token = "Hi", logprob = -0.1 } } })
   t.equal({ view.usage.input_tokens, view.usage.cached_tokens, view.usage.reasoning_tokens }, { 10, 4, 2 })
end)

t.case("decode: ends", function()
   local function ended(members)
      local view, err = codec.decode(response(members))
      return view and view.finish_reason, err and err.code
   end
   t.equal(ended {}, "stop")
   t.equal(ended { status = "incomplete", incomplete_details = { reason = "max_output_tokens" } }, "length")
   t.equal(ended { status = "incomplete", incomplete_details = { reason = "content_filter" } },
      "content_filter")
   t.equal({ ended { status = "incomplete", incomplete_details = { reason = "boredom" } } }, { nil,
      "bad_response" })
   t.equal({ ended { status = "queued" } }, { nil, "bad_response" })
   t.equal({ ended { status = "failed", error = { code = "server_error", message = "m" } } },
      { nil, "unavailable" })
   t.equal({ ended { error = { code = "rate_limit_exceeded", message = "m" } } }, { nil, "rate_limited" })
   local view = codec.decode(response { output = { { type = "message", content = {
      { type = "refusal", refusal = "No." } } } } })
   t.equal({ view.message.refusal, view.message.content }, { "No.", json.null })
end)

local NONSENSE = { "null", "7", '"x"', "[]", "{}", "{", '{"output":7}', '{"output":null}',
   '{"output":[7,null,[],{}]}',
   '{"output":[{"type":7},{"type":"message"},{"type":"message","content":7}]}',
   '{"output":[{"type":"message","content":[7,null]}]}',
   '{"output":[{"type":"function_call"},{"type":"function_call","name":7,"arguments":{}}]}',
   '{"output":[{"type":"reasoning","summary":7,"content":{}},{"type":"custom_tool_call"}]}',
   '{"output":[],"status":7,"usage":"x","error":7}',
      '{"output":[],"incomplete_details":7,"status":"incomplete"}' }

t.case("decode: nonsense raises nothing", function()
   for _, body in ipairs(NONSENSE) do
      local view, err = codec.decode(body)
      t.ok(view or type(err.code) == "string", body)
   end
end)

-- ---- streams ----

-- What a stream's events (tables, or data) say, folded.
local function folded(events)
   local decode, said = codec.decoder(), { text = "", reasoning = "", refusal = "", calls = {}, details = {},
      annotations = {}, logprobs = 0 }
   for _, event in ipairs(events) do
      local data = type(event) == "table" and json.encode(event) or event
      for _, e in ipairs(decode(data, "message")) do
         if e.kind == "tool_call" then
            local call = said.calls[e.index + 1] or { e.id, e.name, "" }
            said.calls[e.index + 1] = call
            call[3] = call[3] .. e.arguments
         elseif e.kind == "reasoning_detail" then
            said.details[#said.details + 1] = e.detail
         elseif e.kind == "annotations" then
            for _, a in ipairs(e.annotations) do said.annotations[#said.annotations + 1] = a end
         elseif e.kind == "logprobs" then
            said.logprobs = said.logprobs + #e.logprobs.content
         elseif e.kind == "finish" then
            said.finish = (said.finish or "") .. e.reason
         elseif e.kind == "usage" then
            said.usage = e.usage
         elseif e.kind == "error" then
            said.err = e.err
         else
            said[e.kind] = said[e.kind] .. e.text
         end
      end
   end
   return said
end

local function completed(output, more)
   local all = { status = "completed", output = json.array(output or {}) }
   for name, value in pairs(more or {}) do all[name] = value end
   return { type = "response.completed", response = all }
end

t.case("stream: servers that say it only at the end of something", function()
   local item = { type = "function_call", id = "fc_1", call_id = "call_1", name = "f", arguments = '{"a":1}' }
   local added = { type = "response.output_item.added", output_index = 0, item = { type = "function_call",
      id = "fc_1", call_id = "call_1", name = "f", arguments = "" } }
   local done = { type = "response.function_call_arguments.done", output_index = 0, item_id = "fc_1",
      arguments = '{"a":1}' }
   local item_done = { type = "response.output_item.done", output_index = 0, item = item }
   local wanted = { { "call_1", "f", '{"a":1}' } }
   local function delta(text) return { type = "response.function_call_arguments.delta", output_index = 0,
      delta = text } end
   t.equal(folded({ added, delta '{"a"', delta ":1}", done, item_done, completed { item } }).calls, wanted)
   t.equal(folded({ added, done, item_done, completed { item } }).calls, wanted)
   t.equal(folded({ added, delta '{"a"', item_done, completed { item } }).calls, wanted)
   t.equal(folded({ item_done, completed { item } }).calls, wanted)
   t.equal(folded({ completed { item } }).calls, wanted)
   t.equal(folded({ completed { item } }).finish, "tool_calls")
   t.equal(folded({ added, completed {} }).calls, { { "call_1", "f", "{}" } })

   local message = { type = "message", id = "msg_1", content = { { type = "output_text", text = "Hello",
      annotations = { { type = "url_citation", url = "u", title = "t", start_index = 0,
         end_index = 1 } } } } }
   local function text(kind, member, value)
      return { type = "response.output_text." .. kind, output_index = 0, content_index = 0, [member] = value }
   end
   for _, events in ipairs {
      { text("delta", "delta", "Hel"), text("delta", "delta", "lo"), text("done", "text", "Hello"),
         completed { message } },
      { text("done", "text", "Hello"), completed { message } }, { text("delta", "delta", "Hel"),
         completed { message } },
      { { type = "response.output_item.done", output_index = 0, item = message }, completed { message } },
      { completed { message } } } do
      local said = folded(events)
      t.equal({ said.text, said.finish, #said.annotations }, { "Hello", "stop", 1 })
   end

   local reasoning = { type = "reasoning", id = "rs_1", encrypted_content = "E",
      summary = { { type = "summary_text", text = "a" }, { type = "summary_text", text = "b" } } }
   local function summary(kind, index, member, value)
      return { type = "response.reasoning_summary_text." .. kind, output_index = 0, summary_index = index,
         [member] = value }
   end
   for _, events in ipairs {
      { summary("delta", 0, "delta", "a"), summary("done", 0, "text", "a"), summary("delta", 1, "delta", "b"),
         { type = "response.output_item.done", output_index = 0, item = reasoning },
            completed { reasoning } },
      { summary("done", 0, "text", "a"), summary("done", 1, "text", "b"), completed { reasoning } },
      { completed { reasoning } } } do
      local said = folded(events)
      t.equal({ said.reasoning, #said.details, said.details[3].data }, { "a\n\nb", 3, "E" })
   end
end)

t.case("stream: ends and failures", function()
   local said = folded { { type = "response.incomplete", response = { status = "incomplete",
      incomplete_details = { reason = "max_output_tokens" }, usage = { input_tokens = 1,
         output_tokens = 2 } } } }
   t.equal({ said.finish, said.usage.output_tokens }, { "length", 2 })
   said = folded { { type = "response.created", response = {} }, { type = "response.failed",
      response = { error = { code = "rate_limit_exceeded", message = "m" } } } }
   t.equal({ said.err.code, said.finish }, { "rate_limited", nil })
   said = folded { completed(), completed() }
   t.equal(said.finish, "stop")
   said = folded { { type = "response.refusal.delta", output_index = 0, delta = "No" },
      { type = "response.refusal.done", output_index = 0, refusal = "No." }, completed() }
   t.equal({ said.refusal, said.finish }, { "No.", "stop" })
end)

t.case("stream: nonsense raises nothing", function()
   local types = { "response.created", "response.output_item.added", "response.output_item.done",
      "response.output_text.delta", "response.output_text.done", "response.output_text.annotation.added",
      "response.refusal.delta", "response.refusal.done", "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done", "response.reasoning_text.delta", "response.reasoning_text.done",
      "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.completed",
      "response.incomplete", "response.failed", "error", "response.unheard_of" }
   local values = { "null", "7", '"x"', "[]", "{}", "[7,null,{}]", '{"output":7}',
      '{"type":"message","content":7}',
      '{"type":"function_call","name":"f","arguments":7}', '{"type":"reasoning","summary":[7]}', "[[]]" }
   for _, type_ in ipairs(types) do
      local decode = codec.decoder()
      for _, value in ipairs(values) do
         for _, name in ipairs { "item", "delta", "text", "arguments", "output_index", "content_index",
            "response",
            "annotation", "logprobs", "name", "refusal", "error" } do
            local data = ('{"type":%s,"%s":%s}'):format(json.encode(type_), name, value)
            t.ok(type(decode(data)) == "table", data)
         end
      end
   end
   for _, data in ipairs(NONSENSE) do t.ok(type(codec.decoder()(data, "response.completed")) == "table",
      data) end
end)

-- ---- recordings ----

local function events_of(bytes)
   local list = {}
   for line in bytes:gmatch "[^\r\n]+" do
      local data = line:match "^data: ?(.*)" or (not line:find "^%a+:" and line) or nil
      if data and data ~= "[DONE]" then list[#list + 1] = data end
   end
   return list
end

-- What a response says, read by hand here.
local function said_by(response_)
   local said = { text = "", calls = {}, details = 0 }
   for _, item in ipairs(response_.output) do
      if item.type == "message" then
         for _, part in ipairs(item.content) do said.text = said.text .. (part.text or part.refusal) end
      elseif item.type == "function_call" then
         said.calls[#said.calls + 1] = { item.call_id, item.name, item.arguments }
      elseif item.type == "custom_tool_call" then
         said.calls[#said.calls + 1] = { item.call_id, item.name, json.encode { input = item.input } }
      elseif item.type == "reasoning" and type(item.encrypted_content) == "string" then
         said.details = said.details + 1
      end
   end
   return said
end

local function usage_of(response_)
   local u = response_.usage
   return { u.input_tokens, u.output_tokens, u.input_tokens_details.cached_tokens or 0,
      (u.output_tokens_details or {}).reasoning_tokens or 0 }
end

local function of_canonical(u)
   return { u.input_tokens, u.output_tokens, u.cached_tokens, u.reasoning_tokens }
end

local ours = { function_call = true, custom_tool_call = true }

local function check_whole(id, bytes)
   local view, err = codec.decode(bytes)
   t.equal({ id, err }, { id, nil })
   local raw = json.decode(bytes)
   local wanted, calls = said_by(raw), {}
   for i, call in ipairs(view.message.tool_calls or {}) do
      calls[i] = { call.id, call["function"].name, call["function"].arguments }
   end
   t.equal({ id, view.message.content ~= json.null and view.message.content or view.message.refusal or "" },
      { id, wanted.text })
   if #wanted.calls > 0 then t.equal({ id, calls }, { id, wanted.calls }) end
   t.equal({ id, of_canonical(view.usage) }, { id, usage_of(raw) })
   local has_calls = false
   for _, item in ipairs(raw.output) do has_calls = has_calls or ours[item.type] end
   if has_calls or #(view.message.tool_calls or {}) == 0 then
      t.equal({ id, view.finish_reason }, { id, has_calls and "tool_calls" or "stop" })
   end
end

-- Recordings that were shortened by hand, so that the events do not add up to the text.
local shortened = { ["vercel-ai/openai/openai-shell-container.1.chunks.txt"] = true }

local function check_stream(id, bytes)
   local events = events_of(bytes)
   local said = folded(events)
   local last = json.decode(events[#events])
   t.equal({ id, last.type, said.err }, { id, "response.completed", nil })
   local wanted = said_by(last.response)
   if not shortened[id] then t.equal({ id, said.text }, { id, wanted.text }) end
   if #wanted.calls > 0 then t.equal({ id, said.calls }, { id, wanted.calls }) end
   t.equal({ id, of_canonical(said.usage) }, { id, usage_of(last.response) })
   local sealed = 0
   for _, detail in ipairs(said.details) do
      if detail.type == "reasoning.encrypted" then sealed = sealed + 1 end
   end
   t.equal({ id, sealed }, { id, wanted.details })
end

local ERRORS = { context_length_exceeded = "context_length", model_not_found = "not_found" }

t.case("recorded answers and streams", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local whole, streams, failed = 0, 0, 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.endpoint == "responses" then
         local bytes = assert(fs.read(ROOT .. entry.response))
         if entry.status ~= 200 then
            local err = codec.error(entry.status, bytes, no_header)
            local said = json.decode(bytes).error.code
            local wanted = entry.status == 401 and "auth" or ERRORS[said] or "bad_request"
            t.equal({ entry.id, err.code, err.retryable }, { entry.id, wanted, false })
            failed = failed + 1
         elseif entry.transport == "json" then
            check_whole(entry.id, bytes)
            whole = whole + 1
         else
            check_stream(entry.id, bytes)
            streams = streams + 1
         end
      end
   end
   t.ok(whole >= 10 and streams >= 10 and failed >= 3, ("%d %d %d"):format(whole, streams, failed))
end)

t.case("fixtures of the Vercel AI SDK", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index-verbatim.json")))) do
      local file = entry.file
      if file:find "^vercel%-ai/" and not file:find "/anthropic/" and not file:find "/google" then
         local bytes = assert(fs.read(ROOT .. file))
         if file:find "%.json$" and bytes:find '"object": ?"response"' then
            check_whole(file, bytes)
            n = n + 1
         elseif file:find "%.chunks%.txt$" and bytes:find '"response.completed"' then
            check_stream(file, bytes)
            n = n + 1
         end
      end
   end
   t.ok(n >= 30, "fixtures: " .. n)
end)
