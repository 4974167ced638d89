-- judge.checks: cheap checks that tell a poor answer without asking another model.
-- SPDX-License-Identifier: MIT
--
-- They find answers that are broken, not answers that are wrong: a fluent mistake has no fault.
local certainty = require "certainty"
local consensus_keys = require "consensus.keys"
local json = require "json"
local language = require "judge.language"
local scan = require "scan"
local schema = require "schema"
local text = require "text"

local checks = {}

local CONFIDENCE <const> = 0.6 -- below this an answer is unsure of itself

-- What is left of the score when a check fails; several multiply.
checks.factors = {
   no_reply = 0, empty = 0, filtered = 0, malformed_tool_call = 0.1, refusal = 0.1, cut = 0.3,
   unfinished = 0.3,
   malformed_json = 0.1, wrapped_json = 0.8, repetition = 0.2, off_form = 0.6, ignorance = 0.5,
   hedging = 0.75,
   echo = 0.2, language = 0.4, schema = 0.2, low_confidence = 0.5,
}

local REFUSALS = {
   "i'm sorry but", "i am sorry but", "i cannot", "i can't", "i can not", "i'm unable to", "i am unable to",
   "i won't be able to", "i'm not able to", "i am not able to", "as an ai", "as a language model",
   "i must decline",
   "i apologize but", "i apologise but", "unfortunately i cannot", "unfortunately i can't",
}
local IGNORANCE = {
   "i don't know", "i do not know", "i have no information", "i'm not sure", "i am not sure",
   "cannot determine",
   "can't determine", "not enough information", "i don't have enough information", "i'm not certain",
   "i have no idea",
}
local HEDGES = {
   "i think", "i believe", "i guess", "it might be", "it may be", "might be", "it could be", "possibly",
   "perhaps",
   "probably", "it seems", "as far as i know", "not entirely sure", "hard to say", "if i recall correctly",
   "i could be wrong",
}

local JSON_WORDS = { "as json", "in json", "valid json", "json object", "json array", "json only",
   "only json" }

