-- test_codec_anthropic: Anthropic Messages as a provider speaks it; recorded answers and requests.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.anthropic"
local decode_request = require "anthropic.request"
local fs = require "fs"
local json = require "json"
local models = require "anthropic.models"
local provider = require "provider"
local schema = require "anthropic.schema"

local function user(content)
   return { role = "user", content = content }
end

-- The native request for a hub request, decoded, and the warnings.
local function encode(req, model, more)
   req.messages = req.messages or { user "x" }
   local to = { model = model or "claude-sonnet-4-5", stream = false, facts = {} }
   for name, value in pairs(more or {}) do to[name] = value end
   local body, warnings = codec.encode(req, to)
   if not body then return nil, warnings end
   return json.decode(body), warnings
end

local function messages(list, model)
   local body, warnings = encode({ messages = list }, model)
   return body.messages, warnings, body.system
end

local function call(id, name, arguments)
   return { id = id, type = "function", ["function"] = { name = name, arguments = arguments } }
end

-- ---- bytes of a client of the same format ----

t.case("edits", function()
   local function edits(body, stream)
      return (codec.edits(provider.request(body), "m", stream))
   end
   t.equal(edits("{}", false), { model = "m" })
   t.equal(edits('{"stream":true}', true), { model = "m" })
   t.equal(edits('{"stream":true}', false), { model = "m", stream = false })
   t.equal(edits('{"stream":false}', true), { model = "m", stream = true })
   t.equal(edits('{"stream":null}', false), { model = "m" })
end)

-- ---- conversations ----

