-- judge.checks: cheap checks that tell a poor answer without asking another model.
-- SPDX-License-Identifier: MIT
--
-- They find answers that are broken, not answers that are wrong: a fluent mistake has no fault.
local certainty = require "certainty"
local consensus_keys = require "consensus.keys"
local json = require "json"
local language = require "judge.language"
local schema = require "schema"
local text = require "text"
local words = require "words"

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
   "i won't help", "i will not help", "dabei kann ich nicht helfen", "dabei kann ich ihnen nicht helfen",
   "dabei kann ich dir nicht helfen", "das kann ich leider nicht", "je ne peux pas vous aider",
   "je ne peux pas t'aider", "je ne peux pas répondre", "no puedo ayudarte", "no puedo ayudarle",
   "no puedo ayudar con", "non posso aiutarti", "non posso aiutarla",
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
   "only json", "answer with json", "reply with json", "respond with json" }

-- ---- one pass over a text: which of these phrases does it hold? Most hold none. ----

-- A bit for each group, in the order of the lists.
local JSON <const>, YES_OR_NO <const>, WORD <const>, SENTENCE <const>, COUNT <const> = 1, 2, 4, 8, 16
local ASKS_THE <const> = 32
local asked = words.phrases {
   JSON_WORDS, { "yes or no" }, { "one word", "single word" }, { "one sentence", "single sentence" },
   { "how many", "how much", "calculate" }, { "the" },
}

local REFUSES <const>, IGNORES <const>, HEDGES_IT <const>, SAYS_YES_OR_NO <const> = 1, 2, 4, 8
local SURENESS <const>, SAYS_THE <const> = 16, 32
local said = words.phrases {
   REFUSALS, IGNORANCE, HEDGES, { "yes", "no" }, { "conf*", "sure*", "certain*" }, { "the" },
}

-- With a blank at both ends, as they stand in a text that went through text.spaced.
local SPACED_REFUSALS, SPACED_HEDGES = {}, {}
for i, phrase in ipairs(REFUSALS) do SPACED_REFUSALS[i] = " " .. phrase .. " " end
for i, phrase in ipairs(HEDGES) do SPACED_HEDGES[i] = " " .. phrase .. " " end

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
   return count(text.spaced(plain(s:sub(1, 240)):sub(1, 160)), SPACED_REFUSALS) > 0
end

-- Runs of five words that come again, by all of them; or one line over and over.
local function is_repetitive(s, count_of_words)
   return count_of_words >= 40 and words.again(s:sub(1, 20000)) > 0.5
end

local function format_of(req)
   return type(req) ~= "string" and req.response_format or nil
end

local function asks_json(format, asks)
   if format and (format.type == "json_object" or format.type == "json_schema") then return "strict" end
   return asks & JSON ~= 0 and "somewhere" or nil
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

-- Does the answer's form miss the question's: a yes or no, one of the options, a number, one word?
local function is_off_form(question, asks, s, says)
   if asks & YES_OR_NO ~= 0 then return says & SAYS_YES_OR_NO == 0 end
   if has_options(question) then return not (consensus_keys.choice(s) or s:find("%f[%w][A-J]%f[%W]")) end
   if asks & WORD ~= 0 then return #text.words(s) > 3 end
   if asks & SENTENCE ~= 0 then return text.sentences(s) > 2 end
   if asks & COUNT == 0 then return false end
   local spaced = text.spaced(question)
   if spaced:find("^ how many ") or spaced:find("^ how much ") or spaced:find("^ calculate ") then
      return not has_number(s)
   end
   return false
end

-- opened, opens: the first words of both, as numbers, which differ in most answers.
local function is_echo(question, opened, s, opens)
   if opened ~= opens then return false end
   local a = text.normalise(plain(s))
   return #a > 20 and a == text.normalise(plain(question))
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
local function schema_of(format, wanted)
   if wanted ~= nil then return wanted end
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

-- "ignorance", "hedging", or nothing.
local function doubt(s, says, length)
   if says & (IGNORES | HEDGES_IT) == 0 then return nil end
   if says & IGNORES ~= 0 then return "ignorance" end
   local hedges = count(text.spaced(plain(s)), SPACED_HEDGES)
   return (hedges > 1 or hedges == 1 and length < 40) and "hedging" or nil
end

-- All faults of an answer that is a text; returns whether it may say how sure it is of itself.
local function text_faults(req, s, wanted, add)
   local question, format = text.of(req), format_of(req)
   local asks, _, opened = asked:look(question)
   local says, length, opens = said:look(s)
   wanted = schema_of(format, wanted)
   local how = asks_json(format, asks) or wanted ~= nil and "somewhere" or nil
   if says & REFUSES ~= 0 and is_refusal(s) then
      add "refusal"
   elseif how then
      form_of_json(how, s, wanted, add)
   else
      if is_off_form(question, asks, s, says) then add "off_form" end
      add(doubt(s, says, length))
      if is_echo(question, opened, s, opens) then add "echo" end
      local both_english = asks & ASKS_THE ~= 0 and says & SAYS_THE ~= 0
      if not both_english and language.misses(question, s) then add "language" end
   end
   if is_repetitive(s, length) then add "repetition" end
   return says & SURENESS ~= 0 or s:find("[\128-\255]", -2000) ~= nil -- "—confidence: 60%" is one word
end

-- checks.faults(req, reply, opts, add): calls add(reason) for each fault, in the order in which they are
-- listed at judge.quality. opts: schema, confidence.
function checks.faults(req, reply, opts, add)
   if not reply then return add "no_reply" end
   local calls = reply.tool_calls
   local s = reply.text
   if type(s) ~= "string" then s = "" end
   add(finish_fault(reply))
   if type(calls) == "table" and #calls > 0 then
      add(tool_calls_fault(calls))
   elseif not s:find("%S") then
      add "empty"
   else
      local sure = certainty.of(reply, not text_faults(req, s, opts.schema, add))
      if sure and sure < (opts.confidence or CONFIDENCE) then add "low_confidence" end
   end
end

return checks
