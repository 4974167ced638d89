-- code_review: a model reviews code with tools: it says what it wants to see, the script shows it.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/code_review.lua
--    baton run --allow-read . examples/code_review.lua src/cart.lua
--
-- The loop of every agent: send the messages and the tools; as long as the model answers with calls of
-- tools, run them, append their results, ask again. What bounds it: a number of turns, after which the model
-- must answer without tools; the size of a result; and the tools themselves, which read one file and nothing
-- else. A call that makes no sense gets an error as its result: the model can do better in its next turn.
local json = require "json"
local llm = require "llm"
local schema = require "schema"
local text = require "text"
local trace = require "trace"

local TURNS = 8
local RESULT = 8000 -- bytes of one tool's result

local SAMPLE = [[
local function total(items)
   local sum = 0
   for i = 0, #items do sum = sum + items[i].price end
   return sum
end

local function discount(sum, percent)
   return sum - sum * percent
end

return { total = total, discount = discount }
]]

local function read_source()
   if not arg[1] then return SAMPLE, "cart.lua" end
   local source, err = require("fs").read(arg[1])
   return source or error("cannot read " .. arg[1] .. ": " .. err.message, 0), arg[1]
end

local source, name = read_source()

local lines = {}
for line in (source:gsub("\n?$", "\n")):gmatch("(.-)\n") do lines[#lines + 1] = line end

-- What each tool does: function(arguments) -> text. Its parameters are a JSON Schema, which is checked.
local tools = {
   list_functions = {
      about = "List the functions of the file, each with its line.",
      parameters = { type = "object", properties = {}, additionalProperties = false },
      run = function()
         local found = {}
         for n, line in ipairs(lines) do
            local called = line:match("function%s+([%w_.:]+)") or line:match("def%s+([%w_]+)")
               or line:match("^[%w_*%s]-([%w_]+)%s*%b()%s*{?%s*$")
            if called then found[#found + 1] = ("%d: %s"):format(n, called) end
         end
         return #found > 0 and table.concat(found, "\n") or "no functions were found; read the lines"
      end,
   },
   read_lines = {
      about = "Read lines of the file under review, with their numbers.",
      parameters = { type = "object", required = { "first", "last" }, additionalProperties = false,
         properties = {
            first = { type = "integer", minimum = 1 }, last = { type = "integer", minimum = 1 },
         } },
      run = function(wanted)
         local shown = {}
         for n = wanted.first, math.min(wanted.last, #lines, wanted.first + 400) do
            shown[#shown + 1] = ("%d: %s"):format(n, lines[n])
         end
         return #shown > 0 and table.concat(shown, "\n") or ("the file has %d lines"):format(#lines)
      end,
   },
}

local offered = {}
for called, tool in pairs(tools) do
   tool.validator = assert(schema.compile(tool.parameters))
   offered[#offered + 1] = { type = "function", ["function"] = { name = called, description = tool.about,
      parameters = tool.parameters } }
end

-- The result of one call, for the model to read.
local function call_tool(call)
   local tool = tools[call["function"].name]
   if not tool then return "error: there is no tool of this name" end
   local arguments = call["function"].arguments
   local fits, why = tool.validator:check_json(arguments)
   if not fits then return "error: " .. why.message end
   return text.clip(tool.run(json.decode(arguments)), RESULT)
end

local messages = {
   { role = "system", content = "You review code. Look at the functions and read the lines you need with the "
      .. "tools, then name each bug with its line and a correction. Say so when there is none." },
   { role = "user",
      content = ("Please review %s (%d lines): list its functions, read the lines."):format(name, #lines) },
}

for turn = 1, TURNS do
   local reply, err = llm.chat({ tier = "standard", needs = { "tools" } }, { messages = messages },
      { tools = offered, tool_choice = turn == TURNS and "none" or "auto", timeout = 120, retries = 1 })
   if not reply then error(err, 0) end
   if not reply.tool_calls then
      print("\n" .. reply.text)
      break
   end
   messages[#messages + 1] = reply.message -- as it came: providers want to see their own words again
   for _, call in ipairs(reply.tool_calls) do
      local result = call_tool(call)
      print(("turn %d: %s %s -> %d bytes"):format(turn, call["function"].name, call["function"].arguments,
         #result))
      messages[#messages + 1] = { role = "tool", tool_call_id = call.id, content = result }
   end
end
print(("-- %d calls of the model, %.6f USD"):format(trace.total().attempts, trace.total().cost_usd))
