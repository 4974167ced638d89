-- judge.script: which script a text is mostly in, and whether an answer misses that of its question.
-- SPDX-License-Identifier: MIT
local text = require "text"

local script = {}

local READ <const>, LETTERS <const> = 2000, 20 -- bytes that are looked at; letters below which nobody can say

-- The first and the last code point of each block that letters of a script are in, by rising code points.
local BLOCKS = {
   { 0x41, 0x5A, "latin" }, { 0x61, 0x7A, "latin" }, { 0xC0, 0x24F, "latin" }, { 0x370, 0x3FF, "greek" },
   { 0x400, 0x52F, "cyrillic" }, { 0x531, 0x587, "armenian" }, { 0x5D0, 0x5EA, "hebrew" },
   { 0x620, 0x74F, "arabic" }, { 0x900, 0x97F, "devanagari" }, { 0x980, 0x9FF, "bengali" },
   { 0xB80, 0xBFF, "tamil" }, { 0xC00, 0xC7F, "telugu" }, { 0xE01, 0xE5B, "thai" }, { 0x10A0, 0x10FF,
      "georgian" },
   { 0x1100, 0x11FF, "hangul" }, { 0x1E00, 0x1EFF, "latin" }, { 0x1F00, 0x1FFF, "greek" },
   { 0x3040, 0x30FF, "east asian" }, { 0x3400, 0x9FFF, "east asian" }, { 0xAC00, 0xD7A3, "hangul" },
}

local function script_of(code)
   local low, high = 1, #BLOCKS
   while low <= high do
      local middle = (low + high) // 2
      local block = BLOCKS[middle]
      if code < block[1] then
         high = middle - 1
      elseif code > block[2] then
         low = middle + 1
      else
         return block[3]
      end
   end
   return nil
end

-- Code is in Latin letters whatever the language around it.
local function without_code(s)
   return (s:gsub("```[^`]*```", " "):gsub("`[^`\n]*`", " "))
end

-- script.main(s) -> "latin", "cyrillic", … | nil: the script of most of its letters; Chinese and Japanese
-- are one, "east asian". nil where there are fewer than 20 letters or no script has two thirds of them.
function script.main(s)
   s = s:sub(1, READ)
   local counts, total = {}, 0
   if not s:find("[\128-\255]") then
      total = #s:gsub("%A+", "")
      counts.latin = total
   else
      for character in s:gmatch("[%z\1-\127\194-\244][\128-\191]*") do
         local ok, code = pcall(utf8.codepoint, character)
         local name = ok and script_of(code)
         if name then counts[name], total = (counts[name] or 0) + 1, total + 1 end
      end
   end
   for name, n in pairs(counts) do
      if total >= LETTERS and n * 3 >= total * 2 then return name end
   end
   return nil
end

-- A question that has to do with another language may be answered in it.
local NAMED = {}
for word in ([[translate translation translated translating language english german french spanish italian
portuguese russian ukrainian greek hebrew arabic persian hindi bengali tamil thai chinese mandarin cantonese
japanese korean vietnamese turkish polish]]):gmatch("%a+") do NAMED[word] = true end
local NAMED_THERE = { "翻译", "翻譯", "翻訳", "英語", "英语", "перевед", "перевод",
   "на английск", "번역", "영어", "ترجم", "अनुवाद", "μετάφρα", "תרגם" }

local function names_a_language(question)
   for _, word in ipairs(text.words(question:sub(1, READ))) do
      if NAMED[word] then return true end
   end
   for _, word in ipairs(NAMED_THERE) do
      if question:find(word, 1, true) then return true end
   end
   return false
end

-- script.misses(question, answer) -> boolean: is an answer in another script than its question, which asked
-- for none? Languages of one script are not told apart.
function script.misses(question, answer)
   local asked = script.main(without_code(question))
   if not asked then return false end
   local said = script.main(without_code(answer))
   return said ~= nil and said ~= asked and not names_a_language(question)
end

return script
