-- codec.openai_responses: OpenAI's Responses API, as a provider speaks it.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Responses" (POST /v1/responses). Other servers speak it too: Azure, xAI,
-- Groq, vLLM, LM Studio. What they answer, responses.read reads.

local dialects = require "codec.dialects"
local hub = require "hub"
local json = require "json"
local provider = require "provider"
local read = require "responses.read"
local refusal = require "refusal"
local shape = require "responses.shape"
local usage = require "usage"

local codec = {
   name = "openai_responses",
   format = "responses",
   path = "/responses",
   auth_header = "authorization",
   auth_prefix = "Bearer ",
   settings = {
      temperature = "temperature", top_p = "top_p", max_tokens = "max_output_tokens",
      max_completion_tokens = "max_output_tokens",
   },
}

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

codec.wire = provider.wire {
   framing = "sse",
   done = "type=response.completed|response.incomplete|response.failed",
   content = { "delta", "arguments", "text", "refusal", "item.name", "item.content.*.text" },
   finish = "type=response.completed|response.incomplete",
   usage = { "response.usage", "usage" },
   object = "item",
   error = { "error", "type=error|response.failed" },
   answer = { "output", "status" },
}

-- A client's own body: the model, and whether it is a stream.
function codec.edits(req, model, stream)
   local edits = { model = model }
   if stream and not req.stream then edits.stream = true end
   if not stream and req.stream then edits.stream = false end
   return edits
end

-- ---- the request: messages to items ----

