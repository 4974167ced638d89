-- test_door_ollama: Ollama's API as a client speaks it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.ollama"
local door = require "door.ollama"
local fs = require "fs"
local json = require "json"

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local CHAT, GENERATE = { path = "/api/chat" }, { path = "/api/generate" }

local function decode(body, route)
   local text = type(body) == "table" and json.encode(body) or body
   local head, err = door.head(text, route or CHAT)
   if not head then return nil, err end
   return door.decode(text, head, route or CHAT)
end

local function user(content)
   return { role = "user", content = content }
end

t.case("head", function()
   local head = door.head('{"model":"sim/mini:latest","messages":[{"role":"user"}]}', CHAT)
   t.equal(head, { model = "sim/mini", stream = true, include_usage = true, generate = false,
      rewrite = false })
   t.equal(door.head('{"model":"m","prompt":"x","stream":false}', GENERATE),
      { model = "m", stream = false, include_usage = true, generate = true, rewrite = true })
   for _, body in ipairs { "{}", '{"model":7}', '{"model":""}', '{"model":"m","stream":"no"}' } do
      t.equal(select(2, door.head(body, CHAT)).code, "bad_request")
   end
   for _, body in ipairs { '{"model":"m"}', '{"model":"m","messages":[]}', '{"model":"m","messages":[ ]}' } do
      t.equal(json.decode(door.head(body, CHAT).instant).done_reason, "load")
   end
   t.equal(json.decode(door.head('{"model":"m","prompt":""}', GENERATE).instant).response, "")
end)

