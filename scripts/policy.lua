-- policy: what a policy file returns, checked when it is loaded.
-- SPDX-License-Identifier: MIT
local caller = require "caller"
local errors = require "errors"

local policy = {}

local FIELDS = {
   name = "string", about = "string", params = "table", run = "function", checks = "function or table",
   open = "table",
}

local function known()
   local names = {}
   for name in pairs(FIELDS) do names[#names + 1] = name end
   table.sort(names)
   return table.concat(names, ", ")
end

local function check_field(name, value)
   local wanted = FIELDS[name]
   if not wanted then
      errors.raise(("unknown field '%s' in a policy (known: %s)"):format(tostring(name), known()))
   end
   if not (" " .. wanted .. " "):find(" " .. type(value) .. " ", 1, true) then
      errors.raise(("field '%s' of a policy must be a %s, not a %s"):format(name, wanted, type(value)))
   end
end

local function check(def)
   if type(def) ~= "table" then errors.raise("policy.define takes a table, not a " .. type(def)) end
   for name, value in pairs(def) do check_field(name, value) end
   if not def.name then errors.raise("a policy needs a name") end
   if not def.name:find("^%a[%w_.-]*$") then
      local rule = "'%s' is no name for a policy: letters, digits, '.', '_' and '-', a letter first"
      errors.raise(rule:format(def.name))
   end
   if not def.run then errors.raise(("policy '%s' has no function 'run'"):format(def.name)) end
   for name in pairs(def.params or {}) do
      if type(name) ~= "string" then errors.raise("params of policy '" .. def.name .. "' must have names") end
   end
end

-- policy.define{ name =, run =, params =, checks =, about = } -> the same table
--   name    how requests call it ("cascade" or "baton/cascade"): letters, digits, '.', '_', '-'
--   run     function(req, p) -> reply or stream | nil, err; p are the params as configured
--   params  default values by name; the configuration's policies.NAME overrides them
--   open    parameters that callers may set: a list of names, or by name true or limits
--           ({ min = 0, max = 1 }, { one_of = { "a", "b" } }, { type =, integer =, max_length = }); of one
--           that is not in params p.NAME is nil unless a caller says it
--   checks  a function, or functions by name, run when the policy is loaded; they raise on what is wrong
--   about   one sentence for listings
-- Raises on an unknown field, a wrong type, a missing name or run.
function policy.define(def)
   check(def)
   if not def.params then def.params = {} end
   if def.open then def.open = caller.opened(def.name, def.open, def.params) end
   return def
end

-- policy.params(def, overrides) -> the parameters a run gets: def.params under those of the configuration.
-- Raises on a name the policy does not know, and on a value of another type than its default.
function policy.params(def, overrides)
   local merged = {}
   for name, value in pairs(def.params) do merged[name] = value end
   for name, value in pairs(overrides or {}) do
      local place = ("configuration: policies.%s.%s"):format(def.name, name)
      local default = def.params[name]
      if default == nil then error(place .. ": the policy has no such parameter", 0) end
      if type(default) ~= type(value) then
         error(("%s: must be a %s, not a %s"):format(place, type(default), type(value)), 0)
      end
      merged[name] = value
   end
   return merged
end

-- policy.check(def): runs the policy's own checks; raises what they raise.
function policy.check(def)
   if type(def.checks) == "function" then return def.checks() end
   for name, check_one in pairs(def.checks or {}) do
      local ok, err = pcall(check_one)
      if not ok then
         local text = tostring(err)
         local place, what = text:match "^([^:\n]+%.lua:%d+: )(.*)$" -- first, as in every other message
         error(("%spolicy '%s', check '%s': %s"):format(place or "", def.name, name, what or text), 0)
      end
   end
end

local FINISHED = { stop = true, tool_calls = true }

-- Did the model say all it wanted to? False for a cut ("length"), filtered or broken answer, and for nil.
function policy.finished(reply)
   return reply ~= nil and FINISHED[reply.finish_reason] == true
end

return policy
