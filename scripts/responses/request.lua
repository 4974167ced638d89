-- responses.request: a client's request of the Responses API, in the shape of the hub.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Responses", "Create a response". What a provider would have to keep from
-- one request to the next (previous_response_id, item references ...) only a provider of the same API
-- has; for any other it is an error that names the member.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local memory = require "responses.memory"
local shape = require "responses.shape"

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param,
      type = "invalid_request_error" }
end

local function bound(param, what)
   return wrong(param, ("%s needs a provider that keeps it: name a model whose provider speaks the Responses "
      .. "API itself (codec openai_responses), or send the whole conversation as input, with store = false")
      :format(what or "'" .. param .. "'"))
end

-- ---- an assistant's turn: neighbouring items become one message ----

local function turn_of(state)
   if not state.turn then state.turn = { parts = {}, reasoning = {}, details = {}, calls = json.array {} } end
   return state.turn
end

local function append(into, from)
   for _, value in ipairs(from) do into[#into + 1] = value end
end

local function joined(values, separator)
   return #values > 0 and table.concat(values, separator) or nil
end

local function array(values)
   return #values > 0 and json.array(values) or nil
end

-- A turn that only thought belongs to the one before it.
local function join_before(state, turn)
   local last = state.messages[#state.messages]
   if not last or last.role ~= "assistant" or #turn.details == 0 then return end
   last.reasoning_details = last.reasoning_details or json.array {}
   append(last.reasoning_details, turn.details)
end

local function end_turn(state)
   local turn = state.turn
   state.turn = nil
   if not turn then return end
   if #turn.parts == 0 and #turn.calls == 0 and not turn.refusal then return join_before(state, turn) end
   state.messages[#state.messages + 1] = {
      role = "assistant", content = hub.content(turn.parts) or json.null, refusal = turn.refusal,
      reasoning_content = joined(turn.reasoning, "\n\n"), reasoning_details = array(turn.details),
      tool_calls = array(turn.calls),
   }
end

-- What was said begins a new message where the last one has said something, so that the order of thoughts
-- and words stays; calls stay in one message, since their results come after all of them.
local function next_turn(state)
   local turn = state.turn
   if turn and #turn.calls == 0 and (#turn.parts > 0 or turn.refusal) then end_turn(state) end
   return turn_of(state)
end

-- ---- items ----

-- A list of parts in the hub's form; nil, err for something else.
local function parts_of(state, content, place)
   local parts = {}
   if type(content) ~= "table" then return wrong(place, place .. " must be a string or a list of parts") end
   for position, part in ipairs(content) do
      if type(part) ~= "table" then
         return wrong(("%s[%d]"):format(place, position - 1), "a part of content must be an object")
      end
      local own = shape.hub_part(part)
      if own then
         parts[#parts + 1] = own
      else
         state.warn("dropped: " .. (text(part.type) or "a part of content"))
      end
   end
   return parts
end

local function assistant_message(state, item, place)
   local turn = next_turn(state)
   local content = item.content
   if type(content) == "string" then content = { { type = "output_text", text = content } } end
   local parts, err = parts_of(state, content, place .. ".content")
   if not parts then return nil, err end
   for _, part in ipairs(parts) do
      if part.type == "refusal" then
         turn.refusal = (turn.refusal or "") .. part.refusal
      elseif part.type ~= "text" or part.text ~= "" then
         turn.parts[#turn.parts + 1] = part
      end
   end
   return true
end

local roles = { user = true, system = true, developer = true, assistant = true }

local function message(state, item, place)
   local role = text(item.role)
   if not roles[role] then
      return wrong(place .. ".role", place .. ".role must be one of user, assistant, system, developer")
   end
   if role == "assistant" then return assistant_message(state, item, place) end
   end_turn(state)
   local content = item.content
   if type(content) ~= "string" then
      local parts, err = parts_of(state, content, place .. ".content")
      if not parts then return nil, err end
      content = hub.content(parts) or ""
   end
   state.messages[#state.messages + 1] = { role = role, content = content }
   return true
end

-- The opaque part of a reasoning item, which may be another provider's.
local function sealed_detail(item, shown)
   local format, data, id = hub.unstamp(item.encrypted_content, shape.FORMAT)
   if format == "anthropic-claude-v1" and #shown > 0 then
      return { type = "reasoning.text", text = table.concat(shown), signature = data, format = format }
   end
   return { type = "reasoning.encrypted", data = data, format = format, id = id },
      data ~= item.encrypted_content
end

local function reasoning(state, item)
   local turn, shown = next_turn(state), shape.reasoning_texts(item)
   append(turn.reasoning, shown)
   if (text(item.id) or ""):sub(1, #shape.MINTED) == shape.MINTED then state.foreign = true end
   if not full(item.encrypted_content) or item.encrypted_content:sub(1, 6) ~= "baton:" then
      append(turn.details, shape.details_of(item))
      return true
   end
   state.foreign = true
   local detail = sealed_detail(item, shown)
   if detail.format == shape.FORMAT then
      for _, summary in ipairs(shown) do
         turn.details[#turn.details + 1] = { type = "reasoning.summary", summary = summary,
            format = shape.FORMAT, id = detail.id }
      end
   end
   turn.details[#turn.details + 1] = detail
   return true
end

-- What a call of a tool of the client's holds besides its name: JSON text.
local function arguments_of(item)
   if item.type == "function_call" then return hub.arguments_text(item.arguments) end
   local rest = json.object {}
   for name, value in pairs(item) do
      if name ~= "type" and name ~= "id" and name ~= "call_id" and name ~= "status" and name ~= "name" then
         rest[name] = value
      end
   end
   return json.encode(rest)
end

local function call(state, item, place)
   local id = full(item.call_id)
   if not id then return wrong(place .. ".call_id", place .. ".call_id must be a string") end
   local turn = turn_of(state)
   turn.calls[#turn.calls + 1] = { id = id, type = "function", ["function"] = {
      name = full(item.name) or item.type:gsub("_call$", ""), arguments = arguments_of(item) } }
   return true
end

local function output(state, item, place)
   local id = full(item.call_id)
   if not id then return wrong(place .. ".call_id", place .. ".call_id must be a string") end
   end_turn(state)
   local content = item.output
   if type(content) == "table" and json.is_array(content) and member(content[1], "type") then
      local parts, err = parts_of(state, content, place .. ".output")
      if not parts then return nil, err end
      content = hub.content(parts)
   elseif type(content) ~= "string" then
      content = hub.has(content) and json.encode(content) or ""
   end
   state.messages[#state.messages + 1] = { role = "tool", tool_call_id = id, content = content or "" }
   return true
end

-- Items that stand for what the provider has kept.
local kept = { item_reference = true, compaction = true, compaction_summary = true,
   compaction_trigger = true }

local function add_item(state, item, place)
   if type(item) ~= "table" then return wrong(place, place .. " must be an object") end
   local kind = text(item.type) or (item.role ~= nil and "message") or ""
   if kind == "item_reference" and full(item.id) then
      item = memory.find(item.id) or item
      kind = item.type
   end
   if kind == "message" then return message(state, item, place) end
   if kind == "reasoning" then return reasoning(state, item) end
   if kept[kind] then return bound(place, ("%s, of the type '%s',"):format(place, kind)) end
   if kind == "function_call" or kind == "custom_tool_call" or kind:find "_call$" and full(item.call_id) then
      return call(state, item, place)
   end
   if kind:find "_call_output$" and (full(item.call_id) or kind == "function_call_output") then
      return output(state, item, place)
   end
   state.warn("dropped: input of the type " .. (kind ~= "" and kind:sub(1, 60) or "unknown"))
   return true
end

local function add_input(state, input)
   if type(input) == "string" then
      state.messages[#state.messages + 1] = { role = "user", content = input }
      return true
   end
   if type(input) ~= "table" then return wrong("input", "'input' must be a string or a list of items") end
   for position, item in ipairs(input) do
      local ok, err = add_item(state, item, ("input[%d]"):format(position - 1))
      if not ok then return nil, err end
   end
   end_turn(state)
   return true
end

-- ---- tools ----

-- The tools, and the names of those that were custom ones | nil, err.
local function tools_of(body, warn)
   local tools, custom = member(body, "tools"), {}
   if tools == nil then return nil, custom end
   if type(tools) ~= "table" then return wrong("tools", "'tools' must be a list") end
   local out = json.array {}
   for position, tool in ipairs(tools) do
      local place = ("tools[%d]"):format(position - 1)
      if not text(member(tool, "type")) then return wrong(place .. ".type", place
         .. ".type must be a string") end
      if (tool.type == "function" or tool.type == "custom") and not full(tool.name) then
         return wrong(place .. ".name", place .. ".name must be a string")
      end
      local own, was_custom = shape.hub_tool(tool)
      if was_custom then
         custom[tool.name] = true
         warn(("changed: the custom tool %s -> a function"):format(tool.name))
      end
      out[#out + 1] = own
   end
   return array(out), custom
end

-- ---- everything else ----

-- Members that pass as they are.
local plain = {
   "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "metadata", "user", "safety_identifier",
   "prompt_cache_key", "prompt_cache_retention", "service_tier", "store",
}

local known = {
   model = true, input = true, instructions = true, tools = true, tool_choice = true, text = true,
   reasoning = true, max_output_tokens = true, include = true, stream = true, stream_options = true,
   previous_response_id = true, conversation = true, background = true, prompt = true, truncation = true,
}
for _, name in ipairs(plain) do known[name] = true end

-- What the answer shows of the request.
local shown = {
   "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "reasoning",
   "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation",
   "user",
}

local function add_settings(req, body, warn)
   for _, name in ipairs(plain) do req[name] = member(body, name) end
   req.max_completion_tokens = member(body, "max_output_tokens")
   req.response_format = shape.response_format(member(member(body, "text"), "format"))
   req.verbosity = member(member(body, "text"), "verbosity")
   local think = member(body, "reasoning")
   req.reasoning_effort = text(member(think, "effort"))
   local summary = text(member(think, "summary")) or text(member(think, "generate_summary"))
   if summary then req.reasoning = { summary = summary } end
   for _, wanted in ipairs(list(member(body, "include"))) do
      if wanted == "message.output_text.logprobs" then
         req.logprobs = true
      elseif wanted ~= "reasoning.encrypted_content" then
         warn(("dropped: include %s"):format(tostring(wanted):sub(1, 60)))
      end
   end
   if req.top_logprobs == 0 and not req.logprobs then req.top_logprobs = nil end
   if req.top_logprobs then req.logprobs = true end
   if member(body, "truncation") == "auto" then warn "dropped: truncation" end
   hub.leftovers(body, known, warn)
end

local function add_choice(req, body, warn)
   local choice = member(body, "tool_choice")
   if choice == nil then return end
   req.tool_choice = shape.hub_choice(choice)
   if not req.tool_choice then warn "dropped: tool_choice" end
end

local function check_bound(body)
   for _, name in ipairs { "previous_response_id", "conversation", "prompt" } do
      if member(body, name) ~= nil then return bound(name) end
   end
   if member(body, "background") == true then return bound "background" end
   return true
end

-- decode(body text, head) -> hub, warnings, foreign | nil, err. head.custom: the names of custom tools;
-- head.shown: what the answer shows of the request; head.keep: may the client name its items later?
return function(raw, head)
   local body, problem = json.decode(raw)
   if type(body) ~= "table" or json.is_array(body) then
      return wrong(nil, problem and problem.message or "the body must be a JSON object")
   end
   local ok, err = check_bound(body)
   if not ok then return nil, err end
   local warn, warnings = hub.warnings()
   local state = { messages = json.array {}, warn = warn, foreign = false }
   local instructions = member(body, "instructions")
   if type(instructions) == "string" then
      state.messages[1] = { role = "system", content = instructions }
   elseif instructions ~= nil then
      return wrong("instructions", "'instructions' must be a string")
   end
   if member(body, "input") == nil then return wrong("input", "missing required parameter: 'input'") end
   ok, err = add_input(state, body.input)
   if not ok then return nil, err end
   local tools, custom = tools_of(body, warn)
   if tools == nil and custom.code then return nil, custom end
   local req = { model = text(body.model), stream = member(body, "stream"), messages = state.messages,
      tools = tools }
   add_settings(req, body, warn)
   add_choice(req, body, warn)
   if head then
      head.custom, head.shown, head.keep = custom, {}, member(body, "store") ~= false
      for _, name in ipairs(shown) do head.shown[name] = member(body, name) end
   end
   return req, warnings, state.foreign
end
