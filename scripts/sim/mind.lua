-- mind: what a model of some skill says to a conversation.
-- SPDX-License-Identifier: MIT
--
-- A question with a known answer is answered right with the chance that the model's skill and the question's
-- difficulty give, else plausibly wrong; each model draws for itself, so that their errors are independent.
-- Wrong answers often sound unsure and right ones rarely do: a cheap check has something real, but imperfect,
-- to work with. Anything else is answered by tasks.lua (simple instructions) or in general words.
local dice = require "sim.dice"
local facts = require "sim.facts"
local json = require "json"
local models = require "sim.models"
local opinion = require "sim.opinion"
local questions = require "sim.questions"
local schema = require "sim.schema"
local tasks = require "sim.tasks"
local tokens = require "sim.tokens"

local mind = {}

local READ = 20000 -- bytes of a message that are understood; known prompts are looked for in all of it

local UNSURE = {
   "I'm not sure, but I think it might be this: %s",
   "I am not certain about this. Possibly: %s",
   "%s (I'm not sure about this, so please double-check.)",
   "I think it could be this, but I may be wrong: %s",
   "Hard to say. My best guess: %s",
}
local BLANK = { "I don't know.", "I'm not sure.", "Sorry, I cannot answer that with confidence." }

-- How a short answer may be framed; most come bare.
local FRAMES = { "%s", "%s", "%s", "%s", "%s", "The answer is %s" }

local function fill(template, text)
   local before, after = template:match("^(.-)%%s(.*)$")
   return before .. text .. after
end

local function framed(text, key)
   if #text > 24 or text:find("[\n.!?]") then return text end
   return fill(dice.pick(FRAMES, key, "frame"), text)
end

-- A known question: text, and whether it is right.
local function recall(c, q)
   local key = c.key
   local right = dice.unit(key, q.prompt, "right") < models.chance(c.model, q.kind, q.difficulty)
   local text = right and q.answer or dice.pick(q.wrong, key, q.prompt, "wrong")
   local doubt = dice.unit(key, q.prompt, "doubt")
   local limit = right and c.model.doubt.right or c.model.doubt.wrong
   if doubt >= limit then return framed(text, key .. q.prompt), right end
   if not right and doubt < limit * 0.15 then return dice.pick(BLANK, key, q.prompt), false end
   return fill(dice.pick(UNSURE, key, q.prompt, "unsure"), text), right
end

-- A judge sees through an answer to a question it knows the answer of, as far as its own skill goes.
local function merit(c, q)
   if not q then return nil end
   local right = c.user:find(q.answer, 1, true) ~= nil
   local sees = dice.unit(c.key, c.user, "judge") < models.chance(c.model, q.kind, q.difficulty)
   local noise = 0.12 * dice.unit(c.key, c.user, "noise")
   if not sees then right = not right end
   return right and 0.84 + noise or 0.22 + 2 * noise
end

local OPENERS = {
   "Here is what matters about %s.", "In short, about %s:", "A few words on %s.", "About %s:",
}
local POINTS = {
   "Start with the goal and the constraints.", "Compare two or three options before you decide.",
   "Check the figures against a second source.", "A small trial shows more than a long plan.",
   "Write down what you expect, then measure it.", "Keep the first step simple and reversible.",
   "Ask who is affected and what they need.", "Costs usually follow the number of calls made.",
}

local DULL = {}
for w in ([[about also call called could explain from function given gets into list name please returns should
   that their then there these this those tell tool used user using value what when where which will with
   would write your get the for and how does give]]):gmatch("%a+") do
   DULL[w] = true
end

