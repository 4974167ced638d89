-- test_door_gemini: Gemini's API as a client speaks it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.gemini"
local door = require "door.gemini"
local fs = require "fs"
local hub = require "hub"
local json = require "json"
local parts = require "gemini.parts"

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local ROUTE = { model = "sim/mini", action = "generateContent", query = "" }

local function decode(body, route)
   local text = type(body) == "table" and json.encode(body) or body
   local head, err = door.head(text, route or ROUTE)
   if not head then return nil, err end
   return door.decode(text, head, route or ROUTE)
end

local function user(...)
   return { role = "user", parts = json.array { ... } }
end

local function model(...)
   return { role = "model", parts = json.array { ... } }
end

t.case("head", function()
   local body = '{"contents":[{"parts":[{"text":"x"}]}]}'
   local function head(action, query, name)
      return door.head(body, { model = name or "m", action = action, query = query })
   end
   t.equal(head("generateContent"), { model = "m", stream = false, array = false, include_usage = true })
   t.equal(head("streamGenerateContent", "alt=sse"),
      { model = "m", stream = true, array = false, include_usage = true })
   t.equal(head("streamGenerateContent", "key=1&alt=sse").array, false)
   t.equal(head("streamGenerateContent", "").array, true)
   t.equal(head("streamGenerateContent", nil).array, true)
   t.equal(head("generateContent", "", "models/x").model, "x")
   t.equal(select(2, door.head("{}", ROUTE)).code, "bad_request")
   t.equal(select(2, door.head('{"contents":null}', ROUTE)).param, "contents")
   t.equal({ door.stream_end(head("streamGenerateContent", "")), door.stream_end(head("streamGenerateContent",
      "alt=sse")) }, { "]", "" })
end)

-- ---- requests ----

t.case("decode: messages", function()
   local req, warnings = decode {
      systemInstruction = { parts = { { text = "Be brief." }, { text = "And kind." } } },
      contents = { user({ text = "Hi" }), model({ text = "Hello " }, { text = "you" }),
         user({ text = "See" }, { inlineData = { mimeType = "image/png", data = "AAAA" } },
            { inline_data = { mime_type = "application/pdf", data = "QUI=" } },
            { inlineData = { mimeType = "audio/mp3", data = "QQ==" } },
            { fileData = { mimeType = "image/jpeg", fileUri = "https://x/y.jpg" } },
            { fileData = { fileUri = "gs://b/c" } }) } }
   t.equal(warnings, {})
   t.equal(req, { model = "sim/mini", messages = {
      { role = "system", content = { { type = "text", text = "Be brief." }, { type = "text",
         text = "And kind." } } },
      { role = "user", content = "Hi" }, { role = "assistant", content = "Hello you" },
      { role = "user", content = {
         { type = "text", text = "See" },
         { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } },
         { type = "file", file = { file_data = "data:application/pdf;base64,QUI=" } },
         { type = "input_audio", input_audio = { data = "QQ==", format = "mp3" } },
         { type = "image_url", image_url = { url = "https://x/y.jpg" },
            native = { format = "gemini", file = { mimeType = "image/jpeg" } } },
         { type = "file", file = { file_url = "gs://b/c" }, native = { format = "gemini", file = {} } },
      } },
   } })
end)

