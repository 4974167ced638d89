-- anthropic.encode: a hub request as the body of POST /v1/messages.
-- SPDX-License-Identifier: MIT
--
-- Source: Messages API reference. What this format cannot say is left out and reported, never sent as null.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local models = require "anthropic.models"
local schema = require "anthropic.schema"
local thinking = require "anthropic.thinking"
local turns = require "anthropic.turns"

-- Members of a hub request that are used here, or mean nothing to a provider of this format.
local KNOWN = {
   model = true, messages = true, stream = true, stream_options = true, max_tokens = true,
   max_completion_tokens = true, temperature = true, top_p = true, top_k = true, stop = true, tools = true,
   tool_choice = true, functions = true, function_call = true, parallel_tool_calls = true, user = true,
   safety_identifier = true, response_format = true, reasoning_effort = true, reasoning = true,
   service_tier = true, cache_control = true, web_search_options = true, native = true,
   modalities = true, n = true, logprobs = true, store = true,
}

-- ---- tools ----

local function own_tool(tool)
   local copy = {}
   for name, value in pairs(tool) do
      if name ~= "format" then copy[name] = value end
   end
   return copy
end

-- A function's parameters: always an object.
local function input_schema(parameters)
   if not hub.object(parameters) then
      return json.object { type = "object", properties = json.object {} }
   end
   if hub.full(parameters.type) then return parameters end
   local copy = json.object { type = "object" }
   for name, value in pairs(parameters) do copy[name] = value end
   copy.type = "object"
   return copy
end

local function function_tool(tool, facts)
   local fn = hub.member(tool, "function")
   local name = hub.full(hub.member(fn, "name"))
   if not name then return nil end
   local out = {}
   for member, value in pairs(hub.native(tool, turns.FORMAT) or out) do
      if member ~= "format" then out[member] = value end
   end
   out.name, out.description = name, hub.text(hub.member(fn, "description"))
   out.input_schema = input_schema(hub.member(fn, "parameters"))
   if hub.member(fn, "strict") == true and facts.structured then
      out.strict, out.input_schema = true, schema.fit(out.input_schema)
   end
   out.cache_control = hub.member(tool, "cache_control")
   return out
end

