-- catalog.sim: the simulator's models; prices for the figures, nobody bills them. mini and base play the
-- local ones.
-- SPDX-License-Identifier: MIT

return {
   source = "the simulator", dated = "2026-11-22",
   models = {
      mini = { tier = "fast", input = 0.15, output = 0.60, context = 32000, max_output = 4096,
         capabilities = { "tools", "json", "logprobs", "prefill" }, where = "local" },
      base = { tier = "standard", input = 0.80, output = 3.20, context = 64000, max_output = 8192,
         capabilities = { "tools", "json", "logprobs", "json_schema", "prefill" }, where = "local" },
      pro = { tier = "expert", input = 5.00, output = 20.00, context = 128000, max_output = 16384,
         capabilities = { "tools", "json", "logprobs", "json_schema", "vision", "files" },
         where = "cloud" },
      coder = { tier = "specialist", good_at = { "code" }, input = 0.90, output = 3.60,
         context = 64000, max_output = 8192, capabilities = { "tools", "json", "logprobs" },
            where = "cloud" },
      math = { tier = "specialist", good_at = { "mathematics", "reasoning" },
         input = 1.10, output = 4.40, context = 64000, max_output = 8192,
         capabilities = { "tools", "json", "logprobs" }, where = "cloud" },
   },
}
