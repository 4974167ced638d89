-- gemini: the wire format of Gemini's generateContent, as the provider writes it.
-- SPDX-License-Identifier: MIT
local gemini_error = require "sim.gemini_error"
local gemini_request = require "sim.gemini_request"
local json = require "json"
local models = require "sim.models"
local tokens = require "sim.tokens"

local gemini = {
   format = "gemini", prefix = "", stream_type = "text/event-stream", odd_finish = "MALFORMED_FUNCTION_CALL",
   fail = gemini_error.fail, read = gemini_request.read,
   answers = { blocked = true }, -- no candidates, but promptFeedback
}

local quoted = json.encode

local FINISH = { stop = "STOP", length = "MAX_TOKENS", tool_calls = "STOP", content_filter = "SAFETY" }

-- promptTokenCount is all of the prompt, candidatesTokenCount what was said without the thoughts. Nothing is
-- written where a number is 0.
local function usage_json(u, said)
   local out = { ('"promptTokenCount":%d'):format(u.input) }
   local function add(name, n) if n > 0 then out[#out + 1] = ('"%s":%d'):format(name, n) end end
   add("cachedContentTokenCount", u.cached)
   add("candidatesTokenCount", said)
   add("totalTokenCount", u.input + said + u.reasoning)
   out[#out + 1] = ('"promptTokensDetails":[{"modality":"TEXT","tokenCount":%d}]'):format(u.input)
   add("thoughtsTokenCount", u.reasoning)
   return "{" .. table.concat(out, ",") .. "}"
end

local UNSAFE = '"safetyRatings":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","probability":"HIGH",'
   .. '"blocked":true}]'

local function candidate_json(choice, parts, finish)
   local out = { ('"content":{"parts":[%s],"role":"model"}'):format(parts) }
   if finish then
      out[#out + 1] = '"finishReason":' .. quoted(FINISH[choice.finish] or choice.finish)
      out[#out + 1] = choice.finish == "content_filter" and UNSAFE or nil
   end
   out[#out + 1] = ('"index":%d'):format(choice.index)
   if finish and #choice.calls > 0 then out[#out + 1] = '"finishMessage":"Model generated function '
      .. 'call(s)."' end
   return "{" .. table.concat(out, ",") .. "}"
end

local function answer_json(reply, candidates, said)
   return ('{"candidates":[%s],"usageMetadata":%s,"modelVersion":%s,"responseId":"%s"}'):format(candidates,
      usage_json(reply.usage, said), quoted(reply.model), reply.id:sub(1, 22))
end

local function blocked_json(reply)
   return ('{"promptFeedback":{"blockReason":"SAFETY",%s},"usageMetadata":{"promptTokenCount":%d,'
      .. '"totalTokenCount":%d},"modelVersion":%s,"responseId":"%s"}'):format(UNSAFE, reply.usage.input,
      reply.usage.input,
      quoted(reply.model), reply.id:sub(1, 22))
end

-- ---- parts ----

local function call_part(choice, call, first)
   local args = call.arguments
   if not json.decode(args) then args = args == "" and "" or "{}" end
   args = args ~= "" and ',"args":' .. args or "" -- empty: no member at all
   local signature = first and choice.reasoning and ',"thoughtSignature":' .. quoted(choice.signature("Ci",
      call.name)) or ""
   return ('{"functionCall":{"name":%s%s}%s}'):format(quoted(call.name), args, signature)
end

local function thought_part(text)
   return '{"text":' .. quoted(text) .. ',"thought":true}'
end

local function text_part(text)
   return '{"text":' .. quoted(text) .. "}"
end

-- Behind an answer in words the signature comes on an empty text.
local function last_part(choice)
   if not choice.reasoning or #choice.calls > 0 then return '{"text":""}' end
   return '{"text":"","thoughtSignature":' .. quoted(choice.signature("Ci", "text")) .. "}"
end

local function parts_of(choice)
   local list = {}
   if choice.reasoning and choice.shown then list[1] = thought_part(choice.reasoning) end
   if choice.text ~= "" or #choice.calls == 0 then
      local part = text_part(choice.text)
      if choice.reasoning and #choice.calls == 0 then
         part = part:sub(1, -2) .. ',"thoughtSignature":' .. quoted(choice.signature("Ci", "text")) .. "}"
      end
      list[#list + 1] = part
   end
   for i, call in ipairs(choice.calls) do list[#list + 1] = call_part(choice, call, i == 1) end
   return table.concat(list, ",")
end

function gemini.whole(reply)
   if reply.choices[1].blocked then return blocked_json(reply) .. "\n" end
   local list = {}
   for i, choice in ipairs(reply.choices) do list[i] = candidate_json(choice, parts_of(choice), true) end
   return answer_json(reply, table.concat(list, ","), reply.usage.output - reply.usage.reasoning) .. "\n"
end

-- ---- streamed ----

-- Events, or the elements of one array where the client did not ask for events (alt=sse).
local function framed(reply)
   local started = false
   return function(data)
      if reply.ask.sse then return "data: " .. data .. "\r\n\r\n" end
      local before = started and ",\r\n" or "["
      started = true
      return before .. data
   end
end

local function run_choice(reply, choice, emit)
   local said = 0
   local function piece(parts, text, n)
      said = said + n
      emit("token", answer_json(reply, candidate_json(choice, parts), said), text)
   end
   if choice.reasoning and choice.shown then
      for text in tokens.each(choice.reasoning) do piece(thought_part(text), nil, 0) end
   end
   for text in tokens.each(choice.text) do piece(text_part(text), text, 1) end
   for i, call in ipairs(choice.calls) do
      piece(call_part(choice, call, i == 1), nil, tokens.count(call.name) + tokens.count(call.arguments) + 4)
   end
   emit("finish", answer_json(reply, candidate_json(choice, last_part(choice), true), said))
end

function gemini.stream(reply)
   local frame = framed(reply)
   reply.stream_type = not reply.ask.sse and "application/json; charset=UTF-8" or nil
   return coroutine.wrap(function()
      local function emit(kind, data, text) coroutine.yield(kind, frame(data), text) end
      if reply.choices[1].blocked then
         emit("finish", blocked_json(reply))
      else
         for _, choice in ipairs(reply.choices) do run_choice(reply, choice, emit) end
      end
      if not reply.ask.sse then coroutine.yield("done", "]\r\n") end
   end)
end

-- Calls come whole.
function gemini.token_total(reply)
   local n = 0
   for _, choice in ipairs(reply.choices) do
      n = n + tokens.count(choice.text) + #choice.calls + (choice.shown and tokens.count(choice.reasoning
         or "") or 0)
   end
   return n
end

-- ---- what faults need ----

function gemini.headers()
   return { { "server-timing", "gfet4t7; dur=312" } }
end

function gemini.event_of(reply)
   local frame = reply.ask.sse and framed(reply) or function(data) return ",\r\n" .. data end
   return function(text) return frame(answer_json(reply, candidate_json(reply.choices[1], text_part(text)),
      1)) end
end

local UNAVAILABLE = gemini_error.json(503, "The model is overloaded. Please try again later.", "UNAVAILABLE")

function gemini.error_event(reply)
   return reply.ask.sse and "data: " .. UNAVAILABLE .. "\r\n\r\n" or ",\r\n" .. UNAVAILABLE .. "]"
end

function gemini.error_body()
   return UNAVAILABLE .. "\n"
end

gemini.malformed = 'data: {"candidates":[{"content":{"par\r\n\r\n'
gemini.keep_alive = ": keep-alive\r\n\r\n"
gemini.unfinished = { '"finishReason":"[%u_]+",?', "" }
gemini.nulls = {
   essential = { { '"content":%b{}', '"content":null' } },
   optional = { { '"finishMessage":"[^"]*"', '"finishMessage":null,"safetyRatings":null,'
      .. '"citationMetadata":null' },
      { '"promptTokensDetails":%b[]', '"promptTokensDetails":null,"cachedContentTokenCount":null' } },
}

-- ---- the other paths ----

gemini.streaming = setmetatable({
   read = function(ask, req, name)
      ask.stream = true
      ask.sse = ("&" .. (req.query or "") .. "&"):find("&alt=sse&", 1, true) ~= nil
      gemini_request.read(ask, req, name)
   end,
}, { __index = gemini })

local function page(body)
   return { status = 200, headers = { { "content-type", "application/json; charset=UTF-8" } }, body = body
      .. "\n" }
end

gemini.count = {
   format = "gemini", fail = gemini_error.fail, read = gemini_request.read_count,
   page = function(ask)
      local n = tokens.estimate(ask.bytes)
      return page(('{"totalTokens":%d,"promptTokensDetails":[{"modality":"TEXT",'
         .. '"tokenCount":%d}]}'):format(n, n))
   end,
}

local function model_json(m)
   local methods = '"generateContent","countTokens"'
   if m.embeds then methods = '"embedContent","batchEmbedContents"' end
   return ('{"name":"models/%s","version":"001","displayName":"Simulated %s","inputTokenLimit":%d,'
      .. '"outputTokenLimit":8192,"supportedGenerationMethods":[%s]}'):format(m.id, m.id, m.context, methods)
end

function gemini.list_models()
   local list = {}
   for i, m in ipairs(models.all) do list[i] = model_json(m) end
   return page('{"models":[' .. table.concat(list, ",") .. "]}")
end

function gemini.one_model(_, id)
   local m = models.by_id[id]
   return m and page(model_json(m)) or gemini_error.fail("no_model", { name = id })
end

return gemini
