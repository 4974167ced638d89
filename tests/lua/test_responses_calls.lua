-- test_responses_calls: the Responses API through the engine: recorded streams cut anew, bytes that pass, and
-- clients and providers of other formats on either side.
-- SPDX-License-Identifier: MIT
local t = require "test"
local fs = require "fs"
local json = require "json"
local llm = require "llm"
local provider = require "provider"
local serve = require "serve"

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local function recordings(transport)
   local list = {}
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.endpoint == "responses" and entry.transport == transport and entry.status == 200 then
         list[#list + 1] = entry
      end
   end
   return list
end

local function play(bytes, size, content_type)
   local steps = { { head = 200, headers = "content-type: " .. (content_type or "text/event-stream")
      .. "\r\n" } }
   if size < #bytes // 250 then size = #bytes - size end -- in two pieces: the harness takes some hundred
   for at = 1, #bytes, size do steps[#steps + 1] = { data = bytes:sub(at, at + size - 1) } end
   steps[#steps + 1] = { done = true }
   t.answer(steps)
end

local function read(id, bytes, size)
   t.forget()
   play(bytes, size)
   local stream, err = llm.stream("resp/m", "x", { stream = true })
   t.equal({ id, tostring(err) }, { id, "nil" })
   local reply
   reply, err = stream:reply()
   t.equal({ id, tostring(err) }, { id, "nil" })
   return { reply.text, reply.message, reply.finish_reason, reply.usage }
end

t.case("recorded streams, whole and cut anew", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local list = recordings "sse"
   for _, entry in ipairs(list) do
      local bytes = assert(fs.read(ROOT .. entry.response))
      local whole = read(entry.id, bytes, #bytes)
      t.ok(whole[1] ~= "" or whole[2].tool_calls, entry.id)
      for _, pieces in ipairs { 3, 50, 200 } do
         t.equal({ entry.id, read(entry.id, bytes, #bytes // pieces + 1) }, { entry.id, whole })
      end
      if #bytes < 12000 then -- in two, at every place but the framing's, which C's tests cut
         for at = 1, #bytes - 1, 37 do
            t.equal({ entry.id, at, read(entry.id, bytes, at) }, { entry.id, at, whole })
         end
      end
   end
   t.ok(#list >= 10, "recordings: " .. #list)
end)

local function served(door, body)
   local answer, got = t.client()
   serve.request(answer, { door = door, path = "/v1/x", headers = {} }, body, provider.request(body))
   return got()
end

local ASK = '{"model":"resp/m","stream":%s,"input":"x","previous_response_id":"resp_9"}'

t.case("between client and provider of this API the bytes pass", function()
   if not t.vectors then return t.skip "no VECTORS" end
   for _, entry in ipairs(recordings "sse") do
      local bytes = assert(fs.read(ROOT .. entry.response))
      play(bytes, #bytes // 50 + 1)
      local got = served("responses", ASK:format "true")
      t.equal({ entry.id, got.status, got.ended }, { entry.id, 200, true })
      t.ok(got.body == bytes, entry.id)
      local sent = t.requests()
      t.equal(sent[#sent].body, ASK:format "true":gsub("resp/m", "m"))
   end
   for _, entry in ipairs(recordings "json") do
      local bytes = assert(fs.read(ROOT .. entry.response))
      play(bytes, 4096, "application/json")
      t.ok(served("responses", ASK:format "false").body == bytes, entry.id)
   end
end)

-- ---- other formats on the other side ----

local function texts_of_chat(body)
   local out = ""
   for data in body:gmatch "data: ({[^\n]*)" do
      local choice = json.decode(data).choices[1]
      out = out .. (choice and type(choice.delta.content) == "string" and choice.delta.content or "")
   end
   return out
end

t.case("a client of chat, a provider of this API", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local ask = '{"model":"resp/m","stream":true,"messages":[{"role":"user","content":"x"}]}'
   for _, entry in ipairs(recordings "sse") do
      local bytes = assert(fs.read(ROOT .. entry.response))
      local wanted = read(entry.id, bytes, #bytes)
      play(bytes, 1000)
      local got = served("openai", ask)
      t.equal({ entry.id, got.status, texts_of_chat(got.body) },
         { entry.id, 200, wanted[2].content ~= json.null and wanted[2].content or "" })
      t.ok(got.body:find('"finish_reason":"' .. wanted[3], 1, true), entry.id)
   end
   t.equal(t.sent(#t.requests()), { model = "m", stream = true, store = false,
      input = { { type = "message", role = "user", content = "x" } } })
end)

t.case("a client of this API, a provider of chat", function()
   t.stream { t.delta { reasoning_content = "hm" }, t.delta { content = "Hel" }, t.delta({ content = "lo" },
      "stop") }
   local got = served("responses", '{"model":"sim/mini","stream":true,"input":"x","instructions":"i"}')
   t.equal(got.status, 200)
   local kinds = {}
   for kind in got.body:gmatch "event: response%.([^\n]*)" do kinds[#kinds + 1] = kind end
   t.equal(table.concat(kinds, " "), "created in_progress output_item.added reasoning_summary_part.added "
      .. "reasoning_summary_text.delta reasoning_summary_text.done reasoning_summary_part.done "
      .. "output_item.done output_item.added content_part.added output_text.delta output_text.delta "
      .. "output_text.done "
      .. "content_part.done output_item.done completed")
   t.equal(t.sent(1).messages, { { role = "system", content = "i" }, { role = "user", content = "x" } })
   t.reply(200, t.completion("Hi", { id = "x" }))
   got = served("responses", '{"model":"sim/mini","input":"x"}')
   local body = json.decode(got.body)
   t.equal({ body.output[1].content[1].text, body.usage.input_tokens, body.id }, { "Hi", 1000, "resp_trace"
      .. body.id:match "%d+$" })
   got = served("responses", '{"model":"sim/mini","input":"x","previous_response_id":"resp_1"}')
   t.equal({ got.code, got.status }, { "bad_request", got.status })
end)

t.case("a response that failed after it was created is an error before anything was sent", function()
   local created = 'event: response.created\n'
      .. 'data: {"type":"response.created","response":{"status":"in_progress"}}\n\n'
   local failed = 'event: response.failed\ndata: {"type":"response.failed","response":{"status":"failed",'
      .. '"error":{"code":"rate_limit_exceeded","message":"slow"}}}\n\n'
   play(created .. failed, 100)
   local stream, err = llm.stream("resp/m", "x", { stream = true })
   t.equal({ stream, err.code, err.retryable }, { nil, "rate_limited", true })
   t.forget()
   play(created .. 'event: error\n'
      .. 'data: {"type":"error","code":"server_error","message":"m","param":null}\n\n', 100)
   stream, err = llm.stream("resp/m", "x", { stream = true })
   t.equal({ stream, err.code }, { nil, "unavailable" })
   t.forget()
   t.reply(200, { object = "response", status = "failed", output = json.array {},
      error = { code = "server_error", message = "m" } })
   local reply
   reply, err = llm.chat("resp/m", "x")
   t.equal({ reply, err.code }, { nil, "unavailable" })
   t.forget()
   play(created, 100) -- and then nothing
   stream, err = llm.stream("resp/m", "x", { stream = true })
   t.equal({ stream, err.retryable }, { nil, true })
end)
