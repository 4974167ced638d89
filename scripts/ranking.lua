-- ranking: the order in which models are preferred: by cost, quality, latency, or all three.
-- SPDX-License-Identifier: MIT
--
-- Pure but for look(entry), which gives the live latency; models.lua stands on it.
local ranking = {}

-- Where the catalogue does not say it: quality as ranking.quality, and seconds to the end of an answer. Both
-- are guesses of an order, no measurements; a measured latency takes their place.
local QUALITY = { fast = 0.4, standard = 0.6, specialist = 0.5,
   expert = 0.9 } -- a specialist outside of its field
local SECONDS = { fast = 1, standard = 2, specialist = 2, expert = 4 }
local UNKNOWN_QUALITY <const>, UNKNOWN_SECONDS <const> = 0.5, 2

-- ranking.price(entry) -> USD per million input and output tokens together; math.huge where unknown.
function ranking.price(entry)
   return (entry.input or math.huge) + (entry.output or math.huge)
end

-- ranking.quality(entry) -> 0..1: the entry's own 'quality', else that of its tier (fast 0.4, standard 0.6,
-- specialist 0.5, expert 0.9; 0.5 without one).
function ranking.quality(entry)
   return entry.quality or QUALITY[entry.tier] or UNKNOWN_QUALITY
end

local function by_name(a, b) return a.name < b.name end

-- Cheapest first. What has no price comes last.
function ranking.is_cheaper(a, b)
   local one, other = ranking.price(a), ranking.price(b)
   if one ~= other then return one < other end
   return by_name(a, b)
end

-- Of the same quality the dearer one: within a tier, price is what is known of it.
local function is_better(a, b)
   local one, other = ranking.quality(a), ranking.quality(b)
   if one ~= other then return one > other end
   local dear, cheap = ranking.price(a), ranking.price(b)
   if dear == cheap then return by_name(a, b) end
   if dear == math.huge or cheap == math.huge then return cheap == math.huge end
   return dear > cheap
end

-- Sorted copies of what a list holds, by a number of each.
local function sorted_by(list, number_of, tie)
   local order, of = table.move(list, 1, #list, 1, {}), {}
   for _, entry in ipairs(list) do of[entry.name] = number_of(entry) end
   table.sort(order, function(a, b)
      if of[a.name] ~= of[b.name] then return of[a.name] < of[b.name] end
      return tie(a, b)
   end)
   return order
end

local function sorted(list, is_before)
   local order = table.move(list, 1, #list, 1, {})
   table.sort(order, is_before)
   return order
end

-- The seconds that an answer takes: the median of the last minutes, else a guess from the tier.
local function seconds_of(look)
   return function(entry)
      return look(entry).p50 or SECONDS[entry.tier] or UNKNOWN_SECONDS
   end
end

-- A function that maps numbers to 0 (the least in the list) .. 1 (the most); infinite ones to 1.
local function scale(list, number_of)
   local low, high = math.huge, -math.huge
   for _, entry in ipairs(list) do
      local n = number_of(entry)
      if n < math.huge then low, high = math.min(low, n), math.max(high, n) end
   end
   return function(entry)
      local n = number_of(entry)
      if n == math.huge then return 1 end
      return high > low and (n - low) / (high - low) or 0
   end
end

-- How far a model is from one that would be as good as the best, as cheap as the cheapest and as fast as the
-- fastest of the list: compromise programming (Zeleny 1973). Price and time by their logarithms, since they
-- differ by factors. Quality counts as much as both together.
local function distance(list, look)
   local seconds = seconds_of(look)
   local worse = scale(list, function(entry) return -ranking.quality(entry) end)
   local dearer = scale(list, function(entry)
      local price = ranking.price(entry)
      return price == math.huge and price or math.log(price + 0.01)
   end)
   local slower = scale(list, function(entry) return math.log(seconds(entry) + 0.001) end)
   return function(entry)
      return worse(entry) ^ 2 + (dearer(entry) ^ 2 + slower(entry) ^ 2) / 2
   end
end

-- The orders: function(entries, look) -> a sorted copy. look(entry) -> { p50 =, p95 = } in seconds, empty
-- when nothing was measured.
ranking.orders = {
   cost = function(list) return sorted(list, ranking.is_cheaper) end,
   quality = function(list) return sorted(list, is_better) end,
   latency = function(list, look) return sorted_by(list, seconds_of(look), ranking.is_cheaper) end,
   balanced = function(list, look) return sorted_by(list, distance(list, look), ranking.is_cheaper) end,
}

return ranking
