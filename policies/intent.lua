-- Choose this when requests differ by what people want, more than by how hard they are: a small model, or a
-- classifier of your own, says which it is.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local config = require "config"
local models = require "models"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

-- "baton train" made it: loaded with the file, as it must be there then.
local own = (config.policies.intent or {}).trained
local trained = own and own ~= "" and classify.linear { model = own } or nil

local function labels_of(p)
   local labels = {}
   for label in pairs(p.routes) do labels[#labels + 1] = label end
   return labels
end

-- Words decide where nobody else can.
local function by_words(p)
   return function(req)
      local kind, confidence = classify.task(req)
      if confidence >= p.confidence and p.routes[kind] then return kind, confidence end
      return nil
   end
end

-- The label, and who said it: "classifier", "model", "cache" or "fallback".
local function intent_of(req, p)
   if trained then
      local label = trained:label(req)
      if label then return label, "classifier" end
      return by_words(p)(req), "fallback"
   end
   local model = models.resolve(p.classifier) -- one model, once: words decide sooner than a dearer model
   if not model then return by_words(p)(req), "fallback" end
   local asked = classify.ask { labels = labels_of(p), model = model.name, timeout = p.timeout, repairs = 0,
      cache = p.cache > 0 and p.cache, fallback = by_words(p) }
   local label, from = asked:label(req)
   return label, label and from or "nobody knows"
end

local function run(req, p)
   local label, source = intent_of(req, p)
   local target = p.routes[label] or p.otherwise
   trace.decide { model = why.name(target, req), reason = label or "otherwise", by = source,
      candidates = why.routes(nil, p.routes, label, req) }
   local reply, err
   if p.routes[label] then
      reply, err = ask.once(target, req)
      if reply or policy.hopeless(err) then return reply, err end
   end
   return ask.target(p.otherwise, req)
end

return policy.define {
   name = "intent",
   about = "A small model or a trained classifier says what a request wants; each intent has its model.",
   params = {
      classifier = { tier = "fast" },    -- a target: the model that labels
      trained = "",                      -- the name of a model of "baton train" instead
      timeout = 5,                       -- seconds for the label
      cache = 3600,                      -- seconds that a label is kept for the same request; 0: not at all
      confidence = 0.4,                  -- of classify.task, when that has to do
      otherwise = { tier = "standard" }, -- where the intent is unknown, or its model fails
      routes = {                         -- a target for each label
         code = { good_at = "code" }, mathematics = { good_at = "mathematics" },
         reasoning = { tier = "expert" }, analysis = { tier = "expert" }, chat = { tier = "fast" },
         summarisation = { tier = "fast" }, extraction = { tier = "fast" },
            translation = { tier = "standard" },
         creative = { tier = "standard" }, qa = { tier = "standard" },
      },
   },
   limits = {
      timeout = policy.seconds, cache = { min = 0, max = 2592000 }, confidence = policy.share,
      routes = { of = "targets" },
   },
   run = run,
}
