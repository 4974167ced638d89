-- anthropic.schema: JSON schemas as Anthropic's structured outputs take them.
-- SPDX-License-Identifier: MIT
--
-- Source: "Structured outputs" (JSON Schema limitations) and transform_schema of the official SDKs: objects
-- must say additionalProperties: false; what the grammar cannot hold becomes words in the description.

local hub = require "hub"
local json = require "json"

local schema = {}

local DEPTH = 64 -- levels; deeper ones stay as they are

local REFUSED = { -- keywords
   minimum = true, maximum = true, exclusiveMinimum = true, exclusiveMaximum = true, multipleOf = true,
   minLength = true, maxLength = true, maxItems = true, uniqueItems = true, minProperties = true,
   maxProperties = true,
}

local INSIDE = { "items", "additionalItems", "not", "contains" }
local SEVERAL = { "anyOf", "allOf", "oneOf", "prefixItems", "properties", "$defs", "definitions" }

local function is_object(value)
   if value.type == "object" or value.properties ~= nil then return true end
   for _, name in ipairs(hub.list(value.type)) do
      if name == "object" then return true end
   end
   return false
end

local function is_refused(name, item)
   return REFUSED[name] or (name == "minItems" and item ~= 0 and item ~= 1)
end

-- Changes a schema in place.
local function fit(value, level)
   if type(value) ~= "table" or json.is_array(value) or level > DEPTH then return end
   local told = {}
   for name, item in pairs(value) do
      if is_refused(name, item) then told[#told + 1] = name end
   end
   for position, name in ipairs(told) do
      told[position] = name .. ": " .. json.encode(value[name])
      value[name] = nil
   end
   if #told > 0 then
      local before = hub.full(value.description)
      value.description = (before and before .. "\n\n" or "") .. "{" .. table.concat(told, ", ") .. "}"
   end
   if is_object(value) then value.additionalProperties = false end
   for _, name in ipairs(INSIDE) do fit(value[name], level + 1) end
   for _, name in ipairs(SEVERAL) do
      for _, item in pairs(hub.list(value[name])) do fit(item, level + 1) end
   end
end

-- schema.fit(value) -> a schema that is taken, which means the same but for what only words can say. A copy,
-- with the members in their order: models write them in it.
function schema.fit(value)
   if type(value) ~= "table" then return json.object { type = "object", additionalProperties = false } end
   local own = json.decode(json.encode(value))
   fit(own, 1)
   return own
end

return schema
