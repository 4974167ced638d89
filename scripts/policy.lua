-- policy: what a policy file returns, checked when it is loaded.
-- SPDX-License-Identifier: MIT
local caller = require "caller"
local errors = require "errors"
local limits = require "limits"
local readonly = require "readonly"
local retrying = require "retrying"

local policy = {}

local FIELDS = {
   name = "string", about = "string", params = "table", run = "function", checks = "function or table",
   open = "table", limits = "table", passes = "boolean",
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
   if not def.name:find("^%a[%w_.+-]*$") then
      local rule = "'%s' is no name for a policy: letters, digits, '.', '_', '+' and '-', a letter first"
      errors.raise(rule:format(def.name))
   end
   if not def.run then errors.raise(("policy '%s' has no function 'run'"):format(def.name)) end
   for name in pairs(def.params or {}) do
      if type(name) ~= "string" then errors.raise("params of policy '" .. def.name .. "' must have names") end
   end
end

-- policy.share, policy.seconds: limits that many parameters have: 0 to 1; above 0, at most a day.
policy.share, policy.seconds = limits.share, limits.seconds

-- What 'limits' of a definition says, checked; the defaults must keep to it.
local function limited(def)
   local own = {}
   for name, spec in pairs(def.limits or {}) do
      local place, default = ("policy '%s': limits.%s"):format(def.name, tostring(name)), def.params[name]
      if default == nil then errors.raise(place .. ": the policy has no such parameter") end
      own[name] = limits.of(place, spec, default)
      if type(own[name].of) ~= "string" and not limits.fits(default, own[name]) then
         errors.raise(("%s: the default %s"):format(place, limits.complaint(own[name], default)))
      end
   end
   return own
end

-- policy.define{ name =, run =, params =, checks =, about = } -> the same table
--   name    how requests call it ("cascade" or "baton/cascade"): letters, digits, '.', '_', '-'
--   run     function(req, p, next) -> reply or stream | policy.pass | nil, err; p are the params as
--           configured; next(req?) runs what comes after it in a chain, nil where nothing does
--   passes  true: it may return policy.pass or call next
--   params  default values by name; the configuration's policies.NAME overrides them
--   limits  what parameters may be, by name: { min =, max =, integer = } of numbers, of texts { min_length =,
--           max_length = } or { of = "target" }, { one_of = { "a", "b" } }, of tables { least =, most =, of =
--           "targets", "names", "selector", "numbers", "rows" (tables of numbers) or a list of values }; they
--           hold for the configuration and for callers
--   open    parameters that callers may set: a list of names, or by name true or limits; of one that is not
--           in params p.NAME is nil unless a caller says it
--   checks  a function, or functions by name, run when the policy is loaded; they raise on what is wrong
--   about   one sentence for listings
-- Raises on an unknown field, a wrong type, a missing name or run.
function policy.define(def)
   check(def)
   if not def.params then def.params = {} end
   def.limits = limited(def)
   if def.open then def.open = caller.opened(def.name, def.open, def.params, def.limits) end
   return def
end

-- Parameters that every policy has: 'deadline', seconds for all that it does (serve.lua).
local OF_ALL = { deadline = 60 }

local function check_deadline(def, merged)
   local seconds = merged.deadline
   if seconds ~= nil and not (type(seconds) == "number" and seconds > 0 and seconds <= 86400) then
      local place = ("configuration: policies.%s.deadline"):format(def.name)
      error(place .. ": must be seconds above 0, at most 86400", 0)
   end
   return merged
end

-- What is wrong with a configured value, or nil: another type than the default's (but the name of a model
-- may take the place of a selector), beyond the limits, no selector. "baton eval" goes beyond the limits:
-- there a threshold above all scores tells what comes of them.
local function fault(def, name, default, value)
   local models = require "models"
   local selects = models.is_selector(default)
   if selects and type(value) == "string" then return value == "" and "must name a model" or nil end
   if type(default) ~= type(value) then
      return ("must be a %s, not a %s"):format(type(default), type(value))
   end
   if selects then
      if next(value) == nil then return "must name a model or say which models fit" end
      return models.selector_fault(value)
   end
   local spec = (def.limits or {})[name]
   if spec and not require("config").recorded and not limits.fits(value, spec) then
      return limits.complaint(spec, value)
   end
   return nil
end

-- policy.params(def, overrides) -> the parameters a run gets: def.params under those of the configuration.
-- Every policy may have 'deadline'. Raises on a name the policy does not know, on a value of another type
-- than its default, and on one beyond the policy's limits; but the name of a model may take the place of a
-- selector.
function policy.params(def, overrides)
   local merged = {}
   for name, value in pairs(def.params) do merged[name] = value end
   for name, value in pairs(overrides or {}) do
      local place = ("configuration: policies.%s.%s"):format(def.name, name)
      local default = def.params[name]
      if default == nil then default = OF_ALL[name] end
      if default == nil then error(place .. ": the policy has no such parameter", 0) end
      local wrong = fault(def, name, default, value)
      if wrong then error(("%s: %s"):format(place, wrong), 0) end
      merged[name] = value
   end
   return check_deadline(def, merged)
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

-- ---- policies made of policies ----

