-- gemini.parts: what Gemini's codec and its door share: names, media, schemas, signatures, reasons to stop.
-- SPDX-License-Identifier: MIT
--
-- Source: Gemini API reference, "GenerateContent", "Content", "FunctionCall", "Schema", "FinishReason"; the
-- members as protobuf's JSON takes them: in camelCase or snake_case, one element where a list is meant.

local base64 = require "base64"
local hub = require "hub"
local json = require "json"

local parts = {}

local member, full = hub.member, hub.full

parts.FORMAT = "google-gemini-v1"

-- What a model that insists on signatures takes for a call that has none. Source: Gemini API, "Thought
-- signatures", FAQ.
parts.NO_SIGNATURE = "skip_thought_signature_validator"

-- ---- members ----

local snakes = {}

-- value["functionCall"], or value["function_call"]; nil for null and for what is no table.
function parts.pick(value, name)
   local found = member(value, name)
   if found ~= nil then return found end
   local snake = snakes[name]
   if not snake then
      snake = name:gsub("%u", function(letter) return "_" .. letter:lower() end)
      snakes[name] = snake
   end
   return member(value, snake)
end

-- A list, where one element may stand alone.
function parts.list(value)
   if type(value) ~= "table" then return {} end
   if json.is_array(value) or next(value) == nil then return value end
   return value[1] ~= nil and value or { value }
end

