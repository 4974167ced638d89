-- gemini.reply: answers in Gemini's form: whole, and as the frames of a stream.
-- SPDX-License-Identifier: MIT
--
-- Source: Gemini API reference, "GenerateContentResponse". A call's arguments go out whole, as Gemini sends
-- them; a call whose arguments are no JSON object ends the answer as MALFORMED_FUNCTION_CALL.

local hub = require "hub"
local json = require "json"
local parts = require "gemini.parts"
local usage = require "usage"

local member, full, text = hub.member, hub.full, hub.text
local FORMAT = parts.FORMAT

local reply = {}

local MALFORMED = "MALFORMED_FUNCTION_CALL"

-- ---- parts ----

local function media_part(image)
   local mime, data = hub.split_data_url(member(member(image, "image_url"), "url"))
   return mime and { inlineData = { mimeType = mime, data = data } }
end

-- first: is it the first of its turn, which some models want signed?
local function call_part(call, signature, first)
   local fn = member(call, "function")
   local args, good = hub.arguments(member(fn, "arguments"))
   if not good then return nil end
   local google = member(member(call, "extra_content"), "google")
   return { functionCall = { id = full(member(call, "id")), name = text(member(fn, "name")) or "",
      args = args },
      thoughtSignature = signature or full(member(google, "thought_signature"))
         or (first and parts.UNSIGNED or nil) }
end

-- The part that a detail is shown as: a signed thought, a summary, a bare signature. nil for one that goes
-- with a text or a call.
local function detail_part(detail)
   local kind = member(detail, "type")
   if kind == "reasoning.text" then
      local signed = full(detail.signature)
      if not signed and not full(detail.text) then return nil end
      return { thought = true, text = text(detail.text) or "",
         thoughtSignature = signed and parts.signature(detail) or nil }
   elseif kind == "reasoning.summary" then
      return full(detail.summary) and { thought = true, text = detail.summary }
   elseif kind == "reasoning.encrypted" and full(detail.data) and detail.format ~= FORMAT then
      return { text = "", thoughtSignature = parts.signature(detail) }
   end
end