-- The longest words of a message, as what it is probably about.
local function subject(text)
   local seen, list = {}, {}
   for word in text:sub(1, 600):gmatch("%a%a%a%a%a+") do
      if not seen[word:lower()] and not DULL[word:lower()] then
         seen[word:lower()] = true
         list[#list + 1] = { word = word, at = #list }
      end
   end
   table.sort(list, function(a, b)
      if #a.word ~= #b.word then return #a.word > #b.word end
      return a.at < b.at
   end)
   if #list == 0 then return "this" end
   return list[1].word .. (list[2] and " and " .. list[2].word or "")
end

local SIGNS = {
   ["plus"] = "+", ["+"] = "+", ["minus"] = "-", ["-"] = "-", ["times"] = "*", ["*"] = "*", ["x"] = "*",
}

-- "What is 17 plus 25?"
local function sum(text)
   local a, sign, b = text:lower():match("^[^%d]*(%d+)%s*([%a%+%-%*]+)%s*(%d+)%s*[=?.]*%s*$")
   sign = sign and SIGNS[sign]
   a, b = math.tointeger(a), math.tointeger(b)
   if not (sign and a and b) then return nil end
   return tostring(sign == "+" and a + b or sign == "-" and a - b or a * b)
end

local function general(c)
   local out = { fill(dice.pick(OPENERS, c.key, c.user, "open"), subject(c.user)) }
   local first = dice.between(1, #POINTS, c.key, c.user, "first")
   local count = dice.between(2, 4, c.key, c.user, "count")
   for i = 0, count - 1 do out[#out + 1] = POINTS[(first + i - 1) % #POINTS + 1] end
   local text = table.concat(out, " ")
   if dice.unit(c.key, c.user, "doubt") < c.model.doubt.wrong * 0.3 then
      text = fill(dice.pick(UNSURE, c.key, c.user, "unsure"), text)
   end
   return text
end

-- Both a known question and an instruction around it: a task of the question's own kind is that question;
-- a summary or a report of it holds its answer; anything else is the task alone.
local function joined(c, q, kind, obeyed)
   if kind == q.kind then return recall(c, q) end
   local text, right = recall(c, q)
   if kind == "report" then
      return "# Report\n\n## Result\n\n" .. text .. "\n\n" .. obeyed:gsub("^# Report%s*", ""), right
   end
   if kind == "summarisation" then return text .. " " .. obeyed, right end
   if kind == "facts" and q.kind == "extraction" then return obeyed .. "\n- Asked for: " .. text, right end
   return obeyed, nil
end

local function obey(c, q, around)
   local instruction = q and around or c.user
   local task = tasks.detect(instruction)
   if #task == 0 then
      instruction = c.system
      task = tasks.detect(instruction)
   end
   return tasks.obey(task, c.user:sub(1, READ), c.key, instruction, merit(c, q), c.model.skill)
end

-- The answer in words, and whether it is right (nil: nobody can say).
local function words(c)
   local q, around = questions.find(c.known, c.user)
   if q and around == "" and not c.system:find("%S") then return recall(c, q) end
   local thought = opinion.of(c, q)
   if thought then return thought, nil end
   local text, kind = obey(c, q, around)
   if q and text then return joined(c, q, kind, text) end
   if q then return recall(c, q) end
   return text or sum(c.user) or general(c), nil
end

local function mentions(text, tool)
   local about = (tool.name .. " " .. (tool.description or "")):gsub("(%l)(%u)", "%1 %2"):lower()
   for word in about:gmatch("%a%a%a+") do
      if not DULL[word] and text:find("%f[%a]" .. word) then return true end
   end
   return false
end

-- The tools to call now: all that the message mentions, or the one that is asked for.
local function tools_to_call(c)
   local choice, wanted = c.tool_choice, {}
   if #c.tools == 0 or choice == "none" then return wanted end
   if choice.name then
      for _, tool in ipairs(c.tools) do
         if tool.name == choice.name then return { tool } end
      end
   end
   if c.tool_result then return wanted end
   local text = c.user:sub(1, READ):lower()
   for _, tool in ipairs(c.tools) do
      if mentions(text, tool) then wanted[#wanted + 1] = tool end
   end
   if #wanted == 0 and choice == "required" then wanted[1] = c.tools[1] end
   if not c.parallel then wanted[2] = nil end
   for i = #wanted, 5, -1 do wanted[i] = nil end
   return wanted
end

local function call(c, tool, i)
   local text = c.user:sub(1, READ)
   local value = schema.make(tool.parameters or { type = "object" }, text, subject(text), c.key .. tool.name)
   return {
      id = "call_" .. dice.id(24, c.key, c.user, tool.name, i), name = tool.name,
      arguments = json.encode(value),
   }
end

local function quote(result, failed)
   local text = result:gsub("%s+", " ")
   if #text > 600 then text = text:sub(1, (utf8.offset(text, 0, 601) or 601) - 1) .. " …" end
   return (failed and "The tool failed: " or "The tool says: ") .. text
end

-- "I see 2 images (image/png, image/jpeg). ", so that a test can tell what arrived.
local function sights(c)
   local by_kind, order, out = {}, {}, {}
   for _, medium in ipairs(c.media or {}) do
      if not by_kind[medium.kind] then
         by_kind[medium.kind] = {}
         order[#order + 1] = medium.kind
      end
      table.insert(by_kind[medium.kind], medium.mime)
   end
   for i, kind in ipairs(order) do
      local n = #by_kind[kind]
      out[i] = ("%d %s%s (%s)"):format(n, kind, n > 1 and "s" or "", table.concat(by_kind[kind], ", "))
   end
   return #out > 0 and "I see " .. table.concat(out, " and ") .. ". " or ""
end

local function as_json(c, text)
   if c.schema then
      return json.encode(schema.make(c.schema, c.user:sub(1, READ), text, c.key .. c.user))
   end
   if text:find("^%s*{") then return text end
   local n = facts.first_number(text)
   return json.encode(n and { answer = text, number = n } or { answer = text })
end

-- What the model answers to 'c', the conversation:
--   model            an entry of models.list             known        of questions.load
--   key              what chance depends on: seed, model, the number of the choice
--   system, user     the texts of the instructions and of the last user message
--   tools            { { name, description, parameters } … }
--   tool_choice      "auto", "none", "required", { name = … }
--   parallel         several calls at once are fine      tool_result  the text of the results that came last
--   tool_failed      one of them is an error             media        what is in the last message, besides
--   text
--   json, schema     JSON is asked for; the JSON Schema it has to fit
-- Returns { text = …, calls = { { id, name, arguments } … }, sure = 0..1 }.
function mind.answer(c)
   local calls = {}
   for i, tool in ipairs(tools_to_call(c)) do calls[i] = call(c, tool, i) end
   if #calls > 0 then return { text = "", calls = calls, sure = 0.95 } end
   if c.tool_result and not c.json then
      return { text = sights(c) .. quote(c.tool_result, c.tool_failed), calls = {}, sure = 0.97 }
   end
   local text, right = words(c)
   if not c.json then text = sights(c) .. text end
   if c.json then text = as_json(c, c.tool_result or text) end
   local low = right == false and 0.40 or right and 0.72 or 0.6
   return { text = text, calls = {}, sure = low + 0.26 * dice.unit(c.key, c.user, "sure") }
end

local STEPS = {
   "The question is about %s.", "First I recall what I know of it.", "I compare that with what was asked.",
   "One point could go either way, so I check it again.", "Nothing speaks against it.",
   "That settles the answer.",
}
local EFFORT = { minimal = 1, low = 2, medium = 3, high = 5, xhigh = 6, max = 6 }

-- What the model thinks before it answers 'c': more of it with more effort, never more tokens than
-- c.think.budget.
function mind.thoughts(c)
   local count, out = EFFORT[c.think.effort] or 3, {}
   for i = 1, count do out[i] = i == 1 and fill(STEPS[1], subject(c.user)) or STEPS[i] end
   return (tokens.head(table.concat(out, " "), c.think.budget or math.huge))
end

return mind
