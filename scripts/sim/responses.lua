-- responses: the wire format of OpenAI's Responses, as the provider writes it.
-- SPDX-License-Identifier: MIT
local dice = require "sim.dice"
local json = require "json"
local openai_error = require "sim.openai_error"
local responses_request = require "sim.responses_request"
local tokens = require "sim.tokens"

local responses = {
   format = "responses", prefix = "resp_0", stream_type = "text/event-stream; charset=utf-8",
   odd_finish = "something_new", fail = openai_error.fail, read = responses_request.read,
}

local quoted = json.encode

-- ---- the response object ----

local function or_null(v)
   return v ~= nil and quoted(v) or "null"
end

local function usage_json(u)
   return ('{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d},"output_tokens":%d,'
      .. '"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'):format(u.input, u.cached,
      u.output,
      u.reasoning, u.input + u.output)
end

-- status, and what belongs to it: output, usage, error and incomplete_details as JSON.
local function response_json(reply, status, more)
   local body, out = reply.ask.body, {}
   local reasoning = type(body.reasoning) == "table" and body.reasoning or {}
   local format = type(body.text) == "table" and type(body.text.format) == "table" and body.text.format
   local function add(name, text) out[#out + 1] = ('"%s":%s'):format(name, text) end
   local function echo(name, default)
      local v = body[name]
      add(name, or_null(v == nil and default or v))
   end
   add("id", quoted(reply.id))
   add("object", '"response"')
   add("created_at", reply.created)
   add("status", quoted(status))
   add("background", "false")
   add("completed_at", status == "completed" and reply.created + 1 or "null")
   add("error", more.error or "null")
   add("incomplete_details", more.incomplete or "null")
   echo("instructions")
   echo("max_output_tokens")
   echo("max_tool_calls")
   add("model", quoted(reply.model))
   add("output", "[" .. (more.output or "") .. "]")
   add("parallel_tool_calls", tostring(reply.ask.parallel))
   echo("previous_response_id")
   echo("prompt_cache_key")
   add("reasoning", ('{"effort":%s,"summary":%s}'):format(or_null(reasoning.effort),
      or_null(reasoning.summary)))
   echo("safety_identifier")
   add("service_tier", '"default"')
   add("store", tostring(reply.ask.stored))
   echo("temperature", 1.0)
   add("text", ('{"format":%s,"verbosity":"medium"}'):format(quoted(format or { type = "text" })))
   echo("tool_choice", "auto")
   echo("tools", json.array {})
   echo("top_logprobs", 0)
   echo("top_p", 1.0)
   echo("truncation", "disabled")
   add("usage", more.usage or "null")
   echo("user")
   echo("metadata", json.object {})
   return "{" .. table.concat(out, ",") .. "}"
end

-- ---- output items ----

-- The ids of a choice's items say what they need: "rs_0s" was stored, "fc_0r" belongs to thoughts.
local function ids_of(reply, choice)
   local thoughts = choice.reasoning and choice.signature(reply.ask.stored and "rs_0s" or "rs_0n", "")
   return {
      reasoning = thoughts, message = "msg_0" .. reply.key,
      call = function(i) return ("fc_0%s%s%02d"):format(thoughts and "r" or "n", reply.key, i) end,
   }
end

local function items_of(reply, choice)
   local ids, list = ids_of(reply, choice), {}
   if choice.reasoning then
      list[1] = { kind = "reasoning", id = ids.reasoning, text = choice.shown and choice.reasoning or nil,
         encrypted = reply.ask.encrypted and choice.signature("gAAAAA", ids.reasoning) or nil }
   end
   if choice.text ~= "" or #choice.calls == 0 then
      list[#list + 1] = { kind = "message", id = ids.message, text = choice.text }
   end
   for i, call in ipairs(choice.calls) do list[#list + 1] = { kind = "call", id = ids.call(i),
      call = call } end
   return list
end

local function part_json(text)
   return ('{"type":"output_text","annotations":[],"logprobs":[],"text":%s}'):format(quoted(text))
end

local JSON = {}

-- status: "completed", or "in_progress" for an item that only begins.
function JSON.message(item, status)
   return ('{"id":"%s","type":"message","status":"%s","content":[%s],"role":"assistant"}'):format(item.id,
      status,
      status == "in_progress" and "" or part_json(item.text))
end

function JSON.reasoning(item, status)
   local summary = item.text and status ~= "in_progress" and ('{"type":"summary_text","text":%s}'):format(
      quoted(item.text)) or ""
   return ('{"id":"%s","type":"reasoning","content":[],%s"summary":[%s]}'):format(item.id, item.encrypted
      and '"encrypted_content":' .. quoted(item.encrypted) .. "," or "", summary)
end

function JSON.call(item, status)
   return ('{"id":"%s","type":"function_call","status":"%s","arguments":%s,%s"name":%s}'):format(item.id,
      status,
      quoted(status == "in_progress" and "" or item.call.arguments),
      item.call.no_id and "" or '"call_id":' .. quoted(item.call.id) .. ",", quoted(item.call.name))
end

local INCOMPLETE = { length = "max_output_tokens", content_filter = "content_filter" }
local COMPLETE = { stop = true, tool_calls = true }

-- The status at the end, and the whole response in it.
local function final(reply)
   local choice, out = reply.choices[1], {}
   local status = COMPLETE[choice.finish] and "completed" or "incomplete"
   for i, item in ipairs(items_of(reply, choice)) do out[i] = JSON[item.kind](item, status) end
   local reason = INCOMPLETE[choice.finish] or choice.finish
   return status, response_json(reply, status, {
      output = table.concat(out, ","), usage = usage_json(reply.usage),
      incomplete = status == "incomplete" and ('{"reason":%s}'):format(quoted(reason)) or nil,
   })
end

function responses.whole(reply)
   local _, body = final(reply)
   return body .. "\n"
end

-- ---- streamed ----

-- emit(kind, type, members, text): an event of its type, numbered.
local function emitter()
   local n = -1
   return function(kind, name, members, text)
      n = n + 1
      coroutine.yield(kind, ('event: %s\ndata: {"type":"%s",%s,"sequence_number":%d}\n\n'):format(name, name,
         members, n),
         text)
   end
end

-- A fragment, and the padding that hides its length from those who watch the line.
local function delta_json(item, text)
   local padding = item.plain and "" or ',"obfuscation":' .. quoted(dice.id(8, item.id, text))
   return ',"delta":' .. quoted(text) .. padding
end

local INSIDE = {}

function INSIDE.message(item, where, emit)
   emit("part", "response.content_part.added", where .. ',"content_index":0,"part":' .. part_json(""))
   for text in tokens.each(item.text) do
      emit("token", "response.output_text.delta", where .. ',"content_index":0,"logprobs":[]'
         .. delta_json(item, text), text)
   end
   emit("part", "response.output_text.done", where .. ',"content_index":0,"logprobs":[],"text":'
      .. quoted(item.text))
   emit("part", "response.content_part.done", where .. ',"content_index":0,"part":' .. part_json(item.text))
end

function INSIDE.reasoning(item, where, emit)
   if not item.text then return end
   where = where .. ',"summary_index":0'
   emit("part", "response.reasoning_summary_part.added", where .. ',"part":{"type":"summary_text","text":""}')
   for text in tokens.each(item.text) do
      emit("token", "response.reasoning_summary_text.delta", where .. delta_json(item, text))
   end
   emit("part", "response.reasoning_summary_text.done", where .. ',"text":' .. quoted(item.text))
   emit("part", "response.reasoning_summary_part.done", where .. ',"part":{"type":"summary_text","text":'
      .. quoted(item.text) .. "}")
end

function INSIDE.call(item, where, emit)
   local arguments = item.call.arguments
   for text in tokens.each(item.call.whole and "" or arguments) do
      emit("token", "response.function_call_arguments.delta", where .. delta_json(item, text))
   end
   emit(item.call.whole and "token" or "part", "response.function_call_arguments.done", where
      .. ',"arguments":'
      .. quoted(arguments))
end

function responses.stream(reply)
   return coroutine.wrap(function()
      local emit, choice = emitter(), reply.choices[1]
      local begun = '"response":' .. response_json(reply, "in_progress", {})
      emit("head", "response.created", begun)
      emit("head", "response.in_progress", begun)
      for i, item in ipairs(items_of(reply, choice)) do
         item.plain = reply.ask.plain
         local at = ('"output_index":%d'):format(i - 1)
         local where = ('"item_id":"%s",%s'):format(item.id, at)
         emit("part", "response.output_item.added", at .. ',"item":' .. JSON[item.kind](item, "in_progress"))
         INSIDE[item.kind](item, where, emit)
         emit("part", "response.output_item.done", at .. ',"item":' .. JSON[item.kind](item, "completed"))
      end
      local status, whole = final(reply)
      emit("finish", "response." .. status, '"response":' .. whole)
   end)
end

-- ---- what is remembered, for previous_response_id ----

local KEPT = 256

function responses.remember(server, ask, reply)
   if not ask.stored then return end
   local memory = server.memory.responses or {}
   server.memory.responses, server.memory.order = memory, server.memory.order or {}
   local turns, calls, choice = ask.turns, {}, reply.choices[1]
   turns[#turns + 1] = { role = "assistant", text = choice.text }
   for i, call in ipairs(choice.calls) do calls[i] = call.id end
   memory[reply.id] = { turns = turns, calls = calls }
   table.insert(server.memory.order, reply.id)
   if #server.memory.order > KEPT then memory[table.remove(server.memory.order, 1)] = nil end
end

-- ---- what faults need ----

function responses.headers(reply)
   return { { "x-request-id", "req_" .. reply.key } }
end

function responses.event_of(reply)
   local at = ('"item_id":"msg_0%s","output_index":%d,"content_index":0'):format(reply.key,
      reply.choices[1].reasoning and 1 or 0)
   return function(text)
      return ('event: response.output_text.delta\ndata: {"type":"response.output_text.delta",%s,'
         .. '"logprobs":[],"delta":%s,"sequence_number":9}\n\n'):format(at, quoted(text))
   end
end

local function error_members(message)
   return ('{"code":"server_error","message":%s}'):format(quoted(message))
end

function responses.error_event(_, message)
   return ('event: error\ndata: {"type":"error","code":"server_error","message":%s,"param":null,'
      .. '"sequence_number":9}\n\n')
      :format(quoted(message))
end

function responses.failed_event(reply, message)
   return ('event: response.failed\ndata: {"type":"response.failed","response":%s,'
      .. '"sequence_number":2}\n\n'):format(
      response_json(reply, "failed", { error = error_members(message) }))
end

function responses.error_body(reply, message)
   return response_json(reply, "failed", { error = error_members(message) }) .. "\n"
end

responses.malformed = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del\n\n'
responses.keep_alive = ": keep-alive\n\n"
responses.unfinished = { '"status":"completed"', '"status":"in_progress"' }
responses.nulls = {
   essential = { { '"output":%b[]', '"output":null' }, { '"item":%b{}', '"item":null' }, { '"delta":"[^"]*"',
      '"delta":null' } },
   optional = { { '"annotations":%[%]', '"annotations":null' }, { '"logprobs":%[%]', '"logprobs":null' },
      { '"usage":%b{}', '"usage":null' } },
}

return responses
