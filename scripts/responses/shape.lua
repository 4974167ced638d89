-- responses.shape: what the Responses API writes otherwise than Chat Completions, in both directions.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Responses". The door (clients) and the codec (providers) share it.

local hub = require "hub"
local json = require "json"

local shape = {}

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

-- Whose opaque reasoning it is, in reasoning_details.
shape.FORMAT = "openai-responses-v1"

-- How the ids of reasoning items begin that Baton has made, of what another provider's model has thought.
shape.MINTED = "rs_baton"

-- ---- tools ----

local function no_parameters()
   return json.object { type = "object", properties = json.object {} }
end

-- A custom tool's form: the grammar's members stand in one object more in Chat Completions.
local function flat_form(form)
   local grammar = member(form, "grammar")
   if type(grammar) ~= "table" then return form end
   return { type = "grammar", syntax = grammar.syntax, definition = grammar.definition }
end

-- A tool of the hub as the Responses API writes it; nil and its type for one it has not.
-- strict is said: it is false in Chat Completions unless asked for, and true in the Responses API.
function shape.flat_tool(tool)
   local kind = member(tool, "type")
   if kind == "function" then
      local fn = member(tool, "function")
      if not text(member(fn, "name")) then return nil, "function" end
      return { type = "function", name = fn.name, description = text(fn.description),
         parameters = member(fn, "parameters") or no_parameters(), strict = member(fn, "strict") == true }
   elseif kind == "custom" and type(tool.custom) == "table" then
      local custom = tool.custom
      return { type = "custom", name = text(custom.name), description = text(custom.description),
         format = flat_form(member(custom, "format")) }
   elseif member(tool, "format") == "responses" then
      local own = {}
      for name, value in pairs(tool) do own[name] = value end
      own.format = nil
      return own
   end
   return nil, text(kind) or "without a type"
end

-- A custom tool takes any text; as a function it takes that text as its only argument.
local function custom_as_function(tool)
   local form = member(tool, "format")
   local about = text(member(tool, "description")) or ""
   if text(member(form, "definition")) then
      about = ("%s\n\nThe input must match this %s grammar:\n%s"):format(about,
         text(form.syntax) or "", form.definition)
   end
   return { type = "function", ["function"] = {
      name = tool.name, description = full(about),
      parameters = json.object { type = "object", required = json.array { "input" },
         properties = { input = { type = "string" } }, additionalProperties = false },
   } }
end

-- A tool of the Responses API as one of the hub, and whether it was a custom one.
function shape.hub_tool(tool)
   local kind = member(tool, "type")
   if kind == "function" then
      return { type = "function", ["function"] = {
         name = text(tool.name), description = text(tool.description),
         parameters = member(tool, "parameters"), strict = member(tool, "strict"),
      } }
   elseif kind == "custom" then
      return custom_as_function(tool), true
   end
   local own = {}
   for name, value in pairs(tool) do own[name] = value end
   own.format = "responses"
   return own
end

