-- anthropic.answer: what a provider of this format answers, whole and as events, in the hub's words.
-- SPDX-License-Identifier: MIT
--
-- Source: Messages API reference, "Streaming messages", "Handling stop reasons", "Citations".

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local answer = {}

local REASONING = "anthropic-claude-v1" -- of reasoning_details

-- stop_reason -> finish_reason. What is not here has no word in the hub: pause_turn asks to be called again.
answer.REASONS = {
   end_turn = "stop", stop_sequence = "stop", max_tokens = "length",
   model_context_window_exceeded = "length", tool_use = "tool_calls", refusal = "content_filter",
}

function answer.bad(message)
   return errors.new { code = "bad_response", message = message }
end

-- The finish_reason for a stop_reason: nil where there is none yet; nil, err for one nobody can act on.
local function finish_of(reason)
   if not hub.full(reason) then return nil end
   local known = answer.REASONS[reason]
   if known then return known end
   return nil, answer.bad(("the answer stopped for '%s', which is no end"):format(reason:sub(1, 64)))
end

-- ---- citations ----

-- A citation as an annotation: a web page in OpenAI's form, a place in a document in the same spirit.
--   from, to: where the text that it backs stands in the message, in characters from 0
local function annotation(citation, from, to)
   local url, title = hub.full(hub.member(citation, "url")), hub.member(citation, "title")
   if url then
      return { type = "url_citation", url_citation = { url = url, title = hub.text(title) or url,
         start_index = from, end_index = to } }
   end
   local cited = { start_index = from, end_index = to }
   for name, value in pairs(hub.list(citation)) do
      if hub.has(value) then cited[name] = value end
   end
   return { type = "document_citation", document_citation = cited }
end

local function characters(text)
   return utf8.len(text) or #text
end

-- ---- whole ----

local of_block = {}

