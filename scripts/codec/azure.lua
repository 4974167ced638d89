-- codec.azure: Azure OpenAI: OpenAI's formats behind deployments.
-- SPDX-License-Identifier: MIT
--
-- Sources: learn.microsoft.com, "Azure OpenAI REST API reference" and "API version lifecycle". A model is the
-- name of a deployment. base_url is ".../openai" for the dated versions of the API, whose paths name the
-- deployment, or ".../openai/v1" for the one without, whose bodies name it. Streams begin with an event
-- about the prompt's filter, without choices; a filtered prompt is an error with the code content_filter.

local json = require "json"
local openai = require "codec.openai"

local codec = {}
for name, value in pairs(openai) do codec[name] = value end
codec.name = "azure"
codec.auth_header, codec.auth_prefix = "api-key", ""

local DEFAULT_VERSION <const> = "2024-10-21" -- the last one that is generally available
local FIRST_WITH_USAGE <const> = "2024-09"   -- older ones refuse stream_options

local function is_undated(provider)
   return type(provider) == "table" and (provider.path or ""):find "/v1$" ~= nil
end

local function version_of(provider)
   return type(provider) == "table" and provider.api_version or DEFAULT_VERSION
end

local function escaped(text)
   return (text:gsub("[^%w_.~-]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- The path of an operation: "chat/completions", "embeddings".
local function path_of(operation, model, provider)
   if is_undated(provider) then
      local version = provider.api_version
      return "/" .. operation .. (version and "?api-version=" .. escaped(version) or "")
   end
   local above = type(provider) == "table" and provider.path or "/openai"
   return ("%s/deployments/%s/%s?api-version=%s"):format(above:find "openai" and "" or "/openai",
      escaped(model), operation, escaped(version_of(provider)))
end

function codec.path(model, _, provider)
   return path_of("chat/completions", model, provider)
end

-- It is Azure whatever its host is called.
local facts = { dialect = "azure" }

local function to_azure(to)
   local own = {}
   for name, value in pairs(to or {}) do own[name] = value end
   own.provider = facts
   return own
end

local function takes_stream_options(provider)
   return is_undated(provider) or version_of(provider) >= FIRST_WITH_USAGE
end

function codec.refuses(body, to)
   return openai.refuses(body, to_azure(to))
end

function codec.edits(req, model, stream, to)
   local edits, removed = openai.edits(req, model, stream, to_azure(to))
   if not takes_stream_options(to and to.provider) and edits.stream_options then
      edits.stream_options = nil
      if req.stream_options ~= nil then
         removed = removed or {}
         removed[#removed + 1] = "stream_options"
      end
   end
   return edits, removed
end

function codec.encode(req, to)
   local body, warnings = openai.encode(req, to_azure(to))
   if not body or not to.stream or takes_stream_options(to.provider) then return body, warnings end
   local decoded = json.decode(body)
   decoded.stream_options = nil
   return json.encode(decoded), warnings
end

codec.embed = {}
for name, value in pairs(openai.embed) do codec.embed[name] = value end

function codec.embed.path(model, provider)
   return path_of("embeddings", model, provider)
end

return codec