-- tool_choice of the hub as the Responses API writes it; nil where it cannot be said.
function shape.flat_choice(choice)
   if type(choice) ~= "table" then return text(choice) end
   local kind = text(choice.type)
   local named = member(choice, kind or "")
   if (kind == "function" or kind == "custom") and text(member(named, "name")) then
      return { type = kind, name = named.name }
   elseif kind == "allowed_tools" and type(named) == "table" then
      local tools = json.array {}
      for _, tool in ipairs(list(named.tools)) do tools[#tools + 1] = shape.flat_choice(tool) end
      return { type = "allowed_tools", mode = text(named.mode) or "auto", tools = tools }
   end
end

-- The reverse; nil for a tool that only the Responses API has.
function shape.hub_choice(choice)
   if type(choice) ~= "table" then return text(choice) end
   local kind = choice.type
   if (kind == "function" or kind == "custom") and text(choice.name) then
      return { type = "function", ["function"] = { name = choice.name } }
   elseif kind == "allowed_tools" then
      local tools = json.array {}
      for _, tool in ipairs(list(member(choice, "tools"))) do tools[#tools + 1] = shape.hub_choice(tool) end
      return { type = "allowed_tools", allowed_tools = { mode = text(choice.mode) or "auto", tools = tools } }
   end
end

-- ---- the form of an answer ----

-- response_format of the hub as text.format.
function shape.text_format(format)
   local kind = text(member(format, "type"))
   local schema = member(format, "json_schema")
   if kind ~= "json_schema" then return kind and { type = kind } or nil end
   if type(schema) ~= "table" then return nil end
   return { type = "json_schema", name = text(schema.name) or "answer",
      description = text(schema.description), schema = member(schema, "schema") or json.object {},
         strict = member(schema, "strict") }
end

function shape.response_format(format)
   local kind = text(member(format, "type"))
   if kind ~= "json_schema" then return kind and { type = kind } or nil end
   return { type = "json_schema", json_schema = {
      name = text(format.name) or "answer", description = text(format.description),
      schema = member(format, "schema"), strict = member(format, "strict"),
   } }
end

-- ---- parts of a message ----

-- A file needs a name when its bytes are sent.
local function name_of(file)
   if full(file.filename) then return file.filename end
   local mime = hub.split_data_url(file.file_data or "")
   return mime == "application/pdf" and "document.pdf" or "document.txt"
end

local to_input = {
   text = function(part) return { type = "input_text", text = text(part.text) or "" } end,
   image_url = function(part)
      local image = member(part, "image_url")
      local url = text(image) or text(member(image, "url"))
      local detail = text(member(image, "detail")) or "auto"
      return url and { type = "input_image", image_url = url, detail = detail }
   end,
   file = function(part)
      local file = member(part, "file")
      if type(file) ~= "table" then return nil end
      if full(file.file_id) then return { type = "input_file", file_id = file.file_id } end
      if full(file.file_url) then return { type = "input_file", file_url = file.file_url } end
      if not full(file.file_data) then return nil end
      return { type = "input_file", filename = name_of(file), file_data = file.file_data }
   end,
}

-- A part of the hub as input; nil where there is no form for it.
function shape.input_part(part)
   local make = to_input[member(part, "type") or ""]
   return make and make(part)
end

local function file_part(part)
   return { type = "file", file = { filename = text(part.filename), file_data = text(part.file_data),
      file_url = text(part.file_url), file_id = text(part.file_id) } }
end

local from_input = {
   input_text = function(part) return { type = "text", text = text(part.text) or "" } end,
   output_text = function(part) return { type = "text", text = text(part.text) or "" } end,
   text = function(part) return { type = "text", text = text(part.text) or "" } end,
   summary_text = function(part) return { type = "text", text = text(part.text) or "" } end,
   refusal = function(part) return { type = "refusal", refusal = text(part.refusal) or "" } end,
   input_image = function(part)
      if not full(part.image_url) then return file_part(part) end
      return { type = "image_url", image_url = { url = part.image_url, detail = text(part.detail) } }
   end,
   input_file = file_part,
   input_audio = function(part)
      return { type = "input_audio", input_audio = member(part, "input_audio") }
   end,
}

-- A part of an item as one of the hub; nil for one that it has not.
function shape.hub_part(part)
   local make = from_input[member(part, "type") or ""]
   return make and make(part)
end

-- ---- reasoning ----

local function texts_of(parts)
   local out = {}
   for _, part in ipairs(list(parts)) do
      if full(member(part, "text")) then out[#out + 1] = part.text end
   end
   return out
end

-- What a reasoning item says: its summary, or the reasoning itself where a server shows it.
function shape.reasoning_texts(item)
   local summary = texts_of(member(item, "summary"))
   return #summary > 0 and summary or texts_of(member(item, "content"))
end

-- A reasoning item as entries of reasoning_details. Without anything that a next turn needs: none.
function shape.details_of(item)
   local id, details = text(item.id), {}
   if id and id:sub(1, #shape.MINTED) == shape.MINTED then id = nil end -- no provider knows it
   local shown = texts_of(member(item, "content"))
   local sealed = full(item.encrypted_content)
   if not sealed and #shown == 0 then return details end
   for _, summary in ipairs(texts_of(member(item, "summary"))) do
      details[#details + 1] = { type = "reasoning.summary", summary = summary, format = shape.FORMAT,
         id = id }
   end
   for _, shown_text in ipairs(shown) do
      details[#details + 1] = { type = "reasoning.text", text = shown_text, format = shape.FORMAT, id = id }
   end
   if sealed then
      details[#details + 1] = { type = "reasoning.encrypted", data = sealed, format = shape.FORMAT, id = id }
   end
   return details
end

-- The reverse: details of this format, in their order, as reasoning items. Those that share an id are one
-- item; one whose provider keeps nothing (neither sealed nor shown) could not be found again.
function shape.items_of(details)
   local items, last = {}, nil
   for _, detail in ipairs(details) do
      local id = full(detail.id)
      if not last or last.id ~= id or last.encrypted_content then
         last = { type = "reasoning", id = id, summary = json.array {} }
         items[#items + 1] = last
      end
      if full(detail.summary) then
         last.summary[#last.summary + 1] = { type = "summary_text", text = detail.summary }
      elseif full(detail.data) then
         last.encrypted_content = detail.data
      elseif full(detail.text) then
         last.content = last.content or json.array {}
         last.content[#last.content + 1] = { type = "reasoning_text", text = detail.text }
      end
   end
   local kept = {}
   for _, item in ipairs(items) do
      if item.encrypted_content or item.content then kept[#kept + 1] = item end
   end
   return kept
end

-- ---- annotations ----

-- An annotation of the Responses API in the form of Chat Completions; nil for one it has not.
function shape.hub_annotation(annotation)
   if member(annotation, "type") ~= "url_citation" or not text(annotation.url) then return nil end
   return { type = "url_citation", url_citation = {
      url = annotation.url, title = text(annotation.title) or "",
      start_index = annotation.start_index, end_index = annotation.end_index,
   } }
end

function shape.flat_annotation(annotation)
   local citation = member(annotation, "url_citation")
   if type(citation) ~= "table" or not text(citation.url) then return nil end
   local function place(value) return type(value) == "number" and value or 0 end
   return { type = "url_citation", url = citation.url, title = text(citation.title) or "",
      start_index = place(member(citation, "start_index")), end_index = place(member(citation, "end_index")) }
end

return shape
