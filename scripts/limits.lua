-- limits: what a parameter of a policy may be: its type, its range, its choices. For what the configuration
-- says (policy.lua) and for what callers say (caller.lua).
-- SPDX-License-Identifier: MIT

local errors = require "errors"

local limits = {}

local KINDS <const> = { number = true, string = true, boolean = true, table = true }
local FIELDS <const> = {
   type = "string", min = "number", max = "number", integer = "boolean", one_of = "table",
   min_length = "number", max_length = "number", of = "string or table", least = "number", most = "number",
   words = "table", -- in a table of targets: texts that mean something to the policy besides names of models
}

-- What a text may say a value, or all values of a table, must be.
local OF <const> = {
   target = "the name of a model, or empty", targets = "targets (names, selectors)", names = "names",
   selector = "a selector, or empty", numbers = "numbers", rows = "tables of numbers",
}

-- limits.share, limits.seconds: limits that many parameters have: 0 to 1; above 0, at most a day.
limits.share = { min = 0, max = 1 }
limits.seconds = { min = 0.001, max = 86400 }

local function listed(by_name)
   local names = {}
   for name in pairs(by_name) do names[#names + 1] = name end
   return table.concat(names, ", ")
end

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
         errors.raise(("%s: unknown field '%s' (known: %s)"):format(place, tostring(key), listed(FIELDS)))
      end
      if not wanted:find(type(value), 1, true) then
         errors.raise(("%s.%s must be a %s"):format(place, key, wanted))
      end
   end
   if spec.type and not KINDS[spec.type] then
      errors.raise(place .. ".type must be \"number\", \"string\", \"boolean\" or \"table\"")
   end
   if type(spec.of) == "string" and not OF[spec.of] then
      errors.raise(("%s.of must be one of %s, or a list of values"):format(place, listed(OF)))
   end
   return spec
end

local function kind_of(default, spec)
   if default ~= nil then return type(default) end
   if spec.of == "target" then return "string" end
   if spec.of or spec.least or spec.most then return "table" end
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

-- Of a name: why it means no model. That nobody fits at the moment is no fault of the name.
local function missing(name)
   local entry, err = require("models").resolve(name)
   return not entry and err.code == "not_found" and err.message or nil
end

local function is_target(value, spec)
   if is_one_of(value, spec.words or {}) then return true end
   if type(value) == "string" then return value ~= "" and not missing(value) end
   return require("models").is_selector(value)
end

local function is_number_in(value, spec)
   if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then return false end
   if spec.integer and not math.tointeger(value) then return false end
   return not (spec.min and value < spec.min) and not (spec.max and value > spec.max)
end

-- Of one value of a table: by what 'of' says.
local fitting = { targets = is_target, numbers = is_number_in }

function fitting.names(value) return type(value) == "string" and value ~= "" end

function fitting.rows(row, spec)
   if type(row) ~= "table" then return false end
   for _, value in pairs(row) do
      if not is_number_in(value, spec) then return false end
   end
   return true
end

local function list_fits(list, spec)
   if spec.of == "selector" then return not require("models").selector_fault(list) end
   local one_fits, count = fitting[spec.of], 0
   for _, value in pairs(list) do
      count = count + 1
      if one_fits and not one_fits(value, spec) then return false end
      if type(spec.of) == "table" and not is_one_of(value, spec.of) then return false end
   end
   return count >= (spec.least or 0) and count <= (spec.most or count)
end

local function text_fits(text, spec)
   if spec.of == "target" then return text == "" or require("models").resolve(text) ~= nil end
   return #text >= (spec.min_length or 0) and #text <= (spec.max_length or #text)
end

-- limits.fits(value, spec) -> boolean. spec: as limits.of gives it.
function limits.fits(value, spec)
   if value == nil or type(value) ~= spec.type then return false end
   if spec.one_of then return is_one_of(value, spec.one_of) end
   if spec.type == "table" then return list_fits(value, spec) end
   if spec.type == "number" then return is_number_in(value, spec) end
   return spec.type ~= "string" or text_fits(value, spec)
end

-- ---- words ----

local function joined(list)
   local names = {}
   for position, value in ipairs(list) do names[position] = tostring(value) end
   return table.concat(names, ", ")
end

-- What is said of numbers: " from 0 to 1", ", at least 1".
local function range(spec)
   if spec.min and spec.max then return (" from %s to %s"):format(spec.min, spec.max) end
   if spec.min then return (", at least %s"):format(spec.min) end
   return spec.max and (", at most %s"):format(spec.max) or ""
end

local function describe_list(spec)
   local size = spec.least and spec.most and (" of %d to %d"):format(spec.least, spec.most)
      or spec.least and (" of at least %d"):format(spec.least)
      or spec.most and (" of at most %d"):format(spec.most) or ""
   if spec.of == "selector" then return "must be " .. OF.selector end
   if type(spec.of) == "table" then return "must be a list" .. size .. " of " .. joined(spec.of) end
   if spec.of then return "must be a table" .. size .. " of " .. OF[spec.of] .. range(spec) end
   return "must be a list (a,b,c) or JSON"
end

local function describe_text(spec)
   if spec.of then return "must be " .. OF[spec.of] end
   local least, most = spec.min_length, spec.max_length
   if least and most then return ("must be a text of %d to %d bytes"):format(least, most) end
   if most then return ("must be a text of at most %d bytes"):format(most) end
   return least and ("must be a text of at least %d bytes"):format(least) or "must be a text"
end

local function describe(spec)
   if spec.one_of then return "must be one of " .. joined(spec.one_of) end
   if spec.type == "number" then
      return "must be " .. (spec.integer and "a whole number" or "a number") .. range(spec)
   end
   if spec.type == "boolean" then return "must be true or false" end
   if spec.type == "table" then return describe_list(spec) end
   return describe_text(spec)
end

local function shown(given)
   local text = type(given) == "table" and "a table" or ("'%s'"):format(tostring(given))
   return #text > 60 and text:sub(1, 57) .. "...'" or text
end

-- Why the first name in a table of targets that means no model means none.
local function missing_of(targets, spec)
   for _, target in pairs(targets) do
      local is_name = type(target) == "string" and target ~= "" and not is_one_of(target, spec.words or {})
      local fault = is_name and missing(target)
      if fault then return fault end
   end
   return nil
end

-- limits.complaint(spec, given) -> what the value must be, and what it is, for a message.
function limits.complaint(spec, given)
   if type(given) == "table" and (spec.of or spec.least or spec.most) then
      local fault = spec.of == "selector" and require("models").selector_fault(given)
      return fault or spec.of == "targets" and missing_of(given, spec) or describe(spec)
   end
   return ("%s, not %s"):format(describe(spec), shown(given))
end

return limits
