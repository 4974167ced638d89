-- consensus: which answer most of several models gave, and what to do when they disagree.
-- SPDX-License-Identifier: MIT
--
-- Here no model is asked; consensus/asking.lua has what one more model can do: judge, fuse, verify.
local asking = require "consensus.asking"
local certainty = require "certainty"
local errors = require "errors"
local json = require "json"
local keys = require "consensus.keys"
local task = require "task"

local consensus = {
   choice = keys.choice, number = keys.number, kind = keys.kind,
   judge = asking.judge, fuse = asking.fuse, verify = asking.verify,
}

local SIMILAR <const> = 0.6    -- share of common words from which two longer texts say the same
local SHORT <const> = 6        -- words up to which a text must be the same instead
local UNCERTAIN <const> = 0.5  -- weight of an answer whose confidence nobody knows
local THRESHOLD <const> = 0.8  -- agreement at which a quorum is settled

-- Comparison ---------------------------------------------------------------------------------------

local function word_set(key)
   local set, n = {}, 0
   for word in key:gmatch("%S+") do
      if not set[word] then set[word], n = true, n + 1 end
   end
   return set, n
end

-- Common words by all words (Jaccard).
local function overlap(a, b)
   local set_a, n_a = word_set(a)
   local set_b, n_b = word_set(b)
   local common = 0
   for word in pairs(set_a) do
      if set_b[word] then common = common + 1 end
   end
   return common / (n_a + n_b - common), math.min(n_a, n_b)
end

local function same(a, b, by, similar)
   if a == b then return true end
   if by ~= "text" then return false end
   local share, words = overlap(a, b)
   return words > SHORT and share >= similar
end

-- Options ------------------------------------------------------------------------------------------

local KNOWN = { by = true, fields = true, similar = true, weight = true }