-- The functions that were called before, where a client names none: calls without tools are refused.
local function called_before(messages)
   local tools, seen = {}, {}
   for _, message in ipairs(messages) do
      for _, call in ipairs(hub.list(hub.member(message, "tool_calls"))) do
         local name = hub.full(hub.member(hub.member(call, "function"), "name"))
         if name and not seen[name] then
            seen[name] = true
            tools[#tools + 1] = { name = name, input_schema = input_schema(nil) }
         end
      end
   end
   return tools
end

local CHOICES = { auto = "auto", required = "any", any = "any", none = "none" }

-- What is chosen: the choice, the set of names it is restricted to (nil: all).
local function choice_of(choice, warn)
   if type(choice) ~= "table" then
      if choice ~= nil and not CHOICES[choice] then warn "dropped: tool_choice" end
      return CHOICES[choice] and { type = CHOICES[choice] } or nil
   end
   local name = hub.full(hub.member(hub.member(choice, "function"), "name")) or hub.full(choice.name)
   if name then return { type = "tool", name = name } end
   local allowed = hub.member(choice, "allowed_tools")
   if type(allowed) == "table" then
      local names = {}
      for _, tool in ipairs(hub.list(allowed.tools)) do
         names[hub.member(hub.member(tool, "function"), "name") or hub.member(tool, "name") or ""] = true
      end
      return { type = allowed.mode == "required" and "any" or "auto" }, names
   end
   warn "dropped: tool_choice"
end

local function web_search(options, body)
   local place = hub.member(hub.member(options, "user_location"), "approximate")
   local tool = { type = "web_search_20250305", name = "web_search" }
   if type(place) == "table" then
      tool.user_location = { type = "approximate", city = hub.full(place.city),
         region = hub.full(place.region), country = hub.full(place.country),
         timezone = hub.full(place.timezone) }
   end
   body.tools[#body.tools + 1] = tool
end

local function put_tools(body, req, facts, warn)
   local tools, choice = hub.tools(req)
   local chosen, allowed = choice_of(choice, warn)
   body.tools = {}
   for _, tool in ipairs(tools) do
      local kind = hub.member(tool, "type")
      local made
      if kind == "function" then
         made = function_tool(tool, facts)
      elseif hub.member(tool, "format") == turns.FORMAT then
         made = own_tool(tool)
      end
      if not made then
         warn("dropped: tool " .. tostring(kind))
      elseif not allowed or allowed[made.name] then
         body.tools[#body.tools + 1] = made
      end
   end
   if hub.has(req.web_search_options) then web_search(req.web_search_options, body) end
   if #body.tools == 0 then
      body.tools = called_before(hub.list(hub.member(req, "messages")))
      chosen = nil
      if #body.tools > 0 then
         warn "added: the tools that were called before"
         chosen = { type = "none" }
      end
   end
   if #body.tools == 0 then
      body.tools = nil
      return
   end
   if hub.member(req, "parallel_tool_calls") == false and (not chosen or chosen.type ~= "none") then
      chosen = chosen or { type = "auto" }
      chosen.disable_parallel_tool_use = true
   end
   if facts.unforced and chosen and (chosen.type == "any" or chosen.type == "tool") then
      warn "changed: tool_choice -> auto (no tool can be forced on this model)"
      chosen.type, chosen.name = "auto", nil
   end
   body.tool_choice = chosen
end

-- ---- settings ----

local function max_tokens(req, to, facts, warn)
   local wanted = hub.member(req, "max_completion_tokens") or hub.member(req, "max_tokens")
   local most = hub.member(to.facts, "max_output")
   if type(wanted) ~= "number" then return most or facts.max_output end
   wanted = math.floor(wanted)
   if most and wanted > most then
      warn(("changed: max_tokens %g -> %g"):format(wanted, most))
      return most
   end
   return wanted
end

local function put_stop(body, stop, warn)
   local list = json.array {}
   for _, text in ipairs(type(stop) == "string" and { stop } or hub.list(stop)) do
      if type(text) == "string" and text:find "%S" then
         list[#list + 1] = text
      else
         warn "dropped: stop (only white space)"
      end
   end
   if #list > 0 then body.stop_sequences = list end
end

local SAMPLING = { "temperature", "top_p", "top_k" }

-- Thinking leaves little of the settings of chance; the newer models take none at all.
local function put_sampling(body, req, facts, warn)
   local thinks = body.thinking and body.thinking.type ~= "disabled"
   for _, name in ipairs(SAMPLING) do
      local value = hub.member(req, name)
      if type(value) ~= "number" then
         value = nil
      elseif not facts.sampling then
         if value ~= 1 or name == "top_k" then warn("dropped: " .. name .. " (this model takes none)") end
         value = nil
      elseif name == "temperature" and value > 1 then
         warn(("changed: temperature %g -> 1"):format(value))
         value = 1
      elseif thinks and not (name == "temperature" and value == 1 or name == "top_p" and value >= 0.95) then
         warn("dropped: " .. name .. " (not with reasoning)")
         value = nil
      end
      body[name] = value
   end
   if facts.one_sampling and body.temperature and body.top_p then
      warn "dropped: top_p (not with temperature)"
      body.top_p = nil
   end
end

local JSON_ONLY = "Answer with one JSON object and nothing else: no prose, no code fence."

local function instruct(system, text)
   system[#system + 1] = { type = "text", text = text }
end

local function put_format(config, system, format, facts, warn)
   local kind = hub.member(format, "type")
   if kind == "json_object" then
      warn "changed: response_format json_object is an instruction here"
      instruct(system, JSON_ONLY)
   elseif kind == "json_schema" then
      local wanted = hub.member(hub.member(format, "json_schema"), "schema")
      if facts.structured then
         config.format = { type = "json_schema", schema = schema.fit(wanted) }
      else
         warn "changed: response_format json_schema is an instruction here"
         instruct(system, JSON_ONLY .. " It must follow this JSON schema: "
            .. json.encode(wanted or json.object {}))
      end
   elseif kind and kind ~= "text" then
      warn "dropped: response_format"
   end
end

local TIERS = { auto = "auto", default = "standard_only", standard_only = "standard_only" }

local function put_rest(body, req, warn)
   local user = hub.full(req.user) or hub.full(req.safety_identifier)
   if user then body.metadata = { user_id = user } end
   local tier = hub.member(req, "service_tier")
   body.service_tier = tier and TIERS[tier]
   if tier and not TIERS[tier] then warn "dropped: service_tier" end
   body.cache_control = hub.member(req, "cache_control")
   local n = hub.member(req, "n")
   if n and n ~= 1 then warn "dropped: n" end
   if hub.member(req, "logprobs") then warn "dropped: logprobs" end
   if hub.member(req, "store") == true then warn "dropped: store" end
   for _, kind in ipairs(hub.list(hub.member(req, "modalities"))) do
      if kind ~= "text" then warn "dropped: modalities" end
   end
end

-- Members that the client wrote in this format and the hub has no word for.
local RULED = { format = true, _thinking = true, _effort = true, output_config = true }

local function put_native(body, req)
   local native = hub.native(req, turns.FORMAT)
   for name, value in pairs(native or {}) do
      if not RULED[name] and body[name] == nil then body[name] = value end
   end
   return hub.object(hub.member(native, "output_config")) or {}
end

-- encode(req, to) -> JSON text, warnings | nil, err.   to: { model =, stream =, facts = of the catalogue }
return function(req, to)
   local warn, warnings = hub.warnings()
   local facts = models.of(to.model, hub.member(to.facts, "dialect"), hub.member(to.facts, "capabilities"))
   local system, list = turns.of(hub.member(req, "messages"), warn)
   if not system then return nil, list end
   if #list == 0 then
      return nil, errors.new { code = "bad_request", param = "messages", type = "invalid_request_error",
         message = "'messages' holds nothing to answer" }
   end
   local body = { model = to.model, stream = to.stream or nil, max_tokens = max_tokens(req, to, facts, warn) }
   put_tools(body, req, facts, warn)
   local forced = body.tool_choice and (body.tool_choice.type == "any" or body.tool_choice.type == "tool")
   local config = {}
   for name, value in pairs(put_native(body, req)) do config[name] = value end
   body.thinking, config.effort = thinking.of(req, facts,
      { max_tokens = body.max_tokens, turns = list, forced = forced }, warn)
   put_format(config, system, hub.member(req, "response_format"), facts, warn)
   if next(config) ~= nil then body.output_config = config end
   put_sampling(body, req, facts, warn)
   put_stop(body, hub.member(req, "stop"), warn)
   put_rest(body, req, warn)
   hub.leftovers(req, KNOWN, warn, turns.FORMAT)
   if #system > 0 then body.system = turns.content(system) end
   for _, turn in ipairs(list) do turn.content = turns.content(turn.content) end
   body.messages = json.array(list)
   return json.encode(body), warnings
end
