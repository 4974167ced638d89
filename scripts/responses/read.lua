-- responses.read: what a provider's answer says, whole and as a stream of events.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Responses" and "Streaming events". Servers differ: some send a text or
-- arguments only in ".done" events, some only with the item, some only in the last event. Whatever comes
-- first is told, once.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local refusal = require "refusal"
local shape = require "responses.shape"
local usage = require "usage"

local read = {}

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

local function bad(message)
   return errors.new { code = "bad_response", message = message }
end

-- ---- errors ----

-- The error object in a failed response or an error event; {} without one.
local function object_of(event)
   local object = member(member(event, "response"), "error") or member(event, "error")
   if type(object) == "table" then return object end
   if text(object) then return { message = object } end
   if text(member(event, "message")) then
      return { message = event.message, code = event.code, param = event.param }
   end
   return {}
end

-- read.failure(event, status, header) -> err: what response.failed, an error event or a failed response
-- say.
function read.failure(event, status, header)
   local object = object_of(event)
   if not text(object.message) then
      object = { code = object.code, type = object.type,
         message = "the provider says that the answer failed" }
   end
   return refusal.read { status = status or 200, header = header, object = object }
end

-- ---- items ----

-- Tools of OpenAI's own that the client runs: what the model wants of them stands in this member.
local client_tools = { custom_tool_call = "input", local_shell_call = "action",
   apply_patch_call = "operation", computer_call = "action" }

-- A call as name and arguments (JSON text); nil for an item that is no call of the client's tools.
local function call_of(item)
   if item.type == "function_call" then return text(item.name), text(item.arguments) or "" end
   local wanted = client_tools[item.type]
   if not wanted then return nil end
   local value = member(item, wanted)
   return text(item.name) or item.type:gsub("_call$", ""), json.encode { [wanted] = value or "" }
end

