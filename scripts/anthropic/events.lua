-- anthropic.events: what an answer says as Anthropic's blocks, whole and as the events of a stream.
-- SPDX-License-Identifier: MIT
--
-- Source: "Streaming messages". One block is open at a time and blocks come in order of their index, while a
-- provider's tool calls may come interleaved: what belongs to a later block waits until those before it are
-- complete. No block is empty, and none is sent twice.

local hub = require "hub"
local json = require "json"
local usage = require "usage"

local events = {}

local REASONING = "anthropic-claude-v1"
local UNSIGNED = hub.stamp({ format = "unknown" }, REASONING) -- so that it never reaches Anthropic

local STOPS = {
   stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", function_call = "tool_use",
   content_filter = "refusal",
   pause_turn = "pause_turn", -- of a provider of this format
}

-- finish_reason -> stop_reason. Some providers stop for "stop" after tool calls.
local function stop_reason(reason, has_calls, refused)
   if refused then return "refusal" end
   if has_calls and (reason == nil or reason == "stop") then return "tool_use" end
   return STOPS[reason] or "end_turn"
end

local function usage_object(counted)
   return usage.to.anthropic(counted or usage.none)
end

local function stop_details(explanation)
   return explanation and { type = "refusal", category = json.null, explanation = explanation } or json.null
end

-- An annotation as a citation of this format; nil where it has none.
local function citation(annotation)
   local web = hub.member(annotation, "url_citation")
   local url = hub.full(hub.member(web, "url"))
   if url then
      return { type = "web_search_result_location", url = url, cited_text = "", encrypted_index = "",
         title = hub.text(hub.member(web, "title")) or json.null }
   end
   local place = hub.member(annotation, "document_citation")
   if not hub.full(hub.member(place, "type")) then return nil end
   local out = {}
   for name, value in pairs(place) do
      if name ~= "start_index" and name ~= "end_index" then out[name] = value end
   end
   return out
end

