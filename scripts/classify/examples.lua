-- classify.examples: labelled examples as scripts write them, and what the nearest ones say together.
-- SPDX-License-Identifier: MIT

local errors = require "errors"

local examples = {}

local POWER <const> = 3 -- the nearer, the more an example counts

-- examples.read(given, most, what) -> { { text =, label = }, … } in a stable order
--   given  a list of { text, label }, or { label = { text, … } }; 2 to 'most' of them. What is wrong
--   is raised
function examples.read(given, most, what)
   local list = {}
   local function add(text, label)
      if type(text) ~= "string" or type(label) ~= "string" or not text:find "%S" or label == "" then
         errors.raise(what .. ": an example is a text with a label")
      end
      list[#list + 1] = { text = text, label = label }
   end
   for _, example in ipairs(given) do
      if type(example) ~= "table" then errors.raise(what .. ": an example is { text, label }") end
      add(example[1] or example.text, example[2] or example.label)
   end
   local labels = {}
   for label in pairs(given) do
      if type(label) == "string" then labels[#labels + 1] = label end
   end
   table.sort(labels)
   for _, label in ipairs(labels) do
      if type(given[label]) ~= "table" then
         errors.raise(("%s: the examples of '%s' must be a list"):format(what, label))
      end
      for _, text in ipairs(given[label]) do add(text, label) end
   end
   if #list < 2 or #list > most then
      errors.raise(("%s: 2 to %d examples, not %d"):format(what, most, #list))
   end
   return list
end

-- examples.vote(nearest) -> label, score: the label for which the nearest examples speak together,
-- each with the third power of its nearness, and the nearness of its best one. nearest: { { label =, score =
-- }, … }, not empty.
function examples.vote(nearest)
   local sums, tops, best = {}, {}, nil
   for _, item in ipairs(nearest) do
      local label = item.label
      sums[label] = (sums[label] or 0) + math.max(item.score, 0) ^ POWER
      tops[label] = math.max(tops[label] or -1, item.score)
   end
   for _, item in ipairs(nearest) do
      if not best or sums[item.label] > sums[best] then best = item.label end
   end
   return best, tops[best]
end

return examples
