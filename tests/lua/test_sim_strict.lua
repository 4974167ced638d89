-- test_sim_strict: what the simulator refuses, in the words and shapes of each provider.
-- SPDX-License-Identifier: MIT
local home = ...

local help = require "simhelp"
local json = require "json"

local check, equal, post = help.check, help.equal, help.post
local server = help.server(home)

local function user(text) return { role = "user", content = text } end

-- The request is refused with this status, and the answer's message has the text.
local function refused(path, body, status, text, headers)
   local plan = post(server, path, body, headers)
   local shown = help.bytes(plan)
   equal(plan.status, status, path .. " " .. shown:sub(1, 300))
   local decoded = json.decode(shown)
   local message = decoded and (type(decoded.error) == "table" and decoded.error.message or decoded.error)
      or ""
   check(tostring(message):find(text, 1, true), ("%s: '%s' is not in: %s"):format(path, text, shown:sub(1,
      400)))
   return decoded
end

local function taken(path, body)
   local plan = post(server, path, body)
   equal(plan.status, 200, path .. " " .. tostring(plan.body):sub(1, 300))
end

-- 'base' with members changed; "none" takes one away.
local function with(base, more)
   local body = {}
   for k, v in pairs(base) do body[k] = v end
   for k, v in pairs(more) do
      if v == "none" then body[k] = nil else body[k] = v end
   end
   return body
end

local function test_anthropic()
   local path, base = "/v1/messages", { model = "mini", max_tokens = 100, messages = { user("hi") } }
   taken(path, base)
   taken(path, with(base, { x_mine = 1 }))
   local image = { type = "image", source = { type = "base64", media_type = "image/jpeg",
      data = "iVBORw0KGgoAAAAA" } }
   local call = { type = "tool_use", id = "toolu_1", name = "f", input = json.object {} }
   local result = { type = "tool_result", tool_use_id = "toolu_1", content = "x" }
   local tool = { name = "f", input_schema = { type = "object" } }
   for _, case in ipairs {
      { { max_tokens = "none" }, "max_tokens: Field required" },
      { { messages = "none" }, "messages: Field required" },
      { { messages = json.array {} }, "messages: at least one message is required" },
      { { temperature = 1.5 }, "temperature: Input should be less than or equal to 1" },
      { { temperature = json.null }, "temperature: Input should be a valid number" },
      { { frequency_penalty = 1 }, "frequency_penalty: Extra inputs are not permitted" },
      { { messages = { { role = "system", content = "x" } } }, "messages.0.role: Input should be" },
      { { messages = { user("") } }, "messages.0: all messages must have non-empty content" },
      { { messages = { user { { type = "text", text = " " } }, { role = "assistant", content = "x " } } },
         "final assistant content cannot end with trailing whitespace" },
      { { messages = { user { { type = "input_text", text = "x" } } } }, "messages.0.content.0.type" },
      { { messages = { user { image } } }, "Image does not match the provided media type image/jpeg" },
      { { messages = { user("a"), { role = "assistant", content = { call } }, user("b") } },
         "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1" },
      { { messages = { user("a"), { role = "assistant", content = { call } } } },
         "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1" },
      { { messages = { user { result } } }, "unexpected `tool_use_id` found in `tool_result` blocks: "
         .. "toolu_1" },
      { { messages = { user("a"), { role = "assistant", content = { call } },
         user { { type = "text", text = "x" }, result } } }, "must come first" },
      { { messages = { user("a"), { role = "assistant", content = { with(call, { id = "a.b" }) } },
         user("x") } },
         "String should match pattern '^[a-zA-Z0-9_-]+$'" },
      { { messages = { user("a"), { role = "assistant", content = { with(call, { input = "{}" }) } },
         user("x") } },
         "messages.1.content.0.input: Input should be an object" },
      { { tools = { { type = "function", ["function"] = { name = "f" } } } }, "tools.0.type" },
      { { tools = { tool, tool } }, "Tool names must be unique" },
      { { tools = { { name = "f", input_schema = json.object {} } } }, "input_schema.type" },
      { { tool_choice = { type = "auto" } }, "may only be specified while providing `tools`" },
      { { stop_sequences = { " " } }, "stop_sequences.0: each stop sequence must contain non-whitespace" },
      { { thinking = { type = "enabled", budget_tokens = 100 } }, "budget_tokens: Input should be "
         .. "greater than" },
      { { thinking = { type = "enabled", budget_tokens = 2000 } }, "`max_tokens` must be greater than" },
      { { max_tokens = 3000, temperature = 0.5, thinking = { type = "enabled", budget_tokens = 2000 } },
         "`temperature` may only be set to 1 when thinking is enabled" },
      { { max_tokens = 3000, tools = { tool }, tool_choice = { type = "any" },
         thinking = { type = "enabled", budget_tokens = 2000 } }, "Thinking may not be enabled when "
            .. "tool_choice" },
   } do
      local got = refused(path, with(base, case[1]), 400, case[2])
      equal(got.type, "error")
      equal(got.error.type, "invalid_request_error")
   end
   refused(path, base, 400, "anthropic-version: header is required", {})
   equal(post(server, path, with(base, { betas_own = 1 }), { ["anthropic-version"] = "2023-06-01",
      ["anthropic-beta"] = "some-beta" }).status, 200)
   equal(refused(path, with(base, { model = "gpt-9" }), 404, "model: gpt-9").error.type, "not_found_error")
   taken("/v1/messages/count_tokens", with(base, { max_tokens = "none" }))
   refused("/v1/messages/count_tokens", base, 400, "max_tokens: Extra inputs are not permitted")
