-- bench: the smallest policy that decides: it looks at the last message and chooses between two models.
-- SPDX-License-Identifier: MIT
local llm, policy = require "llm", require "policy"

return policy.define {
   name = "bench",
   params = { long = 2000 },
   run = function(req, p)
      local last = req.messages[#req.messages]
      local model = #last.content > p.long and "large" or "small"
      return llm.stream((req.stream and "flow/" or "up/") .. model, req)
   end,
}
