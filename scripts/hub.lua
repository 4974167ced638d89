-- hub: what the doors and the codecs share: parts, data URLs, ids, opaque reasoning, turns, warnings.
-- SPDX-License-Identifier: MIT
--
-- The hub is a request in the shape of OpenAI Chat Completions (scripts/README.md, "Doors"). A door turns a
-- client's request into it, a codec turns it into a provider's. Nothing here raises on any decoded JSON:
-- every value that comes from outside is looked at through hub.member, hub.text or hub.list.

local base64 = require "base64"
local json = require "json"

local hub = {}

-- ---- values from outside ----

-- value[name] of a table; nil for anything else, and for null.
function hub.member(value, name)
   if type(value) ~= "table" then return nil end
   local found = value[name]
   if found == json.null then return nil end
   return found
end

-- A string, or nil.
function hub.text(value)
   return type(value) == "string" and value or nil
end

-- A string that says something, or nil.
function hub.full(value)
   return type(value) == "string" and value ~= "" and value or nil
end

-- A table, or {}: to go through with ipairs.
function hub.list(value)
   return type(value) == "table" and value or {}
end

-- A table that is no array, or nil.
function hub.object(value)
   return type(value) == "table" and not json.is_array(value) and value or nil
end

-- Is there a value? Neither nil nor null.
function hub.has(value)
   return value ~= nil and value ~= json.null
end

-- ---- warnings ----

