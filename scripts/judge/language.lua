-- judge.language: whether an answer is in another language than its question, which asked for none.
-- SPDX-License-Identifier: MIT
local classify = require "classify"
local text = require "text"

local language = {}

local SURE <const> = 0.9 -- confidence in both; Danish and Norwegian seldom reach it

-- A question that has to do with another language may be answered in it.
local NAMED = {}
for word in ([[translate translation translated translating language english german french spanish italian
portuguese russian ukrainian greek hebrew arabic persian hindi bengali tamil thai chinese mandarin cantonese
japanese korean vietnamese turkish polish]]):gmatch("%a+") do NAMED[word] = true end
local NAMED_THERE = { "翻译", "翻譯", "翻訳", "英語", "英语", "перевед", "перевод",
   "на английск", "번역", "영어", "ترجم", "अनुवाद", "μετάφρα", "תרגם" }

local function names_a_language(question)
   for _, word in ipairs(text.words(question:sub(1, 2000))) do
      if NAMED[word] then return true end
   end
   for _, word in ipairs(NAMED_THERE) do
      if question:find(word, 1, true) then return true end
   end
   return false
end

-- Are both surely in a language, and not the same?
local function differ(question, answer)
   local asked, sure = classify.language(question)
   if asked == "und" or sure < SURE then return false end
   local said, certain = classify.language(answer)
   return said ~= "und" and said ~= asked and certain >= SURE
end

local GLANCE <const> = 200 -- bytes of each, which tell most answers

-- language.misses(question, answer) -> boolean. All of both is read only where their beginnings differ. Code
-- is in English words whatever the language around it. Whoever has seen that both hold "the", a word that no
-- other language has and few English texts are without, need not ask.
function language.misses(question, answer)
   if not differ(text.clip(question, GLANCE), text.clip(answer, GLANCE)) then return false end
   if (#question > GLANCE or #answer > GLANCE) and not differ(question, answer) then return false end
   return not names_a_language(question) and classify.task(question) ~= "code"
end

return language
