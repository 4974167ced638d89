-- gemini.request: a request of the hub as the body of generateContent.
-- SPDX-License-Identifier: MIT
--
-- Sources: Gemini API reference, "GenerateContent"; guides "Function calling", "Thinking", "Thought
-- signatures", "Structured output"; "OpenAI compatibility" for extra_body.google.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local parts = require "gemini.parts"

local member, full, text = hub.member, hub.full, hub.text
local FORMAT = parts.FORMAT

local request = {}

-- The generation of a model by its name, "gemini-3.1-pro" -> 3; 2 where the name does not tell.
local function generation(model)
   return tonumber(model:match "gemini%-(%d+)") or (model:find "latest$" and 3) or 2
end

-- Is it a model before Gemini 3, by its name? These take no schema beside functions, no pictures in a
-- function's answer, and need no signatures.
local function is_old(model)
   return model:find "gemini%-[12]" ~= nil
end

-- ---- parts of content ----

-- Files that Gemini reads itself: its own, Google Cloud's, YouTube's.
local function is_googles(uri)
   return uri:find "^gs://" or uri:find "^https://generativelanguage%.googleapis%.com/"
      or uri:find "^https://www%.youtube%.com/" or uri:find "^https://youtu%.be/"
end

local function bad(message)
   return nil, errors.new { code = "bad_request", message = message, type = "invalid_request_error" }
end

-- A URL as a part | nil, err. Yields for a remote one.
--   file: what a client of Gemini's said of a file there: it is Gemini's to fetch
local function of_url(url, file)
   local mime, data = hub.split_data_url(url)
   if mime then return { inlineData = { mimeType = mime, data = data } } end
   if file then
      return { fileData = { fileUri = url, mimeType = file.mimeType, displayName = file.displayName } }
   end
   if is_googles(url) then return { fileData = { fileUri = url } } end
   local found, err = require("media").inline(url, {})
   if not found then return nil, err end
   return { inlineData = { mimeType = found.mime, data = found.data } }
end

local of_part = {}

function of_part.text(part)
   return full(part.text) and { text = part.text }
end

function of_part.refusal(part)
   return full(part.refusal) and { text = part.refusal }
end

function of_part.image_url(part)
   local image = member(part, "image_url")
   local url = type(image) == "string" and image or text(member(image, "url"))
   if not url then return bad "an image_url part without a url" end
   return of_url(url, member(hub.native(part, "gemini"), "file"))
end

function of_part.input_audio(part)
   local audio = member(part, "input_audio")
   local data = text(member(audio, "data"))
   if not data then return bad "an input_audio part without data" end
   return { inlineData = { mimeType = parts.audio_type(member(audio, "format")), data = data } }
end

function of_part.file(part, warn)
   local file = member(part, "file")
   local url = full(member(file, "file_data")) or full(member(file, "file_url"))
   if url then return of_url(url, member(hub.native(part, "gemini"), "file")) end
   local id = full(member(file, "file_id"))
   if id and id:find "^files/" then
      return { fileData = { fileUri = "https://generativelanguage.googleapis.com/v1beta/" .. id } }
   end
   warn "dropped: a file that is known by its id at another provider"
end

