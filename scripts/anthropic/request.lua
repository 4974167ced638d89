-- anthropic.request: a client's body of POST /v1/messages in the hub's words.
-- SPDX-License-Identifier: MIT
--
-- Source: Messages API reference. What only this format knows is kept (hub.native) for a provider of it.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local thinking = require "anthropic.thinking"

local FORMAT, REASONING = "anthropic", "anthropic-claude-v1"

-- Raised with a table and caught in decode: what is wrong, and where.
local function wrong(place, message)
   error(errors.new { code = "bad_request", param = place, type = "invalid_request_error",
      message = place .. ": " .. message }, 0)
end

local function need(value, kind, place)
   if value == nil then wrong(place, "field required") end
   local is = kind == "list" and (type(value) == "table" and (json.is_array(value) or next(value) == nil))
      or kind == "object" and type(value) == "table" and not json.is_array(value)
      or type(value) == kind
   if not is then wrong(place, "must be " .. (kind == "list" and "a list" or "of type " .. kind)) end
   return value
end

-- ---- blocks ----

local function with_cache(part, block)
   part.cache_control = hub.member(block, "cache_control")
   return part
end

-- A block that only this format knows: a tool of the provider, say.
local function kept(block)
   return { type = hub.text(block.type) or "unknown", native = { format = FORMAT, block = block } }
end

local function image(block, place)
   local source = need(hub.member(block, "source"), "object", place .. ".source")
   if source.type == "base64" then
      local data = need(hub.member(source, "data"), "string", place .. ".source.data")
      local mime = need(hub.member(source, "media_type"), "string", place .. ".source.media_type")
      return { type = "image_url", image_url = { url = hub.data_url(mime, data) } }
   elseif source.type == "url" then
      return { type = "image_url", image_url = {
         url = need(hub.member(source, "url"), "string", place .. ".source.url") } }
   end
   return kept(block)
end

-- The words of a document that is text: providers without documents read it as such.
local function document_text(source)
   if source.type == "text" then return hub.text(source.data) end
   if source.type == "content" then return hub.plain(source.content, "\n") end
end

local function document(block, place)
   local source = need(hub.member(block, "source"), "object", place .. ".source")
   local title = hub.full(block.title)
   local text = document_text(source)
   if text then
      return { type = "text", text = title and title .. "\n\n" .. text or text,
         native = { format = FORMAT, block = block } }
   end
   local file = { filename = title }
   if source.type == "base64" then
      file.file_data = hub.data_url(hub.full(source.media_type) or "application/pdf",
         need(hub.member(source, "data"), "string", place .. ".source.data"))
   elseif source.type == "url" then
      file.file_url = need(hub.member(source, "url"), "string", place .. ".source.url")
   elseif source.type == "file" then
      file.file_id = hub.text(source.file_id)
   else
      return kept(block)
   end
   return { type = "file", file = file, native = { format = FORMAT,
      citations = hub.member(block, "citations"), context = hub.member(block, "context") } }
end

