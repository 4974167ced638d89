-- ollama.ask: a client's body for /api/chat or /api/generate as a request of the hub.
-- SPDX-License-Identifier: MIT
--
-- Source: Ollama's OpenAPI description and its api/types.go: ChatRequest, GenerateRequest, ModelOptions.

local errors = require "errors"
local hub = require "hub"
local json = require "json"

local member, full, text = hub.member, hub.full, hub.text

local ask = {}

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param }
end

-- ---- messages ----

-- Images come without their type: the first characters of the base64 tell it.
local types = { { "^iVBORw0KGgo", "image/png" }, { "^/9j/", "image/jpeg" }, { "^R0lGOD", "image/gif" },
   { "^UklGR", "image/webp" } }

local function type_of(data)
   for _, pair in ipairs(types) do
      if data:find(pair[1]) then return pair[2] end
   end
   return "image/jpeg"
end

local function content_of(said, images)
   local parts = {}
   if full(said) then parts[1] = { type = "text", text = said } end
   for _, data in ipairs(hub.list(images)) do
      if full(data) then
         local mime, own = hub.split_data_url(data)
         parts[#parts + 1] = { type = "image_url",
            image_url = { url = hub.data_url(mime or type_of(data), own or data) } }
      end
   end
   return hub.content(parts) or ""
end

local function calls_of(calls)
   local list = json.array {}
   for _, call in ipairs(hub.list(calls)) do
      local fn = member(call, "function")
      if full(member(fn, "name")) then
         list[#list + 1] = { id = full(member(call, "id")), type = "function",
            ["function"] = { name = fn.name, arguments = hub.arguments_text(member(fn, "arguments")) } }
      end
   end
   return #list > 0 and list or nil
end

local function message_of(message)
   local role = text(member(message, "role")) or "user"
   local out = { role = role, content = content_of(member(message, "content"), member(message, "images")) }
   if role == "assistant" then
      out.reasoning_content = full(member(message, "thinking"))
      out.tool_calls = calls_of(member(message, "tool_calls"))
      if out.tool_calls and out.content == "" then out.content = json.null end
   elseif role == "tool" then
      out.name = full(member(message, "tool_name")) or full(member(message, "name"))
      out.tool_call_id = full(member(message, "tool_call_id"))
   end
   return out
end

-- Ids of results that are those of no call would match nothing at a provider that looks at them.
local function without_strays(messages)
   local names = hub.call_names(messages)
   for _, message in ipairs(messages) do
      if message.tool_call_id and not names[message.tool_call_id] then message.tool_call_id = nil end
   end
   return messages
end

local function chat_messages(body)
   local list = member(body, "messages")
   if type(list) ~= "table" or not json.is_array(list) and next(list) ~= nil then
      return wrong("messages", "'messages' must be a list")
   end
   local messages = {}
   for position, message in ipairs(list) do
      if type(message) ~= "table" then
         return wrong(("messages[%d]"):format(position - 1), "a message must be an object")
      end
      messages[position] = message_of(message)
   end
   if #messages == 0 then return wrong("messages", "'messages' must hold at least one message") end
   return json.array(hub.with_ids(without_strays(messages)))
end

local function generate_messages(body, warn)
   local messages = json.array {}
   if full(member(body, "system")) then messages[1] = { role = "system", content = body.system } end
   messages[#messages + 1] = { role = "user", content = content_of(member(body, "prompt"), member(body,
      "images")) }
   for _, name in ipairs { "suffix", "template" } do
      if full(member(body, name)) then warn("dropped: " .. name) end
   end
   if member(body, "raw") == true then warn "dropped: raw" end
   if #hub.list(member(body, "context")) > 0 then warn "dropped: context" end
   return messages
end

-- ---- settings ----

local options = { temperature = "temperature", top_p = "top_p", top_k = "top_k", min_p = "min_p",
   seed = "seed",
   presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty" }

local function add_options(req, body)
   local rest
   for name, value in pairs(hub.list(member(body, "options"))) do
      if name == "num_predict" then
         if type(value) == "number" and value > 0 then req.max_tokens = value end -- -1: as long as it likes
      elseif name == "stop" then
         if full(value) or type(value) == "table" and #value > 0 then req.stop = value end
      elseif options[name] and type(value) == "number" then
         req[options[name]] = value
      elseif hub.has(value) then
         rest = rest or json.object {}
         rest[name] = value
      end
   end
   return rest
end

local function add_format(req, format)
   if format == "json" then
      req.response_format = { type = "json_object" }
   elseif type(format) == "table" and next(format) ~= nil then
      req.response_format = { type = "json_schema", json_schema = { name = "response", schema = format } }
   end
end

local function add_thinking(req, think)
   if think == false then
      req.reasoning = { enabled = false }
   elseif think == true then
      req.reasoning = { enabled = true }
   elseif full(think) then
      req.reasoning, req.reasoning_effort = { enabled = true }, think
   end
end

local known = {}
for name in ([[model messages stream tools format options think logprobs top_logprobs prompt system images
   suffix template raw context]]):gmatch "%S+" do
   known[name] = true
end

-- What only Ollama knows (hub.native): options such as num_ctx, keep_alive, members of later days.
local function native_of(body, rest)
   local native = json.object { options = rest }
   for name, value in pairs(body) do
      if not known[name] and hub.has(value) then native[name] = value end
   end
   if next(native) == nil then return nil end
   native.format = "ollama"
   return native
end

-- ask.decode(body text, head) -> a request of the hub, warnings, foreign = false | nil, err.
--   head: { model =, stream =, generate = is it for /api/generate? }
function ask.decode(text_of_body, head)
   local warn, warnings = hub.warnings()
   local body = json.decode(text_of_body)
   if type(body) ~= "table" or json.is_array(body) then return wrong(nil,
      "the body must be a JSON object") end
   local messages, err
   if head.generate then messages = generate_messages(body, warn) else messages, err = chat_messages(body) end
   if not messages then return nil, err end
   local req = json.object { model = head.model, messages = messages, stream = head.stream or nil }
   local tools = member(body, "tools")
   if type(tools) == "table" and #tools > 0 then req.tools = tools end
   if body.logprobs == true then req.logprobs = true end
   if type(body.top_logprobs) == "number"
      and body.top_logprobs > 0 then req.top_logprobs = body.top_logprobs end
   add_format(req, member(body, "format"))
   add_thinking(req, member(body, "think"))
   req.native = native_of(body, add_options(req, body))
   return req, warnings, false
end

return ask
