-- pii: what classify.pii finds in the "text" of each row of a JSONL file, of the "kinds" of the row where it has some: one
-- line of JSON for each row, a list of { kind, name or "", from, to }, bytes from 0, 'to' behind the last.
--   baton run --allow-read DIR tests/eval/pii.lua IN.jsonl
-- SPDX-License-Identifier: MIT
local classify = require "classify"
local fs = require "fs"
local json = require "json"

for line in assert(fs.read(arg[1])):gmatch "[^\n]+" do
   local row, out = json.decode(line), json.array {}
   for i, f in ipairs(classify.pii(row.text, { kinds = row.kinds })) do
      out[i] = json.array { f.kind, f.name or "", f.from - 1, f.to }
   end
   print(json.encode(out))
end