t.case("decode: calls and results, with ids or without", function()
   local req = decode { contents = { user({ text = "x" }),
      model({ functionCall = { name = "f", args = { a = 1 } } }, { functionCall = { name = "g" } }),
      user({ functionResponse = { name = "g", response = { output = "rain" } } },
         { functionResponse = { name = "f", response = { t = 20 } } }, { text = "And?" }),
      model({ function_call = { name = "h", id = "own" } }),
      { role = "function", parts = { { functionResponse = { name = "h", id = "own",
         response = { error = "no" } } } } },
   } }
   local calls = req.messages[2].tool_calls
   t.equal({ #calls, calls[1]["function"], calls[2]["function"] },
      { 2, { name = "f", arguments = '{"a":1}' }, { name = "g", arguments = "{}" } })
   t.ok(calls[1].id ~= calls[2].id and calls[1].id:find "^[%w_-]+$", "ids")
   t.equal({ req.messages[3].tool_call_id, req.messages[3].content }, { calls[2].id, "rain" })
   t.equal({ req.messages[4].tool_call_id, req.messages[4].content }, { calls[1].id, '{"t":20}' })
   t.equal(req.messages[5], { role = "user", content = "And?" })
   t.equal(req.messages[6].tool_calls[1].id, "own")
   t.equal(req.messages[7], { role = "tool", name = "h", tool_call_id = "own", content = "no",
      is_error = true })
end)

t.case("decode: signatures", function()
   local req, _, foreign = decode { contents = { user({ text = "x" }),
      model({ text = "hm", thought = true }, { text = "I look.", thoughtSignature = "S0" },
         { functionCall = { name = "f", id = "c1" }, thoughtSignature = "S1" }) } }
   t.equal(foreign, false)
   t.equal(req.messages[2].reasoning_content, "hm")
   t.equal(req.messages[2].reasoning_details, {
      { type = "reasoning.text", text = "hm", format = "google-gemini-v1" },
      { type = "reasoning.encrypted", data = "S0", format = "google-gemini-v1" },
      { type = "reasoning.encrypted", data = "S1", id = "c1", format = "google-gemini-v1" } })
   t.equal(req.messages[2].tool_calls[1].extra_content, { google = { thought_signature = "S1" } })
end)

t.case("decode: tools and choice", function()
   local req, warnings = decode { contents = { user({ text = "x" }) }, tools = {
      { functionDeclarations = { { name = "f", description = "d", parameters = { type = "OBJECT",
         properties = { a = { type = "STRING", nullable = true }, b = { type = "ARRAY", minItems = "2",
            items = { type = "INTEGER" } } }, required = { "a" } } },
         { name = "g", parametersJsonSchema = { type = "object" } } } },
      { googleSearch = json.object {} } },
      toolConfig = { functionCallingConfig = { mode = "ANY", allowedFunctionNames = { "f" } },
         retrievalConfig = { languageCode = "de" } } }
   t.equal(warnings, {})
   t.equal(req.tools, {
      { type = "function", ["function"] = { name = "f", description = "d", parameters = { type = "object",
         properties = { a = { type = { "string", "null" } }, b = { type = "array", minItems = 2,
            items = { type = "integer" } } }, required = { "a" } } } },
      { type = "function", ["function"] = { name = "g", parameters = { type = "object" } } },
      { type = "googleSearch", format = "gemini", googleSearch = {} } })
   t.equal(req.tool_choice, { type = "function", ["function"] = { name = "f" } })
   t.equal(req.native, { format = "gemini", toolConfig = { retrievalConfig = { languageCode = "de" } } })
   local function choice(config)
      return decode({ contents = { user({ text = "x" }) },
         tools = { { functionDeclarations = { { name = "f" } } } },
         toolConfig = { functionCallingConfig = config } }).tool_choice
   end
   t.equal({ choice { mode = "AUTO" }, choice { mode = "NONE" }, choice { mode = "ANY" } },
      { "auto", "none", "required" })
   t.equal(choice { mode = "ANY", allowedFunctionNames = { "a", "b" } }.allowed_tools.mode, "required")
   t.equal(choice { mode = "VALIDATED" }, "auto")
end)

t.case("decode: settings", function()
   local function of(config, more)
      local body = { contents = { user({ text = "x" }) }, generationConfig = config }
      for name, value in pairs(more or {}) do body[name] = value end
      local req, warnings = decode(body)
      req.messages, req.model = nil, nil
      return req, warnings
   end
   t.equal(of { temperature = 1, topP = 0.5, topK = 3, seed = 4, candidateCount = 2, maxOutputTokens = 5,
      presencePenalty = 0.1, frequencyPenalty = 0.2, stopSequences = { "a" }, responseLogprobs = true,
      logprobs = 2, responseModalities = { "TEXT" } }, { temperature = 1, top_p = 0.5, top_k = 3, seed = 4,
         n = 2,
      max_tokens = 5, presence_penalty = 0.1, frequency_penalty = 0.2, stop = { "a" }, logprobs = true,
      top_logprobs = 2 })
   t.equal(of { responseMimeType = "application/json" }.response_format, { type = "json_object" })
   t.equal(of({ response_mime_type = "application/json",
      response_schema = { type = "OBJECT" } }).response_format,
      { type = "json_schema", json_schema = { name = "response", schema = { type = "object" } } })
   t.equal(of { thinkingConfig = { thinkingBudget = 100, includeThoughts = true } },
      { reasoning = { max_tokens = 100, summary = "auto" } })
   t.equal(of { thinkingConfig = { thinking_budget = 0 } },
      { reasoning = { enabled = false }, reasoning_effort = "none" })
   t.equal(of { thinkingConfig = { thinkingLevel = "HIGH" } }, { reasoning = {}, reasoning_effort = "high" })
   local req, warnings = of({ mediaResolution = "LOW" }, { safetySettings = { { category = "A" } },
      newMember = 1,
      cached_content = "c" })
   t.equal(req.native, { format = "gemini", generationConfig = { mediaResolution = "LOW" },
      safetySettings = { { category = "A" } }, cachedContent = "c", newMember = 1 })
   t.equal(warnings, {})
end)

t.case("decode: nothing raises", function()
   for _, body in ipairs { "[]", "7", "{}", '{"contents":7}', '{"contents":[7]}', '{"contents":[]}' } do
      local req, err = door.decode(body, { model = "m" })
      t.equal(body .. tostring(req), body .. "nil")
      t.equal(err.code, "bad_request")
   end
   for _, odd in ipairs { "null", "7", '"x"', "[]", "{}", "[7]", "[[]]", '[{"a":1}]', '{"a":1}', "true" } do
      for _, name in ipairs { "systemInstruction", "tools", "toolConfig", "generationConfig",
         "safetySettings" } do
         local body = ('{"contents":[{"parts":[{"text":"x"}]}],"%s":%s}'):format(name, odd)
         t.ok(pcall(door.decode, body, { model = "m" }), body)
      end
      for _, name in ipairs { "temperature", "stopSequences", "responseSchema", "thinkingConfig",
         "responseModalities", "logprobs" } do
         local body = ('{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"%s":%s}}'):format(name,
            odd)
         t.ok(pcall(door.decode, body, { model = "m" }), body)
      end
      for _, name in ipairs { "text", "functionCall", "functionResponse", "inlineData", "fileData", "thought",
         "thoughtSignature" } do
         for _, role in ipairs { "user", "model" } do
            local body = ('{"contents":[{"role":"%s","parts":[{"%s":%s}]},{"role":"%s","parts":%s}]}')
               :format(role, name, odd, role, odd)
            t.ok(pcall(door.decode, body, { model = "m" }), body)
         end
      end
      t.ok(pcall(door.decode,
         '{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":' .. odd
         .. ',"id":' .. odd .. '}}]},{"parts":[{"functionResponse":{"name":' .. odd .. ',"response":' .. odd
         .. ',"parts":' .. odd .. "}}]}]}", { model = "m" }), odd)
   end
end)

-- ---- answers ----

local META = { id = "abc", created = 7, model = "sim/mini", head = {} }

local USAGE = { input_tokens = 3, cached_tokens = 1, cache_write_tokens = 0, cache_write_1h_tokens = 0,
   output_tokens = 7, reasoning_tokens = 5 }

t.case("answer", function()
   local body = json.decode(door.answer({ finish_reason = "tool_calls", usage = USAGE, message = {
      content = "Hi", reasoning_content = "hm", tool_calls = {
         { id = "c1", ["function"] = { name = "f", arguments = '{"a":1}' } },
         { id = "c2", ["function"] = { name = "g", arguments = "" },
            extra_content = { google = { thought_signature = "S2" } } } },
      reasoning_details = { { type = "reasoning.encrypted", data = "S1", id = "c1",
         format = "google-gemini-v1" },
         { type = "reasoning.encrypted", data = "S0", format = "google-gemini-v1" } },
   } }, META))
   t.equal(body, { modelVersion = "sim/mini", responseId = "abc", candidates = { { index = 0,
      finishReason = "STOP", content = { role = "model", parts = {
         { text = "hm", thought = true }, { text = "Hi", thoughtSignature = "S0" },
         { functionCall = { id = "c1", name = "f", args = { a = 1 } }, thoughtSignature = "S1" },
         { functionCall = { id = "c2", name = "g", args = {} }, thoughtSignature = "S2" } } } } },
      usageMetadata = { promptTokenCount = 3, cachedContentTokenCount = 1, candidatesTokenCount = 2,
         thoughtsTokenCount = 5, totalTokenCount = 10 } })
   local function reason(finish)
      return json.decode(door.answer({ finish_reason = finish, message = { content = "x" } }, META))
         .candidates[1].finishReason
   end
   t.equal({ reason "stop", reason "length", reason "content_filter" }, { "STOP", "MAX_TOKENS", "SAFETY" })
   body = json.decode(door.answer({ finish_reason = "tool_calls", usage = false, message = { tool_calls = {
      { id = "c1", ["function"] = { name = "f", arguments = "oops" } } } } }, META))
   t.equal({ body.candidates[1].finishReason, body.usageMetadata }, { "MALFORMED_FUNCTION_CALL", nil })
   body = json.decode(door.answer({ finish_reason = "stop", message = { content = json.null,
      refusal = "No." } },
      META))
   t.equal(body.candidates[1].content.parts, { { text = "No." } })
end)

t.case("answer: several of them", function()
   local choices = { { message = { content = "a" }, finish_reason = "stop" }, 7,
      { message = { content = "b" }, finish_reason = "length" } }
   for _, reply in ipairs { { choices = choices, usage = false },
      { codec = { format = "openai" }, body = { choices = choices }, usage = false } } do
      local candidates = json.decode(door.answer(reply, META)).candidates
      t.equal({ #candidates, candidates[3].content.parts[1].text, candidates[3].finishReason,
         candidates[3].index },
         { 3, "b", "MAX_TOKENS", 2 })
   end
end)

-- What a client reads: all frames' parts, the last finishReason and usage.
local function read_stream(bytes, array)
   local frames = {}
   if array then
      frames = assert(json.decode(bytes))
   else
      for data in bytes:gmatch "data: ([^\r\n]*)\r\n\r\n" do
         frames[#frames + 1] = assert(json.decode(data))
      end
   end
   local got = { parts = {} }
   for _, frame in ipairs(frames) do
      local candidate = frame.candidates[1]
      for _, part in ipairs(candidate.content.parts) do got.parts[#got.parts + 1] = part end
      got.finish, got.usage = candidate.finishReason or got.finish, frame.usageMetadata or got.usage
      got.candidate = candidate
   end
   return got
end

local function stream(events, array)
   local meta = { id = "abc", created = 7, model = "sim/mini", head = { array = array, stream = true } }
   local encoder, out = door.encoder(meta), {}
   for _, event in ipairs(events) do out[#out + 1] = encoder:event(event) end
   out[#out + 1] = encoder:finish()
   return read_stream(table.concat(out) .. door.stream_end(meta.head), array)
end

t.case("streams", function()
   local events = {
      { kind = "reasoning", text = "hm" }, { kind = "text", text = "Hé" }, { kind = "text", text = "llo" },
      { kind = "reasoning_detail", detail = { type = "reasoning.encrypted", data = "S1", id = "c1",
         format = "google-gemini-v1" } },
      { kind = "tool_call", index = 0, id = "c1", name = "f", arguments = '{"a"' },
      { kind = "tool_call", index = 0, arguments = ":1}" },
      { kind = "tool_call", index = 1, id = "c2", name = "g", arguments = "" },
      { kind = "finish", reason = "tool_calls" }, { kind = "usage", usage = USAGE },
   }
   for _, array in ipairs { false, true } do
      local got = stream(events, array)
      t.equal(got.parts, { { text = "hm", thought = true }, { text = "Hé" }, { text = "llo" },
         { functionCall = { id = "c1", name = "f", args = { a = 1 } }, thoughtSignature = "S1" },
         { functionCall = { id = "c2", name = "g", args = {} } }, { text = "" } })
      t.equal({ got.finish, got.usage.totalTokenCount }, { "STOP", 10 })
   end
   local got = stream({ { kind = "tool_call", index = 0, id = "c", name = "f", arguments = '{"a' },
      { kind = "finish", reason = "tool_calls" } }, true)
   t.equal({ got.finish, #got.parts }, { "MALFORMED_FUNCTION_CALL", 1 })
   got = stream({ { kind = "text", text = "Größe" }, { kind = "annotations",
      annotations = { { type = "url_citation",
      url_citation = { start_index = 0, end_index = 5, url = "https://x", title = "X" } } } },
      { kind = "logprobs", logprobs = { content = { { token = "G", logprob = -1 } } } },
      { kind = "finish", reason = "stop" } })
   t.equal(got.candidate.groundingMetadata.groundingSupports[1].segment, { startIndex = 0, endIndex = 7 })
   t.equal(got.candidate.logprobsResult.chosenCandidates[1].token, "G")
   got = stream { { kind = "text", text = "Hi" }, { kind = "finish", reason = "stop" } }
   t.equal(got.candidate, { index = 0, finishReason = "STOP",
      content = { role = "model", parts = { { text = "" } } } })
   t.equal(stream {}.finish, "STOP")
end)

t.case("reasoning of another provider comes back as its own", function()
   local detail = { type = "reasoning.text", text = "hm", signature = "sig+/=",
      format = "anthropic-claude-v1" }
   local hidden = { type = "reasoning.encrypted", data = "enc", id = "rs_1", format = "openai-responses-v1" }
   local message = { content = "Hi", reasoning_content = "hm", reasoning_details = { detail, hidden } }
   local whole = json.decode(door.answer({ finish_reason = "stop", message = message }, META))
   local streamed = stream { { kind = "reasoning", text = "hm" },
      { kind = "reasoning_detail", detail = { type = "reasoning.text", signature = "sig+/=",
         format = "anthropic-claude-v1" } }, { kind = "reasoning_detail", detail = hidden },
      { kind = "text", text = "Hi" }, { kind = "finish", reason = "stop" } }
   for _, list in ipairs { whole.candidates[1].content.parts, streamed.parts } do
      local body = { contents = { user({ text = "x" }), { role = "model", parts = list } } }
      t.ok(json.encode(body):find(door.stamps[1], 1, true), "foreign")
      for _, part in ipairs(list) do
         if part.thoughtSignature then -- as Google's SDKs for Python write it
            part.thoughtSignature = part.thoughtSignature:gsub("%+", "-"):gsub("/", "_")
         end
      end
      local req, _, foreign = decode(body)
      t.equal(foreign, true)
      t.equal(req.messages[2].reasoning_details, { detail, hidden })
   end
end)

-- ---- pages ----

local function page(name, body, route)
   local got = {}
   local answer = {
      reply = function(_, status, _, _, text) got.status, got.body = status, json.decode(text) end,
      fail = function(_, err) got.err = err end,
   }
   local all = { { id = "auto", owner = "baton" }, { id = "sim/mini", owner = "sim",
      entry = { context = 32000, max_output = 4096 } }, { id = "x", owner = "baton" } }
   door.pages[name](answer, {
      body = body, route = route or { model = "sim/mini" }, list = function() return all end,
      find = function(id)
         if id == "sim/mini" then return all[2] end
         return nil, { code = "not_found" }
      end,
   })
   return got
end

t.case("pages", function()
   local got = page("countTokens", '{"contents":[{"parts":[{"text":"The quick brown fox"}]}]}')
   t.ok(got.body.totalTokens >= 4 and got.body.totalTokens <= 8, "tokens")
   t.equal(page("countTokens",
      '{"generateContentRequest":{"contents":[{"parts":[{"text":"The quick brown fox"}]}]}}')
      .body, got.body)
   t.equal(page("countTokens", "{}").err.code, "bad_request")
   got = page("models", nil, { query = "pageSize=2" })
   t.equal({ #got.body.models, got.body.models[2].name, got.body.models[2].inputTokenLimit,
      got.body.nextPageToken },
      { 2, "models/sim/mini", 32000, "2" })
   got = page("models", nil, { query = "pageSize=2&pageToken=2" })
   t.equal({ #got.body.models, got.body.nextPageToken }, { 1, nil })
   t.equal(page("model", nil, { model = "models/sim/mini" }).body.outputTokenLimit, 4096)
   t.equal(page("model", nil, { model = "y" }).err.code, "not_found")
   t.equal(page("embedContent", "{}").err.code, "bad_request")
   t.equal(page("batchEmbedContents", '{"requests":[]}').err.code, "bad_request")
end)

-- ---- recordings ----

-- A body in one spelling: camelCase, lists where one element stands alone, schemas as JSON Schema, without
-- what says nothing.
local function normal(value)
   if type(value) ~= "table" then return value end
   local out = json.is_array(value) and json.array {} or json.object {}
   for name, item in pairs(value) do
      if type(name) == "string" and name ~= "properties" then
         name = name:gsub("_(%l)", function(c) return c:upper() end)
      end
      if item ~= json.null then
         if name == "args" or name == "response" or name == "properties" then
            out[name] = item
         else
            out[name] = normal(item)
         end
      end
   end
   return out
end

local function plain_body(body)
   body = normal(body)
   for _, content in ipairs(body.contents) do content.role = content.role or "user" end
   for _, tool in ipairs(body.tools or {}) do
      for _, declaration in ipairs(tool.functionDeclarations or {}) do
         local schema = declaration.parametersJsonSchema or declaration.parameters
         declaration.parametersJsonSchema = schema and parts.json_schema(schema)
         declaration.parameters = nil
         if declaration.description == "" then declaration.description = nil end
      end
   end
   local config = body.generationConfig
   if config then
      config.responseJsonSchema = config.responseJsonSchema or parts.json_schema(config.responseSchema)
      config.responseSchema, config.responseModalities = nil, nil -- TEXT is what there is anyway
      if next(config) == nil then body.generationConfig = nil end
   end
   local instruction = body.systemInstruction
   if instruction then
      instruction.parts = parts.list(instruction.parts)
      instruction.role = nil
      if instruction.parts[1].text == "" then body.systemInstruction = nil end
   end
   return body
end

t.case("recorded requests, read and written again", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.provider == "gemini" and entry.endpoint:find "generate" then
         local text = assert(fs.read(ROOT .. entry.request))
         local name = entry.url_path:match "models/([^:]+)"
         local req, warnings = door.decode(text, { model = name })
         t.equal({ entry.id, warnings }, { entry.id, {} })
         n = n + 1
         local again, told = codec.encode(req, { model = name, facts = {} })
         t.equal({ entry.id, told }, { entry.id, {} })
         t.equal({ entry.id, plain_body(json.decode(again)) }, { entry.id, plain_body(json.decode(text)) })
      end
   end
   t.ok(n >= 18, "requests: " .. n)
end)

t.case("recorded answers, read and written again", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.provider == "gemini" and entry.status == 200 and entry.endpoint == "generate" then
         n = n + 1
         local text = assert(fs.read(ROOT .. entry.response))
         local view = codec.decode(text)
         view.choices = nil
         local answer = door.answer(view, META):gsub(',"thoughtSignature":"' .. parts.UNSIGNED .. '"', "")
         local again = codec.decode(answer)
         t.equal({ entry.id, again.message, again.finish_reason }, { entry.id, view.message,
            view.finish_reason })
      end
   end
   t.ok(n >= 10, "answers: " .. n)
end)

t.case("a call that nobody has signed says so", function()
   local calls = { { id = "c1", ["function"] = { name = "f", arguments = "{}" } },
      { id = "c2", ["function"] = { name = "g", arguments = "{}" } } }
   local whole = json.decode(door.answer({ finish_reason = "tool_calls", message = { tool_calls = calls } },
      META))
   local streamed = stream { { kind = "tool_call", index = 0, id = "c1", name = "f", arguments = "{}" },
      { kind = "tool_call", index = 1, id = "c2", name = "g", arguments = "{}" }, { kind = "finish",
      reason = "tool_calls" } }
   for _, list in ipairs { whole.candidates[1].content.parts, streamed.parts } do
      t.equal({ list[1].thoughtSignature, list[2].thoughtSignature }, { parts.UNSIGNED, nil })
      local body = { contents = { user({ text = "x" }), { role = "model", parts = list } } }
      t.ok(json.encode(body):find(door.stamps[1], 1, true), "not to be passed on")
      local req = decode(body)
      t.equal({ req.messages[2].reasoning_details, req.messages[2].tool_calls[1].extra_content }, {})
      local sent = json.decode((codec.encode(req, { model = "gemini-3-pro", facts = {} }))).contents[2].parts
      t.equal({ sent[1].thoughtSignature, sent[2].thoughtSignature }, { parts.NO_SIGNATURE, nil })
   end
end)

t.case("what hub.stamp writes is base64", function()
   local detail = { type = "reasoning.encrypted", data = "x", format = "anthropic-claude-v1" }
   t.equal(parts.signature(detail):sub(1, 8), "YmF0b246")
   t.equal({ parts.unsign(parts.signature(detail)) }, { "anthropic-claude-v1", "x" })
   t.equal({ parts.unsign "own" }, { "google-gemini-v1", "own" })
   t.equal(hub.stamp(detail):sub(1, 6), "baton:")
end)