-- The thoughts of a message as parts; the signatures of its calls by their ids, and that of its text.
local function reasoning_parts(message)
   local list, by_call, of_text, told = {}, {}, nil, false
   for _, detail in ipairs(hub.list(member(message, "reasoning_details"))) do
      local part = detail_part(detail)
      list[#list + 1] = part
      told = told or part and part.thought and part.text ~= "" or false
      if not part and member(detail, "format") == FORMAT and detail.type == "reasoning.encrypted" then
         local id = full(detail.id)
         if id then by_call[id] = full(detail.data) else of_text = full(detail.data) end
      end
   end
   local plain = full(member(message, "reasoning_content")) or full(member(message, "reasoning"))
   if plain and not told then table.insert(list, 1, { thought = true, text = plain }) end
   return list, by_call, of_text
end

-- A message as parts, and whether all of its calls could be written.
local function parts_of(message)
   local list, by_call, of_text = reasoning_parts(message)
   local said = hub.plain(member(message, "content"))
   if said == "" then said = text(member(message, "refusal")) or "" end
   if said ~= "" or of_text then list[#list + 1] = { text = said, thoughtSignature = of_text } end
   for _, image in ipairs(hub.list(member(message, "images"))) do list[#list + 1] = media_part(image) end
   for position, call in ipairs(hub.list(member(message, "tool_calls"))) do
      local part = call_part(call, by_call[member(call, "id") or ""], position == 1)
      if not part then return list, false end
      list[#list + 1] = part
   end
   return json.array(list), true, said
end

-- ---- whole ----

local function candidate_of(message, finish, logprobs, index)
   local list, good, said = parts_of(message)
   return {
      index = index, content = { role = "model", parts = json.array(list) },
      finishReason = good and parts.finish_reason(finish) or MALFORMED,
      logprobsResult = parts.logprobs_result(logprobs),
      groundingMetadata = parts.grounding(member(message, "annotations"), said or ""),
   }
end

-- The answers of a reply that holds more than one, nil for others.
local function choices_of(answer)
   local openai = answer.codec and answer.codec.format == "openai"
   if openai then return member(answer.body, "choices") end
   return answer.choices
end

-- A reply as the body of a whole answer: JSON text.
--   meta: { id = the trace's, model = the name to show }
function reply.whole(answer, meta)
   local candidates = json.array {}
   local choices = choices_of(answer)
   if type(choices) == "table" and #choices > 1 and not answer.edited then
      for position, choice in ipairs(choices) do
         candidates[position] = candidate_of(member(choice, "message"), member(choice, "finish_reason"),
            member(choice, "logprobs"), position - 1)
      end
   else
      candidates[1] = candidate_of(answer.message, answer.finish_reason, answer.logprobs, 0)
   end
   return json.encode { candidates = candidates, usageMetadata = usage.to.gemini(answer.usage or nil),
      modelVersion = meta.model, responseId = meta.id }
end

-- ---- a stream ----

local Encoder = {}
Encoder.__index = Encoder

-- One frame: an event of a stream, or an element of the array that is one.
function Encoder:frame(body)
   if not self.array then return "data: " .. body .. "\r\n\r\n" end
   local before = self.begun and "," or "["
   self.begun = true
   return before .. body .. "\r\n"
end

-- A frame with one part. The texts, most of all frames, are written without a table.
function Encoder:part(choice, part)
   return self:frame(('{"candidates":[{"content":{"parts":[%s],"role":"model"},"index":%d}],%s}')
      :format(part, choice, self.tail))
end

-- What is kept of a choice until it is written: the call that is open, signatures, the text so far, the end.
function Encoder:state(choice)
   local state = self.choices[choice]
   if not state then
      state = { call = false, signatures = {}, said = {}, reason = false, annotations = false,
         logprobs = false,
         good = true, fresh = false, called = false }
      self.choices[choice] = state
      self.order[#self.order + 1] = choice
   end
   return state
end

-- Writes the call whose fragments have been gathered.
function Encoder:close_call(choice, state)
   local call = state.call
   if not call then return "" end
   state.call = false
   local part = call_part({ id = call.id, extra_content = call.extra,
      ["function"] = { name = call.name, arguments = table.concat(call.fragments) } },
      state.signatures[call.id or ""], not state.called)
   state.called = true
   if not part then
      state.good = false
      return ""
   end
   return self:part(choice, json.encode(part))
end

local writers = {}

function writers.text(self, event, choice, state)
   local before = self:close_call(choice, state)
   if self.keeps_text then state.said[#state.said + 1] = event.text end
   return before .. self:part(choice, '{"text":' .. json.encode(event.text) .. "}")
end

writers.refusal = writers.text

function writers.reasoning(self, event, choice, state)
   state.fresh = true
   return self:close_call(choice, state)
      .. self:part(choice, '{"text":' .. json.encode(event.text) .. ',"thought":true}')
end

function writers.reasoning_detail(self, event, choice, state)
   local detail = event.detail
   if detail.format == FORMAT and detail.type == "reasoning.encrypted" then
      if full(detail.id) then
         state.signatures[detail.id] = detail.data
         return ""
      end
      return self:part(choice, json.encode { text = "", thoughtSignature = detail.data })
   end
   local part, told = detail_part(detail), state.fresh
   state.fresh = false
   if not part then return "" end
   if part.thought then -- its words came as reasoning
      if not part.thoughtSignature and (told or detail.type == "reasoning.summary") then return "" end
      if told then part.text = "" end
   end
   return self:part(choice, json.encode(part))
end

function writers.tool_call(self, event, choice, state)
   local before, call = "", state.call
   if not call or call.index ~= event.index then
      before = self:close_call(choice, state)
      call = { index = event.index, fragments = {} }
      state.call = call
   end
   call.id, call.name = call.id or event.id, call.name or event.name
   call.extra = call.extra or event.extra_content
   call.fragments[#call.fragments + 1] = event.arguments
   return before
end

function writers.image(self, event, choice)
   local part = media_part(event.image)
   return part and self:part(choice, json.encode(part)) or ""
end

function writers.annotations(_, event, _, state)
   local all = state.annotations or json.array {}
   for _, annotation in ipairs(event.annotations) do all[#all + 1] = annotation end
   state.annotations = all
   return ""
end

function writers.logprobs(_, event, _, state)
   local all = state.logprobs or { content = {} }
   for _, token in ipairs(hub.list(member(event.logprobs, "content"))) do
      all.content[#all.content + 1] = token
   end
   state.logprobs = all
   return ""
end

function writers.finish(self, event, choice, state)
   state.reason = event.reason
   return self:close_call(choice, state)
end

function writers.usage(self, event)
   self.usage = event.usage
   return ""
end

-- encoder:event(event) -> bytes.
function Encoder:event(event)
   local write = writers[event.kind]
   if not write then return "" end
   local choice = event.choice or 0
   return write(self, event, choice, self:state(choice))
end

-- encoder:finish() -> bytes: how it ended, and what it used.
function Encoder:finish()
   local candidates, before = json.array {}, {}
   self:state(0)
   for _, choice in ipairs(self.order) do
      local state = self.choices[choice]
      before[#before + 1] = self:close_call(choice, state)
      candidates[#candidates + 1] = {
         index = choice, content = { role = "model", parts = json.array { { text = "" } } },
         finishReason = state.good and parts.finish_reason(state.reason) or MALFORMED,
         logprobsResult = parts.logprobs_result(state.logprobs),
         groundingMetadata = parts.grounding(state.annotations, table.concat(state.said)),
      }
   end
   return table.concat(before) .. self:frame(json.encode { candidates = candidates,
      usageMetadata = usage.to.gemini(self.usage or nil), modelVersion = self.model, responseId = self.id })
end

-- meta: as for reply.whole, and head = { array = is the stream one JSON array? }
function reply.encoder(meta)
   return setmetatable({
      array = member(meta.head, "array") == true, begun = false, choices = {}, order = {}, usage = false,
      model = meta.model, id = meta.id, keeps_text = true,
      tail = ('"modelVersion":%s,"responseId":%s'):format(json.encode(meta.model), json.encode(meta.id)),
   }, Encoder)
end

return reply
