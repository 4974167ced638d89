-- ollama: the wire format of Ollama's own API, as the server writes it.
-- SPDX-License-Identifier: MIT
local json = require "json"
local models = require "sim.models"
local ollama_error = require "sim.ollama_error"
local ollama_request = require "sim.ollama_request"
local tokens = require "sim.tokens"

local ollama = {
   format = "ollama", prefix = "", stream_type = "application/x-ndjson", odd_finish = "unload",
   fail = ollama_error.fail, read = ollama_request.read, truncates = true,
}

local quoted = json.encode

local FINISH = { stop = "stop", length = "length", tool_calls = "stop", content_filter = "stop" }

local function time_of(reply)
   return os.date("!%Y-%m-%dT%H:%M:%S", reply.created) .. ".123456Z"
end

local function head_json(reply)
   return ('{"model":%s,"created_at":"%s",'):format(quoted(reply.ask.asked), time_of(reply))
end

-- The members of the last line; times in nanoseconds.
local function last_json(reply)
   local u = reply.usage
   local finish = reply.ask.load and "load" or FINISH[reply.choices[1].finish] or reply.choices[1].finish
   return ('"done":true,"done_reason":%s,"total_duration":%d,"load_duration":1631208,'
      .. '"prompt_eval_count":%d,"prompt_eval_duration":%d,"eval_count":%d,'
      .. '"eval_duration":%d}'):format(quoted(finish),
      1631208 + u.input * 100000 + u.output * 30000000, u.input, u.input * 100000, u.output,
      u.output * 30000000)
end

local function calls_json(choice)
   local list = {}
   for i, call in ipairs(choice.calls) do
      local arguments = json.decode(call.arguments) and call.arguments or "{}"
      list[i] = ('{%s"function":{"index":%d,"name":%s,"arguments":%s}}'):format(
         call.no_id and "" or '"id":' .. quoted(call.id) .. ",", i - 1, quoted(call.name), arguments)
   end
   return ',"tool_calls":[' .. table.concat(list, ",") .. "]"
end

local function message_json(content, thinking, calls)
   return ('"message":{"role":"assistant","content":%s%s%s}'):format(quoted(content),
      thinking and ',"thinking":' .. quoted(thinking) or "", calls or "")
end

local function thoughts_of(choice)
   return choice.reasoning and choice.shown and choice.reasoning or nil
end

function ollama.whole(reply)
   local choice = reply.choices[1]
   return head_json(reply) .. message_json(choice.text, thoughts_of(choice), #choice.calls > 0
      and calls_json(choice))
      .. "," .. last_json(reply) .. "\n"
end

-- 'say' makes the member that holds a piece: content, thinking or calls.
local function lines(reply, say)
   local choice, head = reply.choices[1], head_json(reply)
   return coroutine.wrap(function()
      local function line(content, thinking, calls)
         return head .. say(content, thinking, calls) .. ',"done":false}\n'
      end
      local emit = coroutine.yield
      for text in tokens.each(thoughts_of(choice) or "") do emit("token", line("", text)) end
      for text in tokens.each(choice.text) do emit("token", line(text), text) end
      if #choice.calls > 0 then emit("token", line("", nil, calls_json(choice))) end
      emit("finish", head .. say("") .. "," .. last_json(reply))
      return nil
   end)
end

function ollama.stream(reply)
   local source = lines(reply, message_json)
   return function()
      local kind, data, text = source()
      if kind == "finish" then data = data .. "\n" end
      return kind, data, text
   end
end

function ollama.token_total(reply)
   local choice = reply.choices[1]
   return tokens.count(choice.text) + tokens.count(thoughts_of(choice) or "") + (#choice.calls > 0 and 1 or 0)
end

-- ---- what faults need ----

function ollama.headers()
   return {}
end

function ollama.event_of(reply)
   return function(text) return head_json(reply) .. message_json(text) .. ',"done":false}\n' end
end

local BROKEN = ollama_error.json("an error was encountered while running the model: unexpected EOF") .. "\n"

function ollama.error_event() return BROKEN end
function ollama.error_body() return BROKEN end

ollama.malformed = '{"model":"mini","created_at":"2025-01-01T00:00:00Z","message":{"ro\n'
ollama.keep_alive = "\n"
ollama.unfinished = { '"done":true,"done_reason":"%a+"', '"done":false' }
ollama.nulls = {
   essential = { { '"message":%b{}', '"message":null' }, { '"response":"[^"]*"', '"response":null' } },
   optional = { { '"role":"assistant"', '"role":"assistant","tool_calls":null,"thinking":null,'
      .. '"images":null' },
      { '"load_duration":%d+', '"load_duration":null' } },
}

-- ---- the other paths ----

local function response_json(content, thinking)
   return ('"response":%s%s'):format(quoted(content), thinking and ',"thinking":' .. quoted(thinking) or "")
end

ollama.generate = setmetatable({
   read = ollama_request.read_generate,
   whole = function(reply)
      local choice = reply.choices[1]
      return head_json(reply) .. response_json(choice.text, thoughts_of(choice)) .. ',"context":[1,2,3],'
         .. last_json(reply) .. "\n"
   end,
   stream = function(reply)
      local source = lines(reply, response_json)
      return function()
         local kind, data, text = source()
         if kind == "finish" then data = data:gsub('"done":true', '"context":[1,2,3],%0') .. "\n" end
         return kind, data, text
      end
   end,
   event_of = function(reply)
      return function(text) return head_json(reply) .. response_json(text) .. ',"done":false}\n' end
   end,
}, { __index = ollama })

local function page(body)
   return { status = 200, headers = { { "content-type", "application/json; charset=utf-8" } }, body = body
      .. "\n" }
end

local DETAILS = '{"parent_model":"","format":"gguf","family":"sim","families":["sim"],'
   .. '"parameter_size":"1B","quantization_level":"Q4_K_M"}'

function ollama.tags()
   local list = {}
   for i, m in ipairs(models.all) do
      list[i] = ('{"name":%s,"model":%s,"modified_at":"2025-01-01T00:00:00Z","size":1000000,'
         .. '"digest":"%064x","details":%s}')
         :format(quoted(m.id .. ":latest"), quoted(m.id .. ":latest"), i, DETAILS)
   end
   return page('{"models":[' .. table.concat(list, ",") .. "]}")
end

function ollama.version()
   return page('{"version":"0.12.6"}')
end

ollama.show = {
   format = "ollama", fail = ollama_error.fail, read = ollama_request.read_show,
   page = function(ask)
      local can = ask.model.embeds and '"embedding"' or '"completion","vision","tools","thinking"'
      return page(('{"modelfile":"FROM sim","parameters":"","template":"{{ .Prompt }}","details":%s,'
         .. '"model_info":{"general.architecture":"sim","sim.context_length":%d},"capabilities":[%s],'
         .. '"modified_at":"2025-01-01T00:00:00Z"}'):format(DETAILS, ask.model.context, can))
   end,
}

return ollama
