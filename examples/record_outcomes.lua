-- record_outcomes.lua - what several models answer to the same prompts, as a file that "baton eval" reads.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/record_outcomes.lua > outcomes.jsonl
--    baton run --allow-read examples examples/record_outcomes.lua examples/workload.jsonl > outcomes.jsonl
--    baton eval outcomes.jsonl -d examples/outcomes.data.lua -p complexity -p cascade
--
-- examples/outcomes.jsonl was made so, with the models of the simulator. A line of the file names a prompt
-- and how a right answer is told: { "prompt":, "check": { "type": "contains", "all": [...], "any": [...] } |
-- { "type": "number", "value": } | { "type": "regex", "pattern": } | { "type": "choice", "value": } }. Every
-- model is asked every prompt, which costs money where the models are real ones.
local classify = require "classify"
local fs = require "fs"
local json = require "json"
local llm = require "llm"
local log = require "log"
local models = require "models"
local task = require "task"

local OWN = [[
{"prompt": "What is the capital of Australia? One word.", "check": {"type": "contains", "all": ["Canberra"]}}
{"prompt": "What is 17 times 23?", "check": {"type": "number", "value": 391}}
{"prompt": "Which planet is the largest?", "check": {"type": "contains", "any": ["Jupiter"]}}]]

-- ---- is it right? ----

local checks = {}

function checks.contains(check, answer)
   answer = answer:lower()
   local function has(word) return answer:find(word:lower(), 1, true) ~= nil end
   for _, word in ipairs(check.all or {}) do
      if not has(word) then return false end
   end
   for _, word in ipairs(check.any or {}) do
      if has(word) then return true end
   end
   return check.any == nil
end

-- The last number counts: the steps come before it.
function checks.number(check, answer)
   local last
   for text in answer:gsub("(%d),(%d%d%d)", "%1%2"):gmatch("%-?%d+%.?%d*") do last = tonumber(text) end
   return last ~= nil and math.abs(last - check.value) <= (check.tolerance or 0)
end

function checks.regex(check, answer)
   return classify.regex(check.pattern, { caseless = true }):find(answer) ~= nil
end

function checks.choice(check, answer)
   return answer:lower():find(check.value:lower(), 1, true) ~= nil
end

-- ---- one prompt ----

local function rounded(x, unit)
   return tonumber(("%.10g"):format(math.floor(x / unit + 0.5) * unit))
end

-- A model that fails has no outcome: the cell stays empty.
local function ask(row, out, name)
   local reply, err = llm.chat(name, row.prompt, { timeout = 120, retries = 2 })
   if not reply then return log.warn("no outcome", { model = name, error = err.message }) end
   out["score:" .. name] = checks[row.check.type](row.check, reply.text) and 1 or 0
   out["cost:" .. name], out["answer:" .. name] = rounded(reply.cost, 1e-9), reply.text
   out["latency:" .. name] = rounded(reply.latency, 0.001)
end

local function record(row, names)
   local out, calls = { prompt = row.prompt, kind = row.kind }, {}
   for i, name in ipairs(names) do
      calls[i] = function() ask(row, out, name) end
   end
   task.all(calls)
   print(json.encode(out))
end

-- ---- all of them ----

local names = {}
for _, model in ipairs(models.find {}) do names[#names + 1] = model.name end

local text = OWN
if arg[1] then
   local read, err = fs.read(arg[1])
   if not read then error(err, 0) end
   text = read
end
for line in text:gmatch "[^\n]+" do
   local row, err = json.decode(line)
   if not row then error(err, 0) end
   record(row, names)
end
