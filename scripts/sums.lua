-- sums: a word problem in numbers; does the arithmetic in an answer hold, and does it use what the question
-- gives?
-- SPDX-License-Identifier: MIT
--
-- For answers that calculate in the open, as models do with word problems: "20 * 4 = 80", also between << and
-- >> as GSM8K's solutions have it (Cobbe et al. 2021, arXiv 2110.14168). Nothing here knows what is right; a
-- calculation that is wrong, a number of the question that is never used, a result that leads nowhere and a
-- final answer that is no whole number make a wrong answer likelier. How much each counts is learned: the
-- numbers are inputs of a classifier (classify.linear).
local consensus = require "consensus"
local text = require "text"

local sums = {}

local LOOK = 16384     -- bytes of a text that are looked at
local STEPS = 200      -- calculations
local OFF = 0.02       -- a result may be so far off, by share, since answers round
local PARTS = { "half", "twice", "third", "quarter", "times", "double", "triple" }
local RELATIONS = { "if", "than", "each", "every", "per", "remaining", "rest", "left" }
local HEDGES = { "however", "assume", "assuming", "unclear", "cannot", "approximately", "but" }

-- Expressions -----------------------------------------------------------------------------------------

local SIGNS = { ["×"] = "*", ["÷"] = "/", ["−"] = "-" }

