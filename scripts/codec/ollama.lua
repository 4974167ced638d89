-- codec.ollama: Ollama's own API, as the provider speaks it.
-- SPDX-License-Identifier: MIT
--
-- Source: Ollama's OpenAPI description and its api/types.go: POST /api/chat (NDJSON when streamed), answers
-- of POST /api/generate read the same, POST /api/embed.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local provider = require "provider"
local random = require "random"
local refusal = require "refusal"
local text_of = require "text"
local usage = require "usage"

local codec = {
   name = "ollama", format = "ollama", path = "/api/chat",
   auth_header = "authorization", auth_prefix = "Bearer ",
   settings = { tools = "tools" },    -- the others stand inside options
}

local member, full, text = hub.member, hub.full, hub.text

codec.wire = provider.wire {
   framing = "ndjson",
   content = { "message.content", "message.thinking", "message.tool_calls", "response", "thinking" },
   finish = "done",
   usage = ".",
   object = "message",
   error = "error",
   answer = "done",
}

-- What must change in a client's own body. A body that says nothing of stream asks for one.
function codec.edits(req, model, stream)
   local edits = { model = model }
   if (req.stream ~= false) ~= stream then edits.stream = stream end
   return edits
end

-- ---- requests ----

local function bad(message)
   return nil, errors.new { code = "bad_request", message = message, type = "invalid_request_error" }
end

-- The base64 of an image by its URL | nil, err. Yields for a remote one.
local function image_of(part)
   local image = member(part, "image_url")
   local url = type(image) == "string" and image or text(member(image, "url"))
   if not url then return bad "an image_url part without a url" end
   local _, data = hub.split_data_url(url)
   if data then return data end
   local found, err = require("media").inline(url, {})
   if not found then return nil, err end
   return found.data
end

-- A file that is an image, or text, can be shown; others cannot.
local function of_file(part, warn)
   local file = member(part, "file")
   local mime, data = hub.split_data_url(member(file, "file_data"))
   if mime and mime:find "^image/" then return nil, data end
   if mime and mime:find "^text/" then return require("base64").decode(data) end
   warn "dropped: a file (only images and text can be sent to this provider)"
end

