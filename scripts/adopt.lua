-- adopt: a codec, shipped or a user's own file, as it is when it is loaded: complete, and its own checks
-- hold.
-- SPDX-License-Identifier: MIT

local FIELDS = {
   format = "string", path = "string function", wire = "userdata", encode = "function", decode = "function",
   decoder = "function", usage = "function", error = "function",
}
local OPTIONAL = {
   name = "string", auth_header = "string", auth_prefix = "string", headers = "table function",
      forwards = "table",
   edits = "function", refuses = "function", settings = "table", embed = "table", count = "table",
   checks = "function table",
}

local function fits(value, kinds)
   return (" " .. kinds .. " "):find(" " .. type(value) .. " ", 1, true) ~= nil
end

local function wrong(name, kinds, value)
   local found = value == nil and "missing" or "a " .. type(value)
   error(("'%s' must be a %s, and is %s"):format(name, kinds:gsub(" ", " or a "), found), 0)
end

local function check_fields(codec)
   if type(codec) ~= "table" then error("it returned a " .. type(codec) .. ", not a table", 0) end
   for name, kinds in pairs(FIELDS) do
      if not fits(codec[name], kinds) then
         wrong(name, kinds, codec[name])
      end
   end
   for name, kinds in pairs(OPTIONAL) do
      if codec[name] ~= nil and not fits(codec[name], kinds) then wrong(name, kinds, codec[name]) end
   end
end

local function run_checks(checks)
   if type(checks) == "function" then return checks() end
   for name, check in pairs(checks or {}) do
      local ok, err = pcall(check)
      if not ok then error(("check '%s': %s"):format(name, tostring(err)), 0) end
   end
end

-- adopt(name) -> the codec codec/NAME.lua. Raises where it is missing or incomplete, and what its own
-- 'checks' (a function, or functions by name) raise.
return function(name)
   local codec = require("codec." .. name)
   check_fields(codec)
   run_checks(codec.checks)
   return codec
end