t.case("system and developer messages are hoisted", function()
   local cache = { type = "ephemeral" }
   local list, warnings, system = messages {
      { role = "system", content = "a" }, user "u", { role = "developer", content = "b",
         cache_control = cache },
   }
   t.equal(system, { { type = "text", text = "a" }, { type = "text", text = "b", cache_control = cache } })
   t.equal(list, { user "u" })
   t.equal(warnings, {})
   list, warnings, system = messages { { role = "system", content = "only" } }
   t.equal(system, nil)
   t.equal(list, { user "only" })
   t.equal(#warnings, 1)
   t.equal(select(3, messages { { role = "system", content = "one" }, user "u" }), "one")
end)

t.case("roles alternate, results come first and together", function()
   local list = messages {
      user "a", user "b",
      { role = "assistant", content = "c", tool_calls = { call("1", "f", '{"x":1}'), call("2", "g", "") } },
      { role = "tool", tool_call_id = "1", content = "of f" },
      user "and",
      { role = "tool", tool_call_id = "2", content = { { type = "text", text = "of g" } }, is_error = true },
      { role = "assistant", content = "d" }, { role = "assistant", content = "e " },
   }
   t.equal(list, {
      user { { type = "text", text = "a" }, { type = "text", text = "b" } },
      { role = "assistant", content = { { type = "text", text = "c" },
         { type = "tool_use", id = "1", name = "f", input = { x = 1 } },
         { type = "tool_use", id = "2", name = "g", input = {} } } },
      user { { type = "tool_result", tool_use_id = "1", content = "of f" },
         { type = "tool_result", tool_use_id = "2", content = "of g", is_error = true },
         { type = "text", text = "and" } },
      { role = "assistant", content = { { type = "text", text = "d" }, { type = "text", text = "e" } } },
   })
end)

t.case("empty input of a call is an object", function()
   local body = codec.encode({ messages = { user "x", { role = "assistant", tool_calls = { call("1", "f",
      "") } } } },
      { model = "m", facts = {} })
   t.ok(body:find('"input":{}', 1, true), body)
end)

t.case("texts that say nothing are left out", function()
   local list, warnings = messages { user "", user(json.null), user { { type = "text", text = " " } },
      user "a" }
   t.equal(list, { user "a" })
   t.equal(warnings, {})
   local body, err = encode { messages = { user "" } }
   t.equal(body, nil)
   t.equal(err.code, "bad_request")
   list, warnings = messages { { role = "assistant", content = "a" } }
   t.equal(list[1].role, "user")
   t.equal(#warnings, 1)
end)

t.case("ids and arguments", function()
   local list, warnings = messages { user "x",
      { role = "assistant", tool_calls = { call("functions.f:0", "f", "{"), call(nil, "g", "{}") } },
      { role = "tool", tool_call_id = "functions.f:0", content = "a" }, { role = "tool", content = "b" } }
   local calls, results = list[2].content, list[3].content
   t.ok(calls[1].id:find "^[%w_-]+$", calls[1].id)
   t.equal(results[1].tool_use_id, calls[1].id)
   t.equal(results[2].tool_use_id, calls[2].id)
   t.equal(calls[1].input, { raw = "{" })
   t.equal(warnings[1], "changed: tool arguments that are no JSON object")
end)

t.case("images and files", function()
   local list, warnings = messages { user {
      { type = "image_url", image_url = { url = "data:image/png;base64,AA==", detail = "low" } },
      { type = "image_url", image_url = { url = "https://a.b/c.png" },
         cache_control = { type = "ephemeral" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,AA==" } },
      { type = "file", file = { file_data = "data:text/plain;base64,YWJj" } },
      { type = "file", file = { file_data = "data:image/gif;base64,AA==" } },
      { type = "file", file = { file_url = "https://a.b/c.pdf" } },
      { type = "file", file = { file_id = "file-of-openai" } },
      { type = "input_audio", input_audio = { data = "AA==", format = "wav" } },
   } }
   t.equal(list[1].content, {
      { type = "image", source = { type = "base64", media_type = "image/png", data = "AA==" } },
      { type = "image", source = { type = "url", url = "https://a.b/c.png" },
         cache_control = { type = "ephemeral" } },
      { type = "document", source = { type = "base64", media_type = "application/pdf", data = "AA==" },
         title = "a.pdf" },
      { type = "document", source = { type = "text", media_type = "text/plain", data = "abc" } },
      { type = "image", source = { type = "base64", media_type = "image/gif", data = "AA==" } },
      { type = "document", source = { type = "url", url = "https://a.b/c.pdf" } },
   })
   t.equal(warnings, { "dropped: file", "dropped: input_audio" })
end)

local function text_detail(signature, format, index)
   return { type = "reasoning.text", text = "thought", signature = signature, index = index,
      format = format or "anthropic-claude-v1" }
end

t.case("thinking is given back as it came; another provider's is not", function()
   local list, warnings = messages { user "x", { role = "assistant", content = "a",
      reasoning_content = "thought",
      reasoning_details = { text_detail "s", text_detail("g", "google-gemini-v1"), text_detail(nil),
         { type = "reasoning.encrypted", data = "d", format = "anthropic-claude-v1" }, 7 },
      tool_calls = { call("1", "f", "{}") } } }
   t.equal(list[2].content, {
      { type = "thinking", thinking = "thought", signature = "s" }, { type = "redacted_thinking",
         data = "d" },
      { type = "text", text = "a" }, { type = "tool_use", id = "1", name = "f", input = {} },
   })
   t.equal(warnings[1], "reasoning of another provider dropped")
end)

t.case("thinking between blocks stays where it was", function()
   local function kinds(indexes)
      local details = {}
      for _, index in ipairs(indexes) do details[#details + 1] = text_detail("s", nil, index) end
      local list = messages { user "x", { role = "assistant", content = "a", reasoning_details = details,
         tool_calls = { call("1", "f", "{}") } } }
      local out = ""
      for _, block in ipairs(list[2].content) do out = out .. block.type:sub(1, 2) .. " " end
      return out
   end
   t.equal(kinds { 0, 2 }, "th te th to ")
   t.equal(kinds { 0, 1 }, "th th te to ")
   t.equal(kinds { 0, 4 }, "th th te to ")
   t.equal(kinds { 1, 2 }, "th th te to ")
   t.equal(kinds { 0, 0 }, "th th te to ")
   t.equal(kinds { 0, "x" }, "th th te to ")
end)

-- ---- tools ----

t.case("tools", function()
   local parameters = { type = "object", properties = { a = { type = "string" } } }
   local body, warnings = encode { tools = {
      { type = "function", ["function"] = { name = "f", description = "d", parameters = parameters,
         strict = true },
         cache_control = { type = "ephemeral" } },
      { type = "function", ["function"] = { name = "g" } },
      { type = "web_search_20250305", name = "web_search", max_uses = 1, format = "anthropic" },
      { type = "file_search", format = "responses" }, 7, { type = "function" },
   }, tool_choice = "required", parallel_tool_calls = false }
   t.equal(body.tools, {
      { name = "f", description = "d", strict = true, cache_control = { type = "ephemeral" },
         input_schema = { type = "object", properties = { a = { type = "string" } },
            additionalProperties = false } },
      { name = "g", input_schema = { type = "object", properties = {} } },
      { type = "web_search_20250305", name = "web_search", max_uses = 1 },
   })
   t.equal(parameters.additionalProperties, nil)
   t.equal(body.tool_choice, { type = "any", disable_parallel_tool_use = true })
   t.equal(warnings, { "dropped: tool file_search", "dropped: tool nil", "dropped: tool function" })
end)

t.case("tool choice", function()
   local function choice(value, parallel)
      local body = encode { tools = { { type = "function", ["function"] = { name = "f" } } },
         tool_choice = value,
         parallel_tool_calls = parallel }
      return body.tool_choice, body.tools
   end
   t.equal(choice "auto", { type = "auto" })
   t.equal(choice "none", { type = "none" })
   t.equal(choice({ type = "function", ["function"] = { name = "f" } }), { type = "tool", name = "f" })
   t.equal(choice(nil, false), { type = "auto", disable_parallel_tool_use = true })
   t.equal(choice("none", false), { type = "none" })
   t.equal(choice(nil, true), nil)
   local got, tools = choice { type = "allowed_tools", allowed_tools = { mode = "required", tools = {
      { type = "function", ["function"] = { name = "f" } } } } }
   t.equal(got, { type = "any" })
   t.equal(#tools, 1)
   got, tools = choice { type = "allowed_tools", allowed_tools = { mode = "auto", tools = {} } }
   t.equal({ got or "-", tools or "-" }, { "-", "-" })
   t.equal(encode({ tool_choice = "auto" }).tool_choice, nil)
end)

t.case("calls without tools", function()
   local body, warnings = encode { messages = { user "x", { role = "assistant",
      tool_calls = { call("1", "f", "{}") } }, { role = "tool", tool_call_id = "1", content = "y" } } }
   t.equal(body.tools, { { name = "f", input_schema = { type = "object", properties = {} } } })
   t.equal(body.tool_choice, { type = "none" })
   t.equal(#warnings, 1)
end)

t.case("functions of the older form", function()
   local body = encode { functions = { { name = "f", parameters = { type = "object" } } },
      function_call = { name = "f" }, messages = { user "x",
         { role = "assistant", content = json.null, function_call = { name = "f", arguments = "{}" } },
         { role = "function", name = "f", content = "y" } } }
   t.equal(body.tools, { { name = "f", input_schema = { type = "object" } } })
   t.equal(body.tool_choice, { type = "tool", name = "f" })
   t.equal(body.messages[3].content[1].tool_use_id, body.messages[2].content[1].id)
end)

-- ---- settings ----

t.case("max_tokens", function()
   t.equal(encode({}, "claude-sonnet-4-5").max_tokens, 64000)
   t.equal(encode({}, "claude-3-haiku-20240307").max_tokens, 4096)
   t.equal(encode({}, "glm-5").max_tokens, 8192)
   t.equal(encode({}, "glm-5", { facts = { max_output = 100 } }).max_tokens, 100)
   t.equal(encode({ max_tokens = 7 }).max_tokens, 7)
   t.equal(encode({ max_tokens = 7, max_completion_tokens = 8 }).max_tokens, 8)
   local body, warnings = encode({ max_tokens = 1e300 }, "m", { facts = { max_output = 100 } })
   t.equal(body.max_tokens, 100)
   t.equal(#warnings, 1)
end)

t.case("what is sent, what is reported", function()
   local body, warnings = encode { stop = { "END", " ", "\n" }, user = "u", top_k = 3, temperature = 1.5,
      n = 1,
      seed = 1, logprobs = false, stream_options = {}, service_tier = "default", metadata = { a = "b" },
      presence_penalty = json.null, store = false, modalities = { "text" } }
   t.equal(body, { model = "claude-sonnet-4-5", max_tokens = 64000, messages = { user "x" },
      stop_sequences = { "END" }, metadata = { user_id = "u" }, top_k = 3, temperature = 1,
      service_tier = "standard_only" })
   t.equal(warnings, { "changed: temperature 1.5 -> 1", "dropped: stop (only white space)",
      "dropped: metadata",
      "dropped: seed" })
   body, warnings = encode { n = 2, logprobs = true, store = true, service_tier = "priority", stop = "S" }
   t.equal(body.stop_sequences, { "S" })
   t.equal(warnings, { "dropped: service_tier", "dropped: n", "dropped: logprobs", "dropped: store" })
   t.equal(encode({ stop = " " }).stop_sequences, nil)
   t.equal(encode({ temperature = 0.5, top_p = 0.5 }).top_p, nil)
   t.equal(encode({ temperature = 0.5, top_p = 0.5 }, "claude-3-haiku-20240307").top_p, 0.5)
   t.equal(encode({ temperature = 0.5, top_p = 0.5, top_k = 1 }, "claude-opus-4-7").temperature, nil)
   body, warnings = encode({ temperature = 1 }, "claude-sonnet-5")
   t.equal(body.temperature, nil)
   t.equal(warnings, {})
end)

t.case("null is never sent", function()
   local req = { messages = { user "x" } }
   for _, name in ipairs { "tools", "tool_choice", "stop", "temperature", "max_tokens", "user",
      "response_format",
      "reasoning_effort", "reasoning", "parallel_tool_calls", "service_tier", "web_search_options",
         "seed" } do
      req[name] = json.null
   end
   local body = codec.encode(req, { model = "m", facts = {} })
   t.ok(not body:find "null", body)
end)

t.case("thinking", function()
   local function thinking(req, model)
      local body, warnings = encode(req, model)
      return { body.thinking or "-", body.output_config or "-", #warnings }
   end
   t.equal(thinking({}, "claude-sonnet-4-5"), { "-", "-", 0 })
   t.equal(thinking({ reasoning_effort = "low" }, "claude-sonnet-4-5"),
      { { type = "enabled", budget_tokens = 2048 }, "-", 0 })
   t.equal(thinking({ reasoning_effort = "high", max_tokens = 5000 }, "claude-sonnet-4-5"),
      { { type = "enabled", budget_tokens = 4000 }, "-", 0 })
   t.equal(thinking({ reasoning = { max_tokens = 8000 }, max_tokens = 5000 }, "claude-sonnet-4-5"),
      { { type = "enabled", budget_tokens = 4999 }, "-", 1 })
   t.equal(thinking({ reasoning = { max_tokens = 10 } }, "claude-sonnet-4-5"),
      { { type = "enabled", budget_tokens = 1024 }, "-", 1 })
   t.equal(thinking({ reasoning_effort = "low", max_tokens = 1000 }, "claude-sonnet-4-5"), { "-", "-", 1 })
   t.equal(thinking({ reasoning_effort = "low" }, "claude-opus-4-8"),
      { { type = "adaptive", display = "summarized" }, { effort = "low" }, 0 })
   t.equal(thinking({ reasoning_effort = "minimal" }, "claude-opus-4-6"),
      { { type = "adaptive" }, { effort = "low" }, 1 })
   t.equal(thinking({ reasoning_effort = "xhigh" }, "claude-opus-4-6"), { { type = "adaptive" },
      { effort = "max" }, 1 })
   t.equal(thinking({ reasoning = { max_tokens = 2000 } }, "claude-opus-4-6"),
      { { type = "enabled", budget_tokens = 2000 }, "-", 0 })
   t.equal(thinking({ reasoning = { max_tokens = 2000 } }, "claude-sonnet-5"),
      { { type = "adaptive", display = "summarized" }, { effort = "low" }, 1 })
   t.equal(thinking({ reasoning_effort = "none" }, "claude-sonnet-5"), { { type = "disabled" }, "-", 0 })
   t.equal(thinking({ reasoning_effort = "none" }, "claude-fable-5"), { "-", "-", 1 })
   t.equal(thinking({ reasoning_effort = "none" }, "claude-3-haiku-20240307"), { "-", "-", 0 })
   t.equal(thinking({ reasoning_effort = "high" }, "claude-3-haiku-20240307"), { "-", "-", 1 })
   t.equal(thinking({ reasoning = { enabled = true } }, "glm-5"),
      { { type = "enabled", budget_tokens = 6553 }, "-", 0 })
   local tool = { type = "function", ["function"] = { name = "f" } }
   t.equal(thinking({ reasoning_effort = "low", tools = { tool }, tool_choice = "required" }), { "-", "-",
      1 })
   local body, warnings = encode { reasoning_effort = "low", temperature = 0.5, top_p = 0.97, top_k = 1 }
   t.equal({ body.temperature or "-", body.top_p, body.top_k or "-", #warnings }, { "-", 0.97, "-", 2 })
   t.equal(encode({ reasoning_effort = "low", temperature = 1 }).temperature, 1)
end)

t.case("a turn under way without thinking", function()
   local list = { user "x", { role = "assistant", tool_calls = { call("1", "f", "{}") } },
      { role = "tool", tool_call_id = "1", content = "y" } }
   local req = { messages = list, reasoning_effort = "low" }
   local body, warnings = encode(req)
   t.equal(body.thinking, nil)
   t.ok(#warnings >= 1)
   list[2].reasoning_details = { text_detail "s" }
   t.equal(encode(req).thinking.type, "enabled")
   list[2].reasoning_details = nil
   t.equal(encode(req, "claude-sonnet-5").thinking.type, "adaptive")
end)

t.case("a client's own turn under way that another provider began", function()
   local ask = { role = "user", content = "x" }
   local use = { type = "tool_use", id = "c", name = "f", input = {} }
   local result = { role = "user", content = { { type = "tool_result", tool_use_id = "c", content = "r" } } }
   local thought = { type = "thinking", thinking = "hm", signature = "S" }
   local function removed(said, more)
      local body = { thinking = { type = "enabled", budget_tokens = 1024 }, messages = said }
      for name, value in pairs(more or {}) do body[name] = value end
      local _, gone, warnings = codec.edits(provider.request(json.encode(body)), "m", false)
      t.equal(warnings ~= nil, gone ~= nil)
      return gone
   end
   local bare = { role = "assistant", content = { { type = "text", text = "a" }, use } }
   local whole = { role = "assistant", content = { thought, use } }
   t.equal(removed { ask, bare, result }, { "thinking" })
   t.equal(removed { ask, bare, result, whole, result }, { "thinking" })
   t.equal(removed { ask, whole, result }, nil)
   t.equal(removed { ask, bare, result, { role = "assistant", content = "y" }, ask }, nil)
   t.equal(removed({ ask, bare, result }, { thinking = { type = "adaptive" } }), nil)
   t.equal(removed({ ask, bare, result }, { context_management = { edits = {
      { type = "clear_thinking_20251015" } } } }), { "thinking", "context_management" })
   for _, odd in ipairs { "tool_result", 7, { "tool_result" }, { { content = "tool_result" } },
      { { role = "assistant", content = { "tool_result", 7 } } } } do
      t.equal(removed(odd), nil)
   end
end)

t.case("structured output", function()
   local wanted = { type = "json_schema", json_schema = { name = "n", schema = { type = "object",
      properties = { n = { type = "integer", minimum = 1 } } } } }
   local body = encode { response_format = wanted }
   t.equal(body.output_config.format, { type = "json_schema", schema = { type = "object",
      additionalProperties = false,
      properties = { n = { type = "integer", description = "{minimum: 1}" } } } })
   local older, warnings = encode({ response_format = wanted }, "claude-sonnet-4-20250514")
   t.equal(older.output_config, nil)
   t.ok(older.system:find('"minimum":1', 1, true))
   t.equal(#warnings, 1)
   body, warnings = encode { response_format = { type = "json_object" }, messages = {
      { role = "system", content = "s" }, user "x" } }
   t.equal(#body.system, 2)
   t.equal(#warnings, 1)
   t.equal(encode({ response_format = { type = "text" } }).system, nil)
end)

t.case("schemas keep the order of their members", function()
   local text = '{"type":"object","properties":{"z":{"type":"string","maxLength":3},'
      .. '"a":{"anyOf":[{"type":"null"},{"type":"object","properties":{}}]}},'
      .. '"required":["z"],"additionalProperties":false}'
   t.equal(json.encode(schema.fit(json.decode(text))), '{"type":"object","properties":{"z":{"type":"string",'
      .. '"description":"{maxLength: 3}"},"a":{"anyOf":[{"type":"null"},{"type":"object","properties":{},'
      .. '"additionalProperties":false}]}},"required":["z"],"additionalProperties":false}')
   t.equal(schema.fit(nil), { type = "object", additionalProperties = false })
end)

t.case("models", function()
   local function is(name, text)
      local facts = models.of(name)
      local out = {}
      for _, word in ipairs { "adaptive", "enabled", "always", "structured", "sampling" } do
         if facts[word] then out[#out + 1] = word end
      end
      for _, word in ipairs { "low", "max", "xhigh" } do
         if facts.efforts[word] then out[#out + 1] = word end
      end
      t.equal(name .. ": " .. table.concat(out, " ") .. " " .. facts.max_output, name .. ": " .. text)
   end
   is("claude-opus-5", "adaptive structured low max xhigh 128000")
   is("claude-fable-5", "adaptive always structured low max xhigh 128000")
   is("claude-opus-4-7", "adaptive structured low max xhigh 128000")
   is("claude-sonnet-4-6", "adaptive enabled structured sampling low max 128000")
   is("anthropic/claude-opus-4.5", "enabled structured sampling low 64000")
   is("claude-opus-4-5-20251101", "enabled structured sampling low 64000")
   is("claude-haiku-4-5-20251001", "enabled structured sampling 64000")
   is("claude-opus-4-1-20250805", "enabled structured sampling 32000")
   is("claude-sonnet-4-20250514", "enabled sampling 64000")
   is("claude-3-7-sonnet-20250219", "enabled sampling 64000")
   is("claude-3-5-haiku-latest", "sampling 8192")
   is("claude-3-opus-20240229", "sampling 4096")
   is("claude-2.1", "sampling 4096")
   is("kimi-k2", "enabled sampling 8192")
end)

t.case("models: as the provider lists them", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local text = assert(fs.read(t.vectors .. "/provider-fixtures/anthropic/models-plain-1.response.json"))
   local n = 0
   for _, model in ipairs(json.decode(text).data) do
      local facts, told = models.of(model.id), model.capabilities
      n = n + 1
      t.equal(facts.max_output, model.max_tokens)
      t.equal(facts.adaptive, told.thinking.types.adaptive.supported)
      t.equal(facts.enabled, told.thinking.types.enabled.supported)
      t.equal(facts.structured, told.structured_outputs.supported)
      for _, effort in ipairs { "low", "medium", "high", "xhigh", "max" } do
         local word = told.effort[effort]
         t.equal(facts.efforts[effort], word ~= nil and word.supported)
      end
   end
   t.ok(n >= 10)
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

-- ---- requests that clients of this format wrote, through the hub and back ----

-- A native request in one way of writing: texts as blocks, without what says nothing.
local function settled(native)
   local function blocks(content)
      if type(content) == "string" then return content ~= "" and { { type = "text", text = content } }
         or {} end
      for _, item in ipairs(content) do
         if item.type == "tool_result" then
            item.content = blocks(item.content)
            if item.is_error == false then item.is_error = nil end
         end
      end
      return content
   end
   native.system = native.system and blocks(native.system)
   if native.system and #native.system == 0 then native.system = nil end
   for _, message in ipairs(native.messages) do message.content = blocks(message.content) end
   if native.stream == false then native.stream = nil end
   for _, tool in ipairs(native.tools or {}) do tool.description = tool.description or "" end
   return native
end

t.case("what the catalogue says of a model comes before what its name tells", function()
   local tools = { { type = "function", ["function"] = { name = "f" } } }
   local facts = { dialect = { "always_thinks", "no_forced_tool" } }
   local body, warnings = encode({ tools = tools, tool_choice = "required", reasoning_effort = "none" },
      "claude-opus-5-5", { facts = facts })
   t.equal(body.tool_choice, { type = "auto" })
   t.equal(body.thinking, nil)
   t.equal(#warnings, 2)
   body = encode({ tools = tools, tool_choice = "required", reasoning_effort = "none" }, "claude-opus-5-5")
   t.equal(body.tool_choice, { type = "any" })
   t.equal(body.thinking, { type = "disabled" })
   t.equal(models.of("kimi-k2", { "no_sampling" }).sampling, false)
   t.equal(models.of("kimi-k2").sampling, true)
end)

t.case("recorded requests survive the hub", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, transport in ipairs { "json", "sse" } do
      for _, entry in ipairs(recordings(transport)) do
         local bytes = entry.endpoint == "messages" and fs.read(ROOT .. entry.request)
         if bytes and entry.id:find "err400%-1$" then
            local req, err = decode_request(bytes)
            t.equal(req, nil)
            t.equal(err.param, "messages.0")
            n = n + 1
         elseif bytes then
            local native = json.decode(bytes)
            local req, err, foreign = decode_request(bytes)
            t.equal(entry.id .. (req and "" or tostring(err)), entry.id)
            t.equal(foreign, false)
            local body, warnings = codec.encode(req, { model = native.model, stream = native.stream,
               facts = {} })
            t.equal({ entry.id, warnings }, { entry.id, {} })
            local back = settled(json.decode(body))
            native = settled(native)
            for name, value in pairs(native) do t.equal({ entry.id, name, back[name] }, { entry.id, name,
               value }) end
            for name in pairs(back) do t.ok(native[name] ~= nil, entry.id .. ": " .. name) end
            n = n + 1
         end
      end
   end
   t.ok(n >= 30, "requests: " .. n)
end)
