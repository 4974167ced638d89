-- tasks: simple instructions, recognised by their words and obeyed by counting and cutting.
-- SPDX-License-Identifier: MIT
--
-- Enough that a workflow of several calls has something real to pass on: a summary is made of the document's
-- sentences, a sentiment of its words, a report of the given parts.
local dice = require "sim.dice"
local facts = require "sim.facts"

local tasks = {}

local HEAD, TAIL = 400, 240 -- bytes at both ends of a message where an instruction is looked for

local function words(text)
   local set = {}
   for word in text:gmatch("%a+") do set[word] = true end
   return set
end

local GOOD = words [[good great excellent happy love loved wonderful best pleased thank thanks perfect fast
   helpful friendly success successful improved improve growth grew gain gains strong satisfied delighted
   impressed reliable recommend smooth easy record win won profit profits better amazing fantastic enjoyed
   glad]]
local BAD = words [[bad poor terrible awful hate hated worst angry disappointed disappointing slow broken fail
   failed failure late delay delayed delays loss losses weak problem problems issue issues error errors
   unhappy refund complaint complaints rude wrong damaged missing declined decline dropped crash crashed never
   unacceptable frustrating frustrated outage cancelled dirty cold worse]]

function tasks.sentiment(text)
   local score = 0
   for word in text:lower():gmatch("%a+") do
      if GOOD[word] then score = score + 1 elseif BAD[word] then score = score - 1 end
   end
   return score > 0 and "positive" or score < 0 and "negative" or "neutral"
end

