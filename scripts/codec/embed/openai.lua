-- codec.embed.openai: embeddings in OpenAI's form: POST /embeddings.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Embeddings". Members that are not asked for are left out: servers refuse
-- null (vLLM). Vectors are asked for in base64, a quarter of the bytes, as the official clients do; a server
-- that sends numbers all the same is read, too.

local base64 = require "base64"
local errors = require "errors"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local embed = {
   format = "openai",
   path = "/embeddings",
   most = 2048,   -- inputs of one call
}

local member, list_of = hub.member, hub.list

local function bad_response(message)
   return nil, errors.new { code = "bad_response", message = message }
end

function embed.encode(model, inputs, opts)
   return json.encode {
      model = model, input = json.array(inputs), dimensions = opts and opts.dimensions,
      encoding_format = "base64",
   }
end

-- A list of numbers, or base64.
local function vector_of(value)
   if type(value) == "string" then return (base64.floats(value)) end
   return type(value) == "table" and value or nil
end

function embed.decode(body)
   local decoded = json.decode(body)
   local vectors, items = {}, list_of(member(decoded, "data"))
   for position, item in ipairs(items) do
      local index = member(item, "index")
      local at = math.type(index) == "integer" and index + 1 or position
      local vector = vector_of(member(item, "embedding"))
      if not vector then return bad_response "an embedding that is no vector" end
      if at < 1 or at > #items or vectors[at] then return bad_response "the embeddings are not numbered" end
      vectors[at] = vector
   end
   if #items == 0 then return bad_response "the answer has no embeddings" end
   return { vectors = vectors, usage = usage.from.openai(member(decoded, "usage")) }
end

return embed
