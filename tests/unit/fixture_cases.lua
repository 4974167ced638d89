-- fixture_cases: what a recorded answer says, read twice: by the codec, and by a few plain lines here.
-- SPDX-License-Identifier: MIT
--
-- test_fixtures.c runs this file with a codec's name, and with a recording as core/call.c played it; the
-- answer is a text that says what is wrong, empty when nothing is. Without a recording it answers with
-- the codec's wire. Where the recording has an expected.json, the plain reading must agree with what the
-- provider's own client library reported.

local json = require "json"

local name, played = ...
local codec = require("codec." .. name)
if not played then return codec.wire end

-- ---- helpers ----

local null = json.null

local function at(value, ...)
   for _, key in ipairs { ... } do
      if type(value) ~= "table" then return nil end
      value = value[key]
   end
   if value == null then return nil end
   return value
end

local function list(value)
   return type(value) == "table" and value or {}
end

local function count(value)
   return type(value) == "number" and value or 0
end

local function last(first, second)
   if second ~= nil then return second end
   return first
end

-- ---- plain readings: { text, calls = { { id, name, arguments = decoded } }, finish, usage, error } ----

-- Arguments as a value; text that is no JSON stays text.
local function value_of(arguments)
   if type(arguments) == "table" then return arguments end
   if arguments == nil or arguments == "" then return {} end
   local value = json.decode(arguments)
   return value == nil and arguments or value
end

local plain = { openai = {}, responses = {}, anthropic = {}, gemini = {}, ollama = {} }

-- OpenAI and its likes

