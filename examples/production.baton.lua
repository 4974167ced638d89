-- production.baton.lua - a configuration for a service: two providers, keys from the environment, bounds.
-- SPDX-License-Identifier: MIT
--
--    baton check examples/production.baton.lua
--    baton serve -c /etc/baton/baton.lua --policies /etc/baton/policies --state /var/lib/baton
--
-- README.md has every field (Configuration) and the unit for systemd (In production).
return {
   listen = "0.0.0.0:8080",
   -- tls = { certificate = "/etc/baton/tls/fullchain.pem", key = "/etc/baton/tls/key.pem" },
   keys = { env "BATON_KEY_SEARCH", env "BATON_KEY_SUPPORT" }, -- one for each team: taken away one by one

   -- Prometheus and operators come in here. Without a token: this machine only.
   admin = { listen = "127.0.0.1:8081", token = env "BATON_ADMIN_TOKEN" },

   watch = false, -- what is deployed is loaded by "baton reload", with a status; not while it is copied
   canary = { window = 600, min_requests = 200, error_rate = 0.02, latency = 1.3, promote_after = 3600 },

   providers = {
      openai = {
         base_url = "https://api.openai.com/v1", key = env "OPENAI_API_KEY", timeouts = { first_byte = 30 },
      },
      gpu = { base_url = "http://10.0.0.7:8000/v1", timeouts = { connect = 2, first_byte = 60 } },
   },
   models = {
      ["gpu/llama-3.1-8b"] = { tier = "fast", input = 0.05, output = 0.05, context = 32768, where = "local" },
      ["openai/gpt-4o"] = { tier = "expert", input = 2.50, output = 10.00, context = 128000 },
   },
   aliases = { small = "gpu/llama-3.1-8b" },

   default_policy = "cascade",
   policies = { cascade = { ladder = { "gpu/llama-3.1-8b", "openai/gpt-4o" } } },

   limits = {
      waiting = 5000, -- of one worker; more are refused with 503 and may come again
      drain_timeout = 35, -- TimeoutStopSec of the unit is longer
      task_calls = 20, -- of one request to providers
   },
}
