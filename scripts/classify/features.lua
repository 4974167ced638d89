-- features: what a request shows, in numbers, and how hard that makes it look.
-- SPDX-License-Identifier: MIT
--
-- The counting is C's (core/feature.h); what the counts mean is said here. The weights were set by hand,
-- while looking at how often models failed on public questions (those of RouteLLM's MMLU and GSM8K, MMLU-Pro,
-- ZeroEval, RouterArena, LLMRouter): they are defaults, not truths, and every one can be overridden.
local errors = require "errors"
local measure = require "measure"
local text = require "text"

local features = {}

local LOOK = 8000 -- bytes that complexity looks at: the first half and the last half, of a long prompt

local function clamp(x)
   return x < 0 and 0 or x > 1 and 1 or x
end

local function excerpt(s)
   if #s <= LOOK then return s end
   return s:sub(1, LOOK // 2) .. "\n" .. s:sub(-LOOK // 2)
end

local function list(value)
   return type(value) == "table" and value or {}
end

-- Features ------------------------------------------------------------------------------------------

local ATTACHMENTS = { -- types of parts, in the formats of the doors
   image_url = "images", input_image = "images", image = "images",
   input_audio = "audio", audio = "audio",
   file = "files", input_file = "files", document = "files",
}

local function count_parts(out, content)
   for _, part in ipairs(list(content)) do
      local kind = type(part) == "table" and ATTACHMENTS[part.type]
      if kind then
         out[kind] = out[kind] + 1
         out.attachments = out.attachments + 1
      end
   end
end

local function count_messages(out, messages)
   for _, message in ipairs(list(messages)) do
      if type(message) == "table" then
         out.messages = out.messages + 1
         if message.role == "user" then out.turns = out.turns + 1 end
         if message.role == "tool" then out.tool_results = out.tool_results + 1 end
         if message.role == "system" or message.role == "developer" then
            out.system_bytes = out.system_bytes + #text.content(message.content)
         end
         count_parts(out, message.content)
      end
   end
end

-- features.of(req) -> { [name] = number, code_languages = { "python", … } }: of what is asked (text.of), as
-- scripts/README.md lists them, and of the conversation around it: messages, turns (of the user),
-- system_bytes, tool_results, tools, attachments (images, audio, files). A text is a conversation of one
-- turn.
function features.of(req)
   local out = measure.features(text.of(req))
   out.messages, out.turns, out.system_bytes, out.tool_results, out.tools = 0, 0, 0, 0, 0
   out.attachments, out.images, out.audio, out.files = 0, 0, 0, 0
   if type(req) == "string" or not req or not req.messages then
      out.messages, out.turns = 1, 1
      return out
   end
   count_messages(out, req.messages)
   out.tools = #list(req.tools)
   return out
end

-- Language -------------------------------------------------------------------------------------------

-- The codes (ISO 639-1) that features.language knows.
features.languages = measure.languages()

-- features.language(req) -> code, confidence: the language of what is asked (text.of), code in ``` aside;
-- "und" where nothing tells. confidence goes from 0 to 1; a few words are often not enough for more than 0.5.
function features.language(req)
   return measure.language(text.of(req))
end

-- Tokens ---------------------------------------------------------------------------------------------

-- { [family] = { factor, verified } }: what features.tokens knows.
features.families = measure.families()

-- features.tokens(s, family?) -> integer, verified: about how many tokens a text has, or all texts of a
-- request (text.all), without what a format adds for each message.
--   family    "o200k" (GPT-4o and later, the default), "cl100k" (GPT-4), or one of features.families, which
--             is o200k's number times a factor; an unknown one raises
--   verified  was the family compared with its published tokenizer?
function features.tokens(s, family)
   if family ~= nil and type(family) ~= "string" then
      errors.raise(("the family of tokens must be a name, not a %s"):format(type(family)))
   end
   return measure.tokens(text.all(s), family)
end

-- Complexity ----------------------------------------------------------------------------------------

-- Each factor of the counts; over 1 counts as 1.
local FACTORS = {
   length = function(f) return math.log(1 + f.words / 10) / math.log(41) end, -- 1 at 400 words
   terms = function(f)
      local signs = math.min(f.symbols, 20) / 40 + math.min(f.formulas, 5) / 10 + math.min(f.numbers, 12) / 24
      local code = f.code_blocks > 0 and 0.5 or math.min(f.code_lines, 6) / 12
      return (f.technical + f.long_words * 0.2) / 6 + signs + code
   end,
   ambiguity = function(f) return f.vague / 4 end,
   steps = function(f)
      return f.sequence / 10 + (f.steps + f.bullets) / 10 + math.max(0, f.questions - 1) / 8
         + math.max(0, f.imperatives - 1) / 5
   end,
   logic = function(f) return f.logic / 6 end,
}
local NAMES = { "length", "terms", "ambiguity", "steps", "logic" } -- one order of adding, the same sum

-- How much of each factor raises the score, 0..1.
features.weights = { length = 0.25, terms = 0.6, ambiguity = 0.1, steps = 0.5, logic = 0.4 }

-- The scores from which a request is "medium" and "complex".
features.thresholds = { medium = 0.1, complex = 0.3 }

local OPTIONS = { weights = true, thresholds = true }

local function check_options(opts)
   if type(opts) ~= "table" then errors.raise "the options of complexity must be a table" end
   for name in pairs(opts) do
      if not OPTIONS[name] then errors.raise(("unknown option '%s' of complexity"):format(tostring(name))) end
   end
end

-- The defaults with the caller's numbers, which must not pass 'most'.
local function merged(defaults, own, what, most)
   if own == nil then return defaults end
   if type(own) ~= "table" then errors.raise(("the %s of complexity must be a table"):format(what)) end
   local out = {}
   for name, value in pairs(defaults) do out[name] = value end
   for name, value in pairs(own) do
      if not defaults[name] then
         local kind = what == "weights" and "factor" or "threshold"
         errors.raise(("unknown %s '%s' of complexity"):format(kind, tostring(name)))
      end
      if type(value) ~= "number" or not (value >= 0 and value <= most) then
         local range = most == 1 and "from 0 to 1" or "from 0 on"
         errors.raise(("%s of complexity: '%s' must be a number %s"):format(what, name, range))
      end
      out[name] = value
   end
   return out
end

-- features.complexity(req, opts?) -> score, factors, level
--   req      a string, or anything with .messages (the last user text counts)
--   score    0 (say hello) .. 1 (design a system and prove it): 1 - ∏(1 - weight × factor), so that one
--            strong factor is enough and several weak ones add up
--   factors  { length, terms, ambiguity, steps, logic }, each 0..1: words (1 at 400); technical and long
--            words, formulas, numbers, signs and code; vague words; several steps, orders or questions; words
--            of logic
--   level    "simple", "medium" or "complex"
--   opts     { weights = { steps = 0.7, … }, thresholds = { medium = 0.1, complex = 0.3 } } changes some; an
--            unknown name raises, and a weight that is not from 0 to 1, a threshold below 0 (one above 1 is
--            never reached), or one for "medium" above that for "complex"
function features.complexity(req, opts)
   opts = opts or {}
   check_options(opts)
   local weights = merged(features.weights, opts.weights, "weights", 1)
   local thresholds = merged(features.thresholds, opts.thresholds, "thresholds", math.huge)
   if thresholds.medium > thresholds.complex then
      errors.raise "thresholds of complexity: 'medium' must not be above 'complex'"
   end
   local counts = measure.features(excerpt(text.of(req)))
   local factors, rest = {}, 1
   for _, name in ipairs(NAMES) do
      factors[name] = clamp(FACTORS[name](counts))
      rest = rest * (1 - weights[name] * factors[name])
   end
   local score = 1 - rest
   if score >= thresholds.complex then return score, factors, "complex" end
   return score, factors, score >= thresholds.medium and "medium" or "simple"
end

return features
