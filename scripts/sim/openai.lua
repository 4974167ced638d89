-- openai: the wire format of OpenAI Chat Completions, as the provider writes it.
-- SPDX-License-Identifier: MIT
local dice = require "sim.dice"
local json = require "json"
local models = require "sim.models"
local openai_error = require "sim.openai_error"
local openai_request = require "sim.openai_request"
local tokens = require "sim.tokens"

local openai = {}

local quoted = json.encode

openai.format = "openai"
openai.fail = openai_error.fail

-- ---- the models ----

openai.CREATED = 1735689600 -- 2025-01-01; every "created" lies behind it, by the seed

local function model_json(m)
   return ('{"id":%s,"object":"model","created":%d,"owned_by":"baton-sim"}'):format(quoted(m.id),
      openai.CREATED)
end

local function json_page(body)
   return { status = 200, headers = { { "content-type", "application/json" } }, body = body }
end

function openai.list_models()
   local list = {}
   for i, m in ipairs(models.all) do list[i] = model_json(m) end
   return json_page('{"object":"list","data":[' .. table.concat(list, ",") .. "]}\n")
end

function openai.one_model(id)
   local m = models.by_id[id]
   return m and json_page(model_json(m) .. "\n") or openai.fail("no_model", { name = id })
end

function openai.usage_json(u)
   return ('{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
      .. '"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":0},'
      .. '"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":0,'
      .. '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}')
      :format(u.input, u.output, u.input + u.output, u.cached, u.reasoning)
end

-- ---- log probabilities ----

local function bytes_json(text)
   return "[" .. table.concat({ text:byte(1, -1) }, ",") .. "]"
end

local function one_logprob(text, p)
   return ('{"token":%s,"logprob":%.6f,"bytes":%s'):format(quoted(text), p, bytes_json(text))
end

local OTHERS = { " the", " a", " and", " of", " to", " in", " is", " not", " for", " that" }

