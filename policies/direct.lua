-- Choose this to call one model as it is: what "provider/model" as the model's name does.
-- SPDX-License-Identifier: MIT

local ask = require "_ask"
local config = require "config"
local explain = require "explain"
local llm = require "llm"
local models = require "models"
local policy = require "policy"
local trace = require "trace"

local function cheapest(req)
   local entry = models.find(ask.selector({}, req))[1]
   if entry and trace.detailed() then explain.selection(ask.selector({}, req), entry) end
   return entry and entry.name
end

return policy.define {
   name = "direct",
   about = "Calls one model and passes its answer on, with no retry of its own.",
   -- model: "provider/model" or an alias; empty: the configuration's default_model, or the cheapest.
   params = { model = "" },
   limits = { model = { of = "target" } },
   run = function(req, p)
      local target = p.model
      if target == "" then target = config.default_model or cheapest(req) end
      if not target then
         return llm.fail("no_candidate", "no model is known: name one, or set default_model")
      end
      return llm.stream(target, req)
   end,
}
