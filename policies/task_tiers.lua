-- Choose this when you have labelled prompts and know which model is good enough for which label: a trained
-- classifier finds the label, a table says where it goes.
-- SPDX-License-Identifier: MIT
--
-- A subject or a kind of task says most of what there is to know about a prompt: how models fare on its
-- neighbours. Unlike "expected" it needs no outcomes for each prompt, and the table can be read and changed.
local ask = require "_ask"
local classify = require "classify"
local log = require "log"
local policy = require "policy"
local trace = require "trace"
local trained = require "_trained"
local why = require "_why"

-- The label, and how sure that is; without a classifier the kind of task by classify.task.
local function label_of(req, p)
   if p.model == "" then return classify.task(req) end
   local label, confidence = trained(p.model):label(req, p.head ~= "" and p.head or nil)
   return label, confidence
end

local function run(req, p)
   local label, confidence = label_of(req, p)
   local sure = label ~= nil and confidence >= p.confidence
   local target = sure and p.routes[label] or p.otherwise
   trace.decide { model = why.name(target, req), confidence = confidence,
      reason = sure and label or "not sure",
      candidates = why.routes(nil, p.routes, sure and label or nil, req) }
   if target == p.otherwise then return ask.target(target, req) end
   local reply, err = ask.once(target, req)
   if reply or policy.hopeless(err) then return reply, err end
   log.info("the other target", { code = err.code })
   return ask.target(p.otherwise, req)
end

return policy.define {
   name = "task_tiers",
   about = "A trained label decides the model: one that is good enough for this kind of work.",
   params = {
      model = "",                     -- a classifier of labels; "": classify.task
      head = "",                      -- which of its heads; "": the first
      routes = {                      -- label = target
         chat = { tier = "fast" }, translation = { tier = "fast" }, extraction = { tier = "fast" },
         mathematics = { tier = "expert" }, reasoning = { tier = "expert" },
      },
      otherwise = { tier = "standard" },
      confidence = 0.4,               -- below it the label is not trusted
   },
   limits = { routes = { of = "targets" }, confidence = policy.share },
   run = run,
}
