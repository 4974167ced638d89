-- composing: policies made of policies: run one after the other, one inside the other.
-- SPDX-License-Identifier: MIT
--
-- policy.lua has the words for it; the chains of the configuration are made here. Loaded when all policies
-- are (policy.lua asks for it inside its functions).
local caller = require "caller"
local config = require "config"
local deadline = require "deadline"
local errors = require "errors"
local llm = require "llm"
local policies = require "policies"
local policy = require "policy"
local trace = require "trace"
local writable = require "writable"

local composing = {}

local OWN = "; those of your own are found with --policies DIR (BATON_POLICIES)"

-- Reading a parameter that the policy has not raises: nil in its place would be a selector for any model.
local function strict(definition)
   local open = definition.open or {}
   return { __index = function(_, name)
      if open[name] ~= nil or name == "deadline" then return nil end
      local names = {}
      for parameter in pairs(definition.params) do names[#names + 1] = parameter end -- in their order
      errors.raise(("policy '%s' has no parameter '%s' (params: %s)"):format(definition.name, tostring(name),
         #names > 0 and table.concat(names, ", ") or "none"))
   end }
end

-- Every policy's parameters: its own defaults under those of the configuration.
local params, metatables = {}, {}
for name, definition in pairs(policies) do
   params[name] = policy.params(definition, config.policies[name])
   metatables[name] = strict(definition)
end
for name in pairs(config.policies) do
   if policies[name] == nil then
      error(("configuration: policies.%s: there is no policy of that name"):format(name) .. OWN, 0)
   end
end

-- composing.params(name) -> the parameters of a policy. Each run gets its own: what it does to them is gone
-- with it.
function composing.params(name)
   return setmetatable(writable(params[name]), metatables[name])
end

-- ---- parts ----

-- given: what the caller of a chain has set, of which a part gets what it has opened.
local function run_definition(definition, req, next, given)
   local own = params[definition.name] and composing.params(definition.name)
      or setmetatable(writable(definition.params), strict(definition))
   for name in pairs(given and definition.open or {}) do
      if given[name] ~= nil then own[name] = given[name] end
   end
   trace.note { part = definition.name, params = trace.detailed() and caller.shown(own) or nil }
   return deadline.run(definition, req, own, next)
end

-- composing.run(part, req, p, next) -> what a policy returns. part: the name of a policy or its definition
-- (run with parameters of its own), function(req, p, next), or a target, which is asked as llm.stream does.
function composing.run(part, req, p, next)
   if type(part) == "function" then return part(req, p, next) end
   if type(part) == "table" and type(part.run) == "function" then return run_definition(part, req, next) end
   if type(part) == "string" and policies[part] ~= nil then
      return run_definition(policies[part], req, next)
   end
   return llm.stream(part, req)
end

-- composing.passed(name) -> nil, err: nobody was left to answer.
function composing.passed(name)
   return nil, errors.new { code = "no_candidate",
      message = ("policy '%s' passed the request on, and nothing comes after it"):format(name) }
end

-- ---- chains of the configuration ----

local function definition_of(place, name)
   if policies[name] ~= nil then return policies[name] end
   error(("configuration: %s: there is no policy '%s'"):format(place, name) .. OWN, 0)
end

-- One after the other, with what any of them has opened to callers: each may answer, return policy.pass, or
-- call next(req) and look at what comes of it.
local function chain_of(name, place, names)
   local parts, open = {}, {}
   for i, part in ipairs(names) do
      local definition = definition_of(place, part)
      parts[i] = function(req, p, next) return run_definition(definition, req, next, p) end
      for parameter, spec in pairs(definition.open or {}) do open[parameter] = open[parameter] or spec end
      if i < #names and not definition.passes then
         local what = "configuration: %s: '%s' never passes a request on, so that '%s' is never asked"
         error(what:format(place, part, names[i + 1]), 0)
      end
   end
   local about = "One after the other: " .. table.concat(names, ", ") .. "."
   return policy.define { name = name, about = about, run = policy.chain(parts), open = open }
end

-- composing.chains: definitions by name, of the configuration's 'chains' and of its 'policy', when that is a
-- list: "privacy+cascade".
composing.chains = {}
for name, names in pairs(config.chains or {}) do
   if policies[name] ~= nil then
      error(("configuration: chains.%s: there is a policy of that name"):format(name), 0)
   end
   composing.chains[name] = chain_of(name, "chains." .. name, names)
end
if config.policy_chain then
   local name = table.concat(config.policy_chain, "+")
   composing.chains[name] = chain_of(name, "policy", config.policy_chain)
end

-- What has the name of an alias is asked before it: nobody would ever reach the alias.
for name in pairs(config.aliases or {}) do
   if name == "auto" or policies[name] ~= nil or composing.chains[name] then
      error(("configuration: aliases.%s: a policy is asked by that name; call the alias something else")
         :format(name), 0)
   end
end

-- composing.find(name) -> the definition of a policy or a chain, its parameters | nil.
function composing.find(name)
   if policies[name] ~= nil then return policies[name], composing.params(name) end
   return composing.chains[name], {}
end

if not composing.find(config.default_policy) then
   local place = config.policy_place or "default_policy"
   error(("configuration: %s: there is no policy '%s'"):format(place, config.default_policy) .. OWN, 0)
end

return composing