t.case("decode: messages", function()
   local req, warnings = decode { model = "m", messages = {
      { role = "system", content = "Be brief." },
      { role = "user", content = "See", images = { "iVBORw0KGgoAAAA", "/9j/4AAQ" } },
      { role = "assistant", content = "", thinking = "hm", tool_calls = {
         { ["function"] = { name = "f", arguments = { a = 1 } } },
         { id = "own", ["function"] = { name = "g", arguments = json.object {} } } } },
      { role = "tool", content = "1", tool_name = "f" },
      { role = "tool", content = "2", tool_name = "g", tool_call_id = "own" },
      { role = "assistant", content = "Done" }, user "Thanks" } }
   t.equal(warnings, {})
   local calls = req.messages[3].tool_calls
   t.ok(calls[1].id:find "^[%w_-]+$", calls[1].id)
   t.equal({ calls[1]["function"], calls[2].id }, { { name = "f", arguments = '{"a":1}' }, "own" })
   t.equal({ req.messages[4].tool_call_id, req.messages[5].tool_call_id }, { calls[1].id, "own" })
   t.equal({ req.messages[3].reasoning_content, req.messages[3].content }, { "hm", json.null })
   t.equal(req.messages[2].content, { { type = "text", text = "See" },
      { type = "image_url", image_url = { url = "data:image/png;base64,iVBORw0KGgoAAAA" } },
      { type = "image_url", image_url = { url = "data:image/jpeg;base64,/9j/4AAQ" } } })
   t.equal({ req.model, req.stream, #req.messages }, { "m", true, 7 })
end)

t.case("decode: settings", function()
   local function of(body)
      body.model, body.messages, body.stream = "m", { user "x" }, false
      local req, warnings = decode(body)
      req.model, req.messages = nil, nil
      return req, warnings
   end
   t.equal(of { options = { temperature = 0.5, top_p = 0.1, top_k = 2, seed = 3, stop = { "a" },
      num_predict = 7,
      num_ctx = 8192, repeat_penalty = 1.1, presence_penalty = 1 }, keep_alive = "5m", logprobs = true,
      top_logprobs = 2 }, { temperature = 0.5, top_p = 0.1, top_k = 2, seed = 3, stop = { "a" },
         max_tokens = 7,
      presence_penalty = 1, logprobs = true, top_logprobs = 2, native = { format = "ollama",
      keep_alive = "5m", options = { num_ctx = 8192, repeat_penalty = 1.1 } } })
   t.equal(of { options = { num_predict = -1 }, format = "", keep_alive = json.null }, {})
   t.equal(of({ format = "json" }).response_format, { type = "json_object" })
   t.equal(of({ format = { type = "object" } }).response_format.json_schema.schema, { type = "object" })
   t.equal(of { think = true }, { reasoning = { enabled = true } })
   t.equal(of { think = false }, { reasoning = { enabled = false } })
   t.equal(of { think = "high" }, { reasoning = { enabled = true }, reasoning_effort = "high" })
   local tools = { { type = "function", ["function"] = { name = "f", parameters = { type = "object" } } } }
   t.equal(of({ tools = tools }).tools, tools)
   t.equal(of { newer = 1 }, { native = { format = "ollama", newer = 1 } })
end)

t.case("decode: generate", function()
   local req, warnings = decode({ model = "m", prompt = "Hi", system = "Be brief.", images = { "/9j/" },
      suffix = "x", raw = true, context = { 1, 2 } }, GENERATE)
   t.equal(req.messages, { { role = "system", content = "Be brief." }, { role = "user", content = {
      { type = "text", text = "Hi" }, { type = "image_url",
         image_url = { url = "data:image/jpeg;base64,/9j/" } } } } })
   t.equal(warnings, { "dropped: suffix", "dropped: raw", "dropped: context" })
end)

t.case("decode: nothing raises", function()
   local head = { model = "m" }
   for _, body in ipairs { "[]", "7", "{}", '{"messages":7}', '{"messages":[7]}', '{"messages":{"a":1}}' } do
      local req, err = door.decode(body, head)
      t.equal(body .. tostring(req), body .. "nil")
      t.equal(err.code, "bad_request")
   end
   for _, odd in ipairs { "null", "7", '"x"', "[]", "{}", "[7]", "[[]]", '[{"a":1}]', '{"a":1}', "true" } do
      for _, name in ipairs { "tools", "options", "format", "think", "keep_alive", "top_logprobs",
         "logprobs" } do
         local body = ('{"messages":[{"role":"user","content":"x"}],"%s":%s}'):format(name, odd)
         t.ok(pcall(door.decode, body, head), body)
      end
      for _, name in ipairs { "role", "content", "images", "thinking", "tool_calls", "tool_name",
         "tool_call_id" } do
         for _, role in ipairs { "user", "assistant", "tool" } do
            local body = ('{"messages":[{"role":"%s","%s":%s}]}'):format(role, name, odd)
            t.ok(pcall(door.decode, body, head), body)
         end
      end
      for _, name in ipairs { "prompt", "system", "images", "context", "suffix", "raw" } do
         t.ok(pcall(door.decode, ('{"%s":%s}'):format(name, odd), { model = "m", generate = true }),
            name .. odd)
      end
   end
end)

-- ---- answers ----

local USAGE = { input_tokens = 3, cached_tokens = 0, output_tokens = 7, reasoning_tokens = 0 }

local function meta(generate)
   return { id = "abc", created = 7, model = "sim/mini", head = { model = "sim/mini", generate = generate } }
end

local MESSAGE = { content = "Hi", reasoning_content = "hm", tool_calls = {
   { id = "c1", ["function"] = { name = "f", arguments = '{"a":1}' } } } }

t.case("answer", function()
   local body = json.decode(door.answer({ finish_reason = "tool_calls", usage = USAGE, message = MESSAGE,
      latency = 2, logprobs = { content = { { token = "Hi", logprob = -1 } } } }, meta()))
   t.equal(body, { model = "sim/mini", created_at = "1970-01-01T00:00:07.000Z", done = true,
      done_reason = "stop",
      message = { role = "assistant", content = "Hi", thinking = "hm", tool_calls = { { id = "c1",
         ["function"] = { index = 0, name = "f", arguments = { a = 1 } } } } },
      logprobs = { { token = "Hi", logprob = -1 } }, total_duration = 2000000000, load_duration = 0,
      prompt_eval_count = 3, prompt_eval_duration = 1, eval_count = 7, eval_duration = 1999999999 })
   body = json.decode(door.answer({ finish_reason = "length", usage = false, latency = false,
      message = { content = json.null, refusal = "No." } }, meta(true)))
   t.equal({ body.response, body.done_reason, body.message, body.eval_count }, { "No.", "length", nil, nil })
end)

local function stream(events, generate)
   local encoder, out = door.encoder(meta(generate)), {}
   for _, event in ipairs(events) do out[#out + 1] = encoder:event(event) end
   out[#out + 1] = encoder:finish()
   local lines = {}
   for line in (table.concat(out) .. door.stream_end):gmatch "([^\n]*)\n" do
      lines[#lines + 1] = assert(json.decode(line))
   end
   return lines
end

t.case("streams", function()
   local events = {
      { kind = "reasoning", text = "hm" }, { kind = "logprobs",
         logprobs = { content = { { token = "Hé" } } } },
      { kind = "text", text = "Hé" },
      { kind = "tool_call", index = 0, id = "c1", name = "f", arguments = '{"a"' },
      { kind = "tool_call", index = 0, arguments = ":1}" },
      { kind = "tool_call", index = 1, id = "c2", name = "g", arguments = "" },
      { kind = "text", text = "other", choice = 1 },
      { kind = "finish", reason = "tool_calls" }, { kind = "usage", usage = USAGE },
   }
   local lines = stream(events)
   t.equal(#lines, 5)
   t.equal(lines[1].message, { role = "assistant", content = "", thinking = "hm" })
   t.equal({ lines[2].message, lines[2].logprobs, lines[2].done },
      { { role = "assistant", content = "Hé" }, { { token = "Hé" } }, false })
   t.equal(lines[3].message.tool_calls, { { id = "c1",
      ["function"] = { index = 0, name = "f", arguments = { a = 1 } } } })
   t.equal(lines[4].message.tool_calls[1]["function"], { index = 1, name = "g", arguments = {} })
   local last = lines[5]
   t.equal({ last.done, last.done_reason, last.prompt_eval_count, last.eval_count, last.message },
      { true, "stop", 3, 7, { role = "assistant", content = "" } })
   lines = stream(events, true)
   t.equal({ lines[1].thinking, lines[1].response, lines[2].response, lines[#lines].response },
      { "hm", "", "Hé", "" })
   t.equal(json.decode(door.ping({ model = "m" })).message.content, "")
   t.equal(json.decode(door.ping({ model = "m", generate = true })).response, "")
end)

-- ---- pages ----

local function page(name, body)
   local got = {}
   local answer = {
      reply = function(_, status, _, _, text) got.status, got.body = status, json.decode(text) end,
      fail = function(_, err) got.err = err end,
   }
   local all = { { id = "auto", owner = "baton" }, { id = "sim/mini", owner = "sim",
      entry = { context = 32000, capabilities = { "tools", "json", "vision" } } } }
   door.pages[name](answer, { body = body, route = {}, list = function() return all end,
      find = function(id)
         if id == "sim/mini" then return all[2] end
         return nil, { code = "not_found" }
      end })
   return got
end

t.case("pages", function()
   t.ok(page("version").body.version:find "^%d+%.%d+%.%d+$", "version")
   local tags = page("tags").body.models
   t.equal({ #tags, tags[2].name, tags[2].model, tags[2].details.family }, { 2, "sim/mini", "sim/mini",
      "sim" })
   t.equal(page("ps").body, { models = {} })
   local show = page("show", '{"model":"sim/mini:latest"}').body
   t.equal({ show.capabilities, show.model_info["baton.context_length"] },
      { { "completion", "tools", "vision" }, 32000 })
   t.equal(page("show", '{"name":"y"}').err.code, "not_found")
   t.equal(page("show", "{}").err.code, "bad_request")
   for _, body in ipairs { "{}", '{"model":"m"}', '{"model":"m","input":[]}', '{"model":"m","input":[7]}' } do
      t.equal(page("embed", body).err.code, "bad_request")
      t.equal(page("embeddings", body).err.code, "bad_request")
   end
end)

-- ---- recordings ----

-- Without what says nothing.
local function plain(body)
   for name, value in pairs(body) do
      if value == json.null or value == "" or type(value) == "table"
         and next(value) == nil then body[name] = nil end
   end
   body.stream = body.stream ~= false
   return body
end

t.case("recorded requests, read and written again", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.provider == "ollama" and entry.endpoint == "api_chat" then
         n = n + 1
         local text = assert(fs.read(ROOT .. entry.request))
         local head = door.head(text, CHAT)
         local req, warnings = door.decode(text, head)
         t.equal({ entry.id, warnings }, { entry.id, {} })
         local again, told = codec.encode(req, { model = json.decode(text).model, stream = head.stream,
            facts = {} })
         t.equal({ entry.id, told }, { entry.id, {} })
         t.equal({ entry.id, plain(json.decode(again)) }, { entry.id, plain(json.decode(text)) })
      end
   end
   t.ok(n >= 6, "requests: " .. n)
end)

t.case("recorded answers, read and written again", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local n = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      if entry.provider == "ollama" and entry.status == 200 and entry.id:find "api_chat.*%-%d$"
         and entry.transport == "json" then
         n = n + 1
         local view = codec.decode(assert(fs.read(ROOT .. entry.response)))
         local again = codec.decode(door.answer(view, meta()))
         t.equal({ entry.id, again.message, again.finish_reason }, { entry.id, view.message,
            view.finish_reason })
      end
   end
   t.ok(n >= 4, "answers: " .. n)
end)
