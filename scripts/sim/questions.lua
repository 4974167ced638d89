-- questions: prompts with known answers, read from a JSONL file, found again inside a message.
-- SPDX-License-Identifier: MIT
local json = require "json"

local questions = {}

local function check(q, where)
   local function need(ok, what) if not ok then error(where .. ": " .. what, 0) end end
   need(type(q) == "table", "a line must be a JSON object")
   need(type(q.prompt) == "string" and #q.prompt > 0, "\"prompt\" must be a text")
   need(type(q.answer) == "string", "\"answer\" must be a text")
   need(type(q.wrong) == "table" and #q.wrong > 0, "\"wrong\" must be a list of wrong answers")
   need(q.difficulty == nil or type(q.difficulty) == "number", "\"difficulty\" must be a number")
end

-- Raises "FILE:LINE: what is wrong".
function questions.load(path)
   local file, why = io.open(path, "r")
   if not file then error("cannot read the answers: " .. why, 0) end
   local list, by_prompt, line_number = {}, {}, 0
   for line in file:lines() do
      line_number = line_number + 1
      if line:find("%S") then
         local where = path .. ":" .. line_number
         local q, bad = json.decode(line)
         if q == nil then error(where .. ": " .. (bad.message or tostring(bad)), 0) end
         check(q, where)
         list[#list + 1] = {
            kind = q.kind or "qa", difficulty = q.difficulty or 0.5, prompt = q.prompt, answer = q.answer,
            wrong = q.wrong,
         }
         by_prompt[q.prompt] = list[#list]
      end
   end
   file:close()
   return { list = list, by_prompt = by_prompt }
end

-- The question that 'text' asks, and what stands around it ("" where nothing does). The longest one where
-- several are in it.
function questions.find(known, text)
   local exact = known.by_prompt[text]
   if exact then return exact, "" end
   local best, first, last
   for _, q in ipairs(known.list) do
      if #q.prompt <= #text and (not best or #q.prompt > #best.prompt) then
         local from, to = text:find(q.prompt, 1, true)
         if from then best, first, last = q, from, to end
      end
   end
   if not best then return nil end
   local around = text:sub(1, first - 1) .. "\n\n" .. text:sub(last + 1)
   return best, around:find("%S") and around or ""
end

return questions
