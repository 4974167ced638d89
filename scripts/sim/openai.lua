-- openai: the wire format of OpenAI Chat Completions, as the provider writes it.
-- SPDX-License-Identifier: MIT
local dice = require "sim.dice"
local json = require "json"
local models = require "sim.models"
local tokens = require "sim.tokens"

local openai = {}

local quoted = json.encode

-- ---- errors ----

function openai.error_json(message, kind, param, code)
   return ('{"error":{"message":%s,"type":%s,"param":%s,"code":%s}}'):format(quoted(message), quoted(kind),
      param and quoted(param) or "null", code and quoted(code) or "null")
end

function openai.failure(status, message, kind, param, code)
   return {
      status = status, headers = { { "content-type", "application/json" } },
      body = openai.error_json(message, kind, param, code) .. "\n",
   }
end

function openai.no_such_model(name)
   return openai.failure(404, "The model `" .. name .. "` does not exist or you do not have access to it.",
      "invalid_request_error", nil, "model_not_found")
end

function openai.context_exceeded(model, got)
   return openai.failure(400, ("This model's maximum context length is %d tokens. However, your messages "
      .. "resulted in %d tokens. Please reduce the length of the messages."):format(model.context, got),
      "invalid_request_error", "messages", "context_length_exceeded")
end

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
   for i, m in ipairs(models.list) do list[i] = model_json(m) end
   return json_page('{"object":"list","data":[' .. table.concat(list, ",") .. "]}\n")
end

function openai.one_model(id)
   local m = models.by_id[id]
   return m and json_page(model_json(m) .. "\n") or openai.no_such_model(id)
end

-- ---- what a reply costs in tokens ----

local function completion_tokens(choice)
   local n = tokens.count(choice.text)
   for _, call in ipairs(choice.calls) do
      n = n + tokens.count(call.name) + tokens.count(call.arguments) + 4
   end
   return n
end

local function usage_json(reply)
   local completion = 0
   for _, choice in ipairs(reply.choices) do completion = completion + completion_tokens(choice) end
   return ('{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
      .. '"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":0},'
      .. '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
      .. '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}')
      :format(reply.prompt_tokens, completion, reply.prompt_tokens + completion, reply.cached_tokens)
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

-- ---- whole ----

local function call_json(call)
   return ('{"id":%s,"type":"function","function":{"name":%s,"arguments":%s}}'):format(quoted(call.id),
      quoted(call.name), quoted(call.arguments))
end

local function message_json(choice)
   local content, calls = quoted(choice.text), ""
   if #choice.calls > 0 then
      local list = {}
      for i, call in ipairs(choice.calls) do list[i] = call_json(call) end
      content, calls = "null", ',"tool_calls":[' .. table.concat(list, ",") .. "]"
   end
   return '{"role":"assistant","content":' .. content .. calls .. ',"refusal":null,"annotations":[]}'
end

-- The body of a whole answer.
function openai.whole(reply)
   local list = {}
   for i, choice in ipairs(reply.choices) do
      list[i] = ('{"index":%d,"message":%s,"logprobs":%s,"finish_reason":"%s"}'):format(choice.index,
         message_json(choice), logprobs_json(reply, choice), choice.finish)
   end
   return ('{"id":"%s","object":"chat.completion","created":%d,"model":%s,"choices":[%s],"usage":%s,'
      .. '"service_tier":"default","system_fingerprint":"%s"}'):format(reply.id, reply.created,
      quoted(reply.model), table.concat(list, ","), usage_json(reply), reply.fingerprint) .. "\n"
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

-- Calls emit(kind, JSON of the choice, text) for each piece of one choice's text.
local function text_pieces(reply, choice, emit)
   local at = 1
   while at <= #choice.text do
      local ending = tokens.ending(choice.text, at)
      local text = choice.text:sub(at, ending)
      local p = reply.logprobs
         and '{"content":[' .. logprob_json(reply, choice, text, at) .. '],"refusal":null}'
      emit("token", choice_json(choice.index, '{"content":' .. quoted(text) .. "}", p), text)
      at = ending + 1
   end
end

-- Tool calls: the first fragment has identity and name, the others only arguments.
local function call_pieces(choice, emit)
   for i, call in ipairs(choice.calls) do
      emit("token", choice_json(choice.index, ('{"tool_calls":[{"index":%d,"id":%s,"type":"function",'
         .. '"function":{"name":%s,"arguments":""}}]}'):format(i - 1, quoted(call.id), quoted(call.name))))
      local at = 1
      while at <= #call.arguments do
         local ending = tokens.ending(call.arguments, at)
         emit("token", choice_json(choice.index, ('{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}')
            :format(i - 1, quoted(call.arguments:sub(at, ending)))))
         at = ending + 1
      end
   end
end

local function run_choice(reply, choice, emit)
   local content = #choice.calls > 0 and "null" or '""'
   emit("head", choice_json(choice.index, '{"role":"assistant","content":' .. content .. ',"refusal":null}'))
   text_pieces(reply, choice, emit)
   call_pieces(choice, emit)
   emit("finish", choice_json(choice.index, "{}", nil, choice.finish))
end

-- The events of a stream, made one by one as they are needed: a function that returns the kind ("head",
-- "token", "finish", "usage", "done"), the bytes, and the fragment of text inside, or nil at the end. Several
-- choices take turns.
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
      if reply.include_usage then yield("usage", event("", usage_json(reply))) end
      yield("done", "data: [DONE]\n\n")
   end)
end

-- One event that carries this text, for a fault that needs its own.
function openai.event_of(reply)
   local event = event_writer(reply)
   return function(text)
      return event(choice_json(0, '{"content":' .. quoted(text) .. "}"))
   end
end

return openai
