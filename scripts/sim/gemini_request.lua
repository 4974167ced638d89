-- gemini_request: a generateContent request, checked as the provider checks it.
-- SPDX-License-Identifier: MIT
local conversation = require "sim.conversation"
local gemini_error = require "sim.gemini_error"
local json = require "json"
local request = require "sim.request"
local seal = require "sim.seal"
local shape = require "sim.shape"

local gemini_request = {}

local given, refuse = request.given, gemini_error.refuse
local object, list, enum, range = shape.object, shape.list, shape.enum, shape.range

-- ---- the shape ----

-- The subset of OpenAPI that `parameters` and `responseSchema` may be; JSON Schema has members of its own.
local SCHEMA = object {
   type = enum("STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL string number integer boolean array "
      .. "object null"),
   format = "string", title = "string", description = "string", nullable = "boolean", enum = list("string"),
   maxItems = "any", minItems = "any", required = list("string"), minProperties = "any",
   maxProperties = "any", minLength = "any", maxLength = "any", pattern = "string", example = "any",
   propertyOrdering = list("string"), default = "any", minimum = "number", maximum = "number",
}
SCHEMA.members.items = SCHEMA
SCHEMA.members.anyOf = list(SCHEMA)
SCHEMA.members.properties = function(v, path, say)
   if shape.kind_of(v) ~= "object" then say.type(path, "object", v) end
   for _, name in ipairs(shape.keys(v)) do
      shape.check(v[name], SCHEMA, say.member(path, ("properties[%s]"):format(name)), say)
   end
end

local BLOB = object { mimeType = "string!", data = "string!", displayName = "string" }

gemini_request.CONTENT = object({
   role = "string",
   parts = list(object {
      text = "string", inlineData = BLOB,
      fileData = object { mimeType = "string", fileUri = "string!", displayName = "string" },
      functionCall = object { id = "string", name = "string!", args = "object" },
      functionResponse = object { id = "string", name = "string!", response = "object!", parts = "array",
         willContinue = "boolean", scheduling = "string" },
      executableCode = "object", codeExecutionResult = "object", thought = "boolean",
      thoughtSignature = "string", videoMetadata = "object", mediaResolution = "any", partMetadata = "object",
   }, "!"),
})

local CONFIG = object {
   temperature = range("number", 0, 2), topP = range("number", 0, 1), topK = "number",
   maxOutputTokens = range("integer", 1), stopSequences = list("string"), candidateCount = range("integer",
      1, 8),
   seed = "integer", responseMimeType = "string", responseSchema = SCHEMA, responseJsonSchema = "any",
   thinkingConfig = object {
      includeThoughts = "boolean", thinkingBudget = range("integer", -1),
      thinkingLevel = enum("MINIMAL LOW MEDIUM HIGH minimal low medium high"),
   },
   presencePenalty = range("number", -2, 2), frequencyPenalty = range("number", -2, 2),
   responseLogprobs = "boolean",
   logprobs = range("integer", 0, 20), responseModalities = list("string"), speechConfig = "object",
   mediaResolution = "string", imageConfig = "object", enableEnhancedCivicAnswers = "boolean",
}

local REQUEST = {
   contents = list(gemini_request.CONTENT, "!"), systemInstruction = gemini_request.CONTENT,
   tools = list(object {
      functionDeclarations = list(object {
         name = "string!", description = "string", parameters = SCHEMA, parametersJsonSchema = "any",
         response = SCHEMA, responseJsonSchema = "any", behavior = "string",
      }),
      googleSearch = "object", codeExecution = "object", urlContext = "object",
      googleSearchRetrieval = "object", googleMaps = "object", fileSearch = "object", computerUse = "object",
   }),
   toolConfig = object {
      functionCallingConfig = object {
         mode = enum("AUTO ANY NONE VALIDATED MODE_UNSPECIFIED"), allowedFunctionNames = list("string"),
      },
      retrievalConfig = "object", includeServerSideToolInvocations = "boolean",
   },
   safetySettings = list(object { category = "string!", threshold = "string!" }), generationConfig = CONFIG,
   cachedContent = "string", labels = "object", model = "string", store = "boolean", serviceTier = "string",
}

-- ---- what a shape cannot say ----

-- What a part holds besides its marks. "text" may be empty; nothing at all is an error.
local DATA = { "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
   "codeExecutionResult" }

local function data_of(part, where)
   local found
   for _, name in ipairs(DATA) do
      if given(part[name]) then
         if found then refuse(("Invalid value at '%s' (oneof), oneof field 'data' is already "
            .. "set."):format(where)) end
         found = name
      end
   end
   if not found and not part.thoughtSignature then
      refuse(("* GenerateContentRequest.%s.data: required oneof field 'data' must have one initialized field")
         :format(where))
   end
   return found
