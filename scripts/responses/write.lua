-- responses.write: an answer as the Responses API tells it, whole and as a stream of events.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Responses" and "Streaming events"; recorded streams. An answer is a list of
-- items (reasoning, message, function_call), each with an id of its own and its place in the list.

local hub = require "hub"
local json = require "json"
local memory = require "responses.memory"
local shape = require "responses.shape"
local usage = require "usage"

local write = {}

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

-- ---- the response around the items ----

local function shown_of(meta)
   return member(meta.head, "shown") or {}
end

local function or_null(value)
   if value == nil then return json.null end
   return value
end

-- Why an answer is incomplete; nil for one that is not.
local incomplete = { length = "max_output_tokens", content_filter = "content_filter" }

-- The response with these items. counts: the canonical usage, or nil where it is not known yet.
local function response_of(meta, status, output, reason, counts)
   local shown = shown_of(meta)
   local think = shown.reasoning
   local why = incomplete[reason]
   return {
      id = "resp_" .. meta.id, object = "response", created_at = meta.created, status = status,
      completed_at = status == "completed" and meta.created or json.null,
      background = false, error = json.null, incomplete_details = why and { reason = why } or json.null,
      instructions = or_null(shown.instructions), max_output_tokens = or_null(shown.max_output_tokens),
      max_tool_calls = or_null(shown.max_tool_calls), model = meta.model, output = json.array(output),
      parallel_tool_calls = shown.parallel_tool_calls ~= false, previous_response_id = json.null,
      reasoning = { effort = or_null(member(think, "effort")), summary = or_null(member(think, "summary")) },
      store = false, temperature = or_null(shown.temperature), text = shown.text
         or { format = { type = "text" } },
      tool_choice = shown.tool_choice or "auto", tools = shown.tools or json.array {},
         top_p = or_null(shown.top_p),
      truncation = shown.truncation or "disabled", metadata = shown.metadata or json.object {},
      user = shown.user, usage = counts and usage.to.responses(counts) or nil,
   }
end

-- ---- items ----

-- "rs_baton_" for reasoning: OpenAI looks the ids of these up and has none of ours (door.stamps).
local function item_id(meta, prefix, place)
   if prefix == "rs" then prefix = shape.MINTED end
   return ("%s_%s%02x"):format(prefix, meta.id, place)
end

-- Logprobs of Chat Completions; null is not allowed here.
local function logprobs_of(tokens)
   local out = json.array {}
   for _, token in ipairs(list(tokens)) do
      if type(token) == "table" then
         local top = json.array {}
         for _, other in ipairs(list(member(token, "top_logprobs"))) do
            top[#top + 1] = { token = member(other, "token"), logprob = member(other, "logprob"),
               bytes = member(other, "bytes") or json.array {} }
         end
         out[#out + 1] = { token = member(token, "token"), logprob = member(token, "logprob"),
            bytes = member(token, "bytes") or json.array {}, top_logprobs = top }
      end
   end
   return out
end

