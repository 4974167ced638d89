-- codec.gemini: Google's Gemini API, as the provider speaks it.
-- SPDX-License-Identifier: MIT
--
-- Sources: Gemini API reference, "GenerateContent", "StreamGenerateContent", "Embeddings", "Troubleshooting";
-- answers of Vertex AI read the same. What is sent: scripts/gemini/request.lua.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local partial = require "gemini.partial"
local parts = require "gemini.parts"
local provider = require "provider"
local random = require "random"
local refusal = require "refusal"
local request = require "gemini.request"
local usage = require "usage"

local codec = {
   name = "gemini", format = "gemini",
   auth_header = "x-goog-api-key", auth_prefix = "",
   settings = {},                     -- they stand inside generationConfig: none can be spliced
}

local member, full, text, pick = hub.member, hub.full, hub.text, parts.pick

-- A model's place in the address: "gemini-2.5-flash", "models/gemini-2.5-flash", "tunedModels/x".
local function place(model)
   local name = model:gsub("[^%w%-%._~/]", function(c) return ("%%%02X"):format(c:byte()) end)
   name = name:gsub("%.%.+", "."):gsub("^/+", "")
   return "/" .. (name:find "/" and name or "models/" .. name)
end

function codec.path(model, stream)
   return place(model) .. (stream and ":streamGenerateContent?alt=sse" or ":generateContent")
end

codec.count = { path = function(model) return place(model) .. ":countTokens" end, member = "totalTokens" }

codec.wire = provider.wire {
   framing = "sse",
   content = {
      "candidates.*.content.parts.*.text", "candidates.*.content.parts.*.functionCall",
      "candidates.*.content.parts.*.inlineData", "candidates.*.content.parts.*.executableCode",
   },
   finish = "candidates.*.finishReason",
   usage = "usageMetadata",
   object = "candidates.*.content",
   error = { "error", "promptFeedback.blockReason" },
   answer = { "candidates.*.finishReason", "candidates.*.content", "promptFeedback.blockReason" },
}

-- The model stands in the address: a client's own body needs no change.
function codec.edits(_req, _model, _stream)
   return {}
end

-- The body of a request of the hub: JSON text, warnings | nil, err. Yields where media must be fetched.
function codec.encode(req, to)
   local body, warnings = request.encode(req, to)
   if not body then return nil, warnings end
   return json.encode(body), warnings
end

function codec.usage(metadata)
   return usage.from.gemini(metadata)
end

-- ---- errors ----

local function bad_response(message)
   return errors.new { code = "bad_response", message = message }
end

local function blocked(feedback)
   local reason = full(pick(feedback, "blockReason"))
   if not reason then return nil end
   local why = full(pick(feedback, "blockReasonMessage"))
   return errors.new { code = "content_filter", provider_code = reason,
      message = "the prompt was blocked: " .. reason .. (why and " (" .. why .. ")" or "") }
end

-- A protobuf duration, "48.5s" or { seconds = "48" }, in seconds; nil for anything else.
local function seconds_of(duration)
   local digits = type(duration) == "string" and duration:match "^(%d+%.?%d*)s$"
      or member(duration, "seconds")
   if type(digits) == "string" and #digits <= 20 then digits = tonumber(digits) end
   return type(digits) == "number" and digits >= 0 and digits < 1e9 and digits or nil
end

-- What the details of a google.rpc.Status say: retry_after, reason (a word), is a day's quota used up?
local function details_of(object)
   local wait, reason, daily
   for _, detail in ipairs(hub.list(member(object, "details"))) do
      wait = wait or seconds_of(pick(detail, "retryDelay"))
      reason = reason or full(member(detail, "reason"))
      for _, violation in ipairs(hub.list(member(detail, "violations"))) do
         local id = text(pick(violation, "quotaId"))
         if id and id:find "PerDay" then daily = true end
      end
   end
   return wait, reason, daily
end

-- Google's words that mean something else than their status.
local function word_of(object, reason)
   if reason == "API_KEY_INVALID" or reason == "API_KEY_EXPIRED" then return "UNAUTHENTICATED" end
   local status = text(member(object, "status"))
   return status == "CANCELLED" and "ABORTED" or status
end

function codec.error(status, body, header)
   local decoded = json.decode(body)
   local err = blocked(pick(decoded, "promptFeedback"))
   if err then
      err.status = status
      return err
   end
   local object = refusal.object(body)
   local wait, reason, daily = details_of(object)
   local message = text(object.message)
   err = refusal.read {
      status = status, header = header, retry_after = wait,
      object = { message = message, code = object.code, status = word_of(object, reason) },
   }
   if daily and err.code == "rate_limited" then
      err.retryable, err.scope = false, "key"
   elseif message and message:find "User location is not supported" then
      err.code, err.retryable = "unavailable", false
   elseif err.code == "bad_request" and message and message:find "input token count" then
      err.code = "context_length"
   end
   return err
end

-- ---- answers ----

local Reader = {}
Reader.__index = Reader

