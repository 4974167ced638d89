-- test_sim_formats: the simulator says the same in every format, whole and streamed.
-- SPDX-License-Identifier: MIT
local home = ...

local help = require "simhelp"
local json = require "json"

local check, equal, post, bytes, events = help.check, help.equal, help.post, help.bytes, help.events
local server = help.server(home)

local CAPITAL = "What is the capital of Australia?"
local WEATHER = "How is the weather in Paris?"
local PNG = "iVBORw0KGgoAAAAA"
local SCHEMA = { type = "object", properties = { city = { type = "string" } }, required = { "city" } }

-- Each format: how a request is written and an answer is read. 'o': text, tools, think, image, format,
-- stream.
local formats = {}

local function merged(body, more)
   for k, v in pairs(more or {}) do body[k] = v end
   return body
end

-- What all readers give: { text, thoughts, calls = { { name, arguments } }, finish, usage }
local function result()
   return { text = "", thoughts = "", calls = {} }
end

formats.openai = {
   ask = function(o)
      local content = o.text
      if o.image then
         content = { { type = "text", text = o.text },
            { type = "image_url", image_url = { url = "data:image/png;base64," .. PNG } } }
      end
      local body = { model = o.model or "pro", messages = { { role = "user", content = content } },
         stream = o.stream }
      if o.stream then body.stream_options = { include_usage = true } end
      if o.tools then
         body.tools = { { type = "function", ["function"] = { name = "get_weather", parameters = SCHEMA } } }
      end
      if o.think then body.reasoning_effort = "low" end
      if o.format then
         body.response_format = { type = "json_schema", json_schema = { name = "x", schema = SCHEMA } }
      end
      return "/v1/chat/completions", body
   end,
   read = function(text)
      local whole, out = json.decode(text), result()
      local m = whole.choices[1].message
      out.text, out.thoughts = type(m.content) == "string" and m.content or "", m.reasoning_content or ""
      for i, c in ipairs(m.tool_calls or {}) do
         out.calls[i] = { name = c["function"].name, arguments = json.decode(c["function"].arguments) }
      end
      out.finish, out.usage = whole.choices[1].finish_reason, whole.usage.completion_tokens
      return out
   end,
   read_stream = function(text)
      local out, arguments = result(), {}
      for _, e in ipairs(events(text)) do
         local choice = type(e.data) == "table" and e.data.choices[1]
         if choice then
            local d = choice.delta
            out.text = out.text .. (type(d.content) == "string" and d.content or "")
            out.thoughts = out.thoughts .. (d.reasoning_content or "")
            for _, c in ipairs(d.tool_calls or {}) do
               if c.id then out.calls[c.index + 1] = { name = c["function"].name } end
               arguments[c.index + 1] = (arguments[c.index + 1] or "") .. c["function"].arguments
            end
            out.finish = choice.finish_reason ~= json.null and choice.finish_reason or out.finish
         elseif type(e.data) == "table" then
            out.usage = e.data.usage.completion_tokens
         end
      end
      for i, a in ipairs(arguments) do out.calls[i].arguments = json.decode(a) end
      return out
   end,
}