local function parts_of(content, warn)
   local parts = json.array {}
   for _, part in ipairs(hub.parts(content)) do
      local own = shape.input_part(part)
      if own then
         parts[#parts + 1] = own
      else
         warn("dropped: " .. (text(part.type) or "part"))
      end
   end
   return parts
end

-- Content as an item takes it: a text stays a text.
local function content_of(content, warn)
   if type(content) == "string" then return content end
   return parts_of(content, warn)
end

-- What an assistant said: a text, or parts where a refusal is among them.
local function said_by(message)
   local parts, refused = json.array {}, full(member(message, "refusal"))
   for _, part in ipairs(hub.parts(message.content)) do
      if part.type == "refusal" then
         parts[#parts + 1] = { type = "refusal", refusal = text(part.refusal) or "" }
      elseif full(part.text) then
         parts[#parts + 1] = { type = "output_text", text = part.text }
      end
   end
   if refused then parts[#parts + 1] = { type = "refusal", refusal = refused } end
   if #parts == 1 and parts[1].text then return parts[1].text end
   return #parts > 0 and parts or nil
end

local function add_call(items, call)
   local fn = member(call, "function")
   local custom = member(call, "custom")
   if type(custom) == "table" then
      items[#items + 1] = { type = "custom_tool_call", call_id = text(call.id), name = text(custom.name),
         input = text(custom.input) or "" }
   elseif type(fn) == "table" then
      items[#items + 1] = { type = "function_call", call_id = text(call.id), name = text(fn.name),
         arguments = hub.arguments_text(fn.arguments) }
   end
end

local function add_assistant(items, message, warn)
   local details, foreign = hub.own_details(message, shape.FORMAT)
   if foreign > 0 then warn(hub.FOREIGN_REASONING) end
   local thoughts = shape.items_of(details)
   if foreign == 0 and #thoughts == 0 and full(member(message, "reasoning_content")) then
      warn "dropped: reasoning_content"
   end
   for _, item in ipairs(thoughts) do items[#items + 1] = item end
   local said = said_by(message)
   if said then items[#items + 1] = { type = "message", role = "assistant", content = said } end
   for _, call in ipairs(list(member(message, "tool_calls"))) do add_call(items, call) end
end

-- The result of a call. Custom calls have outputs of their own kind.
local function add_result(items, message, custom, warn)
   if member(message, "is_error") then warn "dropped: is_error" end
   local id = text(message.tool_call_id) or ""
   local kind = custom[id] and "custom_tool_call_output" or "function_call_output"
   items[#items + 1] = { type = kind, call_id = id,
      output = content_of(member(message, "content") or "", warn) }
end

local roles = { user = true, system = true, developer = true }

-- messages -> items, instructions. The first message's instructions have a member of their own.
local function items_of(messages, dialect, warn)
   local items, custom, instructions = json.array {}, {}, nil
   for position, message in ipairs(hub.with_ids(messages)) do
      local role = member(message, "role")
      if role == "assistant" then
         for _, call in ipairs(list(member(message, "tool_calls"))) do
            if member(call, "custom") then custom[call.id] = true end
         end
         add_assistant(items, message, warn)
      elseif role == "tool" or role == "function" then
         add_result(items, message, custom, warn)
      elseif position == 1 and role == "system" and dialect.instructions ~= false
         and type(message.content) == "string" then
         instructions = message.content
      elseif type(message) == "table" then
         items[#items + 1] = { type = "message", role = roles[role] and role or "user",
            content = content_of(message.content, warn) }
      end
      if member(message, "name") and role ~= "tool" and role ~= "function" then warn "dropped: name" end
   end
   return items, instructions
end

-- ---- the request: everything else ----

local function tools_of(tools, warn)
   local flat = json.array {}
   for _, tool in ipairs(list(tools)) do
      local own, unknown = shape.flat_tool(tool)
      if own then
         flat[#flat + 1] = own
      else
         warn("dropped: tool " .. unknown)
      end
   end
   return #flat > 0 and flat or nil
end

local LEAST_OUTPUT <const> = 16 -- max_output_tokens below it is refused

local function limit_of(req, warn)
   local limit = member(req, "max_completion_tokens") or member(req, "max_tokens")
   if type(limit) ~= "number" or limit >= LEAST_OUTPUT then return limit end
   warn(("changed: max_tokens %d -> %d"):format(math.floor(limit), LEAST_OUTPUT))
   return LEAST_OUTPUT
end

-- How much to think, and whether to show it. Nothing for a model that does not reason.
local function reasoning_of(req, to, dialect, warn)
   local effort, budget, on = hub.thinking(req)
   local summary = text(member(member(req, "reasoning"), "summary"))
   if on == nil and not summary then return nil end
   if dialect.is_openai and dialects.reasons(to.model, to.facts) == false then
      if on ~= false then warn "dropped: reasoning_effort" end
      return nil
   end
   if on == false then return { effort = "none" } end
   if budget and not effort then
      effort = hub.effort_of(budget)
      warn(("changed: reasoning budget %d -> effort %s"):format(math.floor(budget), effort))
   end
   local shown = summary or (type(member(req, "reasoning")) == "table" and "auto") or nil
   return { effort = effort, summary = shown }
end

local function add_logprobs(body, req, include)
   if member(req, "logprobs") ~= true then return end
   include[#include + 1] = "message.output_text.logprobs"
   body.top_logprobs = member(req, "top_logprobs")
end

-- temperature and top_p, unless the model refuses them.
local function add_sampling(body, req, to, dialect, warn)
   local effort = member(body.reasoning, "effort")
   local fixed = dialect.is_openai and dialects.fixed_sampling(to.model, to.facts, effort)
   for _, name in ipairs { "temperature", "top_p" } do
      local value = member(req, name)
      if value and fixed and value ~= 1 then
         warn("dropped: " .. name)
      elseif value and not fixed then
         body[name] = value
      end
   end
end

local function search_tool(options, body, warn)
   if type(options) ~= "table" then return end
   local place = member(options, "user_location")
   local near = member(place, "approximate")
   if type(near) == "table" then
      place = { type = "approximate" }
      for name, value in pairs(near) do place[name] = value end
   end
   body.tools = body.tools or json.array {}
   body.tools[#body.tools + 1] = { type = "web_search", user_location = place,
      search_context_size = text(options.search_context_size) }
   warn "changed: web_search_options -> the tool web_search"
end

-- Members that pass as they are.
local plain = {
   "parallel_tool_calls", "metadata", "user", "safety_identifier", "prompt_cache_key",
   "prompt_cache_retention", "service_tier",
}

-- Members that something above has taken, or that say nothing here.
local known = {
   model = true, messages = true, stream = true, stream_options = true, tools = true, tool_choice = true,
   response_format = true, verbosity = true, reasoning_effort = true, reasoning = true, max_tokens = true,
   max_completion_tokens = true, temperature = true, top_p = true, logprobs = true, top_logprobs = true,
   store = true, web_search_options = true, modalities = true,
}
for _, name in ipairs(plain) do known[name] = true end

-- Values that ask for what happens anyway.
local harmless = { n = 1, presence_penalty = 0, frequency_penalty = 0 }

local function warn_of_the_rest(req, warn)
   for name, value in pairs(req) do
      if not known[name] and hub.has(value) and harmless[name] ~= value then warn("dropped: " .. name) end
   end
   for _, kind in ipairs(list(member(req, "modalities"))) do
      if kind ~= "text" then warn("dropped: modalities") end
   end
end

-- codec.encode(hub, to) -> JSON text, warnings. See scripts/README.md, "Codecs".
function codec.encode(req, to)
   local dialect = dialects.of(to.provider)
   local warn, warnings = hub.warnings()
   req = hub.common(req, "responses", warn)
   local include = json.array {}
   local input, instructions = items_of(req.messages, dialect, warn)
   local body = { model = to.model, instructions = instructions, input = input, stream = to.stream or nil }
   for _, name in ipairs(plain) do body[name] = member(req, name) end
   body.tools = tools_of(member(req, "tools"), warn)
   if member(req, "tool_choice") and body.tools then
      body.tool_choice = shape.flat_choice(req.tool_choice)
      if not body.tool_choice then warn "dropped: tool_choice" end
   end
   search_tool(member(req, "web_search_options"), body, warn)
   body.max_output_tokens = limit_of(req, warn)
   body.reasoning = reasoning_of(req, to, dialect, warn)
   add_sampling(body, req, to, dialect, warn)
   add_logprobs(body, req, include)
   local format, verbosity = shape.text_format(member(req, "response_format")), member(req, "verbosity")
   if format or verbosity then body.text = { format = format, verbosity = verbosity } end
   -- What the provider does not keep, the client must bring again: sealed, and only reasoning models have it.
   body.store = member(req, "store") == true
   if not body.store and dialects.reasons(to.model, to.facts) then
      include[#include + 1] = "reasoning.encrypted_content"
   end
   if #include > 0 then body.include = include end
   warn_of_the_rest(req, warn)
   return json.encode(body), warnings
end

-- ---- the answer ----

codec.decode = read.whole
codec.decoder = read.decoder

-- The usage of the last event of a stream, or of a whole answer.
function codec.usage(of_stream, of_answer)
   return usage.from.responses(of_stream) or usage.from.responses(of_answer)
end

-- The error behind an answer that is none, or inside a stream (status 200).
function codec.error(status, body, header)
   local event = status == 200 and json.decode(body)
   if type(event) == "table" then return read.failure(event, status, header) end
   return refusal.read { status = status, header = header, object = refusal.object(body) }
end

codec.embed = require("codec.openai").embed

return codec
