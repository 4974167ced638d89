-- codec.embed.gemini: embeddings of Google's Gemini API: POST models/M:batchEmbedContents.
-- SPDX-License-Identifier: MIT
--
-- Source: Gemini API reference, "Embeddings". The module is a function, as the codec knows where models
-- stand: place(model) -> "/models/M".

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local member, list_of = hub.member, hub.list

local function bad_response(message)
   return nil, errors.new { code = "bad_response", message = message }
end

return function(place)
   local embed = { format = "gemini", most = 100 }

   function embed.path(model)
      return place(model) .. ":batchEmbedContents"
   end

   function embed.encode(model, inputs, opts)
      local requests = json.array {}
      for position, input in ipairs(inputs) do
         requests[position] = {
            model = place(model):sub(2), content = { parts = json.array { { text = input } } },
            outputDimensionality = opts and opts.dimensions,
         }
      end
      return json.encode { requests = requests }
   end

   function embed.decode(body)
      local decoded = json.decode(body)
      local vectors = {}
      for position, embedding in ipairs(list_of(member(decoded, "embeddings"))) do
         local values = member(embedding, "values")
         if type(values) ~= "table" then return bad_response "an embedding without values" end
         vectors[position] = values
      end
      if #vectors == 0 then return bad_response "the answer has no embeddings" end
      return { vectors = vectors, usage = usage.from.gemini(member(decoded, "usageMetadata")) }
   end

   return embed
end
