-- importing: price lists of others as a catalogue of ours, for "baton models import".
-- SPDX-License-Identifier: MIT
--
-- LiteLLM's price file: { NAME: { litellm_provider:, mode:, input_cost_per_token: USD, ... } }.
-- OpenRouter's list of models: { data: [ { id:, pricing: { prompt: "USD per token", ... } } ] }.
-- A file is taken as a whole or not at all: no negative price, enough models that make sense.

local errors = require "errors"
local json = require "json"

local importing = {}

local function fail(what, ...)
   error(errors.new { code = "bad_request", message = what:format(...) }, 0)
end

-- USD per token (a number, or a text that is one) as USD per million; nil for anything else.
local function per_million(name, value)
   local usd = type(value) == "string" and tonumber(value) or value
   if type(usd) ~= "number" or usd ~= usd then return nil end
   if usd < 0 then fail("%s has a negative price", name) end
   if usd > 1 then fail("%s costs %s USD a token: is this a list of prices per token?", name, value) end
   return math.floor(usd * 1e12 + 0.5) / 1e6
end

local function usd(name, value)
   local amount = type(value) == "string" and tonumber(value) or value
   if type(amount) ~= "number" or amount ~= amount or amount == 0 then return nil end
   if amount < 0 then fail("%s has a negative price", name) end
   return amount <= 1e6 and amount or nil
end

local function whole(value)
   return type(value) == "number" and value >= 1 and value <= 1e9 and math.floor(value) or nil
end

local function not_zero(value)
   return value ~= 0 and value or nil
end

local function member(value, name)
   if type(value) == "table" then return value[name] end
end

local function list_or_nil(list)
   return #list > 0 and json.array(list) or nil
end

-- It will be shown on a terminal, and must be a model's and no path's.
local function is_name(text)
   return type(text) == "string" and #text <= 200 and text:find "^[%w@][%w._:/@+~ -]*$" ~= nil
end

-- ---- LiteLLM ----

local PROVIDERS <const> = { together_ai = "together", fireworks_ai = "fireworks", vertex_ai = "vertex" }

local MODES <const> = { chat = "chat", completion = "chat", responses = "chat", embedding = "embedding" }

local CAPABILITIES <const> = {
   { "supports_function_calling", "tools" }, { "supports_vision", "vision" },
   { "supports_response_schema", "json" }, { "supports_response_schema", "json_schema" },
   { "supports_reasoning", "reasoning" }, { "supports_assistant_prefill", "prefill" },
   { "supports_pdf_input", "files" }, { "supports_audio_input", "audio" },
   { "supports_prompt_caching", "cache" }, { "supports_web_search", "search" },
}

local TIERED <const> = {
   input_cost_per_token = "input", output_cost_per_token = "output",
   cache_read_input_token_cost = "cached_input", cache_creation_input_token_cost = "cache_write",
   cache_creation_input_token_cost_above_1hr = "cache_write_1h",
}

