-- bandit: choose one of several arms by what they brought until now.
-- SPDX-License-Identifier: MIT
--
-- "thompson": Beta-Bernoulli Thompson sampling with discounting. Agrawal and Goyal 2012 (arXiv 1111.1797);
-- Raj and Kalyani 2017 (arXiv 1707.09727). "linucb": disjoint LinUCB, Li et al. 2010 (arXiv 1003.0146), its
-- observations discounted as by Russac et al. 2019 (arXiv 1909.09146).
--
-- What was learned is the engine's (core/bandit.h), one for all workers.

local bandits = require "bandits"
local errors = require "errors"
local json = require "json"
local random = require "random"
local trace = require "trace"

local bandit = {}

local DEFAULTS = { discount = 1, explore = 0, prior = { 1, 1 }, alpha = 0.5, ridge = 1, worth = 0 }
local KNOWN = { name = "string", arms = "table", method = "string", buckets = "table", features = "table",
   discount = "number", explore = "number", prior = "table", alpha = "number", ridge = "number",
   worth = "number" }
local OTHER = "(other)"

local function wrong(what, ...)
   errors.raise(("bandit." .. what):format(...))
end

-- ---- bandit.new ----

local function check_fields(options)
   if type(options) ~= "table" then wrong("new takes a table, not a %s", type(options)) end
   for name, value in pairs(options) do
      local wanted = KNOWN[name]
      if not wanted then wrong("new: unknown member '%s'", tostring(name)) end
      if type(value) ~= wanted then wrong("new: %s must be a %s, not a %s", name, wanted, type(value)) end
   end
   if not options.name then wrong "new: name is missing" end
   if not options.arms then wrong "new: arms is missing" end
   local method = options.method or "thompson"
   if method ~= "thompson" and method ~= "linucb" then
      wrong("new: method must be \"thompson\" or \"linucb\", not %q", method)
   end
   if options.features and method == "thompson" then wrong "new: features are for the method \"linucb\"" end
end

local function positions(list)
   local found = {}
   for position, name in ipairs(list) do found[name] = position end
   return found
end

local function setting(options, name)
   if options[name] == nil then return DEFAULTS[name] end
   return options[name]
end

local methods = {}
local class = { __index = methods, __metatable = "bandit" }

-- bandit.new{ name =, arms =, method =, buckets =, features =, discount =, explore =, prior =, alpha =,
-- ridge =, worth = } -> bandit
--   name      1 to 64 bytes; what was learned is kept under it, whoever makes a bandit of that name
--   arms      1 to 32 names of 1 to 96 bytes; their order does not matter
--   method    "thompson" (the default) or "linucb"
--   buckets   the kinds of context that are told apart; others are the bucket "(other)". Without a list any
--             text is a bucket (256 a bandit; those beyond are "(other)")
--   features  "linucb": up to 15 names of numbers; a constant 1 is added
--   discount  0.5 to 1 (1): what older observations weigh after each new one of the bucket
--   explore   0 to 1 (0; linucb 0.05): this share of choices is spread evenly over the arms
--   prior     "thompson": { wins, losses }, 1 to 1000 each ({ 1, 1 })
--   alpha     "linucb": 0 to 100 (0.5), how much the unknown attracts; ridge: 0.001 to 1000 (1)
--   worth     USD that a score of 1 is worth (0: costs do not count)
-- May be called while a file is loaded. Raises on what is wrong.
function bandit.new(options)
   check_fields(options)
   local linucb = options.method == "linucb"
   local prior = setting(options, "prior")
   local explore = options.explore or (linucb and 0.05 or DEFAULTS.explore)
   local spec, message = bandits.spec {
      name = options.name, linucb = linucb, arms = options.arms, features = options.features or {},
      discount = setting(options, "discount"), explore = explore, prior_a = prior[1], prior_b = prior[2],
      alpha = setting(options, "alpha"), ridge = setting(options, "ridge"), worth = setting(options, "worth"),
   }
   if not spec then wrong("new: %s", message) end
   local arms, features = {}, {}
   for position, name in ipairs(options.arms) do arms[position] = name end
   for position, name in ipairs(options.features or {}) do features[position] = name end
   return setmetatable({ name = options.name, method = options.method or "thompson", spec = spec,
      worth = setting(options, "worth"), arms = arms, features = features, place_of = positions(arms),
      feature_at = positions(features), buckets = options.buckets and positions(options.buckets) }, class)
end

-- ---- where it is used ----

local function is_bandit(self, what)
   if getmetatable(self) ~= "bandit" then wrong("%s: call it with a colon, on a bandit", what) end
end

local function bucket_of(self, context, what)
   local bucket = context.bucket
   if bucket == nil then return "" end
   if type(bucket) ~= "string" then wrong("%s: bucket must be a string, not a %s", what, type(bucket)) end
   if #bucket > 64 then wrong("%s: a bucket's name has 64 bytes at most", what) end
   if self.buckets and not self.buckets[bucket] then return OTHER end
   return bucket
end

-- Numbers in the order of the bandit's features; one that is not given is 0.
local function features_of(self, context, what)
   local x = {}
   for position = 1, #self.features do x[position] = 0 end
   for name, value in pairs(context.features or {}) do
      local position = self.feature_at[name]
      if not position then wrong("%s: '%s' is none of the bandit's features", what, tostring(name)) end
      if type(value) ~= "number" or not (value >= -100 and value <= 100) then
         wrong("%s: feature '%s' must be a number from -100 to 100", what, name)
      end
      x[position] = value
   end
   return x