-- The token's entry; alternatives share out what it leaves.
local function logprob_json(reply, choice, text, at)
   local p = math.min(0.999, choice.sure + 0.2 * (dice.unit(reply.id, choice.index, at) - 0.35))
   local out, rest = { one_logprob(text, math.log(p)) .. "}" }, 1 - p
   for i = 1, (reply.top_logprobs or 0) - 1 do
      rest = rest * 0.5
      out[#out + 1] = one_logprob(OTHERS[(i - 1) % #OTHERS + 1], math.log(rest)) .. "}"
   end
   local top = reply.top_logprobs and reply.top_logprobs > 0 and table.concat(out, ",") or ""
   return one_logprob(text, math.log(p)) .. ',"top_logprobs":[' .. top .. "]}"
end

local function logprobs_json(reply, choice)
   if not reply.logprobs then return "null" end
   local list, at = {}, 1
   while at <= #choice.text do
      local ending = tokens.ending(choice.text, at)
      list[#list + 1] = logprob_json(reply, choice, choice.text:sub(at, ending), at)
      at = ending + 1
   end
   return '{"content":[' .. table.concat(list, ",") .. '],"refusal":null}'
end

-- ---- thoughts ----

-- As compatible servers show them: reasoning_content, or OpenRouter's pair where its 'reasoning' was asked
-- for.
local function thought_json(reply, text, signature)
   if not reply.details then return '"reasoning_content":' .. quoted(text) end
   local sign = signature and ',"signature":' .. quoted(signature) or ""
   return ('"reasoning":%s,"reasoning_details":[{"type":"reasoning.text","text":%s%s,"format":"unknown",'
      .. '"index":0}]')
      :format(quoted(text), quoted(text), sign)
end

-- ---- whole ----

local function id_json(call)
   return call.no_id and "" or '"id":' .. quoted(call.id) .. ","
end

local function call_json(call)
   return ('{%s"type":"function","function":{"name":%s,"arguments":%s}}'):format(id_json(call),
      quoted(call.name),
      quoted(call.arguments))
end

local function message_json(reply, choice)
   local content, calls, thought = quoted(choice.text), "", ""
   if #choice.calls > 0 then
      local list = {}
      for i, call in ipairs(choice.calls) do list[i] = call_json(call) end
      content = choice.text == "" and "null" or content
      calls = ',"tool_calls":[' .. table.concat(list, ",") .. "]"
   end
   if choice.reasoning and choice.shown then
      thought = "," .. thought_json(reply, choice.reasoning, choice.signature("sig_", choice.reasoning))
   end
   return '{"role":"assistant","content":' .. content .. thought .. calls
      .. ',"refusal":null,"annotations":[]}'
end

-- The body of a whole answer.
function openai.whole(reply)
   local list = {}
   for i, choice in ipairs(reply.choices) do
      list[i] = ('{"index":%d,"message":%s,"logprobs":%s,"finish_reason":"%s"}'):format(choice.index,
         message_json(reply, choice), logprobs_json(reply, choice), choice.finish)
   end
   return ('{"id":"%s","object":"chat.completion","created":%d,"model":%s,"choices":[%s],"usage":%s,'
      .. '"service_tier":"default","system_fingerprint":"%s"}'):format(reply.id, reply.created,
      quoted(reply.model), table.concat(list, ","), openai.usage_json(reply.usage), reply.fingerprint) .. "\n"
end

-- ---- streamed ----

-- The text of an event from the JSON of its choices.
local function event_writer(reply)
   local before = ('data: {"id":"%s","object":"chat.completion.chunk","created":%d,"model":%s,'
      .. '"service_tier":"default","system_fingerprint":"%s","choices":['):format(reply.id, reply.created,
      quoted(reply.model), reply.fingerprint)
   local after = reply.include_usage and '],"usage":null}\n\n' or "]}\n\n"
   return function(choices, usage)
      return before .. choices .. (usage and '],"usage":' .. usage .. "}\n\n" or after)
   end
end

local function choice_json(index, delta, logprobs, finish)
   return ('{"index":%d,"delta":%s,"logprobs":%s,"finish_reason":%s}'):format(index, delta,
      logprobs or "null", finish and quoted(finish) or "null")
end

local function thought_pieces(reply, choice, emit)
   if not (choice.reasoning and choice.shown) then return end
   for text in tokens.each(choice.reasoning) do
      emit("token", choice_json(choice.index, "{" .. thought_json(reply, text) .. "}"))
   end
   if reply.details then
      local signature = choice.signature("sig_", choice.reasoning)
      emit("part", choice_json(choice.index, "{" .. thought_json(reply, "", signature) .. "}"))
   end
end

-- Calls emit(kind, JSON of the choice, text) for each piece of one choice's text.
local function text_pieces(reply, choice, emit)
   for text, at in tokens.each(choice.text) do
      local p = reply.logprobs
         and '{"content":[' .. logprob_json(reply, choice, text, at) .. '],"refusal":null}'
      emit("token", choice_json(choice.index, '{"content":' .. quoted(text) .. "}", p), text)
   end
end

-- Tool calls: the first fragment has identity and name, the others only arguments.
local function call_pieces(choice, emit)
   for i, call in ipairs(choice.calls) do
      emit("token", choice_json(choice.index, ('{"tool_calls":[{"index":%d,%s"type":"function",'
         .. '"function":{"name":%s,"arguments":%s}}]}'):format(i - 1, id_json(call), quoted(call.name),
         call.whole and quoted(call.arguments) or '""')))
      for text in tokens.each(call.whole and "" or call.arguments) do
         emit("token", choice_json(choice.index, ('{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}')
            :format(i - 1, quoted(text))))
      end
   end
end

local function run_choice(reply, choice, emit)
   local content = #choice.calls > 0 and "null" or '""'
   emit("head", choice_json(choice.index, '{"role":"assistant","content":' .. content .. ',"refusal":null}'))
   thought_pieces(reply, choice, emit)
   text_pieces(reply, choice, emit)
   call_pieces(choice, emit)
   emit("finish", choice_json(choice.index, "{}", nil, choice.finish))
end

-- The events of a stream, made one by one as they are needed: a function that returns the kind ("head" before
-- the content, "token", "part" of the structure, "finish", "usage", "done"), the bytes, and the fragment of
-- text inside, or nil at the end. Several choices take turns.
function openai.stream(reply)
   local event, yield = event_writer(reply), coroutine.yield
   return coroutine.wrap(function()
      local turns = {}
      for i, choice in ipairs(reply.choices) do
         turns[i] = coroutine.wrap(function() run_choice(reply, choice, yield) end)
      end
      local at = 1
      while #turns > 0 do
         local kind, data, text = turns[at]()
         yield(kind, event(data), text)
         if kind == "finish" then table.remove(turns, at) else at = at + 1 end
         if at > #turns then at = 1 end
      end
      if reply.include_usage then yield("usage", event("", openai.usage_json(reply.usage))) end
      yield("done", "data: [DONE]\n\n")
   end)
end

-- ---- what faults need ----

-- One event that carries this text.
function openai.event_of(reply)
   local event = event_writer(reply)
   return function(text)
      return event(choice_json(0, '{"content":' .. quoted(text) .. "}"))
   end
end

function openai.error_event(_, message)
   return "data: " .. openai_error.json(message, "server_error", nil, nil) .. "\n\n"
end

function openai.error_body(_, message)
   return openai_error.json(message, "server_error", nil, nil) .. "\n"
end

openai.malformed = 'data: {"id":"chatcmpl-1","choices":[{"index":0,"del\n\n'
openai.keep_alive = ": keep-alive\n\n"
openai.unfinished = { '"finish_reason":"[%a_]+"', '"finish_reason":null' }
-- Patterns and what stands in their place: an object that has to be there, and members that may be null.
openai.nulls = {
   essential = { { '"message":%b{}', '"message":null' }, { '"delta":%b{}', '"delta":null' } },
   optional = {
      { '"role":"assistant"', '"role":null' }, { '"usage":%b{}', '"usage":null' },
      { '"annotations":%[%]', '"annotations":null,"tool_calls":null' }, { '"index":0,"function"',
      '"index":0,"id":null,"type":null,"function"' },
   },
}
-- finish_reason of a choice's finish that no other has.
openai.odd_finish = "something_new"

openai.prefix = "chatcmpl-"
openai.stream_type = "text/event-stream; charset=utf-8"

function openai.headers(reply)
   return { { "x-request-id", "req_" .. reply.key } }
end

function openai.read(ask, req)
   openai_request.read(ask, req, nil, openai)
end

return openai
