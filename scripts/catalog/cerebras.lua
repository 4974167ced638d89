-- catalog.cerebras: what Cerebras serves.
-- SPDX-License-Identifier: MIT

return {
   source = "https://www.cerebras.ai/pricing", dated = "2026-11-22",
   models = {
      ["gpt-oss-120b"] = { tier = "standard", input = 0.35, output = 0.75, context = 131072,
         max_output = 32768, capabilities = { "tools", "json", "json_schema", "reasoning" } },
      ["qwen-3.8-27b"] = { tier = "standard", input = 0.99, output = 1.49, context = 65536,
         max_output = 32768, capabilities = { "tools", "vision", "json", "json_schema", "reasoning" } },
      ["gemma-4-31b"] = { tier = "standard", input = 0.99, output = 1.49, context = 131072,
         max_output = 40960, capabilities = { "tools", "vision", "json", "json_schema", "reasoning" } },
   },
}
