-- Choose this when the cheap model's answer shows whether it is right: it always answers first, and the
-- strong model is asked where it would probably do better.
-- SPDX-License-Identifier: MIT
--
-- A cascade with a trained judge (FrugalGPT, Chen et al. 2023, arXiv 2305.05176). The classifier reads the
-- cheap model's answer and what sums.answer finds in it; it is made by
--    baton train --text answer --number gain --input wrong_calculations … -o mine/NAME.model answers.jsonl
-- where "gain" is 1 where only the strong model was right, -1 where only the cheap one was, else 0. A head
-- "weak" (--label weak: 1 where the cheap model was right) does as well where the strong model's answers are
-- not recorded.
local ask = require "_ask"
local errors = require "errors"
local escalate = require "_escalate"
local judge = require "judge"
local policy = require "policy"
local sums = require "sums"
local trace = require "trace"
local trained = require "_trained"
local why = require "_why"

-- How much better a second answer is expected to be; without a classifier, how much judge.quality misses.
local function gain(req, reply, p)
   if p.model == "" then return 1 - judge.quality(req, reply) end
   local model = trained(p.model)
   local v = model:values(reply, #model.inputs > 0 and sums.answer(req, reply) or nil)
   if not v.gain and not v.weak then
      errors.raise(("weak_score: the classifier '%s' has neither a head 'gain' nor 'weak'"):format(p.model))
   end
   return v.gain or 1 - v.weak
end

local function run(req, p)
   if req.tools then return ask.target(p.strong, req) end -- calls of tools are no answers to be read
   local reply, err = ask.whole(p.weak, req)
   if not reply then
      if policy.hopeless(err) then return nil, err end
      trace.decide { model = why.name(p.strong, req), reason = err.code,
         candidates = why.failed(nil, p.weak, err, req) }
      return escalate(p.strong, req)
   end
   if ask.filtered(reply) then return reply end
   local score = gain(req, reply, p)
   local enough, reason = score < p.threshold, ("gain %.3f"):format(score)
   trace.decide { model = enough and reply.name or why.name(p.strong, req), reason = reason, score = score,
      candidates = enough and why.add(nil, p.strong, "not needed: " .. reason, req)
         or why.add(nil, reply.name, reason) }
   if enough then return reply end
   return escalate(p.strong, req, reply)
end

return policy.define {
   name = "weak_score",
   about = "Reads the cheap model's answer; asks the strong one where that would probably help.",
   params = {
      model = "",                     -- a classifier: NAME.model beside the policies; "": judge.quality
      weak = { tier = "fast" },       -- targets
      strong = { tier = "expert" },
      threshold = 0.2,                -- expected gain from which the strong model is asked
   },
   limits = { threshold = { min = -1, max = 1 } },
   run = run,
}