function of_block.text(block, message)
   local text = hub.text(block.text) or ""
   local from = characters(message.content or "")
   message.content = (message.content or "") .. text
   for _, citation in ipairs(hub.list(hub.member(block, "citations"))) do
      message.annotations = message.annotations or json.array {}
      message.annotations[#message.annotations + 1] = annotation(citation, from, from + characters(text))
   end
end

local function add_detail(message, detail)
   message.reasoning_details = message.reasoning_details or json.array {}
   message.reasoning_details[#message.reasoning_details + 1] = detail
end

function of_block.thinking(block, message, index)
   local text = hub.text(block.thinking) or ""
   if text ~= "" then message.reasoning_content = (message.reasoning_content or "") .. text end
   add_detail(message, { type = "reasoning.text", text = text, signature = hub.full(block.signature),
      format = REASONING, index = index })
end

function of_block.redacted_thinking(block, message, index)
   add_detail(message, { type = "reasoning.encrypted", data = hub.text(block.data) or "", format = REASONING,
      index = index })
end

function of_block.tool_use(block, message, index)
   message.tool_calls = message.tool_calls or json.array {}
   message.tool_calls[#message.tool_calls + 1] = {
      id = hub.full(block.id) or hub.mint_id("answer", index), type = "function",
      ["function"] = { name = hub.text(block.name) or "", arguments = hub.arguments_text(block.input) },
   }
end

-- The explanation of a refusal, where there is one.
local function explained(details)
   return hub.full(hub.member(details, "explanation"))
end

-- answer.decode(body text) -> { body =, message =, finish_reason =, usage = } | nil, err, view. Blocks of
-- tools that the provider ran itself say nothing to a client of another format; they stay in 'body'. An
-- answer that is no end (pause_turn) is an error but for a client of this format: that is the view.
function answer.decode(text)
   local body = json.decode(text)
   local content = hub.member(body, "content")
   if type(content) ~= "table" or (not json.is_array(content) and next(content) ~= nil) then
      return nil, answer.bad "the answer is no message: it has no list 'content'"
   end
   local message = { role = "assistant" }
   for position, block in ipairs(content) do
      local read = of_block[hub.member(block, "type")]
      if read then read(block, message, position - 1) end
   end
   if not hub.full(body.stop_reason) then
      return nil, answer.bad "the answer has no stop_reason: it is not complete"
   end
   local reason, err = finish_of(body.stop_reason)
   if reason == "content_filter" and not message.refusal then
      message.refusal = explained(body.stop_details)
   end
   if message.content == nil then message.content = json.null end
   local view = { body = body, message = message, finish_reason = reason,
      usage = usage.from.anthropic(hub.member(body, "usage"), nil) }
   if not err then return view end
   view.finish_reason = body.stop_reason
   return nil, err, view
end

-- ---- streamed ----

local on_start, on_delta, on_stop = {}, {}, {} -- by the block's type, the delta's, the block's

function on_start.text(state, block, list)
   block.from = state.characters
   on_delta.text_delta(state, block, list, block.start)
end

function on_delta.text_delta(state, block, list, delta)
   local text = hub.full(delta.text)
   if not text then return end
   state.characters = state.characters + characters(text)
   list[#list + 1] = { kind = "text", text = text }
end

function on_delta.citations_delta(state, block, list, delta)
   block.citations = block.citations or {}
   block.citations[#block.citations + 1] = hub.member(delta, "citation")
end

-- Citations are told at the end, when it is known how far the text goes that they back.
function on_stop.text(state, block, list)
   if not block.citations then return end
   local annotations = json.array {}
   for position, citation in ipairs(block.citations) do
      annotations[position] = annotation(citation, block.from, state.characters)
   end
   list[#list + 1] = { kind = "annotations", annotations = annotations }
end

function on_start.thinking(state, block, list)
   block.text, block.signature = {}, hub.full(block.start.signature) or ""
   on_delta.thinking_delta(state, block, list, block.start)
end

function on_delta.thinking_delta(state, block, list, delta)
   local text = hub.full(delta.thinking)
   if not text or not block.text then return end
   block.text[#block.text + 1] = text
   list[#list + 1] = { kind = "reasoning", text = text }
end

function on_delta.signature_delta(state, block, list, delta)
   block.signature = (block.signature or "") .. (hub.text(delta.signature) or "")
end

-- The whole block, for the next turn: its text was told already, as it came.
function on_stop.thinking(state, block, list)
   list[#list + 1] = { kind = "reasoning_detail", detail = { type = "reasoning.text",
      text = table.concat(block.text), signature = hub.full(block.signature), format = REASONING,
      index = block.index } }
end

function on_start.redacted_thinking(state, block, list)
   list[#list + 1] = { kind = "reasoning_detail", detail = { type = "reasoning.encrypted",
      data = hub.text(block.start.data) or "", format = REASONING, index = block.index } }
end

function on_start.tool_use(state, block, list)
   block.call, state.calls = state.calls, state.calls + 1
   list[#list + 1] = { kind = "tool_call", index = block.call,
      id = hub.full(block.start.id) or hub.mint_id("stream", block.call),
      name = hub.text(block.start.name) or "", arguments = "" }
end

function on_delta.input_json_delta(state, block, list, delta)
   local fragment = hub.full(delta.partial_json)
   if not fragment or not block.call then return end
   block.fed = true
   list[#list + 1] = { kind = "tool_call", index = block.call, arguments = fragment }
end

-- Arguments that came whole with the start, or not at all.
function on_stop.tool_use(state, block, list)
   if block.fed then return end
   list[#list + 1] = { kind = "tool_call", index = block.call,
      arguments = hub.arguments_text(block.start.input) }
end

local function close(state, index, list)
   local block = state.open[index]
   if not block then return end
   state.open[index] = nil
   local stop = on_stop[block.kind]
   if stop then stop(state, block, list) end
end

local function close_all(state, list)
   local indexes = {}
   for index in pairs(state.open) do indexes[#indexes + 1] = index end
   table.sort(indexes)
   for _, index in ipairs(indexes) do close(state, index, list) end
end

local function index_of(event)
   return math.type(event.index) == "integer" and event.index or 0
end

local function failed(list, err)
   list[#list + 1] = { kind = "error", err = err }
end

local on_event = {}

function on_event.message_start(state, event, list)
   if state.told then -- a proxy that began anew: what was told cannot be taken back
      return failed(list, answer.bad "a second message begins inside the stream")
   end
   state.open, state.calls = {}, 0
   state.usage = hub.member(hub.member(event, "message"), "usage")
   local counted = usage.from.anthropic(state.usage, nil)
   if counted then list[#list + 1] = { kind = "usage", usage = counted } end
end

function on_event.content_block_start(state, event, list)
   local start = hub.member(event, "content_block")
   local kind = hub.member(start, "type")
   if type(kind) ~= "string" then return end
   local index = index_of(event)
   close(state, index, list)
   local block = { kind = kind, index = index, start = start }
   state.open[index] = block
   if on_start[kind] then on_start[kind](state, block, list) end
end

function on_event.content_block_delta(state, event, list)
   local delta, block = hub.member(event, "delta"), state.open[index_of(event)]
   local read = on_delta[hub.member(delta, "type")]
   if not read then return end
   if not block then -- a server that leaves the starts out
      if delta.type ~= "text_delta" and delta.type ~= "thinking_delta" then return end
      block = { kind = delta.type:match "^(%a+)_delta$", index = index_of(event), start = {} }
      state.open[block.index] = block
      on_start[block.kind](state, block, list)
   end
   read(state, block, list, delta)
end

function on_event.content_block_stop(state, event, list)
   close(state, index_of(event), list)
end

function on_event.message_delta(state, event, list)
   local delta = hub.member(event, "delta")
   local reason, err = finish_of(hub.member(delta, "stop_reason"))
   if err then return failed(list, err) end
   if reason and not state.finished then
      close_all(state, list)
      local why = reason == "content_filter" and explained(hub.member(delta, "stop_details"))
      if why then list[#list + 1] = { kind = "refusal", text = why } end
      state.finished = true
      list[#list + 1] = { kind = "finish", reason = reason }
   end
   local counted = usage.from.anthropic(state.usage, hub.member(event, "usage"))
   if counted then list[#list + 1] = { kind = "usage", usage = counted } end
end

local TELLS = { text = true, reasoning = true, reasoning_detail = true, tool_call = true }

-- answer.decoder(fail) -> function(data, event name) -> list of events. fail(data) -> err: what an error
-- event means.
function answer.decoder(fail)
   local state = { open = {}, calls = 0, characters = 0 }
   return function(data, name)
      local list = {}
      local event = json.decode(data)
      if type(event) ~= "table" then return list end
      local kind = hub.text(event.type) or name
      if kind == "error" then
         failed(list, fail(data))
         return list
      end
      local read = on_event[kind]
      if read then read(state, event, list) end
      for _, told in ipairs(list) do state.told = state.told or TELLS[told.kind] or false end
      return list
   end
end

return answer
