-- schema: a value that fits a JSON Schema, filled with what the text at hand offers.
-- SPDX-License-Identifier: MIT
--
-- Small on purpose: types, enum, const, anyOf, oneOf, allOf, $ref, bounds of numbers, lengths of texts and
-- lists, the usual formats. A `pattern` is not understood.
local dice = require "sim.dice"
local facts = require "sim.facts"
local json = require "json"

local schema = {}

local DEPTH = 8 -- of nested optional members and references

local make -- below; schemas nest

local function given(v)
   return v ~= nil and v ~= json.null
end

local function sorted_keys(t)
   local keys = {}
   for k in pairs(t) do keys[#keys + 1] = k end
   table.sort(keys)
   return keys
end

-- "#/$defs/step" inside the root.
local function resolve(root, ref)
   local at = root
   for part in ref:gsub("^#/?", ""):gmatch("[^/]+") do
      part = part:gsub("~1", "/"):gsub("~0", "~")
      at = type(at) == "table" and at[part] or nil
   end
   return type(at) == "table" and at or {}
end

-- The choice that the answer is or that the text names; otherwise one by chance.
local function choose(list, c, path)
   local text = c.text:lower()
   for _, v in ipairs(list) do
      if v == c.answer then return v end
   end
   for _, v in ipairs(list) do
      if type(v) == "string" and #v > 2 and text:find(v:lower(), 1, true) then return v end
   end
   return dice.pick(list, c.key, path)
end

local FORMATS = {
   ["date"] = function(c) return facts.of(c.text).dates[1] or "2025-03-14" end,
   ["date-time"] = function() return "2025-03-14T09:26:53Z" end,
   ["time"] = function() return "09:26:53Z" end,
   ["duration"] = function() return "P3D" end,
   ["email"] = function(c) return facts.of(c.text).emails[1] or "someone@example.com" end,
   ["hostname"] = function() return "example.com" end,
   ["ipv4"] = function() return "192.0.2.7" end,
   ["ipv6"] = function() return "2001:db8::7" end,
   ["uri"] = function() return "https://example.com/" end,
   ["uuid"] = function() return "3f2504e0-4f89-41d3-9a0c-0305e82c3301" end,
}

-- What a member of this name probably wants to hold.
local function text_for(name, c)
   name = name:lower()
   local f = facts.of(c.text)
   if name:find("mail") then return f.emails[1] or "someone@example.com" end
   if name:find("date") or name == "day" or name == "when" then return f.dates[1] or "2025-03-14" end
   if name:find("name") or name:find("city") or name:find("location") or name:find("place")
      or name:find("person") or name:find("country") then
      return f.names[#f.names] or "Example"
   end
   return c.answer
end

local function bounded_text(s, text)
   local low, high = tonumber(s.minLength) or 0, tonumber(s.maxLength)
   local n = utf8.len(text) or #text
   if n < low then text = text .. (" "):rep(low - n - 1) .. "." end
   if high and n > high then text = text:sub(1, (utf8.offset(text, high + 1) or #text + 1) - 1) end
   return text
end

local function make_text(s, c, path, name)
   local format = given(s.format) and FORMATS[s.format]
   return bounded_text(s, format and format(c) or text_for(name, c))
end

local function make_number(s, c, path, whole)
   local low = tonumber(s.minimum) or (tonumber(s.exclusiveMinimum) and s.exclusiveMinimum + 1)
   local high = tonumber(s.maximum) or (tonumber(s.exclusiveMaximum) and s.exclusiveMaximum - 1)
   local n = facts.first_number(c.answer) or facts.first_number(c.text)
      or dice.between(1, 100, c.key, path)
   if low and n < low or high and n > high then
      low = low or high - 100
      high = high or low + 100
      n = low + dice.unit(c.key, path) * (high - low)
   end
   local step = tonumber(s.multipleOf)
   if step and step > 0 then n = math.ceil((low or 0) / step) * step end
   if whole then return math.tointeger(n) or math.tointeger(math.floor(n + 0.5)) or 0 end
   return n
end

-- A list of texts whose name is a kind of fact holds those of the text.
local KINDS = { names = "names", people = "names", dates = "dates", numbers = "numbers", amounts = "numbers",
   emails = "emails" }

local function list_of_facts(s, c, name)
   local kind = type(s.items) == "table" and s.items.type == "string" and KINDS[name]
   local found = kind and facts.of(c.text)[kind]
   if not found or #found < (tonumber(s.minItems) or 0) then return nil end
   return json.array(table.move(found, 1, math.min(#found, tonumber(s.maxItems) or #found), 1, {}))
end

local function make_list(s, c, path, name)
   local known = list_of_facts(s, c, name)
   if known then return known end
   local n = math.max(tonumber(s.minItems) or 1, 1)
   if tonumber(s.maxItems) then n = math.min(n, s.maxItems) end
   local list, prefix = {}, given(s.prefixItems) and s.prefixItems or {}
   if #prefix > n then n = #prefix end
   for i = 1, n do
      list[i] = make(prefix[i] or (type(s.items) == "table" and s.items) or {}, c, path .. "/" .. i, "item")
   end
   return json.array(list)
end

local function is_required(s, key)
   for _, k in ipairs(given(s.required) and s.required or {}) do
      if k == key then return true end
   end
   return false
end

local function make_object(s, c, path)
   local object = json.object({})
   local _, depth = path:gsub("/", "")
   for _, key in ipairs(sorted_keys(given(s.properties) and s.properties or {})) do
      if is_required(s, key) or depth < DEPTH then
         object[key] = make(s.properties[key], c, path .. "/" .. key, key)
      end
   end
   for _, key in ipairs(given(s.required) and s.required or {}) do
      if object[key] == nil then object[key] = c.answer end -- required, but not described
   end
   return object
end

local MAKERS = {
   string = make_text,
   number = function(s, c, path) return make_number(s, c, path, false) end,
   integer = function(s, c, path) return make_number(s, c, path, true) end,
   boolean = function(_, c, path) return dice.unit(c.key, path) < 0.5 end,
   null = function() return json.null end,
   array = make_list,
   object = make_object,
}

-- allOf: one schema that has the members of all.
local function merge(parts)
   local whole = { properties = {}, required = {} }
   for _, part in ipairs(parts) do
      for k, v in pairs(part) do
         if k == "properties" then
            for name, p in pairs(v) do whole.properties[name] = p end
         elseif k == "required" then
            for _, name in ipairs(v) do table.insert(whole.required, name) end
         else
            whole[k] = v
         end
      end
   end
   whole.type = whole.type or "object"
   return whole
end

local function type_of(s)
   local t = s.type
   if type(t) == "table" then
      for _, one in ipairs(t) do
         if one ~= "null" then return one end
      end
      return "null"
   end
   if type(t) == "string" then return t end
   if given(s.properties) then return "object" end
   return given(s.items) and "array" or "string"
end

-- The alternatives of anyOf or oneOf: the first that is not null; the last where it gets deep, since that is
-- where recursive schemas put their way out.
local function alternative(list, path)
   local _, depth = path:gsub("/", "")
   if depth >= DEPTH then return list[#list] end
   for _, s in ipairs(list) do
      if type(s) == "table" and s.type ~= "null" then return s end
   end
   return list[1]
end

make = function(s, c, path, name)
   if type(s) ~= "table" then return c.answer end
   if #path > 512 then return json.null end -- a schema that never ends
   if type(s["$ref"]) == "string" then return make(resolve(c.root, s["$ref"]), c, path .. "/", name) end
   if s.const ~= nil then return s.const end
   if given(s.enum) and #s.enum > 0 then return choose(s.enum, c, path) end
   local several = given(s.anyOf) and s.anyOf or given(s.oneOf) and s.oneOf
   if several and #several > 0 then return make(alternative(several, path), c, path .. "/", name) end
   if given(s.allOf) and #s.allOf > 0 then
      local parts = {}
      for i, p in ipairs(s.allOf) do
         parts[i] = type(p["$ref"]) == "string" and resolve(c.root, p["$ref"]) or p
      end
      return make(merge(parts), c, path .. "/", name)
   end
   local maker = MAKERS[type_of(s)] or make_text
   return maker(s, c, path, name)
end

-- 'text' is what was asked, 'answer' what the model would say in words, 'key' what chance depends on.
function schema.make(s, text, answer, key)
   return make(s, { root = s, text = text, answer = answer, key = key }, "", "")
end

return schema