local function search_result(block)
   local words = { hub.full(block.title), hub.full(block.source), hub.full(hub.plain(block.content, "\n")) }
   local out = {}
   for position = 1, 3 do out[#out + 1] = words[position] end
   return { type = "text", text = table.concat(out, "\n"), native = { format = FORMAT, block = block } }
end

local part_of = {
   text = function(block, place)
      local text = need(hub.member(block, "text"), "string", place .. ".text")
      local native = hub.list(hub.member(block, "citations"))[1] and { format = FORMAT, block = block } or nil
      return { type = "text", text = text, native = native }
   end,
   image = image, document = document, search_result = search_result,
}

-- The parts of a content that is a text or a list of blocks. 'on' takes blocks of some types for itself.
local function parts_of(content, place, on)
   if type(content) == "string" then return hub.parts(content) end
   need(content, "list", place)
   local parts = {}
   for position, block in ipairs(content) do
      local at = ("%s.%d"):format(place, position - 1)
      need(block, "object", at)
      local kind = need(hub.member(block, "type"), "string", at .. ".type")
      if on and on[kind] then
         on[kind](block, at, position - 1, position == #content)
      else
         local make = part_of[kind]
         parts[#parts + 1] = with_cache(make and make(block, at) or kept(block), block)
      end
   end
   return parts
end

-- ---- messages ----

local function user(message, place, out)
   local on = {}
   function on.tool_result(block, at)
      local result = with_cache({ role = "tool", is_error = block.is_error == true or nil,
         tool_call_id = need(hub.member(block, "tool_use_id"), "string", at .. ".tool_use_id") }, block)
      local content = hub.member(block, "content")
      result.content = content and hub.content(parts_of(content, at .. ".content")) or ""
      out[#out + 1] = result
   end
   local content = hub.content(parts_of(message.content, place .. ".content", on))
   if content then out[#out + 1] = { role = "user", content = content } end
end

-- Opaque reasoning as a detail; what another provider made says so (hub.stamp).
local function detail_of(text, opaque, encrypted, index, state)
   local format, data, id = hub.unstamp(opaque, REASONING)
   local own = format == REASONING
   if not own then state.foreign = true end
   local detail = { format = format, id = id, index = own and index or nil }
   if encrypted then
      detail.type, detail.data = "reasoning.encrypted", data
   elseif format == "openai-responses-v1" then
      detail.type, detail.summary = "reasoning.summary", text
   else
      detail.type, detail.text, detail.signature = "reasoning.text", text, data ~= "" and data or nil
   end
   return detail
end

local function assistant(message, place, out, state)
   local made = { role = "assistant" }
   local on, said = {}, {}
   local function add(name, value)
      made[name] = made[name] or json.array {}
      made[name][#made[name] + 1] = value
   end
   function on.thinking(block, at, index)
      local text = need(hub.member(block, "thinking"), "string", at .. ".thinking")
      said[#said + 1] = text
      add("reasoning_details", detail_of(text, hub.text(block.signature), false, index, state))
   end
   function on.redacted_thinking(block, at, index)
      local data = need(hub.member(block, "data"), "string", at .. ".data")
      add("reasoning_details", detail_of(nil, data, true, index, state))
   end
   function on.tool_use(block, at, _, is_last)
      add("tool_calls", { id = need(hub.member(block, "id"), "string", at .. ".id"), type = "function",
         ["function"] = { name = need(hub.member(block, "name"), "string", at .. ".name"),
            arguments = hub.arguments_text(need(hub.member(block, "input"), "object", at .. ".input")) } })
      local cache = hub.member(block, "cache_control")
      if cache and is_last then made.cache_control = cache end
   end
   made.content = hub.content(parts_of(message.content, place .. ".content", on))
   local reasoning = table.concat(said)
   if reasoning ~= "" then made.reasoning_content = reasoning end
   if made.content or made.tool_calls or made.reasoning_details then out[#out + 1] = made end
end

local function messages_of(native, state)
   local out = json.array {}
   local system = hub.member(native, "system")
   local parts = system and parts_of(system, "system") or {}
   if #parts > 0 then out[1] = { role = "system", content = hub.content(parts) } end
   for position, message in ipairs(need(hub.member(native, "messages"), "list", "messages")) do
      local place = ("messages.%d"):format(position - 1)
      need(message, "object", place)
      local role = need(hub.member(message, "role"), "string", place .. ".role")
      need(hub.member(message, "content"), type(message.content) == "string" and "string" or "list",
         place .. ".content")
      if role == "user" then
         user(message, place, out)
      elseif role == "assistant" then
         assistant(message, place, out, state)
      elseif role == "system" then
         local content = hub.content(parts_of(message.content, place .. ".content"))
         if content then out[#out + 1] = { role = "system", content = content } end
      else
         wrong(place .. ".role", "must be 'user' or 'assistant'")
      end
   end
   return out
end

-- ---- tools ----

local HERE = { name = true, description = true, input_schema = true, strict = true, cache_control = true,
   type = true }

local function tool_of(tool, place)
   need(tool, "object", place)
   local kind = hub.member(tool, "type")
   if kind and kind ~= "custom" then
      local copy = { format = FORMAT }
      for name, value in pairs(tool) do copy[name] = value end
      return copy
   end
   local extras = { format = FORMAT, type = kind }
   for name, value in pairs(tool) do
      if not HERE[name] and hub.has(value) then extras[name] = value end
   end
   return with_cache({ type = "function", ["function"] = {
      name = need(hub.member(tool, "name"), "string", place .. ".name"),
      description = hub.text(hub.member(tool, "description")),
      parameters = need(hub.member(tool, "input_schema"), "object", place .. ".input_schema"),
      strict = hub.member(tool, "strict"),
   }, native = next(extras, next(extras)) and extras or nil }, tool)
end

local CHOICES = { auto = "auto", any = "required", none = "none" }

local function put_tools(req, native)
   local tools = hub.member(native, "tools")
   if tools and #need(tools, "list", "tools") > 0 then
      req.tools = json.array {}
      for position, tool in ipairs(tools) do
         req.tools[position] = tool_of(tool, ("tools.%d"):format(position - 1))
      end
   end
   local choice = hub.member(native, "tool_choice")
   if not choice then return end
   local kind = hub.member(need(choice, "object", "tool_choice"), "type")
   if kind == "tool" then
      req.tool_choice = { type = "function", ["function"] = {
         name = need(hub.member(choice, "name"), "string", "tool_choice.name") } }
   else
      req.tool_choice = CHOICES[kind]
      if not CHOICES[kind] then wrong("tool_choice.type", "must be 'auto', 'any', 'tool' or 'none'") end
   end
   if choice.disable_parallel_tool_use == true then req.parallel_tool_calls = false end
end

-- ---- settings ----

local SAME = { model = "string", max_tokens = "number", temperature = "number", top_p = "number",
   top_k = "number", stream = "boolean" }

local DONE = { system = true, messages = true, tools = true, tool_choice = true, stop_sequences = true,
   metadata = true, thinking = true, output_config = true, output_format = true, service_tier = true,
   cache_control = true }

local TIERS = { auto = "auto", standard_only = "default" }

local function put_format(req, format, place)
   if not format then return end
   if hub.member(need(format, "object", place), "type") ~= "json_schema" then
      wrong(place .. ".type", "must be 'json_schema'")
   end
   req.response_format = { type = "json_schema", json_schema = { name = "answer", strict = true,
      schema = need(hub.member(format, "schema"), "object", place .. ".schema") } }
end

-- Other members of output_config, which the hub has no words for.
local function other_config(config)
   local rest
   for name, value in pairs(hub.list(config)) do
      if name ~= "effort" and name ~= "format" and hub.has(value) then
         rest = rest or {}
         rest[name] = value
      end
   end
   return rest
end

local function put_settings(req, native, kept_)
   for name, kind in pairs(SAME) do
      local value = hub.member(native, name)
      if value ~= nil then req[name] = need(value, kind, name) end
   end
   local stop = hub.member(native, "stop_sequences")
   if stop and #need(stop, "list", "stop_sequences") > 0 then req.stop = stop end
   req.user = hub.full(hub.member(hub.member(native, "metadata"), "user_id"))
   req.service_tier = TIERS[hub.member(native, "service_tier")]
   req.cache_control = hub.member(native, "cache_control")
   local config = hub.member(native, "output_config")
   if config then need(config, "object", "output_config") end
   put_format(req, hub.member(config, "format"), "output_config.format")
   put_format(req, hub.member(native, "output_format"), "output_format")
   local asked = hub.member(native, "thinking")
   if asked then need(asked, "object", "thinking") end
   req.reasoning_effort, req.reasoning = thinking.read(asked, config)
   kept_._thinking, kept_._effort = asked, hub.text(hub.member(config, "effort"))
   kept_.output_config = other_config(config)
   for name, value in pairs(native) do
      if not SAME[name] and not DONE[name] and hub.has(value) then kept_[name] = value end
   end
end

-- A conversation that the server holds: only a provider of this API has one, and policies may take another
-- for the next turn. Clients that are told this code send the whole conversation instead.
local function refuse_thread(native)
   if hub.member(native, "thread") == nil then return nil end
   return errors.new { code = "bad_request", param = "thread", type = "invalid_request_error",
      provider_code = "thread_unsupported_request", message = "thread: only a provider of this API keeps "
         .. "conversations: name one of its models, or send the whole conversation without 'thread'" }
end

-- decode(body text) -> hub request, warnings, foreign (is there reasoning of another provider in it?) |
-- nil, err.
return function(text)
   local native, why = json.decode(text)
   if type(native) ~= "table" or json.is_array(native) then
      return nil, errors.new { code = "bad_request", type = "invalid_request_error",
         message = "the body must be a JSON object" .. (why and ": " .. tostring(why) or "") }
   end
   local bound = refuse_thread(native)
   if bound then return nil, bound end
   local req, kept_, state = {}, { format = FORMAT }, { foreign = false }
   local ok, err = pcall(function()
      req.messages = messages_of(native, state)
      put_tools(req, native)
      put_settings(req, native, kept_)
   end)
   if not ok then
      if type(err) == "table" and err.code == "bad_request" then return nil, err end
      error(err, 0)
   end
   if next(kept_, next(kept_)) ~= nil then req.native = kept_ end
   return req, {}, state.foreign
end
