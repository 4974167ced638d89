-- strict.openai: a schema as OpenAI's strict structured outputs take it.
-- SPDX-License-Identifier: MIT
--
-- Sources: the guide "Structured Outputs" (supported schemas) and toStrictJsonSchema of the official SDK,
-- whose verdicts this follows: the root is an object, every object is closed and requires all its members,
-- and what cannot be said
-- that way is refused instead of changed. Intersections of objects are merged where that keeps the meaning.
local errors = require "errors"
local json = require "json"

local function set(names)
   local out = {}
   for name in names:gmatch "%S+" do out[name] = true end
   return out
end

local NOTES = set "$comment default description examples readOnly title writeOnly"
local ROOT_NOTES = set "$id $schema"
local MAPS = { "$defs", "definitions", "dependentSchemas", "dependencies", "patternProperties", "properties" }
local LISTS = { "allOf", "anyOf", "items", "oneOf", "prefixItems" }
local SINGLE = { "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "not",
   "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties" }
local OF_OBJECTS = set [[additionalProperties dependencies maxProperties minProperties patternProperties
   properties propertyNames required]]
local REFUSED = { "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "allOf",
   "contains", "contentEncoding", "contentMediaType", "contentSchema", "dependentRequired",
   "dependentSchemas",
   "dependencies", "else", "if", "maxContains", "maxProperties", "minContains", "minProperties", "not",
   "patternProperties", "prefixItems", "propertyNames", "then",
   "unevaluatedItems", "unevaluatedProperties", "uniqueItems" }
local MERGED = set [[$comment default description examples readOnly title writeOnly additionalProperties
   properties required type]]

local DEPTH = 100 -- levels of schemas inside each other, and of references behind each other

local function refuse(path, why)
   error(errors.new { code = "bad_request", message = (path == "" and "the schema" or path) .. ": "
      .. why }, 0)
end

local function is_object(value)
   return type(value) == "table" and not json.is_array(value)
end

local function is_schema(value)
   return type(value) == "boolean" or is_object(value)
end

local function has(list, wanted)
   if json.is_array(list) then
      for _, value in ipairs(list) do
         if value == wanted then return true end
      end
   end
   return false
end

-- visit(child, path, keyword) for each schema directly inside.
local function each(schema, path, visit)
   for _, keyword in ipairs(SINGLE) do
      if schema[keyword] ~= nil then visit(schema[keyword], path .. "/" .. keyword, keyword) end
   end
   for _, keyword in ipairs(LISTS) do
      local value = schema[keyword]
      if json.is_array(value) then
         for i, child in ipairs(value) do visit(child, ("%s/%s/%d"):format(path, keyword, i - 1), keyword) end
      elseif value ~= nil then
         visit(value, path .. "/" .. keyword, keyword)
      end
   end
   for _, keyword in ipairs(MAPS) do
      for name, child in pairs(is_object(schema[keyword]) and schema[keyword] or {}) do
         if keyword ~= "dependencies" or is_schema(child) then
            visit(child, ("%s/%s/%s"):format(path, keyword, name), keyword)
         end
      end
   end
end

local function only(schema, ...)
   local names = {}
   for _, name in ipairs { ... } do names[name] = true end
   for name in pairs(schema) do
      if not names[name] and not NOTES[name] then return false end
   end
   return true
end

local function is_alias(schema)
   return only(schema, "$ref", "$defs", "definitions")
end

-- ---- references ----

