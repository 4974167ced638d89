-- gemini.ask: a client's generateContent body as a request of the hub.
-- SPDX-License-Identifier: MIT
--
-- Source: Gemini API reference, "GenerateContent", "Content", "Tool", "GenerationConfig".

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local parts = require "gemini.parts"

local member, full, text, pick = hub.member, hub.full, hub.text, parts.pick
local FORMAT = parts.FORMAT

local ask = {}

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param,
      type = "INVALID_ARGUMENT" }
end

-- ---- parts ----

-- What other formats know nothing of: how to look at a video, in which resolution.
local function extra_of(part)
   local extra = { videoMetadata = pick(part, "videoMetadata"),
      mediaResolution = pick(part, "mediaResolution") }
   return next(extra) ~= nil and extra or nil
end

-- A part that is no text, call or result, as a part of the hub; nil for one that says nothing. What only
-- Gemini can say of it is in native (hub.native).
local function media(part)
   local data, file = pick(part, "inlineData"), pick(part, "fileData")
   local made, known
   if full(member(data, "data")) then
      local mime = full(pick(data, "mimeType")) or "application/octet-stream"
      made = parts.of_data(mime, data.data, full(pick(data, "displayName")))
   elseif full(pick(file, "fileUri")) then
      local mime, name = full(pick(file, "mimeType")), full(pick(file, "displayName"))
      made, known = parts.of_uri(mime, pick(file, "fileUri"), name), { mimeType = mime, displayName = name }
   end
   local extra = extra_of(part)
   if made then
      if known or extra then made.native = { format = "gemini", file = known, extra = extra } end
      return made
   end
   local name = type(part) == "table" and next(part)
   if type(name) ~= "string" or text(member(part, "text")) then return nil end
   return { type = name, native = { format = "gemini", block = part } }
end

