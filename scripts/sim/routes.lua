-- routes: which wire answers at which path.
-- SPDX-License-Identifier: MIT
local anthropic = require "sim.anthropic"
local azure = require "sim.azure"
local completions = require "sim.completions"
local embeddings = require "sim.embeddings"
local gemini = require "sim.gemini"
local ollama = require "sim.ollama"
local openai = require "sim.openai"
local responses = require "sim.responses"

local routes = {}

local function model_list(req)
   if req.headers["anthropic-version"] then return anthropic.list_models() end
   return openai.list_models()
end

local function one_model(req, id)
   if req.headers["anthropic-version"] then return anthropic.one_model(id) end
   return openai.one_model(id)
end

-- pattern, method, wire, page: a page needs no model.
local LIST = {
   { "^/v1/chat/completions$", "POST", openai },
   { "^/v1/completions$", "POST", completions },
   { "^/v1/embeddings$", "POST", embeddings.openai },
   { "^/v1/models$", "GET", openai, model_list },
   { "^/v1/models/([^/]+)$", "GET", openai, one_model },
   { "^/v1/responses$", "POST", responses },
   { "^/v1/messages$", "POST", anthropic },
   { "^/v1/messages/count_tokens$", "POST", anthropic.count },
   { "^/v1beta/models/([^/]+):generateContent$", "POST", gemini },
   { "^/v1beta/models/([^/]+):streamGenerateContent$", "POST", gemini.streaming },
   { "^/v1beta/models/([^/]+):countTokens$", "POST", gemini.count },
   { "^/v1beta/models/([^/]+):embedContent$", "POST", embeddings.gemini },
   { "^/v1beta/models/([^/]+):batchEmbedContents$", "POST", embeddings.gemini_batch },
   { "^/v1beta/models$", "GET", gemini, gemini.list_models },
   { "^/v1beta/models/([^/:]+)$", "GET", gemini, gemini.one_model },
   { "^/api/chat$", "POST", ollama },
   { "^/api/generate$", "POST", ollama.generate },
   { "^/api/embed$", "POST", embeddings.ollama },
   { "^/api/tags$", "GET", ollama, ollama.tags },
   { "^/api/show$", "POST", ollama.show },
   { "^/api/version$", "GET", ollama, ollama.version },
   { "^/openai/deployments/([^/]+)/chat/completions$", "POST", azure.chat },
   { "^/openai/deployments/([^/]+)/completions$", "POST", azure.completions },
   { "^/openai/deployments/([^/]+)/embeddings$", "POST", azure.embeddings },
   { "^/openai/v1/chat/completions$", "POST", openai },
   { "^/openai/v1/embeddings$", "POST", embeddings.openai },
   { "^/openai/v1/responses$", "POST", responses },
   { "^/openai/responses$", "POST", responses },
}

local function wire_of(path)
   if path:find("^/v1beta/") then return gemini end
   if path:find("^/api/") then return ollama end
   if path:find("^/v1/messages") then return anthropic end
   if path:find("^/openai/") then return azure end
   return openai
end

local function unescaped(text)
   return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Which header of a key each format knows; a key that comes in another one's is a mistake of the client.
local KEYS = {
   openai = { "authorization", "api-key" }, responses = { "authorization", "api-key" },
   anthropic = { "x-api-key", "authorization" }, gemini = { "x-goog-api-key", "authorization" },
   ollama = { "authorization" }, azure = { "api-key", "authorization" },
}
local ANY = { "authorization", "x-api-key", "x-goog-api-key", "api-key" }

local function key_is_lost(req, wire)
   for _, name in ipairs(KEYS[wire.format] or ANY) do
      if req.headers[name] then return false end
   end
   for _, name in ipairs(ANY) do
      if req.headers[name] then return true end
   end
   return false
end

-- The route of a request and what its path captures; or nil, nil and the plan that refuses it.
function routes.find(req)
   local path = req.path:gsub("[^\33-\126]", "?") -- goes into messages, which are JSON
   for _, r in ipairs(LIST) do
      local capture = path:match(r[1])
      if capture and req.method ~= r[2] then
         local plan = r[3].fail("method", { message = ("Not allowed to %s on %s."):format(req.method, path) })
         table.insert(plan.headers, { "allow", r[2] })
         return nil, nil, plan
      elseif capture then
         if not r[4] and key_is_lost(req, r[3]) then return nil, nil, r[3].fail("auth", {}) end
         return { wire = r[3], page = r[4] }, unescaped(capture)
      end
   end
   return nil, nil, wire_of(path).fail("no_route", { message = ("Invalid URL (%s %s)"):format(req.method,
      path) })
end

return routes
