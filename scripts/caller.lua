-- caller: what a client says beside its request: hints, parameters of the policy.
-- SPDX-License-Identifier: MIT
--
-- Hints stand in the body ("metadata"; "labels" in Gemini's API) and in header fields
-- (x-baton-param-NAME). A policy sees them all in req.context; those that it has opened also override
-- its parameters, after a check of their type.

local errors = require "errors"
local json = require "json"
local provider = require "provider"
local readonly = require "readonly"

local caller = {}

local HEADER <const> = "x-baton-param-"
local HINTS_MAX <const> = 64 -- of a body's metadata
local TEXT_MAX <const> = 4096 -- bytes of one
local PARAMS_MAX <const> = 32 -- header fields
local VALUE_MAX <const> = 1024 -- bytes of one
local NAME_MAX <const> = 64
local LIST_MAX <const> = 64 -- elements

local nothing = {}

-- ---- what a policy opens ----

local KINDS <const> = { number = true, string = true, boolean = true, table = true }
local SPEC <const> = {
   type = "string", min = "number", max = "number", integer = "boolean", one_of = "table",
   max_length = "number",
}

local function check_spec(place, spec)
   if spec == true then return {} end
   if type(spec) ~= "table" then
      errors.raise(place .. " must be true or a table such as { min = 0, max = 1 }")
   end
   for key, value in pairs(spec) do
      local wanted = SPEC[key]
      if not wanted then
         errors.raise(("%s: unknown field '%s' (known: integer, max, max_length, min, one_of, type)"):format(
            place, tostring(key)))
      end
      if type(value) ~= wanted then errors.raise(("%s.%s must be a %s"):format(place, key, wanted)) end
   end
   if spec.type and not KINDS[spec.type] then
      errors.raise(place .. ".type must be \"number\", \"string\", \"boolean\" or \"table\"")
   end
   return spec
end

local function kind_of(default, spec)
   if default ~= nil then return type(default) end
   return spec.type or spec.one_of and type(spec.one_of[1])
      or (spec.min or spec.max or spec.integer) and "number" or "string"
end

-- caller.opened(name, open, params) -> { [parameter] = { type =, min =, max =, integer =, one_of =,
-- max_length = } }: what 'open' of the policy 'name' says, checked. open: a list of names, or by name true
-- or such limits. Raises on what is wrong with it.
function caller.opened(name, open, params)
   local opened, plain = {}, {}
   for key, value in pairs(open) do
      local by_place = math.type(key) == "integer"
      local parameter, spec = by_place and value or key, by_place or value
      local place = ("policy '%s': open.%s"):format(name, tostring(parameter))
      if type(parameter) ~= "string" or not parameter:find "^%a[%w_]*$" or #parameter > NAME_MAX then
         errors.raise(place .. ": a name has letters, digits and '_', a letter first")
      end
      local copy = {}
      for field, limit in pairs(check_spec(place, spec)) do copy[field] = limit end
      copy.type = kind_of(params[parameter], copy)
      if not KINDS[copy.type] then
         errors.raise(("%s: a %s cannot be set from outside"):format(place, copy.type))
      end
      if spec ~= true and spec.type and spec.type ~= copy.type then
         errors.raise(("%s.type is '%s', but the default is a %s"):format(place, spec.type, copy.type))
      end
      local folded = parameter:lower()
      if plain[folded] and plain[folded] ~= parameter then
         errors.raise(("%s: header fields cannot tell it from '%s'"):format(place, plain[folded]))
      end
      plain[folded], opened[parameter] = parameter, copy
   end
   return opened
end

-- ---- one value ----

local function describe(spec)
   if spec.one_of then
      local names = {}
      for position, choice in ipairs(spec.one_of) do names[position] = tostring(choice) end
      return "must be one of " .. table.concat(names, ", ")
   end
   if spec.type == "number" then
      local what = spec.integer and "a whole number" or "a number"
      if spec.min and spec.max then return ("must be %s from %s to %s"):format(what, spec.min, spec.max) end
      if spec.min then return ("must be %s, at least %s"):format(what, spec.min) end
      if spec.max then return ("must be %s, at most %s"):format(what, spec.max) end
      return "must be " .. what
   end
   if spec.type == "boolean" then return "must be true or false" end
   if spec.type == "table" then return "must be a list (a,b,c) or JSON" end
   if spec.max_length then return ("must be a text of at most %d bytes"):format(spec.max_length) end
   return "must be a text"
end

local function list_of(text)
   local list = {}
   for item in text:gmatch "[^,]+" do
      list[#list + 1] = item:match "^%s*(.-)%s*$"
      if #list > LIST_MAX then return nil end
   end
   return list
end

-- Text as a header field or a metadata member has it -> the value that is meant, or nil.
local readers = {
   number = function(text) return text:find "^%-?[%d.]+[eE%d+-]*$" and tonumber(text) or nil end,
   boolean = function(text)
      if text == "true" then return true end
      if text == "false" then return false end
      return nil
   end,
   string = function(text) return text end,
   table = function(text)
      if text:find "^%s*[%[{]" then return (json.decode(text)) end
      return list_of(text)
   end,
}

local function is_one_of(value, choices)
   for _, choice in ipairs(choices) do
      if value == choice then return true end
   end
   return false
end

local function fits(value, spec)
   if value == nil or type(value) ~= spec.type then return false end
   if spec.one_of then return is_one_of(value, spec.one_of) end
   if spec.type == "number" then
      if value ~= value or value == math.huge or value == -math.huge then return false end
      if spec.integer and not math.tointeger(value) then return false end
      return not (spec.min and value < spec.min) and not (spec.max and value > spec.max)
   end
   return not (spec.max_length and type(value) == "string" and #value > spec.max_length)
end

local function wrong(place, message)
   return errors.new { code = "bad_request", param = place, type = "invalid_request_error",
      message = ("%s: %s"):format(place, message) }
end

local function shown(given)
   local text = type(given) == "table" and "a table" or ("'%s'"):format(tostring(given))
   return #text > 60 and text:sub(1, 57) .. "...'" or text
end

-- What was given as the value that the parameter needs | nil, err.
local function convert(spec, given, place)
   local value = given
   if type(given) == "string" and spec.type ~= "string" then value = readers[spec.type](given) end
   if spec.type == "number" and spec.integer and fits(value, spec) then return math.tointeger(value) end
   if fits(value, spec) then return value end
   return nil, wrong(place, ("%s, not %s"):format(describe(spec), shown(given)))
end

-- ---- where it stands ----

-- x-baton-param-max-price and x-baton-param-max_price mean max_price: some proxies let no '_' through.
local function folded(name)
   return (name:lower():gsub("-", "_"))
end

local function metadata_of(body)
   local metadata = body.metadata
   if type(metadata) ~= "table" then metadata = body.labels end
   if type(metadata) ~= "table" or json.is_array(metadata) then return nil end
   return metadata
end

local function names_of(open)
   local names = {}
   for name in pairs(open) do names[#names + 1] = name end
   table.sort(names)
   return #names > 0 and table.concat(names, ", ") or "none"
end

local function unknown(definition, name, place)
   local open = definition.open or nothing
   local known = definition.params[name] ~= nil
   return wrong(place, ("policy '%s' %s (open to callers: %s)"):format(definition.name,
      known and "does not let callers set this parameter" or "has no such parameter", names_of(open)))
end

local function open_name(open, name)
   name = folded(name)
   for parameter in pairs(open) do
      if parameter:lower() == name then return parameter end
   end
   return nil
end

-- The header fields, into given[parameter] = { value, place }: err, or nil.
local function from_headers(definition, fields, given)
   local count = 0
   for name, value in pairs(fields) do
      local place = HEADER .. name
      count = count + 1
      if count > PARAMS_MAX then return wrong(place, ("more than %d parameters"):format(PARAMS_MAX)) end
      if #name > NAME_MAX or #value > VALUE_MAX then
         return wrong(place:sub(1, 100), ("longer than %d bytes"):format(#name > NAME_MAX and NAME_MAX
            or VALUE_MAX))
      end
      local parameter = open_name(definition.open or nothing, name)
      if not parameter then return unknown(definition, folded(name), place) end
      given[parameter] = { value, place }
   end
   return nil
end

local function from_metadata(definition, body, given)
   local metadata = metadata_of(body)
   for parameter in pairs(metadata and definition.open or nothing) do
      local value = metadata[parameter]
      if value ~= nil and value ~= json.null then given[parameter] = { value, "metadata." .. parameter } end
   end
end

-- caller.override(definition, p, fields, body) -> names of what was set, or nil when nothing was | nil, err.
-- Puts what the caller says into 'p': the header fields (nil without any) and the members of the body's
-- metadata that the policy has opened; a header field comes before metadata. A field of a parameter that is
-- not open, and a value that does not fit, are errors that name it.
function caller.override(definition, p, fields, body)
   local given = {}
   if definition.open and body then from_metadata(definition, body, given) end
   local wrong_field = fields and from_headers(definition, fields, given)
   if wrong_field then return nil, wrong_field end
   local names
   for parameter, found in pairs(given) do
      local value, err = convert(definition.open[parameter], found[1], found[2])
      if err then return nil, err end
      p[parameter] = value
      names = names or {}
      names[#names + 1] = parameter
   end
   if names then table.sort(names) end
   return names
end

-- ---- req.context ----

local function hints_of(body)
   local context, count = {}, 0
   for name, value in pairs(metadata_of(body) or nothing) do
      local plain = type(value) == "string" and #value <= TEXT_MAX or type(value) == "number"
         or type(value) == "boolean"
      if plain and count < HINTS_MAX then
         context[name] = value
         count = count + 1
      end
   end
   return context
end

-- caller.context(req) -> a read-only table: what stands behind req.context. The members of the body's
-- metadata that are texts (up to 4 KiB), numbers or booleans, at most 64 of them, and over them the header
-- fields x-baton-param-NAME as texts, '-' in their names as '_'.
function caller.context(req)
   local native, about = provider.native(req)
   if about and about.context then return about.context end
   local context = hints_of(native or req)
   local route = about and about.route or nothing
   for name, value in pairs(route.params or nothing) do context[folded(name)] = value end
   context = readonly(context, "req.context")
   if about then about.context = context end
   return context
end

-- ---- who ----

local function text(value)
   return type(value) == "string" and value ~= "" and value or nil
end

-- caller.session(req) -> id | nil, caller: the text that the requests of one conversation or user have in
-- common, and a number for the key of the gateway that the client sent (nil where there are none).
function caller.session(req)
   if type(req) ~= "userdata" then return nil end
   local native, about = provider.native(req)
   local route, body = about and about.route or nothing, native or req
   local metadata = metadata_of(body)
   return text(route.session) or text(body.user) or text(metadata and metadata.user_id), route.caller
end

-- ---- for the trace ----

local SECRET <const> = { "key", "token", "secret", "password", "credential" }

-- caller.shown(p) -> a copy of parameters without what looks like a secret.
function caller.shown(p)
   local copy = {}
   for name, value in pairs(p) do
      copy[name] = value
      for _, word in ipairs(SECRET) do
         if name:lower():find(word, 1, true) and type(value) == "string" then copy[name] = "[hidden]" end
      end
   end
   return copy
end

return caller
