-- limits: what a parameter of a policy may be: its type, its range, its choices. For what the configuration
-- says (policy.lua) and for what callers say (caller.lua).
-- SPDX-License-Identifier: MIT

local errors = require "errors"

local limits = {}

local KINDS <const> = { number = true, string = true, boolean = true, table = true }
local FIELDS <const> = {
   type = "string", min = "number", max = "number", integer = "boolean", one_of = "table",
   max_length = "number", of = "string or table", least = "number",
}

-- limits.share, limits.seconds: limits that many parameters have: 0 to 1; above 0, at most a day.
limits.share = { min = 0, max = 1 }
limits.seconds = { min = 0.001, max = 86400 }

-- limits.check(place, spec) -> spec, {} for true. Raises on what is no description of limits, in the words
-- "PLACE: ...".
function limits.check(place, spec)
   if spec == true then return {} end
   if type(spec) ~= "table" then
      errors.raise(place .. " must be true or a table such as { min = 0, max = 1 }")
   end
   for key, value in pairs(spec) do
      local wanted = FIELDS[key]
      if not wanted then
         errors.raise(("%s: unknown field '%s' (known: integer, least, max, max_length, min, of, one_of, "
            .. "type)"):format(place, tostring(key)))
      end
      if not wanted:find(type(value), 1, true) then
         errors.raise(("%s.%s must be a %s"):format(place, key, wanted))
      end
   end
   if spec.type and not KINDS[spec.type] then
      errors.raise(place .. ".type must be \"number\", \"string\", \"boolean\" or \"table\"")
   end
   if type(spec.of) == "string" and spec.of ~= "targets" and spec.of ~= "selector" then
      errors.raise(place .. ".of must be \"targets\", \"selector\" or a list of values")
   end
   return spec
end

local function kind_of(default, spec)
   if default ~= nil then return type(default) end
   if spec.of or spec.least then return "table" end
   return spec.type or spec.one_of and type(spec.one_of[1])
      or (spec.min or spec.max or spec.integer) and "number" or "string"
end

-- limits.of(place, spec, default) -> a copy of the limits with the type of the value: that of the default,
-- else what the limits suggest. Raises as limits.check does.
function limits.of(place, spec, default)
   local copy = {}
   for field, limit in pairs(limits.check(place, spec)) do copy[field] = limit end
   copy.type = kind_of(default, copy)
   if not KINDS[copy.type] then
      errors.raise(("%s: a %s cannot be set from outside"):format(place, copy.type))
   end
   if spec ~= true and spec.type and spec.type ~= copy.type then
      errors.raise(("%s.type is '%s', but the default is a %s"):format(place, spec.type, copy.type))
   end
   return copy
end

-- ---- a value ----

local function is_one_of(value, choices)
   for _, choice in ipairs(choices) do
      if value == choice then return true end
   end
   return false
end

local function is_target(value)
   return type(value) == "string" and value ~= "" or require("models").is_selector(value)
end

local function list_fits(list, spec)
   if spec.of == "selector" then return not require("models").selector_fault(list) end
   local count = 0
   for _, value in pairs(list) do
      count = count + 1
      if spec.of == "targets" and not is_target(value) then return false end
      if type(spec.of) == "table" and not is_one_of(value, spec.of) then return false end
   end
   return count >= (spec.least or 0)
end

-- limits.fits(value, spec) -> boolean. spec: as limits.of gives it.
function limits.fits(value, spec)
   if value == nil or type(value) ~= spec.type then return false end
   if spec.one_of then return is_one_of(value, spec.one_of) end
   if spec.type == "table" then return list_fits(value, spec) end
   if spec.type == "number" then
      if value ~= value or value == math.huge or value == -math.huge then return false end
      if spec.integer and not math.tointeger(value) then return false end
      return not (spec.min and value < spec.min) and not (spec.max and value > spec.max)
   end
   return not (spec.max_length and type(value) == "string" and #value > spec.max_length)
end

-- ---- words ----

local function joined(list)
   local names = {}
   for position, value in ipairs(list) do names[position] = tostring(value) end
   return table.concat(names, ", ")
end

local function describe_list(spec)
   local least = spec.least and (" of at least %d"):format(spec.least) or ""
   if spec.of == "targets" then return "must be a table" .. least .. " of targets (names, selectors)" end
   if spec.of == "selector" then return "must be a selector, or empty" end
   if spec.of then return "must be a list" .. least .. " of " .. joined(spec.of) end
   return "must be a list (a,b,c) or JSON"
end

local function describe(spec)
   if spec.one_of then return "must be one of " .. joined(spec.one_of) end
   if spec.type == "number" then
      local what = spec.integer and "a whole number" or "a number"
      if spec.min and spec.max then return ("must be %s from %s to %s"):format(what, spec.min, spec.max) end
      if spec.min then return ("must be %s, at least %s"):format(what, spec.min) end
      if spec.max then return ("must be %s, at most %s"):format(what, spec.max) end
      return "must be " .. what
   end
   if spec.type == "boolean" then return "must be true or false" end
   if spec.type == "table" then return describe_list(spec) end
   if spec.max_length then return ("must be a text of at most %d bytes"):format(spec.max_length) end
   return "must be a text"
end

local function shown(given)
   local text = type(given) == "table" and "a table" or ("'%s'"):format(tostring(given))
   return #text > 60 and text:sub(1, 57) .. "...'" or text
end

-- limits.complaint(spec, given) -> what the value must be, and what it is, for a message.
function limits.complaint(spec, given)
   if type(given) == "table" and (spec.of or spec.least) then
      local fault = spec.of == "selector" and require("models").selector_fault(given)
      return fault or describe(spec)
   end
   return ("%s, not %s"):format(describe(spec), shown(given))
end

return limits