-- warn(text), list: texts are kept once each, in their order.
function hub.warnings()
   local list, seen = {}, {}
   return function(text)
      if seen[text] then return end
      seen[text] = true
      list[#list + 1] = text
   end, list
end

-- Values that ask for what happens anyway: nobody misses them.
local HARMLESS = { store = false, n = 1, presence_penalty = 0, frequency_penalty = 0, logprobs = false,
   background = false }

-- Warns about every member of a request that 'known' (a set of names) does not hold. What a door kept for
-- its own format only (hub.native) is told by its own names.
--   format: the encoder's
function hub.leftovers(req, known, warn, format)
   for name, value in pairs(req) do
      if name == "native" then
         local own = hub.native(req, format)
         for member in pairs(own and {} or hub.object(value) or {}) do
            if member ~= "format" and member:sub(1, 1) ~= "_" then warn("dropped: " .. member) end
         end
      elseif not known[name] and hub.has(value) and HARMLESS[name] ~= value then
         warn("dropped: " .. name)
      end
   end
end

-- ---- what only one format knows ----

-- A request, a part or a tool may have a member 'native' = { format = "anthropic", ... }: what its door
-- found in the client's bytes and no other format can say. An encoder uses that of its own format only. What
-- was put in the hub's words too has a name that begins with "_".
-- hub.native(value, format) -> that table, or nil.
function hub.native(value, format)
   local native = hub.member(value, "native")
   return hub.member(native, "format") == format and native or nil
end

local function copy(value)
   local own = {}
   for name, item in pairs(value) do own[name] = item end
   return own
end

-- A value without what only another format knows: itself where there is nothing of the kind, nil for a part
-- that is nothing else.
local function without_native(value, format, warn)
   local native = hub.member(value, "native")
   if not native or native.format == format then return value end
   if value.text == nil and native.block ~= nil then
      warn("dropped: " .. tostring(value.type))
      return nil
   end
   local own = copy(value)
   own.native = nil
   return own
end

local function all_without_native(list, format, warn)
   local out = json.array {}
   for _, value in ipairs(list) do out[#out + 1] = without_native(value, format, warn) end
   return out
end

-- A request without what another format's door has kept in it (hub.native): for encoders that send members as
-- they find them. A copy where there was something.
function hub.common(req, format, warn)
   hub.leftovers({ native = hub.member(req, "native") }, {}, warn, format)
   local own = copy(req)
   if not hub.native(req, format) then own.native = nil end
   local messages = json.array {}
   for _, message in ipairs(hub.list(req.messages)) do
      local content = hub.member(message, "content")
      if type(content) == "table" then
         message = copy(message)
         message.content = all_without_native(content, format, warn)
      end
      messages[#messages + 1] = message
   end
   own.messages = messages
   if type(own.tools) == "table" then own.tools = all_without_native(own.tools, format, warn) end
   return own
end

-- ---- content ----

-- A message's content as a list of parts: a string becomes one text part, "" and null none, parts that are
-- none are left out.
function hub.parts(content)
   if type(content) == "string" then
      return content ~= "" and { { type = "text", text = content } } or {}
   end
   local parts = {}
   for _, part in ipairs(hub.list(content)) do
      if type(part) == "string" then part = { type = "text", text = part } end
      if type(part) == "table" then parts[#parts + 1] = part end
   end
   return parts
end

-- The texts of a message's content, joined; "" where there is none.
function hub.plain(content, separator)
   if type(content) == "string" then return content end
   local out = {}
   for _, part in ipairs(hub.parts(content)) do out[#out + 1] = hub.text(part.text) end
   return table.concat(out, separator or "")
end

-- Parts as content: a string where they are one plain text, nil where there is none.
function hub.content(parts)
   if #parts == 0 then return nil end
   local only = #parts == 1 and parts[1]
   if only and only.type == "text" and only.cache_control == nil and only.native == nil then
      return only.text
   end
   return json.array(parts)
end

-- The instructions of a conversation (system and developer messages, wherever they stand, in their order) as
-- a list of text parts, and the other messages. A cache_control of a message goes to its last part.
function hub.system(messages)
   local parts, rest = {}, {}
   for _, message in ipairs(hub.list(messages)) do
      local role = hub.member(message, "role")
      if role == "system" or role == "developer" then
         local own = hub.parts(message.content)
         for position, part in ipairs(own) do
            if hub.full(part.text) then
               parts[#parts + 1] = { type = "text", text = part.text,
                  cache_control = hub.member(part, "cache_control")
                     or (position == #own and hub.member(message, "cache_control") or nil) }
            end
         end
      elseif type(message) == "table" then
         rest[#rest + 1] = message
      end
   end
   return parts, rest
end

-- Neighbours of one role become one: turns = list of { role =, NAME = list of parts }; 'name' is where a turn
-- keeps its parts ("content" for Anthropic, "parts" for Gemini). A turn without parts is left out.
function hub.merge(turns, name)
   local merged = {}
   for _, turn in ipairs(turns) do
      local last = merged[#merged]
      if last and last.role == turn.role then
         for _, part in ipairs(turn[name]) do last[name][#last[name] + 1] = part end
      elseif #turn[name] > 0 then
         merged[#merged + 1] = turn
      end
   end
   return merged
end

-- ---- data URLs ----

-- "data:image/png;base64,AAAA" -> "image/png", "AAAA"; nil for any other URL. Source: RFC 2397; the type is
-- text/plain where there is none, parameters of it are left out.
function hub.split_data_url(url)
   if type(url) ~= "string" then return nil end
   local head = url:match "^[Dd][Aa][Tt][Aa]:([^,]*),"
   if not head or #head > 256 then return nil end
   local data = url:sub(#head + 7)
   local mime = head:match "^[^;]*"
   if not head:lower():find ";base64$" then
      data = base64.encode((data:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)))
   end
   return mime ~= "" and mime:lower() or "text/plain", data
end

-- The data URL of base64 data.
function hub.data_url(mime, data)
   return "data:" .. mime .. ";base64," .. data
end

-- ---- tool calls ----

-- FNV-1a, 32 bits, as 8 hexadecimal digits.
local function fingerprint(text)
   local hash = 0x811c9dc5
   for i = 1, #text do hash = (hash ~ text:byte(i)) * 0x01000193 & 0xffffffff end
   return ("%08x"):format(hash)
end

local ID_MAX = 64 -- characters; what OpenAI and Anthropic take

-- A call's id: letters, digits, "_" and "-" only (^[a-zA-Z0-9_-]+$, the rule of Anthropic). One that is fine
-- stays; of another the same id is made every time, so that call, result and the next turn still match.
function hub.clean_id(id)
   if #id <= ID_MAX and id:find "^[%w_-]+$" then return id end
   return id:gsub("[^%w_-]", "_"):sub(1, ID_MAX - 9) .. "_" .. fingerprint(id)
end

-- An id for a call that came without one: the same for the same place ('seed' names the answer).
function hub.mint_id(seed, index)
   return ("call_%s%d"):format(fingerprint(seed), index)
end

-- A message of the older form (function_call, role "function") as one with tool_calls or role "tool".
local function modern(message)
   local call = hub.member(message, "function_call")
   local is_result = hub.member(message, "role") == "function"
   if type(call) ~= "table" and not is_result then return message end
   local own = copy(message)
   if is_result then
      own.role = "tool"
   else
      own.function_call, own.tool_calls = nil, { { type = "function", ["function"] = call } }
   end
   return own
end

-- Gives every tool call of a conversation an id and every result the id of its call, where the client sent
-- none: a copy of the messages. Results without an id answer the calls before them in order, by name where
-- they have one.
function hub.with_ids(messages)
   local out, open = {}, {}
   local function with_calls(message, position)
      local own = copy(message)
      own.tool_calls, open = json.array {}, {}
      for index, call in ipairs(message.tool_calls) do
         if hub.object(call) then
            if not hub.full(call.id) then
               call = copy(call)
               call.id = hub.mint_id("turn " .. position, index - 1)
            end
            own.tool_calls[#own.tool_calls + 1] = call
            open[#open + 1] = { id = call.id, name = hub.member(hub.member(call, "function"), "name") }
         end
      end
      return own
   end
   local function with_call_id(message)
      local id, name = hub.full(message.tool_call_id), hub.full(message.name)
      for at, call in ipairs(open) do
         if call.id == id or (not id and (not name or call.name == name)) then
            table.remove(open, at)
            if id then return message end
            local own = copy(message)
            own.tool_call_id = call.id
            return own
         end
      end
      return message
   end
   for position, message in ipairs(hub.list(messages)) do
      message = modern(message)
      if type(hub.member(message, "tool_calls")) == "table" then
         message = with_calls(message, position)
      elseif hub.member(message, "role") == "tool" then
         message = with_call_id(message)
      end
      out[#out + 1] = message
   end
   return out
end

-- The names of the functions that were called: { [id] = name }.
function hub.call_names(messages)
   local names = {}
   for _, message in ipairs(hub.list(messages)) do
      for _, call in ipairs(hub.list(hub.member(message, "tool_calls"))) do
         local id = hub.full(hub.member(call, "id"))
         if id then names[id] = hub.text(hub.member(hub.member(call, "function"), "name")) end
      end
   end
   return names
end

-- Tools and the choice of one as they are said today: the older functions and function_call are taken too.
function hub.tools(req)
   local tools, choice = hub.member(req, "tools"), hub.member(req, "tool_choice")
   local functions, call = hub.member(req, "functions"), hub.member(req, "function_call")
   if type(tools) ~= "table" and type(functions) == "table" then
      tools = json.array {}
      for _, fn in ipairs(functions) do tools[#tools + 1] = { type = "function", ["function"] = fn } end
   end
   if choice == nil and call ~= nil then
      choice = type(call) == "table" and { type = "function", ["function"] = call } or call
   end
   return hub.list(tools), choice
end

-- A call's arguments (JSON text, or the object some clients send) as an object, and whether they were one.
-- "" and null are {}. What is no JSON object comes as { raw = the text }.
function hub.arguments(value)
   if not hub.has(value) then return json.object {}, true end
   if type(value) == "table" then return value, not json.is_array(value) end
   if type(value) ~= "string" then return json.object { raw = tostring(value) }, false end
   if not value:find "%S" then return json.object {}, true end
   local decoded = json.decode(value)
   if type(decoded) == "table" and not json.is_array(decoded) then return decoded, true end
   if decoded == json.null then return json.object {}, true end
   return json.object { raw = value }, false
end

-- An object as a call's arguments: JSON text.
function hub.arguments_text(value)
   if type(value) == "string" then return value ~= "" and value or "{}" end
   if type(value) ~= "table" then return "{}" end
   return json.encode(next(value) == nil and json.object {} or value)
end

-- ---- opaque reasoning ----

local PREFIX = "baton:"

local function escape(id)
   return (id:gsub("[:%%]", { [":"] = "%3A", ["%"] = "%25" }))
end

-- An opaque string of another provider, for a door whose format cannot say whose it is.
--   detail: an entry of reasoning_details;  own: the door's own format, which goes unstamped
function hub.stamp(detail, own)
   local data = hub.text(detail.signature) or hub.text(detail.data) or ""
   local format = hub.text(detail.format) or "unknown"
   if format == own then return data end
   return PREFIX .. format .. ":" .. escape(hub.text(detail.id) or "") .. ":" .. data
end

-- The reverse: format, data, id (nil where there is none). What is not stamped is of the door's own format.
function hub.unstamp(text, own)
   if type(text) ~= "string" then return own, "" end
   if text:sub(1, #PREFIX) ~= PREFIX then return own, text end
   local format, id, data = text:match("^baton:([^:]*):([^:]*):(.*)$")
   if not format then return own, text end
   id = id:gsub("%%3A", ":"):gsub("%%25", "%%")
   return format, data, id ~= "" and id or nil
end

-- The entries of a message's reasoning_details that are of one format, in their order, and how many are not.
-- Of another are not those that are plain text: they say what reasoning_content says.
function hub.own_details(message, format)
   local own, foreign = {}, 0
   for _, detail in ipairs(hub.list(hub.member(message, "reasoning_details"))) do
      if type(detail) == "table" then
         if detail.format == format then
            own[#own + 1] = detail
         elseif hub.full(detail.signature) or hub.full(detail.data) then
            foreign = foreign + 1
         end
      end
   end
   return own, foreign
end

hub.FOREIGN_REASONING = "reasoning of another provider dropped"

-- ---- how much to think ----

-- Tokens to think with, and the word for them, where a provider knows only one of the two. No provider says
-- how they compare; these are the doublings that most gateways use, from Anthropic's least budget on.
local BUDGETS = {
   { "minimal", 1024 }, { "low", 2048 }, { "medium", 8192 }, { "high", 16384 }, { "xhigh", 32768 },
   { "max", 65536 },
}

-- reasoning_effort -> tokens; 0 for "none", nil for an unknown word.
function hub.budget_of(effort)
   if effort == "none" then return 0 end
   for _, pair in ipairs(BUDGETS) do
      if pair[1] == effort then return pair[2] end
   end
end

-- Tokens -> reasoning_effort: the least word that gives as many. 0 is "none", -1 (any) "medium".
function hub.effort_of(budget)
   if type(budget) ~= "number" or budget < 0 then return "medium" end
   if budget == 0 then return "none" end
   for _, pair in ipairs(BUDGETS) do
      if budget <= pair[2] then return pair[1] end
   end
   return "max"
end

-- What a request says of thinking: effort (a word, or nil), budget (tokens, or nil), on (false: explicitly
-- none; true; nil: not said).
function hub.thinking(req)
   local reasoning = hub.member(req, "reasoning")
   local budget = hub.member(reasoning, "max_tokens")
   if type(budget) ~= "number" or budget ~= budget then budget = nil end
   local effort = hub.text(hub.member(req, "reasoning_effort")) or hub.text(hub.member(reasoning, "effort"))
   if effort == "none" or hub.member(reasoning, "enabled") == false or budget == 0 then
      return nil, nil, false
   end
   if effort or budget or hub.member(reasoning, "enabled") == true then return effort, budget, true end
end

return hub
