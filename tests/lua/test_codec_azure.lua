-- test_codec_azure: OpenAI's formats behind Azure's deployments.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.azure"
local fs = require "fs"
local json = require "json"

local function no_header() end

t.case("paths: dated versions name the deployment, the undated one does not", function()
   local dated = { host = "x.openai.azure.com", path = "/openai", api_version = "2024-06-01" }
   t.equal(codec.path("my gpt", true, dated), "/deployments/my%20gpt/chat/completions?api-version=2024-06-01")
   t.equal(codec.path("m", false, { path = "/openai" }),
      "/deployments/m/chat/completions?api-version=2024-10-21")
   t.equal(codec.path("m", false, { path = "" }),
      "/openai/deployments/m/chat/completions?api-version=2024-10-21")
   t.equal(codec.path("m", false, { path = "/openai/v1" }), "/chat/completions")
   t.equal(codec.path("m", false, { path = "/openai/v1", api_version = "preview" }),
      "/chat/completions?api-version=preview")
   t.equal(codec.embed.path("m", { path = "/openai" }), "/deployments/m/embeddings?api-version=2024-10-21")
   t.equal({ codec.auth_header, codec.auth_prefix, codec.format }, { "api-key", "", "openai" })
end)

t.case("old versions are not asked for usage", function()
   local old = { model = "m", stream = true, provider = { path = "/openai", api_version = "2024-02-01" } }
   local new = { model = "m", stream = true, provider = { path = "/openai" } }
   t.equal(codec.edits({ stream = true }, "m", true, old), { model = "m" })
   local _, removed = codec.edits({ stream = true, stream_options = { x = 1 } }, "m", true, old)
   t.equal(removed, { "stream_options" })
   t.equal(codec.edits({ stream = true }, "m", true, new).stream_options, { include_usage = true })
   local req = { messages = { { role = "user", content = "x" } } }
   t.equal(json.decode((codec.encode(req, old))).stream_options, nil)
   t.equal(json.decode((codec.encode(req, new))).stream_options, { include_usage = true })
end)

t.case("the models' rules are OpenAI's", function()
   local body, warnings = codec.encode({ messages = {}, max_tokens = 9, temperature = 0.2 },
      { model = "o3-mini", provider = { path = "/openai" } })
   body = json.decode(body)
   t.equal({ body.max_completion_tokens, body.max_tokens, body.temperature }, { 9, nil, nil })
   t.equal(warnings, { "dropped: temperature" })
end)

t.case("errors", function()
   local err = codec.error(400, '{"error":{"message":"The response was filtered","type":null,'
      .. '"param":"prompt","code":"content_filter","status":400,'
      .. '"innererror":{"code":"ResponsibleAIPolicyViolation"}}}', no_header)
   t.equal({ err.code, err.retryable, err.provider_code }, { "content_filter", false, "content_filter" })
   err = codec.error(429, '{"error":{"code":"429","message":"Requests have exceeded the token rate limit"}}',
      function(name) return name == "retry-after" and "7" or nil end)
   t.equal({ err.code, err.retry_after, err.retryable }, { "rate_limited", 7, true })
   err = codec.error(401, '{"error":{"code":"401","message":"Access denied due to invalid key"}}', no_header)
   t.equal({ err.code, err.provider_code }, { "auth", nil })
   err = codec.error(404, '{"error":{"code":"DeploymentNotFound","message":"m"}}', no_header)
   t.equal({ err.code, err.message }, { "not_found", "m" })
end)

t.case("recordings", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local root, n = t.vectors .. "/provider-fixtures/", 0
   for _, name in ipairs { "azure/chat-sse-1", "azure/chat-sse-2" } do
      local decode, text, reason, counts = codec.decoder(), "", nil, nil
      for line in assert(fs.read(root .. name .. ".response.sse")):gmatch "[^\r\n]+" do
         for _, event in ipairs(decode(line:match "^data: (.*)" or "null")) do
            text = text .. (event.text or "")
            reason, counts = event.reason or reason, event.usage or counts
         end
      end
      local expected = json.decode(assert(fs.read(root .. name .. ".expected.json")))
      t.equal({ text, reason }, { expected.choices["0"].content, expected.choices["0"].finish_reason })
      if type(expected.usage) == "table" then t.equal(counts.output_tokens,
         expected.usage.completion_tokens) end
      n = n + 1
   end
   t.equal(n, 2)
end)