-- The first sentences, at most 'count' of them and about 60 words.
function tasks.sentences(text, count)
   local out, length = {}, 0
   for sentence in (text:sub(1, 4000):gsub("%s+", " ") .. " "):gmatch("%s*(.-[.!?])%f[%s]") do
      out[#out + 1] = sentence
      length = length + #sentence
      if #out == count or length > 360 then break end
   end
   if #out == 0 then return (text:sub(1, 240):gsub("%s+", " "):gsub("^ ", "")) end
   return table.concat(out, " ")
end

-- The text an instruction is about: what is fenced, else what follows the first blank line or colon.
local function material(text)
   return text:match('"""%s*(.-)%s*"""') or text:match("```%w*%s*(.-)%s*```")
      or text:match("<(%w+)>.-</%1>") and text:match("<%w+>%s*(.-)%s*</%w+>")
      or text:match("^.-\n%s*\n%s*(.+)$") or text:match("^[^\n]-:%s+(.+)$") or text
end

-- "one of: a, b or c", "labels: a, b, c", "(a, b, c)" -> { "a", "b", "c" }
local function labels(text)
   local lower = text:lower()
   local list = lower:match("one of[^:\n]-:%s*([^\n.]+)") or lower:match("labels?[^:\n]-:%s*([^\n.]+)")
      or lower:match("categor[iy]e?s?[^:\n]-:%s*([^\n.]+)") or lower:match("one of%s+([^\n.:]+)")
      or lower:match("as%s+([%w_ ,\"'%-]+%s+or%s+[%w_\"'%-]+)") or lower:match("%(([^()]+,[^()]+)%)")
   if not list then return nil end
   local out = {}
   for label in (list:gsub("%f[%a]or%f[%A]", ","):gsub("%f[%a]and%f[%A]", ",")):gmatch("[^,/|]+") do
      label = label:gsub("^[%s\"'`%[]+", ""):gsub("[%s\"'`%]]+$", "")
      if #label > 0 and #label <= 40 then out[#out + 1] = label end
   end
   return #out >= 2 and out or nil
end

local function classify(text, key, instruction)
   local list = labels(instruction) or labels(text)
   if not list then return nil end
   local about = material(text):lower()
   local mood = tasks.sentiment(about)
   for _, label in ipairs(list) do
      if label == mood then return label end
   end
   for _, label in ipairs(list) do
      for word in label:gmatch("%a%a%a+") do
         if about:find(word:sub(1, 6), 1, true) then return label end
      end
   end
   return dice.pick(list, key, about, "label")
end

-- The upper end of the asked range: 1, 5, 10 or 100.
local function scale(text)
   return tonumber(text:match("out of (%d+)") or text:match("0%s*%.%.%s*(%d+)")
      or text:match("[01]%s*%-%s*(%d+)") or text:match("[01] to (%d+)")
      or text:match("[01]%.?0? and (%d+)") or text:match("/(10+)%f[%D]"))
end

local function judge(text, key, instruction, merit)
   local top = scale(instruction)
   if not top then return nil end
   local score = merit or 0.45 + 0.5 * dice.unit(key, "score")
   if top == 1 then return ("%.2f"):format(score) end
   return ("%d"):format(math.max(1, math.floor(score * top + 0.5)))
end

local function report(text)
   local out, plain = { "# Report" }, 0
   for block in (material(text):sub(1, 20000) .. "\n\n"):gmatch("%s*(.-)%s*\n%s*\n") do
      local heading, rest = block:match("^#*%s*(%u[%w ]*):%s*(.+)$")
      if heading and #heading <= 40 then
         out[#out + 1] = "## " .. heading .. "\n\n" .. rest
      elseif #block > 0 then
         plain = plain + 1
         out[#out + 1] = (plain == 1 and "## Findings\n\n" or "") .. block
      end
   end
   return table.concat(out, "\n\n")
end

-- "[German] …" stands for German, and is read back by who translates it into English. Now and then a model
-- loses the last sentence of several, the seldomer the more skill (0..1) it has.
local function translate(text, key, instruction, _, skill)
   local language = instruction:match("[Ii]nto (%u%l+)") or instruction:match(" to (%u%l+)")
      or instruction:match("(%u%l+) translation") or "translated"
   local said = material(text)
   local foreign = said:match("^%[%u%l+%] (.*)$")
   if foreign then return language == "English" and foreign or "[" .. language .. "] " .. foreign end
   local all_but_last = said:match("^(.+[.!?])%s+[^.!?]+[.!?]$")
   local lost = all_but_last and skill and dice.unit(key, said, "translate") > skill
   return "[" .. language .. "] " .. (lost and all_but_last or said)
end

local FACTS = { { "names", "Name" }, { "dates", "Date" }, { "numbers", "Number" }, { "emails", "Address" } }

local function fact_list(text)
   local found, out = facts.of(material(text)), {}
   for _, kind in ipairs(FACTS) do
      for _, fact in ipairs(found[kind[1]]) do out[#out + 1] = ("- %s: %s"):format(kind[2], fact) end
   end
   return #out > 0 and table.concat(out, "\n") or "- none"
end

-- Recognised by the first of these words in the instruction. Where a task says nil, it was not meant.
local KINDS = {
   { "summari", "summarisation", function(text) return tasks.sentences(material(text), 2) end },
   { "summary", "summarisation", function(text) return tasks.sentences(material(text), 2) end },
   { "extract", "extraction", function(text) return facts.as_json(material(text)) end },
   { "key facts", "facts", fact_list },
   { "key points", "facts", fact_list },
   { "translat", "translation", translate },
   { "sentiment", "sentiment", function(text) return tasks.sentiment(material(text)) end },
   { "report", "report", report },
   { "classif", "classification", classify },
   { "categor", "classification", classify },
   { "one of", "classification", classify },
   { "label", "classification", classify },
   { "rate", "judgement", judge },
   { "score", "judgement", judge },
   { "grade", "judgement", judge },
}

-- At the start of a word: "rate" is not in "generate".
local function position(text, word)
   return text:find("%f[%a]" .. word)
end

local function ends_of(text)
   if #text <= HEAD + TAIL then return text end
   return text:sub(1, HEAD) .. "\n" .. text:sub(-TAIL)
end

-- What the instruction asks for: a list of { kind, run }, the word that comes first in front; empty where it
-- asks for nothing known.
function tasks.detect(instruction)
   local found = {}
   local lower = ends_of(instruction):lower()
   for order, k in ipairs(KINDS) do
      local at = position(lower, k[1])
      if at then found[#found + 1] = { kind = k[2], run = k[3], at = at * 100 + order } end
   end
   table.sort(found, function(a, b) return a.at < b.at end)
   return found
end

-- Obeys the first instruction that makes sense. 'merit' (0..1) is what a judge thinks of the judged answer,
-- nil where it cannot know; 'skill': how well the model does each kind of work (sim/models.lua), nil: well.
-- Returns the answer and the kind of task, or nil.
function tasks.obey(found, text, key, instruction, merit, skill)
   for _, task in ipairs(found) do
      local answer = task.run(text, key, instruction, merit, skill and skill[task.kind])
      if answer then return answer, task.kind end
   end
end

return tasks
