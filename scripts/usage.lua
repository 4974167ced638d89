-- usage: tokens as each provider counts them, in one way of counting; and back, for each door.
-- SPDX-License-Identifier: MIT
--
-- Canonical usage, whole numbers: { input_tokens = all input, what was read from and written to the
-- provider's cache included; cached_tokens = read from it; cache_write_tokens = written to it;
-- cache_write_1h_tokens = the part of that kept for an hour; output_tokens = all output, reasoning
-- included; reasoning_tokens =; audio_input_tokens =, audio_output_tokens = (parts of input and
-- output), requests = (searches and other tools that the provider ran): nil where not told }.
-- Parts never exceed their whole. A number that is absent or absurd counts 0.
--
-- Who counts how: OpenAI and Gemini's input includes the cache, Anthropic's does not; OpenAI's output
-- includes reasoning, Gemini's does not, and xAI's does or does not: the total tells.

local usage = { from = {}, to = {} }

local LIMIT <const> = 1e12

local max, min = math.max, math.min

local function is_count(value)
   return type(value) == "number" and value >= 0 and value <= LIMIT
end

-- A count as a whole number; 0 where there is none.
local function count(value)
   return is_count(value) and value // 1 | 0 or 0
end

local function member(value, name)
   if type(value) == "table" then return value[name] end
end

-- The first that is a count, as a whole number, else nil. Every answer asks for many: no call within.
local function known(a, b)
   if type(a) == "number" and a >= 0 and a <= LIMIT then return a // 1 | 0 end
   if type(b) == "number" and b >= 0 and b <= LIMIT then return b // 1 | 0 end
end

local function some(value)
   return value > 0 and value or nil
end

-- Parts that exceed their whole: a server that counts the cache beside its input, say. The whole is
-- at least its parts then.
local function settled(c)
   local parts = c.cached_tokens + c.cache_write_tokens
   if c.input_tokens < parts then c.input_tokens = parts end
   if c.cache_write_1h_tokens > c.cache_write_tokens then c.cache_write_1h_tokens = c.cache_write_tokens end
   if c.output_tokens < c.reasoning_tokens then c.output_tokens = c.reasoning_tokens end
   if c.audio_input_tokens then c.audio_input_tokens = min(c.audio_input_tokens, c.input_tokens) end
   if c.audio_output_tokens then c.audio_output_tokens = min(c.audio_output_tokens, c.output_tokens) end
   return c
end

-- usage.none: where nothing is known but a number must be shown.
usage.none = {
   input_tokens = 0, cached_tokens = 0, cache_write_tokens = 0, cache_write_1h_tokens = 0,
   output_tokens = 0, reasoning_tokens = 0,
}

-- ---- from providers; each: canonical | nil where there are no counts ----

-- xAI leaves reasoning out of the completion; its total has it.
local function output_of(input, output, reasoning, total)
   if reasoning > output or reasoning > 0 and total == input + output + reasoning then
      return output + reasoning
   end
   return output
end

local nothing = {}

-- The object at the first of two names that has one | nil.
local function of_details(u, name, other)
   local details = u[name] or u[other]
   if type(details) ~= "table" then details = u[other] end
   return type(details) == "table" and details or nil
end

-- What an answer's details say of its input and its output.
local function add_details(c, u)
   local into = of_details(u, "prompt_tokens_details", "input_tokens_details")
   local out = of_details(u, "completion_tokens_details", "output_tokens_details")
   if into then
      c.cached_tokens = known(into.cached_tokens) or c.cached_tokens
      c.cache_write_tokens = known(into.cache_write_tokens, into.cache_creation_tokens) or 0
      c.audio_input_tokens = some(known(into.audio_tokens) or 0)
   end
   if out then
      c.reasoning_tokens = known(out.reasoning_tokens) or c.reasoning_tokens
      c.audio_output_tokens = some(known(out.audio_tokens) or 0)
   end
end

