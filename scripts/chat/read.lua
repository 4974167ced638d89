-- chat.read: what a server of Chat Completions answers, whole and as a stream of events.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Chat" and "Streaming events"; the deviations are those of recorded answers
-- and of public reports: texts in parts (Mistral), "reasoning" (Groq, OpenRouter, vLLM, Ollama), usage in a
-- choice (Moonshot), calls that share an index (Google), two ends (OpenRouter), ends by other words.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local read = {}

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

local function bad(message)
   return errors.new { code = "bad_response", message = message }
end

-- ---- the end ----

-- Words for why an answer ended, in lower case, other than OpenAI's.
local reasons = {
   stop = "stop", length = "length", tool_calls = "tool_calls", content_filter = "content_filter",
   function_call = "function_call", eos = "stop", eos_token = "stop", stop_sequence = "stop",
      end_turn = "stop",
   complete = "stop", max_tokens = "length", model_length = "length", tool_use = "tool_calls",
   safety = "content_filter", sensitive = "content_filter", refusal = "content_filter",
   recitation = "content_filter",
}

-- read.reason(word, has_calls) -> OpenAI's word; nil where there is none yet; nil, err for one that is no
-- good end ("error", "insufficient_system_resource", "network_error", "abort" ...).
function read.reason(word, has_calls)
   if not full(word) or word == "null" then return nil end
   local reason = reasons[word:lower()]
   if reason == "stop" and has_calls then return "tool_calls" end
   if reason then return reason end
   return nil, bad(("the answer ended with '%s'"):format(word:sub(1, 40)))
end

-- ---- content ----

