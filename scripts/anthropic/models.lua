-- anthropic.models: what the models of Anthropic take, told by their names.
-- SPDX-License-Identifier: MIT
--
-- Source: GET /v1/models of August 2026 (max_tokens and capabilities: effort, structured_outputs, thinking);
-- for what that list does not tell or hold (older models, sampling) the pages "Extended thinking", "Effort"
-- and "Models overview".

local models = {}

-- The family and version in a name: "opus", 407 for 4.7. nil for what is no Claude.
local function read(name)
   local family, major, minor = name:match "claude%-(%a+)%-(%d+)[-.](%d+)"
   if family then return family, tonumber(major) * 100 + (#minor <= 2 and tonumber(minor) or 0) end
   family, major = name:match "claude%-(%a+)%-(%d+)"
   if family then return family, tonumber(major) * 100 end
   major, minor, family = name:match "claude%-(%d+)[-.](%d+)%-?(%a*)"
   if not major then
      major, family = name:match "claude%-(%d+)%-?(%a*)"
   end
   if major then return family, tonumber(major) * 100 + tonumber(minor or 0) end
end

-- The most tokens an answer may have.
local function most(family, version)
   if version >= 500 then return 128000 end
   if version >= 406 then return 128000 end
   if family == "opus" then return version >= 405 and 64000 or version >= 400 and 32000 or 4096 end
   if version >= 307 then return 64000 end
   return version >= 305 and 8192 or 4096
end

-- Where nobody says how long an answer may be: what every server that speaks this format is known to take.
models.MAX_TOKENS = 8192

-- What servers of others that speak this format take (Moonshot, Zhipu, MiniMax, DeepSeek): a budget.
local other = { enabled = true, sampling = true, structured = false, max_output = models.MAX_TOKENS,
   efforts = {} }

local function by_name(name)
   local family, version = read(name:lower())
   if not family then
      local facts = {}
      for key, value in pairs(other) do facts[key] = value end
      return facts
   end
   local adaptive = version >= 500 or version >= 406 and family ~= "haiku"
   local only = version >= 500 or version >= 407 and family ~= "haiku"
   local effort = adaptive or family == "opus" and version >= 405
   return {
      adaptive = adaptive, enabled = version >= 307 and not only,
      always = only and family ~= "opus" and family ~= "sonnet" and family ~= "haiku",
      efforts = { low = effort, medium = effort, high = effort, max = adaptive, xhigh = only },
      structured = version >= 405 or family == "opus" and version >= 401,
      sampling = not only, one_sampling = version >= 401,
      max_output = most(family, version),
   }
end

-- Words of the catalogue's dialect (catalog.lua), which is newer than the rules here.
local SAID = {
   adaptive_thinking = { adaptive = true, enabled = false }, always_thinks = { always = true },
   no_sampling = { sampling = false }, no_forced_tool = { unforced = true },
}

-- models.of(name, dialect, capabilities) -> {
--   adaptive =, enabled =   which kinds of thinking it takes;  always = it cannot be told not to think
--   efforts = { [word] = true }   of output_config.effort;  structured = does it take output_config.format?
--   unforced = can no tool be forced on it?
--   sampling = may temperature, top_p and top_k be given?  one_sampling = not both temperature and top_p
--   max_output = tokens }
--   dialect, capabilities: what the catalogue says of it, lists of words, or nil
function models.of(name, dialect, capabilities)
   local facts = by_name(name)
   for _, word in ipairs(capabilities or {}) do
      if word == "json_schema" then facts.structured = true end
   end
   for _, word in ipairs(dialect or {}) do
      for key, value in pairs(SAID[word] or {}) do facts[key] = value end
   end
   return facts
end

return models