end

local function test_gemini()
   local path = "/v1beta/models/mini:generateContent"
   local function text(t, role) return { role = role or "user", parts = { { text = t } } } end
   local base = { contents = { text("hi") } }
   taken(path, base)
   taken(path, { contents = { { parts = { { text = "x" } } } },
      system_instruction = { parts = { { text = "y" } } },
      generation_config = { max_output_tokens = 5, stop_sequences = { "a" } } })
   local call = { role = "model", parts = { { functionCall = { name = "f", args = json.object {} } } } }
   local function result(name) return { parts = { { functionResponse = { name = name,
      response = { a = 1 } } } } } end
   local function declared(f) return { { functionDeclarations = { f } } } end
   for _, case in ipairs {
      { { contents = "none" }, "contents: required field is missing" },
      { { contents = { { role = "assistant", parts = { { text = "x" } } } } },
         "Please use a valid role: user, model." },
      { { contents = { { role = "user", parts = json.array {} } } }, "contents.parts must not be empty" },
      { { contents = { { role = "user", parts = { json.object {} } } } }, "required oneof field 'data'" },
      { { max_tokens = 5 }, 'Unknown name "max_tokens": Cannot find field.' },
      { { contents = { { role = "user", parts = { { type = "text", text = "x" } } } } },
         "Unknown name \"type\" at 'contents[0].parts[0]': Cannot find field." },
      { { generationConfig = { temperature = "hot" } }, "'generation_config.temperature' (TYPE_FLOAT)" },
      { { generationConfig = { temperature = json.null } }, "'generation_config.temperature' (TYPE_FLOAT)" },
      { { generationConfig = { temperature = 3 } }, "must be in the range" },
      { { generationConfig = { responseSchema = { type = "OBJECT" } } },
         "only allowed with response_mime_type" },
      { { generationConfig = { thinkingConfig = { thinkingBudget = 5, thinkingLevel = "low" } } },
         "only one of thinking budget and thinking level" },
      { { tools = declared { name = "f", parameters = { type = "object", additionalProperties = false } } },
         'Unknown name "additionalProperties"' },
      { { tools = declared { name = "9f" } }, "Invalid function name" },
      { { toolConfig = { functionCallingConfig = { mode = "AUTO", allowedFunctionNames = { "f" } } } },
         "set the function calling mode to ANY" },
      { { contents = { text("a"), call, text("b") } }, "the number of function response parts is equal" },
      { { contents = { text("a"), call, result("g") } }, "no function call has the name 'g'" },
      { { contents = { call, result("f") } }, "immediately after a user turn" },
      { { contents = { text("a"), { role = "model", parts = { { text = "x", thoughtSignature = "abc" } } },
         text("b") } }, "Thought signature is not valid." },
   } do
      local got = refused(path, with(base, case[1]), 400, case[2])
      equal(got.error.status, "INVALID_ARGUMENT")
      equal(got.error.code, 400)
   end
   taken(path, with(base, { tools = declared { name = "f", parametersJsonSchema = {
      type = "object", additionalProperties = false } } }))
   taken(path, { contents = { text("a"), call, result("f") } })
   equal(refused("/v1beta/models/gpt-9:generateContent", base, 404, "models/gpt-9 is not found").error.status,
      "NOT_FOUND")
   refused("/v1beta/models/mini:fly", base, 404, "Invalid URL")
