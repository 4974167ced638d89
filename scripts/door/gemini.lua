-- door.gemini: Google's Gemini API, as clients speak it.
-- SPDX-License-Identifier: MIT
--
-- Source: Gemini API reference, "GenerateContent", "StreamGenerateContent" (with alt=sse, and without it: one
-- JSON array), "CountTokens", "Models", "Embeddings".

local ask = require "gemini.ask"
local count = require "count"
local errors = require "errors"
local hub = require "hub"
local json = require "json"
local parts = require "gemini.parts"
local reply = require "gemini.reply"

local door = {
   name = "gemini", format = "gemini",
   decode = ask.decode, answer = reply.whole, encoder = reply.encoder,
   pages = {},
   stamps = { '"YmF0b246' },          -- how begins what another provider's model has signed (hub.stamp)
}

local member = hub.member

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param,
      type = "INVALID_ARGUMENT" }
end

-- "models/x" -> "x". Clients may write a model's whole name.
local function model_of(name)
   return name and (name:match "^models/(.+)$" or name)
end

local function wants_sse(route)
   local query = "&" .. (hub.text(member(route, "query")) or ""):gsub("^%?", "")
   return query:find("[&]%$?alt=sse") ~= nil
end

-- door.head(body, route) -> { model =, stream =, array = is the stream one JSON array?, include_usage = }
-- | nil, err.
function door.head(body, route)
   local contents = json.find(body, "contents")
   if not contents or contents == "null" then
      return wrong("contents", "* GenerateContentRequest.contents: contents is not specified")
   end
   local stream = route.action == "streamGenerateContent"
   return { model = model_of(route.model), stream = stream, array = stream and not wants_sse(route),
      include_usage = true }
end

-- A provider's events are not what a client wants that reads one array.
function door.reframes(head)
   return head.array
end

function door.stream_type(head)
   return head.array and "application/json; charset=utf-8" or "text/event-stream; charset=utf-8"
end

function door.stream_end(head)
   return head.array and "]" or ""
end

-- White space is nothing inside an array, a comment nothing inside a stream of events.
function door.ping(head)
   return head.array and "\r\n" or ": ping\n\n"
end

function door.comment(words, head)
   return member(head, "array") and "" or ": " .. words .. "\n\n"
end

-- ---- pages ----

local function send(answer, object, fields)
   return answer:reply(200, "application/json; charset=UTF-8", fields, json.encode(object))
end

-- What a client that counts tokens sends: contents, or a whole request.
local function counted(body)
   local decoded = json.decode(body)
   local whole = parts.pick(decoded, "generateContentRequest")
   return whole and json.encode(whole) or body
end

-- POST /v1beta/models/{model}:countTokens: the provider's count, else an estimate.
function door.pages.countTokens(answer, context)
   local req, err = ask.decode(counted(context.body), { model = context.route.model })
   if not req then return answer:fail(err) end
   local own = count.ask(model_of(context.route.model), "gemini", context.view)
   local total = own or count.estimate(req)
   return send(answer, { totalTokens = total,
      promptTokensDetails = json.array { { modality = "TEXT", tokenCount = total } } },
      count.fields(own))
end

local function model_object(model)
   local entry = model.entry
   return {
      name = "models/" .. model.id, baseModelId = model.id, version = "001", displayName = model.id,
      description = "served by " .. model.owner, inputTokenLimit = member(entry, "context"),
      outputTokenLimit = member(entry, "max_output"),
      supportedGenerationMethods = json.array { "generateContent", "streamGenerateContent", "countTokens" },
   }
end

local function query_number(route, name)
   local query = "&" .. (hub.text(member(route, "query")) or ""):gsub("^%?", "")
   return math.tointeger(tonumber(query:match("&" .. name .. "=(%d+)") or ""))
end

-- GET /v1beta/models: pageSize (50) of them, from pageToken on.
function door.pages.models(answer, context)
   local all, list = context.list(), json.array {}
   local from = query_number(context.route, "pageToken") or 0
   local size = math.max(1, math.min(query_number(context.route, "pageSize") or 50, 1000))
   for position = from + 1, math.min(#all, from + size) do list[#list + 1] = model_object(all[position]) end
   return send(answer, { models = list, nextPageToken = from + size < #all and tostring(from + size) or nil })
end

-- GET /v1beta/models/{model}.
function door.pages.model(answer, context)
   local model, err = context.find(model_of(context.route.model))
   if not model then return answer:fail(err) end
   return send(answer, model_object(model))
end

-- ---- embeddings ----

-- The text of one request to embed | nil, err.
local function input_of(request)
   local out = {}
   for _, part in ipairs(parts.list(member(member(request, "content"), "parts"))) do
      out[#out + 1] = hub.text(member(part, "text"))
   end
   if #out == 0 then return wrong("content", "content must hold a text") end
   return table.concat(out, "\n")
end

-- The vectors of requests | nil, err.
local function embed(context, requests)
   local llm = require "llm"
   local inputs, dimensions = json.array {}, nil
   for position, request in ipairs(requests) do
      local input, err = input_of(request)
      if not input then return nil, err end
      inputs[position] = input
      dimensions = parts.integer(parts.pick(request, "outputDimensionality")) or dimensions
   end
   if #inputs == 0 then return wrong("requests", "requests is not specified") end
   return llm.embed(model_of(context.route.model), inputs, { dimensions = dimensions })
end

-- Gemini itself does not tell what an embedding took.
local function used_by(found)
   local tokens = member(found.usage or nil, "input_tokens") or 0
   return tokens > 0 and { promptTokenCount = tokens } or nil
end

local function values_of(vectors)
   local list = json.array {}
   for position, vector in ipairs(vectors) do list[position] = { values = json.array(vector) } end
   return list
end

-- POST /v1beta/models/{model}:embedContent.
function door.pages.embedContent(answer, context)
   local request = json.decode(context.body)
   local found, err = embed(context, { request })
   if not found then return answer:fail(err) end
   return send(answer, { embedding = values_of(found.vectors)[1],
      usageMetadata = used_by(found) })
end

-- POST /v1beta/models/{model}:batchEmbedContents.
function door.pages.batchEmbedContents(answer, context)
   local found, err = embed(context, parts.list(member(json.decode(context.body), "requests")))
   if not found then return answer:fail(err) end
   return send(answer, { embeddings = values_of(found.vectors),
      usageMetadata = used_by(found) })
end

return door
