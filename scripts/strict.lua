-- strict: a schema in the words of providers' structured outputs.
-- SPDX-License-Identifier: MIT
--
-- What OpenAI takes as strict is said in strict/openai.lua. Anthropic's grammar (source: transformJSONSchema
-- of its SDK) knows fewer keywords: what it cannot hold becomes words in the description, and the answer is
-- checked here.
local errors = require "errors"
local json = require "json"

local strict = { openai = require "strict.openai" }

local DEPTH = 100 -- levels of schemas inside each other

local FORMATS = {
   ["date-time"] = true, time = true, date = true, duration = true, email = true, hostname = true, uri = true,
   ipv4 = true, ipv6 = true, uuid = true,
}

local function refuse(path, why)
   error(errors.new { code = "bad_request", message = (path == "" and "the schema" or path) .. ": "
      .. why }, 0)
end

local function is_object(value)
   return type(value) == "table" and not json.is_array(value)
end

local function is_plain(value)
   return type(value) ~= "table"
end

local fit -- below; schemas nest

local function fit_map(map, path, level)
   local out = json.decode(json.encode(map)) -- for the order of its members: models write them in it
   for name, value in pairs(map) do out[name] = fit(value, path .. "/" .. name, level) end
   return out
end

local function fit_list(list, path, level)
   local out = json.array {}
   for i, value in ipairs(list) do out[i] = fit(value, path .. "/" .. i - 1, level) end
   return out
end

-- Moves a member from one table to the other.
local function move(from, to, name)
   if from[name] ~= nil then to[name], from[name] = from[name], nil end
end

local function take(from, name)
   local value = from[name]
   from[name] = nil
   return value
end

-- enum and const that the grammar holds.
local function literals(rest, out)
   local list = rest.enum
   local plain = json.is_array(list) and #list > 0
   for _, value in ipairs(plain and list or {}) do plain = plain and is_plain(value) end
   if plain then move(rest, out, "enum") end
   if is_plain(rest.const) then move(rest, out, "const") end
   return out.enum ~= nil or out.const ~= nil
end

local function choices(rest, out, path, level)
   local any, one, all = take(rest, "anyOf"), take(rest, "oneOf"), take(rest, "allOf")
   if json.is_array(any) then
      out.anyOf = fit_list(any, path .. "/anyOf", level)
   elseif json.is_array(one) then
      out.anyOf = fit_list(one, path .. "/oneOf", level)
   elseif json.is_array(all) then
      out.allOf = fit_list(all, path .. "/allOf", level)
   else
      return false
   end
   return true
end

local of_type = {}

function of_type.object(rest, out, path, level)
   local properties = take(rest, "properties")
   out.properties = fit_map(is_object(properties) and properties or {}, path .. "/properties", level)
   rest.additionalProperties = nil
   out.additionalProperties = false
   move(rest, out, "required")
end

function of_type.string(rest, out)
   if FORMATS[rest.format] then move(rest, out, "format") end
end

function of_type.array(rest, out, path, level)
   local items = take(rest, "items")
   if items ~= nil then out.items = fit(items, path .. "/items", level) end
   if rest.minItems == 0 or rest.minItems == 1 then move(rest, out, "minItems") end
end

-- As JavaScript writes it: 5, not 5.0; 1e-8, not 1e-08.
local function spell(value)
   if math.type(value) == "float" and value % 1 == 0
      and math.abs(value) < 1e15 then return ("%d"):format(value) end
   local text = json.encode(value)
   return type(value) == "number" and text:gsub("(e[+-]?)0+", "%1") or text
end

-- What is left is told.
local function tell(rest, out)
   local told = {}
   for name, value in pairs(rest) do told[#told + 1] = name .. ": " .. spell(value) end
   if #told == 0 then return end
   local before = out.description and out.description .. "\n\n" or ""
   out.description = before .. "{" .. table.concat(told, ", ") .. "}"
end

function fit(value, path, level)
   if not is_object(value) then refuse(path, "true and false are no schemas for this provider") end
   if level > DEPTH then refuse(path, "it is nested too deep") end
   local rest, out = value, json.object {}
   local defs = take(rest, "$defs")
   if is_object(defs) then out["$defs"] = fit_map(defs, path .. "/$defs", level + 1) end
   if rest["$ref"] ~= nil then
      out["$ref"] = rest["$ref"]
      return out
   end
   local literal = literals(rest, out)
   local kind = take(rest, "type")
   if literal then kind = nil end
   rest["$schema"] = nil
   if not choices(rest, out, path, level + 1) and not literal then
      if kind == nil then refuse(path,
         "a type is needed where neither anyOf, oneOf, allOf, enum nor const says it") end
      out.type = kind
   end
   move(rest, out, "description")
   move(rest, out, "title")
   local more = of_type[kind]
   if more then more(rest, out, path, level + 1) end
   tell(rest, out)
   return out
end

-- A decoded copy, members in their order.
local function copy(value)
   return json.decode(json.encode(value))
end

local function guarded(make)
   return function(value)
      if not is_object(value) then
         return nil, errors.new { code = "bad_request", message = "the schema must be an object" }
      end
      local ok, made = pcall(make, copy(value))
      if ok then return made end
      if type(made) == "table" and made.code then return nil, made end
      error(made, 0)
   end
end

strict.anthropic = guarded(function(value) return fit(value, "", 1) end)
strict.openai = guarded(strict.openai)

return strict