local function annotations_of(annotations)
   local out = json.array {}
   for _, annotation in ipairs(list(annotations)) do out[#out + 1] = shape.flat_annotation(annotation) end
   return out
end

local function text_part(said, annotations, logprobs)
   return { type = "output_text", text = said, annotations = annotations or json.array {},
      logprobs = logprobs or json.array {} }
end

local function message_item(id, parts, status)
   return { type = "message", id = id, role = "assistant", status = status or "completed",
      content = json.array(parts) }
end

-- The input of a custom tool that was called as a function.
local function input_of(arguments)
   local input = member(json.decode(arguments), "input")
   return text(input) or arguments
end

local function is_custom(meta, name)
   return (member(meta.head, "custom") or {})[name or ""] == true
end

local function call_item(meta, place, id, name, arguments, status)
   if is_custom(meta, name) then
      return { type = "custom_tool_call", id = item_id(meta, "ctc", place), call_id = id, name = name,
         status = status or "completed", input = arguments and input_of(arguments) or "" }
   end
   return { type = "function_call", id = item_id(meta, "fc", place), call_id = id, name = name,
      status = status or "completed", arguments = arguments or "" }
end

local function reasoning_item(id, shown, sealed)
   local summary = json.array {}
   if full(shown) then summary[1] = { type = "summary_text", text = shown } end
   return { type = "reasoning", id = id, summary = summary, encrypted_content = sealed }
end

-- The client may name an item in its next turn; calls always come back whole.
local function keep(meta, item)
   if member(meta.head, "keep") and (item.type == "message" or item.type == "reasoning") then
      memory.keep(item)
   end
end

-- ---- a whole answer ----

-- The reasoning of a message: the items that its own provider will want again, else what was shown of it.
local function add_reasoning(output, message, meta)
   local own, sealed = hub.own_details(message, shape.FORMAT), false
   for _, item in ipairs(shape.items_of(own)) do
      item.id = item.id or item_id(meta, "rs", #output)
      output[#output + 1], sealed = item, true
   end
   for _, detail in ipairs(list(member(message, "reasoning_details"))) do
      if type(detail) == "table" and detail.format ~= shape.FORMAT
         and (full(detail.signature) or full(detail.data)) then
         output[#output + 1] = reasoning_item(item_id(meta, "rs", #output), detail.signature and detail.text,
            hub.stamp(detail, shape.FORMAT))
         sealed = sealed or full(detail.text) ~= nil
      end
   end
   local thoughts = full(member(message, "reasoning_content"))
   if thoughts and not sealed then
      table.insert(output, 1, reasoning_item(item_id(meta, "rs", #output), thoughts))
   end
end

local function add_message(output, reply, meta)
   local message = reply.message
   local said, refused = hub.plain(member(message, "content")), full(member(message, "refusal"))
   local parts = {}
   if said ~= "" then
      parts[1] = text_part(said, annotations_of(member(message, "annotations")),
         logprobs_of(member(reply.logprobs or nil, "content")))
   end
   if refused then parts[#parts + 1] = { type = "refusal", refusal = refused } end
   if #parts == 0 then return end
   output[#output + 1] = message_item(item_id(meta, "msg", #output), parts,
      reply.finish_reason == "length" and "incomplete" or nil)
end

local function items_of(reply, meta)
   local output, message = {}, reply.message or {}
   add_reasoning(output, message, meta)
   add_message(output, reply, meta)
   for position, call in ipairs(list(member(message, "tool_calls"))) do
      local fn = member(call, "function")
      local id = full(member(call, "id")) or hub.mint_id(meta.id, position - 1)
      output[#output + 1] = call_item(meta, #output, id, text(member(fn, "name")) or "",
         hub.arguments_text(member(fn, "arguments")))
   end
   for _, item in ipairs(output) do keep(meta, item) end
   return output
end

-- write.whole(reply, meta) -> JSON text. An answer of a provider of this API keeps all of its body but what
-- the policy has changed.
function write.whole(reply, meta)
   local body = reply.codec and reply.codec.format == "responses" and reply.body
   if type(body) == "table" then
      if reply.edited then body.output = json.array(items_of(reply, meta)) end
      return json.encode(body)
   end
   local status = incomplete[reply.finish_reason] and "incomplete" or "completed"
   return json.encode(response_of(meta, status, items_of(reply, meta), reply.finish_reason,
      reply.usage or usage.none))
end

-- ---- a stream ----

local Encoder = {}
Encoder.__index = Encoder

-- An event, with the next number.
function Encoder:emit(kind, event)
   event.type, event.sequence_number = kind, self.number
   self.number = self.number + 1
   self.out[#self.out + 1] = ("event: %s\ndata: %s\n\n"):format(kind, json.encode(event))
end

-- The frequent ones: a fragment of a text. 'where' is JSON, the members that say whose it is.
function Encoder:fragment(kind, where, fragment, rest)
   local event = 'event: %s\ndata: {"type":"%s","sequence_number":%d,%s,"delta":%s%s}\n\n'
   self.out[#self.out + 1] = event:format(kind, kind, self.number, where, json.encode(fragment), rest or "")
   self.number = self.number + 1
end

function Encoder:begin()
   if self.begun then return end
   self.begun = true
   self:emit("response.created", { response = response_of(self.meta, "in_progress", {}) })
   self:emit("response.in_progress", { response = response_of(self.meta, "in_progress", {}) })
end

-- Takes the next place in the list.
function Encoder:take_place()
   local place = self.places
   self.places = place + 1
   return place
end

function Encoder:add_item(place, item)
   self:emit("response.output_item.added", { output_index = place, item = item })
end

function Encoder:end_item(place, item)
   self.items[place] = item
   keep(self.meta, item)
   self:emit("response.output_item.done", { output_index = place, item = item })
end

-- ---- reasoning in a stream ----

function Encoder:open_reasoning()
   local place = self:take_place()
   local id = item_id(self.meta, "rs", place)
   self:add_item(place, reasoning_item(id))
   local where = { item_id = id, output_index = place, summary_index = 0 }
   self:emit("response.reasoning_summary_part.added", { item_id = id, output_index = place, summary_index = 0,
      part = { type = "summary_text", text = "" } })
   self.open = { kind = "reasoning", place = place, id = id, parts = {}, where = where,
      json = ('"item_id":"%s","output_index":%d,"summary_index":0'):format(id, place) }
end

function Encoder:close_reasoning(open)
   local shown = table.concat(open.parts)
   local function at(more)
      for name, value in pairs(open.where) do more[name] = value end
      return more
   end
   self:emit("response.reasoning_summary_text.done", at { text = shown })
   self:emit("response.reasoning_summary_part.done", at { part = { type = "summary_text", text = shown } })
   self:end_item(open.place, reasoning_item(open.id, shown, open.sealed))
end

-- An item that is only sealed, with what it says where that is known.
function Encoder:sealed_item(sealed, shown)
   local place = self:take_place()
   local item = reasoning_item(item_id(self.meta, "rs", place), shown, sealed)
   self:add_item(place, item)
   self:end_item(place, item)
end

-- ---- a message in a stream ----

function Encoder:open_message()
   local place = self:take_place()
   local id = item_id(self.meta, "msg", place)
   self:add_item(place, message_item(id, {}, "in_progress"))
   self.open = { kind = "message", place = place, id = id, parts = {} }
end

-- Begins a part of the open message: "output_text" or "refusal".
function Encoder:open_part(kind)
   local open = self.open
   local index = #open.parts
   local part = kind == "refusal" and { type = "refusal", refusal = "" } or text_part ""
   open.part = { kind = kind, index = index, texts = {}, annotations = json.array {},
      logprobs = json.array {},
      json = ('"item_id":"%s","output_index":%d,"content_index":%d'):format(open.id, open.place, index) }
   self:emit("response.content_part.added", self:at_part { part = part })
   self:tell_annotations()
end

-- Members that say which part it is.
function Encoder:at_part(event)
   local open = self.open
   event.item_id, event.output_index, event.content_index = open.id, open.place, open.part.index
   return event
end

function Encoder:close_part()
   local part = self.open.part
   local said = table.concat(part.texts)
   local whole = text_part(said, part.annotations, part.logprobs)
   if part.kind == "refusal" then
      whole = { type = "refusal", refusal = said }
      self:emit("response.refusal.done", self:at_part { refusal = said })
   else
      self:emit("response.output_text.done", self:at_part { text = said, logprobs = part.logprobs })
   end
   self:emit("response.content_part.done", self:at_part { part = whole })
   self.open.parts[part.index + 1] = whole
   self.open.part = nil
end

function Encoder:close_message(open)
   if open.part then self:close_part() end
   self:end_item(open.place, message_item(open.id, open.parts, self.reason == "length" and "incomplete"
      or nil))
end

-- Annotations that wait for a text to belong to.
function Encoder:tell_annotations()
   local part = self.open and self.open.part
   if not part or part.kind ~= "output_text" then return end
   for _, annotation in ipairs(self.annotations) do
      self:emit("response.output_text.annotation.added", self:at_part {
         annotation_index = #part.annotations, annotation = annotation })
      part.annotations[#part.annotations + 1] = annotation
   end
   self.annotations = {}
end

-- ---- what is open ----

-- Closes what is open, and tells the sealed reasoning that has waited for it.
function Encoder:close()
   local open = self.open
   if open and open.kind == "message" then self:close_message(open) end
   if open and open.kind == "reasoning" then self:close_reasoning(open) end
   self.open = nil
   for _, waiting in ipairs(self.sealed) do self:sealed_item(waiting.sealed, waiting.shown) end
   self.sealed = {}
end

function Encoder:ensure(kind, part)
   if not self.open or self.open.kind ~= kind then
      self:close()
      if kind == "message" then self:open_message() else self:open_reasoning() end
   end
   if part and (not self.open.part or self.open.part.kind ~= part) then
      if self.open.part then self:close_part() end
      self:open_part(part)
   end
   return self.open
end

-- ---- calls in a stream; they stay open until the end, since their fragments may come in turns ----

function Encoder:open_call(call)
   self:close()
   call.place = self:take_place()
   call.id, call.name = call.id or hub.mint_id(self.meta.id, call.index), call.name or ""
   call.custom = is_custom(self.meta, call.name)
   local item = call_item(self.meta, call.place, call.id, call.name, nil, "in_progress")
   call.item_id = item.id
   call.json = ('"item_id":"%s","output_index":%d'):format(item.id, call.place)
   self:add_item(call.place, item)
   if not call.custom then
      for _, fragment in ipairs(call.arguments) do self:argument(call, fragment) end
   end
end

function Encoder:argument(call, fragment)
   self:fragment("response.function_call_arguments.delta", call.json, fragment)
end

function Encoder:close_call(call)
   if not call.place then self:open_call(call) end
   local arguments = table.concat(call.arguments)
   if arguments == "" then arguments = "{}" end
   local item = call_item(self.meta, call.place, call.id, call.name, arguments)
   local where = { item_id = call.item_id, output_index = call.place }
   if call.custom then
      self:fragment("response.custom_tool_call_input.delta", call.json, item.input)
      where.input = item.input
      self:emit("response.custom_tool_call_input.done", where)
   else
      where.arguments, where.name = arguments, call.name
      self:emit("response.function_call_arguments.done", where)
   end
   self:end_item(call.place, item)
end

-- ---- events of the hub ----

local on = {}

function on.text(self, event)
   local part = self:ensure("message", "output_text").part
   part.texts[#part.texts + 1] = event.text
   local logprobs = self.logprobs
   for _, token in ipairs(logprobs) do part.logprobs[#part.logprobs + 1] = token end
   self.logprobs = {}
   self:fragment("response.output_text.delta", part.json, event.text,
      ',"logprobs":' .. (#logprobs > 0 and json.encode(json.array(logprobs)) or "[]"))
end

function on.refusal(self, event)
   local part = self:ensure("message", "refusal").part
   part.texts[#part.texts + 1] = event.text
   self:fragment("response.refusal.delta", part.json, event.text)
end

function on.reasoning(self, event)
   local open = self:ensure "reasoning"
   open.parts[#open.parts + 1] = event.text
   self:fragment("response.reasoning_summary_text.delta", open.json, event.text)
end

-- Does what is sealed belong to the reasoning that was just told? A signature does, and OpenAI's own.
local function belongs(open, detail)
   if not open or open.kind ~= "reasoning" or open.sealed then return false end
   if detail.format == shape.FORMAT then return true end
   return full(detail.signature) and (detail.text == nil or detail.text == table.concat(open.parts))
end

-- Sealed reasoning of any provider. Its own id must come back with it, so even OpenAI's is stamped: here
-- the item has an id already.
function on.reasoning_detail(self, event)
   local detail = event.detail
   if not full(detail.signature) and not full(detail.data) then return end
   local sealed = hub.stamp(detail, detail.id == nil and shape.FORMAT or nil)
   if belongs(self.open, detail) then
      self.open.sealed = sealed
      return self:close()
   end
   self.sealed[#self.sealed + 1] = { sealed = sealed, shown = full(detail.signature) and text(detail.text) }
   if not self.open then self:close() end
end

function on.tool_call(self, event)
   local call = self.calls[event.index]
   if not call then
      call = { index = event.index, arguments = {} }
      self.calls[event.index] = call
   end
   call.id, call.name = call.id or full(event.id), call.name or full(event.name)
   if full(event.arguments) then
      call.arguments[#call.arguments + 1] = event.arguments
      if call.place and not call.custom then self:argument(call, event.arguments) end
   end
   if not call.place and call.name then self:open_call(call) end
end

function on.annotations(self, event)
   for _, annotation in ipairs(annotations_of(event.annotations)) do
      self.annotations[#self.annotations + 1] = annotation
   end
   self:tell_annotations()
end

function on.logprobs(self, event)
   for _, token in ipairs(logprobs_of(member(event.logprobs, "content"))) do
      self.logprobs[#self.logprobs + 1] = token
   end
end

function on.finish(self, event)
   self.reason = event.reason
end

function on.usage(self, event)
   self.usage = event.usage
end

function Encoder:flush()
   local bytes = table.concat(self.out)
   self.out = {}
   return bytes
end

-- encoder:event(event) -> bytes. The first gives the opening events, too. Only the first choice is told.
function Encoder:event(event)
   local handle = on[event.kind]
   if not handle or (event.choice or 0) ~= 0 then return "" end
   self:begin()
   handle(self, event)
   return self:flush()
end

-- encoder:finish() -> bytes: what is open is closed, and the whole response.
function Encoder:finish()
   self:begin()
   self:close()
   for _, call in pairs(self.calls) do self:close_call(call) end -- in the order of their indexes
   local status = incomplete[self.reason] and "incomplete" or "completed"
   local output = {}
   for place = 0, self.places - 1 do output[#output + 1] = self.items[place] end
   self:emit("response." .. status, {
      response = response_of(self.meta, status, output, self.reason, self.usage or usage.none) })
   return self:flush()
end

-- write.encoder(meta) -> encoder.
function write.encoder(meta)
   return setmetatable({
      meta = meta, number = 0, places = 0, items = {}, calls = {}, sealed = {}, annotations = {},
         logprobs = {},
      out = {}, open = nil, begun = false, reason = "stop", usage = nil,
   }, Encoder)
end

return write
