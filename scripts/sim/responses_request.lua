-- responses_request: a request of OpenAI's Responses, checked as the provider checks it.
-- SPDX-License-Identifier: MIT
local conversation = require "sim.conversation"
local openai_error = require "sim.openai_error"
local openai_say = require "sim.openai_say"
local request = require "sim.request"
local seal = require "sim.seal"
local shape = require "sim.shape"
local strict = require "sim.strict"

local responses_request = {}

local given, refuse = request.given, openai_say.refuse
local object, list, enum, range = shape.object, shape.list, shape.enum, shape.range
local tagged, either = shape.tagged, shape.either

-- ---- the shape ----

local ANYTHING = setmetatable({}, { __index = function() return "any" end })

local PART = tagged("type", {
   input_text = { text = "string!" },
   input_image = { image_url = "string", file_id = "string", detail = enum("low high auto original") },
   input_file = { file_id = "string", file_data = "string", filename = "string", file_url = "string",
      detail = "string" },
   input_audio = { input_audio = "object!" },
   output_text = { text = "string!", annotations = "array", logprobs = "array" },
   refusal = { refusal = "string!" },
})

local STATUS = enum("in_progress completed incomplete")
local TEXTS = list(tagged("type", { summary_text = { text = "string!" },
   reasoning_text = { text = "string!" } }))

local ITEMS = {
   message = {
      id = "string", role = enum("user assistant system developer", "!"), status = STATUS, phase = "string",
      content = either({ string = "string", array = list(PART) }, "!"),
   },
   function_call = {
      id = "string", call_id = "string!", name = "string!", arguments = "string!", status = STATUS,
      namespace = "string", caller = "object",
   },
   function_call_output = {
      id = "string", call_id = "string!", output = either({ string = "string", array = list(PART) }, "!"),
      status = STATUS, caller = "object",
   },
   reasoning = {
      id = "string!", summary = "array!", content = TEXTS, encrypted_content = "string", status = STATUS,
   },
   item_reference = { id = "string!" },
   custom_tool_call = { id = "string", call_id = "string!", name = "string!", input = "string!",
      status = STATUS },
   custom_tool_call_output = { id = "string", call_id = "string!", output = "any!", status = STATUS },
   web_search_call = { id = "string!", status = "string!", action = "object" },
   local_shell_call = ANYTHING, local_shell_call_output = ANYTHING, compaction = ANYTHING,
   tool_search_call = ANYTHING, tool_search_output = ANYTHING,
}

local FORMAT = tagged("type", {
   text = {}, json_object = {},
   json_schema = { name = "string!", schema = "object!", strict = "boolean", description = "string" },
})

local TOOL = tagged("type", {
   ["function"] = { name = "string!", parameters = "object", strict = "boolean", description = "string",
      defer_loading = "boolean" },
   web_search = ANYTHING, web_search_preview = ANYTHING, file_search = ANYTHING, code_interpreter = ANYTHING,
   image_generation = ANYTHING, mcp = ANYTHING, custom = ANYTHING, local_shell = ANYTHING,
   computer_use_preview = ANYTHING, shell = ANYTHING, apply_patch = ANYTHING, namespace = ANYTHING,
   tool_search = ANYTHING,
})

local MEMBERS = {
   model = "string!", instructions = "string", previous_response_id = "string", conversation = "any",
   store = "boolean",
   input = either({ string = "string", array = list(tagged("type", ITEMS, nil, "message")) }, "!"),
   tools = list(TOOL), text = object { format = FORMAT, verbosity = enum("low medium high") },
   tool_choice = either {
      string = enum("none auto required"),
      object = tagged("type", { ["function"] = { name = "string!" }, allowed_tools = ANYTHING,
         custom = ANYTHING,
         web_search = {}, web_search_preview = {}, file_search = {}, image_generation = {}, mcp = ANYTHING }),
   },
   reasoning = object {
      effort = enum("none minimal low medium high xhigh max"), summary = enum("auto concise detailed"),
      generate_summary = "string", context = "string", mode = "string",
   },
   max_output_tokens = range("integer", 16), max_tool_calls = "integer", truncation = enum("auto disabled"),
   include = list(enum([[reasoning.encrypted_content message.output_text.logprobs
      web_search_call.action.sources web_search_call.results file_search_call.results
      message.input_image.image_url code_interpreter_call.outputs computer_call_output.output.image_url]])),
   background = "boolean", stream = "boolean", stream_options = object { include_obfuscation = "boolean" },
   parallel_tool_calls = "boolean", temperature = range("number", 0, 2), top_p = range("number", 0, 1),
   top_logprobs = range("integer", 0, 20), metadata = "object", user = "string", safety_identifier = "string",
   prompt_cache_key = "string", prompt_cache_retention = "string", service_tier = "string", prompt = "object",
   context_management = "array", moderation = "any", client_metadata = "object",
}

