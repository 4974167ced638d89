-- _goal: what the policies cost, quality, balanced and latency have in common: the model that is best for one
-- goal, and the next best when it fails.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local llm = require "llm"
local models = require "models"
local policy = require "policy"
local trace = require "trace"
local why = require "_why"

local goal = {}

goal.params = {
   selector = {},    -- which models may be taken, as in models.find: { tier =, where =, max_price =, ... }
   min_quality = 0,  -- models.quality (0..1) that a model must have
   tries = 3,        -- models that are asked, one after the other, when they fail
   timeout = 120,    -- seconds a model has for the whole answer
}

goal.limits = { selector = { of = "selector" }, min_quality = policy.share, timeout = policy.seconds,
   tries = { min = 1, max = 10, integer = true } }

-- The models that fit, best first; those that are not to be called now or too slow come last. And those that
-- are not good enough, for the trace.
local function candidates(prefer, req, p)
   local selector = { prefer = prefer, needs = policy.needs(req) }
   for key, value in pairs(p.selector) do selector[key] = value end
   local first, passed = models.pick(selector)
   if not first then return nil, passed end
   local list, late, is_late, cut = {}, {}, {}, nil
   for _, one in ipairs(passed) do is_late[one.model] = one.reason end
   for _, entry in ipairs(models.find(selector)) do
      local quality = models.quality(entry)
      if quality < p.min_quality then
         cut = why.add(cut, entry, ("quality %.2g is below %g"):format(quality, p.min_quality))
      else
         table.insert(is_late[entry.name] and late or list, entry)
      end
   end
   return table.move(late, 1, #late, #list + 1, list), cut, is_late
end

-- Those that failed, those that come after the i-th, those that are not good enough.
local function others(failed, list, i, cut, is_late)
   if not trace.detailed() then return nil end
   local all = table.move(failed or {}, 1, failed and #failed or 0, 1, {})
   for k = i + 1, #list do all = why.add(all, list[k], is_late[list[k].name] or "next best") end
   return table.move(cut or {}, 1, cut and #cut or 0, #all + 1, all)
end

-- goal.run(prefer) -> the run of a policy: prefer as in a selector.
function goal.run(prefer)
   return function(req, p)
      local list, cut, is_late = candidates(prefer, req, p)
      if not list then return nil, cut end
      local asked, failed, err, too_small = 0, nil, nil, nil
      for i, entry in ipairs(list) do
         if asked == p.tries then break end
         if not too_small or ask.is_larger(entry, too_small) then
            asked = asked + 1
            trace.decide { model = entry.name, reason = asked == 1 and prefer or err.code,
               candidates = others(failed, list, i, cut, is_late) }
            local reply
            reply, err = llm.stream(entry, req, { timeout = p.timeout })
            if reply or policy.hopeless(err) then return reply, err end
            failed = why.failed(failed, entry, err)
            if err.code == "context_length" then too_small = entry end
         end
      end
      if err then return nil, err end
      return llm.fail("no_candidate", ("no model has a quality of %g or more"):format(p.min_quality))
   end
end

return goal
