-- configure: checks what baton.lua returned and fills in what it leaves out.
-- SPDX-License-Identifier: MIT
--
-- Runs in the configuration's own state, before there is any generation. The result goes to
-- core/config.c; keys stay there. Every error begins with the place: "providers.openai.base_ur: unknown
-- field (known: ...)"; core/config.c adds file and line.

-- Providers that register themselves when their usual environment variables are set: the key, or where
-- there is none the address. path: what an address without it gets, as the vendors' own clients add it;
-- drop: what it must not end in.
local known_providers = {
   { name = "openai", key = "OPENAI_API_KEY", url = "https://api.openai.com/v1", base = "OPENAI_BASE_URL",
      headers = { ["OpenAI-Organization"] = "OPENAI_ORG_ID", ["OpenAI-Project"] = "OPENAI_PROJECT_ID" } },
   { name = "anthropic", codec = "anthropic", key = "ANTHROPIC_API_KEY", url = "https://api.anthropic.com/v1",
      base = "ANTHROPIC_BASE_URL", path = "/v1" },
   { name = "gemini", codec = "gemini", key = "GEMINI_API_KEY", other_key = "GOOGLE_API_KEY",
      url = "https://generativelanguage.googleapis.com/v1beta", base = "GOOGLE_GEMINI_BASE_URL",
      path = "/v1beta" },
   { name = "azure", codec = "azure", key = "AZURE_OPENAI_API_KEY", other_key = "AZURE_API_KEY",
      base = "AZURE_OPENAI_ENDPOINT", path = "/openai", version = "AZURE_OPENAI_API_VERSION" },
   { name = "groq", key = "GROQ_API_KEY", url = "https://api.groq.com/openai/v1" },
   { name = "mistral", key = "MISTRAL_API_KEY", url = "https://api.mistral.ai/v1" },
   { name = "deepseek", key = "DEEPSEEK_API_KEY", url = "https://api.deepseek.com/v1" },
   { name = "xai", key = "XAI_API_KEY", url = "https://api.x.ai/v1" },
   { name = "openrouter", key = "OPENROUTER_API_KEY", url = "https://openrouter.ai/api/v1" },
   { name = "together", key = "TOGETHER_API_KEY", other_key = "TOGETHERAI_API_KEY",
      url = "https://api.together.xyz/v1" },
   { name = "fireworks", key = "FIREWORKS_API_KEY", url = "https://api.fireworks.ai/inference/v1" },
   { name = "cerebras", key = "CEREBRAS_API_KEY", url = "https://api.cerebras.ai/v1" },
   { name = "ollama", codec = "ollama", base = "OLLAMA_HOST", port = 11434, drop = "/v1" },
   { name = "vllm", base = "VLLM_BASE_URL" },
}

-- ---- checking ----

local function fail(place, what, ...)
   error(("%s: " .. what):format(place, ...), 0)
end

