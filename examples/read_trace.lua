-- read_trace: why a request was answered by which model, and what all of them cost, from the trace log.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/read_trace.lua
--    baton run --allow-read . examples/read_trace.lua trace.jsonl
--    baton run --allow-read . examples/read_trace.lua trace.jsonl 0c447266a919c8b125037bc492cfb71b
--
-- The log is what "baton serve --trace-log trace.jsonl" writes, a JSON line for each request; README.md has
-- its members. With a trace (the answer's header x-baton-trace, or how it begins) that request is shown as
-- "baton ask --explain" shows one; without, a sum for each policy and model. Files up to 16 MiB.
local explain = require "explain"
local json = require "json"

local SAMPLE = [[
{"trace":"5f1e","policy":"cascade","generation":"06d0b5b3ae15","params":{"threshold":0.8},
"answered_by":"sim/pro","outcome":"ok","notes":[],
"decisions":[{"at_ms":41,"model":"sim/mini","reason":"not good enough","score":0.5}],
"attempts":[{"model":"sim/mini","outcome":"ok","at_ms":1,"ms":40,"cost_usd":0.00001},
{"model":"sim/pro","outcome":"ok","at_ms":42,"ms":160,"cost_usd":0.0008}],"cost_usd":0.00081,"ms":202}
]]

-- The records of the log, in its order; a line that is cut, as the last may be, is left out.
local function records()
   if not arg[1] then return { (assert(json.decode(SAMPLE))) } end
   local text, err = require("fs").read(arg[1])
   if not text then error("cannot read " .. arg[1] .. ": " .. err.message, 0) end
   local list = {}
   for line in text:gmatch "[^\n]+" do list[#list + 1] = json.decode(line) end
   return list
end

local function show(record)
   print(("%s: %s, %s, $%.6f, %.0f ms"):format(record.trace, record.outcome,
      record.answered_by or record.error or "nobody", record.cost_usd, record.ms))
   for _, line in ipairs(explain.lines(record)) do print(line) end
end

local function show_sums(list)
   local sums = {}
   for _, record in ipairs(list) do
      local key = ("%-20s %s"):format(record.policy or "-", record.answered_by or "-")
      local sum = sums[key] or { n = 0, failed = 0, cost = 0 }
      sums[key], sum.n, sum.cost = sum, sum.n + 1, sum.cost + record.cost_usd
      if record.outcome ~= "ok" then sum.failed = sum.failed + 1 end
   end
   print "requests  not ok    cost USD  policy               answered by"
   for key, sum in pairs(sums) do -- in the order of the names
      print(("%8d  %6d  %10.6f  %s"):format(sum.n, sum.failed, sum.cost, key))
   end
end

local list, found = records(), false
local wanted = arg[2] or not arg[1] and "5f1e"
for _, record in ipairs(list) do
   if wanted and record.trace:sub(1, #wanted) == wanted then
      show(record)
      found = true
   end
end
if arg[2] and not found then error("no request has the trace " .. arg[2], 0) end
if not arg[2] then show_sums(list) end