formats.responses = {
   ask = function(o)
      local parts = { { type = "input_text", text = o.text } }
      if o.image then parts[2] = { type = "input_image", image_url = "data:image/png;base64," .. PNG } end
      local body = { model = o.model or "pro", input = { { role = "user", content = parts } },
         stream = o.stream }
      if o.tools then body.tools = { { type = "function", name = "get_weather", parameters = SCHEMA } } end
      if o.think then body.reasoning = { effort = "low", summary = "auto" } end
      if o.format then body.text = { format = { type = "json_schema", name = "x", schema = SCHEMA } } end
      return "/v1/responses", body
   end,
   read_object = function(whole)
      local out = result()
      for _, item in ipairs(whole.output) do
         if item.type == "message" then out.text = item.content[1].text end
         if item.type == "reasoning" then out.thoughts = item.summary[1].text end
         if item.type == "function_call" then
            table.insert(out.calls, { name = item.name, arguments = json.decode(item.arguments) })
         end
      end
      out.finish, out.usage = whole.status, whole.usage.output_tokens
      return out
   end,
   read_stream = function(text)
      local list, said, thoughts = events(text), "", ""
      for i, e in ipairs(list) do
         equal(e.event, e.data.type, "the event's name")
         equal(e.data.sequence_number, i - 1, "sequence numbers")
         if e.event == "response.output_text.delta" then said = said .. e.data.delta end
         if e.event == "response.reasoning_summary_text.delta" then thoughts = thoughts .. e.data.delta end
      end
      local out = formats.responses.read_object(list[#list].data.response)
      equal(said, out.text)
      equal(thoughts, out.thoughts)
      return out
   end,
}
formats.responses.read = function(text) return formats.responses.read_object(json.decode(text)) end

formats.anthropic = {
   ask = function(o)
      local content = { { type = "text", text = o.text } }
      if o.image then
         content[2] = { type = "image", source = { type = "base64", media_type = "image/png", data = PNG } }
      end
      local body = {
         model = o.model or "pro", max_tokens = 4000, messages = { { role = "user", content = content } },
         stream = o.stream,
      }
      if o.tools then body.tools = { { name = "get_weather", input_schema = SCHEMA } } end
      if o.think then body.thinking, body.output_config = { type = "adaptive" }, { effort = "low" } end
      if o.format then
         body.output_config = { format = { type = "json_schema", schema = SCHEMA } }
      end
      return "/v1/messages", body
   end,
   read_object = function(whole)
      local out = result()
      for _, block in ipairs(whole.content) do
         if block.type == "text" then out.text = block.text end
         if block.type == "thinking" then out.thoughts = block.thinking end
         if block.type == "tool_use" then
            table.insert(out.calls, { name = block.name, arguments = block.input })
         end
      end
      out.finish, out.usage = whole.stop_reason, whole.usage.output_tokens
      return out
   end,
   read_stream = function(text)
      local whole, block, fragments
      for _, e in ipairs(events(text)) do
         local d = e.data
         equal(e.event, d.type, "the event's name")
         if d.type == "message_start" then whole = d.message end
         if d.type == "content_block_start" then
            block, fragments = d.content_block, ""
            whole.content[d.index + 1] = block
         elseif d.type == "content_block_delta" then
            local delta = d.delta
            if delta.text then block.text = block.text .. delta.text end
            if delta.thinking then block.thinking = block.thinking .. delta.thinking end
            if delta.signature then block.signature = delta.signature end
            fragments = fragments .. (delta.partial_json or "")
         elseif d.type == "content_block_stop" and fragments ~= "" then
            block.input = json.decode(fragments)
         elseif d.type == "message_delta" then
            whole.stop_reason, whole.usage = d.delta.stop_reason, d.usage
         end
      end
      return formats.anthropic.read_object(whole)
   end,
}
formats.anthropic.read = function(text) return formats.anthropic.read_object(json.decode(text)) end

local function read_gemini(out, whole)
   for _, part in ipairs(whole.candidates[1].content.parts) do
      if part.thought then
         out.thoughts = out.thoughts .. part.text
      elseif part.functionCall then
         table.insert(out.calls, { name = part.functionCall.name, arguments = part.functionCall.args })
      else
         out.text = out.text .. part.text
      end
   end
   out.finish = whole.candidates[1].finishReason or out.finish
   local u = whole.usageMetadata
   out.usage = (u.candidatesTokenCount or 0) + (u.thoughtsTokenCount or 0)
   return out
end

formats.gemini = {
   ask = function(o)
      local parts = { { text = o.text } }
      if o.image then parts[2] = { inlineData = { mimeType = "image/png", data = PNG } } end
      local body = { contents = { { role = "user", parts = parts } }, generationConfig = json.object {} }
      if o.tools then
         body.tools = { { functionDeclarations = { { name = "get_weather", parameters = SCHEMA } } } }
      end
      if o.think then
         body.generationConfig.thinkingConfig = { thinkingLevel = "low", includeThoughts = true }
      end
      if o.format then
         body.generationConfig.responseMimeType = "application/json"
         body.generationConfig.responseJsonSchema = SCHEMA
      end
      return ("/v1beta/models/%s:%s"):format(o.model or "pro", o.stream and "streamGenerateContent?alt=sse"
         or "generateContent"), body
   end,
   read = function(text) return read_gemini(result(), json.decode(text)) end,
   read_stream = function(text)
      local out = result()
      check(text:find("\r\n\r\n", 1, true), "no CRLF")
      for _, e in ipairs(events(text)) do read_gemini(out, e.data) end
      return out
   end,
}

local function read_ollama(out, line)
   local m = line.message
   out.text, out.thoughts = out.text .. m.content, out.thoughts .. (m.thinking or "")
   for _, c in ipairs(m.tool_calls or {}) do
      table.insert(out.calls, { name = c["function"].name, arguments = c["function"].arguments })
   end
   out.finish, out.usage = line.done_reason, line.eval_count
   return out
end

formats.ollama = {
   ask = function(o)
      local body = {
         model = o.model or "pro", stream = o.stream or false,
         messages = { { role = "user", content = o.text, images = o.image and { PNG } or nil } },
      }
      if o.tools then
         body.tools = { { type = "function", ["function"] = { name = "get_weather", parameters = SCHEMA } } }
      end
      if o.think then body.think = "low" end
      if o.format then body.format = SCHEMA end
      return "/api/chat", body
   end,
   read = function(text) return read_ollama(result(), json.decode(text)) end,
   read_stream = function(text)
      local out = result()
      for _, line in ipairs(help.lines(text)) do read_ollama(out, line) end
      return out
   end,
}

local FINISH = {
   openai = { "stop", "tool_calls" }, responses = { "completed", "completed" }, anthropic = { "end_turn",
      "tool_use" },
   gemini = { "STOP", "STOP" }, ollama = { "stop", "stop" },
}

-- The answer of one format to 'o', whole or streamed.
local function answer(name, o, more)
   local path, body = formats[name].ask(o)
   local plan = post(server, path, merged(body, more))
   local text = bytes(plan)
   equal(plan.status, 200, name .. ": " .. text:sub(1, 300))
   if plan.status ~= 200 then return result() end
   return formats[name][o.stream and "read_stream" or "read"](text)
end

local function test_every_format_says_the_same()
   for name in pairs(formats) do
      for _, stream in ipairs { false, true } do
         local what = name .. (stream and " streamed" or "")
         local got = answer(name, { text = CAPITAL, stream = stream })
         check(got.text:find("Canberra", 1, true), what .. ": " .. got.text)
         equal(got.thoughts, "", what)
         equal(got.finish, FINISH[name][1], what)
         equal(got.usage, 4, what)
         got = answer(name, { text = CAPITAL, stream = stream, think = true, image = true })
         check(got.text:find("^I see 1 image %(image/png%)%. "), what .. ": " .. got.text)
         check(got.thoughts:find("^The question is about"), what .. ": " .. got.thoughts)
         check(got.usage > 20, what .. ": thoughts are not counted")
         got = answer(name, { text = WEATHER, stream = stream, tools = true, think = true })
         equal(#got.calls, 1, what)
         equal(got.calls[1].name, "get_weather", what)
         equal(got.calls[1].arguments.city, "Paris", what)
         equal(got.finish, FINISH[name][2], what)
         got = answer(name, { text = "We met in Rome", stream = stream, format = true })
         equal(json.decode(got.text).city, "Rome", what)
      end
   end
end

-- ---- the second turn ----

local function weather_calls(path, body)
   return json.decode(bytes(post(server, path, body)))
end

local function test_tools_over_two_turns_in_responses()
   local path, body = formats.responses.ask { text = WEATHER, tools = true, think = true }
   body.store, body.include = false, { "reasoning.encrypted_content" }
   local first = weather_calls(path, body)
   local thought, call = first.output[1], first.output[2]
   local function second(...)
      local input = { body.input[1], ... }
      table.insert(input, { type = "function_call_output", call_id = call.call_id, output = "sunny" })
      local plan = post(server, path, merged({ input = input }, { model = "pro", store = false }))
      return plan.status, bytes(plan)
   end
   local status, text = second(thought, call)
   equal(status, 200, text)
   check(text:find("The tool says: sunny", 1, true), text)
   status, text = second(call)
   equal(status, 400)
   check(text:find("without its required 'reasoning' item", 1, true), text)
   thought.encrypted_content = "gAAAAAxyz"
   status, text = second(thought, call)
   equal(status, 400)
   check(text:find("invalid_encrypted_content", 1, true), text)
   thought.encrypted_content = nil
   status, text = second(thought, call)
   equal(status, 404)
   check(text:find("not persisted", 1, true), text)
   status, text = second()
   equal(status, 400)
   check(text:find("No tool call found", 1, true), text)
end

local function test_responses_are_remembered()
   local path, body = formats.responses.ask { text = WEATHER, tools = true }
   local first = weather_calls(path, body)
   local output = { type = "function_call_output", call_id = first.output[1].call_id, output = "rain" }
   local plan = post(server, path, { model = "pro", previous_response_id = first.id, input = { output } })
   check(bytes(plan):find("The tool says: rain", 1, true), plan.body)
   plan = post(server, path, { model = "pro", previous_response_id = "resp_0none", input = { output } })
   equal(json.decode(plan.body).error.code, "previous_response_not_found")
end

local function test_tools_over_two_turns_in_anthropic()
   local path, body = formats.anthropic.ask { text = WEATHER, tools = true }
   body.thinking = { type = "enabled", budget_tokens = 1024 }
   local first = weather_calls(path, body)
   local function second(content, result_of)
      body.messages = { body.messages[1], { role = "assistant", content = json.array(content) },
         { role = "user", content = { merged({ type = "tool_result", content = "sunny" }, result_of) } } }
      local plan = post(server, path, body)
      return plan.status, plan.body
   end
   local thought, call = first.content[1], first.content[2]
   local right = { tool_use_id = call.id }
   local status, text = second({ thought, call }, right)
   equal(status, 200, text)
   check(text:find("The tool says: sunny", 1, true), text)
   status, text = second({ thought, call }, { tool_use_id = call.id, is_error = true })
   check(status == 200 and text:find("The tool failed: sunny", 1, true), text)
   status, text = second({ call }, right)
   check(status == 400 and text:find("Expected `thinking` or `redacted_thinking`, but found `tool_use`", 1,
      true), text)
   status, text = second({ thought, call }, { tool_use_id = "toolu_other" })
   check(status == 400 and text:find("unexpected `tool_use_id`", 1, true), text)
   thought.thinking = thought.thinking .. "!"
   status, text = second({ thought, call }, right)
   check(status == 400 and text:find("messages.1.content.0: Invalid `signature` in `thinking` block", 1,
      true), text)
end

local function test_redacted_thoughts()
   local path, body = formats.anthropic.ask {
      text = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING Hello", think = true,
   }
   local first = weather_calls(path, body)
   equal(first.content[1].type, "redacted_thinking")
   table.insert(body.messages, { role = "assistant", content = first.content })
   table.insert(body.messages, { role = "user", content = "More" })
   equal(post(server, path, body).status, 200)
   first.content[1].data = "Emxx"
   equal(post(server, path, body).status, 400)
end

local function test_tools_over_two_turns_in_gemini()
   local path, body = formats.gemini.ask { text = WEATHER, tools = true, think = true }
   local content = weather_calls(path, body).candidates[1].content
   local part
   for _, p in ipairs(content.parts) do part = p.functionCall and p or part end
   local function second(call, response)
      body.contents = { body.contents[1], { role = "model", parts = { call } },
         { role = "user", parts = { { functionResponse = response } } } }
      local plan = post(server, path, body)
      return plan.status, plan.body
   end
   local good = { name = "get_weather", response = { output = "sunny" } }
   local status, text = second(part, good)
   equal(status, 200, text)
   check(text:find("The tool says: sunny", 1, true), text)
   status, text = second({ functionCall = part.functionCall }, good)
   check(status == 400 and text:find("missing a thought_signature", 1, true), text)
   status, text = second({ functionCall = part.functionCall, thoughtSignature = "Cixx" }, good)
   check(status == 400 and text:find("Thought signature is not valid", 1, true), text)
   status = second({ functionCall = part.functionCall,
      thoughtSignature = "skip_thought_signature_validator" }, good)
   equal(status, 200)
   status, text = second(part, { name = "other", response = { output = "x" } })
   equal(status, 400, text)
   status, text = second(part, { name = "get_weather", response = { error = "no such city" } })
   check(status == 200 and text:find("The tool failed: no such city", 1, true), text)
end

-- ---- usage ----

local function test_what_is_marked_is_written_and_then_read()
   local path, body = formats.anthropic.ask { text = CAPITAL }
   body.system = { { type = "text", text = ("Be brief. "):rep(100), cache_control = { type = "ephemeral",
      ttl = "1h" } } }
   local first = weather_calls(path, body).usage
   local again = weather_calls(path, body).usage
   check(first.cache_creation_input_tokens > 200, json.encode(first))
   equal(first.cache_creation.ephemeral_1h_input_tokens, first.cache_creation_input_tokens)
   equal(again.cache_read_input_tokens, first.cache_creation_input_tokens)
   equal(again.cache_creation_input_tokens, 0)
   equal(again.input_tokens, first.input_tokens)
end

local function test_each_format_counts_in_its_way()
   local long = ("Tell me about rivers. "):rep(400)
   local _, body = formats.openai.ask { text = long, think = true }
   local chat = weather_calls("/v1/chat/completions", body).usage
   check(chat.prompt_tokens_details.cached_tokens > 0, "nothing is cached")
   check(chat.completion_tokens > chat.completion_tokens_details.reasoning_tokens, "reasoning is not in it")
   local path
   path, body = formats.gemini.ask { text = long, think = true }
   local gemini = weather_calls(path, body).usageMetadata
   equal(gemini.promptTokenCount, chat.prompt_tokens)
   equal(gemini.cachedContentTokenCount, chat.prompt_tokens_details.cached_tokens)
   equal(gemini.thoughtsTokenCount, chat.completion_tokens_details.reasoning_tokens)
   equal(gemini.candidatesTokenCount, chat.completion_tokens - gemini.thoughtsTokenCount)
   _, body = formats.responses.ask { text = long, think = true }
   local responses = weather_calls("/v1/responses", body).usage
   equal(responses.output_tokens_details.reasoning_tokens, gemini.thoughtsTokenCount)
   equal(responses.output_tokens, chat.completion_tokens)
end

-- ---- the other paths ----

local function test_other_paths()
   local anthropic = { ["anthropic-version"] = "2023-06-01" }
   equal(json.decode(help.get(server, "/v1/models", anthropic).body).data[1].type, "model")
   equal(json.decode(help.get(server, "/v1/models/pro", anthropic).body).display_name, "Simulated pro")
   equal(json.decode(help.get(server, "/v1beta/models").body).models[1].name, "models/mini")
   equal(json.decode(help.get(server, "/v1beta/models/pro").body).name, "models/pro")
   equal(json.decode(help.get(server, "/api/tags").body).models[1].name, "mini:latest")
   check(json.decode(help.get(server, "/api/version").body).version, "no version")
   local count = { model = "pro", messages = { { role = "user", content = "Hello there" } } }
   check(json.decode(post(server, "/v1/messages/count_tokens", count).body).input_tokens > 0,
      "nothing counted")
   count = { contents = { { role = "user", parts = { { text = "Hello there" } } } } }
   check(json.decode(post(server, "/v1beta/models/pro:countTokens", count).body).totalTokens > 0,
      "nothing counted")
   local show = json.decode(post(server, "/api/show", { model = "pro:latest" }).body)
   check(#show.capabilities > 2, "no capabilities")
   local lines = help.lines(bytes(post(server, "/api/generate", { model = "pro", prompt = CAPITAL })))
   equal(lines[1].done, false)
   equal(lines[#lines].done_reason, "stop")
   equal(lines[#lines].context[1], 1)
   equal(json.decode(post(server, "/api/chat", { model = "pro", messages = json.array {},
      stream = false }).body)
      .done_reason, "load")
end

local function test_gemini_without_events_is_one_array()
   local _, body = formats.gemini.ask { text = CAPITAL }
   local plan = post(server, "/v1beta/models/pro:streamGenerateContent", body)
   local list = json.decode(bytes(plan))
   check(json.is_array(list) and #list > 3, "no array")
   equal(help.header(plan, "content-type"), "application/json; charset=UTF-8")
end

local function test_a_key_in_another_format_s_header_is_refused()
   local path, body = formats.anthropic.ask { text = CAPITAL }
   local headers = { ["anthropic-version"] = "2023-06-01", ["x-goog-api-key"] = "k" }
   equal(post(server, path, body, headers).status, 401)
   headers["x-api-key"] = "k"
   equal(post(server, path, body, headers).status, 200)
   path, body = formats.gemini.ask { text = CAPITAL }
   equal(post(server, path, body, { ["x-api-key"] = "k" }).status, 400)
end

local function floats_of(base64)
   local threes = {}
   local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
   for four in base64:gmatch("....") do
      local n = 0
      for c in four:gmatch(".") do n = n << 6 | ((digits:find(c, 1, true) or 1) - 1) end
      threes[#threes + 1] = string.pack(">I3", n)
   end
   local text, out = table.concat(threes), {}
   for at = 1, #text - 3, 4 do out[#out + 1] = (string.unpack("<f", text, at)) end
   return out
end

local function near(a, b)
   local sum = 0
   for i = 1, #a do sum = sum + a[i] * b[i] end
   return sum
end

local function test_vectors()
   local texts = { "the cat sat on the mat", "a cat sat on a mat", "stock prices fell" }
   local plain = json.decode(post(server, "/v1/embeddings", { model = "embed", input = texts }).body)
   local v = {}
   for i, d in ipairs(plain.data) do v[i] = d.embedding end
   equal(#v[1], 256)
   check(math.abs(near(v[1], v[1]) - 1) < 1e-6, "not of length 1")
   check(near(v[1], v[2]) > near(v[1], v[3]) + 0.3, "words in common do not count")
   check(plain.usage.prompt_tokens > 0, "no usage")
   local packed = json.decode(post(server, "/v1/embeddings",
      { model = "embed", input = texts[1], encoding_format = "base64", dimensions = 16 }).body)
   local short = json.decode(post(server, "/v1/embeddings", { model = "embed", input = texts[1],
      dimensions = 16 }).body)
   local floats = floats_of(packed.data[1].embedding)
   equal(#short.data[1].embedding, 16)
   for i, x in ipairs(short.data[1].embedding) do check(math.abs(x - floats[i]) < 1e-6, "base64 differs") end
   equal(#json.decode(post(server, "/v1/embeddings", { model = "embed", input = { 1, 2, 3 } }).body).data, 1)
   local content = { parts = { { text = texts[1] } } }
   local one = json.decode(post(server, "/v1beta/models/embed:embedContent", { content = content }).body)
   local many = json.decode(post(server, "/v1beta/models/embed:batchEmbedContents", {
      requests = { { model = "models/embed", content = content }, { model = "models/embed",
         content = content } },
   }).body)
   equal(one.embedding.values[7], v[1][7])
   equal(#many.embeddings, 2)
   local ollama = json.decode(post(server, "/api/embed", { model = "embed", input = texts }).body)
   equal(ollama.embeddings[3][9], v[3][9])
end

local function test_completions()
   local whole = json.decode(post(server, "/v1/completions", { model = "pro", prompt = CAPITAL }).body)
   equal(whole.object, "text_completion")
   check(whole.choices[1].text:find("Canberra"), whole.choices[1].text)
   local plan = post(server, "/v1/completions",
      { model = "pro", prompt = { CAPITAL, "Tell me of rivers" }, n = 2, stream = true })
   local texts, ends = {}, 0
   for _, e in ipairs(events(bytes(plan))) do
      local choice = type(e.data) == "table" and e.data.choices[1]
      if choice then
         texts[choice.index] = (texts[choice.index] or "") .. choice.text
         if choice.finish_reason ~= json.null then ends = ends + 1 end
      end
   end
   equal(ends, 4)
   check(texts[0]:find("Canberra") and texts[3]:find("rivers"), json.encode(texts[3]))
end

local function test_azure_begins_with_the_filters_results()
   local _, body = formats.openai.ask { text = CAPITAL, stream = true }
   local path = "/openai/deployments/pro/chat/completions?api-version=2024-10-21"
   local list = events(bytes(post(server, path, body)))
   equal(#list[1].data.choices, 0)
   check(list[1].data.prompt_filter_results, "no results")
   equal(list[2].data.choices[1].delta.role, "assistant")
   check(list[3].data.choices[1].content_filter_results, "no results")
   body.stream, body.stream_options = nil, nil
   local whole = json.decode(post(server, path, body).body)
   check(whole.prompt_filter_results and whole.choices[1].content_filter_results, "no results")
   equal(json.decode(post(server, "/openai/deployments/embed/embeddings?api-version=2024-10-21",
      { input = "x" }).body)
      .object, "list")
end

-- ---- answers that a test has written ----

local function test_a_script()
   local name = os.tmpname()
   local file = io.open(name, "w")
   file:write([[
{"user": "fix the bug", "turn": 0, "calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}],]]
      .. [[ "reasoning": "First I look."}
{"user": "fix the bug", "result": "sunny", "text": "It is fixed."}
{"system": "titles", "text": "A title"}
]])
   file:close()
   local scripted = help.server(home, { script = name })
   local path, body = formats.openai.ask { text = "Please fix the bug!", tools = true, think = true }
   local message = json.decode(post(scripted, path, body).body).choices[1].message
   equal(message.tool_calls[1]["function"].arguments, '{"city":"Oslo"}')
   equal(message.reasoning_content, "First I look.")
   local id = message.tool_calls[1].id
   table.insert(body.messages, { role = "assistant", tool_calls = message.tool_calls })
   table.insert(body.messages, { role = "tool", tool_call_id = id, content = "it is sunny" })
   equal(json.decode(post(scripted, path, body).body).choices[1].message.content, "It is fixed.")
   body.messages[3].content = "rain"
   check(bytes(post(scripted, path, body)):find("The tool says: rain", 1, true), "a line that does not fit")
   path, body = formats.anthropic.ask { text = "Please fix the bug!" } -- without the tool
   body.system = "You write titles."
   equal(json.decode(post(scripted, path, body).body).content[1].text, "A title")
   file = io.open(name, "w")
   file:write('{"user": "x", "text": "y"}\n{"user": "x", "answer": "y"}\n')
   file:close()
   local ok, why = pcall(help.server, home, { script = name })
   check(not ok and why:find(name .. ":2: unknown member \"answer\"", 1, true), why)
   os.remove(name)
end

test_vectors()
test_completions()
test_azure_begins_with_the_filters_results()
test_a_script()
test_every_format_says_the_same()
test_tools_over_two_turns_in_responses()
test_responses_are_remembered()
test_tools_over_two_turns_in_anthropic()
test_redacted_thoughts()
test_tools_over_two_turns_in_gemini()
test_what_is_marked_is_written_and_then_read()
test_each_format_counts_in_its_way()
test_other_paths()
test_gemini_without_events_is_one_array()
test_a_key_in_another_format_s_header_is_refused()

return help.passed, help.failed