-- usage.from.openai(object): Chat Completions, completions, embeddings, Responses, and the servers
-- that speak these: DeepSeek (prompt_cache_hit_tokens, _miss_), Moonshot (cached_tokens), xAI.
function usage.from.openai(u)
   if type(u) ~= "table" then return nil end
   local input = known(u.prompt_tokens, u.input_tokens)
   local output = known(u.completion_tokens, u.output_tokens)
   local total = known(u.total_tokens)
   if not (input or output or total) then return nil end
   local c = {
      input_tokens = input or 0, cached_tokens = known(u.cached_tokens) or 0, cache_write_tokens = 0,
      cache_write_1h_tokens = 0, output_tokens = 0, reasoning_tokens = known(u.reasoning_tokens) or 0,
   }
   add_details(c, u)
   if u.prompt_cache_hit_tokens or u.prompt_cache_miss_tokens then
      local hit = count(u.prompt_cache_hit_tokens)
      c.input_tokens = max(c.input_tokens, hit + count(u.prompt_cache_miss_tokens))
      c.cached_tokens = max(c.cached_tokens, hit)
   end
   c.output_tokens = output_of(c.input_tokens, output or 0, c.reasoning_tokens, total or 0)
   if u.num_server_side_tools_used then c.requests = some(count(u.num_server_side_tools_used)) end
   return settled(c)
end

usage.from.responses = usage.from.openai

-- The higher one of two running totals; nil where there is none.
local function highest(a, b, name)
   local x, y = a[name], b[name]
   if not is_count(x) then return is_count(y) and math.floor(y) or nil end
   return math.floor(is_count(y) and y > x and y or x)
end

local function highest_in(a, b, group, name)
   a, b = a[group], b[group]
   if type(a) ~= "table" and type(b) ~= "table" then return 0 end
   return highest(type(a) == "table" and a or nothing, type(b) == "table" and b or nothing, name) or 0
end

-- usage.from.anthropic(start, delta): the usage of message_start (or of a whole answer) and the last
-- message_delta's; either may be missing. Both are running totals: the higher one counts.
function usage.from.anthropic(start, delta)
   local a, b = type(start) == "table" and start or nothing, type(delta) == "table" and delta or nothing
   local input, output = highest(a, b, "input_tokens"), highest(a, b, "output_tokens")
   local read = highest(a, b, "cache_read_input_tokens")
   local created = highest(a, b, "cache_creation_input_tokens")
   if not (input or output or read or created) then return nil end
   local hour = highest_in(a, b, "cache_creation", "ephemeral_1h_input_tokens")
   local short = highest_in(a, b, "cache_creation", "ephemeral_5m_input_tokens")
   local written = max(created or 0, short + hour)
   return settled {
      input_tokens = (input or 0) + (read or 0) + written,
      cached_tokens = read or 0,
      cache_write_tokens = written,
      cache_write_1h_tokens = hour,
      output_tokens = output or 0,
      reasoning_tokens = highest_in(a, b, "output_tokens_details", "thinking_tokens"),
      requests = some(highest_in(a, b, "server_tool_use", "web_search_requests")),
   }
end

-- The tokens of one kind ("AUDIO") in a list of { modality =, tokenCount = }.
local function of_modality(list, modality)
   local sum = 0
   for _, part in ipairs(type(list) == "table" and list or {}) do
      if member(part, "modality") == modality then sum = sum + count(part.tokenCount) end
   end
   return some(sum)
end

-- usage.from.gemini(usageMetadata): the last frame's. What tools put into the prompt is input too.
function usage.from.gemini(u)
   if type(u) ~= "table" then return nil end
   if not (is_count(u.promptTokenCount) or is_count(u.candidatesTokenCount) or is_count(u.thoughtsTokenCount)
      or is_count(u.totalTokenCount)) then
      return nil
   end
   local thoughts = count(u.thoughtsTokenCount)
   return settled {
      input_tokens = count(u.promptTokenCount) + count(u.toolUsePromptTokenCount),
      cached_tokens = count(u.cachedContentTokenCount),
      cache_write_tokens = 0, cache_write_1h_tokens = 0,
      output_tokens = count(u.candidatesTokenCount) + thoughts,
      reasoning_tokens = thoughts,
      audio_input_tokens = of_modality(u.promptTokensDetails, "AUDIO"),
      audio_output_tokens = of_modality(u.candidatesTokensDetails, "AUDIO"),
   }
