-- door.embeddings: POST /v1/embeddings, as OpenAI's clients ask.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Embeddings". A client of a provider that speaks the same sends its own
-- bytes, with the model's name changed, and gets the provider's.

local base64 = require "base64"
local codec_openai = require "codec.embed.openai"
local embed = require "embed"
local errors = require "errors"
local json = require "json"
local policies = require "policies"
local trace = require "trace"
local usage = require "usage"

local door = { name = "embeddings", format = "openai" }

local function bad(param, message)
   return nil, errors.new { code = "bad_request", type = "invalid_request_error", param = param,
      message = message }
end

-- ---- the request ----

local function all_are(list, check)
   for position = 1, #list do
      if not check(list[position]) then return false end
   end
   return true
end

local function is_text(value) return type(value) == "string" end
local function is_token(value) return math.type(value) == "integer" and value >= 0 end
local function is_tokens(value) return type(value) == "table" and #value > 0 and all_are(value, is_token) end

-- The texts of the input; false where it is numbers of tokens | nil, err.
local function texts_of(input)
   if is_text(input) then return { input } end
   if type(input) ~= "table" or #input == 0 then
      return bad("input", "'input' must be a string, or a list of strings or of tokens that is not empty")
   end
   if all_are(input, is_text) then return input end
   if is_tokens(input) or all_are(input, is_tokens) then return false end
   return bad("input", "'input' must hold strings only, or tokens only")
end

-- What the client says that we must understand: { model =, texts = list | false, dimensions =, base64 =,
-- user = }.
local function read(req)
   local model, format, dimensions = req.model, req.encoding_format, req.dimensions
   if type(model) ~= "string" or model == "" then
      return bad("model", "you must provide a model: \"provider/model\", an alias, or a known name")
   end
   if format ~= nil and format ~= json.null and format ~= "float" and format ~= "base64" then
      return bad("encoding_format", "'encoding_format' must be \"float\" or \"base64\"")
   end
   if dimensions ~= nil and dimensions ~= json.null
      and not (math.type(dimensions) == "integer" and dimensions > 0 and dimensions < 1e6) then
      return bad("dimensions", "'dimensions' must be a whole number above 0")
   end
   local texts, err = texts_of(req.input)
   if texts == nil then return nil, err end
   return { model = model, texts = texts, base64 = format == "base64", user = is_text(req.user),
      dimensions = math.type(dimensions) == "integer" and dimensions or nil }
end

local function find(name)
   if name == "auto" or policies[name:match("^baton/(.+)$") or name] ~= nil then
      return bad("model", ("'%s' is a policy; embeddings need a model: \"provider/model\""):format(name))
   end
   return embed.find(name)
end

-- ---- the answer ----

local function shown(vector, as_base64)
   return as_base64 and base64.of_floats(vector) or json.array(vector)
end

-- door.answer(result, as_base64, model) -> body text. result: as of embed.create.
function door.answer(result, as_base64, model)
   local data = json.array {}
   for position, vector in ipairs(result.vectors) do
      data[position] = { object = "embedding", index = position - 1, embedding = shown(vector, as_base64) }
   end
   local tokens = result.usage.input_tokens
   return json.encode { object = "list", data = data, model = model,
      usage = { prompt_tokens = tokens, total_tokens = tokens } }
end

-- ---- the same format: bytes ----

local optional = { "dimensions", "encoding_format", "user" }

-- Some servers refuse null where nothing was meant.
local function nulls(req)
   local names
   for _, name in ipairs(optional) do
      if req[name] == json.null then
         names = names or {}
         names[#names + 1] = name
      end
   end
   return names
end

-- The usage of a body that is an answer, false without one | nil, err.
local function usage_of(body)
   local data = json.find(body, "data")
   if not data or data:sub(1, 1) ~= "[" then
      return nil, errors.new { code = "bad_response", message = "the answer has no embeddings" }
   end
   local found = json.find(body, "usage")
   return found and usage.from.openai(json.decode(found)) or false
end

-- A server that does not know encoding_format sends numbers; clients that asked for base64 fail on them.
local function as_asked(body, ask)
   if not ask.base64 or body:find('"embedding"%s*:%s*"') then return body end
   local result = codec_openai.decode(body)
   if not result then return body end
   result.usage = result.usage or usage.none
   local model = json.find(body, "model")
   return door.answer(result, true, model and json.decode(model) or ask.model)
end

local function pass_on(entry, codec, req, ask)
   local out = { body = req, edits = { model = entry.model }, removed = nulls(req) }
   local body, err = embed.pass(entry, codec, out, usage_of)
   if not body then return nil, err end
   return as_asked(body, ask)
end

-- ---- another format ----

local function translate(entry, ask)
   if not ask.texts then
      return bad("input", ("provider '%s' takes texts, not tokens"):format(entry.provider))
   end
   local result, err = embed.create(entry, ask.texts, { dimensions = ask.dimensions })
   if not result then return nil, err end
   return door.answer(result, ask.base64, result.name), ask.user and "dropped: user" or nil
end

-- door.page(answer, req): req is a view of the client's body. Yields.
function door.page(answer, req)
   local ask, problem = read(req)
   if not ask then return answer:fail(problem) end
   local entry, codec = find(ask.model)
   if not entry then return answer:fail(codec) end
   trace.answered(entry.name)
   local body, told
   if codec.embed.format == door.format then
      body, told = pass_on(entry, codec, req, ask)
   else
      body, told = translate(entry, ask)
   end
   if not body then return answer:fail(told) end
   answer:reply(200, "application/json", told and { ["x-baton-warnings"] = told } or nil, body)
end

door.pages = {
   embed = function(answer, context) return door.page(answer, context.view) end,
}

return door