-- Reads the frames of one candidate into events.
local function new_reader(index)
   return setmetatable({
      index = index, said = {}, calls = 0, open = false, seed = false, held = false, finished = false,
      metadata = false, out = {},
   }, Reader)
end

function Reader:tell(event)
   if self.index > 0 then event.choice = self.index end
   self.out[#self.out + 1] = event
end

function Reader:detail(data, id)
   self:tell { kind = "reasoning_detail",
      detail = { type = "reasoning.encrypted", data = data, format = parts.FORMAT, id = id } }
end

function Reader:close_call()
   local open = self.open
   if not open then return end
   self.open = false
   self:tell { kind = "tool_call", index = open.index, arguments = json.encode(open.finish()) }
end

function Reader:begin_call(call, signature)
   self:close_call()
   local index = self.calls
   self.calls = index + 1
   self.seed = self.seed or random.id()
   local id = full(member(call, "id")) or hub.mint_id(self.seed, index)
   if signature then self:detail(signature, id) end
   local event = { kind = "tool_call", index = index, id = id, name = call.name, arguments = "",
      extra_content = signature and { google = { thought_signature = signature } } or nil }
   self:tell(event)
   if pick(call, "willContinue") ~= true and pick(call, "partialArgs") == nil then
      event.arguments = hub.arguments_text(member(call, "args"))
      return
   end
   local add, finish = partial.new()
   self.open = { index = index, add = add, finish = finish }
end

-- A function call, whole or a piece of one.
function Reader:call(call, signature)
   if full(member(call, "name")) then self:begin_call(call, signature) end
   local open = self.open
   if not open then return end
   open.add(pick(call, "partialArgs"))
   if pick(call, "willContinue") ~= true then self:close_call() end
end

function Reader:part(part)
   local said, signature = text(member(part, "text")), full(pick(part, "thoughtSignature"))
   local call, data = pick(part, "functionCall"), pick(part, "inlineData")
   if call then
      self:call(call, signature)
   elseif member(part, "thought") == true then
      if full(said) then self:tell { kind = "reasoning", text = said } end
      if signature then
         self:tell { kind = "reasoning_detail",
            detail = { type = "reasoning.text", signature = signature, format = parts.FORMAT } }
      end
   else
      if full(said) then
         self.said[#self.said + 1] = said
         self:tell { kind = "text", text = said }
      elseif full(member(data, "data")) then
         local mime = full(pick(data, "mimeType")) or "image/png"
         self:tell { kind = "image", image = parts.of_data(mime, data.data) }
      end
      if signature then self:detail(signature) end
   end
end

function Reader:finish(reason)
   if self.finished then return end
   self.finished, self.held = true, false
   self:close_call()
   self:tell { kind = "finish", reason = reason }
   local used = self.index == 0 and self.metadata and usage.from.gemini(self.metadata)
   if used then self:tell { kind = "usage", usage = used } end
end

-- Old models of Vertex say STOP in every frame, and tell no usage: such a word only counts at the end.
function Reader:stopped(finish, candidate, last)
   local reason = parts.reason(finish, self.calls > 0)
   if not reason then
      local why = full(pick(candidate, "finishMessage"))
      self.finished = true
      self:tell { kind = "error", err = bad_response("the model stopped with " .. finish
         .. (why and ": " .. why or "")) }
   elseif reason == "content_filter" or last then
      self:finish(reason)
   else
      self.held = reason
   end
end

-- What is wrong with a candidate's content, which may be missing but nothing else than an object.
local function problem_of(candidate)
   local content = type(candidate) == "table" and candidate.content
   if content == nil or hub.object(content) then return nil end
   return bad_response("a candidate's content is " .. (content == json.null and "null" or "no object"))
end

function Reader:candidate(candidate, has_usage)
   local problem = problem_of(candidate)
   if problem then
      self.finished = true
      return self:tell { kind = "error", err = problem }
   end
   local list = parts.list(member(member(candidate, "content"), "parts"))
   for _, part in ipairs(list) do self:part(part) end
   if pick(candidate, "citationMetadata") or pick(candidate, "groundingMetadata") then
      local found = parts.annotations(candidate, table.concat(self.said))
      if found then self:tell { kind = "annotations", annotations = found } end
   end
   local logprobs = parts.logprobs(pick(candidate, "logprobsResult"))
   if logprobs then self:tell { kind = "logprobs", logprobs = logprobs } end
   local finish = full(pick(candidate, "finishReason"))
   if finish and finish ~= "FINISH_REASON_UNSPECIFIED" and not self.finished then
      self:stopped(finish, candidate, has_usage or #list == 0)
   end
end

-- The candidate of this reader's index in a frame; the first where they are not numbered.
local function candidate_of(frame, index)
   local list = hub.list(member(frame, "candidates"))
   for position, candidate in ipairs(list) do
      if (parts.integer(member(candidate, "index")) or position - 1) == index then return candidate end
   end
end

-- One decoded event. Its events are in self.out.
function Reader:frame(frame)
   self.seed = self.seed or full(pick(frame, "responseId")) or false
   local metadata = pick(frame, "usageMetadata")
   if type(metadata) == "table" then self.metadata = metadata end
   local candidate = candidate_of(frame, self.index)
   if candidate then return self:candidate(candidate, metadata ~= nil) end
   if self.index > 0 then return end
   local err = blocked(pick(frame, "promptFeedback"))
   if err then
      self:tell { kind = "error", err = err }
   elseif self.finished and metadata then
      local used = usage.from.gemini(metadata)
      if used then self:tell { kind = "usage", usage = used } end
   end
end

local CHOICES = 8 -- candidates; Gemini gives no more

-- The highest index among a frame's candidates.
local function last_index(frame)
   local last = 0
   for position, candidate in ipairs(hub.list(frame.candidates)) do
      last = math.max(last, parts.integer(member(candidate, "index")) or position - 1)
   end
   return math.min(last, CHOICES - 1)
end

local function no_header() end

-- A decoder for one stream: a function from an event's data to a list of events, and one that gives, at the
-- end of the stream, the events that are only known then.
function codec.decoder()
   local readers = { new_reader(0) }
   local function flush()
      local out = {}
      for _, reader in ipairs(readers) do
         reader.out = out
         if reader.held then reader:finish(reader.held) end
      end
      return out
   end
   return function(data)
      local out = {}
      local frame = json.decode(data)
      if type(frame) ~= "table" then return out end
      if hub.has(frame.error) then
         return { { kind = "error", err = codec.error(200, data, no_header) } }
      end
      local last = last_index(frame)
      while #readers <= last do readers[#readers + 1] = new_reader(#readers) end
      for _, reader in ipairs(readers) do
         reader.out = out
         reader:frame(frame)
      end
      return out
   end, flush
end

-- ---- whole answers ----

local add = {}

function add.text(view, event)
   view.texts[#view.texts + 1] = event.text
end

function add.reasoning(view, event)
   view.reasoning[#view.reasoning + 1] = event.text
   view.thought[#view.thought + 1] = event.text
end

function add.reasoning_detail(view, event)
   local detail = event.detail
   if detail.type == "reasoning.text" then
      detail.text = table.concat(view.thought)
      view.thought = {}
   end
   view.details[#view.details + 1] = detail
end

function add.tool_call(view, event)
   local call = view.calls[event.index + 1]
   if call then
      call["function"].arguments = call["function"].arguments .. event.arguments
      return
   end
   view.calls[event.index + 1] = { id = event.id, type = "function", extra_content = event.extra_content,
      ["function"] = { name = event.name, arguments = event.arguments } }
end

function add.image(view, event)
   view.images[#view.images + 1] = event.image
end

function add.annotations(view, event)
   view.annotations = event.annotations
end

function add.logprobs(view, event)
   view.logprobs = event.logprobs
end

function add.finish(view, event)
   view.reason = event.reason
end

function add.usage(view, event)
   view.usage = event.usage
end

local function filled(list)
   return #list > 0 and json.array(list) or nil
end

-- What one candidate says: { message =, finish_reason =, logprobs =, usage = } | nil, err.
local function read(frames, index)
   local reader = new_reader(index)
   for _, frame in ipairs(frames) do
      if type(frame) == "table" then reader:frame(frame) end
   end
   if reader.held then reader:finish(reader.held) end
   local view = { texts = {}, reasoning = {}, thought = {}, details = {}, calls = {}, images = {} }
   for _, event in ipairs(reader.out) do
      if event.kind == "error" then return nil, event.err end
      add[event.kind](view, event)
   end
   if not view.reason then return nil, bad_response "the answer has no finishReason" end
   return {
      finish_reason = view.reason, logprobs = view.logprobs, usage = view.usage,
      message = {
         role = "assistant", content = #view.texts > 0 and table.concat(view.texts) or json.null,
         reasoning_content = #view.reasoning > 0 and table.concat(view.reasoning) or nil,
         reasoning_details = filled(view.details), tool_calls = filled(view.calls),
         images = filled(view.images), annotations = view.annotations,
      },
   }
end

-- What a whole answer says: { body =, message =, finish_reason =, logprobs =, usage = } | nil, err. choices:
-- all of the candidates, where there are more than one.
function codec.decode(body)
   local decoded, err = json.decode(body)
   if type(decoded) ~= "table" then
      return nil, bad_response("the answer is no JSON object" .. (err and ": " .. err.message or ""))
   end
   local frames = json.is_array(decoded) and decoded or { decoded }
   local view
   view, err = read(frames, 0)
   if not view then return nil, err end
   view.body = decoded
   local more = hub.list(member(frames[1], "candidates"))
   if #more > 1 then
      view.choices = json.array { view }
      for index = 1, #more - 1 do
         local choice = read(frames, index)
         if choice then table.insert(view.choices, choice) end
      end
   end
   return view
end

codec.embed = require "codec.embed.gemini"(place)

return codec
