-- evaluate: what "baton eval" (core/cmd_eval.c) asks of scripts.
-- SPDX-License-Identifier: MIT

local classify = require "classify"
local composing = require "composing"
local config = require "config"
local describe = require "eval.describe"
local errors = require "errors"
local feedback = require "feedback"
local json = require "json"
local llm = require "llm"
local models = require "models"
local policies = require "policies"
local policy = require "policy"
local provider = require "provider"
local report = require "eval.report"
local serve = require "serve"
local text = require "text"

local evaluate = { plan = describe.plan, catalogue = describe.catalogue }

-- ---- one row ----

-- evaluate.row(name, body) -> { model =, text = } of the answer, or { code =, message = }. name: as a
-- client's "model"; body: JSON of the request. Yields.
function evaluate.row(name, body)
   local result, err = serve.run(provider.request(body), name)
   if result and llm.is_stream(result) then result, err = result:reply() end
   if not result then return { code = err.code, message = err.message } end
   return { model = result.name or nil, text = result.text }
end

-- evaluate.learn(trace, score) -> true: the score, a text, goes to what was decided under the trace. Raises.
function evaluate.learn(trace, score)
   local _, err = feedback.give(trace, tonumber(score))
   if err then error(err, 0) end
   return true
end

-- evaluate.params(name) -> { policy =, params = those that are numbers }, empty params for a model's name.
function evaluate.params(name)
   local wanted_name = name == "auto" and config.default_policy or name:match("^baton/(.+)$") or name
   local numbers = json.object {}
   if not composing.find(wanted_name) and not models.is_known(wanted_name) then
      error(errors.new { code = "not_found",
         message = ("there is no policy '%s', and no recorded model of that name"):format(wanted_name) }, 0)
   end
   if policies[wanted_name] ~= nil then
      for key, value in pairs(policy.params(policies[wanted_name], config.policies[wanted_name])) do
         if type(value) == "number" then numbers[key] = value end
      end
   end
   return { policy = wanted_name, params = numbers }
end

-- ---- rows to compare with ----

-- Words that make a prompt look hard, as a simple router would have them.
local HARD = classify.keywords {
   "prove", "proof", "derive", "theorem", "explain why", "step by step", "analyze", "analyse", "compare",
   "contrast", "evaluate", "design", "implement", "algorithm", "complexity", "optimize", "optimise",
   "refactor", "debug", "architecture", "integral", "derivative", "equation", "probability", "matrix",
   "polynomial", "theory", "hypothesis", "statistically", "legal", "constitutional", "diagnosis", "quantum",
   "molecular", "thermodynamic", "therefore", "assume", "suppose", "if and only if", "trade-off",
   "constraints", "strategy", "critique", "justify",
}

-- evaluate.baseline(body) -> { length = characters, keywords = how many of the hard words } of a request.
function evaluate.baseline(body)
   local said = text.of(provider.request(body))
   return { length = utf8.len(said) or #said, keywords = (HARD:score(said)) }
end

-- evaluate.report(form, result) -> text. form: "text", "svg" or "html"; result: JSON of core/eval_write.c.
function evaluate.report(form, result)
   return report[form](json.decode(result))
end

return evaluate
