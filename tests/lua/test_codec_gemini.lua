-- test_codec_gemini: Gemini's API read and written; recorded answers of Google's and Vertex AI's servers.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.gemini"
local fs = require "fs"
local json = require "json"

local function no_headers() end

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function read_file(path)
   return assert(fs.read(ROOT .. path))
end

-- The events of a stream, and the same joined as a message.
local function fold(events)
   local said = { text = "", reasoning = "", details = {}, calls = {}, images = 0 }
   local by_index = {}
   for _, event in ipairs(events) do
      local kind = event.kind
      if kind == "text" then said.text = said.text .. event.text end
      if kind == "reasoning" then said.reasoning = said.reasoning .. event.text end
      if kind == "reasoning_detail" then table.insert(said.details, event.detail) end
      if kind == "annotations" then said.annotations = event.annotations end
      if kind == "image" then said.images = said.images + 1 end
      if kind == "tool_call" then
         local call = by_index[event.index]
         if not call then
            call = { id = event.id, name = event.name, arguments = "" }
            by_index[event.index] = call
            table.insert(said.calls, call)
            t.ok(event.id and event.name, "a call begins with id and name")
         end
         call.arguments = call.arguments .. event.arguments
      end
      if kind == "finish" then
         t.equal(said.finish, nil)
         said.finish = event.reason
      end
      if kind == "usage" then said.usage = event.usage end
      if kind == "error" then said.err = event.err end
      if kind == "logprobs" then said.logprobs = event.logprobs end
   end
   return said
end

