-- door.ollama: Ollama's own API, as clients speak it: /api/chat, /api/generate, and what they ask besides.
-- SPDX-License-Identifier: MIT
--
-- Source: Ollama's OpenAPI description. A body that says nothing of stream asks for one.

local ask = require "ollama.ask"
local clock = require "clock"
local errors = require "errors"
local hub = require "hub"
local json = require "json"
local reply = require "ollama.reply"
local usage = require "usage"

local door = {
   name = "ollama", format = "ollama",
   decode = ask.decode, answer = reply.whole, encoder = reply.encoder,
   stream_type = "application/x-ndjson", stream_end = "", ping = reply.nothing,
   pages = {},
}

local member, full, text = hub.member, hub.full, hub.text

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param }
end

-- The member of a body, decoded; nil where it is missing or null.
local function read(body, name)
   local found = json.find(body, name)
   if not found or found == "null" then return nil end
   return json.decode(found)
end

-- "sim/mini:latest" -> "sim/mini": some clients add the tag that Ollama's models have.
local function model_of(name)
   return (name:gsub(":latest$", ""))
end

-- Is there nothing to answer? Such a request loads a model.
local function is_empty(body, generate)
   local found = json.find(body, generate and "prompt" or "messages")
   if generate then return not found or found == '""' or found == "null" end
   return not found or found == "null" or found:find "^%[%s*%]$" ~= nil
end

-- door.head(body, route) -> { model =, stream =, include_usage = true, generate = is it /api/generate?,
-- rewrite = the same, instant = the answer to a request that wants none } | nil, err.
function door.head(body, route)
   local model = read(body, "model")
   if not full(model) then return wrong("model", "model is required") end
   local stream = read(body, "stream")
   if stream ~= nil and type(stream) ~= "boolean" then return wrong("stream",
      "stream must be true or false") end
   local generate = (text(member(route, "path")) or ""):find "generate$" ~= nil
   model = model_of(model)
   return { model = model, stream = stream ~= false, include_usage = true, generate = generate,
      rewrite = generate,
      instant = is_empty(body, generate) and reply.loaded(model, generate) or nil }
end

-- A provider's events are those of /api/chat.
function door.reframes(head)
   return head.generate
end

-- NDJSON has no comments.
function door.comment()
   return ""
end

-- ---- pages ----

local function send(answer, object)
   return answer:reply(200, "application/json; charset=utf-8", nil, json.encode(object))
end

-- The oldest version of Ollama that has all that this door has; clients compare it with what they need.
local VERSION = "0.13.0"

function door.pages.version(answer)
   return send(answer, { version = VERSION })
end

local DIGEST = ("0"):rep(64)

local function details_of(model)
   return { parent_model = "", format = "baton", family = model.owner, families = json.array { model.owner },
      parameter_size = "", quantization_level = "" }
end

local function summary_of(model)
   return { name = model.id, model = model.id, modified_at = clock.date(), size = 0, digest = DIGEST,
      details = details_of(model) }
end

-- GET /api/tags: what can be asked for.
function door.pages.tags(answer, context)
   local list = json.array {}
   for _, model in ipairs(context.list()) do list[#list + 1] = summary_of(model) end
   return send(answer, { models = list })
end

-- GET /api/ps: models in memory; there are none of ours.
function door.pages.ps(answer)
   return send(answer, { models = json.array {} })
end

local capabilities = { tools = "tools", vision = "vision", reasoning = "thinking", thinking = "thinking" }

local function capabilities_of(entry)
   local list = json.array { "completion" }
   local known = member(entry, "capabilities")
   if type(known) ~= "table" then return json.array { "completion", "tools" } end -- a policy may have any
   for _, name in ipairs(known) do list[#list + 1] = capabilities[name] end
   return list
end

-- POST /api/show.
function door.pages.show(answer, context)
   local name = read(context.body, "model") or read(context.body, "name")
   if not full(name) then return answer:fail(select(2, wrong("model", "model is required"))) end
   local model, err = context.find(model_of(name))
   if not model then return answer:fail(err) end
   local entry = model.entry
   return send(answer, { license = "", modelfile = "", parameters = "", template = "",
      modified_at = clock.date(),
      details = details_of(model), capabilities = capabilities_of(entry),
      model_info = json.object { ["general.architecture"] = "baton", ["general.basename"] = model.id,
         ["baton.context_length"] = member(entry, "context") } })
end

-- The vectors of a body's texts | nil, err.
local function embed(body, member_name)
   local model, input = read(body, "model"), read(body, member_name)
   if not full(model) then return wrong("model", "model is required") end
   if type(input) == "string" then input = json.array { input } end
   if type(input) ~= "table" or #input == 0 then return wrong(member_name, member_name .. " is required") end
   for _, value in ipairs(input) do
      if type(value) ~= "string" then return wrong(member_name, member_name .. " must hold texts") end
   end
   local dimensions = read(body, "dimensions")
   return require("llm").embed(model_of(model), input,
      { dimensions = type(dimensions) == "number" and math.tointeger(dimensions) or nil })
end

-- POST /api/embed.
function door.pages.embed(answer, context)
   local began = clock.monotonic()
   local found, err = embed(context.body, "input")
   if not found then return answer:fail(err) end
   local counts = usage.to.ollama(found.usage or nil) or {}
   local list = json.array {}
   for position, vector in ipairs(found.vectors) do list[position] = json.array(vector) end
   return send(answer, { model = read(context.body, "model"), embeddings = list, load_duration = 0,
      total_duration = math.floor((clock.monotonic() - began) * 1e9),
      prompt_eval_count = counts.prompt_eval_count })
end

-- POST /api/embeddings: the older form, one text.
function door.pages.embeddings(answer, context)
   local found, err = embed(context.body, "prompt")
   if not found then return answer:fail(err) end
   return send(answer, { embedding = json.array(found.vectors[1]) })
end

return door
