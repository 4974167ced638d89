-- translate: English in another language, translated back by another model, made anew when it drifts.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/translate.lua
--    baton run examples/translate.lua French "The meeting is not on Monday but on Tuesday."
--    baton run --allow-read . examples/translate.lua Polish letter.txt
--
-- Nobody needs to read the language: what comes back is compared with the original. Cheap checks come first:
-- the numbers must be there, all sentences, most of the words. Where words differ, a model says whether the
-- meaning does. A translation that drifted is made again in the next tier, which is told what went wrong.
local llm = require "llm"
local models = require "models"
local text = require "text"
local trace = require "trace"

local SAMPLE = "We meet at noon. The room is on floor 2. Bring your notes."
local TIERS = { "fast", "standard", "expert" }
local ALIKE = 0.9 -- share of common words from which no model needs to compare

local FAITHFUL = {
   title = "comparison", type = "object", required = { "same", "difference" }, additionalProperties = false,
   properties = { same = { type = "boolean" }, difference = { type = "string" } },
}

local language = arg[1] or "German"
local original = arg[2] or SAMPLE
if original:find "^%S+%.%w+$" then
   local content, err = require("fs").read(original)
   original = content or error("cannot read " .. original .. ": " .. err.message, 0)
end

local function quoted(s) return "\n\n\"\"\"\n" .. s .. "\n\"\"\"" end

local function ask(target, order, about)
   local reply, err = llm.chat(target, order .. quoted(about), { timeout = 120, retries = 1 })
   if not reply then error(err, 0) end
   return text.trim(reply.text), reply.name
end

-- The share of the words that both have: twice the common ones by all.
local function alike(a, b)
   local counts, common = {}, 0
   local words_a, words_b = text.words(a), text.words(b)
   for _, word in ipairs(words_a) do counts[word] = (counts[word] or 0) + 1 end
   for _, word in ipairs(words_b) do
      if (counts[word] or 0) > 0 then
         counts[word], common = counts[word] - 1, common + 1
      end
   end
   return 2 * common / math.max(1, #words_a + #words_b)
end

-- What anybody can count: "the number 10 is missing" | nil.
local function lost(a, b)
   for number in a:gmatch "%d[%d.,]*%d?" do
      number = number:gsub("[.,]$", "")
      if not b:find(number, 1, true) then return "the number " .. number .. " is missing" end
   end
   local had, has = text.sentences(a), text.sentences(b)
   if has < had then return ("of %d sentences %d are left"):format(had, has) end
end

-- What is wrong with a back translation | nil, and how alike they are.
local function drift(back)
   local share = alike(original, back)
   local missing = lost(original, back)
   if missing or share >= ALIKE then return missing, share end
   local reply, found = llm.chat({ tier = "expert" }, "Do these two texts say the same? Name the first "
      .. "difference in meaning.\n\nFirst:" .. quoted(original) .. "\n\nSecond:" .. quoted(back),
      { schema = FAITHFUL, timeout = 120 })
   if not reply then error(found, 0) end
   return not found.same and found.difference or nil, share
end

-- Another provider's model where there is one, else another model.
local function checker_of(name)
   local others = models.alternatives(name)
   return others[1] and others[1].name or name
end

local wrong
for _, tier in ipairs(TIERS) do
   local order = "Translate the text into " .. language .. ". Answer with the translation alone."
   if wrong then order = order .. " An earlier translation was wrong: " .. text.clip(wrong, 300) end
   local translation, translator = ask({ tier = tier }, order, original)
   local checker = checker_of(translator)
   local back = ask(checker, "Translate the text into English. Answer with the translation alone.",
      translation)
   local share
   wrong, share = drift(back)
   print(("%-9s %s, back by %s: %3.0f %% alike%s"):format(tier, translator, checker, share * 100,
      wrong and ", drifted: " .. text.clip(wrong, 80) or ", faithful"))
   if not wrong then
      print("\n" .. translation)
      break
   end
end
print(("-- %d calls, %.6f USD"):format(trace.total().attempts, trace.total().cost_usd))
if wrong then error("no translation kept the meaning; the last difference: " .. wrong, 0) end
