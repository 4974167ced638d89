-- anthropic: the wire format of Anthropic's Messages, as the provider writes it.
-- SPDX-License-Identifier: MIT
local anthropic_error = require "sim.anthropic_error"
local anthropic_request = require "sim.anthropic_request"
local json = require "json"
local models = require "sim.models"
local tokens = require "sim.tokens"

local anthropic = {
   format = "anthropic", prefix = "msg_01", stream_type = "text/event-stream; charset=utf-8",
   odd_finish = "pause_turn", fail = anthropic_error.fail, read = anthropic_request.read,
   answers = { blocked = true }, -- "refusal", without content
}

local quoted = json.encode

local FINISH = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use",
   content_filter = "refusal" }

-- stop_reason, stop_sequence and stop_details, as members.
local function stop_json(choice)
   local reason = FINISH[choice.finish] or choice.finish
   if choice.finish == "stop" and choice.stopped_by then reason = "stop_sequence" end
   local details = reason == "refusal" and '{"type":"refusal","category":null,"explanation":null}' or "null"
   return ('"stop_reason":%s,"stop_sequence":%s,"stop_details":%s'):format(quoted(reason),
      reason == "stop_sequence" and quoted(choice.stopped_by) or "null", details)
end

-- input_tokens is what was neither read from the cache nor written to it.
local function input_json(u)
   return ('"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,'
      .. '"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":%d}'):format(
      u.input - u.cached - u.written, u.written, u.cached, u.written - u.written_1h, u.written_1h)
end

local function output_json(u)
   if u.reasoning == 0 then return ('"output_tokens":%d'):format(u.output) end
   return ('"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d}'):format(u.output, u.reasoning)
end

local function usage_json(u, output)
   return ('{%s,%s,"service_tier":"standard"}'):format(input_json(u), output)
end

-- ---- blocks ----

local function tool_id(call)
   return call.no_id and "" or (call.id:gsub("^call_", "toolu_01"))
end

local function thinking_block(reply, choice)
   if reply.ask.think.redacted then
      return { type = "redacted_thinking", data = choice.signature("Em", "redacted") }
   end
   local text = choice.shown and choice.reasoning or ""
   return { type = "thinking", text = text, signature = choice.signature("Er", text) }
end

