-- models: the catalogue. Which models there are, what they cost, and which one a target means.
-- SPDX-License-Identifier: MIT
--
-- An entry: { name = "openai/gpt-4o-mini", provider = "openai", model = "gpt-4o-mini", tier =,
-- context =, max_output = (tokens), capabilities = { "tools", ... }, good_at = { "code", ... }, where =
-- "local" | "cloud", quality = 0..1 (ranking.lua), and prices (models.price), nil where unknown }.

local catalog = require "catalog"
local config = require "config"
local errors = require "errors"
local health = require "health"
local ranking = require "ranking"
local readonly = require "readonly"

local fit = require("fields").fit

local models = {}

local entries, by_name, by_model = {}, {}, {}

local PRICES <const> = { "input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning",
   "audio_input", "audio_output", "request", "search", "above", "source", "dated" }

local function split(name)
   return name:match("^([^/]+)/(.+)$")
end

local function entry_of(name, facts)
   local provider, model = split(name)
   local entry = { name = name, provider = provider, model = model }
   for key, value in pairs(facts) do entry[key] = value end
   return entry
end

local function add(name, facts)
   local provider, model = split(name)
   if not provider or not config.providers[provider] or by_name[name] then return end
   local entry = readonly(entry_of(name, facts), "a model of the catalogue")
   entries[#entries + 1] = entry
   by_name[name] = entry
   by_model[model] = by_model[model] == nil and entry or false -- false: more than one provider has it
end

-- What an imported catalogue says of a model: all of it, or of one that we ship its prices.
local function merged(facts, shipped)
   local entry = {}
   for key, value in pairs(shipped or facts) do entry[key] = value end
   if shipped then
      for _, key in ipairs(PRICES) do entry[key] = facts[key] end
   end
   entry.source, entry.dated = facts.source or config.catalogue.source, config.catalogue.dated
   return entry
end

local imported = config.catalogue and config.catalogue.models or {}

-- f(name, facts) of all there is, what comes first first; a name may come again.
local function each(f)
   for name, facts in pairs(config.models) do f(name, facts) end
   if config.recorded then return end -- "baton eval": there are no others
   for name, facts in pairs(imported) do f(name, merged(facts, catalog.models[name])) end
   for name, facts in pairs(catalog.models) do f(name, facts) end
end

each(add)

table.sort(entries, ranking.is_cheaper)

-- The entries of each tier, cheapest first, too: what most selectors ask for.
local by_tier = {}
for _, entry in ipairs(entries) do
   local tier = entry.tier
   if tier then
      by_tier[tier] = by_tier[tier] or {}
      table.insert(by_tier[tier], entry)
   end
end
local none = {}

local function has(list, wanted)
   for _, value in ipairs(list or {}) do
      if value == wanted then return true end
   end
   return false
end

local selector_keys = {
   tier = "string", needs = "table", good_at = "string", max_price = "number", where = "string",
   provider = "string", not_provider = "string", mode = "string", max_latency = "number", prefer = "string",
}

local function known_keys(t)
   local keys = {}
   for key in pairs(t) do keys[#keys + 1] = key end
   return table.concat(keys, ", ")
end

-- What is wrong with a selector, or nil. A false value is one that is left out.
local function selector_fault(selector)
   local prefer = selector.prefer
   if fit(selector, selector_keys) and (not prefer or ranking.orders[prefer]) then return nil end
   for key, value in pairs(selector) do
      local wanted = selector_keys[key]
      if not wanted then
         return ("unknown key '%s' (known: %s)"):format(tostring(key), known_keys(selector_keys))
      end
      if value and type(value) ~= wanted then
         return ("'%s' must be a %s, not a %s"):format(key, wanted, type(value))
      end
   end
   if selector.prefer and not ranking.orders[selector.prefer] then
      return ("'prefer' must be one of %s, not '%s'"):format(known_keys(ranking.orders), selector.prefer)
   end
end

-- Models that only the Responses API serves cannot be called in another format.
local uncallable = {}
for _, entry in ipairs(entries) do
   local codec = config.providers[entry.provider].codec
   uncallable[entry.name] = has(entry.dialect, "responses") and codec ~= "openai_responses" or nil
end

local function fits(entry, selector)
   if selector.tier and entry.tier ~= selector.tier then return false end -- first: it leaves few
   local needs = selector.needs
   local mode = selector.mode or needs and has(needs, "embeddings") and "embedding" or "chat"
   if (entry.mode or "chat") ~= mode or uncallable[entry.name] then return false end
   if selector.where and (entry.where or "cloud") ~= selector.where then return false end
   if selector.provider and entry.provider ~= selector.provider then return false end
   if selector.not_provider and entry.provider == selector.not_provider then return false end
   if selector.good_at and not has(entry.good_at, selector.good_at) then return false end
   if selector.max_price and (entry.output or math.huge) > selector.max_price then return false end
   for _, need in ipairs(needs or none) do
      if not has(entry.capabilities, need) then return false end
   end
   return true
end

-- What was measured of a model's whole answers in the last minutes: { p50 =, p95 =, p99 = } in seconds.
local function latency_of(entry)
   return health.look(entry.name).latency
end

-- A selector as it must be, or it raises: the entries that may fit it, cheapest first.
local function within(selector)
   if type(selector) ~= "table" then
      errors.raise("models.find: a selector is needed, not a " .. type(selector))
   end
   local fault = selector_fault(selector)
   if fault then errors.raise("models.find: " .. fault) end
   return selector.tier and (by_tier[selector.tier] or none) or entries
end

-- Are they wanted in another order than that of their price?
local function is_ordered(selector)
   return selector.prefer ~= nil and selector.prefer ~= false and selector.prefer ~= "cost"
end

-- models.find(selector) -> the entries that fit, in the order of selector.prefer: "cost" (when it is not
--   given: input + output price, then name), "quality", "latency" or "balanced" (ranking.lua).
--   selector: { tier =, needs = { capability, ... }, good_at = "code", max_price = USD per million
--   output tokens, where = "local" | "cloud", provider =, not_provider =, prefer =, max_latency = seconds
--   (heeded by models.pick) }, each optional; an unknown key raises.
function models.find(selector)
   local found = {}
   for _, entry in ipairs(within(selector)) do
      if fits(entry, selector) then found[#found + 1] = entry end
   end
   return is_ordered(selector) and ranking.orders[selector.prefer](found, latency_of) or found
end

-- models.is_selector(value) -> boolean: a table that says at least one thing a selector may.
function models.is_selector(value)
   return type(value) == "table" and next(value) ~= nil and not selector_fault(value)
end

-- models.selector_fault(selector) -> what is wrong with it, in words | nil.
models.selector_fault = selector_fault

-- models.all() -> every entry of any mode, cheapest first.
function models.all()
   return table.move(entries, 1, #entries, 1, {})
end

-- models.known() -> the entries of providers that are not configured, too, cheapest first.
function models.known()
   local known, seen = {}, {}
   each(function(name, facts)
      if seen[name] then return end
      seen[name] = true
      known[#known + 1] = entry_of(name, facts)
   end)
   table.sort(known, ranking.is_cheaper)
   return known
end

-- models.fits(entry, selector) -> boolean: would models.find with this selector give it?
function models.fits(entry, selector)
   return fits(entry, selector)
end

local function describe(selector)
   local parts = {}
   for key, value in pairs(selector) do
      local text = type(value) == "table" and table.concat(value, "+") or tostring(value)
      parts[#parts + 1] = key .. " = " .. text
   end
   return "{" .. table.concat(parts, ", ") .. "}"
end

-- models.is_known(name) -> boolean: is it in the catalogue?
function models.is_known(name)
   return by_name[name] ~= nil
end

-- models.is_ready(entry) -> boolean: would a call be made now? Not when the model's breaker is open,
-- its provider asked to wait, its rate is reached, or no key is in order.
function models.is_ready(entry)
   return health.ready(entry.provider, entry.name, entry.requests_per_minute, entry.tokens_per_minute)
end

-- Why a model is passed over now, or nil.
local function objection(entry, selector)
   if not models.is_ready(entry) then return "not ready" end
   if not selector.max_latency then return nil end
   local p95 = latency_of(entry).p95
   if p95 and p95 > selector.max_latency then return "slow" end
   return nil
end

-- The tiers that there are, when none of them is the one that is looked for.
local function other_tiers(tier)
   local seen, tiers = {}, {}
   for _, entry in ipairs(entries) do
      if entry.tier == tier then return nil end
      if entry.tier and not seen[entry.tier] then
         seen[entry.tier], tiers[#tiers + 1] = true, entry.tier
      end
   end
   table.sort(tiers)
   return #tiers > 0 and table.concat(tiers, ", ") or "none"
end

local function none_fits(selector)
   local message = "no model fits " .. describe(selector)
   local tiers = selector.tier and other_tiers(selector.tier)
   if #entries == 0 then
      message = message .. ": no model of the configured providers is known; list them under 'models'"
   elseif tiers then
      message = ("%s: no model is of this tier (tiers: %s)"):format(message, tiers)
   end
   return nil, errors.new { code = "no_candidate", message = message }
end

-- Of models that all have something against them: one that is ready but slow before one that is not.
local function least_bad(found, passed)
   for i, entry in ipairs(found) do
      if passed[i].reason == "slow" then return entry end
   end
   return found[1]
end

-- models.pick(selector) -> entry, passed | nil, err (no_candidate). The first of models.find(selector) that
--   is ready (models.is_ready) and whose measured latency keeps to max_latency: the 95th percentile of its
--   whole answers in the last minutes; a model of which nothing was measured does. When there is none: the
--   first that is ready, else the first; a slow answer is better than none. passed: { { model = name,
--   reason = "not ready" | "slow" }, ... }, those that came before it.
function models.pick(selector)
   local list = within(selector)
   local ordered = is_ordered(selector) and models.find(selector)
   local found, passed = {}, {}
   for _, entry in ipairs(ordered or list) do
      if ordered or fits(entry, selector) then
         local reason = objection(entry, selector)
         if not reason then return entry, passed end
         found[#found + 1] = entry
         passed[#passed + 1] = { model = entry.name, reason = reason }
      end
   end
   if #found == 0 then return none_fits(selector) end
   return least_bad(found, passed), passed
end

-- How unlike another model one is: quality first, then price by factors.
local function unlikeness(entry, other)
   local apart = math.abs(ranking.quality(entry) - ranking.quality(other))
   local a, b = ranking.price(entry), ranking.price(other)
   if a == math.huge or b == math.huge then return apart + (a == b and 0 or 0.05) end
   return apart + 0.02 * math.abs(math.log((a + 0.01) / (b + 0.01)))
end

-- models.alternatives(target, selector?) -> entries: what can stand in for a model: of those that fit the
--   selector (any) and are ready, first the models of other providers, then others of the same, each by how
--   much they are like it: in quality, then in price. target: as in models.resolve; nil, or one that is not
--   known: all, best first. Never the model itself.
function models.alternatives(target, selector)
   local entry = target and models.resolve(target)
   local wanted = { prefer = "quality" }
   for key, value in pairs(selector or {}) do wanted[key] = value end
   local found, far = {}, {}
   for _, other in ipairs(models.find(wanted)) do
      if not (entry and other.name == entry.name) and models.is_ready(other) then
         found[#found + 1] = other
         local same_house = entry and other.provider == entry.provider
         far[other] = entry and unlikeness(other, entry) + (same_house and 10 or 0) or #found
      end
   end
   table.sort(found, function(a, b) return far[a] < far[b] end) -- stable: equals stay as prefer has them
   return found
end

-- models.quality(entry) -> 0..1: the entry's 'quality', else what its tier suggests (ranking.lua).
models.quality = ranking.quality

-- An entry for a model that no catalogue has.
local function unlisted(name, provider, model)
   local entry = { name = name, provider = provider, model = model }
   local codec = config.providers[provider].codec
   for key, value in pairs(catalog.unlisted[provider] or catalog.unlisted[codec] or {}) do
      entry[key] = value
   end
   return entry
end

-- What is wrong with a name that means no model: several providers have it, its provider is not configured or
-- misspelled, or nobody knows it.
local function why_missing(target, provider)
   if by_model[target] == false then
      local names = {}
      for _, entry in ipairs(entries) do
         if entry.model == target then names[#names + 1] = entry.name end
      end
      return ("several providers have the model '%s'; say which: %s"):format(target,
         table.concat(names, ", "))
   end
   local house
   each(function(name)
      local its, model = split(name)
      if not house and (name == target or model == target) then house = its end
   end)
   if house then
      return ("the model '%s' cannot be asked: its provider '%s' is not configured"):format(target, house)
   end
   local hint = provider and (": there is no provider '%s'"):format(provider) or ""
   for _, entry in ipairs(entries) do
      if entry.tier == target then hint = (" (the tier is { tier = \"%s\" })"):format(target) end
   end
   return ("the model '%s' does not exist%s"):format(target, hint)
end

-- models.resolve(target) -> entry | nil, err.
--   target: "provider/model" (it need not be in the catalogue), an alias of the configuration, the
--   bare name of a model that one provider has, a selector (models.pick), or an entry.
function models.resolve(target)
   if type(target) == "table" then
      if target.name and target.provider and target.model then return by_name[target.name] or target end
      local entry, err = models.pick(target)
      if entry then return entry end
      return nil, err
   end
   if type(target) ~= "string" then
      errors.raise(("the target must be a name or a selector, not a %s; it comes first, then the request")
         :format(type(target)))
   end
   local alias = config.aliases[target]
   if alias ~= nil then return models.resolve(alias) end
   local entry = by_name[target] or by_model[target]
   if entry then return entry end
   local provider, model = split(target)
   if provider and config.providers[provider] then
      return unlisted(target, provider, model)
   end
   return nil, errors.new { code = "not_found", message = why_missing(target, provider),
      param = "model", provider_code = "model_not_found", type = "invalid_request_error" }
end

-- models.health(target) -> table | nil, err: what is known of a model now, by all workers.
--   { name =, ready = (is_ready), state = "closed" | "open" | "half_open", forced = "open" | "closed"
--   (by an operator) | nil, failures = in a row, calls =, error_rate = (0..1) in the window, benched =
--   (its provider asked to wait), open_for = seconds until it may be called, cooldown = seconds,
--   latency =, ttft = { p50 =, p95 =, p99 = } in seconds, of the last minutes, empty when nothing is
--   known }
function models.health(target)
   local entry, err = models.resolve(target)
   if not entry then return nil, err end
   local view = health.look(entry.name)
   view.name, view.ready = entry.name, models.is_ready(entry)
   return view
end

-- An alias may name another alias or hold a selector. What cannot mean anything is told when the
-- configuration is loaded, not to the first client.
for name, target in pairs(config.aliases) do
   local place, steps = "configuration: aliases." .. name .. ": ", 0
   while type(target) == "string" and config.aliases[target] ~= nil do
      target, steps = config.aliases[target], steps + 1
      if steps > 100 then error(place .. "leads back to itself", 0) end
   end
   if type(target) == "table" then
      local fault = selector_fault(target)
      if fault then error(place .. fault, 0) end
   else
      local entry, err = models.resolve(target)
      if not entry then error(place .. err.message, 0) end
   end
end
if config.default_model ~= nil then
   local entry, err = models.resolve(config.default_model)
   if not entry then error("configuration: default_model: " .. err.message, 0) end
end

-- ---- what it costs ----

-- The prices for so many input tokens: { tokens = 200000, input =, ... } in 'above', one or a list by
-- rising tokens, replaces prices of the whole request when all its input exceeds that.
local function prices_for(entry, input_tokens)
   local above = entry.above
   if not above then return entry end
   local chosen
   for _, tier in ipairs(above.tokens and { above } or above) do
      if input_tokens > tier.tokens then chosen = tier end
   end
   if not chosen then return entry end
   local prices = {}
   for key, value in pairs(entry) do prices[key] = value end
   for key, value in pairs(chosen) do prices[key] = value end
   return prices
end

-- USD per million for the input: cache reads and writes, audio, the rest.
local function price_of_input(prices, usage)
   local price, plain, cost = prices.input, usage.input_tokens, 0
   local cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
   if cached + written > 0 then
      local hour = math.min(usage.cache_write_1h_tokens or 0, written)
      local write = prices.cache_write or price
      plain = math.max(0, plain - cached - written)
      cost = cached * (prices.cached_input or price) + (written - hour) * write
         + hour * (prices.cache_write_1h or write)
   end
   local audio = usage.audio_input_tokens and math.min(usage.audio_input_tokens, plain) or 0
   return cost + (plain - audio) * price + audio * (prices.audio_input or price)
end

local function price_of_output(prices, usage)
   local price, output = prices.output, usage.output_tokens
   local reasoning = math.min(usage.reasoning_tokens or 0, output)
   local audio = usage.audio_output_tokens and math.min(usage.audio_output_tokens, output - reasoning) or 0
   return (output - reasoning - audio) * price
      + reasoning * (prices.reasoning or price) + audio * (prices.audio_output or price)
end

-- models.price(entry, usage) -> USD for one call. usage: as reply.usage (the module usage); only
--   input_tokens and output_tokens are needed. 0 where the prices are unknown, or usage is nil.
--   Prices of an entry, in USD per million tokens, and what holds where one is missing: input, output
--   (both needed); cached_input, cache_write, audio_input (input's); cache_write_1h (cache_write's);
--   reasoning, audio_output (output's). In USD: request, per call; search, per search that the
--   provider ran. above: see prices_for.
function models.price(entry, usage)
   if not usage or not entry.input or not entry.output then return 0 end
   local prices = prices_for(entry, usage.input_tokens)
   return (price_of_input(prices, usage) + price_of_output(prices, usage)) / 1e6
      + (prices.request or 0) + (prices.search or 0) * (usage.requests or 0)
end

return models