end

local function place_of(self, arm, what)
   local place = self.place_of[arm]
   if not place then wrong("%s: '%s' is none of the arms", what, tostring(arm)) end
   return place
end

-- Bit i for the arm at position i + 1.
local function among_of(self, among)
   if among == nil then return (1 << #self.arms) - 1 end
   local bits = 0
   for _, arm in ipairs(among) do bits = bits | 1 << (place_of(self, arm, "choose: among") - 1) end
   if bits == 0 then wrong "choose: among is empty" end
   return bits
end

-- The other arms, for those who want to know.
local function others(self, arm, among)
   if not trace.detailed() then return nil end
   local list = {}
   for _, other in ipairs(among or self.arms) do
      if other ~= arm then list[#list + 1] = { model = other, why = "not drawn" } end
   end
   return list
end

local CONTEXT = { bucket = true, features = true, among = true }

local function check_context(context)
   if context == nil then return {} end
   if type(context) == "string" then return { bucket = context } end
   if type(context) ~= "table" then wrong("choose: the context must be a table, not a %s", type(context)) end
   for name in pairs(context) do
      if not CONTEXT[name] then wrong("choose: unknown member '%s' of the context", tostring(name)) end
   end
   return context
end

-- ---- choosing and learning ----

-- b:choose(context?) -> arm, probability, decision | nil, err
--   context      { bucket = text, features = { [name] = number }, among = list of arms }, or a bucket's name
--   probability  with which this arm was chosen of those that could be
--   decision     { arm =, probability =, bucket =, features =, trace = }, for b:learn. Feedback for its trace
--                finds it for a day: that of the request, outside of one a trace of its own
-- err.code: "budget" when there is no room for another bandit or bucket.
function methods:choose(context)
   is_bandit(self, "choose")
   context = check_context(context)
   local decision = { bucket = bucket_of(self, context, "choose"),
      features = features_of(self, context, "choose"), trace = trace.id() }
   if decision.trace == "" then decision.trace = random.id() end
   local place, probability, id = bandits.choose(self.spec, decision.bucket, decision.features,
      among_of(self, context.among), decision.trace)
   if not place then return nil, probability end
   decision.arm, decision.probability, decision.id = self.arms[place], probability, id
   trace.decide { bandit = self.name, model = decision.arm, reason = self.method, bucket = decision.bucket,
      probability = probability, candidates = others(self, decision.arm, context.among) }
   return decision.arm, probability, decision
end

local function check_learn(score, options)
   if type(score) ~= "number" or not (score >= 0 and score <= 1) then
      wrong("learn: the score must be a number from 0 to 1, not %s", tostring(score))
   end
   for name in pairs(options) do
      if name ~= "cost" and name ~= "final" then wrong("learn: unknown option '%s'", tostring(name)) end
   end
   local cost = options.cost
   if cost ~= nil and (type(cost) ~= "number" or not (cost >= 0 and cost < math.huge)) then
      wrong "learn: cost must be a number of USD, 0 or more"
   end
end

-- b:learn(decision, score, opts?) -> true, or false when the bandit is frozen | nil, err
--   decision  what b:choose gave, or { arm =, bucket =, features = { [name] = number } } of something else
--   score     0 to 1
--   opts      cost: USD (what the request has cost so far), which counts where the bandit has a worth;
--             final = true: no feedback is awaited for it any more
function methods:learn(decision, score, options)
   is_bandit(self, "learn")
   options = options or {}
   check_learn(score, options)
   if type(decision) ~= "table" then
      wrong("learn: the decision must be a table, not a %s", type(decision))
   end
   local features = decision.id and decision.features or features_of(self, decision, "learn")
   return bandits.learn(self.spec, place_of(self, decision.arm, "learn"), bucket_of(self, decision, "learn"),
      features, score, options.cost or trace.total().cost_usd, options.final and decision.id or 0)
end

-- b:withdraw(decision): the choice came to nothing; feedback for its trace is not for it.
function methods:withdraw(decision)
   is_bandit(self, "withdraw")
   if type(decision) ~= "table" or not decision.id then wrong "withdraw takes a decision of choose" end
   bandits.withdraw(decision.id)
end

-- b:reward(score, cost) -> what the bandit learns of a score: the score itself; with a worth (score + 1 -
-- min(cost / worth, 1)) / 2, so that arms are ordered by score - cost / worth.
function methods:reward(score, cost)
   is_bandit(self, "reward")
   return bandits.reward(score, cost or 0, self.worth)
end

-- ---- looking after them ----

local function check_name(name, what)
   if type(name) ~= "string" then wrong("%s: the name must be a string, not a %s", what, type(name)) end
end

local function found(n, name)
   if n > 0 then return true end
   return nil, errors.new { code = "not_found", message = ("there is no bandit '%s'"):format(name) }
end

-- bandit.look(name?) -> list of what is known, of that name or of all, in the form of the admin API.
function bandit.look(name)
   if name ~= nil then check_name(name, "look") end
   return bandits.look(name).bandits or json.array {}
end

-- bandit.freeze(name, on = true) -> true | nil, err: it chooses on and learns no more, or (on = false) again.
function bandit.freeze(name, on)
   check_name(name, "freeze")
   return found(bandits.freeze(name, on ~= false), name)
end

-- bandit.reset(name) -> true | nil, err: forgets what it has learned and the decisions that await feedback.
function bandit.reset(name)
   check_name(name, "reset")
   return found(bandits.reset(name), name)
end

return bandit