end

-- usage.from.ollama(event): the last line of an answer. Older servers leave prompt_eval_count out when
-- the prompt was in their cache.
function usage.from.ollama(event)
   if type(event) ~= "table" or not (is_count(event.prompt_eval_count) or is_count(event.eval_count)) then
      return nil
   end
   return settled {
      input_tokens = count(event.prompt_eval_count), cached_tokens = 0, cache_write_tokens = 0,
      cache_write_1h_tokens = 0, output_tokens = count(event.eval_count), reasoning_tokens = 0,
   }
end

-- ---- to clients; each: the object that a door shows, or nil for nil. Counts may be left out. ----

-- usage.to.openai(c) -> { prompt_tokens =, completion_tokens =, total_tokens =, ... }
function usage.to.openai(c)
   if not c then return nil end
   local input, output = c.input_tokens or 0, c.output_tokens or 0
   return {
      prompt_tokens = input, completion_tokens = output, total_tokens = input + output,
      prompt_tokens_details = { cached_tokens = c.cached_tokens or 0,
         cache_write_tokens = some(c.cache_write_tokens or 0), audio_tokens = c.audio_input_tokens },
      completion_tokens_details = { reasoning_tokens = c.reasoning_tokens or 0,
         audio_tokens = c.audio_output_tokens },
   }
end

-- usage.to.responses(c) -> { input_tokens =, output_tokens =, total_tokens =, ... }
function usage.to.responses(c)
   if not c then return nil end
   local input, output = c.input_tokens or 0, c.output_tokens or 0
   return {
      input_tokens = input, output_tokens = output, total_tokens = input + output,
      input_tokens_details = { cached_tokens = c.cached_tokens or 0,
         cache_write_tokens = c.cache_write_tokens or 0 },
      output_tokens_details = { reasoning_tokens = c.reasoning_tokens or 0 },
   }
end

-- usage.to.anthropic(c) -> { input_tokens = (what was not in the cache), output_tokens =, ... }
function usage.to.anthropic(c)
   if not c then return nil end
   local read, written = c.cached_tokens or 0, c.cache_write_tokens or 0
   local hour = c.cache_write_1h_tokens or 0
   return {
      input_tokens = max(0, (c.input_tokens or 0) - read - written),
      cache_creation_input_tokens = written, cache_read_input_tokens = read,
      cache_creation = { ephemeral_5m_input_tokens = written - hour, ephemeral_1h_input_tokens = hour },
      output_tokens = c.output_tokens or 0,
      output_tokens_details = some(c.reasoning_tokens or 0) and { thinking_tokens = c.reasoning_tokens },
      server_tool_use = c.requests and { web_search_requests = c.requests, web_fetch_requests = 0 },
   }
end

local function gemini_details(all, audio)
   if not audio then return nil end
   local list = { { modality = "AUDIO", tokenCount = audio } }
   if all > audio then table.insert(list, 1, { modality = "TEXT", tokenCount = all - audio }) end
   return list
end

-- usage.to.gemini(c) -> { promptTokenCount =, candidatesTokenCount = (without thoughts), ... }
function usage.to.gemini(c)
   if not c then return nil end
   local input, output, thoughts = c.input_tokens or 0, c.output_tokens or 0, c.reasoning_tokens or 0
   return {
      promptTokenCount = input, cachedContentTokenCount = some(c.cached_tokens or 0),
      candidatesTokenCount = max(0, output - thoughts), thoughtsTokenCount = some(thoughts),
      totalTokenCount = input + output,
      promptTokensDetails = gemini_details(input, c.audio_input_tokens),
      candidatesTokensDetails = gemini_details(output - thoughts, c.audio_output_tokens),
   }
end

-- usage.to.ollama(c) -> { prompt_eval_count =, eval_count = }
function usage.to.ollama(c)
   if not c then return nil end
   return { prompt_eval_count = c.input_tokens or 0, eval_count = c.output_tokens or 0 }
end

return usage
