-- catalog.deepseek: DeepSeek's models, at peak (01:00-04:00 and 06:00-10:00 UTC on workdays); else half.
-- SPDX-License-Identifier: MIT

return {
   source = "https://api-docs.deepseek.com/quick_start/pricing", dated = "2026-11-22",
   models = {
      ["deepseek-v4-pro"] = { tier = "expert", input = 1.32, cached_input = 0.044, output = 3.96,
         context = 1000000, max_output = 393216,
         capabilities = { "tools", "json", "reasoning", "prefill", "cache" } },
      ["deepseek-v4-flash"] = { tier = "fast", input = 0.3, cached_input = 0.006, output = 1.2,
         context = 1000000, max_output = 393216,
         capabilities = { "tools", "vision", "json", "reasoning", "prefill", "cache" } },
      ["deepseek-flash"] = { tier = "fast", input = 0.3, cached_input = 0.006, output = 1.2,
         context = 1000000, max_output = 393216,
         capabilities = { "tools", "vision", "json", "reasoning", "prefill", "cache" } },
   },
}
