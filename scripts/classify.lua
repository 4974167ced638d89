-- classify: how hard a request is, and what kind of work it asks for, from its words alone.
-- SPDX-License-Identifier: MIT
--
-- Heuristics that cost no model call: some microseconds a request, no state. The weights were set by hand;
-- they are defaults, not truths, and every one can be overridden.
-- Patterns here are linear on any text: two repetitions never compete for the same bytes.
local ask = require "classify.ask"
local embedding = require "classify.embedding"
local errors = require "errors"
local features = require "classify.features"
local linear = require "linear"
local neighbours = require "classify.neighbours"
local scan = require "scan"
local text = require "text"

local classify = {}

local LOOK = 8000 -- bytes that are looked at: the first half and the last half of them, of a long prompt

local function set(words)
   local out = {}
   for word in words:gmatch("%S+") do out[word] = true end
   return out
end

local function excerpt(s)
   if #s <= LOOK then return s end
   return s:sub(1, LOOK // 2) .. "\n" .. s:sub(-LOOK // 2)
end

-- What a request shows, and how hard it looks: classify/features.lua says how.
classify.features = features.of
classify.complexity = features.complexity
classify.complexity_weights = features.weights
classify.complexity_thresholds = features.thresholds
classify.language = features.language
classify.languages = features.languages
classify.tokens = features.tokens
classify.token_families = features.families

-- Kinds of work --------------------------------------------------------------------------------------

classify.kinds = {
   "summarisation", "code", "translation", "analysis", "extraction", "creative", "chat", "qa", "mathematics",
   "reasoning",
}

-- Weighted words and phrases of each kind.
local KEYWORDS = {
   summarisation = {
      summarise = 4, summarize = 4, summary = 4, summaries = 3, tldr = 4, ["tl dr"] = 4, condense = 3,
      shorten = 2,
      abstract = 1.5,
      ["key points"] = 2.5, ["main points"] = 2.5, ["in a nutshell"] = 3, ["in brief"] = 2,
      ["boil down"] = 3, recap = 3,
      headline = 2,
   },
   code = {
      code = 2.5, python = 3, javascript = 3, typescript = 3, java = 2.5, rust = 1.5, golang = 3, sql = 3,
      html = 2,
      css = 2, bash = 2.5, regex = 3, ["function"] = 1.5, functions = 1, program = 1.5, script = 2,
      debug = 3, bug = 2,
      compile = 2, refactor = 3, implement = 2, api = 1.5, ["class"] = 0.5, algorithm = 1.5,
      ["unit test"] = 3,
      ["unit tests"] = 3, ["write a function"] = 3, ["write a program"] = 3, ["stack trace"] = 3,
      exception = 1.5,
      lua = 3, dockerfile = 3, git = 2, ["query"] = 1, snippet = 2, ["list comprehension"] = 3,
   },
   translation = {
      translate = 5, translation = 4, translated = 3, translating = 3, ["into english"] = 2.5,
      ["into french"] = 3,
      ["into german"] = 3, ["into spanish"] = 3, ["in french"] = 2, ["in german"] = 2, ["in spanish"] = 2,
      ["to french"] = 2,
      ["to german"] = 2, ["to spanish"] = 2, ["to english"] = 2, ["to italian"] = 2, ["to japanese"] = 2,
      ["into japanese"] = 3,
      ["into italian"] = 3, ["how do you say"] = 4,
   },
   analysis = {
      analyse = 3.5, analyze = 3.5, analysis = 3, evaluate = 2.5, assess = 2.5, compare = 2.5, contrast = 2,
      critique = 3,
      ["pros and cons"] = 3, advantages = 1.5, disadvantages = 1.5, strengths = 1.5, weaknesses = 1.5,
      sentiment = 3,
      implications = 2, impact = 1.5, review = 1.5, trends = 2, ["trade offs"] = 3, ["root cause"] = 3,
      examine = 2,
      interpret = 2, classify = 2, feedback = 1,
   },
   extraction = {
      extract = 4.5, extraction = 4, ["pull out"] = 3, parse = 2, ["list all"] = 2, ["find all"] = 2.5,
      entities = 3,
      fields = 1.5, ["as json"] = 2.5, ["json object"] = 2, ["in json"] = 2, identify = 1.5, names = 1,
      dates = 1.5,
      ["email addresses"] = 2, ["phone numbers"] = 2, invoice = 1.5, ["from the text"] = 2,
      ["following text"] = 0.5,
   },
   creative = {
      poem = 4, haiku = 4, story = 3, limerick = 4, lyrics = 3.5, song = 2, novel = 2, fiction = 3,
      imagine = 2, invent = 2,
      slogan = 3, tagline = 3, joke = 3, creative = 2, brainstorm = 3, dialogue = 2, screenplay = 3.5,
      character = 1,
      ["write a story"] = 3, ["once upon a time"] = 3, rhyme = 3, sonnet = 4, ["blog post"] = 2, advert = 2,
      ["short story"] = 3, ["sentence using"] = 2, ["make up"] = 1.5,
   },
   chat = {
      hello = 4, hi = 4, hey = 4, thanks = 4, thank = 3, bye = 4, goodbye = 4, ["how are you"] = 5,
      ["good morning"] = 4,
      ["good evening"] = 4, ["nice to meet"] = 4, ["tell me about yourself"] = 4, ["who are you"] = 4,
      lol = 3,
      ["what's up"] = 4, ["how is it going"] = 4, ["i feel"] = 2, ["i am bored"] = 3,
   },
   qa = {
      ["what is"] = 1.5, ["what are"] = 1.2, ["who is"] = 2, ["who was"] = 2, ["who wrote"] = 2.5,
      ["when did"] = 2,
      ["when was"] = 2, ["where is"] = 2, ["which"] = 1, who = 1, when = 0.5, where = 0.8, capital = 1.5,
      ["in which"] = 1,
      ["what year"] = 2, ["define"] = 1.5, ["what does"] = 1.5, ["is it true"] = 1.5, ["how do i"] = 1,
      ["how does"] = 1,
      ["which of the following"] = 2, ["answer the question"] = 1.5, ["multiple choice"] = 1.5,
   },
   mathematics = {
      calculate = 3, compute = 2.5, equation = 3, solve = 2, integral = 3.5, derivative = 3.5, sum = 1.5,
      product = 0.5,
      percent = 1.5, percentage = 1.5, probability = 2.5, triangle = 2, integer = 1.5, integers = 2,
      polynomial = 3,
      theorem = 2.5, algebra = 3, geometry = 3, multiply = 2.5, divided = 2, average = 1.2,
      ["how many"] = 1.6,
      ["how much"] = 1.2, ["square root"] = 3, remainder = 2.5, ["what is the value"] = 2.5, fraction = 2,
      total = 1,
      twice = 1, ["per hour"] = 1, ["each"] = 0.4, cost = 0.6, costs = 0.8, ["find the"] = 1, math = 2.5,
      mathematics = 2.5,
      mathematical = 2.5, arithmetic = 3, prime = 2, perimeter = 3, ["times as many"] = 2.5, half = 0.8,
   },
   reasoning = {
      clue = 3, puzzle = 3.5, riddle = 4, logic = 3, deduce = 3, infer = 2, premise = 3, hypothesis = 2,
      conclusion = 2, entailment = 3,
      contradiction = 2.5, ["step by step"] = 1.5, ["if and only if"] = 2, therefore = 2,
      ["must be true"] = 3.5,
      ["which house"] = 3, clues = 3.5, ["in a row"] = 2, ["next to"] = 1.5, ["lives in"] = 1, suppose = 2,
      paradox = 3, reason = 1, reasoning = 2.5,
      ["who is lying"] = 4,
      knights = 2, knaves = 3, ["truth teller"] = 3, ["taller than"] = 2.5, ["older than"] = 2.5,
      ["to the left of"] = 2.5,
      ["logical fallacy"] = 3, ["why would"] = 1.5, plan = 0.8, strategy = 0.8, prove = 1.5,
   },
}

local QUESTION = set "who what when where which why how is are was were do does did can could will would"
local EARLY = 12 -- words at the start that count twice: that is where the order stands

-- Keywords by word, and the phrases, in an order that does not depend on the tables.
local function index(keywords)
   local by_word, phrases = {}, {}
   for _, kind in ipairs(classify.kinds) do
      local names = {}
      for name in pairs(keywords[kind] or {}) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do
         local entry = { name = name, kind = kind, weight = keywords[kind][name] }
         if name:find(" ", 1, true) then
            phrases[#phrases + 1] = entry
         else
            by_word[name] = by_word[name] or {}
            table.insert(by_word[name], entry)
         end
      end
   end
   return { by_word = by_word, phrases = phrases }
end

local DEFAULT = index(KEYWORDS)

-- Each word and phrase counts once, twice when it stands at the start.
local function keyword_scores(words, keywords)
   local scores, seen = {}, {}
   for _, kind in ipairs(classify.kinds) do scores[kind] = 0 end
   for i, word in ipairs(words) do
      if not seen[word] then
         seen[word] = true
         for _, entry in ipairs(keywords.by_word[word] or {}) do
            scores[entry.kind] = scores[entry.kind] + entry.weight * (i <= EARLY and 2 or 1)
         end
      end
   end
   local spaced = " " .. table.concat(words, " ") .. " "
   local start = " " .. table.concat(words, " ", 1, math.min(#words, EARLY)) .. " "
   for _, entry in ipairs(keywords.phrases) do
      if text.has(spaced, entry.name) then
         scores[entry.kind] = scores[entry.kind] + entry.weight * (text.has(start, entry.name) and 2 or 1)
      end
   end
   return scores
end

-- Is there a formula between dollars?
local function has_formula(s)
   for inner in s:gmatch("%$([^$]*)%$") do
      if inner:find("[\\^_=]") then return true end
   end
   return false
end

-- What shows in the shape of a text rather than in its words.
local function add_shape(scores, s, words)
   if s:find("```", 1, true) then scores.code = scores.code + 4 end
   if s:find("def [%w_]+%(") or s:find("%([^()]*%)%s*[{;]") or s:find("#include", 1, true)
      or (s:find("SELECT ", 1, true) and s:find(" FROM ", 1, true)) or s:find("=>", 1, true) then
      scores.code = scores.code + 4
   end
   if s:find("%d%s*[%+%*/%^=]%s*%d") or s:find("%d%% of ") or has_formula(s) then
      scores.mathematics = scores.mathematics + 6
   end
   local _, numbers = s:gsub("%f[%w]%d+", "")
   if numbers >= 2 and s:find("[Hh]ow m[ua]") then scores.mathematics = scores.mathematics + 4 end
   if s:find("\n[ \t]*%(?[A-D][%.%):]") then scores.qa = scores.qa + 1.5 end
   if QUESTION[words[1]] then scores.qa = scores.qa + 1 end
   if s:find("%?%s*$") then scores.qa = scores.qa + 1 end
   if #words > 0 and #words < 4 and not s:find("[%d?]") then scores.chat = scores.chat + 0.5 end
end

local function check_kinds(own)
   for kind, words in pairs(own) do
      if not KEYWORDS[kind] then
         local known = table.concat(classify.kinds, ", ")
         errors.raise(("unknown kind '%s' (known: %s)"):format(tostring(kind), known))
      end
      if type(words) ~= "table" then
         errors.raise(("keywords of '%s' must be a table of weights"):format(kind))
      end
   end
end

local function merged(own)
   local out = {}
   for kind, words in pairs(KEYWORDS) do
      out[kind] = {}
      for word, weight in pairs(words) do out[kind][word] = weight end
      for word, weight in pairs(own[kind] or {}) do out[kind][word] = weight end
   end
   return out
end

-- Evidence of both kinds: the probabilities of the shipped model (tasks.model, nil where it is not
-- built) and the words' share of all their evidence, which counts a bit more than half as much. How much was
-- chosen on the prompts of
-- examples/workload.jsonl: as many are right for any from 0 to 0.6, and with it more of those that are
-- trusted.
local tasks
local WORDS <const> = 0.6
local OWN_WORDS <const> = 2 -- where the caller's own words are found: they tell what the model cannot know

local function mixed(found, words, weight)
   local sum, out = 1, {}
   for _, kind in ipairs(classify.kinds) do sum = sum + words[kind] end
   for _, kind in ipairs(classify.kinds) do
      local share = words[kind] / sum
      out[kind] = found and ((found[kind] or 0) + weight * share) / (1 + weight) or share
   end
   return out
end

local function has_any(words, own)
   for _, score in pairs(keyword_scores(words, index(own))) do
      if score > 0 then return true end
   end
   return false
end

-- classify.task(req, opts?) -> kind, confidence, scores
--   kind        one of classify.kinds
--   confidence  0..1: the winner's score; below about 0.4 treat the request as general
--   scores      by kind, together at most 1
--   opts        { keywords = { code = { fortran = 3 } } } adds or changes words (lower case, phrases with
--               blanks); an unknown kind raises
-- A small trained model and a list of words have a say; words of your own that are found outweigh the model.
-- Without a word in the text: "chat", with
-- confidence 0.
-- Ties go to the kind named first in classify.kinds.
function classify.task(req, opts)
   local keywords, own = DEFAULT, opts and opts.keywords
   if own then
      check_kinds(own)
      keywords = index(merged(own))
   end
   local s = excerpt(text.of(req))
   local words = text.words(s)
   local weight = own and has_any(words, own) and OWN_WORDS or WORDS
   local evidence = keyword_scores(words, keywords)
   add_shape(evidence, s, words)
   local scores, best = mixed(#words > 0 and tasks and tasks:scores(s, "task"), evidence, weight), nil
   for _, kind in ipairs(classify.kinds) do
      if scores[kind] > 0 and (not best or scores[kind] > scores[best]) then best = kind end
   end
   if not best then return #words <= 6 and "chat" or "qa", 0, scores end
   return best, scores[best], scores
end

-- classify.level(req) -> level, p, scores | nil: "simple", "medium" or "complex" by the shipped model,
-- its probability and those of all three. Words and form only, as it learned them from written examples;
-- classify.complexity adds up
-- what can be counted. nil where the model is not built.
function classify.level(req)
   if not tasks then return nil end
   local _, p, level = tasks:label(req, "complexity")
   return level, p, tasks:scores(req, "complexity")
end

-- Trained models ------------------------------------------------------------------------------------

local function only(options, known, what)
   if type(options) ~= "table" then errors.raise(("the options of %s must be a table"):format(what)) end
   for name in pairs(options) do
      if not known[name] then errors.raise(("unknown option '%s' of %s"):format(tostring(name), what)) end
   end
end

local Linear = {}
Linear.__index = Linear

-- classify.linear{ model = "intents" } -> a model: intents.model beside the policies, made by "baton train".
-- A request may be a text, too; without a head the first one is asked. A model that was trained with inputs
-- (model.inputs, names) needs a table with these numbers; what else is in it does not matter.
function classify.linear(options)
   only(options, { model = true }, "classify.linear")
   if type(options.model) ~= "string" then errors.raise "classify.linear: which model?" end
   local model = linear.model(options.model)
   return setmetatable({ model = model, heads = model:heads(), inputs = model:inputs() }, Linear)
end

-- The label, or nil where none fits; the probability of the best label; the best label.
function Linear:label(req, head, inputs)
   return self.model:label(text.of(req), head, inputs)
end

-- { [label] = probability }
function Linear:scores(req, head, inputs)
   return self.model:scores(text.of(req), head, inputs)
end

-- The number that the head estimates; of a head with two labels, the probability of the second.
function Linear:value(req, head, inputs)
   return self.model:value(text.of(req), head, inputs)
end

-- The values of all such heads, by their names, in one pass over the text.
function Linear:values(req, inputs)
   return self.model:values(text.of(req), inputs)
end

-- Examples, and models that are asked: a file each ----------------------------------------------------------

classify.neighbours = neighbours.new
classify.embedding = embedding.new
classify.ask = ask.new

-- The shipped model, or one of the same name beside the policies that has the same heads.
local function shipped()
   local found, model = pcall(classify.linear, { model = "tasks" })
   if not found then return nil end
   local heads = {}
   for _, head in ipairs(model.heads) do heads[head.name] = head.labels end
   return heads.task and heads.complexity and model or nil
end

tasks = shipped()

-- Personal data and secrets ---------------------------------------------------------------------------

local PII_SCORE = 0.3
local PII_OPTIONS = { kinds = true, score = true }
local REDACT_OPTIONS = { kinds = true, score = true, mask = true }

classify.pii_kinds = scan.kinds()

local function find_pii(s, opts)
   local kinds, score = opts.kinds, opts.score or PII_SCORE
   if kinds ~= nil and type(kinds) ~= "table" then
      errors.raise "the kinds of personal data must be a list"
   end
   if type(score) ~= "number" or not (score >= 0 and score <= 1) then
      errors.raise "the least score of personal data must be a number from 0 to 1"
   end
   return scan.pii(s, kinds, score)
end

-- classify.pii(s, opts?) -> findings, in the order of their place
--   s         a string, or a request: all its texts, as text.all gives them
--   findings  { kind, name?, score, from, to }: s:sub(from, to) is what was found; 'name' tells whose key,
--             which country's id, which card; the same bytes can be found as several kinds
--   opts      { kinds = { "email", … } (all but "date" and "url"), score = 0.3 (the least, 0..1) }
-- Numbers with check digits are checked. The time is linear in the text.
function classify.pii(s, opts)
   opts = opts or {}
   only(opts, PII_OPTIONS, "classify.pii")
   return find_pii(text.all(s), opts)
end

local function named(finding)
   return "[" .. finding.kind:upper() .. "]"
end

local function masked(mask, finding, what)
   local instead = mask(finding, what)
   if type(instead) ~= "string" and type(instead) ~= "number" then
      errors.raise(("the mask of classify.redact gave a %s, not a string"):format(type(instead)))
   end
   return instead
end

-- classify.redact(s, opts?) -> s with each finding replaced by its kind, "[EMAIL]"; findings of s
--   opts      as of pii, and mask = function(finding, what) -> string (or a number)
-- Findings that overlap are replaced together, under the kind with the higher score.
function classify.redact(s, opts)
   opts = opts or {}
   only(opts, REDACT_OPTIONS, "classify.redact")
   local mask = opts.mask or named
   if type(mask) ~= "function" then errors.raise "the mask of classify.redact must be a function" end
   s = text.all(s)
   local findings = find_pii(s, opts)
   local out, at, i = {}, 1, 1
   while i <= #findings do
      local best, last = findings[i], findings[i].to
      local from = best.from
      i = i + 1
      while i <= #findings and findings[i].from <= last do
         if findings[i].score > best.score then best = findings[i] end
         last = math.max(last, findings[i].to)
         i = i + 1
      end
      out[#out + 1] = s:sub(at, from - 1)
      out[#out + 1] = masked(mask, best, s:sub(from, last))
      at = last + 1
   end
   out[#out + 1] = s:sub(at)
   return table.concat(out), findings
end

-- Keywords --------------------------------------------------------------------------------------------

local LARGEST <const> = 1e300 -- so that no sum of weights passes what numbers can be

-- The members of a list that has no other.
local function each_of(list, where)
   local n = #list
   for key in pairs(list) do
      if math.type(key) == "integer" and (key < 1 or key > n) then
         errors.raise(("the keywords%s are a list with holes"):format(where))
      end
   end
   return ipairs(list)
end

local function check_term(term, where)
   if type(term) ~= "string" then
      errors.raise(("the keywords%s must be strings, not a %s"):format(where, type(term)))
   end
end

local function check_weight(term, weight)
   if type(weight) ~= "number" or weight ~= weight or math.abs(weight) > LARGEST then
      errors.raise(("the weight of '%s' must be a number"):format(term))
   end
end

-- Terms as one list of entries { term, category?, weight }.
local function entries_of(terms)
   local entries = {}
   local function add_list(list, category, where)
      for _, term in each_of(list, where) do
         check_term(term, where)
         entries[#entries + 1] = { term = term, category = category, weight = 1 }
      end
   end
   add_list(terms, nil, "")
   for category, members in pairs(terms) do
      if type(category) == "string" then
         if type(members) ~= "table" then
            errors.raise(("the keywords of '%s' must be a table"):format(category))
         end
         add_list(members, category, (" of '%s'"):format(category))
         for term, weight in pairs(members) do
            if type(term) == "string" then
               check_weight(term, weight)
               entries[#entries + 1] = { term = term, category = category, weight = weight }
            end
         end
      end
   end
   return entries
end

local Keywords = {}
Keywords.__index = Keywords

-- keywords:find(s) -> { { term, category?, weight, from, to }, … } in the order of their place
function Keywords:find(s)
   local out, found = {}, self.matcher:find(text.of(s))
   for i = 1, #found, 3 do
      for _, entry in ipairs(self.entries[found[i]]) do
         out[#out + 1] = {
            term = entry.term, category = entry.category, weight = entry.weight,
            from = found[i + 1], to = found[i + 2],
         }
      end
   end
   return out
end

-- keywords:score(s) -> sum of the weights of all that was found, sums by category, number of occurrences
function Keywords:score(s)
   local sum, by_category, found = 0, {}, self.matcher:find(text.of(s))
   for i = 1, #found, 3 do
      for _, entry in ipairs(self.entries[found[i]]) do
         sum = sum + entry.weight
         if entry.category then
            by_category[entry.category] = (by_category[entry.category] or 0) + entry.weight
         end
      end
   end
   return sum, by_category, #found // 3
end

-- Those that are the same in one category count as the one with the greatest weight.
local function add_once(group, entry)
   for i, other in ipairs(group) do
      if other.category == entry.category then
         if entry.weight > other.weight then group[i] = entry end
         return
      end
   end
   group[#group + 1] = entry
end

-- classify.keywords(terms, opts?) -> keywords
--   terms  a list of strings; or categories: { billing = { "invoice", "credit card" },
--          fraud = { chargeback = 2.5 } }, lists (weight 1) or tables of weights
--   opts   { inside = false }: are terms found inside of words, too?
-- Make it once, when the file is loaded; up to 100,000 terms of up to 256 bytes. Upper and lower case are the
-- same in all scripts, and so are other ways to write a letter (core/text_same.h); blanks in a term stand for
-- any white space. Where terms overlap the longest counts, or the first.
function classify.keywords(terms, opts)
   only(opts or {}, { inside = true }, "classify.keywords")
   if type(terms) ~= "table" then errors.raise("keywords must be a table") end
   local entries, names, grouped = entries_of(terms), {}, {}
   for i, entry in ipairs(entries) do names[i] = entry.term end
   local matcher, same = scan.keywords(names, opts and opts.inside)
   for i, entry in ipairs(entries) do
      local group = grouped[same[i]] or {}
      grouped[same[i]] = group
      add_once(group, entry)
   end
   return setmetatable({ matcher = matcher, entries = grouped }, Keywords)
end

-- Regular expressions -----------------------------------------------------------------------------------

local Regex = {}
Regex.__index = Regex

-- regex:find(s, from?) -> first byte, last byte, { groups } (false: took no part) | nil | nil, err
--   err  code "budget": the match took too many steps; "bad_request": s is no UTF-8
function Regex:find(s, from)
   return self.pattern:find(text.of(s), from or 1)
end

-- regex:count(s, limit?) -> how often it matches, at most 'limit' (1000) times | nil, err
function Regex:count(s, limit)
   limit = limit or 1000
   if type(limit) ~= "number" then errors.raise "the limit of regex:count must be a number" end
   s = text.of(s)
   local n, at = 0, 1
   while n < limit and at <= #s + 1 do
      local from, to = self.pattern:find(s, at)
      if not from then
         if to then return nil, to end
         break
      end
      n, at = n + 1, to >= from and to + 1 or from + 1
      while at <= #s and s:find("^[\128-\191]", at) do at = at + 1 end
   end
   return n
end

-- classify.regex(pattern, opts?) -> regex; PCRE2's syntax; what is wrong with a pattern is raised
--   opts   { caseless = false }
-- Letters and digits (\w, \d, \b) are those of all scripts.
-- A match has a budget of steps (a million, and 16 for each byte): a hostile text gives an error, not a wait.
function classify.regex(pattern, opts)
   only(opts or {}, { caseless = true }, "classify.regex")
   return setmetatable({ pattern = scan.regex(pattern, opts and opts.caseless) }, Regex)
end

return classify
