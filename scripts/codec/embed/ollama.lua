-- codec.embed.ollama: embeddings of Ollama's own API: POST /api/embed.
-- SPDX-License-Identifier: MIT
--
-- Source: Ollama's OpenAPI description.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local embed = { format = "ollama", path = "/api/embed", most = 512 }

local member, list_of = hub.member, hub.list

local function bad_response(message)
   return nil, errors.new { code = "bad_response", message = message }
end

function embed.encode(model, inputs, opts)
   return json.encode { model = model, input = json.array(inputs), dimensions = opts and opts.dimensions }
end

function embed.decode(body)
   local decoded = json.decode(body)
   local vectors = {}
   for position, vector in ipairs(list_of(member(decoded, "embeddings"))) do
      if type(vector) ~= "table" then return bad_response "an embedding that is no list" end
      vectors[position] = vector
   end
   if #vectors == 0 then return bad_response "the answer has no embeddings" end
   return { vectors = vectors, usage = usage.from.ollama(decoded) }
end

return embed