-- policy.pass: "not mine, go on": what run returns where another policy of a chain shall answer.
policy.pass = readonly({}, "policy.pass")

-- What cannot go better elsewhere: the request is at fault, or nobody waits. A content filter's word is not
-- gone around.
local HOPELESS = { bad_request = true, content_filter = true, cancelled = true, budget = true,
   internal = true }

-- policy.hopeless(err) -> boolean: would another model, or another try, fail in the same way?
function policy.hopeless(err)
   return HOPELESS[err.code] == true
end

-- Loaded when it is needed: it stands on the policies, which are not there while files are loaded.
local function run_part(...)
   return require("composing").run(...)
end

local function check_parts(what, parts)
   if #parts == 0 then errors.raise(what .. " needs at least one part") end
   for i = 1, #parts do
      local kind = type(parts[i])
      if kind ~= "function" and kind ~= "table" and kind ~= "string" then
         errors.raise(("%s: part %d must be a policy, a function or a target, not a %s"):format(what, i,
            kind))
      end
   end
end

-- policy.first(a, b, ...) -> run: the first part that answers. One that returns policy.pass, or fails in a
-- way that another may not (policy.hopeless), is followed by the next. All passed: policy.pass; else the
-- last error. A part is a policy (its name or definition), function(req, p, next), or a target, which is
-- asked.
function policy.first(...)
   local parts = { ... }
   check_parts("policy.first", parts)
   return function(req, p, next)
      local result, err
      local last
      for _, part in ipairs(parts) do
         result, err = run_part(part, req, p, next)
         if result ~= nil and result ~= policy.pass then return result end
         if result == nil and err and policy.hopeless(err) then return nil, err end
         last = err or last
      end
      if last then return nil, last end
      return policy.pass
   end
end

-- policy.retry(n, part) -> run: tries a part again, at most n times, while its error says that this may help:
-- after the same pauses as llm's option 'retries', within the deadline and the model's budget (retrying.lua).
function policy.retry(n, part)
   if math.type(n) ~= "integer" or n < 0 then
      errors.raise "policy.retry: n must be an integer, at least 0"
   end
   check_parts("policy.retry", { part })
   return function(req, p, next)
      local result, err = run_part(part, req, p, next)
      for i = 1, n do
         local failed = result == nil and err
         local name = failed and err.provider and err.model and err.provider .. "/" .. err.model or nil
         if not failed or not retrying.wait(name, err, i, n) then break end
         result, err = run_part(part, req, p, next)
      end
      return result, err
   end
end

-- policy.when(test, part, otherwise?) -> run: 'part' where test(req, p) is true, else 'otherwise', or
-- policy.pass without one.
function policy.when(test, part, otherwise)
   if type(test) ~= "function" then errors.raise "policy.when: the test must be a function" end
   check_parts("policy.when", { part, otherwise })
   return function(req, p, next)
      if test(req, p) then return run_part(part, req, p, next) end
      if otherwise ~= nil then return run_part(otherwise, req, p, next) end
      return policy.pass
   end
end

-- policy.wrap(outer, inner) -> run: 'outer', whose next(req?) runs 'inner'. Where outer passes, inner
-- answers.
function policy.wrap(outer, inner)
   check_parts("policy.wrap", { outer, inner })
   return function(req, p, next)
      local function go_on(changed)
         return run_part(inner, changed or req, p, next)
      end
      local result, err = run_part(outer, req, p, go_on)
      if result == policy.pass then return go_on() end
      return result, err
   end
end

-- policy.chain(parts) -> run: policy.wrap of all of a list: the first outermost.
function policy.chain(parts)
   if type(parts) ~= "table" then errors.raise "policy.chain: a list of parts is needed" end
   check_parts("policy.chain", parts)
   local run = parts[#parts]
   for i = #parts - 1, 1, -1 do run = policy.wrap(parts[i], run) end
   if type(run) == "function" then return run end
   return function(req, p, next) return run_part(run, req, p, next) end
end

-- ---- for policies ----

local PARTS = { image_url = "vision", input_audio = "audio", file = "files" }

-- policy.needs(req) -> a list of capabilities that a request needs ("tools", "vision", "audio", "files") |
-- nil, as 'needs' of a selector.
function policy.needs(req)
   if type(req) == "string" then return nil end
   if type(req) == "userdata" and req.tools == nil and req:is_plain() then return nil end
   local needs, seen = {}, {}
   local function add(name)
      if name and not seen[name] then
         seen[name] = true
         needs[#needs + 1] = name
      end
   end
   if type(req.tools) == "table" and #req.tools > 0 then add "tools" end
   for _, message in ipairs(type(req.messages) == "table" and req.messages or {}) do
      local content = type(message) == "table" and message.content
      for _, part in ipairs(type(content) == "table" and content or {}) do
         add(type(part) == "table" and PARTS[part.type])
      end
   end
   return #needs > 0 and needs or nil
end

local FINISHED = { stop = true, tool_calls = true }

-- Did the model say all it wanted to? False for a cut ("length"), filtered or broken answer, and for nil.
function policy.finished(reply)
   return reply ~= nil and FINISHED[reply.finish_reason] == true
end

return policy
