-- openai_request: a Chat Completions request, checked as the provider checks it.
-- SPDX-License-Identifier: MIT
local conversation = require "sim.conversation"
local fail = require("sim.openai_error").fail
local json = require "json"
local request = require "sim.request"
local seal = require "sim.seal"
local shape = require "sim.shape"
local strict = require "sim.strict"

local openai_request = {}

local given = request.given

-- The checks raise a plan (the error's answer), which request.read returns.
local function refuse(message, param, code)
   error(fail("bad_request", { message = message, param = param, code = code }), 0)
end

-- ---- types and bounds of single members ----

local function type_name(v)
   if v == json.null then return "null" end
   if json.is_array(v) then return "an array" end
   local t = type(v)
   if t == "table" then return "an object" end
   if t == "number" then return math.type(v) == "integer" and "an integer" or "a decimal" end
   return t == "userdata" and "a decimal" or "a " .. t
end

local IS = {
   ["a string"] = function(v) return type(v) == "string" end,
   ["a boolean"] = function(v) return type(v) == "boolean" end,
   ["a decimal"] = function(v) return type(v) == "number" end,
   ["an integer"] = function(v) return math.type(v) == "integer" end,
   ["an array"] = json.is_array,
   ["an object"] = function(v) return type(v) == "table" and not json.is_array(v) end,
}

local function expect(v, want, param)
   if not IS[want](v) then
      refuse(("Invalid type for '%s': expected %s, but got %s instead."):format(param, want, type_name(v)),
         param, "invalid_type")
   end
   return v
end

local function bounds(v, low, high, param, whole)
   if low and v < low then
      refuse(("Invalid '%s': %s below minimum value. Expected a value >= %s, but got %s instead.")
         :format(param, whole, low, v), param, whole .. "_below_min_value")
   end
   if high and v > high then
      refuse(("Invalid '%s': %s above maximum value. Expected a value <= %s, but got %s instead.")
         :format(param, whole, high, v), param, whole .. "_above_max_value")
   end
end

local function one_of(v, list, param)
   for _, w in ipairs(list) do
      if v == w then return v end
   end
   local last = list[#list]
   refuse(("Invalid value: '%s'. Supported values are: '%s', and '%s'."):format(tostring(v),
      table.concat(list, "', '", 1, #list - 1), last), param, "invalid_value")
end

local function missing(param)
   refuse(("Missing required parameter: '%s'."):format(param), param, "missing_required_parameter")
end

-- name, type, lowest, highest
local MEMBERS = {
   { "temperature", "a decimal", 0, 2 }, { "top_p", "a decimal", 0, 1 }, { "n", "an integer", 1, 128 },
   { "presence_penalty", "a decimal", -2, 2 }, { "frequency_penalty", "a decimal", -2, 2 },
   { "max_tokens", "an integer", 1 }, { "max_completion_tokens", "an integer", 1 }, { "seed", "an integer" },
   { "top_logprobs", "an integer", 0, 20 }, { "stream", "a boolean" }, { "logprobs", "a boolean" },
   { "parallel_tool_calls", "a boolean" }, { "stream_options", "an object" }, { "tools", "an array" },
   { "response_format", "an object" }, { "metadata", "an object" }, { "user", "a string" },
}

local function check_members(body)
   for _, m in ipairs(MEMBERS) do
      local v = body[m[1]]
      if given(v) then
         expect(v, m[2], m[1])
         if m[3] or m[4] then bounds(v, m[3], m[4], m[1], m[2]:match("%a+$")) end
      end
   end
   if given(body.max_tokens) and given(body.max_completion_tokens) then
      refuse("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
         "max_tokens", "invalid_parameter_combination")
   end
   if given(body.stream_options) and body.stream ~= true then
      refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.",
         "stream_options", nil)
   end
   if given(body.top_logprobs) and body.logprobs ~= true then
      refuse("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs", nil)
   end
end

-- Members of other formats' requests, which no server of this one knows. Others are let through: compatible
-- servers have many of their own.
local FOREIGN = {}
for name in ([[contents generationConfig systemInstruction toolConfig safetySettings input instructions
   max_output_tokens previous_response_id include truncation text options keep_alive think format system
   stop_sequences output_config max_tokens_to_sample prompt anthropic_version]]):gmatch("%S+") do
   FOREIGN[name] = true
end

local function check_foreign(body)
   for _, name in ipairs(shape.keys(body)) do
      if FOREIGN[name] then refuse("Unrecognized request argument supplied: " .. name, nil, nil) end
   end
end

-- ---- messages ----

local ROLES = { "system", "assistant", "user", "function", "tool", "developer" }

local function image_part(part, where)
   if not given(part.image_url) then missing(where .. ".image_url") end
   local url = expect(expect(part.image_url, "an object", where .. ".image_url").url, "a string",
      where .. ".image_url.url")
   local mime, data = conversation.data_url(url)
   if url:find("^data:") then
      if not (mime and conversation.is_base64(data)) then
         refuse("Invalid base64 image_url.", where .. ".image_url.url", "invalid_base64")
      end
      if not mime:find("^image/") then
         refuse(("Invalid MIME type. Only image types are supported."), where
            .. ".image_url.url", "invalid_image_format")
      end
   elseif not url:find("^https?://") then
      refuse(("Invalid '%s.image_url.url'. Expected a valid URL, but got a value with an invalid format.")
         :format(where), where .. ".image_url.url", "invalid_value")
   end
   return { kind = "image", mime = mime or "a URL" }
end

local function audio_part(part, where)
   local audio = expect(part.input_audio, "an object", where .. ".input_audio")
   expect(audio.data, "a string", where .. ".input_audio.data")
   return { kind = "audio", mime = one_of(audio.format, { "wav", "mp3" }, where .. ".input_audio.format") }
end

local function file_part(part, where)
   local file = expect(part.file, "an object", where .. ".file")
   if not given(file.file_id) then expect(file.file_data, "a string", where .. ".file.file_data") end
   return { kind = "document", mime = given(file.file_data) and conversation.data_url(file.file_data)
      or "a file" }
end

local PARTS = { image_url = image_part, input_audio = audio_part, file = file_part }

-- The text, and the list of what else is in it.
local function content_text(content, param)
   if type(content) == "string" then return content, {} end
   if not given(content) then return "", {} end
   expect(content, "an array", param)
   local out, media = {}, {}
   for i, part in ipairs(content) do
      local where = ("%s[%d]"):format(param, i - 1)
      expect(part, "an object", where)
      if not given(part.type) then missing(where .. ".type") end
      if part.type == "text" then
         out[#out + 1] = expect(part.text, "a string", where .. ".text")
      elseif part.type == "refusal" then
         out[#out + 1] = expect(part.refusal, "a string", where .. ".refusal")
      elseif PARTS[part.type] then
         media[#media + 1] = PARTS[part.type](part, where)
      else
         one_of(part.type, { "image_url", "input_audio", "file", "text", "refusal" }, where .. ".type")
      end
   end
   return table.concat(out, "\n"), media
end

local function check_tool_order(messages, i)
   local open = i > 1 and messages[i - 1]
   if not open or open.role ~= "tool" and not (open.role == "assistant" and given(open.tool_calls)) then
      refuse("Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
         .. "with 'tool_calls'.", ("messages.[%d].role"):format(i - 1), nil)
   end
end

-- The calls of message i, and that each has its result in the tool messages that follow, and no other has
-- one.
local function check_calls(messages, i)
   local where, open, answered = ("messages[%d].tool_calls"):format(i - 1), {}, {}
   local calls = expect(messages[i].tool_calls, "an array", where)
   for k, call in ipairs(calls) do
      local at = ("%s[%d]"):format(where, k - 1)
      expect(call, "an object", at)
      if not given(call.id) then missing(at .. ".id") end
      expect(call.id, "a string", at .. ".id")
      one_of(call.type, { "function", "custom" }, at .. ".type")
      local f = expect(call["function"], "an object", at .. ".function")
      expect(f.name, "a string", at .. ".function.name")
      expect(f.arguments, "a string", at .. ".function.arguments")
      open[call.id] = true
   end
   local k = i + 1
   while messages[k] and messages[k].role == "tool" do
      local id = messages[k].tool_call_id
      if given(id) and not open[id] then
         refuse(("Invalid parameter: 'tool_call_id' of '%s' not found in 'tool_calls' of previous message.")
            :format(tostring(id)), ("messages.[%d].tool_call_id"):format(k - 1), nil)
      end
      if given(id) then answered[id] = true end
      k = k + 1
   end
   for _, call in ipairs(calls) do
      if not answered[call.id] then
         refuse("An assistant message with 'tool_calls' must be followed by tool messages responding to "
            .. "each 'tool_call_id'. The following tool_call_ids did not have response messages: " .. call.id,
            ("messages.[%d].role"):format(i), nil)
      end
   end
end

local function check_message(messages, i)
   local m, where = messages[i], ("messages[%d]"):format(i - 1)
   expect(m, "an object", where)
   if not given(m.role) then missing(where .. ".role") end
   one_of(m.role, ROLES, where .. ".role")
   if m.role == "tool" then
      if not given(m.tool_call_id) then missing(where .. ".tool_call_id") end
      check_tool_order(messages, i)
   end
   if not given(m.content) and not (m.role == "assistant" and (given(m.tool_calls) or given(m.refusal)
      or given(m.function_call))) then
      refuse(("Invalid value for 'content': expected a string, got null."), where .. ".content", nil)
   end
end

-- OpenRouter's form of another provider's thoughts: what was signed here has to come back as it was.
local function check_details(m, where)
   if not given(m.reasoning_details) then return end
   for k, d in ipairs(expect(m.reasoning_details, "an array", where .. ".reasoning_details")) do
      local at = ("%s.reasoning_details[%d]"):format(where, k - 1)
      expect(d, "an object", at)
      if given(d.signature) and not seal.fits(d.signature, "sig_", given(d.text) and d.text or "") then
         refuse(("Invalid '%s.signature': the signature does not fit the text."):format(at), at
            .. ".signature",
            "invalid_signature")
      end
   end
end

local TURN = { developer = "system", ["function"] = "tool" }

local function read_messages(body, ask)
   local messages, turns = body.messages, {}
   if not given(messages) then missing("messages") end
   expect(messages, "an array", "messages")
   if #messages == 0 then
      refuse("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
         .. "array instead.", "messages", "empty_array")
   end
   for i, m in ipairs(messages) do
      check_message(messages, i)
      local text, media = content_text(m.content, ("messages[%d].content"):format(i - 1))
      turns[i] = { role = TURN[m.role] or m.role, text = text, media = media }
   end
   for i, m in ipairs(messages) do
      if m.role == "assistant" and given(m.tool_calls) then check_calls(messages, i) end
      check_details(m, ("messages[%d]"):format(i - 1))
   end
   conversation.read(ask, turns)
end

-- ---- tools and formats ----

local function read_tools(body, ask)
   ask.parallel = body.parallel_tool_calls ~= false
   for i, t in ipairs(given(body.tools) and body.tools or {}) do
      local where = ("tools[%d]"):format(i - 1)
      expect(t, "an object", where)
      if not given(t["function"]) then missing(where .. ".function") end
      local f = expect(t["function"], "an object", where .. ".function")
      if not given(f.name) then missing(where .. ".function.name") end
      if not expect(f.name, "a string", where .. ".function.name"):find("^[%w_-]+$") or #f.name > 64 then
         refuse(("Invalid '%s.function.name': string does not match pattern. Expected a string that "
            .. "matches the pattern '^[a-zA-Z0-9_-]+$'."):format(where), where
            .. ".function.name", "invalid_value")
      end
      local why = f.strict == true and strict.complaint(request.or_nil(f.parameters), "function '" .. f.name
         .. "'")
      if why then refuse(why, where .. ".function.parameters", "invalid_function_parameters") end
      ask.tools[i] = {
         name = f.name, description = given(f.description) and tostring(f.description) or nil,
         parameters = given(f.parameters)
            and expect(f.parameters, "an object", where .. ".function.parameters") or nil,
      }
   end
end

local function read_tool_choice(body, ask)
   local choice = body.tool_choice
   if not given(choice) then return end
   if #ask.tools == 0 and choice ~= "none" then
      refuse("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
         "tool_choice", nil)
   end
   if type(choice) == "string" then
      ask.tool_choice = one_of(choice, { "none", "auto", "required" }, "tool_choice")
      return
   end
   expect(choice, "an object", "tool_choice")
   local name = type(choice["function"]) == "table" and choice["function"].name
   if not name then missing("tool_choice.function") end
   for _, tool in ipairs(ask.tools) do
      if tool.name == name then ask.tool_choice = { name = name } end
   end
   if ask.tool_choice == "auto" then
      refuse(("Invalid value for 'tool_choice': tool choice '%s' not found in 'tools' parameter.")
         :format(tostring(name)), "tool_choice", nil)
   end
end

local function read_format(body, ask)
   local format = body.response_format
   if not given(format) then return end
   if not given(format.type) then missing("response_format.type") end
   one_of(format.type, { "json_object", "json_schema", "text" }, "response_format.type")
   ask.json = format.type ~= "text"
   if format.type == "json_object" and not (ask.system .. "\n" .. ask.user):lower():find("json", 1, true) then
      refuse("'messages' must contain the word 'json' in some form, to use 'response_format' of type "
         .. "'json_object'.", "messages", nil)
   end
   if format.type == "json_schema" then
      if not given(format.json_schema) then missing("response_format.json_schema") end
      expect(format.json_schema, "an object", "response_format.json_schema")
      if not given(format.json_schema.name) then missing("response_format.json_schema.name") end
      ask.schema = request.or_nil(format.json_schema.schema)
      local why = format.json_schema.strict == true
         and strict.complaint(ask.schema, "response_format '" .. tostring(format.json_schema.name) .. "'")
      if why then refuse(why, "response_format", nil) end
   end
end

local function read_stop(body, ask)
   local stop = body.stop
   if not given(stop) then return end
   if type(stop) == "string" then stop = json.array({ stop }) end
   expect(stop, "an array", "stop")
   if #stop > 4 then
      refuse(("Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array "
         .. "with length %d instead."):format(#stop), "stop", "array_above_max_length")
   end
   for i, s in ipairs(stop) do ask.stop[i] = expect(s, "a string", ("stop[%d]"):format(i - 1)) end
end

-- What compatible servers take: reasoning_effort, or OpenRouter's object.
local function read_reasoning(body, ask)
   local effort, wanted = body.reasoning_effort, body.reasoning
   if given(effort) then
      one_of(effort, { "none", "minimal", "low", "medium", "high", "xhigh", "max" }, "reasoning_effort")
      if effort ~= "none" then ask.think = { effort = effort, shown = true } end
   end
   if given(wanted) then
      expect(wanted, "an object", "reasoning")
      if wanted.enabled ~= false and wanted.effort ~= "none" then
         ask.think = { effort = request.or_nil(wanted.effort), budget = request.or_nil(wanted.max_tokens),
            shown = wanted.exclude ~= true }
         ask.details = true
      end
   end
end

-- Fills 'ask' (see request.lua) from a request; 'model' where the path names it.
function openai_request.read(ask, req, model, wire)
   local body = request.body(req.body, wire)
   if not model and not given(body.model) then refuse("you must provide a model parameter", "model", nil) end
   ask.stream = body.stream == true
   request.model(ask, model or expect(body.model, "a string", "model"), wire)
   check_foreign(body)
   check_members(body)
   read_messages(body, ask)
   read_tools(body, ask)
   read_tool_choice(body, ask)
   read_format(body, ask)
   read_stop(body, ask)
   read_reasoning(body, ask)
   ask.include_usage = ask.stream and given(body.stream_options) and body.stream_options.include_usage == true
   ask.n = given(body.n) and body.n or 1
   ask.limit = given(body.max_completion_tokens) and body.max_completion_tokens
      or given(body.max_tokens) and body.max_tokens or math.huge
   ask.seed = request.or_nil(body.seed)
   ask.logprobs = body.logprobs == true
   ask.top_logprobs = request.or_nil(body.top_logprobs)
end

return openai_request
