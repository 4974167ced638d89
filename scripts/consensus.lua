-- consensus: which answer most of several models gave.
-- SPDX-License-Identifier: MIT
local errors = require "errors"
local text = require "text"

local consensus = {}

local SIMILAR = 0.6 -- share of common words from which two longer texts say the same
local SHORT = 6     -- words up to which a text must be the same instead

-- A reply's text; replies may be plain strings.
local function said(reply)
   return type(reply) == "string" and reply or reply.text or ""
end

-- Choice -------------------------------------------------------------------------------------------

-- In the order of trust: an announced letter, a marked one, nothing but a letter, a letter that opens the
-- text. The letter must stand alone; "A" as an article is told apart by what surrounds it.
local CHOICES = {
   "[Aa]nswer%s+is:?%s*%**%(?([A-J])%f[%W]", "[Aa]nswer:?%s*%**%s*%(?([A-J])%f[%W]", "\\boxed{%(?([A-J])%)?}",
   "[Oo]ption%s+%(?([A-J])%f[%W]", "[Cc]hoice%s+%(?([A-J])%f[%W]", "^%s*%**%(?([A-Ja-j])%)?%**[%.:]?%**%s*$",
   "^%s*%**%(?([A-J])[%)%.:]",
}

-- consensus.choice(s) -> "A" … "J" | nil: the letter a multiple-choice answer decides for.
function consensus.choice(s)
   for _, pattern in ipairs(CHOICES) do
      local letter = s:match(pattern)
      if letter then return letter:upper() end
   end
   return nil
end

-- Number -------------------------------------------------------------------------------------------

local NUMBER = "%-?%$?%d[%d,]*%.?%d*"
local MARKED = { -- "####" is GSM8K's mark, \boxed that of MATH
   "####%s*(" .. NUMBER .. ")", "\\boxed{%$?(" .. NUMBER .. ")",
   "[Aa]nswer%s+is:?%s*%**%$?(" .. NUMBER .. ")",
   "[Aa]nswer:?%s*%**%s*%$?(" .. NUMBER .. ")",
}

local function canonical(digits)
   local n = tonumber((digits:gsub("[,$]", ""):gsub("%.$", "")))
   if not n then return nil end
   local whole = math.tointeger(n)
   return whole and tostring(whole) or ("%.10g"):format(n)
end

-- Does a text end with the number at [from, to), after an equals sign?
local function ends_equation(s, from, to)
   return s:find("^%**%.?%s*$", to) ~= nil and s:sub(math.max(1, from - 8), from - 1):find("=[%s%*]*$") ~= nil
end

-- consensus.number(s) -> "1234.5" | nil, marked: the number an answer ends in, written in one way, and
-- whether it was announced as the answer rather than just the last number in the text.
function consensus.number(s)
   for _, pattern in ipairs(MARKED) do
      local digits = s:match(pattern)
      if digits then return canonical(digits), true end
   end
   local last, from, to
   for start, digits, stop in s:gmatch("()(" .. NUMBER .. ")()") do last, from, to = digits, start, stop end
   if not last then return nil, false end
   return canonical(last), ends_equation(s, from, to)
end

-- Kinds of comparison ------------------------------------------------------------------------------

local KEYS = {
   choice = consensus.choice,
   number = function(s) return (consensus.number(s)) end,
   text = function(s) return text.normalise(s) end,
}

