-- ask: one question on the command line, shown while it is answered.
-- SPDX-License-Identifier: MIT

local clock = require "clock"
local composing = require "composing"
local errors = require "errors"
local explain = require "explain"
local json = require "json"
local llm = require "llm"
local log = require "log"
local models = require "models"
local policies = require "policies"
local provider = require "provider"
local serve = require "serve"
local terminal = require "terminal"
local trace = require "trace"

local ask = {}

local function show(result)
   if not llm.is_stream(result) then
      terminal.write(result.text)
      for _, call in ipairs(result.tool_calls or {}) do
         terminal.write(("[calls %s(%s)]"):format(call["function"].name, call["function"].arguments))
      end
      return
   end
   for event in result:events() do
      if event.kind == "error" then
         terminal.write("\n")
         error(event.err, 0)
      end
      if event.kind == "text" or event.kind == "refusal" then terminal.write(event.text) end
      if event.kind == "tool_call" then terminal.write((event.name or "") .. event.arguments) end
   end
end

-- A name that was given as a policy must not be looked for among the models.
local function check_policy(name)
   if name == "auto" or composing.find(name:match("^baton/(.+)$") or name) then return end
   local known = {}
   for other in pairs(policies) do known[#known + 1] = other end
   table.sort(known)
   local message = ("there is no policy '%s' (there are: %s)%s"):format(name, table.concat(known, ", "),
      models.resolve(name) and "; it is a model: --model " .. name or "")
   error(errors.new { code = "not_found", message = message }, 0)
end

local function show_story()
   local record = trace.record()
   for _, line in ipairs(record and explain.lines(record) or {}) do print("-- " .. line) end
end

-- A hint may be meant, but on a command line it is more often a parameter that is misspelled.
local function warn_of_hints(definition, fields)
   local open, names = definition.open or {}, {}
   for name in pairs(open) do names[#names + 1] = name end
   for name in pairs(fields) do
      local plain = name:lower():gsub("-", "_")
      if definition.params[plain] == nil and not open[plain] then
         log.warn(("--param %s: policy '%s' has no such parameter; it is only a hint"):format(name,
            definition.name), { open = table.concat(names, ", ") })
      end
   end
end

-- "NAME=VALUE" each -> as the header fields x-baton-param-NAME have them.
local function fields_of(settings)
   local fields
   for _, setting in ipairs(settings) do
      local name, value = setting:match "^([%w_-]+)=(.*)$"
      if not name then
         error(errors.new { code = "bad_request",
            message = ("--param %s: must be NAME=VALUE"):format(setting) }, 0)
      end
      fields = fields or {}
      fields[name] = value
   end
   return fields
end

-- ask.main(kind, target, prompt, ...): target is the name of a policy or "auto" (kind "policy"), or a
-- model (kind "model"); ...: "NAME=VALUE" each, parameters of the policy. Raises the error when there is no
-- answer. When somebody wants to know (--explain), how it came about is shown, too.
function ask.main(kind, target, prompt, ...)
   if kind == "policy" then check_policy(target) end
   local fields = fields_of { ... }
   if fields and policies[target] then warn_of_hints(policies[target], fields) end
   local begun = clock.monotonic()
   local req = provider.request(json.encode {
      model = target, messages = { { role = "user", content = prompt } }, stream = true,
   })
   local result, err = serve.run(req, target, fields)
   if err and err.param then err.message = err.message:gsub("^x%-baton%-param%-", "--param ") end
   local shown, problem = pcall(function()
      if not result then error(err, 0) end
      show(result)
   end)
   if not shown then
      show_story()
      error(problem, 0)
   end
   if result.name then trace.answered(result.name) end
   local total = trace.total()
   print(("\n-- %s · %s · %d tokens in, %d out · $%.6f · %.2f s · %d call%s"):format(
      total.policy, result.name or "baton", total.input_tokens, total.output_tokens, total.cost_usd,
      clock.monotonic() - begun, total.attempts, total.attempts == 1 and "" or "s"))
   show_story()
end

return ask
