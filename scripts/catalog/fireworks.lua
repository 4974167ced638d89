-- catalog.fireworks: what Fireworks serves.
-- SPDX-License-Identifier: MIT

return {
   source = "https://fireworks.ai/pricing", dated = "2026-11-22",
   models = {
      ["accounts/fireworks/models/gpt-oss-20b"] = { tier = "fast", input = 0.07, cached_input = 0.035,
         output = 0.3, context = 131072, max_output = 32768,
         capabilities = { "tools", "json", "json_schema", "reasoning" } },
      ["accounts/fireworks/models/deepseek-v4p1-flash"] = { tier = "fast", input = 0.3,
         cached_input = 0.006, output = 1.2, context = 1048576, max_output = 393216,
         capabilities = { "tools", "vision", "json", "json_schema", "reasoning", "cache" } },
      ["accounts/fireworks/models/kimi-k3"] = { tier = "expert", input = 3, cached_input = 0.3,
         output = 15, context = 1048576, max_output = 131072,
         capabilities = { "tools", "vision", "json", "json_schema", "reasoning" } },
      ["accounts/fireworks/models/glm-5p3"] = { tier = "expert", input = 1.4, cached_input = 0.26,
         output = 4.4, context = 1048576, max_output = 128000,
         capabilities = { "tools", "json", "json_schema", "reasoning" } },
      ["accounts/fireworks/models/glm-5p3-flash"] = { tier = "fast", input = 0.15, cached_input = 0.03,
         output = 0.5, context = 1048576, max_output = 1048576,
         capabilities = { "tools", "vision", "json", "json_schema" } },
      ["accounts/fireworks/models/qwen3p8-max"] = { tier = "expert", input = 2, cached_input = 0.25,
         output = 6, context = 262144,
         capabilities = { "tools", "vision", "json", "json_schema", "reasoning" } },
   },
}
