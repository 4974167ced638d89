-- facts: what can be read off a text without understanding it: numbers, dates, addresses, names.
-- SPDX-License-Identifier: MIT
local json = require "json"

local facts = {}

local LOOK = 20000 -- bytes of a text that are looked at
local MANY = 20    -- of each kind

local MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "

local function add(list, seen, value)
   if not seen[value] and #list < MANY then
      seen[value] = true
      list[#list + 1] = value
   end
end

-- Collects what matches, and blanks it, so that a date's year is not taken for a number too.
local function take(text, list, pattern, accept)
   local seen = {}
   return (text:gsub(pattern, function(found)
      if accept and not accept(found) then return nil end
      add(list, seen, found)
      return (" "):rep(#found)
   end))
end

local function has_month(found)
   local month = found:match("%u%l%l")
   return month and MONTHS:find(month .. " ", 1, true) ~= nil
end

local function dates(text, list)
   text = take(text, list, "%d%d%d%d%-%d%d%-%d%d")
   text = take(text, list, "%d%d?%.%d%d?%.%d%d%d%d")
   text = take(text, list, "%d%d?/%d%d?/%d%d%d%d")
   text = take(text, list, "%d%d? %u%l+ %d%d%d%d", has_month)
   text = take(text, list, "%u%l+ %d%d?, %d%d%d%d", has_month)
   text = take(text, list, "%d%d? %u%l+", has_month)
   return take(text, list, "%u%l+ %d%d?", has_month)
end

local COMMON = {}
for word in ([[A An And As At But By Did Do Dear Extract For From Give He Her His How I If In Is It Its My No
   Not Of On Or Our Please Read She Since So Summarise Summarize That The Their Then There These They This To
   Translate Was We What When Where Which Who Why Will With You Your Yesterday Today
   Tomorrow]]):gmatch("%a+") do
   COMMON[word] = true
end

-- Runs of capitalised words; a lone one that only opens a sentence is left out when it is a common word.
local function names(text, list)
   local seen = {}
   for run in text:gmatch("%u[%w'&-]*[%w]") do
      if not COMMON[run] and run:find("%l") then add(list, seen, run) end
   end
   for first, second in text:gmatch("(%u%l+) (%u%l+)") do
      if not COMMON[first] and not COMMON[second] then add(list, seen, first .. " " .. second) end
   end
end

function facts.of(text)
   local found = { emails = {}, dates = {}, numbers = {}, names = {} }
   local rest = take(text:sub(1, LOOK), found.emails, "[%w._%+%-]+@[%w%-]+%.[%w.%-]*%w")
   rest = dates(rest, found.dates)
   take(rest, found.numbers, "%d[%d,.]*%d")
   take(rest, found.numbers, "%f[%d]%d%f[^%d.,]")
   names(rest, found.names)
   return found
end

function facts.first_number(text)
   local digits = text:match("%-?%d[%d,]*%.?%d*")
   return digits and tonumber((digits:gsub(",", "")))
end

-- The facts as a JSON object.
function facts.as_json(text)
   local found = facts.of(text)
   for kind, list in pairs(found) do found[kind] = json.array(list) end
   return json.encode(found)
end

return facts
