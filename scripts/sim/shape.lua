-- shape: does a decoded JSON value have the members, types and values that a format wants?
-- SPDX-License-Identifier: MIT
--
-- A format describes its requests with the words below and says in its own voice what is wrong ('say', a
-- table of functions that raise; see shape.check). Unknown members are refused, as strict providers do; those
-- whose name begins with "x_" are let through, so that a test can witness them.
local json = require "json"

local shape = {}

-- "string", "number", "integer", "boolean", "object" (any members), "array" (any items), "any"; behind it "!"
-- for a required member and "?" for one that may be null.
local words = {}

local function of_word(word)
   local spec = words[word]
   if not spec then
      local kind, marks = word:match("^(%a+)([!?]*)$")
      spec = { kind = kind, required = marks:find("!", 1, true) ~= nil, null = marks:find("?", 1,
         true) ~= nil }
      words[word] = spec
   end
   return spec
end

local function with(spec, marks)
   marks = marks or ""
   spec.required, spec.null = marks:find("!", 1, true) ~= nil, marks:find("?", 1, true) ~= nil
   return spec
end

-- An object of these members (name -> spec).
function shape.object(members, marks)
   return with({ kind = "object", members = members }, marks)
end

function shape.list(items, marks)
   return with({ kind = "array", items = items }, marks)
end

-- One of the words of 'values'.
function shape.enum(values, marks)
   local list = {}
   for value in values:gmatch("%S+") do list[#list + 1] = value end
   return with({ kind = "string", values = list }, marks)
end

function shape.range(kind, low, high, marks)
   return with({ kind = kind, low = low, high = high }, marks)
end

-- An object whose member 'tag' tells which of 'kinds' (tag -> members) it is; 'otherwise' where it is absent.
function shape.tagged(tag, kinds, marks, otherwise)
   local names = {}
   for name in pairs(kinds) do names[#names + 1] = name end
   table.sort(names)
   return with({ kind = "object", tag = tag, kinds = kinds, names = names, otherwise = otherwise }, marks)
end

-- The spec by the type of the value: { string = spec, array = spec, object = spec }.
function shape.either(specs, marks)
   return with({ either = specs }, marks)
end

function shape.kind_of(v)
   if v == json.null then return "null" end
   if json.is_array(v) then return "array" end
   local t = type(v)
   if t == "table" then return "object" end
   if t == "number" then return math.type(v) == "integer" and "integer" or "number" end
   return t == "userdata" and "number" or t
end

local function fits(kind, want)
   return want == "any" or kind == want or want == "number" and kind == "integer"
end

local check -- below; values nest

local function check_members(v, members, path, say, tag)
   for _, key in ipairs(shape.keys(v)) do
      local name = say.name and say.name(key) or key
      local spec = members[name]
      if spec then
         if name ~= key then v[name] = v[key] end
         check(v[key], spec, say.member(path, name), say)
      elseif name ~= tag and not key:find("^x_") and not say.open then
         say.unknown(path, key)
      end
   end
   for _, name in ipairs(shape.keys(members)) do
      local spec = members[name]
      local required = type(spec) == "string" and of_word(spec).required or type(spec) == "table"
         and spec.required
      if required and (v[name] == nil) then say.missing(say.member(path, name)) end
   end
end

-- Sorted, so that the same request is refused in the same words.
function shape.keys(t)
   local keys = {}
   for k in pairs(t) do
      if type(k) == "string" then keys[#keys + 1] = k end
   end
   table.sort(keys)
   return keys
end

local function check_tagged(v, spec, path, say)
   local tag = v[spec.tag]
   if tag == nil and spec.otherwise then tag = spec.otherwise end
   if tag == nil then say.missing(say.member(path, spec.tag)) end
   local members = type(tag) == "string" and spec.kinds[tag]
   if not members then say.enum(say.member(path, spec.tag), spec.names, tag) end
   check_members(v, members, path, say, spec.tag)
end

check = function(v, spec, path, say)
   if type(spec) == "function" then return spec(v, path, say) end
   if type(spec) == "string" then spec = of_word(spec) end
   local kind = shape.kind_of(v)
   if kind == "null" then
      if not (spec.null or spec.kind == "any" or say.null_is_absent and not spec.required) then
         say.type(path, spec.kind or "value", v)
      end
      return
   end
   if spec.either then
      local one = spec.either[kind]
      if not one then say.type(path, table.concat(shape.keys(spec.either), " or "), v) end
      return check(v, one, path, say)
   end
   if not fits(kind, spec.kind) then say.type(path, spec.kind, v) end
   if spec.values then
      for _, value in ipairs(spec.values) do
         if v == value then return end
      end
      say.enum(path, spec.values, v)
   end
   if spec.low and v < spec.low or spec.high and v > spec.high then say.range(path, spec, v) end
   if spec.tag then return check_tagged(v, spec, path, say) end
   if spec.members then check_members(v, spec.members, path, say) end
   if spec.items then
      for i, item in ipairs(v) do check(item, spec.items, say.index(path, i - 1), say) end
   end
end

-- Returns when 'v' fits. 'say' has, each raising: missing(path), unknown(path, name), type(path, want,
-- value), enum(path, list, value), range(path, spec, value); member(path, name) and index(path, i) make
-- paths, name(key) gives the member that a key means (optional), open takes unknown members, null_is_absent
-- lets null stand for every member that is not required. 'path' is where 'v' stands: "" for the whole.
shape.check = check

return shape
