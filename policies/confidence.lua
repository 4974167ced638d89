-- Choose this when models know how sure they are: the cheap model answers, and says how sure it is by the
-- probabilities of its tokens or when it is asked; below a threshold a stronger one answers.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local judge = require "judge"
local llm = require "llm"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

-- Log probabilities only from models that are known to give them: others may refuse the request.
local function gives_logprobs(entry)
   for _, capability in ipairs(entry.capabilities or {}) do
      if capability == "logprobs" then return true end
   end
   return false
end

-- How sure an answer is, 0 when it is broken; and by what.
local function sure_of(req, reply, p)
   local score, reasons = judge.quality(req, reply, { confidence = 0 })
   if score < p.quality then return 0, table.concat(reasons, ", ") end
   local sure, source = judge.confidence { reply = reply, req = req, ask = p.ask, timeout = p.timeout }
   return sure or 0, sure and source or "nothing to go by"
end

local function run(req, p)
   local best, best_sure, passed
   for i = 1, #p.ladder - 1 do
      local entry, err = ask.entry(p.ladder[i], req)
      local reply
      if entry then
         reply, err = llm.chat(entry, req, { logprobs = gives_logprobs(entry) or nil, timeout = p.timeout })
      end
      if reply then
         local sure, source = sure_of(req, reply, p)
         local enough = sure >= p.threshold
         trace.decide { model = reply.name, confidence = sure, reason = source, candidates = enough
            and why.rest(passed, p.ladder, i + 1, "not needed: the cheaper model is sure", req) or nil }
         reply.confidence = sure
         if enough then return reply end
         if ask.filtered(reply) then return reply end
         passed = why.add(passed, entry, ("confidence %.2f is below %g"):format(sure, p.threshold))
         if not best or sure > best_sure then best, best_sure = reply, sure end
      elseif policy.hopeless(err) then
         return nil, err
      else
         passed = why.failed(passed, entry or p.ladder[i], err)
      end
   end
   local last = p.ladder[#p.ladder]
   trace.decide { model = why.name(last, req), reason = "the last of the ladder", candidates = passed }
   local reply, err = ask.once(last, req)
   if reply or policy.hopeless(err) or not best then return reply, err end
   trace.decide { model = best.name, confidence = best_sure, reason = "the last model failed",
      candidates = why.failed(nil, last, err, req) }
   return best
end

return policy.define {
   name = "confidence",
   about = "The cheap model answers when it is sure of its answer; else a stronger one does.",
   params = {
      ladder = { { tier = "fast" }, { tier = "expert" } }, -- targets, cheapest first
      threshold = 0.7, -- confidence (0..1) from which an answer is taken
      quality = 0.5,   -- judge.quality below which it is broken
      ask = true,      -- ask the model how sure it is, where it gives no probabilities: one call more
      timeout = 30,    -- seconds for each call but the last
   },
   limits = {
      ladder = { of = "targets", least = 1 }, threshold = policy.share, quality = policy.share,
      timeout = policy.seconds,
   },
   open = { "threshold" },
   run = run,
}
