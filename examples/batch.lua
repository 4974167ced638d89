-- batch: a JSONL file of prompts in, a JSONL file of answers out, a few at a time, from where it stopped.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/batch.lua
--    baton run --allow-read . --allow-write . examples/batch.lua prompts.jsonl answers.jsonl --concurrency 16
--
-- A line of the input is {"prompt": "..."} or {"messages": [...]}, with an "id" (else the number of its
-- line) and perhaps a "model"; --model NAME is for those without one (else the cheapest). Each answer is
-- appended as it comes: {"id", "model", "text", "cost"}. Run it again after a break, and what the output has
-- already is left out; what failed is tried again. Failures are listed, and then the exit status is 1. Files
-- up to 16 MiB.
local json = require "json"
local llm = require "llm"
local progress = require "progress"
local task = require "task"
local trace = require "trace"

local SAMPLE = [[
{"id": "capital", "prompt": "What is the capital of Australia?"}
{"id": "sum", "prompt": "What is 17 * 24?"}
{"id": "planet", "prompt": "Which planet in our solar system has the shortest year?"}
{"id": "mood", "messages": [{"role": "user", "content": "What is the sentiment of this text? It was great."}]}
]]

local USAGE = "usage: batch.lua [INPUT.jsonl OUTPUT.jsonl] [--concurrency N] [--model NAME]"

local function read_options()
   local options, files, i = { concurrency = 4, model = { tier = "fast" } }, {}, 1
   while arg[i] do
      if arg[i] == "--concurrency" then
         options.concurrency = math.tointeger(tonumber(arg[i + 1]))
         if not options.concurrency or options.concurrency < 1 or options.concurrency > 64 then
            error("--concurrency: an integer from 1 to 64 is needed\n" .. USAGE, 0)
         end
         i = i + 1
      elseif arg[i] == "--model" then
         options.model = arg[i + 1] or error(USAGE, 0)
         i = i + 1
      elseif arg[i]:sub(1, 2) == "--" then
         error("unknown option " .. arg[i] .. "\n" .. USAGE, 0)
      else
         files[#files + 1] = arg[i]
      end
      i = i + 1
   end
   if #files ~= 0 and #files ~= 2 then error(USAGE, 0) end
   options.input, options.output = files[1], files[2]
   return options
end

-- The lines of a file; 'missing' is what a file that is not there holds (nil: it must be there).
local function read(path, missing)
   local content, err = require("fs").read(path)
   if content then return content end
   if err.code == "not_found" and missing then return missing end
   error("cannot read " .. path .. ": " .. err.message, 0)
end

-- { id, request, model } for each line that is none of those in 'done'. A line that is wrong stops all
-- before anything is paid.
local function read_jobs(content, name, done)
   local jobs, seen, number, skipped = {}, {}, 0, 0
   for line in content:gmatch "([^\n]*)\n?" do
      number = number + 1
      if line:find "%S" then
         local row, err = json.decode(line)
         local function wrong(why) error(("%s:%d: %s"):format(name, number, why), 0) end
         if row == nil then wrong(err.message) end
         if type(row) ~= "table" or json.is_array(row) then wrong "no JSON object" end
         local request = row.messages and { messages = row.messages } or row.prompt
         if type(row.prompt) ~= "string" and type(row.messages) ~= "table" then
            wrong "no prompt, no messages"
         end
         local id = tostring(row.id or number)
         if seen[id] then wrong(("the id '%s' stands there twice"):format(id)) end
         seen[id] = true
         if done[id] then
            skipped = skipped + 1
         else
            jobs[#jobs + 1] = { id = id, request = request, model = row.model }
         end
      end
   end
   return jobs, skipped
end

-- The ids that the output has. A last line that was cut by a break is none, and its end is written first.
local function read_done(options)
   local done, content = {}, options.output and read(options.output, "") or ""
   for line in content:gmatch "[^\n]+" do
      local row = json.decode(line)
      if type(row) == "table" and row.id ~= nil then done[tostring(row.id)] = true end
   end
   options.cut = content ~= "" and content:sub(-1) ~= "\n"
   return done
end

-- Without an output they are shown at the end, not in the middle of the bar.
local shown = {}

local function write(options, line)
   if not options.output then
      shown[#shown + 1] = line
      return
   end
   local ok, err = require("fs").append(options.output, (options.cut and "\n" or "") .. line .. "\n")
   if not ok then error("cannot write " .. options.output .. ": " .. err.message, 0) end
   options.cut = false
end

local options = read_options()
local jobs, skipped = read_jobs(options.input and read(options.input) or SAMPLE, options.input or "sample",
   read_done(options))
if skipped > 0 then print(("%d of %d are done already"):format(skipped, skipped + #jobs)) end

local bar = progress.new(#jobs, "batch")
local _, failed = task.map(jobs, options.concurrency, function(job)
   local reply, err = llm.chat(job.model or options.model, job.request, { timeout = 120, retries = 3 })
   if reply then
      write(options, json.encode { id = job.id, model = reply.name, text = reply.text,
         cost = tonumber(("%.9f"):format(reply.cost)) })
   end
   bar:step(job.id)
   return reply and true, err -- the text need not stay in memory
end)
bar:finish()
for _, line in ipairs(shown) do print(line) end

local failures = 0
for i, job in ipairs(jobs) do
   if failed[i] then
      failures = failures + 1
      print(("failed: %s: %s"):format(job.id, tostring(failed[i])))
   end
end
local total = trace.total()
print(("-- %d answers, %d failures, %d tokens in, %d out, %.6f USD"):format(#jobs - failures, failures,
   total.input_tokens, total.output_tokens, total.cost_usd))
if failures > 0 then error(("%d of %d failed"):format(failures, #jobs), 0) end