-- ---- items ----

local function medium(part, where)
   if part.type == "input_audio" then
      return { kind = "audio", mime = part.input_audio.format or "unknown" }
   end
   local url = part.image_url or part.file_data or part.file_url
   if given(url) and url:find("^data:") then
      local mime, data = conversation.data_url(url)
      if not mime or not conversation.is_base64(data) then
         refuse(("Invalid '%s'. Expected a base64-encoded data URL with an image MIME type (e.g. "
            .. "'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got an invalid base64-encoded "
            .. "value."):format(where),
            where, "invalid_value")
      end
      return { kind = part.type == "input_image" and "image" or "document", mime = mime }
   end
   if not given(url) and not given(part.file_id) then
      refuse(("Missing required parameter: '%s'."):format(where), where, "missing_required_parameter")
   end
   return { kind = part.type == "input_image" and "image" or "document", mime = given(url) and "a URL"
      or "a file" }
end

-- What parts a message of each role may have.
local ALLOWED = {
   assistant = { output_text = true, refusal = true },
   other = { input_text = true, input_image = true, input_file = true, input_audio = true },
}

local function read_parts(content, role, where)
   if type(content) == "string" then return content, {} end
   local allowed, texts, media = ALLOWED[role] or ALLOWED.other, {}, {}
   for i, part in ipairs(content) do
      local at = ("%s[%d]"):format(where, i - 1)
      if not allowed[part.type] then openai_say.say.enum(at .. ".type", shape.keys(allowed), part.type) end
      if part.text or part.refusal then
         texts[#texts + 1] = part.text or part.refusal
      else
         media[#media + 1] = medium(part, at .. (part.type == "input_image" and ".image_url" or ".file_data"))
      end
   end
   return table.concat(texts, "\n"), media
end

-- What this simulator kept (its ids say so), or what comes with its own encrypted contents.
local function check_reasoning(item, where)
   local stored = seal.fits(item.id, "rs_0s", "")
   if given(item.encrypted_content) then
      if not seal.fits(item.encrypted_content, "gAAAAA", item.id) then
         refuse(("The encrypted content for item %s could not be verified. Reason: Encrypted content "
            .. "could not be decrypted or parsed."):format(item.id), where
            .. ".encrypted_content", "invalid_encrypted_content")
      end
   elseif not stored then
      error(openai_error.fail("no_route", { param = "input", message = ("Item with id '%s' not found. "
         .. "Items are not persisted when `store` is set to false. Try again with `store` set to true, "
         .. "or remove this item from your input."):format(item.id) }), 0)
   end
end

-- A call that was thought about needs its thoughts in front; its id begins with "fc_0r" then.
local function check_thought(item, before)
   if given(item.id) and item.id:find("^fc_0r") and not before then
      refuse(("Item '%s' of type 'function_call' was provided without its required 'reasoning' item: "
         .. "'%s'."):format(
         item.id, "rs_0" .. item.id:sub(6)), "input", nil)
   end
end

local READ = {}

function READ.message(item, where, turns)
   local text, media = read_parts(item.content, item.role, where .. ".content")
   local role = item.role == "developer" and "system" or item.role
   turns[#turns + 1] = { role = role, text = text, media = media }
end

function READ.function_call(item, _, turns, state)
   check_thought(item, state.thought)
   state.open[item.call_id] = true
   local last = turns[#turns]
   if not (last and last.role == "assistant") then turns[#turns + 1] = { role = "assistant", text = "" } end
end

function READ.function_call_output(item, where, turns, state)
   if state.open[item.call_id] == nil then
      refuse(("No tool call found for function call output with call_id %s."):format(item.call_id), "input",
         nil)
   end
   state.open[item.call_id] = false
   local text, media = read_parts(item.output, "tool", where .. ".output")
   turns[#turns + 1] = { role = "tool", text = text, media = media }
end

function READ.reasoning(item, where, _, state)
   check_reasoning(item, where)
   state.thought = item.id
end

local function read_input(ask, body, server)
   local turns, state = {}, { open = {} }
   if given(body.previous_response_id) then
      local kept = (server.memory.responses or {})[body.previous_response_id]
      if not kept then
         refuse(("Previous response with id '%s' not found."):format(body.previous_response_id),
            "previous_response_id",
            "previous_response_not_found")
      end
      table.move(kept.turns, 1, #kept.turns, 1, turns)
      for _, id in ipairs(kept.calls) do state.open[id] = true end
   end
   local input = body.input
   if type(input) == "string" then input = { { role = "user", content = input } } end
   for i, item in ipairs(input) do
      local read = READ[item.type or "message"]
      if read then read(item, ("input[%d]"):format(i - 1), turns, state) end
      local next_turn = item.role and item.role ~= "assistant" or item.type == "function_call_output"
      if next_turn then state.thought = nil end
   end
   for _, id in ipairs(shape.keys(state.open)) do
      if state.open[id] then refuse(("No tool output found for function call %s."):format(id), "input",
         nil) end
   end
   ask.turns = table.move(turns, 1, #turns, 1, {})
   if given(body.instructions) then table.insert(turns, 1, { role = "system", text = body.instructions }) end
   conversation.read(ask, turns)
end

-- ---- the rest ----

local function read_tools(ask, body)
   ask.parallel = body.parallel_tool_calls ~= false
   for i, tool in ipairs(request.or_nil(body.tools) or {}) do
      if tool.type == "function" then
         local where = ("tools[%d]"):format(i - 1)
         if not tool.name:find("^[%w_-]+$") or #tool.name > 64 then
            refuse(("Invalid '%s.name': string does not match pattern. Expected a string that matches "
               .. "the pattern '^[a-zA-Z0-9_-]+$'."):format(where), where .. ".name", "invalid_value")
         end
         local why = tool.strict == true
            and strict.complaint(request.or_nil(tool.parameters), "function '" .. tool.name .. "'")
         if why then refuse(why, where .. ".parameters", "invalid_function_parameters") end
         table.insert(ask.tools, {
            name = tool.name, description = request.or_nil(tool.description),
            parameters = request.or_nil(tool.parameters),
         })
      end
   end
   local choice = request.or_nil(body.tool_choice)
   if type(choice) == "string" then ask.tool_choice = choice end
   if type(choice) == "table" and choice.type == "function" then
      for _, tool in ipairs(ask.tools) do
         if tool.name == choice.name then ask.tool_choice = { name = choice.name } end
      end
      if ask.tool_choice == "auto" then
         refuse(("Tool choice '%s' not found in 'tools' parameter."):format(choice.name), "tool_choice", nil)
      end
   end
end

local function read_format(ask, body)
   local format = request.or_nil(body.text) and request.or_nil(body.text.format)
   if not format or format.type == "text" then return end
   ask.json = true
   if format.type == "json_object" then
      if not (ask.system .. "\n" .. ask.user):lower():find("json", 1, true) then
         refuse("Response input messages must contain the word 'json' in some form to use 'text.format' "
            .. "of type 'json_object'.", "input", nil)
      end
      return
   end
   local why = format.strict == true and strict.complaint(format.schema, "response_format '" .. format.name
      .. "'")
   if why then refuse(why, "text.format.schema", "invalid_json_schema") end
   ask.schema = format.schema
end

local function read_reasoning(ask, body)
   local reasoning = request.or_nil(body.reasoning)
   for _, name in ipairs(request.or_nil(body.include) or {}) do
      if name == "reasoning.encrypted_content" then ask.encrypted = true end
      if name == "message.output_text.logprobs" then ask.logprobs = true end
   end
   if not reasoning or not (given(reasoning.effort) or given(reasoning.summary))
      or reasoning.effort == "none" then
      return
   end
   ask.think = { effort = request.or_nil(reasoning.effort), shown = given(reasoning.summary) }
end

function responses_request.read(ask, req, _, server)
   local body = request.body(req.body, openai_error)
   ask.stream = body.stream == true
   openai_say.check(body, MEMBERS)
   request.model(ask, body.model, openai_error)
   read_input(ask, body, server)
   read_tools(ask, body)
   read_format(ask, body)
   read_reasoning(ask, body)
   ask.limit = request.or_nil(body.max_output_tokens) or math.huge
   ask.top_logprobs = request.or_nil(body.top_logprobs)
   local options = request.or_nil(body.stream_options)
   ask.plain = options ~= nil and options.include_obfuscation == false
   ask.body, ask.stored = body, body.store ~= false
end

return responses_request
