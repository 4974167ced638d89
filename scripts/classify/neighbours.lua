-- classify.neighbours: the labelled examples that are nearest by their words; no model is called.
-- SPDX-License-Identifier: MIT
--
-- TF-IDF over words, pairs of words and pieces of words, and an inverted index, in C (core/neighbours.h).

local errors = require "errors"
local examples_of = require "classify.examples"
local fallback = require "classify.fallback"
local nearest = require "nearest"
local text = require "text"

local EXAMPLES_MAX <const> = 60000
local WHAT <const> = "classify.neighbours"

local OPTIONS <const> = {
   examples = "table", model = "string",
   k = function(value) return math.type(value) == "integer" and value >= 1 and value <= 100 end,
   least = function(value) return type(value) == "number" and value >= 0 and value <= 1 end,
}

local Neighbours = {}
Neighbours.__index = Neighbours

-- neighbours:nearest(req, k?) -> { { label =, text =, score = }, … }, nearest first; empty where no
-- word is known
--   score  the cosine, 0 to 1: how much the texts have in common
function Neighbours:nearest(req, k)
   if k ~= nil and (math.type(k) ~= "integer" or k < 1 or k > 100) then
      errors.raise "1 to 100 of the nearest examples can be had"
   end
   local found, list = self.index:find(text.of(req), k or self.k), {}
   for i = 1, #found, 3 do
      list[#list + 1] = { label = found[i], score = found[i + 1], text = found[i + 2] }
   end
   return list
end

-- neighbours:label(req) -> label | nil, score, best
--   label  that for which the k nearest speak together; nil where none is as near as 'least', or none is near
--   score  of its nearest example; 0 where none is near. best: the label even then (nil where none is near)
function Neighbours:label(req)
   local list = self:nearest(req)
   if not list[1] then return nil, 0 end
   local best, score = examples_of.vote(list)
   return score >= self.least and best or nil, score, best
end

-- classify.neighbours{ examples | model, … } -> neighbours
--   examples  a list of { text, label }, or { label = { text, … } }; up to 60,000, of 4,096 bytes that
--   count
--   model     instead: "faq" is faq.model beside the policies, written by "baton train --neighbours"
--   k         (8) examples that have a vote, at most 100
--   least     (0) the least score that counts
-- Make it once, when the file is loaded. An unknown option or one of the wrong type raises.
local function new(options)
   fallback.only(options, OPTIONS, WHAT)
   if (options.examples == nil) == (options.model == nil) then
      errors.raise(WHAT .. ": either examples or a model")
   end
   local index
   if options.model then
      index = nearest.model(options.model)
   else
      local flat = {}
      for _, example in ipairs(examples_of.read(options.examples, EXAMPLES_MAX, WHAT)) do
         flat[#flat + 1], flat[#flat + 2] = example.text, example.label
      end
      index = nearest.index(flat)
   end
   local labels = index:labels()
   return setmetatable({ index = index, labels = labels, k = options.k or 8, least = options.least or 0 },
      Neighbours)
end

return { new = new }