-- "choice" or "number" when more than half of the answers show one so clearly, else "text".
function consensus.kind(replies)
   local all, choices, numbers = 0, 0, 0
   for _, reply in pairs(replies) do
      local s = said(reply)
      local number, marked = consensus.number(s)
      all = all + 1
      if consensus.choice(s) then choices = choices + 1 end
      if number and (marked or #text.words(s) <= SHORT) then numbers = numbers + 1 end
   end
   if choices * 2 > all then return "choice" end
   return numbers * 2 > all and "number" or "text"
end

local function word_set(key)
   local set, n = {}, 0
   for word in key:gmatch("%S+") do
      if not set[word] then set[word], n = true, n + 1 end
   end
   return set, n
end

-- Common words by all words (Jaccard).
local function overlap(a, b)
   local set_a, n_a = word_set(a)
   local set_b, n_b = word_set(b)
   local common = 0
   for word in pairs(set_a) do
      if set_b[word] then common = common + 1 end
   end
   return common / (n_a + n_b - common), math.min(n_a, n_b)
end

local function same(a, b, by, similar)
   if a == b then return true end
   if by ~= "text" then return false end
   local share, words = overlap(a, b)
   return words > SHORT and share >= similar
end

-- Groups -------------------------------------------------------------------------------------------

-- The keys of a table of replies: 1, 2, … (holes allowed), then names in order.
local function sorted_keys(replies)
   local keys = {}
   for key in pairs(replies) do keys[#keys + 1] = key end
   table.sort(keys, function(a, b)
      if type(a) ~= type(b) then return type(a) == "number" end
      return a < b
   end)
   return keys
end

local function check_options(opts)
   local known = { by = true, weight = true, similar = true }
   for name in pairs(opts) do
      if not known[name] then
         errors.raise(("unknown option '%s' (known: by, similar, weight)"):format(tostring(name)))
      end
   end
   if opts.by and type(opts.by) ~= "function" and opts.by ~= "auto" and not KEYS[opts.by] then
      errors.raise("option 'by' is a function, \"auto\", \"choice\", \"number\" or \"text\"")
   end
end

local function key_of(reply, by)
   if type(by) == "function" then return by(reply) end
   local key = KEYS[by](said(reply))
   return key ~= "" and key or nil
end

local function find_group(groups, key, by, similar)
   for _, group in ipairs(groups) do
      if same(group.key, key, by, similar) then return group end
   end
   local group = { key = key, weight = 0, replies = {} }
   groups[#groups + 1] = group
   group.place = #groups
   return group
end

local function group_all(replies, by, opts)
   local groups, total = {}, 0
   for _, k in ipairs(sorted_keys(replies)) do
      local reply = replies[k]
      local weight = opts.weight and opts.weight(reply, k) or 1
      local key = key_of(reply, by)
      total = total + weight
      if key ~= nil then
         local group = find_group(groups, key, by, opts.similar or SIMILAR)
         group.weight = group.weight + weight
         table.insert(group.replies, reply)
      end
   end
   table.sort(groups, function(a, b)
      if a.weight ~= b.weight then return a.weight > b.weight end
      return a.place < b.place
   end)
   return groups, total
end

-- consensus.majority(replies, opts?) -> winner, agreement, groups | nil, 0, {}
--   replies    a table of replies or strings; holes and names are fine (what task.all returns)
--   opts       by       what makes two answers the same: "choice" (a letter A to J), "number" (the final
--                       one), "text" (normalised, longer ones by common words), "auto" (the default: found
--                       from the answers), or function(reply) -> key | nil
--              weight   function(reply, key) -> number, 1 each by default
--              similar  share of common words from which longer texts are the same, 0.6 by default
--   winner     the first reply of the heaviest group; on a tie, of the group whose first reply comes first,
--              so put the model you trust most in front. nil when no answer says anything that can be
--              compared
--   agreement  0..1: the group's weight by the weight of all replies, those that say nothing included
--   groups     { { key =, weight =, replies = { … } }, … }, heaviest first
-- Plurality is enough: look at agreement before you trust it. Voting over answers is "self-consistency" when
-- one model is asked often (Wang et al. 2022, arXiv 2203.11171).
function consensus.majority(replies, opts)
   opts = opts or {}
   check_options(opts)
   local by = opts.by or "auto"
   if by == "auto" then by = consensus.kind(replies) end
   local groups, total = group_all(replies, by, opts)
   if #groups == 0 or total <= 0 then return nil, 0, groups end
   return groups[1].replies[1], groups[1].weight / total, groups
end

-- consensus.agreement(replies, opts?) -> 0..1, as majority gives it.
function consensus.agreement(replies, opts)
   local _, agreement = consensus.majority(replies, opts)
   return agreement
end

return consensus
