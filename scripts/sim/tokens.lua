-- tokens: text in pieces as a model would stream it, and how many a prompt has.
-- SPDX-License-Identifier: MIT
local tokens = {}

local LONGEST = 12 -- bytes; longer words come in several pieces, as with real tokenizers

-- Moves back from a cut that would fall into a UTF-8 character.
local function whole_character(text, last)
   while last > 1 and (text:byte(last + 1) or 0) & 0xC0 == 0x80 do last = last - 1 end
   return last
end

-- Where the token that starts at byte 'at' ends; nil at the end of the text.
function tokens.ending(text, at)
   if at > #text then return nil end
   local piece = text:sub(at, at + LONGEST - 1) -- bounded, so that a long word costs no more
   local _, last = piece:find("^%s*[%w\128-\255]+")
   if not last then _, last = piece:find("^%s*[^%w%s\128-\255]+") end
   if not last then last = #piece end
   local ending = whole_character(text, at + last - 1)
   return ending >= at and ending or at + last - 1
end

-- for piece, at in tokens.each(text)
function tokens.each(text)
   local at = 1
   return function()
      local ending = tokens.ending(text, at)
      if not ending then return nil end
      local from = at
      at = ending + 1
      return text:sub(from, ending), from
   end
end

function tokens.count(text)
   local n, at = 0, 1
   while at <= #text do
      at = tokens.ending(text, at) + 1
      n = n + 1
   end
   return n
end

-- The first 'limit' tokens of the text, how many it has then, and whether something was cut off.
function tokens.head(text, limit)
   local n, at = 0, 1
   while at <= #text do
      if n == limit then return text:sub(1, at - 1), n, true end
      at = tokens.ending(text, at) + 1
      n = n + 1
   end
   return text, n, false
end

-- What a choice costs: text, calls, thoughts; and the thoughts alone.
function tokens.of_choice(choice)
   local thoughts = choice.reasoning and tokens.count(choice.reasoning) or 0
   local n = tokens.count(choice.text) + thoughts
   for _, call in ipairs(choice.calls) do
      n = n + tokens.count(call.name) + tokens.count(call.arguments) + 4
   end
   return n, thoughts
end

-- Prompts can be large and nobody looks at their pieces: four bytes a token.
function tokens.estimate(bytes)
   return (bytes + 3) // 4
end

return tokens
