-- test_door_completions: the older Completions API as clients speak it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local door = require "door.completions"
local fs = require "fs"
local json = require "json"

local function decoded(body)
   local head = {}
   local hub, warnings = door.decode(type(body) == "table" and json.encode(body) or body, head)
   t.ok(hub, tostring(warnings))
   return hub, table.concat(warnings or {}, "; "), head
end

local function refused(body)
   local hub, err = door.decode(type(body) == "table" and json.encode(body) or body, {})
   t.equal(hub, nil)
   return err.code .. " " .. tostring(err.param)
end

t.case("head", function()
   t.equal(door.head '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
      { model = "m", stream = true, include_usage = true })
   t.equal(door.head "{}", { stream = false, include_usage = false })
   for _, body in ipairs { '{"model":7}', '{"model":"m","stream":1}', "{" } do
      local head, err = door.head(body)
      t.equal({ head, err.code }, { nil, "bad_request" })
   end
end)

t.case("decode", function()
   local hub, warnings = decoded { model = "m", prompt = "Once", max_tokens = 9, temperature = 0,
      stop = { "x" },
      n = 1, best_of = 1, logprobs = 2, suffix = json.null, echo = false, seed = 1, stream = true }
   t.equal(hub, { model = "m", messages = { { role = "user", content = "Once" } }, max_tokens = 9,
      temperature = 0,
      stop = { "x" }, logprobs = true, top_logprobs = 2, seed = 1, stream = true })
   t.equal(warnings, "")
   hub, warnings = decoded { prompt = { "Once" }, n = 2, best_of = 3, unheard_of = 1, logprobs = 0 }
   t.equal({ hub.messages[1].content, hub.logprobs, hub.top_logprobs }, { "Once", true, nil })
   for _, warning in ipairs { "changed: n 2 -> 1", "changed: best_of 3 -> 1", "dropped: unheard_of" } do
      t.ok(warnings:find(warning, 1, true), warnings)
   end
   t.equal(refused { model = "m" }, "bad_request prompt")
   t.equal(refused { prompt = { "a", "b" } }, "bad_request prompt")
   t.equal(refused { prompt = { 1, 2 } }, "bad_request prompt")
   t.equal(refused { prompt = { { 1, 2 } } }, "bad_request prompt")
   t.equal(refused { prompt = json.array {} }, "bad_request prompt")
   t.equal(refused { prompt = { json.null } }, "bad_request prompt")
   t.equal(refused { prompt = json.object {} }, "bad_request prompt")
   t.equal(refused { prompt = "a", suffix = "b" }, "bad_request suffix")
   t.equal(refused { prompt = "a", logprobs = "many" }, "bad_request logprobs")
   t.equal(refused { prompt = "a", logprobs = 1, echo = true }, "bad_request logprobs")
   t.equal(refused "[]", "bad_request nil")
   t.equal(refused "{", "bad_request nil")
end)

local META = { id = "abc", created = 5, model = "sim/mini", head = {} }
local USAGE = { input_tokens = 3, cached_tokens = 0, cache_write_tokens = 0, cache_write_1h_tokens = 0,
   output_tokens = 2, reasoning_tokens = 0 }
local LOGPROBS = { content = {
   { token = "né", logprob = -1, top_logprobs = { { token = "né", logprob = -1 }, { token = "x",
      logprob = -2 } } },
   { token = "!", logprob = -3 } } }

t.case("answer", function()
   local body = json.decode(door.answer({ message = { content = "né!" }, finish_reason = "stop",
      usage = USAGE,
      logprobs = LOGPROBS }, META))
   t.equal({ body.id, body.object, body.created, body.model }, { "cmpl-abc", "text_completion", 5,
      "sim/mini" })
   t.equal(body.choices, { { index = 0, text = "né!", finish_reason = "stop", logprobs = {
      tokens = { "né", "!" }, token_logprobs = { -1, -3 }, text_offset = { 0, 2 },
      top_logprobs = { { ["né"] = -1, x = -2 }, {} } } } })
   t.equal({ body.usage.prompt_tokens, body.usage.total_tokens }, { 3, 5 })
   body = json.decode(door.answer({ message = { refusal = "No." }, finish_reason = "tool_calls",
      usage = false },
      { id = "a", created = 1, model = "m", head = { echo = "Q: " } }))
   t.equal(body.choices[1], { index = 0, text = "Q: No.", logprobs = json.null, finish_reason = "stop" })
end)

local function streamed(events, meta)
   local encoder, out = door.encoder(meta), {}
   for _, event in ipairs(events) do out[#out + 1] = encoder:event(event) end
   out[#out + 1] = encoder:finish()
   local list = {}
   for data in table.concat(out):gmatch "data: ([^\n]*)\n\n" do list[#list + 1] = json.decode(data) end
   return list
end

t.case("stream", function()
   local events = { { kind = "reasoning", text = "hm" }, { kind = "logprobs", logprobs = LOGPROBS },
      { kind = "text", text = "né!" }, { kind = "text", text = " x" }, { kind = "text", text = "y",
         choice = 1 },
      { kind = "finish", reason = "length" }, { kind = "usage", usage = USAGE } }
   local list = streamed(events, META)
   t.equal(#list, 3)
   t.equal({ list[1].id, list[1].object, list[1].usage }, { "cmpl-abc", "text_completion", nil })
   t.equal({ list[1].choices[1].text, list[1].choices[1].logprobs.text_offset }, { "né!", { 0, 2 } })
   t.equal(list[2].choices[1], { index = 0, text = " x", logprobs = json.null, finish_reason = json.null })
   t.equal({ list[3].choices[1].text, list[3].choices[1].finish_reason }, { "", "length" })
   list = streamed(events, { id = "a", created = 1, model = "m", include_usage = true,
      head = { echo = "Q" } })
   t.equal({ list[1].choices[1].text, list[1].usage, list[4].usage.total_tokens, #list[4].choices },
      { "Qné!", json.null, 5, 0 })
end)

t.case("recorded requests", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local root, n = t.vectors .. "/provider-fixtures/", 0
   for _, entry in ipairs(json.decode(assert(fs.read(root .. "index.json")))) do
      if entry.endpoint == "completions" then
         local raw = assert(fs.read(root .. entry.request))
         local body, hub = json.decode(raw), decoded(raw)
         local prompt = type(body.prompt) == "table" and body.prompt[1] or body.prompt
         t.equal({ hub.messages[1].content, hub.max_tokens, hub.temperature },
            { prompt, body.max_tokens, body.temperature })
         n = n + 1
      end
   end
   t.ok(n >= 3, "requests: " .. n)
end)