-- What the answer consists of, in order.
local function blocks_of(reply, choice)
   local list = {}
   if choice.reasoning then list[1] = thinking_block(reply, choice) end
   if choice.text ~= "" then list[#list + 1] = { type = "text", text = choice.text } end
   for _, call in ipairs(choice.calls) do list[#list + 1] = { type = "tool_use", call = call } end
   return list
end

local WHOLE = {
   text = function(b) return ('{"type":"text","text":%s}'):format(quoted(b.text)) end,
   thinking = function(b)
      return ('{"type":"thinking","thinking":%s,"signature":%s}'):format(quoted(b.text), quoted(b.signature))
   end,
   redacted_thinking = function(b) return ('{"type":"redacted_thinking",'
      .. '"data":%s}'):format(quoted(b.data)) end,
   tool_use = function(b)
      local input = b.call.arguments
      if not json.decode(input) then input = "{}" end -- empty, or cut by max_tokens
      return ('{"type":"tool_use","id":%s,"name":%s,"input":%s,"caller":{"type":"direct"}}'):format(
         quoted(tool_id(b.call)), quoted(b.call.name), input)
   end,
}

local function message_json(reply, content, stop, usage)
   return ('{"model":%s,"id":"%s","type":"message","role":"assistant","content":[%s],%s,"usage":%s}'):format(
      quoted(reply.model), reply.id, content, stop, usage)
end

function anthropic.whole(reply)
   local choice, list = reply.choices[1], {}
   for i, b in ipairs(blocks_of(reply, choice)) do list[i] = WHOLE[b.type](b) end
   return message_json(reply, table.concat(list, ","), stop_json(choice), usage_json(reply.usage,
      output_json(reply.usage))) .. "\n"
end

-- ---- streamed ----

local function event(kind, data)
   return ("event: %s\ndata: %s\n\n"):format(kind, data)
end

local function delta(index, kind, name, text)
   return event("content_block_delta", ('{"type":"content_block_delta","index":%d,"delta":{"type":"%s",'
      .. '"%s":%s}}'):format(
      index, kind, name, quoted(text)))
end

local START = {
   text = function() return '{"type":"text","text":""}' end,
   thinking = function() return '{"type":"thinking","thinking":"","signature":""}' end,
   redacted_thinking = WHOLE.redacted_thinking,
   tool_use = function(b)
      return ('{"type":"tool_use","id":%s,"name":%s,"input":{},"caller":{"type":"direct"}}'):format(
         quoted(tool_id(b.call)), quoted(b.call.name))
   end,
}

local INSIDE = {
   text = function(b, i, emit)
      for text in tokens.each(b.text) do emit("token", delta(i, "text_delta", "text", text), text) end
   end,
   thinking = function(b, i, emit)
      for text in tokens.each(b.text) do emit("token", delta(i, "thinking_delta", "thinking", text)) end
      emit("token", delta(i, "signature_delta", "signature", b.signature))
   end,
   redacted_thinking = function() end,
   tool_use = function(b, i, emit)
      local arguments = b.call.arguments
      if not b.call.whole then emit("part", delta(i, "input_json_delta", "partial_json", "")) end
      if b.call.whole then
         emit("token", delta(i, "input_json_delta", "partial_json", arguments))
      elseif arguments ~= "{}" then -- without arguments nothing more comes
         for text in tokens.each(arguments) do emit("token", delta(i, "input_json_delta", "partial_json",
            text)) end
      end
   end,
}

function anthropic.stream(reply)
   local choice = reply.choices[1]
   return coroutine.wrap(function()
      local emit = coroutine.yield
      emit("head", event("message_start", ('{"type":"message_start",'
         .. '"message":%s}'):format(message_json(reply, "",
         '"stop_reason":null,"stop_sequence":null,"stop_details":null', usage_json(reply.usage,
            '"output_tokens":1')))))
      for i, b in ipairs(blocks_of(reply, choice)) do
         emit(i == 1 and "head" or "part", event("content_block_start",
            ('{"type":"content_block_start","index":%d,"content_block":%s}'):format(i - 1, START[b.type](b))))
         if i == 1 then emit("head", event("ping", '{"type": "ping"}')) end
         INSIDE[b.type](b, i - 1, emit)
         emit("part", event("content_block_stop", ('{"type":"content_block_stop","index":%d}'):format(i - 1)))
      end
      local u = reply.usage
      emit("finish", event("message_delta", ('{"type":"message_delta","delta":{%s},'
         .. '"usage":{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,'
         .. '%s}}'):format(stop_json(choice),
         u.input - u.cached - u.written, u.written, u.cached, output_json(u))))
      emit("done", event("message_stop", '{"type":"message_stop"}'))
   end)
end

-- ---- what faults need ----

function anthropic.headers(reply)
   return { { "request-id", "req_011C" .. reply.key:sub(1, 20) }, { "anthropic-ratelimit-requests-limit",
      "50" },
      { "anthropic-ratelimit-requests-remaining", "49" } }
end

function anthropic.event_of(reply)
   local index = reply.choices[1].reasoning and 1 or 0
   return function(text) return delta(index, "text_delta", "text", text) end
end

function anthropic.error_event()
   return event("error", '{"type":"error","error":{"details":null,"type":"overloaded_error",'
      .. '"message":"Overloaded"},"request_id":"req_011Csim"}')
end

function anthropic.error_body()
   return anthropic_error.json("overloaded_error", "Overloaded") .. "\n"
end

anthropic.malformed = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'
anthropic.keep_alive = 'event: ping\ndata: {"type": "ping"}\n\n'
anthropic.unfinished = { '"stop_reason":"[%a_]+"', '"stop_reason":null' }
anthropic.nulls = {
   essential = { { '"content":%b[]', '"content":null' }, { '"delta":%b{}', '"delta":null' },
      { '"content_block":%b{}', '"content_block":null' } },
   optional = { { '"cache_creation":%b{}', '"cache_creation":null' }, { '"cache_read_input_tokens":%d+',
      '"cache_read_input_tokens":null' }, { '"caller":%b{}', '"caller":null' } },
}

-- ---- the other paths ----

local function page(body)
   return { status = 200, headers = { { "content-type", "application/json" } }, body = body }
end

anthropic.count = {
   format = "anthropic", fail = anthropic_error.fail, read = anthropic_request.read_count,
   page = function(ask)
      return page(('{"input_tokens":%d}\n'):format(tokens.estimate(ask.bytes)))
   end,
}

local function model_json(m)
   return ('{"type":"model","id":%s,"display_name":%s,"created_at":"2025-01-01T00:00:00Z"}'):format(
      quoted(m.id), quoted("Simulated " .. m.id))
end

function anthropic.list_models()
   local list = {}
   for i, m in ipairs(models.list) do list[i] = model_json(m) end
   return page(('{"data":[%s],"has_more":false,"first_id":%s,"last_id":%s}\n'):format(
      table.concat(list, ","), quoted(models.list[1].id), quoted(models.list[#models.list].id)))
end

function anthropic.one_model(id)
   local m = models.by_id[id]
   return m and page(model_json(m) .. "\n") or anthropic_error.fail("no_model", { name = id })
end

return anthropic