local function openai_text(content)
   if type(content) == "string" then return content end
   local out = {}
   for _, part in ipairs(list(content)) do
      out[#out + 1] = at(part, "type") == "text" and at(part, "text") or nil
   end
   return table.concat(out)
end

local function openai_usage(u)
   if not u then return nil end
   local reasoning = count(at(u, "completion_tokens_details", "reasoning_tokens"))
   local output = count(at(u, "completion_tokens"))
   if count(at(u, "total_tokens")) == count(at(u, "prompt_tokens")) + output + reasoning then
      output = output + reasoning -- xAI counts them beside the others
   end
   return {
      input = count(at(u, "prompt_tokens")), output = output, reasoning = reasoning,
      cached = count(at(u, "prompt_tokens_details", "cached_tokens") or at(u, "prompt_cache_hit_tokens")
         or at(u, "cached_tokens")),
   }
end

function plain.openai.whole(body)
   local choice = at(body, "choices", 1)
   local said = { calls = {}, finish = at(choice, "finish_reason"), usage = openai_usage(at(body, "usage")) }
   said.text = at(choice, "text") or openai_text(at(choice, "message", "content"))
   for _, call in ipairs(list(at(choice, "message", "tool_calls"))) do
      said.calls[#said.calls + 1] = {
         id = at(call, "id"), name = at(call, "function", "name"),
         arguments = value_of(at(call, "function", "arguments")),
      }
   end
   return said
end

function plain.openai.stream(events)
   local said, text, calls, usage = { calls = {} }, {}, {}, nil
   local tokens = at(events[1], "choices", 1, "index") == 1 -- an old TGI: the index counts tokens
   for _, event in ipairs(events) do
      usage = at(event, "usage") or usage
      for _, choice in ipairs(list(at(event, "choices"))) do
         if tokens or count(at(choice, "index")) == 0 then
            text[#text + 1] = at(choice, "text") or openai_text(at(choice, "delta", "content"))
            said.finish = at(choice, "finish_reason") or said.finish
            for position, part in ipairs(list(at(choice, "delta", "tool_calls"))) do
               local index = at(part, "index") or position - 1
               local call = calls[index]
               if not call then
                  call = { arguments = "" }
                  calls[index], said.calls[#said.calls + 1] = call, call
               end
               call.id = call.id or at(part, "id")
               call.name = call.name or at(part, "function", "name")
               call.arguments = call.arguments .. (at(part, "function", "arguments") or "")
            end
         end
      end
   end
   for _, call in ipairs(said.calls) do call.arguments = value_of(call.arguments) end
   said.text, said.usage = table.concat(text), openai_usage(usage)
   return said
end

function plain.openai.reported(expected)
   if expected.text then return { text = expected.text } end -- the older completions
   local choice, usage = at(expected, "choices", "0"), openai_usage(at(expected, "usage"))
   local text = at(choice, "content"):gsub("%[object Object%]", "") -- the library knows no list of parts
   local said = { text = text, finish = at(choice, "finish_reason"), usage = usage, calls = {} }
   for _, call in ipairs(list(at(choice, "tool_calls"))) do
      said.calls[#said.calls + 1] = { id = call.id, name = call.name, arguments = value_of(call.arguments) }
   end
   return said
end

-- OpenAI Responses

local function responses_usage(u)
   if not u then return nil end
   return {
      input = count(at(u, "input_tokens")), output = count(at(u, "output_tokens")),
      cached = count(at(u, "input_tokens_details", "cached_tokens")),
      reasoning = count(at(u, "output_tokens_details", "reasoning_tokens")),
   }
end

local incomplete = { max_output_tokens = "length", content_filter = "content_filter" }

local function responses_items(said, items)
   local text = {}
   for _, item in ipairs(list(items)) do
      for _, part in ipairs(list(at(item, "type") == "message" and at(item, "content"))) do
         text[#text + 1] = at(part, "type") == "output_text" and at(part, "text") or nil
      end
      if at(item, "type") == "function_call" then
         said.calls[#said.calls + 1] = {
            id = at(item, "call_id"), name = at(item, "name"), arguments = value_of(at(item, "arguments")),
         }
      elseif at(item, "type") ~= "message" and at(item, "type") ~= "reasoning" then
         said.others = true -- tools that run at the provider, or of a kind of its own
      end
   end
   said.text = table.concat(text)
end

function plain.responses.whole(response)
   local said = { calls = {}, usage = responses_usage(at(response, "usage")) }
   responses_items(said, at(response, "output"))
   said.finish = #said.calls > 0 and "tool_calls" or "stop"
   if at(response, "status") == "incomplete" then
      said.finish = incomplete[at(response, "incomplete_details", "reason")]
   end
   if at(response, "status") == "failed" then said.error = true end
   return said
end

function plain.responses.stream(events)
   local items, deltas, response = {}, {}, nil
   for _, event in ipairs(events) do
      local kind = at(event, "type")
      if kind == "response.output_text.delta" then deltas[#deltas + 1] = at(event, "delta") end
      if kind == "response.output_item.done" then items[#items + 1] = event.item end
      if kind == "response.completed" or kind == "response.incomplete" or kind == "response.failed" then
         response = event.response
      end
   end
   local said = plain.responses.whole(response)
   if not at(response, "output", 1) then
      said.calls = {}
      responses_items(said, items)
      if #said.calls > 0 then said.finish = "tool_calls" end
   end
   if not response then said.error = true end
   if #deltas > 0 then said.or_text = table.concat(deltas) end -- they differ where a recording was shortened
   return said
end

function plain.responses.reported(expected) return plain.responses.whole(expected.final) end

-- Anthropic

local function anthropic_usage(u)
   if not u then return nil end
   local cached, write = count(at(u, "cache_read_input_tokens")), count(at(u, "cache_creation_input_tokens"))
   return {
      input = count(at(u, "input_tokens")) + cached + write, cached = cached, write = write,
      write_1h = count(at(u, "cache_creation", "ephemeral_1h_input_tokens")),
      output = count(at(u, "output_tokens")),
   }
end

local anthropic_finish = {
   end_turn = "stop", stop_sequence = "stop", max_tokens = "length", model_context_window_exceeded = "length",
   tool_use = "tool_calls", refusal = "content_filter",
}

function plain.anthropic.whole(message)
   local said, text = { calls = {}, usage = anthropic_usage(at(message, "usage")) }, {}
   for _, block in ipairs(list(at(message, "content"))) do
      if at(block, "type") == "text" then text[#text + 1] = block.text end
      if at(block, "type") == "tool_use" then
         said.calls[#said.calls + 1] = { id = block.id, name = block.name, arguments = value_of(block.input) }
      end
   end
   said.text = table.concat(text)
   said.finish = anthropic_finish[at(message, "stop_reason")]
   said.error = not said.finish
   return said
end

function plain.anthropic.stream(events)
   local message, arguments, spliced = nil, {}, false
   for _, event in ipairs(events) do
      local kind, delta = at(event, "type"), at(event, "delta")
      local index = at(event, "index") and event.index + 1
      if kind == "message_start" then
         spliced = message ~= nil
         message, arguments = { content = {}, usage = at(event, "message", "usage") }, {}
      elseif kind == "content_block_start" then
         message.content[index] = event.content_block
      elseif kind == "content_block_delta" then
         local block = message.content[index]
         if at(delta, "type") == "text_delta" then block.text = block.text .. delta.text end
         if at(delta, "type") == "input_json_delta" then
            arguments[index] = (arguments[index] or "") .. delta.partial_json
            block.input = arguments[index]
         end
      elseif kind == "message_delta" then
         message.stop_reason = at(delta, "stop_reason")
         for key, value in pairs(list(at(event, "usage"))) do
            if value ~= null then message.usage[key] = value end
         end
      end
   end
   local said = plain.anthropic.whole(message)
   said.may_fail = spliced -- what a client has seen of the first message cannot be taken back
   return said
end

function plain.anthropic.reported(expected) return plain.anthropic.whole(expected.final) end

-- Gemini

local function gemini_usage(u)
   if not u then return nil end
   local thoughts = count(at(u, "thoughtsTokenCount"))
   return {
      input = count(at(u, "promptTokenCount")) + count(at(u, "toolUsePromptTokenCount")),
      cached = count(at(u, "cachedContentTokenCount")),
      output = count(at(u, "candidatesTokenCount")) + thoughts, reasoning = thoughts,
   }
end

local gemini_finish = {
   STOP = "stop", MAX_TOKENS = "length", SAFETY = "content_filter", RECITATION = "content_filter",
   BLOCKLIST = "content_filter", PROHIBITED_CONTENT = "content_filter", SPII = "content_filter",
}

-- Arguments in pieces: each has a path like $.a.b[0] and a value, or a piece of a text.
local function put_piece(arguments, piece)
   local keys = {}
   for key, index in piece.jsonPath:gmatch "%.?([%w_]*)%[?(%d*)%]?" do
      if key ~= "" then keys[#keys + 1] = key end
      if index ~= "" then keys[#keys + 1] = math.tointeger(tonumber(index)) + 1 end
   end
   local place, key = arguments, keys[#keys]
   for i = 1, #keys - 1 do
      place[keys[i]] = place[keys[i]] or {}
      place = place[keys[i]]
   end
   if at(piece, "stringValue") then
      place[key] = (place[key] or "") .. piece.stringValue
   else
      place[key] = last(at(piece, "numberValue"), at(piece, "boolValue"))
   end
end

local function add_gemini_call(said, call)
   said.calls[#said.calls + 1] = { id = at(call, "id"), name = call.name, arguments = at(call, "args") or {} }
end

local function gemini_part(said, text, part)
   local call = at(part, "functionCall")
   if at(part, "text") and not at(part, "thought") then text[#text + 1] = part.text end
   if not call then return end
   if at(call, "name") then
      add_gemini_call(said, call)
   end
   for _, piece in ipairs(list(at(call, "partialArgs"))) do
      put_piece(said.calls[#said.calls].arguments, piece)
   end
end

function plain.gemini.stream(events)
   local said, text, finish, usage = { calls = {} }, {}, nil, nil
   for _, event in ipairs(events) do
      local candidate = at(event, "candidates", 1)
      for _, part in ipairs(list(at(candidate, "content", "parts"))) do gemini_part(said, text, part) end
      finish = at(candidate, "finishReason") or finish
      usage = at(event, "usageMetadata") or usage
      if at(event, "promptFeedback", "blockReason") then said.error = "content_filter" end
      if at(event, "error") then said.error = true end
   end
   said.text, said.usage = table.concat(text), gemini_usage(usage)
   said.finish = gemini_finish[finish]
   if said.finish == "stop" and #said.calls > 0 then said.finish = "tool_calls" end
   said.error = said.error or not said.finish
   return said
end

-- Without alt=sse a stream is one array of events.
function plain.gemini.whole(body)
   return plain.gemini.stream(body[1] and body or { body })
end

function plain.gemini.reported(expected)
   local said = {
      text = expected.text, finish = gemini_finish[expected.finish_reason], calls = {},
      usage = gemini_usage(at(expected, "usage")),
   }
   for _, call in ipairs(list(expected.function_calls)) do
      add_gemini_call(said, call)
   end
   if said.finish == "stop" and #said.calls > 0 then said.finish = "tool_calls" end
   return said
end

-- Ollama

function plain.ollama.stream(events)
   local said, text, final = { calls = {} }, {}, nil
   for _, event in ipairs(events) do
      text[#text + 1] = at(event, "message", "content")
      for _, call in ipairs(list(at(event, "message", "tool_calls"))) do
         local its = at(call, "function")
         said.calls[#said.calls + 1] = {
            id = at(call, "id"), name = at(its, "name"), arguments = at(its, "arguments"),
         }
      end
      if at(event, "done") then final = event end
   end
   said.text, said.error = table.concat(text), not final
   said.finish = #said.calls > 0 and "tool_calls" or at(final, "done_reason")
   if final then
      said.usage = { input = count(at(final, "prompt_eval_count")), output = count(at(final, "eval_count")) }
   end
   return said
end

function plain.ollama.whole(body) return plain.ollama.stream { body } end

function plain.ollama.reported(expected) return { text = expected.text } end

-- ---- the codec's reading ----

-- What the events of one stream say of the first answer, one by one.
local Sum = {}
Sum.__index = Sum

function Sum:wrong(text)
   self.problems[#self.problems + 1] = text
end

function Sum:add_call(event)
   local said = self.said
   local call = self.calls[event.index]
   if not call then
      if event.index ~= #said.calls then self:wrong("a tool call has the index " .. tostring(event.index)) end
      if not event.id or not event.name then self:wrong "a call's first fragment has no id or no name" end
      call = { id = event.id, name = event.name, arguments = "" }
      self.calls[event.index], said.calls[#said.calls + 1] = call, call
   end
   call.arguments = call.arguments .. (event.arguments or "")
end

function Sum:add(event)
   local said, kind = self.said, event.kind
   if event.choice and event.choice > 0 then return end
   if self.finished and kind ~= "usage" and kind ~= "error" then self:wrong(kind .. " after the finish") end
   if kind == "text" then said.text = said.text .. event.text
   elseif kind == "tool_call" then self:add_call(event)
   elseif kind == "finish" then said.finish, self.finished = event.reason, true
   elseif kind == "usage" then said.usage = event.usage
   elseif kind == "error" then said.error = event.err.code
   end
end

-- The events of one stream, added up.
local function folded(events)
   local said = { calls = {}, text = "" }
   local sum = setmetatable({ said = said, calls = {}, problems = {}, finished = false }, Sum)
   local decode, flush = codec.decoder()
   for i = 1, #events, 2 do
      for _, event in ipairs(decode(events[i + 1], events[i])) do sum:add(event) end
   end
   for _, event in ipairs(flush and flush() or {}) do sum:add(event) end
   for _, call in ipairs(said.calls) do
      if call.arguments == "" then sum:wrong "empty arguments" end
      call.arguments = value_of(call.arguments)
   end
   return said, sum.problems
end

local function header(wanted)
   for line in ("\r\n" .. (played.headers or "")):gmatch "\r\n([^\r\n]*)" do
      local key, value = line:match "^([^:]*): (.*)$"
      if key and key:lower() == wanted then return value end
   end
end

-- What the engine books: by the usage that core/call.c took from the stream.
local function booked_usage()
   if not played.usage and not played.usage_b then return nil end
   local a, b = played.usage, played.usage_b
   return codec.usage(a and json.decode(a), b and json.decode(b))
end

local function read_stream()
   if played.failed then
      if not played.error_event then return { error = played.code }, {} end
      return { error = codec.error(200, played.error_event, header).code }, {}
   end
   local said, problems = folded(played.events)
   return said, problems, booked_usage()
end

local function read_whole()
   local ok, a, b = codec.wire:read(played.body)
   if not ok then
      local body = json.decode(played.body)
      if at(body, "error") then a = codec.error(played.status, played.body, header) end
      return { error = a.code }, {}
   end
   local view, err = codec.decode(played.body)
   if not view then return { error = err.code }, {} end
   local said = { calls = {}, finish = view.finish_reason, text = openai_text(view.message.content) }
   said.usage = (a or b) and codec.usage(a, b) or nil
   for _, call in ipairs(list(at(view.message, "tool_calls"))) do
      said.calls[#said.calls + 1] = {
         id = call.id, name = call["function"].name, arguments = value_of(call["function"].arguments),
      }
   end
   return said, {}, view.usage
end

-- ---- the comparison ----

local function show(value)
   if value == nil then return "nothing" end
   return json.encode(value)
end

-- Do two decoded values say the same? 2 and 2.0 do.
local function same(a, b)
   if type(a) ~= "table" or type(b) ~= "table" then return a == b end
   for key, value in pairs(a) do
      if not same(value, b[key]) then return false end
   end
   for key in pairs(b) do
      if a[key] == nil then return false end
   end
   return true
end

local function compare_usage(problems, what, got, want)
   if not got then
      problems[#problems + 1] = ("no %s, wanted %s"):format(what, show(want))
      return
   end
   local members = { input = "input_tokens", cached = "cached_tokens", write = "cache_write_tokens",
      write_1h = "cache_write_1h_tokens", output = "output_tokens", reasoning = "reasoning_tokens" }
   for short, long in pairs(members) do
      if want[short] and (got[long] or got[short] or 0) ~= want[short] then
         local its = show(got[long] or got[short])
         problems[#problems + 1] = ("%s: %s is %s, wanted %d"):format(what, short, its, want[short])
      end
   end
end

local function compare_calls(problems, what, got, want)
   if #got ~= #want then
      problems[#problems + 1] = ("%s: %d tool calls, wanted %d"):format(what, #got, #want)
      return
   end
   for i, call in ipairs(want) do
      local its = got[i]
      local id_wrong = call.id and call.id ~= "" and its.id ~= call.id or what == "codec" and not its.id
      if its.name ~= call.name or id_wrong or not same(its.arguments, call.arguments) then
         problems[#problems + 1] = ("%s: call %d is %s, wanted %s"):format(what, i, show(its), show(call))
      end
   end
end

local function compare(problems, what, got, want)
   if want.text and got.text ~= want.text and not (want.or_text and got.text == want.or_text) then
      problems[#problems + 1] = ("%s: text is %s, wanted %s"):format(what, show(got.text), show(want.text))
   end
   if want.calls and not (want.others and #got.calls > #want.calls) then
      compare_calls(problems, what, got.calls, want.calls)
   end
   -- A server that was made to call a tool may say "stop"; clients of other formats must hear of the calls.
   local open = (want.others or want.calls and #want.calls > 0)
      and (got.finish == "stop" or got.finish == "tool_calls")
   if want.finish and got.finish ~= want.finish and not open then
      local its = show(got.finish)
      problems[#problems + 1] = ("%s: finish is %s, wanted %s"):format(what, its, show(want.finish))
   end
   if want.usage then compare_usage(problems, what .. ": usage", got.usage, want.usage) end
end

-- ---- errors ----

local codes = {
   [400] = { bad_request = true, context_length = true, auth = true, not_found = true, unavailable = true },
   [401] = { auth = true }, [403] = { auth = true }, [404] = { not_found = true },
   [429] = { rate_limited = true },
   [500] = { unavailable = true }, [503] = { overloaded = true, unavailable = true },
   [524] = { timeout = true, unavailable = true }, [529] = { overloaded = true },
}

local function judge_error(problems)
   local err = codec.error(played.status, played.body, header)
   if not codes[played.status][err.code] then
      problems[#problems + 1] = ("status %d became %s"):format(played.status, show(err.code))
   end
   if played.body:find("ontext length", 1, true) or played.body:find("context_length", 1, true) then
      if err.code ~= "context_length" then
         problems[#problems + 1] = "a prompt too long is told as " .. err.code
      end
   end
   if type(err.message) ~= "string" or err.message == "" then
      problems[#problems + 1] = "an error without words"
   end
   local words = at(json.decode(played.body), "error", "message")
   if err.code ~= "auth" and words and not err.message:find(words, 1, true) then
      problems[#problems + 1] = "the provider's words are lost: " .. err.message
   end
end

local function judge_embeddings(problems)
   local body = json.decode(played.body)
   if type(at(body, "data", 1, "embedding")) == "string" then return end -- base64, which no codec asks for
   local read, err = codec.embed.decode(played.body)
   if not read then
      problems[#problems + 1] = err.message
      return
   end
   local vectors = at(body, "data") or at(body, "embeddings") or { body.embedding }
   if #read.vectors ~= #vectors then problems[#problems + 1] = "embeddings: " .. #read.vectors end
   for i, vector in ipairs(vectors) do
      local wanted = at(vector, "embedding") or at(vector, "values") or vector
      if type(wanted) == "table" and not same(read.vectors[i], wanted) then
         problems[#problems + 1] = "embedding " .. i .. " differs"
      end
   end
end

-- ---- one recording ----

local function judge_answer(problems)
   local said, found, booked
   local reading = plain[codec.format]
   local want
   if played.body then
      said, found, booked = read_whole()
      want = reading.whole(json.decode(played.body))
   else
      said, found, booked = read_stream()
      local events = {}
      for i = 2, #played.events, 2 do events[#events + 1] = json.decode(played.events[i]) end
      events[#events + 1] = played.error_event and json.decode(played.error_event)
      want = reading.stream(events)
      want.error = want.error or played.failed
   end
   for _, text in ipairs(found) do problems[#problems + 1] = text end
   local expected = played.expected and json.decode(played.expected)
   if expected and not expected.error then
      want.expected = reading.reported(expected)
      compare(problems, "plain", want, want.expected)
   end
   if want.error or said.error then
      local fits = said.error and (want.may_fail or want.error == true or want.error == said.error)
      if not fits then
         problems[#problems + 1] = ("error is %s, wanted %s"):format(show(said.error), show(want.error))
      end
      return
   end
   if expected and expected.error then problems[#problems + 1] = "the client library reported an error" end
   compare(problems, "codec", said, want)
   if booked and want.usage then compare_usage(problems, "booked", booked, want.usage) end
end

local problems = {}
if played.as == "error" then judge_error(problems)
elseif played.as == "embeddings" then judge_embeddings(problems)
else judge_answer(problems)
end
return table.concat(problems, "\n      "):sub(1, 2000)
