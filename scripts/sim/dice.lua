-- dice: chance that is the same for the same words, in every process.
-- SPDX-License-Identifier: MIT
--
-- Everything the simulator "happens" to do is drawn from a hash of what the draw is about (the seed, the
-- model, the prompt, what for), so there is no order of requests and no hidden state to reproduce.
local hash = require "hash"

local dice = {}

-- A number in [0, 1).
function dice.unit(...)
   return (hash(...) >> 11) * (1 / 9007199254740992)
end

-- An integer from 'low' to 'high'.
function dice.between(low, high, ...)
   return low + math.floor(dice.unit(...) * (high - low + 1))
end

function dice.pick(list, ...)
   return list[dice.between(1, #list, ...)]
end

local DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

-- 'n' letters and digits, as the identifiers of providers look.
function dice.id(n, ...)
   local out, bits = {}, hash(...)
   for i = 1, n do
      if i % 8 == 0 then bits = hash(bits, i) end
      local at = (bits >> (6 * (i % 8))) % #DIGITS + 1
      out[i] = DIGITS:sub(at, at)
   end
   return table.concat(out)
end

return dice
