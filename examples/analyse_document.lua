-- analyse_document: a chain of calls over one document: extract, summarise, judge the sentiment, report.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/analyse_document.lua
--    baton run --allow-read . examples/analyse_document.lua README.md
--
-- The first three steps do not need each other, so they run side by side; the report is written from what
-- they found. Facts are asked for as JSON, which schema.extract finds in whatever stands around it. A file
-- can be read only where --allow-read allows it. policies/chain.lua is this idea as a policy of the gateway.
local llm = require "llm"
local schema = require "schema"
local task = require "task"
local text = require "text"

local SAMPLE = [[
The town library of Ashford opened its new reading room on 4 May after two years of work. The council paid
1.2 million for it, a tenth less than planned. "We are delighted," said director Maria Lindqvist,
"and so are our
readers: visits have doubled." Some neighbours complained about the noise of the building site,
which ended in March.]]

local function ask(tier, order, about)
   local content = order .. "\n\n\"\"\"\n" .. about .. "\n\"\"\""
   local reply, err = llm.chat({ tier = tier }, content)
   if reply then return reply.text end
   return nil, err
end

local function read_document()
   if not arg[1] then return SAMPLE end
   local document, err = require("fs").read(arg[1])
   if not document then error("cannot read " .. arg[1] .. ": " .. tostring(err.message), 0) end
   return text.clip(document, 20000)
end

-- The names and numbers as a line, from JSON where the model gave some.
local function facts_line(answer)
   local facts = schema.extract(answer)
   if type(facts) ~= "table" then return answer end
   local out = {}
   for key, value in pairs(facts) do
      local shown = type(value) == "table" and table.concat(value, ", ") or tostring(value)
      out[#out + 1] = tostring(key) .. ": " .. shown
   end
   return table.concat(out, "; ")
end

local document = read_document()
print(("Reading %d words…"):format(#text.words(document)))

local parts, errors = task.all {
   facts = function()
      return ask("fast", "Extract the names and the numbers from the text as a JSON object of strings.",
      document)
   end,
   summary = function() return ask("fast", "Summarise the text in two sentences.", document) end,
   sentiment = function()
      return ask("fast", "What is the sentiment of the text? Answer positive, negative or neutral.", document)
   end,
}
for _, name in ipairs { "facts", "summary", "sentiment" } do
   if not parts[name] then error(name .. " failed: " .. tostring(errors[name] and errors[name].message),
   0) end
   print(("\n%s\n   %s"):format(name:upper(), name == "facts" and facts_line(parts.facts) or parts[name]))
end

local report, err = ask("standard", "Write a report of one paragraph from these notes.",
   ("Summary: %s\nFacts: %s\nSentiment: %s"):format(parts.summary, facts_line(parts.facts), parts.sentiment))
print("\nREPORT\n   " .. (report or "failed: " .. tostring(err.message)))