local function citations(annotations)
   local list = {}
   for _, annotation in ipairs(hub.list(annotations)) do list[#list + 1] = citation(annotation) end
   return list
end

-- ---- whole ----

-- A detail as a block: nil where it says nothing.
local function thought(detail)
   local opaque = hub.stamp(detail, REASONING)
   if detail.type == "reasoning.encrypted" then
      return hub.full(detail.data) and { type = "redacted_thinking", data = opaque } or nil
   end
   local text = hub.text(detail.text) or hub.text(detail.summary) or ""
   if text == "" and not hub.full(detail.signature) then return nil end
   return { type = "thinking", thinking = text, signature = opaque ~= "" and opaque or UNSIGNED }
end

-- The signature of a thought that stands on a call (Google's), unless a detail has it.
local function call_thought(call, told)
   local google = hub.member(hub.member(call, "extra_content"), "google")
   local signature = hub.full(hub.member(google, "thought_signature"))
   if not signature or told[call.id or ""] then return nil end
   return { type = "reasoning.encrypted", data = signature, format = "google-gemini-v1",
      id = hub.text(call.id) }
end

local function add_thoughts(blocks, message)
   local told, texts = {}, false
   for _, detail in ipairs(hub.list(message.reasoning_details)) do
      if type(detail) == "table" then
         local block = thought(detail)
         blocks[#blocks + 1] = block
         texts = texts or (block and block.type == "thinking" and block.thinking ~= "")
         if hub.full(detail.id) then told[detail.id] = true end
      end
   end
   local plain = hub.full(message.reasoning_content) or hub.full(message.reasoning)
   if plain and not texts then
      table.insert(blocks, 1, { type = "thinking", thinking = plain, signature = UNSIGNED })
   end
   for _, call in ipairs(hub.list(hub.member(message, "tool_calls"))) do
      local detail = call_thought(call, told)
      if detail then blocks[#blocks + 1] = thought(detail) end
   end
end

-- A hub message as blocks. 'seed' names the answer: for ids of calls that have none.
function events.blocks(message, seed)
   local blocks = json.array {}
   add_thoughts(blocks, message)
   local text = hub.plain(message.content)
   if text ~= "" then
      local cited = citations(message.annotations)
      blocks[#blocks + 1] = { type = "text", text = text,
         citations = #cited > 0 and json.array(cited) or nil }
   end
   if text == "" and hub.full(message.refusal) then
      blocks[#blocks + 1] = { type = "text", text = message.refusal }
   end
   for position, call in ipairs(hub.list(hub.member(message, "tool_calls"))) do
      local fn = hub.member(call, "function")
      local input = hub.arguments(hub.member(fn, "arguments"))
      blocks[#blocks + 1] = { type = "tool_use",
         id = hub.clean_id(hub.full(hub.member(call, "id")) or hub.mint_id(seed, position - 1)),
         name = hub.text(hub.member(fn, "name")) or "",
         input = next(input) == nil and json.object {} or input }
   end
   return blocks
end

-- events.whole(reply, meta) -> the body of a whole answer: JSON text.
function events.whole(reply, meta)
   local message = hub.list(reply.message)
   local refused = hub.full(message.refusal)
   local calls = hub.member(message, "tool_calls")
   return json.encode {
      id = "msg_" .. meta.id, type = "message", role = "assistant", model = meta.model,
      content = events.blocks(message, meta.id),
      stop_reason = stop_reason(hub.text(reply.finish_reason), #hub.list(calls) > 0, refused),
      stop_sequence = json.null, stop_details = stop_details(refused),
      usage = usage_object(reply.usage or nil),
   }
end

-- ---- streamed ----

local function event(out, kind, fields)
   fields.type = kind
   out[#out + 1] = "event: " .. kind .. "\ndata: " .. json.encode(fields) .. "\n\n"
end

local encoder = {}
encoder.__index = encoder

-- meta: as of a door. The first call of enc:event or enc:finish also gives message_start.
function events.encoder(meta)
   return setmetatable({ meta = meta, out = {}, index = 0, head = 1, last = 0, segments = {}, calls = {},
      told = {}, held = {} }, encoder)
end

-- What is written: segments, one a block, in order; the one at 'head' is open, later ones keep what they say
-- until it is complete.
local function start(self)
   if self.started then return end
   self.started = true
   event(self.out, "message_start", { message = {
      id = "msg_" .. self.meta.id, type = "message", role = "assistant", model = self.meta.model,
      content = json.array {}, stop_reason = json.null, stop_sequence = json.null, stop_details = json.null,
      usage = usage_object(self.usage),
   } })
end

local function say(self, segment, delta)
   event(self.out, "content_block_delta", { index = segment.index, delta = delta })
end

local function open(self, segment)
   segment.index, self.index = self.index, self.index + 1
   event(self.out, "content_block_start", { index = segment.index, content_block = segment.block })
   for _, delta in ipairs(segment.waiting) do say(self, segment, delta) end
   segment.waiting = nil
end

local function close(self, segment)
   if segment.kind == "thinking" and not segment.signed then
      say(self, segment, { type = "signature_delta", signature = UNSIGNED })
   end
   event(self.out, "content_block_stop", { index = segment.index })
   segment.closed = true
   self.segments[self.head] = nil
   self.head = self.head + 1
end

-- May the block be closed when another waits? A call may not before its arguments are whole.
local function is_complete(segment)
   if segment.kind ~= "call" then return true end
   local arguments = segment.arguments
   if not (arguments[#arguments] or ""):find "}%s*$" then return false end -- spares most of the work
   return json.decode(table.concat(arguments)) ~= nil
end

-- Opens and closes what can be; at the end everything.
local function advance(self, at_end)
   while self.head <= self.last do
      local segment = self.segments[self.head]
      if segment.waiting then
         if segment.kind == "call" and not segment.named and not at_end then return end
         open(self, segment)
      end
      if not at_end and (self.head == self.last or not is_complete(segment)) then return end
      close(self, segment)
   end
end

-- Opaque thoughts wait for the block that they stand before: a message that ends in one shows its readers
-- nothing (agents take the last block for the answer), so one behind all words is left out.
local function add(self, segment)
   local held = self.held
   self.held = {}
   for _, thoughts in ipairs(held) do add(self, thoughts) end
   segment.waiting = {}
   self.last = self.last + 1
   self.segments[self.last] = segment
   return segment
end

local function tell(self, segment, delta)
   if segment.waiting then
      segment.waiting[#segment.waiting + 1] = delta
   elseif not segment.closed then
      say(self, segment, delta)
   end
end

-- The last segment if it is of this kind and can go on, else a new one.
local function current(self, kind, block)
   local segment = self.segments[self.last]
   if segment and segment.kind == kind and not segment.signed then return segment end
   return add(self, { kind = kind, block = block })
end

local on = {}

function on.text(self, told)
   if not hub.full(told.text) then return end
   local segment = current(self, "text", { type = "text", text = "" })
   tell(self, segment, { type = "text_delta", text = told.text })
end

function on.refusal(self, told)
   self.refused = (self.refused or "") .. (hub.text(told.text) or "")
   on.text(self, told)
end

local function thinking_segment(self)
   return current(self, "thinking", { type = "thinking", thinking = "", signature = "" })
end

function on.reasoning(self, told)
   if not hub.full(told.text) then return end
   local segment = thinking_segment(self)
   segment.text = true
   tell(self, segment, { type = "thinking_delta", thinking = told.text })
end

-- A whole detail: its text was told before, as reasoning, or comes with it.
function on.reasoning_detail(self, told)
   local detail = hub.list(told.detail)
   if hub.full(detail.id) then self.told[detail.id] = true end
   local block = thought(detail)
   if not block then return end
   if block.type == "redacted_thinking" then
      self.held[#self.held + 1] = { kind = "redacted", block = block }
      return
   end
   local last = self.segments[self.last]
   local under_way = last and last.kind == "thinking" and not last.signed and last.text
   if not under_way and detail.type == "reasoning.summary" then return end -- was told as reasoning
   local segment = thinking_segment(self)
   if not under_way and block.thinking ~= "" then
      tell(self, segment, { type = "thinking_delta", thinking = block.thinking })
   end
   segment.signed = true
   tell(self, segment, { type = "signature_delta", signature = block.signature })
end

local function new_call(self, told)
   local detail = call_thought(told, self.told)
   if detail then on.reasoning_detail(self, { detail = detail }) end
   self.has_calls = true
   local id = hub.clean_id(hub.full(told.id) or hub.mint_id(self.meta.id, told.index))
   return add(self, { kind = "call", arguments = {},
      block = { type = "tool_use", id = id, name = "", input = json.object {} } })
end

function on.tool_call(self, told)
   local segment = self.calls[told.index]
   if not segment then
      segment = new_call(self, told)
      self.calls[told.index] = segment
   end
   if hub.full(told.name) and not segment.named then segment.named, segment.block.name = true, told.name end
   local fragment = hub.full(told.arguments)
   if not fragment then return end
   segment.arguments[#segment.arguments + 1] = fragment
   tell(self, segment, { type = "input_json_delta", partial_json = fragment })
end

-- Citations belong to the text that is open; those of text that has gone by have no place.
function on.annotations(self, told)
   local segment = self.segments[self.last]
   if not segment or segment.kind ~= "text" then return end
   for _, cited in ipairs(citations(told.annotations)) do
      tell(self, segment, { type = "citations_delta", citation = cited })
   end
end

function on.finish(self, told)
   self.reason = hub.text(told.reason)
end

function on.usage(self, told)
   self.usage = told.usage or self.usage
end

local function flush(self)
   local bytes = table.concat(self.out)
   self.out = {}
   return bytes
end

-- enc:event(event of a decoder) -> bytes, "" where there is nothing to send yet.
function encoder:event(told)
   local read = on[told.kind]
   if read and (told.choice or 0) == 0 then read(self, told) end -- this format has one answer
   start(self)
   advance(self, false)
   return flush(self)
end

-- enc:finish() -> the bytes up to the end mark.
function encoder:finish()
   start(self)
   if self.last == 0 and #self.held > 0 then add(self, table.remove(self.held)) end
   advance(self, true)
   event(self.out, "message_delta", {
      delta = { stop_reason = stop_reason(self.reason, self.has_calls, self.refused),
         stop_sequence = json.null, stop_details = stop_details(self.refused) },
      usage = usage_object(self.usage),
   })
   return flush(self)
end

return events
