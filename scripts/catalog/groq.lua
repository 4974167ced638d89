-- catalog.groq: what Groq serves.
-- SPDX-License-Identifier: MIT

return {
   source = "https://console.groq.com/docs/models", dated = "2026-11-22",
   models = {
      ["openai/gpt-oss-120b"] = { tier = "standard", input = 0.15, cached_input = 0.075, output = 0.6,
         search = 0.005, context = 131072, max_output = 65536,
         capabilities = { "tools", "json", "json_schema", "reasoning", "cache", "search" } },
      ["openai/gpt-oss-20b"] = { tier = "fast", input = 0.075, cached_input = 0.0375, output = 0.3,
         search = 0.005, context = 131072, max_output = 65536,
         capabilities = { "tools", "json", "json_schema", "reasoning", "cache", "search" } },
      ["qwen/qwen3.8-27b"] = { tier = "standard", input = 0.8, output = 4, context = 131072,
         max_output = 16384, capabilities = { "tools", "vision", "json", "json_schema", "reasoning" } },
   },
}
