-- script: answers that a test has written: a JSONL file of turns, for clients that need a certain course of
-- events. SPDX-License-Identifier: MIT
--
-- A line is an object; it answers a request when all that it says fits, the first line of the file that does:
--   user      a text inside one of the user's messages (the newest that has it counts)
--   turn      how many answers of the assistant stand behind that message (0: none yet)
--   result    a text inside the results of tools that came last
--   system    a text inside the instructions
--   model     the model's name
-- and says what is answered:
--   text, reasoning   words (reasoning only where thinking was asked for)
--   calls             { { name, arguments (an object), id? } … }; only requests that offer these tools are
--   answered so
-- Requests that no line fits are answered as always.
local dice = require "sim.dice"
local json = require "json"

local script = {}

local FIELDS = {
   user = "string", turn = "number", result = "string", system = "string", model = "string", text = "string",
   reasoning = "string", calls = "table",
}

local function check(line, where)
   local function need(ok, what) if not ok then error(where .. ": " .. what, 0) end end
   need(type(line) == "table" and not json.is_array(line), "a line must be a JSON object")
   for name, value in pairs(line) do
      need(FIELDS[name], ("unknown member \"%s\""):format(tostring(name)))
      need(type(value) == FIELDS[name], ("\"%s\" must be a %s"):format(name, FIELDS[name] == "table"
         and "list" or FIELDS[name]))
   end
   need(line.text or line.calls, "\"text\" or \"calls\" must say what is answered")
   for _, call in ipairs(line.calls or {}) do
      need(type(call) == "table" and type(call.name) == "string", "a call needs a \"name\"")
      need(type(call.arguments) == "table" or type(call.arguments) == "string",
         "a call needs \"arguments\", an object")
   end
end

-- Raises "FILE:LINE: what is wrong".
function script.load(path)
   local file, why = io.open(path, "r")
   if not file then error("cannot read the script: " .. why, 0) end
   local list, line_number = {}, 0
   for text in file:lines() do
      line_number = line_number + 1
      if text:find("%S") then
         local where = path .. ":" .. line_number
         local line, bad = json.decode(text)
         if line == nil then error(where .. ": " .. (bad.message or tostring(bad)), 0) end
         check(line, where)
         list[#list + 1] = line
      end
   end
   file:close()
   return list
end

-- How many answers stand behind the newest message that has the text; nil where none has.
local function answers_since(ask, text)
   for _, message in ipairs(ask.users) do -- the newest first
      if not text or message.text:find(text, 1, true) then return message.behind end
   end
end

local function offers(ask, calls)
   for _, call in ipairs(calls or {}) do
      local found = false
      for _, tool in ipairs(ask.tools) do found = found or tool.name == call.name end
      if not found then return false end
   end
   return true
end

local function fits(line, ask)
   local behind = answers_since(ask, line.user)
   if line.user and not behind or line.turn and line.turn ~= behind then return false end
   if line.result and not (ask.tool_result and ask.tool_result:find(line.result, 1,
      true)) then return false end
   if line.system and not ask.system:find(line.system, 1, true) then return false end
   return (not line.model or line.model == ask.model.id) and offers(ask, line.calls)
end

-- The answer of the first line that fits, as mind.answer gives it, or nil.
function script.answer(list, ask)
   for number, line in ipairs(list) do
      if fits(line, ask) then
         local calls = {}
         for i, call in ipairs(line.calls or {}) do
            calls[i] = {
               id = call.id or "call_" .. dice.id(24, ask.key, ask.bytes, number, i), name = call.name,
               arguments = type(call.arguments) == "string" and call.arguments or json.encode(call.arguments),
            }
         end
         return { text = line.text or "", calls = calls, sure = 0.99, reasoning = line.reasoning }
      end
   end
end

return script