-- The text and the images of a message's content | nil, nil, err. Yields for remote images.
local function content_of(content, warn)
   local texts, images = {}, json.array {}
   for _, part in ipairs(hub.parts(content)) do
      if part.type == "image_url" then
         local data, err = image_of(part)
         if not data then return nil, nil, err end
         images[#images + 1] = data
      elseif part.type == "file" then
         local said, data = of_file(part, warn)
         texts[#texts + 1], images[#images + 1] = said, data
      elseif text(part.text) or text(part.refusal) then
         texts[#texts + 1] = text(part.text) or part.refusal
      else
         warn("dropped: content of type " .. tostring(part.type))
      end
   end
   return table.concat(texts, "\n"), #images > 0 and images or nil
end

-- Ids that were minted for calls that had none stay ours.
local function own_id(id)
   if not full(id) or id:find "^call_%x%x%x%x%x%x%x%x%d+$" then return nil end
   return id
end

local function calls_of(message, warn)
   local list = json.array {}
   for position, call in ipairs(hub.list(member(message, "tool_calls"))) do
      local fn = member(call, "function") or member(call, "custom")
      local name = full(member(fn, "name"))
      if name then
         local arguments, good = hub.arguments(member(fn, "arguments"))
         if not good then warn("changed: the arguments of " .. name .. " are no JSON object") end
         list[#list + 1] = { id = own_id(member(call, "id")),
            ["function"] = { index = position - 1, name = name, arguments = arguments } }
      end
   end
   return #list > 0 and list or nil
end

local roles = { developer = "system", ["function"] = "tool" }

local function message_of(message, names, warn)
   local role = text(member(message, "role")) or "user"
   role = roles[role] or role
   local said, images, err = content_of(member(message, "content"), warn)
   if not said then return nil, err end
   local out = { role = role, content = said, images = images }
   if role == "assistant" then
      local _, foreign = hub.own_details(message, "ollama")
      if foreign > 0 then warn(hub.FOREIGN_REASONING) end
      if said == "" then out.content = text(message.refusal) or "" end
      out.thinking = full(message.reasoning_content)
      out.tool_calls = calls_of(message, warn)
   elseif role == "tool" then
      local id = full(message.tool_call_id)
      out.tool_name = id and names[id] or full(message.name)
      out.tool_call_id = own_id(id)
   end
   return out
end

local function messages_of(req, warn)
   local out, names = json.array {}, hub.call_names(req.messages)
   for _, message in ipairs(hub.list(req.messages)) do
      if type(message) == "table" then
         local made, err = message_of(message, names, warn)
         if not made then return nil, err end
         out[#out + 1] = made
      end
   end
   if #out == 0 then return bad "'messages' holds nothing that can be sent" end
   return out
end

-- tool_choice: Ollama has none. "none" leaves the tools out, a named one leaves out the others.
local function tools_of(req, warn)
   local tools, choice = hub.tools(req)
   local name = full(member(member(choice, "function"), "name"))
   local list = json.array {}
   for _, tool in ipairs(tools) do
      local fn = member(tool, "function")
      if member(tool, "type") ~= "function" or not full(member(fn, "name")) then
         warn("dropped: tool " .. tostring(member(tool, "type")))
      elseif not name or fn.name == name then
         list[#list + 1] = { type = "function", ["function"] = {
            name = fn.name, description = text(member(fn, "description")),
            parameters = member(fn, "parameters") or { type = "object", properties = json.object {} },
         } }
      end
   end
   if #list == 0 then return nil end
   if choice == "none" then return nil end
   if choice == "required"
      or type(choice) == "table" then warn "dropped: tool_choice (a call is not enforced)" end
   return list
end

local options = {
   temperature = "temperature", top_p = "top_p", top_k = "top_k", min_p = "min_p", seed = "seed",
   max_tokens = "num_predict", max_completion_tokens = "num_predict",
   presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty",
}

-- What only Ollama knows, by its own names (options.num_ctx, keep_alive …): from a client of its own, or in
-- extra_body.ollama of another.
local function extras_of(req)
   return hub.native(req, "ollama") or hub.list(member(member(req, "extra_body"), "ollama"))
end

local function options_of(req)
   local out = {}
   for name, own in pairs(options) do
      if type(req[name]) == "number" then out[own] = req[name] end
   end
   local stop = json.array {}
   for _, word in ipairs(type(req.stop) == "string" and { req.stop } or hub.list(req.stop)) do
      stop[#stop + 1] = full(word)
   end
   if #stop > 0 then out.stop = stop end
   for name, value in pairs(hub.list(extras_of(req).options)) do
      if out[name] == nil and hub.has(value) then out[name] = value end
   end
   return next(out) ~= nil and out or nil
end

local function format_of(req)
   local format = member(req, "response_format")
   local kind = member(format, "type")
   if kind == "json_object" then return "json" end
   if kind ~= "json_schema" then return nil end
   return member(member(format, "json_schema"), "schema") or "json"
end

-- gpt-oss knows levels, other models whether to think; one that cannot refuses to be asked.
local function think_of(req, model, facts, warn)
   local effort, budget, on = hub.thinking(req)
   if on == nil then return nil end
   local capabilities = member(facts, "capabilities")
   if capabilities and not table.concat(hub.list(capabilities), " "):find "reasoning" then
      if on then warn "dropped: reasoning" end
      return nil
   end
   if not model:find "gpt%-oss" then return on end
   if not on then return "low" end
   effort = effort or budget and hub.effort_of(budget) or "medium"
   if effort == "minimal" then return "low" end
   return (effort == "xhigh" or effort == "max") and "high" or effort
end

local DEFAULT_CONTEXT = 4096 -- what Ollama takes when nobody says otherwise

-- A prompt over num_ctx is cut without a word.
local function check_context(req, body, to, warn)
   local window = member(body.options, "num_ctx") or member(to.provider, "num_ctx")
      or member(to.facts, "context") or DEFAULT_CONTEXT
   if type(window) ~= "number" then return end
   local tokens = text_of.tokens(text_of.all { messages = hub.list(req.messages) })
   if tokens > window then
      warn(("the prompt is about %d tokens: the server cuts what is over its num_ctx (%d)")
         :format(tokens, window))
   end
end

local known = {}
for name in ([[model messages stream stream_options tools tool_choice functions function_call
   parallel_tool_calls response_format stop
   logprobs top_logprobs reasoning_effort reasoning extra_body n]]):gmatch "%S+" do
   known[name] = true
end
for name in pairs(options) do known[name] = true end

-- The body of a request of the hub: JSON text, warnings | nil, err. Yields where images must be fetched.
--   to: { model =, stream =, facts = what the catalogue knows, provider = facts of the provider }
function codec.encode(req, to)
   local warn, warnings = hub.warnings()
   local messages, err = messages_of({ messages = hub.with_ids(req.messages) }, warn)
   if not messages then return nil, err end
   local body = {
      model = to.model, stream = to.stream and true or false, messages = messages, tools = tools_of(req,
         warn),
      options = options_of(req), format = format_of(req), think = think_of(req, to.model, to.facts, warn),
   }
   for name, value in pairs(extras_of(req)) do
      if name ~= "format" and body[name] == nil and hub.has(value) then body[name] = value end
   end
   if req.logprobs == true then
      body.logprobs = true
      if type(req.top_logprobs) == "number" then body.top_logprobs = req.top_logprobs end
   end
   if body.tools and req.parallel_tool_calls == false then warn "dropped: parallel_tool_calls" end
   if hub.has(req.n) and req.n ~= 1 then warn "dropped: n" end
   hub.leftovers(req, known, warn, "ollama")
   check_context(req, body, to, warn)
   return json.encode(body), warnings
end

function codec.usage(event)
   return usage.from.ollama(event)
end

-- ---- errors ----

local function bad_response(message)
   return errors.new { code = "bad_response", message = message }
end

-- How the server says what has no status of its own.
local words = {
   { "exceeds the? ?context", "context_length_exceeded" }, { "exceeded max context",
      "context_length_exceeded" },
   { "maximum pending requests", "overloaded" }, { "server busy", "overloaded" },
   { "not found", "model_not_found" }, { "unauthorized", "authentication_error" },
}

function codec.error(status, body, header)
   local object = refusal.object(body)
   local message = text(object.message)
   local word
   for _, pair in ipairs(words) do
      word = word or message and message:find(pair[1]) and pair[2]
   end
   return refusal.read { status = status, header = header,
      object = { message = message, type = word or nil, code = text(object.code) } }
end

-- ---- answers ----

local reasons = { stop = "stop", length = "length" }

-- done_reason -> finish_reason | nil, err. Old servers say none.
local function reason_of(event, has_calls)
   local said = full(event.done_reason) or "stop"
   local reason = reasons[said]
   if not reason then return nil, bad_response("the model stopped with " .. said) end
   return reason == "stop" and has_calls and "tool_calls" or reason
end

-- The logprobs of a line, which are in OpenAI's form; nil without any.
local function logprobs_of(event)
   local list = member(event, "logprobs")
   if type(list) ~= "table" or #list == 0 then return nil end
   local content = json.array {}
   for _, entry in ipairs(list) do
      if type(entry) == "table" then
         content[#content + 1] = { token = text(entry.token) or "", logprob = member(entry, "logprob") or 0,
            bytes = entry.bytes or json.null, top_logprobs = member(entry, "top_logprobs") or json.array {} }
      end
   end
   return { content = content }
end

-- The tool calls of a line as events; 'state' counts them and mints ids.
local function add_calls(out, calls, state)
   for _, call in ipairs(hub.list(calls)) do
      local fn = member(call, "function")
      local name = full(member(fn, "name"))
      if name then
         state.seed = state.seed or random.id()
         out[#out + 1] = { kind = "tool_call", index = state.calls,
            id = full(member(call, "id")) or hub.mint_id(state.seed, state.calls), name = name,
            arguments = hub.arguments_text(member(fn, "arguments")) }
         state.calls = state.calls + 1
      end
   end
end

-- What is wrong with a line: its message may be missing (of /api/generate, of the last line of old servers),
-- but is nothing else than an object.
local function problem_of(event)
   if event.message == nil or hub.object(event.message) then return nil end
   return bad_response("the answer's message is " .. (event.message == json.null and "null" or "no object"))
end

-- One decoded line as events.
local function read_line(event, state)
   local out = {}
   local problem = problem_of(event)
   if problem then return { { kind = "error", err = problem } } end
   local message = member(event, "message")
   local thought = full(member(message, "thinking")) or full(event.thinking)
   if thought then out[#out + 1] = { kind = "reasoning", text = thought } end
   local said = full(member(message, "content")) or full(event.response)
   if said then out[#out + 1] = { kind = "text", text = said } end
   add_calls(out, member(message, "tool_calls"), state)
   for _, data in ipairs(hub.list(member(message, "images"))) do
      if full(data) then
         out[#out + 1] = { kind = "image",
            image = { type = "image_url", image_url = { url = hub.data_url("image/png", data) } } }
      end
   end
   local logprobs = logprobs_of(event)
   if logprobs then out[#out + 1] = { kind = "logprobs", logprobs = logprobs } end
   if event.done ~= true or state.done then return out end
   state.done = true
   local reason, err = reason_of(event, state.calls > 0)
   out[#out + 1] = reason and { kind = "finish", reason = reason } or { kind = "error", err = err }
   local used = usage.from.ollama(event)
   if used then out[#out + 1] = { kind = "usage", usage = used } end
   return out
end

local function no_header() end

local function new_state()
   return { calls = 0, seed = false, done = false }
end

-- A decoder for one stream: a function from a line to a list of events.
function codec.decoder()
   local state = new_state()
   return function(data)
      local event = data and json.decode(data)
      if type(event) ~= "table" then return {} end
      if hub.has(event.error) then
         return { { kind = "error", err = codec.error(200, data, no_header) } }
      end
      return read_line(event, state)
   end
end

-- What a whole answer says: { body =, message =, finish_reason =, logprobs =, usage = } | nil, err.
function codec.decode(body)
   local decoded, why = json.decode(body)
   if type(decoded) ~= "table" then
      return nil, bad_response("the answer is no JSON object" .. (why and ": " .. why.message or ""))
   end
   if hub.has(decoded.error) then return nil, codec.error(200, body, no_header) end
   if decoded.message == nil and not text(decoded.response) then
      return nil, bad_response "the answer has no message"
   end
   local view = { body = decoded, message = { role = "assistant", content = json.null } }
   local calls, message = json.array {}, view.message
   for _, event in ipairs(read_line(decoded, new_state())) do
      local kind = event.kind
      if kind == "error" then return nil, event.err end
      if kind == "text" then message.content = event.text end
      if kind == "reasoning" then message.reasoning_content = event.text end
      if kind == "logprobs" then view.logprobs = event.logprobs end
      if kind == "finish" then view.finish_reason = event.reason end
      if kind == "usage" then view.usage = event.usage end
      if kind == "image" then
         message.images = message.images or json.array {}
         table.insert(message.images, event.image)
      end
      if kind == "tool_call" then
         calls[#calls + 1] = { id = event.id, type = "function",
            ["function"] = { name = event.name, arguments = event.arguments } }
      end
   end
   if #calls > 0 then message.tool_calls = calls end
   if not view.finish_reason then return nil, bad_response "the answer is not done" end
   return view
end

codec.embed = require "codec.embed.ollama"

return codec
