-- catalog: models of known providers, with prices, windows and capabilities.
-- SPDX-License-Identifier: MIT
--
-- USD per million tokens. Entries of the configuration's 'models' come before these. Dated: prices
-- move; what you are billed is your provider's word. tier: "fast" | "standard" | "expert" |
-- "specialist".

return {
   dated = "2026-11-01",
   source = "the providers' public price pages",
   models = {
      ["openai/gpt-4o-mini"] = { tier = "fast", input = 0.15, cached_input = 0.075, output = 0.60,
         context = 128000, max_output = 16384, capabilities = { "tools", "vision", "json" } },
      ["openai/gpt-4o"] = { tier = "standard", input = 2.50, cached_input = 1.25, output = 10.00,
         context = 128000, max_output = 16384, capabilities = { "tools", "vision", "json" } },
      ["openai/gpt-4.1-nano"] = { tier = "fast", input = 0.10, cached_input = 0.025, output = 0.40,
         context = 1047576, max_output = 32768, capabilities = { "tools", "vision", "json" } },
      ["openai/gpt-4.1-mini"] = { tier = "standard", input = 0.40, cached_input = 0.10, output = 1.60,
         context = 1047576, max_output = 32768, capabilities = { "tools", "vision", "json" } },
      ["openai/gpt-4.1"] = { tier = "expert", input = 2.00, cached_input = 0.50, output = 8.00,
         context = 1047576, max_output = 32768, capabilities = { "tools", "vision", "json" } },
      ["sim/mini"] = { tier = "fast", input = 0.15, output = 0.60, context = 32000, max_output = 4096,
         capabilities = { "tools", "json" }, where = "local" },
      ["sim/base"] = { tier = "standard", input = 0.80, output = 3.20, context = 64000, max_output = 8192,
         capabilities = { "tools", "json" }, where = "local" },
      ["sim/pro"] = { tier = "expert", input = 5.00, output = 20.00, context = 128000, max_output = 16384,
         capabilities = { "tools", "json" }, where = "local" },
      ["sim/coder"] = { tier = "specialist", good_at = { "code" }, input = 0.90, output = 3.60,
         context = 64000, max_output = 8192, capabilities = { "tools", "json" }, where = "local" },
      ["sim/math"] = { tier = "specialist", good_at = { "mathematics", "reasoning" },
         input = 1.10, output = 4.40, context = 64000, max_output = 8192,
         capabilities = { "tools", "json" }, where = "local" },
   },
}
