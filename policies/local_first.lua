-- Choose this when you run models of your own: easy requests stay on them, hard ones and poor answers go to
-- the cloud.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local judge = require "judge"
local log = require "log"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

-- A local answer that is good enough; what there is besides | nil, err. Not judged, it may stream.
local function at_home(req, p)
   if not p.check then return ask.once(p.home, req) end
   local reply, err = ask.whole(p.home, req)
   if not reply then return nil, err end
   local score, reasons = judge.quality(req, reply)
   if score >= p.threshold then return reply end
   if ask.filtered(reply) then return reply end
   log.info("local answer not good enough", { score = score, reasons = reasons })
   return nil, nil, reply
end

local function run(req, p)
   local complexity = classify.complexity(req)
   local looks = ("complexity %.2f"):format(complexity)
   local reply, err, poor
   if complexity < p.hard_from then
      trace.decide { model = why.name(p.home, req), reason = looks,
         candidates = why.add(nil, p.cloud, "not needed: " .. looks, req) }
      reply, err, poor = at_home(req, p)
      if reply or err and policy.hopeless(err) then return reply, err end
   end
   local reason = poor and "poor local answer" or err and err.code or looks
   trace.decide { model = why.name(p.cloud, req), reason = reason,
      candidates = why.add(nil, poor and poor.name or p.home, reason, req) }
   reply, err = ask.once(p.cloud, req)
   if reply or policy.hopeless(err) then return reply, err end
   if not poor and complexity < p.hard_from then return nil, err end -- home was asked before
   trace.decide { model = poor and poor.name or why.name(p.home, req), reason = err.code,
      candidates = why.failed(nil, p.cloud, err, req) }
   if poor then return poor end
   return ask.once(p.home, req)
end

return policy.define {
   name = "local_first",
   about = "Easy requests to a local model, hard ones and poor answers to the cloud.",
   params = {
      hard_from = 0.3,              -- classify.complexity (0..1) from which the cloud is asked at once
      home = { where = "local" },   -- targets
      cloud = { where = "cloud", prefer = "balanced" },
      check = true,                 -- judge local answers; then they are sent whole
      threshold = 0.7,              -- judge.quality (0..1) of a local answer that is good enough
   },
   limits = { hard_from = policy.share, threshold = policy.share },
   open = { "hard_from", "threshold" },
   run = run,
   checks = function()
      assert(classify.complexity("Hello there!") < 0.1, "a greeting stays at home")
   end,
}