-- The texts of content that comes in parts: what is said, what is thought (Mistral). A string is said.
local function texts_of(content)
   if type(content) ~= "table" then return full(content) end
   local said, thought = {}, {}
   for _, part in ipairs(content) do
      local thinking = member(part, "thinking")
      if type(thinking) == "table" then
         thought[#thought + 1] = texts_of(thinking)
      elseif full(thinking) then
         thought[#thought + 1] = thinking
      else
         said[#said + 1] = full(part) or full(member(part, "text"))
      end
   end
   return full(table.concat(said)), full(table.concat(thought))
end

-- What OpenRouter's details say in plain text.
local function shown_in(details)
   if type(details) ~= "table" then return nil end
   local out = {}
   for _, detail in ipairs(details) do
      out[#out + 1] = full(member(detail, "text")) or full(member(detail, "summary"))
   end
   return #out > 0 and table.concat(out) or nil
end

local function reasoning_of(said)
   return full(said.reasoning_content) or full(said.reasoning) or shown_in(said.reasoning_details)
end

-- Perplexity hangs what it has read beside the choices.
local function citations_of(body)
   local found = json.array {}
   for _, source in ipairs(list(member(body, "search_results"))) do
      if full(member(source, "url")) then
         found[#found + 1] = { type = "url_citation", url_citation = {
            url = source.url, title = text(source.title) or "", start_index = 0, end_index = 0 } }
      end
   end
   if #found > 0 then return found end
   for _, url in ipairs(list(member(body, "citations"))) do
      if full(url) then
         found[#found + 1] = { type = "url_citation",
            url_citation = { url = url, title = "", start_index = 0, end_index = 0 } }
      end
   end
   return #found > 0 and found or nil
end

-- ---- a whole answer ----

-- read.whole(body text) -> { body =, message = (as it came), finish_reason =, logprobs =, assumed = } | nil,
-- err. Some servers (LocalAI, gateways) give no reason with an answer that came whole: it counts as complete,
-- as it does for other clients of such servers, and 'assumed' is true.
function read.whole(body)
   local decoded, problem = json.decode(body)
   if decoded == nil then return nil, bad("the answer is no JSON: " .. problem.message) end
   local choice = member(member(decoded, "choices"), 1)
   local message = member(choice, "message")
   if type(message) ~= "table" then return nil, bad "the answer has no message" end
   local calls, reason, assumed = message.tool_calls, choice.finish_reason, nil
   if reason ~= "stop" or calls then -- most answers end so, and need no look at words
      local has_calls = type(calls) == "table" and #calls > 0
      local word, err = read.reason(text(reason), has_calls)
      if err then return nil, err end
      assumed = not word or nil
      reason = word or has_calls and "tool_calls" or "stop"
   end
   return { body = decoded, message = message, finish_reason = reason, logprobs = choice.logprobs,
      assumed = assumed }
end

local function calls_of(calls, seed)
   local out = json.array {}
   for position, call in ipairs(list(calls)) do
      local fn = member(call, "function")
      if type(fn) == "table" then
         out[#out + 1] = {
            id = full(call.id) or hub.mint_id(seed, position - 1), type = "function",
            extra_content = member(call, "extra_content"),
            ["function"] = { name = text(fn.name) or "", arguments = hub.arguments_text(fn.arguments) },
         }
      end
   end
   return #out > 0 and out or nil
end

-- read.message(view) -> the message as the hub has it, for a client that speaks another format. The view is
-- what read.whole gave, with what a policy has changed since.
function read.message(view)
   local message = view.message or {}
   local said, thought = texts_of(member(message, "content"))
   return {
      role = "assistant", content = said or json.null, refusal = full(message.refusal),
      reasoning_content = reasoning_of(message) or thought,
      reasoning_details = member(message, "reasoning_details"),
      tool_calls = calls_of(member(message, "tool_calls"), text(member(view.body, "id")) or ""),
      annotations = member(message, "annotations") or citations_of(view.body),
   }
end

-- ---- a stream ----

local function add(state, event)
   state.events[#state.events + 1] = event
end

local function add_text(state, kind, value)
   if full(value) then add(state, { kind = kind, text = value }) end
end

-- The call that a fragment belongs to. Fragments share an index; Google gives all calls the index 0, and
-- tells them apart by their ids.
local function call_of(state, fragment, position, seed)
   local index = member(fragment, "index")
   if type(index) ~= "number" then index = position - 1 end
   local id, name = full(fragment.id), full(member(member(fragment, "function"), "name"))
   local call = state.calls[index]
   if call and not (id and name and id ~= call.id and call.named) then return call end
   call = { index = state.count, id = id or hub.mint_id(seed, state.count), empty = true }
   state.calls[index], state.all[state.count + 1], state.count = call, call, state.count + 1
   return call, true
end

local function add_calls(state, calls, seed)
   for position, fragment in ipairs(list(calls)) do
      if type(fragment) == "table" then
         local fn = member(fragment, "function")
         local call, is_new = call_of(state, fragment, position, seed)
         local arguments, name = member(fn, "arguments"), not call.named and full(member(fn, "name")) or nil
         if type(arguments) == "table" then arguments = json.encode(arguments) end
         if full(arguments) then call.empty = false end
         call.named = call.named or name ~= nil
         add(state, { kind = "tool_call", index = call.index, id = is_new and call.id or nil, name = name,
            arguments = text(arguments) or "", extra_content = member(fragment, "extra_content") })
      end
   end
end

-- Of OpenRouter's details only what a next turn needs and the texts do not say.
local function add_details(state, details)
   for _, detail in ipairs(list(details)) do
      if full(member(detail, "signature")) then
         add(state, { kind = "reasoning_detail", detail = { type = "reasoning.text",
            signature = detail.signature, format = text(detail.format) or "unknown" } })
      elseif full(member(detail, "data")) then
         add(state, { kind = "reasoning_detail", detail = { type = "reasoning.encrypted", data = detail.data,
            format = text(detail.format) or "unknown", id = text(detail.id), index = member(detail,
               "index") } })
      end
   end
end

local function add_delta(state, delta, seed)
   local said, thought = texts_of(delta.content)
   add_text(state, "reasoning", reasoning_of(delta) or thought)
   if delta.reasoning_details then add_details(state, delta.reasoning_details) end
   add_text(state, "text", said)
   add_text(state, "refusal", delta.refusal)
   if delta.tool_calls then add_calls(state, delta.tool_calls, seed) end
   local annotations = delta.annotations
   if type(annotations) == "table" and #annotations > 0 then
      add(state, { kind = "annotations", annotations = annotations })
   end
end

local function add_finish(state, word, event)
   if state.finished then return end
   local reason, err = read.reason(text(word), state.count > 0)
   if err then return add(state, { kind = "error", err = err }) end
   if not reason then return end
   state.finished = true
   local citations = citations_of(event)
   if citations then add(state, { kind = "annotations", annotations = citations }) end
   for _, call in ipairs(state.all) do
      if call.empty then add(state, { kind = "tool_call", index = call.index, arguments = "{}" }) end
   end
   add(state, { kind = "finish", reason = reason })
end

local function add_logprobs(state, logprobs)
   local tokens = member(logprobs, "content")
   if type(tokens) == "table" and #tokens > 0 then
      add(state, { kind = "logprobs", logprobs = { content = tokens } })
   end
end

-- The first choice of an event. A server whose choices[].index counts tokens begins with 1 (old TGI).
local function first_choice(state, event)
   local choice = member(member(event, "choices"), 1)
   if type(choice) ~= "table" then return nil end
   local index = member(choice, "index") or 0
   if state.counts_tokens == nil then state.counts_tokens = index ~= 0 end
   if index ~= 0 and not state.counts_tokens then return nil end
   return choice
end

-- read.decoder() -> function(data) -> list of events (scripts/README.md, "Codecs"). Only the first choice is
-- told.
function read.decoder()
   local state = { calls = {}, all = {}, count = 0, events = {} }
   return function(data)
      state.events = {}
      if data == "[DONE]" then return state.events end
      local event = json.decode(data)
      if type(event) ~= "table" then return state.events end
      local choice = first_choice(state, event)
      local delta = member(choice, "delta")
      add_logprobs(state, member(choice, "logprobs"))
      if type(delta) == "table" then add_delta(state, delta, text(event.id) or "") end
      if choice then add_finish(state, choice.finish_reason, event) end
      local counts = usage.from.openai(member(event, "usage") or member(choice, "usage"))
      if counts then add(state, { kind = "usage", usage = counts }) end
      return state.events
   end
end

return read