-- A whole number, also one that is written as text (protobuf's int64); nil for anything else.
function parts.integer(value)
   if type(value) == "string" and value:find "^%-?%d+$" and #value <= 15 then value = tonumber(value) end
   return type(value) == "number" and math.tointeger(value) or nil
end

-- ---- media ----

local audio_formats = { ["audio/wav"] = "wav", ["audio/x-wav"] = "wav", ["audio/wave"] = "wav",
   ["audio/mp3"] = "mp3", ["audio/mpeg"] = "mp3" }

-- inlineData as a part of the hub. file: what a file is called, or nil.
function parts.of_data(mime, data, file)
   local kind = mime:match "^[^/]+"
   if kind == "image" then
      return { type = "image_url", image_url = { url = hub.data_url(mime, data) } }
   end
   if kind == "audio" then
      return { type = "input_audio",
         input_audio = { data = data, format = audio_formats[mime] or mime:match "^audio/(.+)$" } }
   end
   return { type = "file", file = { filename = file, file_data = hub.data_url(mime, data) } }
end

-- fileData as a part of the hub.
function parts.of_uri(mime, uri, file)
   if mime and mime:find "^image/" then return { type = "image_url", image_url = { url = uri } } end
   return { type = "file", file = { filename = file, file_url = uri } }
end

-- The type of an input_audio's format.
function parts.audio_type(format)
   return "audio/" .. (full(format) or "wav")
end

-- ---- schemas ----

local types = { STRING = "string", NUMBER = "number", INTEGER = "integer", BOOLEAN = "boolean",
   ARRAY = "array", OBJECT = "object", NULL = "null" }

local counts = { minItems = true, maxItems = true, minProperties = true, maxProperties = true,
   minLength = true, maxLength = true }

local LEVELS = 64 -- how deep a schema is looked into

-- A Schema of Google's (a part of OpenAPI 3.0, types in upper case) as JSON Schema: a copy.
function parts.json_schema(schema, level)
   level = level or 1
   if type(schema) ~= "table" or level > LEVELS then return schema end
   local out = json.is_array(schema) and json.array {} or json.object {}
   for name, value in pairs(schema) do
      if name == "type" and type(value) == "string" then
         value = types[value:upper()] or value
      elseif counts[name] then
         value = parts.integer(value) or value
      elseif type(value) == "table" and name ~= "enum" and name ~= "required" and name ~= "default"
         and name ~= "example" then
         value = parts.json_schema(value, level + 1)
      end
      if name ~= "nullable" and value ~= "TYPE_UNSPECIFIED" then out[name] = value end
   end
   if schema.nullable == true and type(out.type) == "string" then
      out.type = json.array { out.type, "null" }
   end
   return out
end

local foreign = { ["$schema"] = true, strict = true }

-- A JSON Schema as Gemini takes it: without what it refuses. The same table where nothing is in the way.
function parts.clean_schema(schema)
   if type(schema) ~= "table" then return schema end
   local copy
   for name in pairs(foreign) do
      if schema[name] ~= nil then
         copy = copy or json.object {}
      end
   end
   if not copy then return schema end
   for name, value in pairs(schema) do
      if not foreign[name] then copy[name] = value end
   end
   return copy
end

-- ---- signatures ----

-- A reasoning detail as the opaque string of a part. Clients take it for base64 (Google's SDKs decode it), so
-- the stamp of another provider's is written as such.
function parts.signature(detail)
   local text = hub.stamp(detail, parts.FORMAT)
   if detail.format == parts.FORMAT then return text end
   return base64.encode(text)
end

-- What the door puts on a call that no model has signed: should the next turn go to a model that insists on
-- signatures, the body is read, and not passed on as it is.
parts.UNSIGNED = parts.signature { type = "reasoning.encrypted", data = "", format = "unknown" }

local STAMPED = "YmF0b246" -- "baton:" in base64

-- The reverse: format, data, id of the detail (nil where there is none).
function parts.unsign(text)
   if text:sub(1, #STAMPED) ~= STAMPED then return parts.FORMAT, text end
   return hub.unstamp(base64.decode(text) or text, parts.FORMAT)
end

-- ---- reasons to stop ----

local reasons = { STOP = "stop", MAX_TOKENS = "length" }
for name in ("SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT "
   .. "IMAGE_RECITATION MODEL_ARMOR"):gmatch "%S+" do
   reasons[name] = "content_filter"
end

-- A finishReason in the hub's words; nil where it has none: the answer failed.
function parts.reason(finish, has_calls)
   local reason = reasons[finish]
   return reason == "stop" and has_calls and "tool_calls" or reason
end

local back = { stop = "STOP", tool_calls = "STOP", function_call = "STOP", length = "MAX_TOKENS",
   content_filter = "SAFETY" }

-- finish_reason -> finishReason.
function parts.finish_reason(reason)
   return back[reason] or "STOP"
end

-- ---- log probabilities ----

local function bytes_of(token)
   if #token > 256 then return json.null end
   return json.array { token:byte(1, -1) }
end

local function entry_of(candidate)
   local token = hub.text(member(candidate, "token")) or ""
   local value = parts.pick(candidate, "logProbability")
   return { token = token, logprob = type(value) == "number" and value or 0, bytes = bytes_of(token) }
end

-- logprobsResult -> logprobs of the hub, or nil.
function parts.logprobs(result)
   local chosen = parts.pick(result, "chosenCandidates")
   if type(chosen) ~= "table" then return nil end
   local tops, content = hub.list(parts.pick(result, "topCandidates")), json.array {}
   for position, candidate in ipairs(chosen) do
      local entry = entry_of(candidate)
      entry.top_logprobs = json.array {}
      for _, top in ipairs(hub.list(parts.pick(tops[position], "candidates"))) do
         table.insert(entry.top_logprobs, entry_of(top))
      end
      content[#content + 1] = entry
   end
   return { content = content }
end

-- The reverse, or nil.
function parts.logprobs_result(logprobs)
   local content = member(logprobs, "content")
   if type(content) ~= "table" then return nil end
   local chosen, tops = json.array {}, json.array {}
   for _, entry in ipairs(content) do
      local candidates = json.array {}
      for _, top in ipairs(hub.list(member(entry, "top_logprobs"))) do
         candidates[#candidates + 1] = { token = member(top, "token"),
            logProbability = member(top, "logprob") }
      end
      chosen[#chosen + 1] = { token = member(entry, "token"), logProbability = member(entry, "logprob") }
      tops[#tops + 1] = { candidates = candidates }
   end
   return { chosenCandidates = chosen, topCandidates = tops }
end

-- ---- citations ----

-- Characters before the byte at 'offset' (from 0) of a text; the offset itself where it is no place in it.
local function characters(text, offset)
   if type(offset) ~= "number" then return nil end
   offset = math.tointeger(offset) or 0
   if offset <= 0 then return 0 end
   return offset <= #text and utf8.len(text, 1, offset, true) or offset
end

local function citation(text, from, to, url, title)
   return { type = "url_citation", url_citation = { start_index = characters(text, from or 0),
      end_index = characters(text, to or 0), url = url, title = full(title) or url } }
end

local function add_grounding(list, text, grounding)
   local chunks = hub.list(parts.pick(grounding, "groundingChunks"))
   local function source(index)
      local chunk = chunks[(parts.integer(index) or -1) + 1]
      return member(chunk, "web") or parts.pick(chunk, "retrievedContext") or member(chunk, "maps")
   end
   for _, support in ipairs(hub.list(parts.pick(grounding, "groundingSupports"))) do
      local segment = member(support, "segment")
      for _, index in ipairs(hub.list(parts.pick(support, "groundingChunkIndices"))) do
         local from = source(index)
         if full(member(from, "uri")) then
            list[#list + 1] = citation(text, parts.pick(segment, "startIndex"),
               parts.pick(segment, "endIndex"), from.uri, member(from, "title"))
         end
      end
   end
end

-- The annotations of a candidate whose whole text is 'text' (Google counts bytes): a list, nil without any.
function parts.annotations(candidate, text)
   local list = json.array {}
   local metadata = parts.pick(candidate, "citationMetadata")
   local sources = parts.pick(metadata, "citationSources") or member(metadata, "citations")
   for _, source in ipairs(hub.list(sources)) do
      if full(member(source, "uri")) then
         list[#list + 1] = citation(text, parts.pick(source, "startIndex"), parts.pick(source, "endIndex"),
            source.uri, member(source, "title"))
      end
   end
   add_grounding(list, text, parts.pick(candidate, "groundingMetadata"))
   return #list > 0 and list or nil
end

local function byte_offset(text, index)
   if type(index) ~= "number" then return 0 end
   local at = utf8.offset(text, (math.tointeger(index) or 0) + 1)
   return at and at - 1 or #text
end

-- Annotations as groundingMetadata, or nil.
function parts.grounding(annotations, text)
   local chunks, supports = json.array {}, json.array {}
   if not utf8.len(text) then text = "" end
   for _, annotation in ipairs(hub.list(annotations)) do
      local cited = member(annotation, "url_citation")
      local url = full(member(cited, "url"))
      if url then
         chunks[#chunks + 1] = { web = { uri = url, title = hub.text(cited.title) } }
         supports[#supports + 1] = { groundingChunkIndices = json.array { #chunks - 1 },
            segment = { startIndex = byte_offset(text, cited.start_index),
               endIndex = byte_offset(text, cited.end_index) } }
      end
   end
   return #chunks > 0 and { groundingChunks = chunks, groundingSupports = supports } or nil
end

return parts