-- A function's answer as the content of a tool message, and whether it is an error.
local function result_of(answer)
   local response = member(answer, "response")
   local said, is_error
   if type(response) ~= "table" then
      said = response ~= nil and tostring(response) or ""
   else
      local first, value = next(response)
      local alone = first ~= nil and next(response, first) == nil and type(value) == "string"
      if alone and (first == "output" or first == "error") then
         said, is_error = value, first == "error" or nil
      else
         said = json.encode(first == nil and json.object {} or response)
      end
   end
   local shown = json.array {}
   for _, part in ipairs(parts.list(member(answer, "parts"))) do shown[#shown + 1] = media(part) end
   if #shown == 0 then return said, is_error end
   table.insert(shown, 1, { type = "text", text = said })
   return shown, is_error
end

-- ---- a model's turn ----

-- The opaque string of a part, as an entry of reasoning_details. 'thought': what it signs, or nil.
local function detail_of(signature, thought, id, seen)
   local format, data, own = parts.unsign(signature)
   if format ~= FORMAT then seen.foreign = true end
   if thought then
      return { type = "reasoning.text", text = thought, signature = data, format = format, id = own }
   end
   return { type = "reasoning.encrypted", data = data, format = format, id = own or id }
end

local Turn = {}
Turn.__index = Turn

local function new_turn(seen)
   return setmetatable({ content = {}, thought = {}, reasoning = {}, details = json.array {}, calls = {},
      seen = seen }, Turn)
end

-- Thoughts that nothing has signed.
function Turn:close_thought(signature)
   local thought = table.concat(self.thought)
   self.thought = {}
   if signature then
      self.details[#self.details + 1] = detail_of(signature, thought, nil, self.seen)
   elseif thought ~= "" then
      self.details[#self.details + 1] = { type = "reasoning.text", text = thought, format = FORMAT }
   end
end

function Turn:say(said)
   local last = self.content[#self.content]
   if last and last.type == "text" then
      last.text = last.text .. said
   else
      self.content[#self.content + 1] = { type = "text", text = said }
   end
end

function Turn:call(call, signature)
   local id = full(member(call, "id"))
   local made = { id = id, type = "function", ["function"] = {
      name = text(member(call, "name")) or "", arguments = hub.arguments_text(member(call, "args")) } }
   if id then self.seen.ids[id] = true end
   if signature and signature ~= parts.NO_SIGNATURE and signature ~= parts.UNSIGNED then
      local detail = detail_of(signature, nil, id, self.seen)
      if detail.format == FORMAT then
         made.extra_content = { google = { thought_signature = signature } }
         if id then self.details[#self.details + 1] = detail end
      else
         self.details[#self.details + 1] = detail
      end
   end
   self.calls[#self.calls + 1] = made
end

function Turn:part(part)
   local signature, said = full(pick(part, "thoughtSignature")), text(member(part, "text"))
   local call = pick(part, "functionCall")
   if member(part, "thought") == true then
      if said then
         self.thought[#self.thought + 1], self.reasoning[#self.reasoning + 1] = said, said
      end
      if signature then self:close_thought(signature) end
      return
   end
   self:close_thought()
   if call then return self:call(call, signature) end
   if full(said) then
      self:say(said)
   elseif not said then
      self.content[#self.content + 1] = media(part)
   end
   if signature then self.details[#self.details + 1] = detail_of(signature, nil, nil, self.seen) end
end

function Turn:message()
   self:close_thought()
   return {
      role = "assistant", content = hub.content(self.content) or json.null,
      tool_calls = #self.calls > 0 and json.array(self.calls) or nil,
      reasoning_content = #self.reasoning > 0 and table.concat(self.reasoning) or nil,
      reasoning_details = #self.details > 0 and self.details or nil,
   }
end

-- ---- messages ----

local function user_turn(list, messages, seen)
   local content = {}
   for _, part in ipairs(list) do
      local answer, said = pick(part, "functionResponse"), text(member(part, "text"))
      if answer then
         local id = full(member(answer, "id"))
         local result, is_error = result_of(answer)
         messages[#messages + 1] = { role = "tool", tool_call_id = id and seen.ids[id] and id or nil,
            name = text(member(answer, "name")), content = result, is_error = is_error }
      elseif said then
         content[#content + 1] = { type = "text", text = said }
      else
         content[#content + 1] = media(part)
      end
   end
   if #content > 0 then
      messages[#messages + 1] = { role = "user", content = hub.content(content) }
   end
end

local function add_instruction(body, messages, warn)
   local instruction = pick(body, "systemInstruction")
   if type(instruction) == "string" then instruction = { parts = { text = instruction } } end
   local content = {}
   for _, part in ipairs(parts.list(member(instruction, "parts"))) do
      if full(member(part, "text")) then
         content[#content + 1] = { type = "text", text = part.text }
      elseif not text(member(part, "text")) then
         warn "dropped: a part of systemInstruction that is no text"
      end
   end
   if #content > 0 then messages[1] = { role = "system", content = hub.content(content) } end
end

-- The messages, and whether reasoning of other providers is among them | nil, err.
local function messages_of(body, warn)
   local messages, seen = json.array {}, { ids = {}, foreign = false }
   add_instruction(body, messages, warn)
   local contents = parts.list(member(body, "contents"))
   if #contents == 0 then return wrong("contents", "contents is not specified") end
   local turn
   for position, content in ipairs(contents) do
      if type(content) ~= "table" then
         return wrong(("contents[%d]"):format(position - 1), "an element of contents must be an object")
      end
      local list = parts.list(member(content, "parts"))
      if member(content, "role") == "model" then
         turn = turn or new_turn(seen) -- a stream's pieces come back as turns of their own
         for _, part in ipairs(list) do turn:part(part) end
      else
         if turn then messages[#messages + 1] = turn:message() end
         turn = nil
         user_turn(list, messages, seen)
      end
   end
   if turn then messages[#messages + 1] = turn:message() end
   return json.array(hub.with_ids(messages)), seen.foreign
end

-- ---- tools ----

local function function_tool(declaration)
   local schema = pick(declaration, "parametersJsonSchema") or parts.json_schema(member(declaration,
      "parameters"))
   return { type = "function", ["function"] = { name = text(member(declaration, "name")),
      description = text(member(declaration, "description")), parameters = schema } }
end

local function tools_of(body)
   local tools = json.array {}
   for _, tool in ipairs(parts.list(member(body, "tools"))) do
      for _, declaration in ipairs(parts.list(pick(tool, "functionDeclarations"))) do
         if full(member(declaration, "name")) then tools[#tools + 1] = function_tool(declaration) end
      end
      for name, value in pairs(type(tool) == "table" and tool or {}) do
         if type(name) == "string" and name ~= "functionDeclarations" and name ~= "function_declarations"
            and hub.has(value) then
            tools[#tools + 1] = { type = name, format = "gemini", [name] = value }
         end
      end
   end
   return #tools > 0 and tools or nil
end

local choices = { AUTO = "auto", NONE = "none", ANY = "required" }

local function choice_of(config)
   local mode = text(member(config, "mode"))
   local names = hub.list(pick(config, "allowedFunctionNames"))
   if mode == "VALIDATED" or mode == "ANY" and #names > 0 then
      if mode == "ANY" and #names == 1 then
         return { type = "function", ["function"] = { name = names[1] } }
      end
      if #names == 0 then return "auto" end
      local allowed = json.array {}
      for _, name in ipairs(names) do
         allowed[#allowed + 1] = { type = "function", ["function"] = { name = name } }
      end
      return { type = "allowed_tools", allowed_tools = {
         mode = mode == "ANY" and "required" or "auto", tools = allowed } }
   end
   return choices[mode]
end

-- ---- settings ----

local numbers = {
   temperature = "temperature", topP = "top_p", topK = "top_k", seed = "seed", candidateCount = "n",
   maxOutputTokens = "max_tokens", presencePenalty = "presence_penalty",
   frequencyPenalty = "frequency_penalty", logprobs = "top_logprobs",
}

local modalities = { TEXT = "text", IMAGE = "image", AUDIO = "audio" }

local function add_format(req, config)
   local schema = pick(config, "responseJsonSchema") or member(config, "_responseJsonSchema")
   if not schema then schema = parts.json_schema(pick(config, "responseSchema")) end
   if type(schema) == "table" then
      req.response_format = { type = "json_schema", json_schema = { name = "response", schema = schema } }
   elseif pick(config, "responseMimeType") == "application/json" then
      req.response_format = { type = "json_object" }
   end
end

local levels = { minimal = true, low = true, medium = true, high = true }

-- thinkingConfig. What it does not say stays unsaid: a table 'reasoning' without members keeps the thoughts
-- from being shown.
local function add_thinking(req, thinking)
   if type(thinking) ~= "table" then return end
   local budget, level = parts.integer(pick(thinking, "thinkingBudget")), text(pick(thinking,
      "thinkingLevel"))
   level = level and level:lower()
   req.reasoning = json.object {}
   if budget and budget > 0 then req.reasoning.max_tokens = budget end
   if budget == 0 then
      req.reasoning.enabled, req.reasoning_effort = false, "none"
   elseif budget and budget < 0 then
      req.reasoning.enabled = true
   end
   if levels[level] then req.reasoning_effort = level end
   if pick(thinking, "includeThoughts") == true then req.reasoning.summary = "auto" end
end

local of_config = {}
for name in ([[stopSequences responseModalities responseLogprobs responseMimeType responseSchema
   thinkingConfig responseJsonSchema _responseJsonSchema]]):gmatch "%S+" do
   of_config[name] = true
end
for name in pairs(numbers) do of_config[name] = true end

local function camel(name)
   return (name:gsub("(%l)_(%l)", function(a, b) return a .. b:upper() end))
end

-- generationConfig: what the hub knows into 'req', the rest as it is.
local function add_config(req, config)
   for name, own in pairs(numbers) do
      local value = pick(config, name)
      if type(value) == "number" then req[own] = value end
   end
   local stop = pick(config, "stopSequences")
   if type(stop) == "table" and #stop > 0 then req.stop = stop end
   if pick(config, "responseLogprobs") == true then req.logprobs = true end
   local shown = json.array {}
   for _, name in ipairs(hub.list(pick(config,
      "responseModalities"))) do shown[#shown + 1] = modalities[name] end
   if #shown > 1 or #shown == 1 and shown[1] ~= "text" then req.modalities = shown end
   add_format(req, config)
   add_thinking(req, pick(config, "thinkingConfig"))
   local rest
   for name, value in pairs(type(config) == "table" and config or {}) do
      if type(name) == "string" and not of_config[camel(name)] and hub.has(value) then
         rest = rest or json.object {}
         rest[camel(name)] = value
      end
   end
   return rest
end

local known = {}
for name in ("contents systemInstruction tools toolConfig generationConfig model"):gmatch "%S+" do
   known[name] = true
end

-- What only Gemini knows (hub.native): safetySettings, cachedContent, members of later days. It goes along
-- for a provider that is one.
local function native_of(body, rest)
   local native = json.object { generationConfig = rest }
   for name, value in pairs(body) do
      local own = camel(name)
      if not known[own] and hub.has(value) then native[own] = value end
   end
   local config = pick(body, "toolConfig")
   for name, value in pairs(type(config) == "table" and config or {}) do
      if type(name) == "string" and camel(name) ~= "functionCallingConfig" and hub.has(value) then
         native.toolConfig = native.toolConfig or json.object {}
         native.toolConfig[camel(name)] = value
      end
   end
   if next(native) == nil then return nil end
   native.format = "gemini"
   return native
end

-- ask.decode(body text, head) -> a request of the hub, warnings, foreign: has a model of another provider
-- signed reasoning in it? | nil, err.
function ask.decode(text_of_body, head)
   local warn, warnings = hub.warnings()
   local body = json.decode(text_of_body)
   if type(body) ~= "table" or json.is_array(body) then return wrong(nil,
      "the body must be a JSON object") end
   local messages, foreign = messages_of(body, warn)
   if not messages then return nil, foreign end
   local req = json.object { model = head and head.model, messages = messages, tools = tools_of(body) }
   if head and head.stream then req.stream = true end
   req.tool_choice = req.tools and choice_of(pick(pick(body, "toolConfig"), "functionCallingConfig"))
   local config = pick(body, "generationConfig")
   req.native = native_of(body, add_config(req, config))
   return req, warnings, foreign
end

return ask
