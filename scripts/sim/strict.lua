-- strict: what OpenAI demands of a JSON Schema that is marked "strict".
-- SPDX-License-Identifier: MIT
local json = require "json"
local shape = require "sim.shape"

local strict = {}

local function context(path)
   local out = {}
   for i, part in ipairs(path) do out[i] = "'" .. part .. "'" end
   return "(" .. table.concat(out, ", ") .. (#path == 1 and ",)" or ")")
end

local complaint -- below; schemas nest

local function extended(path, ...)
   return table.move({ ... }, 1, select("#", ...), #path + 1, table.move(path, 1, #path, 1, {}))
end

local function object_complaint(s, path)
   if s.additionalProperties ~= false then
      return ("In context=%s, 'additionalProperties' is required to be supplied and to be "
         .. "false."):format(context(path))
   end
   local required = {}
   for _, name in ipairs(type(s.required) == "table" and s.required or {}) do required[name] = true end
   for _, name in ipairs(shape.keys(type(s.properties) == "table" and s.properties or {})) do
      if not required[name] then
         return ("In context=%s, 'required' is required to be supplied and to be an array including "
            .. "every key in properties. Missing '%s'."):format(context(path), name)
      end
      local why = complaint(s.properties[name], extended(path, "properties", name))
      if why then return why end
   end
end

complaint = function(s, path)
   if type(s) ~= "table" then return nil end
   if s.type == "object" or s.properties then
      local why = object_complaint(s, path)
      if why then return why end
   end
   local why = type(s.items) == "table" and complaint(s.items, extended(path, "items"))
   for i, one in ipairs(json.is_array(s.anyOf) and s.anyOf or {}) do
      why = why or complaint(one, extended(path, "anyOf", tostring(i - 1)))
   end
   local defs = s["$defs"]
   for _, name in ipairs(type(defs) == "table" and shape.keys(defs) or {}) do
      why = why or complaint(defs[name], extended(path, "$defs", name))
   end
   return why or nil
end

-- nil, or what is wrong with the schema: "Invalid schema for WHAT: In context=…".
function strict.complaint(schema, what)
   local why = complaint(schema, {})
   return why and ("Invalid schema for %s: %s"):format(what, why)
end

return strict
