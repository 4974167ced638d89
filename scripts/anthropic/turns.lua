-- anthropic.turns: the conversation of a hub request as Anthropic's system blocks and turns.
-- SPDX-License-Identifier: MIT
--
-- Source: Messages API reference, the guides on tool use and on extended thinking: turns alternate; the
-- results of a turn's calls come first in the next one; thinking comes unchanged before what it led to.

local base64 = require "base64"
local hub = require "hub"
local json = require "json"
local media = require "media"

local turns = {}

turns.FORMAT = "anthropic"                  -- of hub.native
turns.REASONING = "anthropic-claude-v1"     -- of reasoning_details

-- ---- parts of user messages and of tool results ----

-- What stands at a URL: this API takes https: only, and data: as base64. What must be fetched and cannot be
-- raises an error as a table, which turns.of returns.
local function source_of(url)
   local mime, data = hub.split_data_url(url)
   if not mime and url:find "^[hH][tT][tT][pP]:" then
      local got, err = media.inline(url, {})
      if not got then error(err, 0) end
      mime, data = got.mime, got.data
   end
   if mime then return { type = "base64", media_type = mime, data = data } end
   return { type = "url", url = url }
end

local function image(url)
   return { type = "image", source = source_of(url) }
end

-- The source of a document: nil when it is none.
local function document_source(mime, data)
   if mime:find "^text/" or mime == "application/json" then
      local bytes = base64.decode((data:gsub("%s+", "")))
      return bytes and utf8.len(bytes) and { type = "text", media_type = "text/plain", data = bytes }
   end
   return { type = "base64", media_type = mime, data = data }
end

-- Members of a document that only this format has.
local function with_extras(block, part, file)
   local native = hub.native(part, turns.FORMAT)
   block.title = hub.full(hub.member(file, "filename"))
   block.citations, block.context = hub.member(native, "citations"), hub.member(native, "context")
   return block
end

local function document(part, warn)
   local file = hub.member(part, "file")
   local data, url = hub.full(hub.member(file, "file_data")), hub.full(hub.member(file, "file_url"))
   local id = hub.full(hub.member(file, "file_id"))
   if data then
      local mime, bytes = hub.split_data_url(data)
      if mime and mime:find "^image/" then return image(data) end
      local source = document_source(mime or "application/pdf", bytes or data)
      if source then return with_extras({ type = "document", source = source }, part, file) end
   elseif url then
      return with_extras({ type = "document", source = source_of(url) }, part, file)
   elseif id and hub.native(part, turns.FORMAT) then -- ids of other providers' files mean nothing here
      return with_extras({ type = "document", source = { type = "file", file_id = id } }, part, file)
   end
   warn "dropped: file"
end

local of_part = {
   text = function(part)
      return hub.full(part.text) and part.text:find "%S" and { type = "text", text = part.text } or nil
   end,
   refusal = function(part)
      return hub.full(part.refusal) and { type = "text", text = part.refusal } or nil
   end,
   image_url = function(part, warn)
      local object = hub.member(part, "image_url")
      local url = hub.full(object) or hub.full(hub.member(object, "url"))
      if url then return image(url) end
      warn "dropped: image_url"
   end,
   file = document,
}

local function copy_of(value)
   local copy = {}
   for name, item in pairs(value) do copy[name] = item end
   return copy
end

-- A part as a block, or nil with a warning where this format has none.
local function block_of(part, warn)
   local native = hub.native(part, turns.FORMAT)
   local block = hub.member(native, "block")
   if type(block) == "table" then return copy_of(block) end
   local make = of_part[part.type]
   if not make then
      warn("dropped: " .. tostring(part.type))
      return nil
   end
   block = make(part, warn)
   if block then block.cache_control = hub.member(part, "cache_control") end
   return block
end

