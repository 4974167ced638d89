-- _escalate: asks the model that has the last word, for a policy that may have an answer already.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local trace = require "trace"
local why = require "_why"

-- escalate(target, req, best?) -> the target's reply or stream; where it fails the best answer so far, which
-- is noted | nil, err without one. Yields.
return function(target, req, best)
   local reply, err = ask.once(target, req)
   if reply then return reply end
   if not best then return nil, err end
   trace.decide { model = best.name, reason = "the last model failed: the best answer so far",
      candidates = why.failed(nil, target, err, req) }
   return best
end