-- The parts of a message's content | nil, err. Yields for remote images.
local function content_parts(content, warn)
   local list = {}
   for _, part in ipairs(hub.parts(content)) do
      local convert, native = of_part[part.type], hub.native(part, "gemini")
      if type(member(native, "block")) == "table" then
         list[#list + 1] = native.block
      elseif convert then
         local made, err = convert(part, warn)
         if err then return nil, err end
         for name, value in pairs(made and hub.list(member(native, "extra")) or {}) do made[name] = value end
         if made then list[#list + 1] = made end
      else
         warn("dropped: content of type " .. tostring(part.type))
      end
   end
   return list
end

-- ---- messages ----

-- Ids that stand for none: those that were minted for calls that had none.
local function own_id(id)
   if not full(id) or id:find "^call_%x%x%x%x%x%x%x%x%d+$" then return nil end
   return id
end

-- A message's signatures: those of calls by the calls' ids, that of its text, and its thoughts as parts.
local function reasoning_of(message, warn)
   local by_call, of_text, thoughts = {}, nil, {}
   local own, foreign = hub.own_details(message, FORMAT)
   if foreign > 0 then warn(hub.FOREIGN_REASONING) end
   for _, detail in ipairs(own) do
      if detail.type == "reasoning.encrypted" then
         local id, data = full(detail.id), full(detail.data)
         if id then by_call[id] = data else of_text = data or of_text end
      elseif detail.type == "reasoning.text" and (full(detail.text) or full(detail.signature)) then
         thoughts[#thoughts + 1] = { thought = true, text = text(detail.text) or "",
            thoughtSignature = full(detail.signature) }
      end
   end
   if foreign == 0 and #own == 0 and full(member(message, "reasoning_content")) then
      warn "dropped: reasoning_content"
   end
   return by_call, of_text, thoughts
end

local function call_signature(call, by_call)
   local id = full(call.id)
   local google = member(member(call, "extra_content"), "google")
   return id and by_call[id] or full(member(google, "thought_signature"))
end

local function call_part(call, by_call, warn)
   local fn = member(call, "function") or member(call, "custom")
   local name = full(member(fn, "name"))
   if not name then return nil end
   local args, good = hub.arguments(member(fn, "arguments"))
   if not good then warn("changed: the arguments of " .. name .. " are no JSON object") end
   return { functionCall = { id = own_id(call.id), name = name, args = args },
      thoughtSignature = call_signature(call, by_call) }
end

local function assistant(message, warn)
   local by_call, of_text, list = reasoning_of(message, warn)
   local said, err = content_parts(message.content, warn)
   if not said then return nil, err end
   if #said == 0 and full(message.refusal) then said[1] = { text = message.refusal } end
   for _, part in ipairs(said) do list[#list + 1] = part end
   local calls = {}
   for _, call in ipairs(hub.list(member(message, "tool_calls"))) do
      if type(call) == "table" then calls[#calls + 1] = call_part(call, by_call, warn) end
   end
   if of_text then
      if #said > 0 then
         said[#said].thoughtSignature = of_text
      elseif calls[1] and not calls[1].thoughtSignature then
         calls[1].thoughtSignature = of_text
      else
         list[#list + 1] = { text = "", thoughtSignature = of_text }
      end
   end
   for _, call in ipairs(calls) do list[#list + 1] = call end
   return { role = "model", parts = list }
end

-- What a function returned, as the object that Gemini wants: "output" for what it returned, "error" for what
-- went wrong. Source: Gemini API reference, "FunctionResponse".
local function response_of(message)
   local said = hub.plain(message.content, "\n")
   if message.is_error == true then return { error = said } end
   local first = said:match "^%s*(.)"
   if first == "{" then
      local object = json.decode(said)
      if type(object) == "table" then return object end
   end
   return { output = said }
end

local function result(message, names, modern, warn)
   local id = full(message.tool_call_id)
   local name = id and names[id] or full(message.name) or "function"
   local answer = { id = own_id(id), name = name, response = response_of(message) }
   local list = { { functionResponse = answer } }
   for _, part in ipairs(hub.parts(message.content)) do
      if part.type ~= "text" then
         local made, err = content_parts({ part }, warn)
         if not made then return nil, err end
         if modern and made[1] then
            answer.parts = answer.parts or json.array {}
            table.insert(answer.parts, made[1])
         else
            list[#list + 1] = made[1]
         end
      end
   end
   return { role = "user", parts = list }
end

-- A turn's results first, then what else the user said.
local function results_first(list)
   local first, rest = {}, {}
   for _, part in ipairs(list) do
      if part.functionResponse then first[#first + 1] = part else rest[#rest + 1] = part end
   end
   for _, part in ipairs(rest) do first[#first + 1] = part end
   return first
end

-- A model that checks signatures wants one on the first call of each step since the user spoke last.
local function mend_signatures(contents)
   for at = #contents, 1, -1 do
      local content = contents[at]
      if content.role == "user" then
         local results = 0
         for _, part in ipairs(content.parts) do results = results + (part.functionResponse and 1 or 0) end
         if results == 0 then return end
      else
         for _, part in ipairs(content.parts) do
            if part.functionCall then
               part.thoughtSignature = part.thoughtSignature or parts.NO_SIGNATURE
               break
            end
         end
      end
   end
end

-- contents, systemInstruction | nil, err.
local function conversation(req, model, warn)
   local system, rest = hub.system(req.messages)
   rest = hub.with_ids(rest)
   local names, modern = hub.call_names(rest), not is_old(model)
   local turns = {}
   for _, message in ipairs(rest) do
      local role, turn, err = message.role
      if role == "assistant" then
         turn, err = assistant(message, warn)
      elseif role == "tool" or role == "function" then
         turn, err = result(message, names, modern, warn)
      else
         local list
         list, err = content_parts(message.content, warn)
         turn = list and { role = "user", parts = list }
      end
      if not turn then return nil, err end
      turns[#turns + 1] = turn
   end
   local contents = json.array(hub.merge(turns, "parts"))
   for _, content in ipairs(contents) do
      if content.role == "user" then content.parts = results_first(content.parts) end
      content.parts = json.array(content.parts)
   end
   if modern then mend_signatures(contents) end
   local instruction
   if #system > 0 then
      instruction = { parts = json.array {} }
      for _, part in ipairs(system) do table.insert(instruction.parts, { text = part.text }) end
   end
   if #contents == 0 then -- there must be one turn
      if not instruction then return bad "'messages' holds nothing that can be sent" end
      contents[1] = { role = "user", parts = instruction.parts }
      instruction = nil
   end
   return contents, instruction
end

-- ---- tools ----

local function declaration(fn)
   local schema = member(fn, "parameters")
   if type(schema) == "table" and next(schema) == nil then schema = nil end
   return { name = fn.name, description = text(member(fn, "description")),
      parametersJsonSchema = parts.clean_schema(schema) }
end

-- The tools, and whether there are functions among them.
local function tools_of(list, req, warn)
   local declarations, tools = json.array {}, json.array {}
   for _, tool in ipairs(list) do
      local fn = member(tool, "function")
      if member(tool, "type") == "function" and full(member(fn, "name")) then
         declarations[#declarations + 1] = declaration(fn)
      elseif member(tool, "format") == "gemini" then
         local own = json.object {}
         for name, value in pairs(tool) do
            if name ~= "format" and name ~= "type" then own[name] = value end
         end
         tools[#tools + 1] = own
      else
         warn("dropped: tool " .. tostring(member(tool, "type")))
      end
   end
   if hub.has(req.web_search_options) then tools[#tools + 1] = { googleSearch = json.object {} } end
   if #declarations > 0 then table.insert(tools, 1, { functionDeclarations = declarations }) end
   return #tools > 0 and tools or nil, #declarations > 0
end

local modes = { none = "NONE", auto = "AUTO", required = "ANY", any = "ANY" }

-- tool_choice as functionCallingConfig, or nil.
local function calling(choice)
   if type(choice) == "string" then return modes[choice] and { mode = modes[choice] } end
   local name = full(member(member(choice, "function"), "name")) or full(member(choice, "name"))
   if name then return { mode = "ANY", allowedFunctionNames = json.array { name } } end
   local allowed = member(choice, "allowed_tools")
   local names = json.array {}
   for _, tool in ipairs(hub.list(member(allowed, "tools"))) do
      names[#names + 1] = full(member(member(tool, "function"), "name"))
   end
   if #names == 0 then return nil end
   -- AUTO takes no names; VALIDATED is the mode that may call or speak
   local must = member(allowed, "mode") == "required"
   return { mode = must and "ANY" or "VALIDATED", allowedFunctionNames = names }
end

-- ---- generationConfig ----

local function has(list, name)
   for _, value in ipairs(hub.list(list)) do
      if value == name then return true end
   end
   return false
end

local settings = {
   temperature = "temperature", top_p = "topP", top_k = "topK", seed = "seed", n = "candidateCount",
   presence_penalty = "presencePenalty", frequency_penalty = "frequencyPenalty",
   max_tokens = "maxOutputTokens", max_completion_tokens = "maxOutputTokens",
}

local setting_names = {}
for name in pairs(settings) do setting_names[#setting_names + 1] = name end

-- The levels that models know instead of budgets, from Gemini 3 on. The first "pro" had two.
local function level_of(effort, model)
   local pro = model:find "pro"
   if effort == "minimal" then return pro and "low" or "minimal" end
   if effort == "medium" and model:find "gemini%-3%-pro" then return "high" end
   if effort == "xhigh" or effort == "max" then return "high" end
   return effort
end

local function budget_for(effort, model)
   local budget = hub.budget_of(effort)
   local most = model:find "pro" and 32768 or 24576
   return budget and math.min(budget, most)
end

-- Older models do not think, nor do those of which the catalogue says so.
local function thinks(model, facts)
   local capabilities = member(facts, "capabilities")
   if capabilities and not has(capabilities, "reasoning") then return false end
   return not (model:find "gemini%-1" or model:find "gemini%-2%.0")
end

-- What cannot be switched off is set as low as it goes.
local function no_thinking(model, facts, warn)
   if not thinks(model, facts) then return nil end
   if generation(model) >= 3 then
      local level = model:find "pro" and "low" or "minimal"
      warn("changed: reasoning none -> " .. level)
      return { thinkingLevel = level }
   end
   if model:find "2%.5%-pro" then
      warn "changed: reasoning none -> 128 tokens"
      return { thinkingBudget = 128 }
   end
   return { thinkingBudget = 0 }
end

local function thinking_of(req, to, warn)
   local effort, budget, on = hub.thinking(req)
   local reasoning = member(req, "reasoning")
   local summary = member(reasoning, "summary")
   if summary == "none" then summary = nil end
   if on == false then return no_thinking(to.model, to.facts, warn) end
   if on == nil and not summary then return nil end
   if not thinks(to.model, to.facts) then
      warn "dropped: reasoning"
      return nil
   end
   local config = {}
   if budget then
      config.thinkingBudget = budget
   elseif effort and generation(to.model) >= 3 then
      config.thinkingLevel = level_of(effort, to.model)
   elseif effort then
      config.thinkingBudget = budget_for(effort, to.model)
   elseif on and generation(to.model) < 3 then
      config.thinkingBudget = -1
   end
   -- Who says no more than how much is shown it, as by other providers; a budget alone shows nothing.
   if summary or (effort and reasoning == nil) or member(reasoning, "enabled") == true then
      config.includeThoughts = true
   end
   return next(config) ~= nil and config or nil
end

local function add_format(config, req, has_functions, to, warn)
   local format = member(req, "response_format")
   local kind = member(format, "type")
   if kind ~= "json_object" and kind ~= "json_schema" then return end
   if has_functions and is_old(to.model) then
      warn "dropped: response_format (this model takes no schema beside functions)"
      return
   end
   config.responseMimeType = "application/json"
   local schema = member(member(format, "json_schema"), "schema")
   if type(schema) == "table" then config.responseJsonSchema = parts.clean_schema(schema) end
end

local modalities = { text = "TEXT", image = "IMAGE", audio = "AUDIO" }

local function add_logprobs(config, req)
   if req.logprobs ~= true then return end
   config.responseLogprobs = true
   if type(req.top_logprobs) == "number" and req.top_logprobs > 0 then config.logprobs = req.top_logprobs end
end

local STOPS = 5 -- Gemini takes no more

local function add_stop(config, stop, warn)
   if type(stop) == "string" then stop = { stop } end
   local list = json.array {}
   for _, word in ipairs(hub.list(stop)) do
      if full(word) then list[#list + 1] = word end
   end
   if #list > STOPS then
      warn(("changed: stop: %d sequences -> %d"):format(#list, STOPS))
      while #list > STOPS do table.remove(list) end
   end
   if #list > 0 then config.stopSequences = list end
end

local function add_modalities(config, list)
   local out = json.array {}
   for _, name in ipairs(hub.list(list)) do out[#out + 1] = modalities[name] end
   if #out > 0 then config.responseModalities = out end
end

local SAMPLING = { "temperature", "top_p", "top_k" }

-- What this model does not take is left out, what is too much made less.
local function fit(config, facts, warn)
   if has(member(facts, "dialect"), "no_sampling") then
      for _, name in ipairs(SAMPLING) do
         if config[settings[name]] then warn("dropped: " .. name) end
         config[settings[name]] = nil
      end
   end
   local most, wanted = member(facts, "max_output"), config.maxOutputTokens
   if type(most) == "number" and wanted and wanted > most then
      warn(("changed: max_tokens %g -> %g"):format(wanted, most))
      config.maxOutputTokens = most
   end
end

local function generation_config(req, has_functions, to, warn)
   local config = {}
   for _, name in ipairs(setting_names) do
      local value = req[name]
      if type(value) == "number" and not (name == "n" and value == 1) then config[settings[name]] = value end
   end
   fit(config, to.facts, warn)
   add_stop(config, req.stop, warn)
   add_modalities(config, req.modalities)
   add_logprobs(config, req)
   add_format(config, req, has_functions, to, warn)
   config.thinkingConfig = thinking_of(req, to, warn)
   return config
end

-- ---- what only Gemini knows ----

-- Adds the members that are not there yet.
local function add_missing(to, from)
   for name, value in pairs(hub.list(from)) do
      if type(name) == "string" and to[name] == nil and hub.has(value) then to[name] = value end
   end
end

-- extra_body.google, as Google's OpenAI-compatible endpoint takes it, by names in snake_case or camelCase.
local of_body = { "safetySettings", "cachedContent", "labels", "serviceTier", "store" }

local function add_google(body, config, google)
   if type(google) ~= "table" then return end
   for _, name in ipairs(of_body) do body[name] = parts.pick(google, name) end
   local thinking = parts.pick(google, "thinkingConfig")
   if type(thinking) == "table" then
      local own = {}
      for _, name in ipairs { "includeThoughts", "thinkingBudget", "thinkingLevel" } do
         own[name] = parts.pick(thinking, name)
      end
      config.thinkingConfig = own
   end
end

-- What a client of Gemini's said that the hub has no words for.
local function add_native(body, config, native)
   if not native then return end
   add_missing(config, native.generationConfig)
   if type(native.toolConfig) == "table" then
      body.toolConfig = body.toolConfig or {}
      add_missing(body.toolConfig, native.toolConfig)
   end
   for name, value in pairs(native) do
      if name ~= "format" and name ~= "generationConfig" and name ~= "toolConfig" and body[name] == nil then
         body[name] = value
      end
   end
end

local known = {}
for name in ([[model messages stream stream_options tools tool_choice functions function_call
   parallel_tool_calls response_format stop
   logprobs top_logprobs reasoning_effort reasoning modalities web_search_options extra_body temperature top_p
   top_k seed n presence_penalty frequency_penalty max_tokens max_completion_tokens]]):gmatch "%S+" do
   known[name] = true
end

-- The body of a request, and the list of warnings | nil, err. Yields where media must be fetched.
--   to: { model =, stream =, facts = what the catalogue knows }
function request.encode(req, to)
   local warn, warnings = hub.warnings()
   local contents, instruction = conversation(req, to.model, warn)
   if not contents then return nil, instruction end
   local list, tool_choice = hub.tools(req)
   local tools, has_functions = tools_of(list, req, warn)
   local body = { contents = contents, systemInstruction = instruction, tools = tools }
   local choice = has_functions and calling(tool_choice)
   if choice then body.toolConfig = { functionCallingConfig = choice } end
   if has_functions and req.parallel_tool_calls == false then warn "dropped: parallel_tool_calls" end
   local config = generation_config(req, has_functions, to, warn)
   add_google(body, config, member(member(req, "extra_body"), "google"))
   add_native(body, config, hub.native(req, "gemini"))
   if next(config) ~= nil then body.generationConfig = config end
   hub.leftovers(req, known, warn, "gemini")
   return body, warnings
end

return request
