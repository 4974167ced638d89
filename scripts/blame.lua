-- blame: who is at fault when a call to a model fails.
-- SPDX-License-Identifier: MIT
--
-- A matter of taste, in one place. What follows from it (breakers, benches) is core/health.h.

local blame = {}

local by_code = { timeout = "model", unavailable = "model", bad_response = "model", auth = "key" }

-- blame.of(err, known) -> who, seconds
--   "model": it failed; enough of that opens its circuit breaker
--   "wait": it is not to be called for so many seconds
--   "quota": the key is not to be used for so many seconds, the model is well
--   "key": the key was refused; the longer, the more often
--   "nobody": the request's own fault, or nothing that says anything about the model
-- known = false: a model that is in no catalogue; whoever asks for it may not be allowed to (403),
-- which says nothing of the key. nil: it does not matter.
function blame.of(err, known)
   if err.code == "auth" and err.status == 403 and known == false then return "nobody" end
   if err.code == "rate_limited" then
      if err.scope == "key" then return "quota", err.retry_after or 60 end
      return "wait", err.retry_after or 5
   end
   if err.code == "overloaded" and err.status then return "model" end -- without: our own queues
   local status = err.status or 0
   if err.code ~= "auth" and status >= 400 and status < 500 then return "nobody" end
   return by_code[err.code] or "nobody"
end

return blame
