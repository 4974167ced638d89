-- Choose this when you have recorded right and wrong answers of a cheap and a strong model: each request goes
-- to the strong one only when that is likely to change the answer.
-- SPDX-License-Identifier: MIT
--
-- Hard questions gain as little from the strong model as easy ones: both models fail. So what is learned is
-- the gain, not the difficulty (RouteLLM, Ong et al. 2024, arXiv 2406.18665, learns who wins). The model is
-- made by
--    baton train --text prompt --label weak --label strong --pieces-to 0 --once -o mine/NAME.model data.csv
-- where "weak" and "strong" are 1 where that model was right, else 0; or with --number gain, strong less
-- weak; or with all three: then the two estimates are averaged.
local ask = require "_ask"
local classify = require "classify"
local errors = require "errors"
local log = require "log"
local policy = require "policy"
local sums = require "sums"
local trace = require "trace"
local trained = require "_trained"
local why = require "_why"

-- How much better the strong model's answer is expected to be, -1 to 1; without a classifier how hard the
-- request looks, 0 to 1.
local function gain(req, p)
   if p.model == "" then return (classify.complexity(req)) end
   local model = trained(p.model)
   local v = model:values(req, #model.inputs > 0 and sums.question(req) or nil)
   local apart = v.weak and v.strong and v.strong - v.weak
   if not apart and not v.gain then
      local what = "gain: the classifier '%s' has no head 'gain', and not both of 'weak' and 'strong'"
      errors.raise(what:format(p.model))
   end
   return apart and v.gain and (apart + v.gain) / 2 or apart or v.gain
end

-- The other one answers when the first fails.
local function run(req, p)
   local score = gain(req, p)
   local first, second, side = p.weak, p.strong, "below"
   if score >= p.threshold then first, second, side = second, first, "not below" end
   trace.decide { model = why.name(first, req), reason = ("gain %.3f"):format(score), score = score,
      candidates = why.add(nil, second, ("the gain is %s %g"):format(side, p.threshold), req) }
   local reply, err = ask.once(first, req)
   if reply or policy.hopeless(err) then return reply, err end
   log.info("the other model", { code = err.code })
   trace.decide { model = why.name(second, req), reason = err.code,
      candidates = why.failed(nil, first, err, req) }
   return ask.once(second, req)
end

return policy.define {
   name = "gain",
   about = "The strong model where it is expected to do better than the cheap one.",
   params = {
      model = "",                     -- a classifier: NAME.model beside the policies; "": classify.complexity
      weak = { tier = "fast" },       -- targets
      strong = { tier = "expert" },
      threshold = 0.15,               -- gain from which the strong model answers; "baton eval" finds one
   },
   limits = { threshold = { min = -1, max = 1 } },
   run = run,
}