-- "input_cost_per_token_above_200k_tokens" and the like, as 'above' has them.
local function litellm_above(name, row)
   local by_tokens, tiers = {}, {}
   for key, value in pairs(row) do
      local field, thousands = key:match "^(.+)_above_(%d+)k_tokens$"
      local ours = field and TIERED[field]
      local price = ours and per_million(name, value)
      if price then
         local tokens = math.tointeger(tonumber(thousands)) * 1000
         local tier = by_tokens[tokens] or { tokens = tokens }
         by_tokens[tokens], tier[ours] = tier, price
      end
   end
   for _, tier in pairs(by_tokens) do tiers[#tiers + 1] = tier end
   table.sort(tiers, function(a, b) return a.tokens < b.tokens end)
   if #tiers > 1 then return json.array(tiers) end
   return tiers[1]
end

local function litellm_capabilities(row, mode)
   local list = { mode == "embedding" and "embeddings" or nil }
   for _, pair in ipairs(CAPABILITIES) do
      if row[pair[1]] == true then list[#list + 1] = pair[2] end
   end
   return list_or_nil(list)
end

local function litellm_prices(name, row)
   local function price(key) return per_million(name, row[key]) end
   local search = member(row.search_context_cost_per_query, "search_context_size_medium")
   return {
      input = price "input_cost_per_token", output = price "output_cost_per_token",
      cached_input = price "cache_read_input_token_cost" or price "input_cost_per_token_cache_hit",
      cache_write = not_zero(price "cache_creation_input_token_cost"),
      cache_write_1h = not_zero(price "cache_creation_input_token_cost_above_1hr"),
      reasoning = not_zero(price "output_cost_per_reasoning_token"),
      audio_input = not_zero(price "input_cost_per_audio_token"),
      audio_output = not_zero(price "output_cost_per_audio_token"),
      request = usd(name, row.input_cost_per_request), search = usd(name, search),
      above = litellm_above(name, row),
   }
end

-- Our name for a row: LiteLLM's keys have the provider in front, or not.
local function litellm_name(key, provider)
   local model = key:sub(1, #provider + 1) == provider .. "/" and key:sub(#provider + 2) or key
   return (PROVIDERS[provider] or provider) .. "/" .. model
end

local function litellm_entry(name, row, mode)
   local entry = litellm_prices(name, row)
   if mode == "embedding" then entry.mode, entry.output = "embedding", entry.output or 0 end
   if not (entry.input and entry.output) then return nil end
   entry.context = whole(row.max_input_tokens) or whole(row.max_tokens)
   entry.max_output = mode ~= "embedding" and whole(row.max_output_tokens) or nil
   entry.dimensions = whole(row.output_vector_size)
   entry.capabilities = litellm_capabilities(row, mode)
   entry.dialect = row.mode == "responses" and json.array { "responses" } or nil
   local ends = row.deprecation_date
   entry.ends = type(ends) == "string" and ends:match "^%d%d%d%d%-%d%d%-%d%d$" or nil
   entry.source = type(row.source) == "string" and row.source:match "^https?://[!-~]+$" or nil
   return entry
end

-- Tuned models of one's own have no name there, and what is served no more has no use.
local function is_named(key, row, today)
   local ends = member(row, "deprecation_date")
   return is_name(key) and key ~= "sample_spec" and key:sub(1, 3) ~= "ft:"
      and not (type(ends) == "string" and ends:find "^%d%d%d%d%-%d%d%-%d%d$" and ends <= today)
end

-- importing.litellm(data, today) -> models, how many were left out (other modes, no price a token,
-- served no more). today: "2026-11-22".
function importing.litellm(data, today)
   local models, left_out = {}, 0
   for key, row in pairs(data) do
      local provider = member(row, "litellm_provider")
      local mode = MODES[member(row, "mode") or ""]
      local entry, name
      if is_name(provider) and not provider:find("/", 1, true) and mode and is_named(key, row, today) then
         name = litellm_name(key, provider)
         entry = litellm_entry(name, row, mode)
      end
      if entry then models[name] = entry else left_out = left_out + 1 end
   end
   return models, left_out
end

-- ---- OpenRouter ----

local function contains(list, value)
   for _, item in ipairs(type(list) == "table" and list or {}) do
      if item == value then return true end
   end
   return false
end

local function openrouter_capabilities(row, mode, caches)
   local inputs, parameters = member(row.architecture, "input_modalities"), row.supported_parameters
   local list = {}
   local function add(capability, has)
      if has then list[#list + 1] = capability end
   end
   add("embeddings", mode == "embedding")
   add("tools", contains(parameters, "tools"))
   add("vision", contains(inputs, "image"))
   add("json", contains(parameters, "response_format"))
   add("json_schema", contains(parameters, "structured_outputs"))
   add("reasoning", contains(parameters, "reasoning"))
   add("files", contains(inputs, "file"))
   add("audio", contains(inputs, "audio"))
   add("cache", caches)
   return list_or_nil(list)
end

local function openrouter_mode(row)
   local outputs = member(row.architecture, "output_modalities")
   if outputs == nil or contains(outputs, "text") then return "chat" end
   return contains(outputs, "embeddings") and "embedding" or nil
end

-- "-1" stands for "it depends" (the router's own models): no price, then.
local function openrouter_entry(name, row, mode)
   local pricing = row.pricing
   if tonumber(pricing.prompt) == -1 or tonumber(pricing.completion) == -1 then return nil end
   local function price(key) return per_million(name, pricing[key]) end
   local entry = {
      input = price "prompt", output = price "completion", cached_input = not_zero(price "input_cache_read"),
      cache_write = not_zero(price "input_cache_write"), reasoning = not_zero(price "internal_reasoning"),
      audio_input = not_zero(price "audio"),
      request = usd(name, pricing.request), search = usd(name, pricing.web_search),
   }
   if not (entry.input and entry.output) then return nil end
   entry.mode = mode ~= "chat" and mode or nil
   entry.context = whole(row.context_length)
   entry.max_output = whole(member(row.top_provider, "max_completion_tokens"))
   entry.capabilities = openrouter_capabilities(row, mode, entry.cached_input ~= nil)
   return entry
end

-- importing.openrouter(data) -> models, how many were left out.
function importing.openrouter(data)
   local models, left_out = {}, 0
   for _, row in ipairs(data.data) do
      local id, entry = member(row, "id"), nil
      if is_name(id) and type(row.pricing) == "table" then
         local mode = openrouter_mode(row)
         entry = mode and openrouter_entry("openrouter/" .. id, row, mode)
      end
      if entry then models["openrouter/" .. id] = entry else left_out = left_out + 1 end
   end
   return models, left_out
end

-- ---- either ----

local function count_of(models)
   local n = 0
   for _ in pairs(models) do n = n + 1 end
   return n
end

local NEITHER <const> = "this is neither LiteLLM's price file nor OpenRouter's list of models"

-- importing.convert(text, today) -> models, left out, "litellm" | "openrouter". Raises when it is neither, or
-- has a price that cannot be.
function importing.convert(text, today)
   local data, err = json.decode(text)
   if err then fail("this is no JSON: %s", (err.message:gsub("^invalid JSON: ", ""))) end
   if type(data) ~= "table" then fail(NEITHER) end
   if type(data.data) == "table" and member(data.data[1], "pricing") then
      local models, left_out = importing.openrouter(data)
      return models, left_out, "openrouter"
   end
   local models, left_out = importing.litellm(data, today)
   if next(models) == nil then fail(NEITHER) end
   return models, left_out, "litellm"
end

local function number_before(text)
   local old = text ~= "" and json.decode(text)
   local models = member(old, "models")
   return type(models) == "table" and count_of(models) or 0
end

-- importing.main(text, source, dated, least, old): prints what was done, in a line, then the catalogue.
--   least: how many models there must be, or "" for 10 and half of what 'old' has; old: the text of the
--   file that will be replaced, or "".
function importing.main(text, source, dated, least, old)
   local models, left_out, from = importing.convert(text, dated)
   local n, before = count_of(models), number_before(old)
   local wanted = tonumber(least) or math.max(10, before // 2)
   if n < wanted then
      local what = "only %d models make sense, and %d are wanted%s; --at-least N takes fewer"
      fail(what, n, wanted, least == "" and before > 20 and (" (the old file has %d)"):format(before) or "")
   end
   print(("%d models of %s, %d rows left out"):format(n, from, left_out))
   source = source:gsub("^(%w+://)[^/@]*@", "%1"):gsub("[?#].*", "") -- a key there is not for the file
   print(json.encode(json.object { baton_catalogue = 1, dated = dated, source = source, from = from,
      models = json.object(models) }))
end

return importing