-- One pass over an answer tells whether it holds any of the phrases of these lists; most hold none.
local function any_of(...)
   local all = {}
   for _, phrases in ipairs { ... } do table.move(phrases, 1, #phrases, #all + 1, all) end
   local matcher = scan.keywords(all, false)
   return function(spaced) return #matcher:find(spaced) > 0 end
end

local says_any = any_of(REFUSALS, IGNORANCE, HEDGES)

-- With a blank at both ends, as they stand in a text that went through text.spaced.
for _, phrases in ipairs { REFUSALS, IGNORANCE, HEDGES } do
   for i, phrase in ipairs(phrases) do phrases[i] = " " .. phrase .. " " end
end

local function count(spaced, phrases)
   local n = 0
   for _, phrase in ipairs(phrases) do
      if spaced:find(phrase, 1, true) then n = n + 1 end
   end
   return n
end

-- Curly apostrophes are apostrophes.
local function plain(s)
   if not s:find("\226\128\153", 1, true) then return s end
   return (s:gsub("\226\128\153", "'"))
end

-- The checks: each gives true for a fault ------------------------------------------------------------

local function is_refusal(s)
   return count(text.spaced(s:sub(1, 160)), REFUSALS) > 0
end

-- Runs of five words that come again, by all of them; or one line over and over.
local function is_repetitive(s, count_of_words)
   if count_of_words < 40 then return false end
   local words = text.words(s:sub(1, 20000))
   if #words < 40 then return false end
   local seen, again = {}, 0
   for i = 1, #words - 4 do
      local run = table.concat(words, " ", i, i + 4)
      if seen[run] then again = again + 1 end
      seen[run] = true
   end
   return again / (#words - 4) > 0.5
end

local function asks_json(req, asks)
   local format = type(req) ~= "string" and req.response_format or nil
   if format and (format.type == "json_object" or format.type == "json_schema") then return "strict" end
   if not asks:find("json", 1, true) then return nil end
   for _, phrase in ipairs(JSON_WORDS) do
      if text.has(asks, phrase) then return "somewhere" end
   end
   return nil
end

-- "malformed_json", "wrapped_json" (prose or a fence around it where nothing but JSON was asked), or nil.
local function json_fault(how, s)
   if how == "strict" and json.decode(s) ~= nil then return nil end
   if schema.extract(s) == nil then return "malformed_json" end
   return how == "strict" and "wrapped_json" or nil
end

local NUMERALS = {}
for word in ([[zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen
   seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million
   none
   half no]]):gmatch("%S+") do NUMERALS[word] = true end

local function has_number(s)
   if s:find("%d") then return true end
   for _, word in ipairs(text.words(s)) do
      if NUMERALS[word] then return true end
   end
   return false
end

local function has_options(question)
   return question:find("\n", 1, true) ~= nil and question:find("\n[ \t]*%(?A[%.%):]") ~= nil
      and question:find("\n[ \t]*%(?B[%.%):]") ~= nil
end

local function asks_for_one(asks, what)
   return asks:find(" " .. what .. " ", 1, true) and (text.has(asks, "one " .. what)
      or text.has(asks, "single " .. what))
end

-- Does the answer's form miss the question's: a yes or no, one of the options, a number, one word?
local function is_off_form(question, asks, s, says)
   if text.has(asks, "yes or no") then return not (text.has(says, "yes") or text.has(says, "no")) end
   if has_options(question) then return not (consensus_keys.choice(s) or s:find("%f[%w][A-J]%f[%W]")) end
   if asks_for_one(asks, "word") then return #text.words(s) > 3 end
   if asks_for_one(asks, "sentence") then return text.sentences(s) > 2 end
   if asks:find("^ how many ") or asks:find("^ how much ") or asks:find("^ calculate ") then
      return not has_number(s)
   end
   return false
end

local ARTICLES = { a = true, an = true, the = true }

-- The first word of a text that went through text.spaced which text.normalise keeps.
local function opening(spaced)
   for word in spaced:gmatch("[^ ']+") do
      if not ARTICLES[word] then return word end
   end
end

local function is_echo(question, asks, s, says)
   if opening(asks) ~= opening(says) then return false end -- most answers
   local a = text.normalise(s)
   return #a > 20 and a == text.normalise(question)
end

local function tool_calls_fault(calls)
   for _, call in ipairs(calls) do
      local f = call["function"]
      local arguments = f and f.arguments
      if not f or type(f.name) ~= "string" or f.name == "" then return "malformed_tool_call" end
      if type(arguments) == "string" and arguments:find("%S") and json.decode(arguments) == nil then
         return "malformed_tool_call"
      end
   end
   return nil
end

local function finish_fault(reply)
   if reply.finish_reason == "length" then return "cut" end
   if reply.finish_reason == "content_filter" then return "filtered" end
   if reply.finish_reason == nil then return "unfinished" end
   return nil
end

-- The schema that an answer must fit: the caller's, or that of the request's response_format.
local function schema_of(req, wanted)
   if wanted ~= nil then return wanted end
   local format = type(req) ~= "string" and req.response_format or nil
   if not format or format.type ~= "json_schema" then return nil end
   return type(format.json_schema) == "table" and format.json_schema.schema or nil
end

-- A validator, a schema, or its text. What is no schema finds no fault.
local function misses_schema(wanted, s)
   local fits = type(wanted) == "userdata" and wanted or schema.compile(wanted)
   return fits ~= nil and schema.extract(s, fits) == nil
end

local function form_of_json(how, s, wanted, add)
   local fault = json_fault(how, s)
   add(fault)
   if wanted ~= nil and fault ~= "malformed_json" and misses_schema(wanted, s) then add "schema" end
end

-- All faults of an answer that is a text.
local function text_faults(req, s, wanted, add)
   local question, says = plain(text.of(req)), plain(s)
   wanted = schema_of(req, wanted)
   local asks, spaced, words = text.spaced(question), text.spaced(says)
   local hints = says_any(spaced)
   local how = asks_json(req, asks) or wanted ~= nil and "somewhere" or nil
   if hints and is_refusal(says) then
      add "refusal"
   elseif how then
      form_of_json(how, s, wanted, add)
   else
      if is_off_form(question, asks, says, spaced) then add "off_form" end
      local hedges = hints and count(spaced, HEDGES) or 0
      if hints and count(spaced, IGNORANCE) > 0 then
         add "ignorance"
      elseif hedges > 1 or hedges == 1 and words < 40 then
         add "hedging"
      end
      if is_echo(question, asks, says, spaced) then add "echo" end
      if language.misses(question, says, asks, spaced) then add "language" end
   end
   if is_repetitive(says, words) then add "repetition" end
end

-- checks.faults(req, reply, opts, add): calls add(reason) for each fault, in the order in which they are
-- listed at judge.quality. opts: schema, confidence.
function checks.faults(req, reply, opts, add)
   if not reply then return add "no_reply" end
   local calls = reply.tool_calls
   local s = type(reply.text) == "string" and reply.text or ""
   add(finish_fault(reply))
   if type(calls) == "table" and #calls > 0 then
      add(tool_calls_fault(calls))
   elseif not s:find("%S") then
      add "empty"
   else
      text_faults(req, s, opts.schema, add)
      local sure = certainty.of(reply)
      if sure and sure < (opts.confidence or CONFIDENCE) then add "low_confidence" end
   end
end

return checks