-- The data of the events of a recorded stream.
local function events_of(bytes)
   local list = {}
   for line in (bytes:gsub("\r\n?", "\n") .. "\n"):gmatch "([^\n]*)\n" do
      local data = line:match "^data: ?(.*)"
      if data then list[#list + 1] = data end
   end
   return list
end

-- The lines of a file.
local function lines_of(bytes)
   local list = {}
   for line in bytes:gmatch "[^\n]+" do list[#list + 1] = line end
   return list
end

local function stream(datas)
   local decode, flush = codec.decoder()
   local events = {}
   for _, data in ipairs(datas) do
      for _, event in ipairs(decode(data)) do events[#events + 1] = event end
   end
   for _, event in ipairs(flush()) do events[#events + 1] = event end
   return fold(events)
end

local function frame(candidate, more)
   local body = { candidates = { candidate } }
   for name, value in pairs(more or {}) do body[name] = value end
   return json.encode(body)
end

local function said(list, finish)
   return { content = { role = "model", parts = json.array(list) }, finishReason = finish, index = 0 }
end

local function encode(req, to)
   to = to or {}
   to.model, to.facts = to.model or "gemini-2.5-flash", to.facts or {}
   local body, warnings = codec.encode(req, to)
   if not body then return nil, warnings end
   return json.decode(body), warnings
end

local function user(content)
   return { role = "user", content = content }
end

-- ---- requests ----

t.case("path", function()
   t.equal(codec.path("gemini-2.5-flash", false), "/models/gemini-2.5-flash:generateContent")
   t.equal(codec.path("gemini-2.5-flash", true), "/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
   t.equal(codec.path("models/x", false), "/models/x:generateContent")
   t.equal(codec.path("tunedModels/y", false), "/tunedModels/y:generateContent")
   t.equal(codec.path("a?b c#", false), "/models/a%3Fb%20c%23:generateContent")
   t.equal(codec.path("../../x", false):find("..", 1, true), nil)
end)

t.case("encode: messages", function()
   local body, warnings = encode { messages = {
      { role = "system", content = "Be brief." }, user "Hi", { role = "developer", content = "In French." },
      user { { type = "text", text = "there" },
         { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } } },
      { role = "assistant", content = "Bonjour" }, user "Bye",
   } }
   t.equal(warnings, {})
   t.equal(body, {
      systemInstruction = { parts = { { text = "Be brief." }, { text = "In French." } } },
      contents = {
         { role = "user", parts = { { text = "Hi" }, { text = "there" },
            { inlineData = { mimeType = "image/png", data = "AAAA" } } } },
         { role = "model", parts = { { text = "Bonjour" } } },
         { role = "user", parts = { { text = "Bye" } } },
      },
   })
end)

t.case("encode: only instructions are the user's turn", function()
   local body = encode { messages = { { role = "system", content = "Say hello." } } }
   t.equal(body.contents, { { role = "user", parts = { { text = "Say hello." } } } })
   t.equal(body.systemInstruction, nil)
   local none, err = encode { messages = {} }
   t.equal({ none, err.code }, { nil, "bad_request" })
end)

t.case("encode: media", function()
   local body, warnings = encode { messages = { user {
      { type = "input_audio", input_audio = { data = "QQ==", format = "mp3" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,QUI=" } },
      { type = "file", file = { file_id = "files/abc" } },
      { type = "file", file = { file_id = "file-of-openai" } },
      { type = "image_url", image_url = { url = "gs://bucket/x.png" } },
      { type = "video", text = "?" },
   } } }
   t.equal(body.contents[1].parts, {
      { inlineData = { mimeType = "audio/mp3", data = "QQ==" } },
      { inlineData = { mimeType = "application/pdf", data = "QUI=" } },
      { fileData = { fileUri = "https://generativelanguage.googleapis.com/v1beta/files/abc" } },
      { fileData = { fileUri = "gs://bucket/x.png" } },
   })
   t.equal(#warnings, 2)
   local none, err = encode { messages = { user { { type = "image_url", image_url = {} } } } }
   t.equal({ none, err.code }, { nil, "bad_request" })
end)

local function call(id, name, arguments, more)
   local made = { id = id, type = "function", ["function"] = { name = name, arguments = arguments } }
   for key, value in pairs(more or {}) do made[key] = value end
   return made
end

t.case("encode: tool calls and results", function()
   local body, warnings = encode { messages = {
      user "Weather?",
      { role = "assistant", content = json.null, tool_calls = { call("call_a", "f", '{"x":1}'),
         call("call_b", "g", "") } },
      { role = "tool", tool_call_id = "call_a", content = '{"t":20}' },
      { role = "tool", tool_call_id = "call_b", content = "rain" },
      user "And?",
   } }
   t.equal(warnings, {})
   t.equal(body.contents[2], { role = "model", parts = {
      { functionCall = { id = "call_a", name = "f", args = { x = 1 } } },
      { functionCall = { id = "call_b", name = "g", args = {} } },
   } })
   t.equal(body.contents[3], { role = "user", parts = {
      { functionResponse = { id = "call_a", name = "f", response = { t = 20 } } },
      { functionResponse = { id = "call_b", name = "g", response = { output = "rain" } } },
      { text = "And?" },
   } })
   body = encode { messages = { user "x",
      { role = "assistant", tool_calls = { call("c", "f", "oops") } },
      { role = "tool", tool_call_id = "c", content = "no", is_error = true } } }
   t.equal(body.contents[2].parts[1].functionCall.args, { raw = "oops" })
   t.equal(body.contents[3].parts[1].functionResponse.response, { error = "no" })
end)

t.case("encode: signatures go back where they were", function()
   local body, warnings = encode({ messages = {
      user "x",
      { role = "assistant", content = "I look.", reasoning_content = "hm", tool_calls = { call("c1", "f",
         "{}"),
         call("c2", "g", "{}", { extra_content = { google = { thought_signature = "S2" } } }) },
         reasoning_details = {
            { type = "reasoning.text", text = "hm", format = "google-gemini-v1" },
            { type = "reasoning.encrypted", data = "S0", format = "google-gemini-v1" },
            { type = "reasoning.encrypted", data = "S1", id = "c1", format = "google-gemini-v1" },
            { type = "reasoning.text", text = "?", signature = "z", format = "anthropic-claude-v1" },
         } },
      { role = "tool", tool_call_id = "c1", content = "1" }, { role = "tool", tool_call_id = "c2",
         content = "2" },
   } }, { model = "gemini-3-flash-preview" })
   t.equal(warnings, { "reasoning of another provider dropped" })
   t.equal(body.contents[2].parts, {
      { text = "hm", thought = true }, { text = "I look.", thoughtSignature = "S0" },
      { functionCall = { id = "c1", name = "f", args = {} }, thoughtSignature = "S1" },
      { functionCall = { id = "c2", name = "g", args = {} }, thoughtSignature = "S2" },
   })
end)

t.case("encode: a call of this turn without a signature", function()
   local messages = {
      user "x", { role = "assistant", tool_calls = { call("c1", "f", "{}") } },
      { role = "tool", tool_call_id = "c1", content = "1" }, { role = "assistant", content = "done" },
      user "y", { role = "assistant", tool_calls = { call("c2", "f", "{}"), call("c3", "f", "{}") } },
      { role = "tool", tool_call_id = "c2", content = "1" }, { role = "tool", tool_call_id = "c3",
         content = "1" },
   }
   local body = encode({ messages = messages }, { model = "gemini-3-pro-preview" })
   t.equal(body.contents[2].parts[1].thoughtSignature, nil)
   t.equal(body.contents[6].parts[1].thoughtSignature, "skip_thought_signature_validator")
   t.equal(body.contents[6].parts[2].thoughtSignature, nil)
   body = encode({ messages = messages }, { model = "gemini-2.5-pro" })
   t.equal(body.contents[6].parts[1].thoughtSignature, nil)
end)

t.case("encode: tools and choice", function()
   local fn = { name = "f", description = "d", parameters = { ["$schema"] = "x", type = "object",
      properties = { a = { type = "string" } } }, strict = true }
   local function with(choice, more)
      local req = { messages = { user "x" }, tools = { { type = "function", ["function"] = fn } },
         tool_choice = choice }
      for name, value in pairs(more or {}) do req[name] = value end
      return encode(req)
   end
   local body = with()
   t.equal(body.tools, { { functionDeclarations = { { name = "f", description = "d",
      parametersJsonSchema = { type = "object", properties = { a = { type = "string" } } } } } } })
   t.equal(body.toolConfig, nil)
   local function mode(choice) return with(choice).toolConfig.functionCallingConfig end
   t.equal(mode "none", { mode = "NONE" })
   t.equal(mode "auto", { mode = "AUTO" })
   t.equal(mode "required", { mode = "ANY" })
   t.equal(mode { type = "function", ["function"] = { name = "f" } },
      { mode = "ANY", allowedFunctionNames = { "f" } })
   t.equal(mode { type = "allowed_tools", allowed_tools = { mode = "auto",
      tools = { { type = "function", ["function"] = { name = "f" } } } } },
      { mode = "VALIDATED", allowedFunctionNames = { "f" } })
   local _, warnings = with(nil, { parallel_tool_calls = false })
   t.equal(warnings, { "dropped: parallel_tool_calls" })
   body, warnings = encode { messages = { user "x" }, tools = {
      { type = "googleSearch", format = "gemini", googleSearch = json.object {} },
      { type = "web_search_20250305", name = "web_search", format = "anthropic" } } }
   t.equal(body.tools, { { googleSearch = {} } })
   t.equal(warnings, { "dropped: tool web_search_20250305" })
end)

t.case("encode: settings", function()
   local body, warnings = encode { messages = { user "x" }, temperature = 0.5, top_p = 0.9, top_k = 40,
      seed = 7,
      max_completion_tokens = 100, stop = "END", presence_penalty = 1, frequency_penalty = -1, n = 2,
      logprobs = true, top_logprobs = 3, user = "u", logit_bias = { ["1"] = 2 }, stream = true, model = "y" }
   t.equal(body.generationConfig, { temperature = 0.5, topP = 0.9, topK = 40, seed = 7, maxOutputTokens = 100,
      stopSequences = { "END" }, presencePenalty = 1, frequencyPenalty = -1, candidateCount = 2,
      responseLogprobs = true, logprobs = 3 })
   t.equal(warnings, { "dropped: logit_bias", "dropped: user" })
   body, warnings = encode { messages = { user "x" }, stop = { "1", "2", "", "3", "4", "5", "6" },
      temperature = json.null, user = json.null }
   t.equal(body.generationConfig, { stopSequences = { "1", "2", "3", "4", "5" } })
   t.equal(warnings, { "changed: stop: 6 sequences -> 5" })
end)

t.case("encode: structured output", function()
   local schema = { type = "object", properties = { a = { type = "string" } }, required = { "a" } }
   local function config(more, model)
      local req = { messages = { user "x" }, response_format = { type = "json_schema",
         json_schema = { name = "n", strict = true, schema = schema } } }
      for name, value in pairs(more or {}) do req[name] = value end
      local body, warnings = encode(req, { model = model })
      return body.generationConfig, warnings
   end
   t.equal(config(), { responseMimeType = "application/json", responseJsonSchema = schema })
   t.equal(config { response_format = { type = "json_object" } }, { responseMimeType = "application/json" })
   local tools = { { type = "function", ["function"] = { name = "f" } } }
   t.equal(config({ tools = tools }, "gemini-3-flash").responseJsonSchema, schema)
   local none, warnings = config { tools = tools }
   t.equal(none, nil)
   t.equal(#warnings, 1)
end)

t.case("encode: thinking", function()
   local function thinking(req, model)
      req.messages = { user "x" }
      local body, warnings = encode(req, { model = model })
      return (body.generationConfig or {}).thinkingConfig, warnings
   end
   t.equal(thinking({}), nil)
   t.equal(thinking({ reasoning_effort = "low" }), { thinkingBudget = 2048, includeThoughts = true })
   t.equal(thinking({ reasoning_effort = "max" }), { thinkingBudget = 24576, includeThoughts = true })
   t.equal(thinking({ reasoning_effort = "none" }), { thinkingBudget = 0 })
   t.equal(thinking({ reasoning_effort = "low" }, "gemini-3-flash"), { thinkingLevel = "low",
      includeThoughts = true })
   t.equal(thinking({ reasoning_effort = "minimal" }, "gemini-3-pro-preview"),
      { thinkingLevel = "low", includeThoughts = true })
   t.equal(thinking({ reasoning_effort = "medium" }, "gemini-3.1-pro"),
      { thinkingLevel = "medium", includeThoughts = true })
   t.equal(thinking({ reasoning = { max_tokens = 5000, enabled = true } }),
      { thinkingBudget = 5000, includeThoughts = true })
   t.equal(thinking({ reasoning = { max_tokens = 5000 } }), { thinkingBudget = 5000 })
   t.equal(thinking({ reasoning = { enabled = true } }), { thinkingBudget = -1, includeThoughts = true })
   t.equal(thinking({ reasoning_effort = "high", reasoning = {} }), { thinkingBudget = 16384 })
   local off, warnings = thinking({ reasoning_effort = "none" }, "gemini-2.5-pro")
   t.equal({ off, #warnings }, { { thinkingBudget = 128 }, 1 })
   off, warnings = thinking({ reasoning_effort = "high" }, "gemini-2.0-flash")
   t.equal({ off, warnings }, { nil, { "dropped: reasoning" } })
end)

t.case("encode: what the catalogue says a model does not take", function()
   local body, warnings = encode({ messages = { user "x" }, temperature = 1, top_k = 3, max_tokens = 100000,
      reasoning_effort = "low" }, { model = "gemini-3.8-flash", facts = { max_output = 65536,
      capabilities = { "tools" }, dialect = { "no_sampling" } } })
   t.equal(body.generationConfig, { maxOutputTokens = 65536 })
   t.equal(warnings, { "dropped: temperature", "dropped: top_k", "changed: max_tokens 100000 -> 65536",
      "dropped: reasoning" })
end)

t.case("encode: extra_body.google", function()
   local body, warnings = encode { messages = { user "x" }, extra_body = { google = {
      thinking_config = { include_thoughts = true, thinking_budget = 1 }, cached_content = "c",
      safety_settings = { { category = "A", threshold = "B" } } } } }
   t.equal(warnings, {})
   t.equal(body.generationConfig.thinkingConfig, { includeThoughts = true, thinkingBudget = 1 })
   t.equal({ body.cachedContent, body.safetySettings[1].category }, { "c", "A" })
end)

t.case("encode: nothing raises", function()
   for _, odd in ipairs { json.null, 7, "x", true, {}, json.array {}, { 7 }, { {} }, { { { 1 } } } } do
      for _, name in ipairs { "messages", "tools", "tool_choice", "response_format", "stop", "reasoning",
         "reasoning_effort", "extra_body", "modalities", "temperature", "top_logprobs", "logprobs", "n" } do
         local req = { messages = { user "x" } }
         req[name] = odd
         t.ok(pcall(codec.encode, req, { model = "gemini-3", facts = {} }), name)
      end
      for _, role in ipairs { "system", "user", "assistant", "tool" } do
         local messages = { { role = role, content = odd, tool_calls = odd, tool_call_id = odd,
            reasoning_details = odd }, { role = role, content = { { type = "image_url", image_url = odd },
            { type = "file", file = odd }, { type = "input_audio", input_audio = odd } } },
            { role = role, tool_calls = { { id = odd, ["function"] = { name = "f", arguments = odd } } } } }
         t.ok(pcall(codec.encode, { messages = messages }, { model = "gemini-3", facts = {} }), role)
      end
   end
end)

-- ---- answers ----

t.case("decode", function()
   local view = codec.decode(frame(said({ { text = "hm", thought = true }, { text = "Hi" },
      { text = " there", thoughtSignature = "S" } }, "STOP"),
      { usageMetadata = { promptTokenCount = 3, candidatesTokenCount = 2, thoughtsTokenCount = 5,
         totalTokenCount = 10 }, responseId = "r" }))
   t.equal(view.message, { role = "assistant", content = "Hi there", reasoning_content = "hm",
      reasoning_details = { { type = "reasoning.encrypted", data = "S", format = "google-gemini-v1" } } })
   t.equal({ view.finish_reason, view.usage.input_tokens, view.usage.output_tokens,
      view.usage.reasoning_tokens },
      { "stop", 3, 7, 5 })
end)

t.case("decode: calls, with ids or without", function()
   local function of(id)
      return codec.decode(frame(said({ { functionCall = { name = "f", args = { a = 1 }, id = id },
         thoughtSignature = "S" }, { functionCall = { name = "f" } } }, "STOP"),
            { responseId = "abc" })).message
   end
   local message = of "own"
   t.equal(message.tool_calls[1].id, "own")
   t.equal(message.tool_calls[1].extra_content, { google = { thought_signature = "S" } })
   t.equal(message.reasoning_details, { { type = "reasoning.encrypted", data = "S", id = "own",
      format = "google-gemini-v1" } })
   t.equal(message.tool_calls[1]["function"], { name = "f", arguments = '{"a":1}' })
   t.equal(message.tool_calls[2]["function"], { name = "f", arguments = "{}" })
   t.equal(of(nil).tool_calls[1].id, of(nil).tool_calls[1].id)
   local id = of(nil).tool_calls[1].id
   t.ok(id:find "^[%w_-]+$" and id ~= of(nil).tool_calls[2].id, id)
   -- and back: what had no id gets none
   local body = encode { messages = { user "x", of(nil), { role = "tool", tool_call_id = id,
      content = "1" } } }
   t.equal(body.contents[2].parts[1], { functionCall = { name = "f", args = { a = 1 } },
      thoughtSignature = "S" })
   t.equal(body.contents[3].parts[1], { functionResponse = { name = "f", response = { output = "1" } } })
end)

t.case("decode: reasons to stop", function()
   local function reason(finish, list)
      local view, err = codec.decode(frame(said(list or { { text = "x" } }, finish)))
      return view and view.finish_reason or err.code, err
   end
   t.equal(reason "STOP", "stop")
   t.equal(reason("STOP", { { functionCall = { name = "f" } } }), "tool_calls")
   t.equal(reason("MAX_TOKENS", { { functionCall = { name = "f" } } }), "length")
   for _, finish in ipairs { "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
      "IMAGE_SAFETY" } do
      t.equal(reason(finish), "content_filter")
      t.equal(reason(finish, {}), "content_filter")
   end
   for _, finish in ipairs { "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "LANGUAGE",
      "NEW_ONE" } do
      t.equal(reason(finish), "bad_response")
   end
   local _, err = codec.decode(frame { finishReason = "MALFORMED_FUNCTION_CALL", finishMessage = "why" })
   t.equal(err.message, "the model stopped with MALFORMED_FUNCTION_CALL: why")
end)

t.case("decode: blocked prompts and nonsense", function()
   local _, err = codec.decode '{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"Reasons"}}'
   t.equal({ err.code, err.message }, { "content_filter", "the prompt was blocked: SAFETY (Reasons)" })
   _, err = codec.decode '{"promptFeedback":{"blockReason":"NEW"},"candidates":[]}'
   t.equal(err.code, "content_filter")
   for _, body in ipairs { "", "x", "null", "7", "[]", "{}", '{"candidates":null}', '{"candidates":[]}',
      '{"candidates":[null]}', '{"candidates":7}', '{"candidates":[{}]}', '{"candidates":{"a":1}}',
      '{"candidates":[{"content":{},"index":0}]}', '{"candidates":[{"content":{"parts":7},"index":"x"}]}',
      '{"candidates":[{"content":{"parts":[7,null,{"text":7},{"functionCall":7},{"inlineData":7}]}}]}',
      '{"candidates":[{"finishReason":7}]}', '{"this":[{"is":1}]}', '[7,[]]',
      '{"candidates":[{"content":{"parts":[{"functionCall":{"name":7,"args":7}}]}}]}',
      '{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a"}]}}]}}]}' } do
      local view, why = codec.decode(body)
      t.equal(body .. tostring(view), body .. "nil")
      t.equal(why.code, "bad_response")
      local decode, flush = codec.decoder()
      t.ok(type(decode(body)) == "table" and type(flush()) == "table", body)
   end
end)

t.case("decode: several candidates", function()
   local view = codec.decode(json.encode { candidates = { said({ { text = "a" } }, "STOP"),
      { content = { parts = { { text = "b" } } }, finishReason = "MAX_TOKENS", index = 1 } } })
   t.equal(view.message.content, "a")
   t.equal({ #view.choices, view.choices[2].message.content, view.choices[2].finish_reason }, { 2, "b",
      "length" })
end)

t.case("streams: several candidates", function()
   local decode = codec.decoder()
   local events = decode(json.encode { candidates = { said({ { text = "a" } }, "STOP"),
      { content = { parts = { { text = "b" } } }, finishReason = "STOP", index = 1 } },
      usageMetadata = { totalTokenCount = 1 } })
   local all = {}
   for position, event in ipairs(events) do
      all[position] = event.kind .. (event.text or "") .. (event.choice or "")
   end
   t.equal(all, { "texta", "finish", "usage", "textb1", "finish1" })
end)

t.case("decode: logprobs", function()
   local candidate = said({ { text = "Hi" } }, "STOP")
   candidate.logprobsResult = { chosenCandidates = { { token = "Hi", tokenId = 1, logProbability = -0.5 } },
      topCandidates = { { candidates = { { token = "Ho", logProbability = -1 } } } } }
   t.equal(codec.decode(frame(candidate)).logprobs, { content = { { token = "Hi", logprob = -0.5,
      bytes = { 72, 105 }, top_logprobs = { { token = "Ho", logprob = -1, bytes = { 72, 111 } } } } } })
end)

t.case("decode: citations count characters", function()
   local candidate = said({ { text = "Größe: 5" } }, "STOP")
   candidate.groundingMetadata = { groundingChunks = { { web = { uri = "https://x", title = "X" } } },
      groundingSupports = { { segment = { startIndex = 0, endIndex = 7 }, groundingChunkIndices = { 0,
         9 } } } }
   candidate.citationMetadata = { citationSources = { { startIndex = 9, endIndex = 10, uri = "https://y" } } }
   t.equal(codec.decode(frame(candidate)).message.annotations, {
      { type = "url_citation", url_citation = { start_index = 7, end_index = 8, url = "https://y",
         title = "https://y" } },
      { type = "url_citation", url_citation = { start_index = 0, end_index = 5, url = "https://x",
         title = "X" } },
   })
end)

t.case("streams: calls in pieces", function()
   local got = stream { frame(said { { functionCall = { name = "f", willContinue = true },
      thoughtSignature = "S" } },
      { responseId = "r" }),
      frame(said { { functionCall = { partialArgs = { { jsonPath = "$.a.b[0].c", stringValue = "x",
         willContinue = true } },
         willContinue = true } } }),
      frame(said { { functionCall = { partialArgs = { { jsonPath = "$.a.b[0].c", stringValue = "y" },
         { jsonPath = "$.n", numberValue = 3 }, { jsonPath = "$['k k']", boolValue = false },
         { jsonPath = "$.z", nullValue = "NULL_VALUE" }, { jsonPath = "$.a.b[2]", stringValue = "w" },
         { jsonPath = "$.a[0]", stringValue = "odd" }, { jsonPath = "a", stringValue = "odd" },
         { jsonPath = "$.a.b[999999999]", stringValue = "far" } }, willContinue = true } } }),
      frame(said { { functionCall = json.object {} } }),
      frame(said({ { functionCall = { name = "g" } } }, "STOP"),
         { usageMetadata = { totalTokenCount = 1 } }) }
   t.equal(#got.calls, 2)
   t.equal(json.decode(got.calls[1].arguments), { a = { b = { { c = "xy" }, json.null, "w" } }, n = 3,
      z = json.null,
      ["k k"] = false })
   t.equal({ got.calls[2].name, got.calls[2].arguments, got.finish }, { "g", "{}", "tool_calls" })
end)

t.case("streams: errors, and words that are not the last", function()
   local got = stream { frame(said({ { text = "a" } }, "STOP")), frame(said({ { text = "b" } }, "STOP")) }
   t.equal({ got.text, got.finish }, { "ab", "stop" })
   got = stream { frame(said({ { text = "a" } }, "STOP")), frame({ finishReason = "RECITATION" }) }
   t.equal({ got.text, got.finish }, { "a", "content_filter" })
   got = stream { frame(said { { text = "a" } }), frame { finishReason = "MALFORMED_FUNCTION_CALL" } }
   t.equal({ got.finish, got.err.code }, { nil, "bad_response" })
   got = stream { '{"error":{"code":499,"message":"The operation was cancelled.","status":"CANCELLED"}}' }
   t.equal(got.err.code, "unavailable")
   got = stream { '{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}' }
   t.equal(got.err.code, "overloaded")
end)

-- ---- errors ----

t.case("errors", function()
   local function read(status, object)
      return codec.error(status, json.encode { error = object }, no_headers)
   end
   local err = read(429, { code = 429, message = "m", status = "RESOURCE_EXHAUSTED", details = {
      { ["@type"] = "type.googleapis.com/google.rpc.RetryInfo", retryDelay = "33.5s" } } })
   t.equal({ err.code, err.retry_after, err.provider_code }, { "rate_limited", 33.5, "RESOURCE_EXHAUSTED" })
   err = read(429, { status = "RESOURCE_EXHAUSTED", details = { { violations = {
      { quotaId = "GenerateRequestsPerDayPerProjectPerModel-FreeTier" } } } } })
   t.equal({ err.code, err.retryable, err.scope }, { "rate_limited", false, "key" })
   t.equal(read(500, { code = 500, status = "INTERNAL", message = "m" }).code, "unavailable")
   t.equal(read(504, { code = 504, status = "DEADLINE_EXCEEDED", message = "m" }).code, "timeout")
   t.equal(read(400, { status = "INVALID_ARGUMENT", message =
      "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)." }).code,
      "context_length")
   for _, body in ipairs { "", "<html>", "[]", "7", '{"error":7}', '{"error":{"details":7}}',
      '{"error":{"details":[7,{"retryDelay":7,"violations":7}]}}', '[{"error":{"message":"m"}}]' } do
      t.equal(codec.error(500, body, no_headers).code, "unavailable")
   end
   err = codec.error(200, '{"promptFeedback":{"blockReason":"OTHER"}}', no_headers)
   t.equal(err.code, "content_filter")
end)

t.case("embed", function()
   t.equal(codec.embed.path "m", "/models/m:batchEmbedContents")
   t.equal(json.decode(codec.embed.encode("m", { "a", "b" }, { dimensions = 3 })), { requests = {
      { model = "models/m", content = { parts = { { text = "a" } } }, outputDimensionality = 3 },
      { model = "models/m", content = { parts = { { text = "b" } } }, outputDimensionality = 3 } } })
   t.equal(codec.embed.decode('{"embeddings":[{"values":[1,2.5]}]}').vectors, { { 1, 2.5 } })
   for _, body in ipairs { "", "[]", "{}", '{"embeddings":[]}', '{"embeddings":[7]}' } do
      t.equal(select(2, codec.embed.decode(body)).code, "bad_response")
   end
end)

-- ---- recordings ----

local function index(name)
   return json.decode(read_file(name))
end

local function recorded(wanted)
   local list = {}
   for _, entry in ipairs(index "index.json") do
      if entry.provider == "gemini" and wanted(entry) then list[#list + 1] = entry end
   end
   return list
end

-- What a body says, read in the plainest way.
local function plain(candidate)
   local all = { text = "", reasoning = "", calls = {} }
   for _, part in ipairs((candidate.content or {}).parts or {}) do
      if part.text and part.thought then all.reasoning = all.reasoning .. part.text end
      if part.text and not part.thought then all.text = all.text .. part.text end
      if part.functionCall then all.calls[#all.calls + 1] = part.functionCall end
   end
   return all
end

local FINISH = { STOP = "stop", MAX_TOKENS = "length", SAFETY = "content_filter",
   RECITATION = "content_filter" }

local function sum(...)
   local total = 0
   for _, value in ipairs { ... } do total = total + value end
   return total
end

local function check_usage(id, usage, raw)
   raw = raw or {}
   if not usage then
      return t.ok(not raw.promptTokenCount and not raw.candidatesTokenCount, id .. ": usage")
   end
   t.equal({ id, usage.input_tokens, usage.output_tokens }, { id,
      sum(raw.promptTokenCount or 0, raw.toolUsePromptTokenCount or 0),
      sum(raw.candidatesTokenCount or 0, raw.thoughtsTokenCount or 0) })
end

local function check_calls(id, calls, wanted)
   t.equal(id .. #(calls or {}), id .. #wanted)
   for position, one in ipairs(calls or {}) do
      local fn = one["function"] or one
      t.equal(fn.name, wanted[position].name)
      t.equal(json.decode(fn.arguments), wanted[position].args or {})
      if wanted[position].id then t.equal(one.id, wanted[position].id) end
   end
end

local function check_whole(id, bytes)
   local raw = json.decode(bytes)
   local view, err = codec.decode(bytes)
   t.equal(id .. tostring(err), id .. "nil")
   if not view then return end
   if json.is_array(raw) then -- of a stream that is one array: the last frame ends it
      local first = raw[1]
      first.candidates[1].finishReason = raw[#raw].candidates[1].finishReason
      first.usageMetadata = raw[#raw].usageMetadata
      raw = first
   end
   local wanted = plain(raw.candidates[1])
   t.equal({ id, view.message.content }, { id, wanted.text ~= "" and wanted.text or json.null })
   t.equal(view.message.reasoning_content or "", wanted.reasoning)
   check_calls(id, view.message.tool_calls, wanted.calls)
   local finish = raw.candidates[1].finishReason
   t.equal(id .. view.finish_reason, id .. (#wanted.calls > 0 and "tool_calls" or FINISH[finish]))
   check_usage(id, view.usage, raw.usageMetadata)
end

t.case("recorded answers", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recorded(function(entry)
      return entry.status == 200 and entry.transport == "json" and entry.endpoint:find "generate"
   end)
   for _, entry in ipairs(list) do check_whole(entry.id, read_file(entry.response)) end
   t.ok(#list >= 12, "recordings: " .. #list)
end)

t.case("recorded answers of Vertex AI and others", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(index "index-verbatim.json") do
      local file = entry.file
      if file:find "unary%-success" or file:find "unary%-failure%-finish"
         or file:find "^vercel%-ai/google/.*%.json$" then
         n = n + 1
         check_whole(file, read_file(file))
      end
   end
   t.ok(n >= 20, "answers: " .. n)
end)

t.case("recorded streams", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recorded(function(entry) return entry.transport == "sse" end)
   for _, entry in ipairs(list) do
      local expected = json.decode(read_file(entry.id .. ".expected.json"))
      local got = stream(events_of(read_file(entry.response)))
      t.equal({ entry.id, got.text }, { entry.id, expected.text })
      check_calls(entry.id, got.calls, expected.function_calls)
      t.equal(entry.id .. got.finish,
         entry.id .. (#expected.function_calls > 0 and "tool_calls" or FINISH[expected.finish_reason]))
      check_usage(entry.id, got.usage, expected.usage)
   end
   t.ok(#list >= 8, "recordings: " .. #list)
end)

-- A stream joined in the plainest way: text, reasoning, whole calls, the last finishReason and usage.
local function plain_stream(datas)
   local all = { text = "", reasoning = "", calls = {} }
   for _, data in ipairs(datas) do
      local body = json.decode(data)
      local candidate = (body.candidates or {})[1] or {}
      local one = plain(candidate)
      all.text, all.reasoning = all.text .. one.text, all.reasoning .. one.reasoning
      for _, fn in ipairs(one.calls) do
         if fn.name then all.calls[#all.calls + 1] = fn end
      end
      all.finish, all.usage = candidate.finishReason or all.finish, body.usageMetadata or all.usage
   end
   return all
end

t.case("recorded streams of Vertex AI and others", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(index "index-verbatim.json") do
      local file = entry.file
      local lines = file:find "^vercel%-ai/google/.*chunks%.txt$"
      if lines or file:find "streaming%-success" then
         n = n + 1
         local datas = (lines and lines_of or events_of)(read_file(file))
         local got, wanted = stream(datas), plain_stream(datas)
         t.equal({ file, got.text, got.reasoning }, { file, wanted.text, wanted.reasoning })
         t.equal(file .. #got.calls, file .. #wanted.calls)
         for position, one in ipairs(got.calls) do
            t.equal(one.name, wanted.calls[position].name)
            if wanted.calls[position].args then t.equal(json.decode(one.arguments),
               wanted.calls[position].args) end
         end
         t.equal(file .. tostring(got.finish), file .. (#wanted.calls > 0 and "tool_calls"
            or FINISH[wanted.finish]))
         check_usage(file, got.usage, wanted.usage)
      end
   end
   t.ok(n >= 18, "streams: " .. n)
end)

t.case("a recorded call whose arguments come in pieces", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local function play(name) return stream(lines_of(read_file("vercel-ai/google/" .. name))) end
   local got = play "google-vertex-stream-tool-call-arguments-nested.1.chunks.txt"
   local recipe = json.decode(got.calls[1].arguments).recipe
   t.equal({ recipe.name, #recipe.ingredients, #recipe.steps }, { "Lasagna", 10, 10 })
   t.equal(recipe.ingredients[8], { name = "Garlic", amount = "2 cloves" })
   t.equal(recipe.steps[5], "In a 9x13 baking dish, spread a thin layer of meat sauce.")
   got = play "google-stream-no-args-tool-call.chunks.txt"
   local all = {}
   for position, one in ipairs(got.calls) do all[position] = one.name .. one.arguments end
   t.equal(all, { "read_theme{}", 'read_screen{"id":"A"}', 'read_screen{"id":"B"}', 'read_screen{"id":"C"}' })
end)

t.case("recorded failures", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local wanted = {
      ["generativelanguage-api-not-enabled"] = "auth", ["firebaseml-api-not-enabled"] = "auth",
      ["firebasevertexai-api-not-enabled"] = "auth", ["iam-permission-denied"] = "auth",
      ["unknown-model"] = "not_found", ["model-not-found"] = "not_found",
         ["context-cache-not-found"] = "not_found",
      ["context-cache-model-doesnt-match"] = "bad_request", ["http-error"] = "bad_request",
      ["image-rejected"] = "bad_request", ["invalid-context-cache-id"] = "bad_request",
      ["unsupported-user-location"] = "unavailable", ["api-key"] = "auth",
   }
   local statuses = { UNKNOWN = 500, NOT_FOUND = 404, PERMISSION_DENIED = 403 }
   local n = 0
   for _, entry in ipairs(index "index-verbatim.json") do
      local name = entry.file:match "^firebase%-gemini/.*failure%-(.+)%.%w+$"
      if name then
         local bytes = read_file(entry.file)
         local object = (json.decode(bytes) or {}).error
         n = n + 1
         if object then
            local err = codec.error(object.code or statuses[object.status], bytes, no_headers)
            t.equal(name .. ": " .. err.code, name .. ": " .. tostring(wanted[name] or err.code))
            t.ok(err.code ~= "bad_response", name)
            t.equal(tostring(err):find("AIzv", 1, true), nil)
         elseif entry.file:find "unary" and name ~= "finish-reason-safety" then
            local view, err = codec.decode(bytes)
            t.equal({ name, view }, { name, nil })
            t.equal(name .. err.code, name .. (name:find "block" and "content_filter" or "bad_response"))
         elseif entry.file:find "streaming" then
            local got = stream(events_of(bytes))
            t.ok(got.err or got.finish ~= "stop" or name == "error-mid-stream", name)
            if name:find "blocked" then t.equal(got.err.code, "content_filter") end
            if name:find "recitation" then t.equal(got.finish, "content_filter") end
            if name:find "unknown%-finish" then t.equal(got.err.code, "bad_response") end
         end
      end
   end
   t.ok(n >= 25, "failures: " .. n)
end)

t.case("recorded errors", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local function read(entry)
      return codec.error(entry.status, read_file(entry.response),
         function(name) return entry.headers[name] end)
   end
   local list = recorded(function(entry) return entry.status ~= 200 end)
   for _, entry in ipairs(list) do
      local err = read(entry)
      t.equal(entry.id .. err.code, entry.id .. (entry.status == 429 and "rate_limited" or "auth"))
      if entry.status == 429 then t.equal(err.retry_after, 48) end
   end
   t.equal(#list, 2)
end)

t.case("content may be missing, but is nothing else than an object", function()
   local function answer(content)
      return ('{"candidates":[{%s"finishReason":"STOP","index":0}],"usageMetadata":{}}'):format(content)
   end
   for _, empty in ipairs { "", '"content":{},', '"content":{"role":"model"},', '"content":{"parts":[]},' } do
      local view = codec.decode(answer(empty))
      t.equal({ view.finish_reason, view.message.content }, { "stop", json.null })
   end
   for _, odd in ipairs { "null", "7", '"x"', "[]" } do
      local text = answer('"content":' .. odd .. ",")
      local view, err = codec.decode(text)
      t.equal({ view, err.code }, { nil, "bad_response" })
      local events = codec.decoder()(text)
      t.equal({ #events, events[1].kind, events[1].err.code }, { 1, "error", "bad_response" })
   end
end)