local function names_of(fields)
   local names = {}
   for name in pairs(fields) do names[#names + 1] = name end
   table.sort(names)
   return table.concat(names, ", ")
end

local function at(place, name)
   return place == "" and tostring(name) or place .. "." .. tostring(name)
end

-- A check takes a place and a value, and raises or returns the value.
local function is(wanted)
   return function(place, value)
      if type(value) ~= wanted then fail(place, "must be a %s, not a %s", wanted, type(value)) end
      return value
   end
end

local function number_in(low, high, unit)
   return function(place, value)
      if type(value) ~= "number" or not (value >= low and value <= high) then
         fail(place, "must be a number from %s to %s%s", math.tointeger(low) or low,
            math.tointeger(high) or high, unit and " " .. unit or "")
      end
      return value
   end
end

-- A number of things, or of bytes.
local function whole_in(low, high, unit)
   local in_range = number_in(low, high, unit)
   return function(place, value)
      if math.tointeger(in_range(place, value)) then return value end
      fail(place, "must be a whole number, not %s", value)
   end
end

local function one_of(...)
   local choices = { ... }
   return function(place, value)
      for _, choice in ipairs(choices) do
         if value == choice then return value end
      end
      fail(place, "must be one of %s", table.concat(choices, ", "))
   end
end

local function list_of(check)
   return function(place, value)
      is "table"(place, value)
      local count = 0
      for key in pairs(value) do
         if math.type(key) ~= "integer" then
            fail(place, "must be a list, but has the key '%s'", tostring(key))
         end
         count = count + 1
      end
      for i = 1, count do check(at(place, i), value[i]) end
      return value
   end
end

local function map_of(check)
   return function(place, value)
      is "table"(place, value)
      for key, item in pairs(value) do
         if type(key) ~= "string" then fail(place, "must have names as keys") end
         check(at(place, key), item)
      end
      return value
   end
end

local function record(fields)
   return function(place, value)
      is "table"(place, value)
      for key, item in pairs(value) do
         local check = fields[key]
         if not check then fail(at(place, key), "unknown field (known: %s)", names_of(fields)) end
         check(at(place, key), item)
      end
      return value
   end
end

local function http_url(place, value)
   is "string"(place, value)
   if not value:find("^https?://[^/%s?#@]+[^%s?#@]*$") then
      fail(place, "must be an http:// or https:// URL without user, query or fragment")
   end
   return value
end

local function header_text(place, value)
   is "string"(place, value)
   if value:find("[\r\n%z]") then fail(place, "must not hold line breaks") end
   return value
end

-- Where questions are posted to. Its path or query may be what makes it a secret; scripts never see it.
local function webhook_url(place, value)
   is "string"(place, value)
   if not value:find "^https?://[^/%s?#@]+[^%s#@]*$" then
      fail(place, "must be an http:// or https:// URL without user or fragment")
   end
   return value
end

-- One key or several. The list is of PROVIDER_KEYS (core/provider.h) at most.
local function provider_keys(place, value)
   if type(value) ~= "table" then return header_text(place, value) end
   list_of(header_text)(place, value)
   if #value > 16 then fail(place, "must hold at most 16 keys") end
   return value
end

-- An empty key would let in everybody who sends one.
local function client_key(place, value)
   if header_text(place, value) == "" then fail(place, "must not be empty") end
   return value
end

-- Hosts that may be fetched from, as core/fetch_url.h matches them.
local function host_rule(place, value)
   is "string"(place, value)
   local name = value:gsub(":%d+$", "")
   if name ~= "*" and not name:find("^%*?%.?[%w_-][%w_.-]*$") and not name:find("^%[[%x:.]+%]$") then
      fail(place, "must be a host: \"example.com\", \"*.example.com\", with \":PORT\" or without")
   end
   return value
end

local function address(place, value)
   is "string"(place, value)
   local port = tonumber(value:match "^[^%s]*:(%d+)$")
   if not value:find("^unix:.+") and not (port and port <= 65535) then
      fail(place, "must be HOST:PORT (0 to 65535) or unix:PATH")
   end
   return value
end

local function admin_address(place, value)
   if value == "none" then return value end
   return address(place, value)
end

local seconds = number_in(0.001, 86400, "seconds")
local timeouts = record { connect = seconds, first_byte = seconds, stall = seconds, total = seconds }
local price = number_in(0, 1e6, "USD per million tokens")
local usd = number_in(0, 1e6, "USD")
local above_fields = {
   tokens = number_in(1, 1e9, "tokens"), input = price, cached_input = price, cache_write = price,
   cache_write_1h = price, output = price, reasoning = price, audio_input = price, audio_output = price,
}

-- Prices above so many input tokens: one record, or a list of them by rising tokens.
local function above(place, value)
   is "table"(place, value)
   if #value == 0 then value = { value } end
   local last = 0
   for i, tier in ipairs(value) do
      local there = #value > 1 and at(place, i) or place
      record(above_fields)(there, tier)
      if not tier.tokens then fail(at(there, "tokens"), "is missing") end
      if tier.tokens <= last then fail(at(there, "tokens"), "must be more than the one before") end
      last = tier.tokens
   end
end

-- What a catalogue says of a model, and what only the configuration does.
local function fields_of_model(more)
   local fields = {
      tier = is "string", input = price, cached_input = price, cache_write = price, cache_write_1h = price,
      output = price, reasoning = price, audio_input = price, audio_output = price, request = usd,
      search = usd, above = above,
      context = number_in(1, 1e9, "tokens"), max_output = number_in(1, 1e9, "tokens"),
      mode = one_of("chat", "embedding"), dimensions = number_in(1, 1e6),
      capabilities = list_of(is "string"), good_at = list_of(is "string"), where = one_of("local", "cloud"),
      dialect = list_of(is "string"), quality = number_in(0, 1),
   }
   for name, check in pairs(more) do fields[name] = check end
   return fields
end

local model_fields = fields_of_model {
   requests_per_minute = number_in(0.01, 1e9), tokens_per_minute = number_in(1, 1e12),
}

-- A file that "baton models import" wrote.
local check_catalogue = record {
   baton_catalogue = number_in(1, 1), dated = is "string", source = is "string", from = is "string",
   models = map_of(record(fields_of_model {
      ends = is "string", source = is "string", dated = is "string",
   })),
}

-- What "auto" does: a policy's name, or several that are asked one after the other.
local function policy_or_chain(place, value)
   if type(value) == "string" then return value end
   list_of(is "string")(place, value)
   if #value == 0 then fail(place, "must name at least one policy") end
   return value
end

local function chain(place, value)
   is "table"(place, value)
   return policy_or_chain(place, value)
end

local check_config = record {
   listen = address,
   policy = policy_or_chain,
   default_policy = is "string",
   chains = map_of(chain),
   default_model = is "string",
   keys = list_of(client_key),
   admin = record { listen = admin_address, token = client_key },
   workers = whole_in(1, 64),
   state = is "string",
   trace_log = is "string",
   watch = is "boolean",
   watchdog = seconds,
   keepalive_after = seconds,
   tls = record { certificate = is "string", key = is "string" },
   timeouts = timeouts,
   log = one_of("debug", "info", "warn", "error", "none"),
   limits = record {
      body = whole_in(1024, 1 << 30, "bytes"),
      header_bytes = whole_in(1024, 1 << 20, "bytes"),
      headers = whole_in(8, 1000),
      request_line = whole_in(256, 1 << 16, "bytes"),
      connections = whole_in(1, 1e6),
      waiting = whole_in(1, 1e6),
      header_timeout = seconds, body_timeout = seconds, idle_timeout = seconds, write_timeout = seconds,
      answer = whole_in(1024, 1 << 30, "bytes"),
      cpu_slice_ms = number_in(5, 60000, "ms"),
      cpu_total_ms = number_in(5, 3600000, "ms"),
      task_bytes = whole_in(1 << 20, 1 << 34, "bytes"),
      task_calls = whole_in(1, 1e6),
      heap_bytes = whole_in(1 << 24, 1 << 36, "bytes"),
      cache_bytes = whole_in(1 << 16, 1 << 36, "bytes"),
      drain_timeout = seconds,
   },
   providers = map_of(record {
      codec = is "string", base_url = http_url, key = provider_keys, http2 = is "boolean",
      timeouts = timeouts, headers = map_of(header_text), dialect = is "string", api_version = is "string",
   }),
   models = map_of(record(model_fields)),
   catalogue = is "string",
   aliases = map_of(function(place, value)
      if type(value) ~= "string" and type(value) ~= "table" then
         fail(place, "must be the name of a model or a selector")
      end
   end),
   policies = map_of(is "table"),
   http = record { allow = list_of(host_rule), allow_private = is "boolean" },
   media = record {
      max_bytes = whole_in(1024, 64 << 20, "bytes"), timeout = seconds, allow = list_of(host_rule),
      allow_private = is "boolean",
   },
   human = record {
      webhook = webhook_url, headers = map_of(header_text), open = whole_in(1, 1e6), within = seconds,
      pin = seconds,
   },
   kv = record { bytes = whole_in(1 << 20, 1 << 30, "bytes") },
   breaker = record {
      failures = whole_in(1, 1e6), window = number_in(1, 3600, "seconds"), error_rate = number_in(0.01, 1),
      min_calls = whole_in(1, 1e6), cooldown = number_in(0.1, 3600, "seconds"),
      max_cooldown = number_in(0.1, 86400, "seconds"), retry_share = number_in(0, 1),
      min_retries = whole_in(0, 1e6),
   },
   canary = record {
      window = number_in(10, 86400, "seconds"), min_requests = whole_in(1, 1e9),
      error_rate = number_in(0, 1), latency = number_in(0, 1000), cost = number_in(0, 1000),
      promote_after = number_in(0, 30 * 86400, "seconds"),
   },
}

-- ---- filling in ----

local function ms(value)
   return value and math.max(1, math.floor(value * 1000)) or 0
end

local WEBHOOK_HEADERS <const>, PROVIDER_HEADERS <const> = 16, 32 -- core/webhook.h; half of LINE_FIELDS_MAX

local function keys_of(key)
   return type(key) == "table" and key or { key } -- none: an empty list
end

-- "name: value" lines, at most 'most'.
local function header_lines(place, given, most)
   local lines = {}
   for header, value in pairs(given or {}) do
      if not header:find("^[%w!#$%%&'*+.^_`|~-]+$") then
         fail(place .. "." .. header, "is no name for a header")
      end
      lines[#lines + 1] = header .. ": " .. value
   end
   if #lines > most then fail(place, "must hold at most %d fields", most) end
   return lines
end

local function provider_of(name, given, common)
   local limits = given.timeouts or {}
   local function limit(key, default) return ms(limits[key] or common[key] or default) end
   if not name:find("^[%w_.-]+$") then
      fail("providers." .. name, "a name has letters, digits, '.', '_' and '-'")
   end
   if not given.base_url then fail("providers." .. name .. ".base_url", "is missing") end
   return {
      name = name, codec = given.codec or "openai", base_url = given.base_url:gsub("/+$", ""),
      keys = keys_of(given.key),
      headers = header_lines("providers." .. name .. ".headers", given.headers, PROVIDER_HEADERS),
      http2 = given.http2 or false, simulated = given.simulated or false,
      connect_ms = limit("connect", 10), first_byte_ms = limit("first_byte", 120),
      stall_ms = limit("stall", 60), total_ms = limit("total", 600),
   }
end

-- What scripts may know of a provider. Its host and the path after it say how it likes to be spoken to.
local function facts_of_provider(name, given)
   local host, path = given.base_url:match("^%a+://([^/]+)(.*)$")
   return {
      name = name, codec = given.codec or "openai", simulated = given.simulated or nil,
      keys = #keys_of(given.key) > 1 and #given.key or nil,
      host = host:gsub(":%d+$", ""):lower(), path = path:gsub("/+$", ""),
      dialect = given.dialect, api_version = given.api_version,
   }
end

-- "host", "host:port" or a URL -> a URL.
local function url_of(text, known)
   if not text:find("^https?://") then
      if not text:find(":%d+$") and known.port then text = text .. ":" .. known.port end
      text = "http://" .. text:gsub("^0%.0%.0%.0", "127.0.0.1")
   end
   text = text:gsub("/+$", "")
   if known.drop and text:sub(-#known.drop) == known.drop then text = text:sub(1, -#known.drop - 1) end
   local path = known.path
   if path and text:sub(-#path) ~= path and not text:find(path .. "/", 1, true) then text = text .. path end
   return text
end

local function headers_of(known, env)
   local headers
   for header, variable in pairs(known.headers or {}) do
      local value = env(variable)
      if value then
         headers = headers or {}
         headers[header] = value
      end
   end
   return headers
end

-- The provider's key. A file that a secret was read from often ends in a line break, which no header has.
local function key_from(env, known)
   for _, variable in ipairs { known.key, known.other_key } do
      local key = env(variable)
      if key then return header_text("the environment variable " .. variable, key) end
   end
end

-- The provider's URL, as its variable says it or the usual one; nil where there is none.
local function url_from(env, known)
   local text = known.base and env(known.base)
   if not text then return known.url end
   local scheme = text:match("^(%a[%w+.-]*)://")
   local url = (not scheme or scheme == "http" or scheme == "https") and url_of(text, known) or text
   return http_url("the environment variable " .. known.base, url)
end

local function from_environment(env)
   local found = {}
   for _, known in ipairs(known_providers) do
      local key = key_from(env, known)
      local base = known.base and env(known.base)
      local url = (key or not known.key and base) and url_from(env, known)
      if url then
         found[known.name] = { codec = known.codec, base_url = url, key = key,
            headers = headers_of(known, env), api_version = known.version and env(known.version) or nil }
      end
   end
   return found
end

-- The day of the newest file in scripts/catalog/; a test compares.
local SHIPPED <const> = "2026-11-22"

-- The catalogue that the configuration names, and of its models those of the providers; or the shipped one.
local function catalogue_of(name, providers, read)
   if not name then return { file = "shipped", dated = SHIPPED } end
   local function wrong(what) fail("catalogue", "%s: %s", name, tostring(what)) end
   local ok, file, path = pcall(read, name)
   if not ok then wrong(file) end
   local good, fault = pcall(check_catalogue, "", file)
   if not good then wrong(fault) end
   if not (file.models and file.dated) then wrong "is no catalogue that 'baton models import' wrote" end
   local models, count = {}, 0
   for model, facts in pairs(file.models) do
      count = count + 1
      local provider = model:match("^([^/]+)/.+$")
      if provider and providers[provider] then models[model] = facts end
   end
   return { file = name, path = path, dated = file.dated, source = file.source, count = count,
      models = models }
end

-- ---- recorded models ----

local function merged(...)
   local all = {}
   for _, facts in ipairs { ... } do
      for key, value in pairs(facts) do all[key] = value end
   end
   return all
end

-- Does an alias lead to a model that is recorded? A selector always may.
local function leads_on(aliases, target, models)
   for _ = 1, 100 do
      if type(target) ~= "string" then return target ~= nil end
      if models[target] then return true end
      target = aliases[target]
   end
   return false
end

-- For "baton eval": the configuration with the recorded models in the place of all others. Of a model both
-- may say something: the data's description comes first, then the configuration, then what was guessed.
local function with_recorded(given, recorded)
   local own = merged(given, { providers = {}, models = {}, aliases = {}, policies = {} })
   own.catalogue, own.default_model = nil, nil
   own.breaker = { failures = 1e6, min_calls = 1e6 } -- rows have nothing to do with each other
   for name, facts in pairs(recorded.models) do
      local provider = name:match("^[^/]+")
      local model = merged(facts.guessed, (given.models or {})[name] or {}, facts.described)
      model.requests_per_minute, model.tokens_per_minute = nil, nil -- nor do they come at any pace
      own.models[name] = model
      own.providers[provider] = { base_url = "http://recorded.invalid/" .. provider } -- core/effect_oracle.h
   end
   for name, target in pairs(given.aliases or {}) do
      if leads_on(given.aliases, target, own.models) then own.aliases[name] = target end
   end
   for name, params in pairs(given.policies or {}) do own.policies[name] = params end
   for name, params in pairs(recorded.policies or {}) do
      own.policies[name] = merged(own.policies[name] or {}, params)
   end
   return own
end

-- configure(given, env, simulated, read, recorded) -> what core/config.c reads.
--   given: the table from baton.lua, or nil; env(name) -> text or nil; simulated: the simulator's
--   base URL, or nil; read(name) -> the decoded JSON of a file beside baton.lua, its path; raises;
--   recorded: as config_load_recorded takes it, or nil.
return function(given, env, simulated, read, recorded)
   given = given or {}
   check_config("", given)
   if recorded then
      given = with_recorded(given, recorded)
      check_config("", given)
   end
   local providers, names, facts_of = {}, {}, {}
   local all = given.providers or from_environment(env)
   local alone = next(all) == nil -- then the simulator is the provider 'sim', now or when it has started
   if alone and simulated then
      all = { sim = { base_url = simulated, simulated = true } }
   end
   for name, provider in pairs(all) do
      providers[#providers + 1] = provider_of(name, provider, given.timeouts or {})
      names[#names + 1] = name
      facts_of[name] = facts_of_provider(name, provider)
   end
   for name in pairs(given.models or {}) do
      local provider = name:match("^([^/]+)/.+$")
      if not provider then fail("models." .. name, "must be named \"provider/model\"") end
      if not all[provider] and not (alone and provider == "sim") then
         fail("models." .. name, "there is no provider '%s' (known: %s)", provider,
            alone and "none" or table.concat(names, ", "))
      end
   end
   if given.tls and not (given.tls.certificate and given.tls.key) then
      fail("tls", "needs both certificate and key")
   end
   if given.policy and given.default_policy then
      fail("default_policy", "say it with 'policy' or with 'default_policy', not with both")
   end
   local chained = type(given.policy) == "table" and given.policy or nil
   local default_policy = chained and table.concat(chained, "+") or given.policy or given.default_policy
   local human = given.human or {}
   local limits, catalogue = given.limits or {}, catalogue_of(given.catalogue, all, read)
   return {
      listen = given.listen or "127.0.0.1:8080",
      log = given.log or "info",
      keys = given.keys or {},
      tls = given.tls or {},
      admin = { listen = (given.admin or {}).listen, token = (given.admin or {}).token },
      workers = given.workers, state = given.state, trace_log = given.trace_log, watch = given.watch ~= false,
      watchdog_ms = given.watchdog and ms(given.watchdog),
      keepalive_ms = given.keepalive_after and ms(given.keepalive_after),
      limits = {
         body = limits.body, header_bytes = limits.header_bytes, headers = limits.headers,
         request_line = limits.request_line, connections = limits.connections, waiting = limits.waiting,
         header_timeout_ms = limits.header_timeout and ms(limits.header_timeout),
         body_timeout_ms = limits.body_timeout and ms(limits.body_timeout),
         idle_timeout_ms = limits.idle_timeout and ms(limits.idle_timeout),
         write_timeout_ms = limits.write_timeout and ms(limits.write_timeout),
         answer = limits.answer, cpu_slice_ms = limits.cpu_slice_ms, cpu_total_ms = limits.cpu_total_ms,
         task_bytes = limits.task_bytes, task_calls = limits.task_calls, heap_bytes = limits.heap_bytes,
         cache_bytes = limits.cache_bytes,
         drain_timeout_ms = limits.drain_timeout and ms(limits.drain_timeout),
      },
      kv = given.kv or {},
      human = {
         webhook = human.webhook, headers = header_lines("human.headers", human.headers, WEBHOOK_HEADERS),
         open = human.open, pin_ms = human.pin and ms(human.pin),
      },
      canary = given.canary or {},
      breaker = given.breaker or {},
      providers = providers,
      catalogue = catalogue,
      facts = {
         catalogue = { file = catalogue.file, dated = catalogue.dated, source = catalogue.source,
            models = catalogue.models },
         recorded = recorded ~= nil or nil,
         providers = facts_of, models = given.models or {}, aliases = given.aliases or {},
         policies = given.policies or {}, default_policy = default_policy or "complexity",
         policy_place = given.policy and "policy" or nil, policy_chain = chained, chains = given.chains,
         default_model = given.default_model,
         kv = given.kv or {}, human = { within = human.within }, http = given.http or {},
         media = given.media or {},
      },
   }
end