end

local function medium(part)
   if part.fileData then return { kind = "file", mime = part.fileData.mimeType or "a file" } end
   local mime, data = part.inlineData.mimeType, part.inlineData.data
   if not conversation.is_base64((data:gsub("-", "+"):gsub("_", "/"))) then
      refuse("Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES), Base64 decoding failed")
   end
   local real = conversation.sniff(data)
   if real and real ~= mime then refuse("Unable to process input image. Please retry or report.") end
   return { kind = mime:match("^image/") and "image" or mime:match("^audio/") and "audio"
      or "document", mime = mime }
end

local DUMMY = { skip_thought_signature_validator = true, context_engineering_is_the_way_to_go = true }

local function check_signature(part)
   local text = part.thoughtSignature
   if not text or DUMMY[text] then return end
   local about = part.functionCall and part.functionCall.name or "text"
   if not seal.fits(text, "Ci", about) then refuse("Thought signature is not valid.") end
end

-- The message's texts, media, calls and results.
local function read_content(content, where)
   local got = { texts = {}, media = {}, calls = {}, results = {} }
   if #content.parts == 0 then
      refuse(("* GenerateContentRequest.%s.parts: contents.parts must not be empty."):format(where))
   end
   for i, part in ipairs(content.parts) do
      local kind = data_of(part, ("%s.parts[%d]"):format(where, i - 1))
      check_signature(part)
      if kind == "text" and not part.thought then
         got.texts[#got.texts + 1] = part.text
      elseif kind == "inlineData" or kind == "fileData" then
         got.media[#got.media + 1] = medium(part)
      elseif kind == "functionCall" then
         table.insert(got.calls, { part = part.functionCall, signature = part.thoughtSignature, at = i })
      elseif kind == "functionResponse" then
         table.insert(got.results, part.functionResponse)
      end
   end
   return got
end

local function check_results(calls, results)
   if #calls ~= #results then
      refuse("Please ensure that the number of function response parts is equal to the number of "
         .. "function call parts of the function call turn.")
   end
   local open = {}
   for _, call in ipairs(calls) do
      local key = call.part.name .. "/" .. (call.part.id or "")
      open[key] = (open[key] or 0) + 1
   end
   for _, result in ipairs(results) do
      local key = result.name .. "/" .. (result.id or "")
      if not open[key] or open[key] == 0 then
         refuse(("Please ensure that function response turn comes immediately after a function call "
            .. "turn: no function call has the name '%s' and the id '%s'."):format(result.name, result.id
            or ""))
      end
      open[key] = open[key] - 1
   end
end

-- With thinking on, each step behind the user's last words must have its signature on the first call.
local function check_thoughts(steps)
   for _, call in ipairs(steps) do
      if not call.signature then
         refuse(("Function call is missing a thought_signature in functionCall parts. This is required "
            .. "for tools to work correctly, and missing thought_signature may lead to degraded model "
            .. "performance. Additional data, function call `default_api:%s` , position %d. Please refer "
            .. "to https://ai.google.dev/gemini-api/docs/thought-signatures for more "
            .. "details."):format(call.part.name,
            call.at))
      end
   end
end

-- A result in words stands in "output" (or "result"), a failure in "error".
local function result_turn(response)
   local words = response.error or response.output or response.result
   return {
      role = "tool", media = {}, failed = given(response.error),
      text = conversation.text_of(type(words) == "string" and words or response),
   }
end

-- The walk over the contents: turns, the calls that wait for their results, and the first call of each step
-- behind the user's last words.
local function read_answer(walk, got, is_first)
   if #walk.calls > 0 then check_results(walk.calls, {}) end
   if #got.calls > 0 and is_first then
      refuse("Please ensure that function call turn comes immediately after a user turn or after a function "
         .. "response turn.")
   end
   walk.calls = got.calls
   table.insert(walk.steps, got.calls[1])
   table.insert(walk.turns, { role = "assistant", text = table.concat(got.texts, "\n") })
end

local function read_question(walk, got)
   if #walk.calls > 0 or #got.results > 0 then check_results(walk.calls, got.results) end
   walk.calls = {}
   for _, result in ipairs(got.results) do table.insert(walk.turns, result_turn(result.response)) end
   if #got.results > 0 and #got.texts == 0 and #got.media == 0 then return end
   if #got.results == 0 then walk.steps = {} end
   table.insert(walk.turns, {
      role = "user", text = table.concat(got.texts, "\n"), media = got.media, beside = #got.results > 0,
   })
end

local ROLES = { user = read_question, ["function"] = read_question, model = read_answer }

local function read_contents(ask, body)
   local walk = { turns = {}, calls = {}, steps = {} }
   if #body.contents == 0 then refuse("* GenerateContentRequest.contents: contents is not specified") end
   if body.systemInstruction then
      local got = read_content(body.systemInstruction, "system_instruction")
      walk.turns[1] = { role = "system", text = table.concat(got.texts, "\n") }
   end
   for i, content in ipairs(body.contents) do
      local read = ROLES[content.role or "user"]
      if not read then refuse("Please use a valid role: user, model.") end
      read(walk, read_content(content, ("contents[%d]"):format(i - 1)), i == 1)
   end
   if #walk.calls > 0 then check_results(walk.calls, {}) end
   if ask.think then check_thoughts(walk.steps) end
   conversation.read(ask, walk.turns)
end

-- JSON Schema, as schema.lua understands it: types are written small.
local function as_json_schema(v)
   if type(v) ~= "table" then return v end
   if json.is_array(v) then
      local out = {}
      for i, item in ipairs(v) do out[i] = as_json_schema(item) end
      return json.array(out)
   end
   local out = {}
   for key, value in pairs(v) do
      out[key] = key == "type" and type(value) == "string" and value:lower() or as_json_schema(value)
   end
   return out
end

local function read_tools(ask, body)
   for _, tool in ipairs(body.tools or {}) do
      for i, f in ipairs(tool.functionDeclarations or {}) do
         if not f.name:find("^[%a_][%w_.:-]*$") or #f.name > 64 then
            refuse(("* GenerateContentRequest.tools[0].function_declarations[%d].name: Invalid function "
               .. "name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), "
               .. "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of "
               .. "64."):format(i - 1))
         end
         if f.parameters and f.parametersJsonSchema then
            refuse("Only one of parameters and parameters_json_schema may be set.")
         end
         table.insert(ask.tools, {
            name = f.name, description = f.description, parameters = as_json_schema(f.parametersJsonSchema
               or f.parameters),
         })
      end
   end
   local config = body.toolConfig and body.toolConfig.functionCallingConfig or {}
   local names = config.allowedFunctionNames or {}
   if #names > 0 and config.mode ~= "ANY" and config.mode ~= "VALIDATED" then
      refuse("Please set the function calling mode to ANY or VALIDATED to use allowed_function_names.")
   end
   if config.mode == "NONE" then ask.tool_choice = "none" end
   if config.mode == "ANY" then ask.tool_choice = #names == 1 and { name = names[1] } or "required" end
end

local EFFORT = { MINIMAL = "minimal", LOW = "low", MEDIUM = "medium", HIGH = "high" }

local function read_config(ask, config)
   local thinking = config.thinkingConfig or {}
   if thinking.thinkingBudget and thinking.thinkingLevel then
      refuse("You can only set only one of thinking budget and thinking level.")
   end
   local schema = config.responseJsonSchema or config.responseSchema
   if schema and config.responseMimeType ~= "application/json" then
      refuse("* GenerateContentRequest.generation_config.response_schema: only allowed with "
         .. "response_mime_type application/json")
   end
   ask.json = config.responseMimeType == "application/json"
   ask.schema = as_json_schema(schema)
   ask.limit, ask.n, ask.seed = config.maxOutputTokens or math.huge, config.candidateCount or 1, config.seed
   ask.stop = config.stopSequences or {}
   if #ask.stop > 5 then
      refuse("* GenerateContentRequest.generation_config.stop_sequences: the number of stop sequences "
         .. "must be at most 5")
   end
   ask.logprobs, ask.top_logprobs = config.responseLogprobs == true, config.logprobs
   local budget = thinking.thinkingBudget
   if (budget or -1) ~= 0 and (budget or thinking.thinkingLevel or thinking.includeThoughts) then
      ask.think = {
         effort = thinking.thinkingLevel and EFFORT[thinking.thinkingLevel:upper()],
         budget = budget and budget > 0 and budget or nil, shown = thinking.includeThoughts == true,
      }
   end
end

local function read_body(ask, body)
   read_config(ask, body.generationConfig or {})
   read_tools(ask, body)
   read_contents(ask, body)
end

function gemini_request.read(ask, req, name)
   local body = request.body(req.body, gemini_error)
   request.model(ask, name, gemini_error)
   gemini_error.check(body, object(REQUEST))
   read_body(ask, body)
end

-- countTokens: contents, or a whole generateContentRequest.
function gemini_request.read_count(ask, req, name)
   local body = request.body(req.body, gemini_error)
   request.model(ask, name, gemini_error)
   gemini_error.check(body, object {
      contents = list(gemini_request.CONTENT), generateContentRequest = object(REQUEST),
   })
   read_body(ask, body.generateContentRequest or body)
end

return gemini_request
