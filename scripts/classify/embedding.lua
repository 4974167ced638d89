-- classify.embedding: the labelled examples that are nearest in meaning, by a provider's embeddings.
-- SPDX-License-Identifier: MIT
--
-- The examples' vectors are asked for once, at the first request, and are kept in the worker's cache
-- for a day; those of requests for an hour. Nearness is the cosine.

local base64 = require "base64"
local cache = require "cache"
local errors = require "errors"
local examples_of = require "classify.examples"
local fallback = require "classify.fallback"
local json = require "json"
local llm = require "llm"
local task = require "task"
local vectors_near = require "nearest"

local EXAMPLES_MAX <const> = 2000
local DAY <const> = 86400
local BLOCK <const> = 32 -- examples whose vectors are kept together: far below the cache's largest value
local WHAT <const> = "classify.embedding"

local function positive(value) return type(value) == "number" and value > 0 and value <= 86400 * 30 end
local function count(value) return math.type(value) == "integer" and value > 0 end

local OPTIONS <const> = {
   examples = "table", fallback = function() return true end, dimensions = count, k = count,
   model = function(value) return type(value) == "string" or type(value) == "table" end,
   timeout = positive, cache = positive,
   least = function(value) return type(value) == "number" and value >= -1 and value <= 1 end,
}

local Embedding = {}
Embedding.__index = Embedding

local function bad_response(message)
   return errors.new { code = "bad_response", message = message }
end

-- Is it long enough to point somewhere, and not too long for 4-byte numbers? Zeros are near to nothing.
local function points(vector)
   local sum = 0
   for i = 1, #vector do sum = sum + vector[i] * vector[i] end
   return sum > 1e-30 and sum < 1e38
end

-- The vectors of some texts, one behind the other as base64.floats reads them. text | nil, err
local function embed(self, texts)
   local found, err = llm.embed(self.model, texts, { dimensions = self.dimensions, timeout = self.timeout,
      label = "classify" })
   if not found then return nil, err end
   local numbers, length = {}, #found.vectors[1]
   for _, vector in ipairs(found.vectors) do
      if #vector ~= length then return nil, bad_response "embeddings of different lengths" end
      if not points(vector) then
         return nil, bad_response "an embedding that points nowhere: zeros, or numbers out of range"
      end
      table.move(vector, 1, length, #numbers + 1, numbers)
   end
   return base64.of_floats(numbers)
end

-- The vectors of a few examples, from the cache or the provider. text | nil, err
local function block(self, from, to)
   local texts = {}
   for i = from, to do texts[#texts + 1] = self.examples[i].text end
   return cache.fetch(cache.key(WHAT, self.id, table.unpack(texts)), { ttl = DAY }, function()
      return embed(self, texts)
   end)
end

local function nearer(a, b)
   if a.score ~= b.score then return a.score > b.score end
   return a.place < b.place
end

local function nearest(self, excerpt)
   local own, err = cache.fetch(cache.key(WHAT, self.id, excerpt), { ttl = self.cache }, function()
      return embed(self, { excerpt })
   end)
   if not own then return nil, err end
   local list = {}
   for from = 1, #self.examples, BLOCK do
      local to = math.min(from + BLOCK - 1, #self.examples)
      local vectors, why = block(self, from, to)
      if not vectors then return nil, why end
      local cosines = vectors_near.cosines(own, vectors)
      if not cosines or #cosines ~= to - from + 1 then
         return nil, bad_response "embeddings of different lengths"
      end
      for i, score in ipairs(cosines) do
         local example = self.examples[from + i - 1]
         list[#list + 1] = { label = example.label, text = example.text, score = score, place = #list + 1 }
      end
   end
   table.sort(list, nearer)
   return table.move(list, 1, math.min(self.k, #list), 1, {})
end

-- embedding:nearest(req) -> { { label =, text =, score = }, … }, at most k, nearest first | nil, err.
--  Waits.
--   score  the cosine: 1 is the same direction
function Embedding:nearest(req)
   local text = fallback.excerpt(req)
   if not text:find "%S" then
      return nil, errors.new { code = "bad_request", message = "there is no text to classify" }
   end
   local list, err = task.within(self.timeout, function() return nearest(self, text) end)
   for _, item in ipairs(list or {}) do item.place = nil end
   return list, err
end

-- embedding:label(req) -> label | nil, score, best | nil, err.   Waits.
--   label  the one with the most nearness among the k nearest; nil where none is as near as 'least'
--   score  the cosine of its nearest example; best: the label even then
-- Where the provider fails: label, "fallback", p of the fallback, or nil, err without one.
function Embedding:label(req)
   local list, err = self:nearest(req)
   if not list then return fallback.answer(self.fallback, req, err) end
   local best, score = examples_of.vote(list)
   return score >= self.least and best or nil, score, best
end

-- classify.embedding{ examples, model, … } -> embedding
--   examples    { label = { text, … } } or a list of { text, label }; 2 to 2,000
--   model       a target with embeddings
--   k           (5) examples that have a vote
--   least       (-1) the least cosine that counts; below it nothing is known
--   dimensions  of the vectors, where the model can choose
--   timeout     (10) seconds for all of it
--   cache       (3600) seconds that a request's vector is kept
--   fallback    as classify.ask has it
-- An unknown option or one of the wrong type raises.
local function new(options)
   fallback.only(options, OPTIONS, WHAT)
   if not options.examples or not options.model then
      errors.raise(WHAT .. ": examples and model are needed")
   end
   fallback.check(options.fallback, WHAT)
   return setmetatable({
      examples = examples_of.read(options.examples, EXAMPLES_MAX, WHAT), model = options.model,
      k = options.k or 5,
      least = options.least or -1, dimensions = options.dimensions, timeout = options.timeout or 10,
      cache = options.cache or 3600, fallback = options.fallback,
      id = json.encode { options.model, options.dimensions or 0 },
   }, Embedding)
end

return { new = new }