local function list_of(...)
   local names = {}
   for _, set in ipairs { ... } do
      for name in pairs(set) do names[#names + 1] = name end
   end
   table.sort(names)
   return table.concat(names, ", ")
end

local function number_in(low, high)
   return function(value) return type(value) == "number" and value >= low and value <= high end
end

local function is(...)
   local types = { ... }
   return function(value)
      for _, name in ipairs(types) do
         if type(value) == name then return true end
      end
      return false
   end
end

-- What options must be, in words and as functions.
local MUST = {
   by = { 'a function, "auto", "choice", "number", "text", "json" or "tools"', function(by)
      return type(by) == "function" or by == "auto" or keys.is_kind(by)
   end },
   fields = { "a list of names", is "table" }, weight = { "a function", is "function" },
   similar = { "a number from 0 to 1", number_in(0, 1) },
   threshold = { "a number from 0 to 1", number_in(0, 1) },
   least = { "a whole number, at least 1", function(n)
      return type(n) == "number" and math.tointeger(n) and n >= 1
   end },
   most = { "a number above 0", number_in(1e-9, 1e9) },
   unknown = { "a number, at least 0", number_in(0, 1e9) },
   weights = { "a table of numbers by key or model", is "table" },
   expert = { "a key or a model", is("string", "number") }, domain = { "a text", is "string" },
   experts = { "a table of keys or models by domain", is "table" },
}

-- Options of the caller, with those of 'more' allowed besides; 'all': the replies or functions.
local function checked(all, opts, more)
   if type(all) ~= "table" then
      errors.raise("consensus: a table of replies or functions is needed, not a " .. type(all))
   end
   opts = opts or {}
   if type(opts) ~= "table" then errors.raise("consensus: the options are a table, not a " .. type(opts)) end
   for name, value in pairs(opts) do
      if not KNOWN[name] and not more[name] then
         errors.raise(("unknown option '%s' (known: %s)"):format(tostring(name), list_of(KNOWN, more)))
      end
      if not MUST[name][2](value) then
         errors.raise(("consensus: option '%s' is %s"):format(name, MUST[name][1]))
      end
   end
   return opts
end

-- Groups -------------------------------------------------------------------------------------------

-- The keys of a table of replies: 1, 2, … (holes allowed), then names in order.
local function sorted_keys(replies)
   local list = {}
   for key in pairs(replies) do list[#list + 1] = key end
   table.sort(list, function(a, b)
      if type(a) ~= type(b) then return type(a) == "number" end
      return a < b
   end)
   return list
end

local function weight_of(reply, key, weight)
   if not weight then return 1 end
   local w = weight(reply, key)
   if type(w) ~= "number" or not (w >= 0 and w < math.huge) then
      errors.raise("option 'weight' must return a number, at least 0")
   end
   return w
end

local function find_group(groups, key, by, similar)
   for _, group in ipairs(groups) do
      if same(group.key, key, by, similar) then return group end
   end
   local group = { key = key, weight = 0, replies = {} }
   groups[#groups + 1] = group
   group.place = #groups
   return group
end

local function group_all(replies, opts)
   local by = opts.by or "auto"
   if by == "auto" then by = keys.kind(replies) end
   local groups, total, known = {}, 0, {}
   for _, k in ipairs(sorted_keys(replies)) do
      local reply = replies[k]
      local weight = weight_of(reply, k, opts.weight)
      local key = keys.of(reply, by, opts.fields, known)
      total = total + weight
      if key ~= nil then
         local group = find_group(groups, key, by, opts.similar or SIMILAR)
         group.weight = group.weight + weight
         table.insert(group.replies, reply)
      end
   end
   table.sort(groups, function(a, b)
      if a.weight ~= b.weight then return a.weight > b.weight end
      return a.place < b.place
   end)
   return groups, total
end

-- Votes --------------------------------------------------------------------------------------------

-- consensus.majority(replies, opts?) -> winner, agreement, groups | nil, 0, {}
--   replies    a table of replies or strings; holes and names are fine (what task.all returns)
--   opts       by       what makes two answers the same: "choice" (a letter A to J), "number" (the final
--                       one), "text" (normalised, longer ones by common words), "json" (members and values),
--                       "tools" (functions and arguments of the calls), "auto" (the default: found from the
--                       answers), or function(reply) -> key | nil
--              fields   with "json": the names of the members that count; all when left out
--              weight   function(reply, key) -> number, 1 each by default
--              similar  share of common words from which longer texts are the same, 0.6 by default
--   winner     the first reply of the heaviest group; on a tie, of the group whose first reply comes first,
--              so put the model you trust most in front. nil when no answer says anything that can be
--              compared
--   agreement  0..1: the group's weight by the weight of all replies, those that say nothing included
--   groups     { { key =, weight =, replies = { … } }, … }, heaviest first
-- Plurality is enough: look at agreement before you trust it. Voting over answers is "self-consistency" when
-- one model is asked often (Wang et al. 2022, arXiv 2203.11171).
function consensus.majority(replies, opts)
   local groups, total = group_all(replies, checked(replies, opts, {}))
   if #groups == 0 or total <= 0 then return nil, 0, groups end
   return groups[1].replies[1], groups[1].weight / total, groups
end

-- consensus.agreement(replies, opts?) -> 0..1, as majority gives it.
function consensus.agreement(replies, opts)
   local _, agreement = consensus.majority(replies, opts)
   return agreement
end

-- How much a reply counts: its confidence, times what opts.weights says of its model or key.
local function confidence_weight(opts)
   local weights, unknown = opts.weights or {}, opts.unknown or UNCERTAIN
   return function(reply, key)
      local name = type(reply) == "table" and reply.name or nil
      local trust = weights[key] or name and weights[name] or 1
      return trust * (certainty.of(reply) or unknown)
   end
end

local function copy_without(opts, gone)
   local copy = {}
   for name, value in pairs(opts) do
      if not gone[name] then copy[name] = value end
   end
   return copy
end

local WEIGHTED = { weights = true, unknown = true }

-- consensus.weighted(replies, opts?) -> winner, agreement, groups, as majority, each reply weighing as much
-- as its confidence (certainty.of: its own, by log probabilities, or as it says; opts.unknown, 0.5, where
-- it has none), times opts.weights[key or "provider/model"] (1).
function consensus.weighted(replies, opts)
   opts = checked(replies, opts, WEIGHTED)
   local plain = copy_without(opts, WEIGHTED)
   plain.weight = plain.weight or confidence_weight(opts)
   return consensus.majority(replies, plain)
end

-- The reply of a key or of a model called 'who'.
local function reply_of(replies, who)
   if replies[who] ~= nil then return replies[who] end
   for _, key in ipairs(sorted_keys(replies)) do
      local reply = replies[key]
      if type(reply) == "table" and (reply.name == who or reply.model == who) then return reply end
   end
   return nil
end

local function holds(group, reply)
   for _, other in ipairs(group.replies) do
      if other == reply then return true end
   end
   return false
end

local EXPERT = { expert = true, experts = true, domain = true, threshold = true }

-- consensus.expert(replies, opts) -> winner, agreement, groups, as majority; where it is not clear, one model
-- decides.
--   opts.expert     the key, model or "provider/model" of the one that decides ties, and everything below
--                   opts.threshold (0: only ties)
--   opts.experts    { [domain] = who }: in opts.domain this one decides alone
-- agreement is the share of those who say what the winner says. The expert counts only when it said
-- something that can be compared.
function consensus.expert(replies, opts)
   opts = checked(replies, opts, EXPERT)
   if opts.expert == nil and opts.experts == nil then
      errors.raise "consensus.expert: option 'expert' or 'experts' is missing"
   end
   local plain = copy_without(opts, EXPERT)
   local winner, agreement, groups = consensus.majority(replies, plain)
   local of_domain = opts.domain and opts.experts and opts.experts[opts.domain]
   local who = of_domain or opts.expert
   local expert = who ~= nil and reply_of(replies, who) or nil
   if not winner or not expert then return winner, agreement, groups end
   local tie = groups[2] and groups[2].weight == groups[1].weight
   if not (of_domain or tie or agreement < (opts.threshold or 0)) then return winner, agreement, groups end
   for _, group in ipairs(groups) do
      if holds(group, expert) then return expert, agreement * group.weight / groups[1].weight, groups end
   end
   return winner, agreement, groups
end

-- JSON member by member ----------------------------------------------------------------------------

-- The names of the members of some objects, in the order in which they come first.
local function member_names(objects, wanted)
   if wanted then return wanted end
   local names, seen = {}, {}
   for _, object in ipairs(objects) do
      for name in pairs(object) do
         if not seen[name] then
            seen[name] = true
            names[#names + 1] = name
         end
      end
   end
   return names
end

-- The value that most objects have there, nil for "none"; and the share of those.
local function member_vote(objects, name)
   local counts, best = {}, nil
   for _, object in ipairs(objects) do
      local key = object[name] == nil and "" or keys.canonical(object[name])
      counts[key] = counts[key] or { n = 0, value = object[name] }
      counts[key].n = counts[key].n + 1
   end
   for _, object in ipairs(objects) do -- in order, so that ties go to the first
      local count = counts[object[name] == nil and "" or keys.canonical(object[name])]
      if not best or count.n > best.n then best = count end
   end
   return best.value, best.n / #objects
end

-- consensus.fields(replies, opts?) -> object, agreement, shares | nil, 0, {}: each member of the JSON objects
-- in the answers by a vote of its own; ties go to the first reply.
--   opts.fields  the members that count; all when left out
--   agreement    the least of the shares; shares: { [member] = 0..1 }, of the answers that hold an object
function consensus.fields(replies, opts)
   opts = checked(replies, opts, {})
   local objects = {}
   for _, key in ipairs(sorted_keys(replies)) do
      local value = keys.value(replies[key])
      if value and not json.is_array(value) then objects[#objects + 1] = value end
   end
   if #objects == 0 then return nil, 0, {} end
   local merged, shares, least = {}, {}, 1
   for _, name in ipairs(member_names(objects, opts.fields)) do
      merged[name], shares[name] = member_vote(objects, name)
      least = math.min(least, shares[name])
   end
   return merged, least, shares
end

-- Early end ----------------------------------------------------------------------------------------

local QUORUM = { threshold = true, least = true, most = true, weights = true, unknown = true }

-- Is it settled, whatever the 'open' ones that still run may say? "agreed" | "hopeless" | nil. 'heaviest' is
-- what one of them can weigh at most.
local function verdict(replies, opts, threshold, open, least)
   local groups, total = group_all(replies, opts)
   local lead, answered = groups[1] and groups[1].weight or 0, 0
   for _ in pairs(replies) do answered = answered + 1 end
   local rest = open * (opts.weight and opts.heaviest or 1)
   if answered >= least and lead > 0 and lead >= threshold * (total + rest) then return "agreed" end
   if answered + open < least or lead + rest < threshold * (total + rest) then return "hopeless" end
   return nil
end

-- consensus.quorum(functions, opts?) -> winner, agreement, groups, replies, errors | nil, 0, {}, replies,
-- errors
--   functions  by key, each returns a reply, or nil, err; they run side by side
--   opts       those of majority, and threshold (0.8): the agreement that is enough; least (more than half of
--              the functions): how many must have answered; weights, unknown: as in weighted; most (1):
--              what one weight can be at most
-- Ends early, and stops those that still run, as soon as the rest can change nothing: the threshold is passed
-- whatever they say, or cannot be reached any more. A member that fails has no vote. The winner is the
-- majority's: look whether the agreement reaches the threshold, and how many answered. Yields.
function consensus.quorum(functions, opts)
   opts = checked(functions, opts, QUORUM)
   local plain = copy_without(opts, QUORUM)
   if opts.weights or opts.unknown then plain.weight = confidence_weight(opts) end
   local threshold, open = opts.threshold or THRESHOLD, 0
   for _ in pairs(functions) do open = open + 1 end
   if open == 0 then return nil, 0, {}, {}, {} end
   local least = opts.least or open // 2 + 1
   local judged = copy_without(plain, {})
   judged.heaviest = opts.most or 1
   local replies, failures, members = {}, {}, {}
   for key, f in pairs(functions) do
      members[key] = function()
         local reply, err = f()
         open = open - 1
         if reply == nil then failures[key] = err else replies[key] = reply end
         return verdict(replies, judged, threshold, open, least) -- the first that is settled stops the others
      end
   end
   task.race(members)
   local winner, agreement, groups = consensus.majority(replies, plain)
   return winner, agreement, groups, replies, failures
end

return consensus