end

local function test_responses()
   local path, base = "/v1/responses", { model = "mini", input = "hi" }
   taken(path, base)
   taken(path, with(base, { temperature = json.null, metadata = json.null }))
   local schema = { type = "object", properties = { a = { type = "string" } }, required = { "a" } }
   for _, case in ipairs {
      { { input = "none" }, "Missing required parameter: 'input'.", "missing_required_parameter" },
      { { messages = { user("x") } }, "Unknown parameter: 'messages'.", "unknown_parameter" },
      { { max_tokens = 5 }, "Unknown parameter: 'max_tokens'.", "unknown_parameter" },
      { { max_output_tokens = 5 }, "Invalid 'max_output_tokens': integer below minimum value.",
         "integer_below_min_value" },
      { { temperature = "hot" }, "Invalid type for 'temperature': expected a decimal, but got a string",
         "invalid_type" },
      { { input = { { role = "user", content = { { type = "text", text = "x" } } } } },
         "Invalid value: 'text'.",
         "invalid_value" },
      { { input = { { role = "assistant", content = { { type = "input_text", text = "x" } } } } },
         "Invalid value: 'input_text'. Supported values are: 'output_text', and 'refusal'.",
            "invalid_value" },
      { { tools = { { type = "function", ["function"] = { name = "f" } } } },
         "Unknown parameter: 'tools[0].function'.",
         "unknown_parameter" },
      { { tools = { { type = "function", name = "f", strict = true, parameters = schema } } },
         "'additionalProperties' is required to be supplied and to be false.",
            "invalid_function_parameters" },
      { { text = { format = { type = "json_schema", name = "x", schema = schema, strict = true } } },
         "Invalid schema for response_format 'x'", "invalid_json_schema" },
      { { text = { format = { type = "json_object" } } }, "must contain the word 'json'" },
      { { response_format = { type = "text" } }, "Unknown parameter: 'response_format'." },
      { { input = { { type = "function_call", call_id = "c", name = "f", arguments = "{}" } } },
         "No tool output found for function call c." },
      { { input = { { type = "function_call_output", call_id = "c", output = "x" } } },
         "No tool call found for function call output with call_id c." },
      { { input = { { type = "function_call", call_id = "c", name = "f", arguments = json.object {} } } },
         "Invalid type for 'input[0].arguments'" },
      { { input = { { role = "user", content = { { type = "input_image", image_url = "data:,x" } } } } },
         "invalid base64-encoded value" },
   } do
      local got = refused(path, with(base, case[1]), 400, case[2])
      if case[3] then equal(got.error.code, case[3]) end
   end
   refused(path, with(base, { model = "gpt-9" }), 404, "does not exist")
end

local function test_ollama()
   local path, base = "/api/chat", { model = "mini", messages = { user("hi") }, stream = false }
   taken(path, base)
   taken(path, with(base, { anything = { 1 }, tools = json.null, format = "" }))
   local calls = { { ["function"] = { name = "f", arguments = "{}" } } }
   for _, case in ipairs {
      { { model = "none" }, "model is required" },
      { { stream = "yes" }, "cannot unmarshal string into Go struct field ChatRequest.stream of type bool" },
      { { messages = { user { { type = "text", text = "x" } } } },
         "cannot unmarshal array into Go struct field ChatRequest.messages.content of type string" },
      { { messages = { { role = "developer", content = "x" } } }, "invalid role: developer" },
      { { messages = { { role = "user", content = "x", images = { "data:image/png;base64,AAAA" } } } },
         "illegal base64 data at input byte 4" },
      { { messages = { { role = "assistant", content = "", tool_calls = calls } } },
         "ChatRequest.messages.tool_calls.function.arguments of type api.ToolCallFunctionArguments" },
      { { options = { num_predict = "many" } }, 'option "num_predict" must be of type integer' },
      { { options = { stop = "x" } }, 'option "stop" must be of type array' },
      { { format = "yaml" }, "invalid format" },
      { { think = "very" }, "invalid think value" },
   } do
      refused(path, with(base, case[1]), 400, case[2])
   end
   refused(path, with(base, { model = "gpt-9" }), 404, "model 'gpt-9' not found")
