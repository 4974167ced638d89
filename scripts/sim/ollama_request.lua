-- ollama_request: requests of Ollama's /api/chat and /api/generate, checked as the server (a Go program)
-- checks them. SPDX-License-Identifier: MIT
local conversation = require "sim.conversation"
local json = require "json"
local ollama_error = require "sim.ollama_error"
local request = require "sim.request"
local shape = require "sim.shape"

local ollama_request = {}

local given, refuse = request.given, ollama_error.refuse

local GO = {
   string = "string", boolean = "bool", array = "slice", object = "map[string]interface {}", integer = "int",
   number = "float64",
}

-- v, where it is given, must be of this type; null counts as absent, as in Go.
local function expect(v, want, field, struct)
   if not given(v) then return nil end
   local kind = shape.kind_of(v)
   if kind ~= want and not (want == "number" and kind == "integer") then
      if kind == "boolean" then kind = "bool" elseif kind == "integer" then kind = "number" end
      refuse(("json: cannot unmarshal %s into Go struct field %s.%s of type %s"):format(kind, struct
         or "ChatRequest",
         field, GO[want]))
   end
   return v
end

local function read_images(images, field)
   local media = {}
   for i, image in ipairs(expect(images, "array", field) or {}) do
      expect(image, "string", field)
      local bad = image:find("[^%w+/=]")
      if bad or not conversation.is_base64(image) then
         refuse(("illegal base64 data at input byte %d"):format(bad and bad - 1 or #image))
      end
      local mime = conversation.sniff(image)
      media[i] = { kind = "image", mime = mime or "unknown type" }
   end
   return media
end

local function read_calls(calls)
   for _, call in ipairs(expect(calls, "array", "messages.tool_calls") or {}) do
      local f = expect(call["function"], "object", "messages.tool_calls.function") or {}
      expect(f.name, "string", "messages.tool_calls.function.name")
      if given(f.arguments) and shape.kind_of(f.arguments) ~= "object" then
         refuse(("json: cannot unmarshal %s into Go struct field "
            .. "ChatRequest.messages.tool_calls.function.arguments of type "
            .. "api.ToolCallFunctionArguments"):format(shape.kind_of(f.arguments)))
      end
   end
end

local ROLES = { system = "system", user = "user", assistant = "assistant", tool = "tool" }

local function read_messages(ask, body)
   local turns = {}
   for i, m in ipairs(expect(body.messages, "array", "messages") or {}) do
      expect(m, "object", "messages")
      local role = expect(m.role, "string", "messages.role") or ""
      if not ROLES[role] then
         refuse(("invalid role: %s, must be one of [system, user, assistant, tool]"):format(role))
      end
      local text = expect(m.content, "string", "messages.content") or ""
      expect(m.thinking, "string", "messages.thinking")
      expect(m.tool_name, "string", "messages.tool_name")
      read_calls(m.tool_calls)
      turns[i] = { role = role, text = text, media = read_images(m.images, "messages.images") }
   end
   ask.load = #turns == 0
   conversation.read(ask, turns)
end

local function read_tools(ask, body)
   for _, tool in ipairs(expect(body.tools, "array", "tools") or {}) do
      local f = expect(tool["function"], "object", "tools.function") or {}
      expect(f.parameters, "object", "tools.function.parameters")
      table.insert(ask.tools, {
         name = expect(f.name, "string", "tools.function.name")
            or "", description = request.or_nil(f.description),
         parameters = request.or_nil(f.parameters),
      })
   end
end

local OPTIONS = {
   num_predict = "integer", temperature = "number", top_p = "number", top_k = "integer", min_p = "number",
   seed = "integer", num_ctx = "integer", repeat_penalty = "number", presence_penalty = "number",
   frequency_penalty = "number", stop = "array",
}

local function read_options(ask, body)
   local options = expect(body.options, "object", "options") or {}
   for _, name in ipairs(shape.keys(OPTIONS)) do
      local v, want = options[name], OPTIONS[name]
      local kind = given(v) and shape.kind_of(v)
      if kind and kind ~= want and not (want == "number" and kind == "integer") then
         refuse(("option \"%s\" must be of type %s"):format(name, want == "number" and "float32" or want))
      end
   end
   local n = request.or_nil(options.num_predict)
   ask.limit = n and n > 0 and n or math.huge
   ask.stop, ask.seed = request.or_nil(options.stop) or {}, request.or_nil(options.seed)
end

local function read_format(ask, body)
   local format = body.format
   if not given(format) or format == "" then return end
   if format ~= "json" and shape.kind_of(format) ~= "object" then
      refuse(('invalid format: %s; expected "json" or a valid JSON Schema '
         .. 'object'):format(json.encode(format)))
   end
   ask.json, ask.schema = true, format ~= "json" and format or nil
end

local EFFORT = { low = true, medium = true, high = true, max = true }

local function read_think(ask, body)
   local think = body.think
   if not given(think) or think == false then return end
   if think ~= true and not EFFORT[think] then
      refuse(('invalid think value: %s (must be "high", "medium", "low", true, or '
         .. 'false)'):format(json.encode(think)))
   end
   ask.think = { effort = think ~= true and think or nil, shown = true }
end

local function read_body(ask, req, struct, kind)
   local body = request.body(req.body, ollama_error)
   ask.stream = body.stream ~= false -- unless it is said, an answer is streamed
   local name = expect(body.model, "string", "model", struct) or expect(body.name, "string", "name", struct)
   if not name or name == "" then refuse("model is required") end
   request.model(ask, name, ollama_error, kind)
   expect(body.stream, "boolean", "stream", struct)
   return body
end

function ollama_request.read(ask, req)
   local body = read_body(ask, req, "ChatRequest")
   read_messages(ask, body)
   read_tools(ask, body)
   read_options(ask, body)
   read_format(ask, body)
   read_think(ask, body)
end

function ollama_request.read_generate(ask, req)
   local body = read_body(ask, req, "GenerateRequest")
   local prompt = expect(body.prompt, "string", "prompt", "GenerateRequest") or ""
   local turns = { { role = "user", text = prompt, media = read_images(body.images, "images") } }
   local system = expect(body.system, "string", "system", "GenerateRequest")
   if system then table.insert(turns, 1, { role = "system", text = system }) end
   ask.load = prompt == ""
   conversation.read(ask, turns)
   read_options(ask, body)
   read_format(ask, body)
   read_think(ask, body)
end

function ollama_request.read_show(ask, req)
   read_body(ask, req, "ShowRequest", "any")
   ask.bytes = 0
end

return ollama_request
