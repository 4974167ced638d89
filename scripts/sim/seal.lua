-- seal: what a provider signs: opaque strings that prove themselves when they come back.
-- SPDX-License-Identifier: MIT
--
-- Nothing is remembered: the second half of a seal is a hash of the first half and of what it was made for,
-- so a changed, cut or foreign one is found out in any process.
local dice = require "sim.dice"

local seal = {}

local HALF = 32

-- A seal of 'about' (the texts it vouches for) that begins with 'prefix'.
function seal.make(prefix, about, ...)
   local first = dice.id(HALF, "seal", prefix, ...)
   return prefix .. first .. dice.id(HALF, "sealed", prefix, first, about)
end

-- Is it one of ours, made for 'about'?
function seal.fits(text, prefix, about)
   if type(text) ~= "string" or #text ~= #prefix + 2 * HALF or text:sub(1,
      #prefix) ~= prefix then return false end
   local first = text:sub(#prefix + 1, #prefix + HALF)
   return text:sub(#prefix + HALF + 1) == dice.id(HALF, "sealed", prefix, first, about)
end

return seal
