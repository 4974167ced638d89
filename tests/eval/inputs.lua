-- inputs: adds to each row of a JSONL file what sums.question says of its "prompt" and, where it has an
-- "answer", what sums.answer says of both. For "baton train --input".
--   baton run --allow-read DIR --allow-write DIR tests/eval/inputs.lua IN.jsonl OUT.jsonl
-- SPDX-License-Identifier: MIT
local fs = require "fs"
local json = require "json"
local sums = require "sums"

local from, to = arg[1], arg[2]
local out = {}
for line in assert(fs.read(from)):gmatch "[^\n]+" do
   local row = json.decode(line)
   for name, x in pairs(sums.question(row.prompt)) do row[name] = x end
   if row.answer then
      for name, x in pairs(sums.answer(row.prompt, row.answer)) do row[name] = x end
   end
   out[#out + 1] = json.encode(row)
end
assert(fs.write(to, table.concat(out, "\n") .. "\n"))
