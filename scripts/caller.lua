-- caller: what a client says beside its request: hints, parameters of the policy.
-- SPDX-License-Identifier: MIT
--
-- Hints stand in the body ("metadata"; "labels" in Gemini's API) and in header fields
-- (x-baton-param-NAME). A policy sees them all in req.context; those that it has opened also override
-- its parameters, after a check of their type.

local errors = require "errors"
local json = require "json"
local limits = require "limits"
local log = require "log"
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
local TOLD_MAX <const> = 100 -- lines of the log

local nothing = {}

-- ---- what a policy opens ----

-- caller.opened(name, open, params, own) -> { [parameter] = limits (limits.lua) }: what 'open' of the policy
-- 'name' says, checked. open: a list of names, or by name true or limits, which come before those that the
-- policy itself has for the parameter ('own', by name). Raises on what is wrong with it.
function caller.opened(name, open, params, own)
   local opened, plain = {}, {}
   for key, value in pairs(open) do
      local by_place = math.type(key) == "integer"
      local parameter, spec = by_place and value or key, by_place or value
      local place = ("policy '%s': open.%s"):format(name, tostring(parameter))
      if type(parameter) ~= "string" or not parameter:find "^%a[%w_]*$" or #parameter > NAME_MAX then
         errors.raise(place .. ": a name has letters, digits and '_', a letter first")
      end
      local spec_of_both = {}
      for field, limit in pairs(own[parameter] or nothing) do spec_of_both[field] = limit end
      for field, limit in pairs(limits.check(place, spec)) do spec_of_both[field] = limit end
      local copy = limits.of(place, spec_of_both, params[parameter])
      local folded = parameter:lower()
      if plain[folded] and plain[folded] ~= parameter then
         errors.raise(("%s: header fields cannot tell it from '%s'"):format(place, plain[folded]))
      end
      plain[folded], opened[parameter] = parameter, copy
   end
   return opened
end

-- ---- one value ----

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

local function wrong(place, message)
   return errors.new { code = "bad_request", param = place, type = "invalid_request_error",
      message = ("%s: %s"):format(place, message) }
end

-- What was given as the value that the parameter needs | nil, err.
local function convert(spec, given, place)
   local value = given
   if type(given) == "string" and spec.type ~= "string" then value = readers[spec.type](given) end
   if not limits.fits(value, spec) then return nil, wrong(place, limits.complaint(spec, given)) end
   return spec.integer and math.tointeger(value) or value
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

-- A parameter that is not open: err. What is no parameter of the policy is a hint, as in metadata: nil.
local function closed(definition, name, place)
   for parameter in pairs(definition.params) do
      if parameter:lower() == name then
         local what = "policy '%s' does not let callers set this parameter (open to callers: %s)"
         return wrong(place, what:format(definition.name, names_of(definition.open or nothing)))
      end
   end
   return nil
end

local function open_name(open, name)
   name = folded(name)
   for parameter in pairs(open) do
      if parameter:lower() == name then return parameter end
   end
   return nil
end

-- A name that is misspelled looks like a hint: each is told once by each worker of a generation.
local told, told_count = {}, 0

local function tell_hint(definition, place)
   local key = definition.name .. " " .. place
   if told[key] or told_count == TOLD_MAX then return end
   told[key], told_count = true, told_count + 1
   log.info("a header field names no parameter of the policy: it is a hint", {
      field = place, policy = definition.name, open = names_of(definition.open or nothing),
   })
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
      local err = not parameter and closed(definition, folded(name), place)
      if err then return err end
      if parameter then
         given[parameter] = { value, place }
      else
         tell_hint(definition, place)
      end
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
-- not open, and a value that does not fit, are errors that name it; other fields are hints (caller.context).
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
