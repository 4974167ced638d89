-- Choose this when you have recorded outcomes of several models: each request goes to the one with the best
-- expected quality for its price.
-- SPDX-License-Identifier: MIT
--
-- The classifier has a head for each model, with its quality: "--label MODEL" where that is 0 or 1, "--number
-- MODEL" where it is a share (RouterBench, Hu et al. 2024, arXiv 2403.12031, calls this a predictive router).
-- With few outcomes it is better to learn the kind of task instead ("--label task") and to give the mean
-- quality of each model at each kind: 'qualities'.
local ask = require "_ask"
local llm = require "llm"
local log = require "log"
local models = require "models"
local policy = require "policy"
local trace = require "trace"
local trained = require "_trained"
local why = require "_why"

-- USD that a request costs: 'prices' as given, else by the catalogue with answers of 'answer' tokens.
local function price(head, target, req, p)
   if p.prices[head] then return p.prices[head] end
   local known = models.resolve(target)
   if not known then return 0 end
   return (#req.text / 4 * (known.input or 0) + p.answer * (known.output or 0)) / 1e6
end

-- The expected quality of each model, by its name: what the classifier says, or the means of the labels that
-- the request may have, as likely as these are.
local function qualities(req, p)
   local model = trained(p.model)
   if next(p.qualities) == nil then return model:values(req) end
   local out = {}
   for label, likely in pairs(model:scores(req)) do
      for name, quality in pairs(p.qualities[label] or {}) do
         out[name] = (out[name] or 0) + likely * quality
      end
   end
   return out
end

-- The models from the best on: { target, quality, worth }.
local function ranked(req, p)
   local out = {}
   for head, quality in pairs(qualities(req, p)) do
      local target = p.targets[head] or head
      out[#out + 1] = { head = head, target = target, quality = quality,
         worth = quality - p.price_weight * price(head, target, req, p) }
   end
   table.sort(out, function(a, b)
      if a.worth ~= b.worth then return a.worth > b.worth end
      return a.head < b.head
   end)
   return out
end

local function worth_of(one)
   return ("worth %.3f"):format(one.worth)
end

-- Those that failed, and those that are worth less than the i-th.
local function others(failed, list, i, req)
   local all = failed and table.move(failed, 1, #failed, 1, {})
   for k = i + 1, trace.detailed() and #list or 0 do
      all = why.add(all, list[k].target, worth_of(list[k]), req)
   end
   return all
end

-- When a model fails, the next best is asked, up to 'tries' in all.
local function run(req, p)
   if p.model == "" then return ask.target(p.otherwise, req) end
   local list = ranked(req, p)
   local failed, reply, err
   for i = 1, math.min(p.tries, #list) do
      local one = list[i]
      trace.decide { model = why.name(one.target, req), confidence = one.quality, reason = worth_of(one),
         candidates = others(failed, list, i, req) }
      reply, err = ask.once(one.target, req)
      if reply or policy.hopeless(err) then return reply, err end
      failed = why.failed(failed, one.target, err, req)
      log.info("the next best", { code = err.code })
   end
   if err then return nil, err end
   return llm.fail("no_candidate", "the classifier has no head with a value")
end

return policy.define {
   name = "expected",
   about = "Of many models the one with the best expected quality for its price.",
   params = {
      model = "",        -- a classifier with a head for each model; "": 'otherwise' answers
      otherwise = { tier = "standard" },
      targets = {},      -- head = target, where the head is not the model's name
      qualities = {},    -- label = { model = mean quality }: the classifier tells labels, not qualities
      price_weight = 0,  -- quality (0..1) that a USD of a request is worth; 0: the best, whatever it costs
      prices = {},       -- head = USD a request, where the catalogue does not say
      answer = 300,      -- tokens an answer is taken to have
      tries = 2,         -- models that are asked at most, when some fail
   },
   limits = {
      targets = { of = "targets" }, qualities = { of = "rows", min = 0, max = 1 },
      prices = { of = "numbers", min = 0 }, price_weight = { min = 0 }, answer = { min = 0, max = 1000000 },
      tries = { min = 1, max = 10, integer = true },
   },
   run = run,
}
