-- opinion: what a model thinks of other models' answers: compares, checks, merges them; and labels.
-- SPDX-License-Identifier: MIT
--
-- Understands the prompts of scripts/consensus/asking.lua and scripts/classify/ask.lua. A model sees
-- through an answer to a question it knows the answer of, as far as its own skill goes: checking is
-- somewhat easier than answering.
local dice = require "sim.dice"
local json = require "json"
local models = require "sim.models"

local opinion = {}

local EASIER <const> = 0.15 -- of difficulty, when an answer lies on the table
local BIASED <const> = 0.15 -- how often a judge takes the first of two answers, whatever they say

-- Is it right, as the model sees it? nil where nobody can know.
local function seems_right(c, q, answer, what)
   if not q then return nil end
   local right = answer:find(q.answer, 1, true) ~= nil
   local sees = dice.unit(c.key, answer, what) < models.chance(c.model, q.kind, q.difficulty - EASIER)
   return right == sees
end

local function block(text, mark)
   return text:match("<" .. mark .. ">\n(.-)\n</" .. mark .. ">")
end

local function compare(c, q)
   local a, b = block(c.user, "answer_A"), block(c.user, "answer_B")
   if not (a and b) then return nil end
   if dice.unit(c.key, c.user, "bias") < BIASED then return "[[A]]" end
   local good_a, good_b = seems_right(c, q, a, "judge"), seems_right(c, q, b, "judge")
   if good_a == good_b then return "[[C]]" end
   return good_a and "[[A]]" or "[[B]]"
end

local function verify(c, q)
   local answer = block(c.user, "answer")
   if not answer then return nil end
   local good = seems_right(c, q, answer, "verify")
   if good == nil then return "I cannot tell.\nVERDICT: unsure" end
   return good and "Nothing is wrong with it.\nVERDICT: correct" or "It does not hold.\nVERDICT: wrong"
end

-- The first of the answers that seems right; else, or where nobody can know, the first.
local function merge(c, q)
   local first
   for i = 1, 16 do
      local answer = block(c.system, "answer_" .. i)
      if not answer then break end
      first = first or answer
      if seems_right(c, q, answer, "merge") then return answer end
   end
   return first
end

-- The kind of a known question, when it is among the labels; a model without skill takes another of them.
local function label(c, q)
   local labels = {}
   for name in c.system:gmatch("\n%- ([^\n:]+)") do
      labels[#labels + 1] = name
      if q and name == q.kind then labels.right = name end
   end
   if not labels.right then return nil end
   local sees = dice.unit(c.key, q.prompt, "label") < models.chance(c.model, "extraction", 0.2)
   return json.encode { label = sees and labels.right or dice.pick(labels, c.key, q.prompt, "labels") }
end

-- opinion.of(c, q) -> text | nil: an answer to an order to compare, verify, merge or label; nil when it is
-- none. c: as in mind.answer; q: the known question in it, or nil.
function opinion.of(c, q)
   if c.system:find("^Merge the answers") then return merge(c, q) end
   if c.user:find("^Compare two answers") then return compare(c, q) end
   if c.user:find("^Verify the answer") then return verify(c, q) end
   if c.system:find("You sort requests", 1, true) then return label(c, q) end
   return nil
end

return opinion