end

local function test_chat()
   local path, base = "/v1/chat/completions", { model = "mini", messages = { user("hi") } }
   local call = { id = "c1", type = "function", ["function"] = { name = "f", arguments = "{}" } }
   local function turn(c, id)
      return { user("a"), { role = "assistant", tool_calls = { c } }, { role = "tool", tool_call_id = id,
         content = "x" } }
   end
   taken(path, with(base, { messages = turn(call, "c1") }))
   local schema = { type = "object", properties = { a = { type = "string" } }, additionalProperties = false }
   for _, case in ipairs {
      { { response_format = { type = "json_schema", json_schema = { name = "x", strict = true,
         schema = schema } } },
         "Missing 'a'" },
      { { tools = { { type = "function", ["function"] = { name = "f", strict = true,
         parameters = schema } } } },
         "Invalid schema for function 'f'" },
      { { system = "x" }, "Unrecognized request argument supplied: system" },
      { { max_output_tokens = 5 }, "Unrecognized request argument supplied: max_output_tokens" },
      { { messages = turn(call, "c2") }, "'tool_call_id' of 'c2' not found" },
      { { messages = turn(with(call, { id = "none" }), "c1") }, "Missing required parameter: "
         .. "'messages[1].tool_calls[0].id'" },
      { { messages = turn(with(call, { ["function"] = { name = "f", arguments = json.object {} } }), "c1") },
         "Invalid type for 'messages[1].tool_calls[0].function.arguments'" },
      { { messages = { user { { type = "image_url", image_url = { url = "data:image/png;base64,?" } } } } },
         "Invalid base64 image_url." },
      { { messages = { user { { type = "image_url", image_url = { url = "iVBORw0KGgo=" } } } } },
         "Expected a valid URL" },
      { { reasoning_effort = "extreme" }, "Invalid value: 'extreme'." },
   } do
      refused(path, with(base, case[1]), 400, case[2])
   end
end

local function test_completions_and_embeddings()
   refused("/v1/completions", { model = "mini" }, 400, "Missing required parameter: 'prompt'.")
   refused("/v1/completions", { model = "mini", prompt = "x", messages = {} }, 400,
      "Unknown parameter: 'messages'.")
   refused("/v1/embeddings", { model = "mini", input = "x" }, 403, "not allowed to generate embeddings")
   refused("/v1/embeddings", { model = "embed" }, 400, "Missing required parameter: 'input'.")
   refused("/v1/embeddings", { model = "embed", input = "" }, 400, "input cannot be empty")
   refused("/v1/embeddings", { model = "embed", input = "x", dimensions = json.null }, 400, "Invalid type")
   refused("/v1/embeddings", { model = "embed", input = { "x", 1 } }, 400, "expected one kind of items")
   refused("/v1/chat/completions", { model = "embed", messages = { user("x") } }, 400, "not a chat model")
   refused("/v1beta/models/embed:embedContent", { content = "x" }, 400, "Invalid value at 'content'")
   refused("/v1beta/models/embed:batchEmbedContents", { requests = { { model = "models/other",
      content = { parts = { { text = "x" } } } } } }, 400, "must be the same as the model")
   refused("/api/embed", { model = "embed", input = 7 }, 400, "invalid input type")
end

local function test_azure()
   local body = { messages = { user("hi") } }
   local path = "/openai/deployments/mini/chat/completions"
   taken(path .. "?api-version=2024-10-21", body)
   refused(path, body, 404, "Resource not found")
   equal(refused("/openai/deployments/x/chat/completions?api-version=2024-10-21", body, 404,
      "deployment").error.code,
      "DeploymentNotFound")
   local blocked = refused("/openai/deployments/mini:blocked/chat/completions?api-version=2024-10-21", body,
      400,
      "content management policy")
   equal(blocked.error.innererror.code, "ResponsibleAIPolicyViolation")
   equal(refused(path .. "?api-version=2024-10-21", body, 401, "Access denied",
      { ["x-api-key"] = "k" }).error.code,
      "401")
end

test_anthropic()
test_gemini()
test_responses()
test_ollama()
test_chat()
test_completions_and_embeddings()
test_azure()

return help.passed, help.failed
