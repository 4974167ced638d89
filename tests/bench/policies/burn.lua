-- burn: as much Lua as the request's seed says, and an answer of its own: what more workers can share.
-- SPDX-License-Identifier: MIT
local llm, policy = require "llm", require "policy"

return policy.define {
   name = "burn",
   run = function(req)
      local x = 1
      for i = 1, req.seed or 0 do x = (x * 31 + i) % 65537 end
      return llm.reply { text = tostring(x) }
   end,
}
