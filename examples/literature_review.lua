-- literature_review: many papers at once: the finding of each, a few at a time, then what they say together.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/literature_review.lua
--    baton run --allow-read papers examples/literature_review.lua papers/*.txt
--
-- task.map holds so many calls open and no more, whatever the number of files: providers have rate limits. A
-- progress line is drawn anew on a terminal and comes now and then elsewhere. A paper that cannot be read,
-- or whose model fails for good, is named at the end and does not stop the others.
local llm = require "llm"
local progress = require "progress"
local task = require "task"
local text = require "text"
local trace = require "trace"

local AT_ONCE = 4
local LONG = 60000 -- bytes of a paper that are read

local SAMPLE = {
   { "noise.txt", "We measured sleep in 412 people near roads. Each 10 dB of noise cost 14 minutes." },
   { "trees.txt", "Streets with trees were 2 degrees cooler in 30 towns. The effect was strongest at noon." },
   { "bikes.txt", "After cycle lanes were built in Ghent, accidents fell by 31 percent within two years." },
   { "lamps.txt", "LED lamps saved 58 percent of the energy. Residents slept better with warm light." },
   { "buses.txt", "Free buses in Tallinn raised the trips by 14 percent. Car traffic hardly changed." },
   { "parks.txt", "People within 300 metres of a park walked 22 minutes more a week than others." },
}

-- { name, text | nil: to be read }
local function papers()
   if not arg[1] then return SAMPLE end
   local list = {}
   for i, path in ipairs(arg) do list[i] = { path } end
   return list
end

local function finding_of(paper)
   local content = paper[2]
   if not content then
      local read, err = require("fs").read(paper[1])
      if not read then return nil, err end
      content = read
   end
   local reply, err = llm.chat({ tier = "fast" }, "Summarise the main finding of this paper in one sentence, "
      .. "with its numbers.\n\n\"\"\"\n" .. text.clip(content, LONG) .. "\n\"\"\"",
      { timeout = 120, retries = 2 })
   return reply and reply.text, err
end

local list = papers()
local bar = progress.new(#list, "papers")
local findings, errors = task.map(list, AT_ONCE, function(paper)
   local finding, err = finding_of(paper)
   bar:step(paper[1])
   return finding, err
end)
bar:finish()

print "\nFINDINGS"
local notes = {}
for i, paper in ipairs(list) do
   if findings[i] then
      notes[#notes + 1] = ("%s: %s"):format(paper[1], findings[i])
      print("- " .. notes[#notes])
   end
end

if #notes > 0 then
   print "\nTOGETHER"
   local reply, err = llm.chat({ tier = "standard" }, "Summarise in one paragraph what these findings say "
      .. "together, and where they disagree.\n\n\"\"\"\n" .. table.concat(notes, "\n") .. "\n\"\"\"")
   print(reply and reply.text or "failed: " .. err.message)
end
print(("-- %d papers, %.6f USD"):format(#notes, trace.total().cost_usd))

for i, paper in ipairs(list) do
   if errors[i] then print(("failed: %s: %s"):format(paper[1], errors[i].message)) end
end
if #notes < #list then error(("%d of %d papers failed"):format(#list - #notes, #list), 0) end
