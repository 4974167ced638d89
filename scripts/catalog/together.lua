-- catalog.together: what Together serves.
-- SPDX-License-Identifier: MIT

return {
   source = "https://www.together.ai/pricing", dated = "2026-11-22",
   models = {
      ["openai/gpt-oss-120b"] = { tier = "standard", input = 0.15, output = 0.6, context = 131072,
         max_output = 131072, capabilities = { "tools", "json", "json_schema", "reasoning" } },
      ["MiniMaxAI/MiniMax-M3.1-Flash"] = { tier = "fast", input = 0.15, cached_input = 0.015,
         output = 0.6, context = 1048576, max_output = 1048576, capabilities = { "cache" } },
      ["Qwen/Qwen3.8-Flash"] = { tier = "fast", input = 0.15, output = 0.47, context = 1000000,
         max_output = 1000000 },
      ["Qwen/Qwen3.7-Plus"] = { tier = "standard", input = 0.32, output = 1.28, context = 1000000,
         max_output = 1000000 },
      ["Qwen/Qwen3.6-Plus"] = { tier = "standard", input = 0.5, output = 3, context = 1000000,
         max_output = 1000000, capabilities = { "reasoning" } },
      ["deepseek-ai/DeepSeek-V4-Pro-0813"] = { tier = "expert", input = 1.32, cached_input = 0.13,
         output = 3.96, context = 1048576, max_output = 1048576,
         capabilities = { "tools", "json", "json_schema", "cache" } },
      ["deepseek-ai/DeepSeek-V4.1-Flash"] = { tier = "fast", input = 0.3, cached_input = 0.006,
         output = 1.2, context = 1048576, max_output = 1048576,
         capabilities = { "tools", "json", "json_schema", "cache" } },
      ["moonshotai/Kimi-K3"] = { tier = "expert", input = 3, cached_input = 0.3, output = 15,
         context = 1048576, max_output = 1048576,
         capabilities = { "tools", "vision", "json", "json_schema", "reasoning", "cache" } },
      ["zai-org/GLM-5.3"] = { tier = "expert", input = 1.4, cached_input = 0.26, output = 4.4,
         context = 1048575, max_output = 128000,
         capabilities = { "tools", "json", "json_schema", "reasoning", "cache" } },
      ["zai-org/GLM-5.3-Flash"] = { tier = "fast", input = 0.15, cached_input = 0.03, output = 0.5,
         context = 1048575, max_output = 128000,
         capabilities = { "tools", "vision", "json", "json_schema", "reasoning", "cache" } },
   },
}