local function annotations_of(parts)
   local found = {}
   for _, part in ipairs(list(parts)) do
      for _, annotation in ipairs(list(member(part, "annotations"))) do
         found[#found + 1] = shape.hub_annotation(annotation)
      end
   end
   return found
end

-- Why an answer ended, in the hub's words | nil, err.
local function reason_of(response, has_calls)
   local status = text(member(response, "status"))
   if status == "completed" or status == nil then return has_calls and "tool_calls" or "stop" end
   if status ~= "incomplete" then
      return nil, bad(("the provider ended with the status '%s'"):format(status:sub(1, 40)))
   end
   local why = member(member(response, "incomplete_details"), "reason")
   if why == "content_filter" then return "content_filter" end
   if why == "max_output_tokens" or why == "max_tokens" or why == nil then return "length" end
   return nil, bad(("the answer is incomplete: %s"):format(tostring(why):sub(1, 80)))
end

-- ---- a whole answer ----

local function new_message()
   return {
      texts = {}, refusals = {}, reasoning = {}, details = {}, calls = {}, annotations = {}, logprobs = {},
   }
end

local function add_message_item(said, item)
   for _, part in ipairs(list(member(item, "content"))) do
      local kind = member(part, "type")
      if kind == "output_text" or kind == "text" then
         said.texts[#said.texts + 1] = text(part.text)
         for _, entry in ipairs(list(member(part, "logprobs"))) do
            said.logprobs[#said.logprobs + 1] = entry
         end
      elseif kind == "refusal" then
         said.refusals[#said.refusals + 1] = text(part.refusal)
      end
   end
   for _, annotation in ipairs(annotations_of(member(item, "content"))) do
      said.annotations[#said.annotations + 1] = annotation
   end
end

local function add_item(said, item)
   if type(item) ~= "table" then return end
   if item.type == "message" then
      add_message_item(said, item)
   elseif item.type == "reasoning" then
      for _, shown in ipairs(shape.reasoning_texts(item)) do said.reasoning[#said.reasoning + 1] = shown end
      for _, detail in ipairs(shape.details_of(item)) do said.details[#said.details + 1] = detail end
   else
      local name, arguments = call_of(item)
      if name then
         said.calls[#said.calls + 1] = { id = full(item.call_id) or full(item.id), type = "function",
            ["function"] = { name = name, arguments = arguments ~= "" and arguments or "{}" } }
      end
   end
end

local function some(values)
   return #values > 0 and json.array(values) or nil
end

local function joined(values, separator)
   return #values > 0 and table.concat(values, separator) or nil
end

-- read.whole(body text) -> { body =, message =, finish_reason =, logprobs =, usage = } | nil, err
function read.whole(body)
   local response, err = json.decode(body)
   if response == nil then return nil, bad("the answer is no JSON: " .. err.message) end
   if type(response) ~= "table" or type(response.output) ~= "table" then
      if type(member(response, "error")) == "table" then return nil, read.failure(response) end
      return nil, bad "the answer has no output"
   end
   if member(response, "status") == "failed" or member(response, "error") then
      return nil, read.failure(response)
   end
   local said = new_message()
   for _, item in ipairs(response.output) do add_item(said, item) end
   local reason, why = reason_of(response, #said.calls > 0)
   if not reason then return nil, why end
   return {
      body = response,
      message = {
         role = "assistant", content = joined(said.texts) or json.null, refusal = joined(said.refusals),
         reasoning_content = joined(said.reasoning, "\n\n"), reasoning_details = some(said.details),
         tool_calls = some(said.calls), annotations = some(said.annotations),
      },
      finish_reason = reason,
      logprobs = #said.logprobs > 0 and { content = json.array(said.logprobs) } or nil,
      usage = usage.from.responses(member(response, "usage")),
   }
end

-- ---- a stream ----

-- What is known of one output item: what was told of each of its texts, keyed by its place.
local function item_of(state, event)
   local place = type(event.output_index) == "number" and event.output_index
      or text(event.item_id) or text(member(event.item, "id")) or 0
   local item = state.items[place]
   if not item then
      item = { told = {}, parts = 0 }
      state.items[place] = item
   end
   return item
end

local function add(state, event)
   state.events[#state.events + 1] = event
end

-- A text in fragments: its length, too.
local function remember(item, place, fragment)
   local told = item.told[place]
   if not told then
      told = { length = 0 }
      item.told[place] = told
   end
   told.length = told.length + #fragment
   told[#told + 1] = fragment
end

-- What of a text that is known to its end was not told yet; nil where something else was told.
local function rest_of(item, place, whole)
   local told = item.told[place]
   if not full(whole) then return nil end
   if not told then return whole end
   if #whole <= told.length or whole:sub(1, told.length) ~= table.concat(told) then return nil end
   return whole:sub(told.length + 1)
end

-- A fragment of one of an item's texts.
local function tell(state, item, kind, place, fragment)
   if not full(fragment) then return end
   remember(item, place, fragment)
   add(state, { kind = kind, text = fragment })
end

local function complete(state, item, kind, place, whole)
   tell(state, item, kind, place, rest_of(item, place, whole))
end

-- Parts of a summary are paragraphs.
local function separate(state, item, place)
   if item.told[place] then return end
   if item.parts > 0 then add(state, { kind = "reasoning", text = "\n\n" }) end
   item.parts = item.parts + 1
end

local function add_logprobs(state, entries)
   if type(entries) == "table" and #entries > 0 then
      add(state, { kind = "logprobs", logprobs = { content = entries } })
   end
end

local function add_annotations(state, found)
   if #found > 0 then add(state, { kind = "annotations", annotations = json.array(found) }) end
end

-- The call begins: its index counts calls only.
local function open_call(state, item, source, name)
   if item.index then return end
   item.index = state.calls
   state.calls = state.calls + 1
   add(state, { kind = "tool_call", index = item.index, name = name, arguments = "",
      id = full(source.call_id) or full(source.id) })
end

local function add_arguments(state, item, fragment)
   if not item.index or not full(fragment) then return end
   remember(item, "arguments", fragment)
   add(state, { kind = "tool_call", index = item.index, arguments = fragment })
end

local function complete_arguments(state, item, whole)
   add_arguments(state, item, rest_of(item, "arguments", whole))
end

local function close_call(state, item)
   if item.index and not item.told.arguments then add_arguments(state, item, "{}") end
end

local function place_of(kind, event, name)
   return kind .. (type(event[name]) == "number" and event[name] or 0)
end

local on = {}

on["response.output_item.added"] = function(state, event)
   local source = event.item
   if type(source) ~= "table" then return end
   local item = item_of(state, event)
   local name = call_of(source)
   if name then open_call(state, item, source, name) end
end

on["response.output_text.delta"] = function(state, event)
   add_logprobs(state, member(event, "logprobs"))
   tell(state, item_of(state, event), "text", place_of("text", event, "content_index"), event.delta)
end

on["response.output_text.done"] = function(state, event)
   local item, place = item_of(state, event), place_of("text", event, "content_index")
   if not item.told[place] then add_logprobs(state, member(event, "logprobs")) end
   complete(state, item, "text", place, event.text)
end

on["response.output_text.annotation.added"] = function(state, event)
   local annotation = shape.hub_annotation(event.annotation)
   if annotation then
      item_of(state, event).annotated = true
      add_annotations(state, { annotation })
   end
end

on["response.refusal.delta"] = function(state, event)
   tell(state, item_of(state, event), "refusal", place_of("refusal", event, "content_index"), event.delta)
end

on["response.refusal.done"] = function(state, event)
   local item = item_of(state, event)
   complete(state, item, "refusal", place_of("refusal", event, "content_index"), event.refusal)
end

on["response.reasoning_summary_text.delta"] = function(state, event)
   local item, place = item_of(state, event), place_of("summary", event, "summary_index")
   separate(state, item, place)
   tell(state, item, "reasoning", place, event.delta)
end

on["response.reasoning_summary_text.done"] = function(state, event)
   local item, place = item_of(state, event), place_of("summary", event, "summary_index")
   separate(state, item, place)
   complete(state, item, "reasoning", place, event.text)
end

on["response.reasoning_text.delta"] = function(state, event)
   tell(state, item_of(state, event), "reasoning", place_of("thought", event, "content_index"), event.delta)
end

on["response.reasoning_text.done"] = function(state, event)
   local item = item_of(state, event)
   complete(state, item, "reasoning", place_of("thought", event, "content_index"), event.text)
end

on["response.function_call_arguments.delta"] = function(state, event)
   add_arguments(state, item_of(state, event), event.delta)
end

on["response.function_call_arguments.done"] = function(state, event)
   local item = item_of(state, event)
   if text(event.name) then
      open_call(state, item, { id = event.item_id, call_id = event.call_id }, event.name)
   end
   complete_arguments(state, item, event.arguments)
end

local function end_message(state, item, source)
   for position, part in ipairs(list(member(source, "content"))) do
      local kind = member(part, "type")
      if kind == "output_text" or kind == "text" then
         local place = "text" .. position - 1
         if not item.told[place] then add_logprobs(state, member(part, "logprobs")) end
         complete(state, item, "text", place, text(part.text))
      elseif kind == "refusal" then
         complete(state, item, "refusal", "refusal" .. position - 1, text(part.refusal))
      end
   end
   if not item.annotated then add_annotations(state, annotations_of(member(source, "content"))) end
end

local function end_reasoning(state, item, source)
   if next(item.told) == nil then
      for position, shown in ipairs(shape.reasoning_texts(source)) do
         separate(state, item, "whole" .. position)
         tell(state, item, "reasoning", "whole" .. position, shown)
      end
   end
   for _, detail in ipairs(shape.details_of(source)) do
      add(state, { kind = "reasoning_detail", detail = detail })
   end
end

-- An item is whole: what was not told of it yet.
local function end_item(state, item, source)
   if item.over or type(source) ~= "table" then return end
   item.over = true
   if source.type == "message" then
      end_message(state, item, source)
   elseif source.type == "reasoning" then
      end_reasoning(state, item, source)
   else
      local name, arguments = call_of(source)
      if not name then return end
      open_call(state, item, source, name)
      complete_arguments(state, item, arguments)
      close_call(state, item)
   end
end

on["response.output_item.done"] = function(state, event)
   end_item(state, item_of(state, event), event.item)
end

-- The last event holds the whole answer; items that no event told of are told now.
local function finish(state, event)
   local response = event.response
   for position, source in ipairs(list(member(response, "output"))) do
      local item = state.items[position - 1] or item_of(state, { item = source, output_index = position - 1 })
      end_item(state, item, source)
   end
   for _, item in pairs(state.items) do close_call(state, item) end
   local reason, err = reason_of(response, state.calls > 0)
   if not reason then return add(state, { kind = "error", err = err }) end
   local counts = usage.from.responses(member(response, "usage"))
   add(state, { kind = "finish", reason = reason })
   if counts then add(state, { kind = "usage", usage = counts }) end
end

on["response.completed"], on["response.incomplete"], on["response.done"] = finish, finish, finish

local function fail(state, event)
   add(state, { kind = "error", err = read.failure(event) })
end

on["response.failed"], on["response.cancelled"], on["error"] = fail, fail, fail

-- read.decoder() -> function(data, event_name) -> list of events (scripts/README.md, "Codecs").
function read.decoder()
   local state = { items = {}, calls = 0, events = {} }
   return function(data, event_name)
      state.events = {}
      local event = json.decode(data)
      if type(event) ~= "table" then return state.events end
      local handle = on[text(event.type) or event_name or ""]
      if handle and not state.finished then
         state.finished = handle == finish
         handle(state, event)
      end
      return state.events
   end
end

return read
