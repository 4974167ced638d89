-- embeddings: requests for vectors, in the formats of OpenAI, Gemini and Ollama.
-- SPDX-License-Identifier: MIT
local gemini_error = require "sim.gemini_error"
local gemini_request = require "sim.gemini_request"
local json = require "json"
local ollama_error = require "sim.ollama_error"
local openai_error = require "sim.openai_error"
local openai_say = require "sim.openai_say"
local request = require "sim.request"
local shape = require "sim.shape"
local tokens = require "sim.tokens"
local vectors = require "sim.vectors"

local embeddings = {}

local quoted = json.encode
local range = shape.range

-- What all readers end in: ask.inputs, each a text or a list of token ids; ask.size.
local function finish(ask, inputs, size)
   ask.inputs, ask.size, ask.bytes = inputs, size or vectors.SIZE, 0
   for _, input in ipairs(inputs) do ask.bytes = ask.bytes + (type(input) == "string" and #input
      or 4 * #input) end
end

local function all(ask, write)
   local out = {}
   for i, input in ipairs(ask.inputs) do out[i] = write(vectors.of(input, ask.size), i) end
   return table.concat(out, ",")
end

local function page(content_type, body)
   return { status = 200, headers = { { "content-type", content_type } }, body = body .. "\n" }
end

-- ---- OpenAI ----

-- Stricter than the rest of OpenAI: null for an absent member is refused, as by vLLM.
local say = setmetatable({ null_is_absent = false }, { __index = openai_say.say })

local TEXT_OR_IDS = shape.either { string = "string", integer = "integer", array = shape.list("integer") }

local function check_input(input)
   if #input == 0 then openai_say.refuse("Invalid 'input': input cannot be empty.", "input",
      "invalid_value") end
   for _, one in ipairs(type(input) == "table" and input or {}) do
      if one == "" then
         openai_say.refuse("Invalid 'input': input cannot be an empty string.", "input", "invalid_value")
      end
      if shape.kind_of(one) ~= shape.kind_of(input[1]) then
         openai_say.refuse("Invalid type for 'input': expected one kind of items.", "input", "invalid_type")
      end
   end
end

local function read_openai(ask, req, model)
   local body = request.body(req.body, openai_error)
   shape.check(body, shape.object {
      model = model and "string" or "string!", encoding_format = shape.enum("float base64"), user = "string",
      input = shape.either({ string = "string", array = shape.list(TEXT_OR_IDS) }, "!"),
      dimensions = range("integer", 1, vectors.SIZE_MAX),
   }, "", say)
   request.model(ask, model or body.model, openai_error, "embeds")
   local input = body.input
   check_input(input)
   ask.base64 = body.encoding_format == "base64"
   local many = type(input) == "table" and type(input[1]) ~= "number"
   finish(ask, many and input or { input }, body.dimensions)
end

embeddings.openai = {
   format = "openai", fail = openai_error.fail,
   read = function(ask, req) read_openai(ask, req) end,
   page = function(ask)
      local data = all(ask, function(v, i)
         local written = ask.base64 and quoted(vectors.base64(v)) or vectors.json(v)
         return ('{"object":"embedding","index":%d,"embedding":%s}'):format(i - 1, written)
      end)
      local n = tokens.estimate(ask.bytes)
      return page("application/json", ('{"object":"list","data":[%s],"model":%s,'
         .. '"usage":{"prompt_tokens":%d,"total_tokens":%d}}'):format(data, quoted(ask.model.id), n, n))
   end,
   nulls = {
      essential = { { '"embedding":%b[]', '"embedding":null' }, { '"embedding":"[^"]+"',
         '"embedding":null' } },
      optional = { { '"usage":%b{}', '"usage":null' } },
   },
}

embeddings.azure = setmetatable({
   read = function(ask, req, model) read_openai(ask, req, model) end,
}, { __index = embeddings.openai })

-- ---- Gemini ----

local ONE = {
   model = "string", taskType = "string", title = "string", content = shape.list("any"),
   outputDimensionality = range("integer", 1, vectors.SIZE_MAX), autoTruncate = "boolean",
}
ONE.content = setmetatable({ required = true }, { __index = gemini_request.CONTENT })

local function text_of(content)
   local out = {}
   for _, part in ipairs(content.parts) do out[#out + 1] = part.text end
   return table.concat(out, "\n")
end

embeddings.gemini = {
   format = "gemini", fail = gemini_error.fail,
   read = function(ask, req, name)
      local body = request.body(req.body, gemini_error)
      request.model(ask, name, gemini_error, "embeds")
      gemini_error.check(body, shape.object(ONE))
      finish(ask, { text_of(body.content) }, body.outputDimensionality)
   end,
   page = function(ask)
      return page("application/json; charset=UTF-8", '{"embedding":' .. all(ask, function(v)
         return '{"values":' .. vectors.json(v) .. "}"
      end) .. "}")
   end,
   nulls = { essential = { { '"values":%b[]', '"values":null' } }, optional = {} },
}

embeddings.gemini_batch = setmetatable({
   read = function(ask, req, name)
      local body = request.body(req.body, gemini_error)
      request.model(ask, name, gemini_error, "embeds")
      gemini_error.check(body, shape.object { requests = shape.list(shape.object(ONE), "!") })
      local inputs, size = {}, nil
      for i, one in ipairs(body.requests) do
         if one.model ~= "models/" .. name then
            gemini_error.refuse(("* BatchEmbedContentsRequest.requests[%d].model: must be the same as "
               .. "the model in BatchEmbedContentsRequest.model"):format(i - 1))
         end
         inputs[i], size = text_of(one.content), one.outputDimensionality
      end
      finish(ask, inputs, size)
   end,
   page = function(ask)
      return page("application/json; charset=UTF-8", '{"embeddings":[' .. all(ask, function(v)
         return '{"values":' .. vectors.json(v) .. "}"
      end) .. "]}")
   end,
}, { __index = embeddings.gemini })

-- ---- Ollama ----

local function refuse_input()
   ollama_error.refuse("invalid input type")
end

embeddings.ollama = {
   format = "ollama", fail = ollama_error.fail,
   read = function(ask, req)
      local body = request.body(req.body, ollama_error)
      if type(body.model) ~= "string" then ollama_error.refuse("model is required") end
      request.model(ask, body.model, ollama_error, "embeds")
      local input, inputs = request.or_nil(body.input), {}
      if type(input) == "string" then
         inputs = { input }
      elseif input ~= nil then
         if not json.is_array(input) then refuse_input() end
         for i, one in ipairs(input) do
            if type(one) ~= "string" then refuse_input() end
            inputs[i] = one
         end
      end
      finish(ask, inputs, request.or_nil(body.dimensions))
   end,
   page = function(ask)
      return page("application/json; charset=utf-8",
         ('{"model":%s,"embeddings":[%s],"total_duration":14143917,"load_duration":1019500,'
            .. '"prompt_eval_count":%d}'):format(quoted(ask.asked), all(ask,
            vectors.json),
         tokens.estimate(ask.bytes)))
   end,
   nulls = { essential = { { '"embeddings":%b[]', '"embeddings":null' } }, optional = {} },
}

return embeddings