-- The tokens of "#/a/b"; nil when it is no pointer into this schema.
local function tokens(ref)
   if type(ref) ~= "string" or ref:sub(1, 1) ~= "#" then return nil end
   local pointer = ref:sub(2):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
   if pointer ~= "" and pointer:sub(1, 1) ~= "/" then return nil end
   local out = {}
   for token in pointer:gmatch "/([^/]*)" do
      if token:find "~[^01]" or token:find "~$" then return nil end
      out[#out + 1] = token:gsub("~1", "/"):gsub("~0", "~")
   end
   return out
end

local function list_of(names)
   local out = {}
   for _, name in ipairs(names) do out[name] = true end
   return out
end

local is_single, is_list, is_map = list_of(SINGLE), list_of(LISTS), list_of(MAPS)

local function element(list, token)
   if json.is_array(list) then return token:find "^%d+$" and list[tonumber(token) + 1] end
   return is_object(list) and list[token]
end

-- The schema a reference leads to: only through keywords that hold schemas.
local function resolve(root, ref)
   local parts, at, i = tokens(ref), root, 1
   if not parts then return nil end
   while i <= #parts do
      if not is_object(at) then return nil end
      local keyword = parts[i]
      at, i = at[keyword], i + 1
      if is_map[keyword] or (is_list[keyword] and json.is_array(at)) then
         if i > #parts then return nil end
         at, i = element(at, parts[i]), i + 1
      elseif not is_single[keyword] and not is_list[keyword] then
         return nil
      end
   end
   return is_schema(at) and at or nil
end

local function check_refs(schema, path, root, level)
   if not is_object(schema) then return end
   if level > DEPTH then refuse(path, "it is nested too deep") end
   local ref = schema["$ref"]
   if ref ~= nil then
      if type(ref) ~= "string" then refuse(path, "$ref must be a string") end
      if ref:sub(1, 1) ~= "#" then refuse(path, "a reference to another document: " .. ref) end
      local target = resolve(root, ref)
      if not is_object(target) then refuse(path, "$ref leads to no schema that is an object: " .. ref) end
      if not is_alias(schema) then refuse(path, "$ref stands beside keywords that would count, too") end
   end
   each(schema, path, function(child, place) check_refs(child, place, root, level + 1) end)
end

-- Follows references that say nothing else; nil for a circle.
local function behind(schema, root)
   for _ = 1, DEPTH do
      if not is_object(schema) or schema["$ref"] == nil then return schema end
      if not is_alias(schema) then return nil end
      schema = resolve(root, schema["$ref"])
   end
   return nil
end

-- ---- shapes ----

local function has_object_shape(schema)
   local kind = schema.type
   if kind ~= nil then return kind == "object" or has(kind, "object") end
   for name in pairs(schema) do
      if OF_OBJECTS[name] then return true end
   end
   return false
end

-- Every value that fits has this type.
local function is_only(schema, root, kind, level)
   schema = behind(schema, root)
   if not is_object(schema) or level > DEPTH then return false end
   local all = schema.allOf
   if all ~= nil then
      return json.is_array(all) and #all == 1 and only(schema, "allOf", "$defs", "definitions")
         and is_only(all[1], root, kind, level + 1)
   end
   return schema.type == kind
end

local function count_nullable(list, root, level, is_nullable)
   local n = 0
   for _, value in ipairs(json.is_array(list) and list or {}) do
      if is_nullable(value, root, level + 1) then n = n + 1 end
   end
   return n
end

-- May it be null, for sure?
local function is_nullable(schema, root, level)
   if type(schema) == "boolean" then return schema end
   schema = behind(schema, root)
   if type(schema) == "boolean" then return schema end
   if not schema or level > DEPTH then return false end
   local kind = schema.type
   if kind ~= nil and kind ~= "null" and not has(kind, "null") then return false end
   if schema.const ~= nil and schema.const ~= json.null then return false end
   if schema.enum ~= nil and not has(schema.enum, json.null) then return false end
   local all, any, one = schema.allOf, schema.anyOf, schema.oneOf
   if all ~= nil and (not json.is_array(all) or count_nullable(all, root, level,
      is_nullable) < #all) then return false end
   if any ~= nil and count_nullable(any, root, level, is_nullable) == 0 then return false end
   if one ~= nil and count_nullable(one, root, level, is_nullable) ~= 1 then return false end
   return schema["not"] == nil and schema["if"] == nil and schema["then"] == nil and schema["else"] == nil
end

-- ---- intersections ----

local function clear(schema)
   local names = {}
   for name in pairs(schema) do names[#names + 1] = name end
   for _, name in ipairs(names) do schema[name] = nil end
end

local function assign(to, from)
   for name, value in pairs(from) do to[name] = value end
end

local function is_mergeable_type(kind)
   return kind == "object" or (json.is_array(kind) and #kind == 2 and has(kind, "object") and has(kind,
      "null"))
end

local function may_merge(schema)
   if schema.type ~= nil then return is_mergeable_type(schema.type) end
   return has_object_shape(schema)
end

local function is_neutral(schema)
   for name, value in pairs(schema) do
      local definitions = (name == "$defs" or name == "definitions") and is_object(value)
      if not definitions and not NOTES[name] then return false end
   end
   return true
end

local function check_branch(branch, path, is_parent, is_root)
   local function stop() refuse(path, "allOf of objects that cannot be merged without changing what fits") end
   for name, value in pairs(branch) do
      local skipped = (is_parent and name == "allOf") or (is_parent and is_root and ROOT_NOTES[name])
         or ((name == "$defs" or name == "definitions") and is_object(value))
      if not skipped and not MERGED[name] then stop() end
   end
   if branch.type ~= nil and not is_mergeable_type(branch.type) then stop() end
   if branch.properties ~= nil and not is_object(branch.properties) then stop() end
   if branch.required ~= nil and not json.is_array(branch.required) then stop() end
   if branch.additionalProperties ~= nil and branch.additionalProperties ~= false then stop() end
end

-- The members that all closed branches know; nil: none is closed.
local function allowed_of(branches)
   local allowed
   for _, branch in ipairs(branches) do
      if branch.additionalProperties == false then
         local next_allowed = {}
         for name in pairs(branch.properties or {}) do
            if not allowed or allowed[name] then next_allowed[name] = true end
         end
         allowed = next_allowed
      end
   end
   return allowed
end

-- An object with these members, in the order they come in.
local function in_order(branches)
   local names, seen = {}, {}
   for _, branch in ipairs(branches) do
      for name in pairs(branch.properties or {}) do
         if not seen[name] then names[#names + 1], seen[name] = json.encode(name) .. ":0", true end
      end
   end
   local out = json.decode("{" .. table.concat(names, ",") .. "}")
   for name in pairs(seen) do out[name] = nil end
   return out
end

local function merge(branches, path)
   local properties, required, listed, object = in_order(branches), json.array {}, {}, nil
   local allowed = allowed_of(branches)
   local out = json.object {}
   for _, branch in ipairs(branches) do
      if branch.type ~= nil then object = (object == "object" or branch.type == "object") and "object"
         or "both" end
      for _, name in ipairs(branch.required or {}) do
         if allowed and not allowed[name] then refuse(path, "allOf requires '" .. name
            .. "' and forbids it") end
         if not listed[name] then required[#required + 1], listed[name] = name, true end
      end
      for name, value in pairs(branch.properties or {}) do
         if not allowed or allowed[name] then
            if properties[name] ~= nil and not json.same(properties[name], json.encode(value)) then
               refuse(path, "allOf says two things of '" .. name .. "'")
            end
            properties[name] = value
         end
      end
      if branch.properties then out.properties = properties end
      if branch.required then out.required = required end
   end
   if object then out.type = object == "object" and "object" or json.array { "object", "null" } end
   if allowed then out.additionalProperties = false end
   return out
end

-- allOf of objects becomes one object. False: there is nothing to merge.
local function merge_objects(schema, path, root)
   local all = schema.allOf
   if not json.is_array(all) or #all == 0 then return false end
   local branches, parent = {}, has_object_shape(schema)
   if parent then branches[1] = schema end
   local objects = 0
   for _, entry in ipairs(all) do
      local branch = behind(entry, root)
      if is_object(branch) and branch.allOf == nil and may_merge(branch) then objects = objects + 1 end
   end
   if (not parent and objects == 0) or (not parent and #all == 1) then return false end
   for _, entry in ipairs(all) do
      local branch = behind(entry, root)
      local merged = is_object(branch) and branch.allOf == nil and may_merge(branch)
      if not merged and not (is_object(branch) and is_neutral(branch)) then
         refuse(path, "allOf of objects that cannot be merged without changing what fits")
      end
      if merged then branches[#branches + 1] = branch end
   end
   check_branch(schema, path, true, path == "")
   for _, branch in ipairs(branches) do
      if branch ~= schema then check_branch(branch, path, false) end
   end
   local out = json.object {}
   for name, value in pairs(schema) do
      if NOTES[name] or ROOT_NOTES[name] or name == "$defs"
         or name == "definitions" then out[name] = value end
   end
   assign(out, merge(branches, path))
   clear(schema)
   assign(schema, out)
   return true
end

-- allOf with one branch and nothing beside it is that branch.
local function flatten(schema, path, root, make)
   local all = schema.allOf
   if not json.is_array(all) then return end
   local kept = json.array {}
   for _, branch in ipairs(all) do
      local neutral = branch == true or (is_object(branch) and next(branch) == nil)
      if not neutral then kept[#kept + 1] = branch end
   end
   if #kept == 0 then
      schema.allOf = nil
   elseif #kept == 1 and only(schema, "allOf", "$defs", "definitions") and kept[1] ~= false then
      local branch = make(kept[1], path .. "/allOf/0", root)
      local notes = json.object {}
      schema.allOf = nil
      assign(notes, schema)
      assign(schema, branch)
      assign(schema, notes)
   end
end

-- ---- the whole ----

local function close(schema, path)
   if not has_object_shape(schema) then return end
   if schema.additionalProperties == nil then
      schema.additionalProperties = false
   elseif schema.additionalProperties ~= false then
      refuse(path, "additionalProperties must be false")
   end
end

local function require_all(schema, path, root)
   local required, properties = schema.required, schema.properties
   if required ~= nil and not json.is_array(required) then refuse(path,
      "required must be a list of names") end
   for _, name in ipairs(has_object_shape(schema) and required or {}) do
      if not is_object(properties) or properties[name] == nil then
         refuse(path, ("'%s' is required but not among the properties"):format(tostring(name)))
      end
   end
   if not is_object(properties) then return end
   local names = json.array {}
   for name, value in pairs(properties) do
      if not has(required, name) and not is_nullable(value, root, 1) then
         refuse(("%s/properties/%s"):format(path, name), "what is optional must allow null")
      end
      names[#names + 1] = name
   end
   schema.required = names
end

local function is_wrapper(kind, wanted)
   return kind == wanted or (json.is_array(kind) and #kind == 2 and has(kind, wanted) and has(kind, "null"))
end

local function all_are(list, root, kind)
   for _, branch in ipairs(list) do
      if not is_only(branch, root, kind, 1) then return false end
   end
   return true
end

-- false adds nothing to a union; a type that all alternatives have by themselves is not needed.
local function unions(schema, path, root)
   local any = schema.anyOf
   if not json.is_array(any) then return end
   local kept = json.array {}
   for _, branch in ipairs(any) do
      if branch ~= false then kept[#kept + 1] = branch end
   end
   if #kept > 0 then schema.anyOf = kept end
   if is_object(schema.properties) and next(schema.properties) == nil then schema.properties = nil end
   if json.is_array(schema.required) and #schema.required == 0 then schema.required = nil end
   if not has_object_shape(schema) then return end
   for name in pairs(schema) do
      if OF_OBJECTS[name] then refuse(path, "anyOf beside an object's keywords") end
   end
   if not is_wrapper(schema.type, "object") or not all_are(schema.anyOf, root, "object") then
      refuse(path, "anyOf beside an object's type")
   end
   schema.type = nil
end

local function arrays(schema, path, root)
   if json.is_array(schema.items) then refuse(path, "items of different kinds (a tuple)") end
   if schema.additionalItems ~= nil then refuse(path, "additionalItems is not taken") end
   local any = schema.anyOf
   if is_wrapper(schema.type, "array") and schema.items == nil and json.is_array(any) and all_are(any, root,
      "array") then
      schema.type = nil
   end
end

local level = 0

local function make(schema, path, root)
   if not is_object(schema) then refuse(path, "true and false are no schemas for this provider") end
   if level > DEPTH then refuse(path, "it is nested too deep") end
   merge_objects(schema, path, root)
   unions(schema, path, root)
   close(schema, path)
   require_all(schema, path, root)
   arrays(schema, path, root)
   flatten(schema, path, root, make)
   for _, keyword in ipairs(REFUSED) do
      if schema[keyword] ~= nil then refuse(path, keyword .. " is not taken") end
   end
   local kind = schema.type
   if (kind == "array" or has(kind, "array")) and schema.items == nil then refuse(path,
      "an array without items") end
   level = level + 1
   each(schema, path, function(child, place, keyword)
      if type(child) ~= "boolean" or keyword ~= "additionalProperties" then make(child, place, root) end
   end)
   level = level - 1
   if schema.default == json.null then schema.default = nil end
   return schema
end

local function prepare(schema, path)
   if not is_object(schema) then return end
   if path ~= "" and schema["$id"] ~= nil then refuse(path, "$id inside begins a schema of its own") end
   if json.is_array(schema.type) and #schema.type == 1 then schema.type = schema.type[1] end
   each(schema, path, prepare)
end

-- A root that is only a reference, or an allOf of one, becomes what it stands for.
local function open_root(root)
   for _ = 1, DEPTH do
      local target
      if root["$ref"] ~= nil then
         if not only(root, "$ref", "$defs", "definitions", "$id", "$schema") then
            refuse("", "$ref stands beside keywords that would count, too")
         end
         target = resolve(root, root["$ref"])
         if not is_object(target) then refuse("", "$ref leads to no schema that is an object") end
         root["$ref"] = nil
      elseif json.is_array(root.allOf) and merge_objects(root, "", root) then
         return
      elseif json.is_array(root.allOf) and #root.allOf == 1 and is_object(root.allOf[1])
         and only(root, "allOf", "$defs", "definitions", "$id", "$schema") then
         target = root.allOf[1]
         root.allOf = nil
      else
         return
      end
      local notes, copy = json.object {}, json.decode(json.encode(target))
      assign(notes, root)
      clear(root)
      assign(root, copy)
      assign(root, notes)
   end
   refuse("", "$ref leads back to itself")
end

-- make(schema) -> the same table, changed. Raises an err.
return function(root)
   level = 0
   prepare(root, "")
   open_root(root)
   if root.type ~= "object" then refuse("", "the root must have the type \"object\"") end
   if root.anyOf ~= nil then refuse("", "the root must not use anyOf") end
   check_refs(root, "", root, 1)
   make(root, "", root)
   check_refs(root, "", root, 1)
   return root
end
