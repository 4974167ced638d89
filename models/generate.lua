-- generate: labelled prompts for the shipped model, a JSON object a line: text, task, complexity, template.
-- SPDX-License-Identifier: MIT
--
--    baton run --policies models/prompts models/generate.lua [SEED [ROUNDS]] > prompts.jsonl
--
-- The lines of _lines.lua come as they are. Each template of _prompts.lua is filled ROUNDS times with
-- words of _words.lua, and said in one of several ways:
-- politely, hastily, with a greeting. Those of _abroad.lua, in other languages, are filled less often, and
-- said as they are. The same seed gives the same bytes: the numbers are a linear
-- congruence's
-- (Knuth, MMIX), not the engine's. What comes twice is left out.
local json = require "json"
local abroad = require "_abroad"
local by_hand = require "_lines"
local prompts = require "_prompts"
local words = require "_words"

local ROUNDS <const> = 10
local ABROAD <const> = 4 -- rounds for the templates of other languages, which have fewer choices
local LEVELS <const> = { s = "simple", m = "medium", c = "complex" }

local state = tonumber(arg[1] or "1") | 0

local function draw(n)
   state = state * 6364136223846793005 + 1442695040888963407
   return (state >> 33) % n + 1
end

local function lines(s)
   local out = {}
   for line in s:gmatch "[^\n]+" do out[#out + 1] = line end
   return out
end

local choices = {}
for name, list in pairs(words) do choices[name] = lines(list) end

local function choose(inner)
   local list = {}
   for option in (inner .. "|"):gmatch "([^|]*)|" do list[#list + 1] = option end
   return list[draw(#list)]
end

-- Only what has a bar between brackets is a choice: code has brackets, too.
local function fill(template)
   local s = template:gsub("%[([^%[%]]*|[^%[%]]*)%]", choose)
   s = s:gsub("{(%l+)}", function(name)
      local list = choices[name] or error("no words for {" .. name .. "}")
      return list[draw(#list)]
   end)
   return (s:gsub("\\n", "\n"))
end

-- How people say it. Prompts of chat and long ones stay as they are.
local BEFORE <const> = {
   "", "", "", "", "", "", "Please ", "please ", "Can you ", "Could you ", "I need you to ", "Hi! ", "Hey, ",
   "Hello, ", "I want you to ", "You are a helpful assistant. ", "Quick question: ", "Help me: ", "Task: ",
}
local AFTER <const> = {
   "", "", "", "", "", "", "", " Thanks!", " Thank you.", " Keep it short.", " thx", "\n", "\nAnswer:",
}

local function say(s, kind)
   if kind == "chat" then return draw(3) == 1 and s:lower() or s end
   local before = BEFORE[draw(#BEFORE)]
   if before:find "^%l" or before:find " to $" or before:find "you $" then
      s = s:gsub("^%u%l", string.lower)
   end
   s = before .. s .. AFTER[draw(#AFTER)]
   local way = draw(10)
   if way == 1 then return s:lower() end
   if way == 2 then return (s:gsub("[%.%?!]$", "")) end
   return s
end

local KINDS <const> = {
   "summarisation", "code", "translation", "analysis", "extraction", "creative", "chat", "qa", "mathematics",
   "reasoning",
}

local seen = {}

local function put(s, kind, level, template)
   if seen[s] then return end
   seen[s] = true
   print(json.encode { text = s, task = kind, complexity = LEVELS[level], template = template })
end

-- The templates of a kind, once each.
local function fill_all(templates, kind, name, how)
   for at, line in ipairs(lines(templates[kind])) do
      local level, template = line:match "^([smc]) (.+)$"
      if not level then error(("no template: %s"):format(line), 0) end
      put(how(fill(template), kind), kind, level, name .. kind .. at)
   end
end

local function as_it_is(s) return s end

for at, line in ipairs(by_hand) do put(line[3], line[1], line[2], "by hand " .. at) end
for _ = 1, tonumber(arg[2] or ROUNDS) do
   for _, kind in ipairs(KINDS) do fill_all(prompts, kind, "", say) end
end
for _ = 1, math.min(ABROAD, tonumber(arg[2] or ROUNDS)) do
   for _, kind in ipairs(KINDS) do fill_all(abroad, kind, "abroad ", as_it_is) end
end