-- Numbers, signs and brackets of an expression in order, or nil when something else is in it.
local function tokens(s)
   if s:find("%d%s+%d") then return nil end
   for sign, plain in pairs(SIGNS) do s = s:gsub(sign, plain) end
   s = s:gsub("(%d)%s*[xX]%s*(%d)", "%1*%2"):gsub("(%d),(%d%d%d)", "%1%2"):gsub("[%s$]", "")
   local out, at = {}, 1
   while at <= #s do
      local number = s:match("^%d+%.?%d*", at) or s:match("^%.%d+", at)
      local sign = not number and s:match("^[-+*/()%%]", at)
      if not number and not sign then return nil end
      out[#out + 1] = number and tonumber(number) or sign
      at = at + #(number or sign)
   end
   return out
end

local sum -- of terms; below, since brackets hold one

-- Each of these takes the tokens and a place, and returns a value and the next place, or nil.
local function factor(t, at, depth)
   local value, after = t[at], at + 1
   if value == "-" then
      value, after = factor(t, at + 1, depth + 1)
      return value and -value, after
   end
   if value == "(" then
      if depth > 20 then return nil end
      value, after = sum(t, at + 1, depth + 1)
      if not value or t[after] ~= ")" then return nil end
      after = after + 1
   end
   if type(value) ~= "number" or depth > 20 then return nil end
   if t[after] == "%" then return value / 100, after + 1 end
   return value, after
end

local function product(t, at, depth)
   local value, after = factor(t, at, depth)
   while value and (t[after] == "*" or t[after] == "/") do
      local sign = t[after]
      local right, next_at = factor(t, after + 1, depth)
      after = next_at
      if not right or (sign == "/" and right == 0) then return nil end
      value = sign == "*" and value * right or value / right
   end
   return value, after
end

function sum(t, at, depth)
   local value, after = product(t, at, depth)
   while value and (t[after] == "+" or t[after] == "-") do
      local sign = t[after]
      local right, next_at = product(t, after + 1, depth)
      after = next_at
      if not right then return nil end
      value = sign == "+" and value + right or value - right
   end
   return value, after
end

-- sums.value("2 * (3 + 4)") -> 14, its numbers | nil: not an expression of numbers, signs and brackets
function sums.value(expression)
   local t = tokens(expression)
   if not t or #t == 0 or #t > STEPS then return nil end
   local value, after = sum(t, 1, 0)
   if not value or after ~= #t + 1 then return nil end
   local numbers = {}
   for _, token in ipairs(t) do
      if type(token) == "number" then numbers[#numbers + 1] = token end
   end
   return value, numbers
end

-- What is in a text ----------------------------------------------------------------------------------

local function plain(digits)
   return tonumber((digits:gsub(",", "")))
end

-- The numbers of a text, as a set; how many different ones; the last one.
local function numbers_of(s)
   local set, n, last = {}, 0, nil
   for digits in s:gmatch("%d[%d,]*%.?%d*") do
      local x = plain(digits)
      if x then
         last = x
         if not set[x] then set[x], n = true, n + 1 end
      end
   end
   return set, n, last
end

-- How often these words occur.
local function count_words(s, words)
   local set, n = {}, 0
   for _, word in ipairs(words) do set[word] = true end
   for _, word in ipairs(text.words(s)) do
      if set[word] then n = n + 1 end
   end
   return n
end

local function count(s, pattern)
   return select(2, s:gsub(pattern, ""))
end

-- sums.question(question) -> { [name] = number }; a text or a request
--   characters, words, length (log of the bytes), stops, commas, questions (marks)
--   numbers, given (different ones), largest (log(1 + it)), decimals (numbers that are not whole)
--   percents, slashes, dollars (signs); parts ("half", "twice", …), relations ("than", "each", …)
-- The text is looked at up to 16 KiB.
function sums.question(question)
   question = text.of(question):sub(1, LOOK)
   local _, given = numbers_of(question)
   local numbers, largest, decimals = 0, 0, 0
   for digits in question:gmatch("%d[%d,]*%.?%d*") do
      local x = plain(digits) or 0
      numbers, largest = numbers + 1, math.max(largest, x)
      if x % 1 ~= 0 then decimals = decimals + 1 end
   end
   return {
      characters = utf8.len(question) or #question, words = count(question, "%S+"),
      length = math.log(math.max(1, #question)),
      stops = count(question, "%."), commas = count(question, ","), questions = count(question, "%?"),
      numbers = numbers, given = given, largest = math.log(1 + largest), decimals = decimals,
      percents = count(question, "%%"), slashes = count(question, "/"), dollars = count(question, "%$"),
      parts = count_words(question, PARTS), relations = count_words(question, RELATIONS),
   }
end

local function add_step(steps, expression, result)
   local said = tonumber((result:gsub("[,$%s]", "")))
   local value, numbers = sums.value(expression)
   if not said or #steps >= STEPS or (value and #numbers < 2) then return end
   steps[#steps + 1] = { value = value, numbers = numbers or {}, said = said }
end

local MARKED = "<<([^<>=]+)=([^<>=]+)>>"
local PART = "^[%d%s.,$%%()+*/xX\195\151\183\226\136\146-]*" -- of an expression; × ÷ − as bytes
local NEAR = 80 -- bytes before "=" that are looked at

-- The calculations of an answer: those between << and >>, or else all "a op b = c". value is nil where the
-- left side cannot be calculated.
local function steps_of(answer)
   local steps = {}
   for expression, result in answer:gmatch(MARKED) do add_step(steps, expression, result) end
   if #steps > 0 then return steps end
   local from = 1
   for at, result in answer:gmatch("()=%s*%$?(%-?%d[%d,]*%.?%d*)") do
      -- backwards, so that one match takes it all
      local line = answer:sub(math.max(from, at - NEAR), at - 1):match("[^\n]*$")
      local left = line:reverse():match(PART):reverse():match("[%d(].*")
      if left and sums.value(left) then add_step(steps, left, result) end
      from = at + 1
   end
   return steps
end

-- The findings -----------------------------------------------------------------------------------------

local function wrong(step)
   return not step.value or math.abs(step.value - step.said) > OFF * math.max(1, math.abs(step.value))
end

-- Which calculations are wrong, which numbers they use, how many results no later one uses.
local function follow(steps)
   local bad, used = 0, {}
   for _, step in ipairs(steps) do
      if wrong(step) then bad = bad + 1 end
      for _, x in ipairs(step.numbers) do used[x] = true end
   end
   local idle = 0
   for i = 1, #steps - 1 do
      if not used[steps[i].said] then idle = idle + 1 end
   end
   return bad, used, idle
end

local function flag(condition)
   return condition and 1 or 0
end

-- sums.answer(question, answer) -> { [name] = number }; texts, requests or replies
--   calculations, wrong_calculations   "a op b = c"; those that do not hold
--   unused_results   of calculations before the last one, that no other calculation takes up
--   given, unused, unused_share        different numbers of the question; those in no calculation
--   final_odd        1: the final number is negative or no whole one
--   final_given      1: it stands in the question
--   final_differs    1: it is not the last calculation's result
--   final_size       log(1 + its absolute value)
--   unannounced      1: nothing says that it is the answer ("####", "the answer is", …)
--   answer_length    log(1 + bytes); length_ratio: bytes by those of the question; answer_lines
--   hedges           words as "however", "assume", "but"
-- Texts are looked at up to 16 KiB.
function sums.answer(question, answer)
   question, answer = text.of(question):sub(1, LOOK), text.of(answer):sub(1, LOOK)
   local given, given_count = numbers_of(question)
   local _, _, last = numbers_of(answer)
   local steps = steps_of(answer)
   local bad, used, idle = follow(steps)
   local unused = 0
   for x in pairs(given) do
      if not used[x] and x ~= 1 then unused = unused + 1 end
   end
   local digits, announced = consensus.number(answer)
   local final = tonumber(digits or "") or last or 0
   return {
      calculations = #steps, wrong_calculations = bad, unused_results = idle,
      given = given_count, unused = unused, unused_share = unused / math.max(1, given_count),
      final_odd = flag(final < 0 or final % 1 ~= 0), final_given = flag(given[final] ~= nil),
      final_differs = flag(#steps > 0 and math.abs(steps[#steps].said - final) > 1e-9),
      final_size = math.log(1 + math.abs(final)), unannounced = flag(not announced),
      answer_length = math.log(1 + #answer), length_ratio = #answer / math.max(1, #question),
      answer_lines = select(2, answer:gsub("\n", "\n")), hedges = count_words(answer, HEDGES),
   }
end

return sums
