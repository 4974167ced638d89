-- openai_say: the voice of OpenAI's newer checks (Responses, embeddings, completions), for shape.check.
-- SPDX-License-Identifier: MIT
local fail = require("sim.openai_error").fail
local shape = require "sim.shape"

local openai_say = {}

function openai_say.refuse(message, param, code)
   error(fail("bad_request", { message = message, param = param, code = code }), 0)
end

local refuse = openai_say.refuse

local function quoted_list(list)
   if #list == 1 then return "'" .. list[1] .. "'" end
   return "'" .. table.concat(list, "', '", 1, #list - 1) .. "', and '" .. list[#list] .. "'"
end

local NAMES = { integer = "an integer", number = "a decimal", array = "an array", object = "an object" }

local function named(kind)
   return NAMES[kind] or kind == "null" and "null" or "a " .. kind
end

openai_say.say = {
   null_is_absent = true,
   missing = function(path)
      refuse(("Missing required parameter: '%s'."):format(path), path, "missing_required_parameter")
   end,
   unknown = function(path, name)
      local full = path == "" and name or path .. "." .. name
      refuse(("Unknown parameter: '%s'."):format(full), full, "unknown_parameter")
   end,
   type = function(path, want, v)
      refuse(("Invalid type for '%s': expected %s, but got %s instead."):format(path, named(want),
         named(shape.kind_of(v))), path, "invalid_type")
   end,
   enum = function(path, list, v)
      refuse(("Invalid value: '%s'. Supported values are: %s."):format(tostring(v), quoted_list(list)), path,
         "invalid_value")
   end,
   range = function(path, spec, v)
      local low = spec.low and v < spec.low
      local kind = spec.kind == "number" and "decimal" or spec.kind
      refuse(("Invalid '%s': %s %s value. Expected a value %s %s, but got %s instead."):format(path, kind,
         low and "below minimum" or "above maximum", low and ">=" or "<=", tostring(low and spec.low
            or spec.high),
         tostring(v)), path, kind .. (low and "_below_min_value" or "_above_max_value"))
   end,
   member = function(path, name) return path == "" and name or path .. "." .. name end,
   index = function(path, i) return ("%s[%d]"):format(path, i) end,
}

function openai_say.check(v, members)
   shape.check(v, shape.object(members), "", openai_say.say)
end

return openai_say