local function blocks_of(content, warn)
   local blocks = {}
   for _, part in ipairs(hub.parts(content)) do blocks[#blocks + 1] = block_of(part, warn) end
   return blocks
end

-- A cache_control of a message belongs to its last block.
local function mark(blocks, message)
   local cache = hub.member(message, "cache_control")
   if cache and #blocks > 0 then blocks[#blocks].cache_control = cache end
   return blocks
end

-- ---- assistant ----

local function thinking_block(detail)
   if detail.type == "reasoning.encrypted" then
      return hub.full(detail.data) and { type = "redacted_thinking", data = detail.data } or nil
   end
   local signature = hub.full(detail.signature)
   if detail.type ~= "reasoning.text" or not signature then return nil end
   return { type = "thinking", thinking = hub.text(detail.text) or "", signature = signature }
end

-- Thinking among the other blocks: where each detail's index says it stood, if that can be; else all of it
-- first.
local function interleave(details, others)
   local blocks, total = {}, #details + #others
   local last, ordered = -1, #details > 0 and details[1].index == 0
   for _, detail in ipairs(details) do
      local index = detail.index
      if math.type(index) ~= "integer" or index <= last or index >= total then
         ordered = false
      else
         last = index
      end
   end
   local from = 1
   for _, detail in ipairs(details) do
      while ordered and #blocks < detail.index do
         blocks[#blocks + 1] = others[from]
         from = from + 1
      end
      blocks[#blocks + 1] = detail.block
   end
   table.move(others, from, #others, #blocks + 1, blocks)
   return blocks
end

local function tool_use(call, warn)
   local fn = hub.member(call, "function")
   local name = hub.full(hub.member(fn, "name"))
   if not name then
      local custom = hub.member(call, "custom") -- OpenAI's tools without a schema
      name = hub.full(hub.member(custom, "name"))
      if not name then
         warn "dropped: a tool call without a name"
         return nil
      end
      fn = { arguments = json.encode { input = hub.text(hub.member(custom, "input")) or "" } }
   end
   local input, fine = hub.arguments(fn.arguments)
   if not fine then warn "changed: tool arguments that are no JSON object" end
   return { type = "tool_use", id = hub.clean_id(call.id), name = name,
      input = next(input) == nil and json.object {} or input }
end

local function assistant(message, warn)
   local details, foreign = hub.own_details(message, turns.REASONING)
   if foreign > 0 then warn(hub.FOREIGN_REASONING) end
   local thought = {}
   for _, detail in ipairs(details) do
      local block = thinking_block(detail)
      if block then thought[#thought + 1] = { index = detail.index, block = block } end
   end
   if foreign == 0 and #thought == 0 and hub.full(hub.member(message, "reasoning_content")) then
      warn "dropped: reasoning_content"
   end
   local others = blocks_of(message.content, warn)
   if hub.full(message.refusal) then others[#others + 1] = { type = "text", text = message.refusal } end
   for _, call in ipairs(hub.list(hub.member(message, "tool_calls"))) do
      others[#others + 1] = tool_use(call, warn)
   end
   return mark(interleave(thought, others), message)
end

-- ---- tool results ----

local function tool_result(message, warn)
   local id = hub.full(message.tool_call_id)
   local content = message.content
   if type(content) ~= "string" then content = blocks_of(content, warn) end
   if type(content) == "table" and #content == 1 and content[1].type == "text"
      and not content[1].cache_control then
      content = content[1].text
   end
   local block = { type = "tool_result", tool_use_id = hub.clean_id(id or "unknown"),
      content = #content > 0 and content or nil, is_error = message.is_error == true or nil }
   return mark({ block }, message)
end

-- ---- turns ----

-- Results before all else in a turn.
local function results_first(turn)
   local results, others = {}, {}
   for _, block in ipairs(turn.content) do
      local list = block.type == "tool_result" and results or others
      list[#list + 1] = block
   end
   turn.content = table.move(others, 1, #others, #results + 1, results)
end

local function turn_of(message, warn)
   local role = message.role
   if hub.full(message.name) and role ~= "tool" then warn "dropped: name of a message" end
   if role == "assistant" then return { role = role, content = assistant(message, warn) } end
   if role == "tool" then return { role = "user", content = tool_result(message, warn) } end
   return { role = "user", content = mark(blocks_of(message.content, warn), message) }
end

-- What the model is to go on from must not end in white space.
local function trim_last(turn, warn)
   local last = turn.content[#turn.content]
   if turn.role ~= "assistant" or last.type ~= "text" or not last.text:find "%s$" then return end
   warn "changed: white space at the end"
   local to = #last.text
   while last.text:find("^%s", to) do to = to - 1 end
   last.text = last.text:sub(1, to)
end

-- One plain text as a string, as most clients write it.
local function plain(blocks)
   local only = #blocks == 1 and blocks[1]
   if only and only.type == "text" and not only.cache_control and not only.citations then return only.text end
   return json.array(blocks)
end

local function make(messages, warn)
   local system, rest = hub.system(messages)
   local list = {}
   for _, message in ipairs(hub.with_ids(rest)) do list[#list + 1] = turn_of(message, warn) end
   list = hub.merge(list, "content")
   if #list == 0 and #system > 0 then
      warn "changed: instructions sent as the user's message, for there was no other"
      system, list = {}, { { role = "user", content = system } }
   end
   for _, turn in ipairs(list) do
      if turn.role == "user" then results_first(turn) end
   end
   if #list > 0 then
      if list[1].role == "assistant" then
         warn "added: a first message of the user"
         table.insert(list, 1, { role = "user", content = { { type = "text", text = "(continued)" } } })
      end
      trim_last(list[#list], warn)
   end
   return system, list
end

-- turns.of(messages, warn) -> system (list of text blocks), turns (list of { role =, content = list of
-- blocks }) | nil, err. The lists are the caller's. Yields where something must be fetched.
function turns.of(messages, warn)
   local ok, system, list = pcall(make, messages, warn)
   if ok then return system, list end
   if type(system) == "table" and system.code then return nil, system end
   error(system, 0)
end

-- turns.content(blocks) -> what is written as a message's content or the system prompt.
turns.content = plain

return turns
