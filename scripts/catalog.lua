-- catalog: models of known providers, with prices, windows and capabilities.
-- SPDX-License-Identifier: MIT
--
-- One file a provider in scripts/catalog/, each with where its prices stand and the day they were read;
-- entries of the configuration's 'models', and an imported catalogue, come before these. Prices move;
-- what you are billed is your provider's word. What could not be read at a provider is left out.
--
-- USD per million tokens (models.price says which there are). tier: "fast" | "standard" | "expert" |
-- "specialist". ends: the day from which the provider serves the model no more. dialect: what it needs
-- other than its provider's usual form (scripts/README.md, models).

local catalog = { dated = "", models = {} }

-- Models of these providers that are not listed: yours, on your machines.
catalog.unlisted = {
   ollama = { input = 0, output = 0, where = "local" },
   vllm = { input = 0, output = 0, where = "local" },
}

local files = { "anthropic", "cerebras", "deepseek", "fireworks", "gemini", "groq", "mistral", "openai",
   "openrouter", "sim", "together", "xai" }

for _, provider in ipairs(files) do
   local file = require("catalog." .. provider)
   if file.dated > catalog.dated then catalog.dated = file.dated end
   for model, facts in pairs(file.models) do
      local entry = { source = file.source, dated = file.dated }
      for key, value in pairs(facts) do entry[key] = value end
      catalog.models[provider .. "/" .. model] = entry
   end
end

return catalog
