-- chat.request: a request of the hub as a server of Chat Completions takes it.
-- SPDX-License-Identifier: MIT
--
-- The hub is OpenAI's format and a little more (scripts/README.md, "Doors"); servers take a little less,
-- each in its own way: codec.dialects tells. What is left out is told as a warning. Nothing of the request
-- is changed in place: policies may still hold it.

local dialects = require "codec.dialects"
local hub = require "hub"
local json = require "json"
local media = require "media"

local request = {}

local member, text, full, list = hub.member, hub.text, hub.full, hub.list

local function copy(value)
   local own = {}
   for name, item in pairs(value) do own[name] = item end
   return own
end

-- ---- ids of tool calls ----

local DIGITS <const> = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

-- The same few letters and digits for the same id, every time (FNV-1a, 64 bits).
local function short_id(id, length)
   local hash = 0xcbf29ce484222325
   for i = 1, #id do hash = (hash ~ id:byte(i)) * 0x100000001b3 end
   local out = {}
   hash = hash >> 1
   for i = 1, length do
      local digit = hash % 62 + 1
      out[i] = DIGITS:sub(digit, digit)
      hash = hash // 62
   end
   return table.concat(out)
end

local function id_for(id, dialect)
   local rule = dialect.tool_ids
   if not rule or not text(id) then return id end
   if #id >= rule[2] and #id <= rule[3] and id:find(rule[1]) then return id end
   return short_id(id, math.min(rule[3], 10))
end

-- ---- parts ----

-- A file that only an address is known of goes as bytes: Chat Completions takes no address.
local function file_part(part)
   local file = member(part, "file")
   if not full(member(file, "file_url")) then return part end
   local got, err = media.inline(file.file_url, {})
   if not got then return nil, err end
   return { type = "file", file = { filename = text(file.filename) or "document.pdf",
      file_data = hub.data_url(got.mime, got.data) } }
end

-- A part as the server takes it; nil, nil for one that is left out; nil, err.
local function part_for(part, dialect, warn)
   local kind = part.type
   if kind == "file" then
      local own, err = file_part(part)
      if not own then return nil, err end
      part = own
   end
   if part.cache_control ~= nil and not dialect.cache_control then
      part = copy(part)
      part.cache_control = nil
      warn "dropped: cache_control"
   end
   return part
end

-- Content as the server takes it: nil, err when a file cannot be had.
local function content_for(content, dialect, warn)
   if type(content) ~= "table" then return content end
   if dialect.text_only then
      for _, part in ipairs(hub.parts(content)) do
         if not text(part.text) then warn("dropped: " .. (text(part.type) or "part")) end
      end
      return hub.plain(content, "\n")
   end
   local parts = json.array {}
   for _, part in ipairs(hub.parts(content)) do
      local own, err = part_for(part, dialect, warn)
      if err then return nil, err end
      parts[#parts + 1] = own
   end
   return parts
end

-- ---- messages ----

-- The reasoning that goes back with an assistant's message.
local function reasoning_for(own, message, dialect, warn)
   local thoughts = full(member(message, "reasoning_content")) or full(member(message, "reasoning"))
   own.reasoning_content, own.reasoning, own.reasoning_details = nil, nil, nil
   if dialect.details then
      own.reasoning_details = member(message, "reasoning_details")
      if own.reasoning_details then return end
   else
      local _, foreign = hub.own_details(message, "unknown")
      if foreign > 0 then warn(hub.FOREIGN_REASONING) end
   end
   if not thoughts then return end
   local calls = member(message, "tool_calls")
   local wanted = dialect.reasoning and (dialect.reasoning_when ~= "tools" or calls)
   if wanted then
      own[dialect.reasoning] = thoughts
   elseif not dialect.reasoning then
      warn "dropped: reasoning_content"
   end
end

local function calls_for(calls, dialect)
   local out = json.array {}
   for _, call in ipairs(list(calls)) do
      if type(call) == "table" then
         local own = copy(call)
         own.id, own.index = id_for(call.id, dialect), nil
         if not dialect.extra_content then own.extra_content = nil end
         local fn = member(call, "function")
         if type(fn) == "table" and type(fn.arguments) ~= "string" then
            own["function"] = { name = fn.name, arguments = hub.arguments_text(fn.arguments) }
         elseif type(fn) == "table" and fn.arguments == "" then
            own["function"] = { name = fn.name, arguments = "{}" }
         end
         out[#out + 1] = own
      end
   end
   return #out > 0 and out or nil
end

local function without_nulls(message)
   local own = {}
   for name, value in pairs(message) do
      if value ~= json.null then own[name] = value end
   end
   return own
end

local function assistant(own, message, dialect, warn)
   reasoning_for(own, message, dialect, warn)
   own.annotations = nil
   own.tool_calls = calls_for(own.tool_calls, dialect)
   if own.refusal and not dialect.is_openai then
      if not own.content then own.content = own.refusal end
      own.refusal = nil
   end
   -- null is what OpenAI's own libraries send back; a message that says nothing at all has a text.
   if own.content == nil then own.content = own.tool_calls and json.null or "" end
end

-- The result of a call: a text. Images of it go in a message of the user after the results.
local function result(own, dialect, images, warn)
   own.tool_call_id, own.name = id_for(own.tool_call_id, dialect), nil
   if own.is_error ~= nil then
      if own.is_error == true then warn "dropped: is_error" end
      own.is_error = nil
   end
   if type(own.content) ~= "table" then
      own.content = own.content or ""
      return
   end
   for _, part in ipairs(hub.parts(own.content)) do
      if not text(part.text) and not dialect.text_only then images[#images + 1] = part end
   end
   own.content = hub.plain(own.content, "\n")
end

-- One message | nil, err.
local function message_for(message, dialect, images, warn)
   local own = without_nulls(message)
   if own.cache_control and not dialect.cache_control then
      own.cache_control = nil
      warn "dropped: cache_control"
   end
   if own.role == "developer" and dialect.developer == false then own.role = "system" end
   if own.role == "tool" then
      result(own, dialect, images, warn)
   elseif type(own.content) == "table" then
      local content, err = content_for(own.content, dialect, warn)
      if not content then return nil, err end
      own.content = content
   end
   if own.name and dialect.names == false and own.role ~= "function" then
      own.name = nil
      warn "dropped: name"
   end
   if own.role == "assistant" then assistant(own, message, dialect, warn) end
   return own
end

local function show_images(out, images, warn)
   if #images == 0 then return end
   warn "changed: images of a tool's result -> a message of the user"
   out[#out + 1] = { role = "user", content = json.array(table.move(images, 1, #images, 2,
      { { type = "text", text = "The tool's result:" } })) }
end

local function messages_for(messages, dialect, warn)
   local out, images = json.array {}, {}
   for _, message in ipairs(hub.with_ids(messages)) do
      if member(message, "role") ~= "tool" then
         show_images(out, images, warn)
         images = {}
      end
      if type(message) == "table" then
         local own, err = message_for(message, dialect, images, warn)
         if not own then return nil, err end
         out[#out + 1] = own
      end
   end
   show_images(out, images, warn)
   return out
end

-- ---- tools ----

local function tools_for(tools, dialect, warn)
   local out = json.array {}
   for _, tool in ipairs(list(tools)) do
      local kind = member(tool, "type")
      local foreign = kind ~= "function" and (member(tool, "format") or kind == "custom"
         and not dialect.is_openai)
      if foreign then
         warn("dropped: tool " .. (text(kind) or "without a type"))
      elseif member(tool, "cache_control") and not dialect.cache_control then
         local own = copy(tool)
         own.cache_control = nil
         warn "dropped: cache_control"
         out[#out + 1] = own
      else
         out[#out + 1] = tool
      end
   end
   return #out > 0 and out or nil
end

-- ---- settings ----

-- The member's name for the longest answer.
local function limit_name(given, dialect, to)
   if dialects.newer_limit(to.model, to.facts) and not (dialect.limit and dialect.hosts) then
      return "max_completion_tokens"
   end
   return dialect.limit or given
end

-- request.limit(max_completion_tokens, max_tokens, to) -> name, value; nil where neither is given.
function request.limit(newer, older, to)
   local value = hub.has(newer) and newer or older
   if not hub.has(value) then return nil end
   local given = hub.has(newer) and "max_completion_tokens" or "max_tokens"
   return limit_name(given, dialects.of(to.provider), to), value
end

-- How much to think: a word, or what the server takes.
local function add_reasoning(body, req, to, dialect, warn)
   local takes = dialect.takes or {}
   local effort, budget, on = hub.thinking(req)
   body.reasoning = nil
   if takes.reasoning then
      if budget or on == false and not text(body.reasoning_effort) then
         body.reasoning = { max_tokens = budget, enabled = not budget and on or nil }
         body.reasoning_effort = nil
      end
      return
   end
   if effort or on == nil then return end
   if on == false then
      if member(req, "reasoning_effort") == nil then return end
   elseif dialects.reasons(to.model, to.facts) then
      body.reasoning_effort = budget and hub.effort_of(budget) or nil
      if budget then
         warn(("changed: reasoning budget %d -> effort %s"):format(math.floor(budget), body.reasoning_effort))
      end
   else
      warn "dropped: reasoning"
   end
end

local function fit_effort(body, to, dialect, warn)
   local effort = body.reasoning_effort
   if not text(effort) then return end
   if dialect.is_openai and dialects.reasons(to.model, to.facts) == false then
      body.reasoning_effort = nil
      if effort ~= "none" then warn "dropped: reasoning_effort" end
   elseif dialect.efforts and dialect.efforts[effort] ~= effort then
      body.reasoning_effort = dialect.efforts[effort]
      warn(body.reasoning_effort and ("changed: reasoning_effort %s -> %s"):format(effort,
         body.reasoning_effort)
         or "dropped: reasoning_effort")
   end
end

-- Values that ask for what happens anyway.
local harmless = { n = 1, presence_penalty = 0, frequency_penalty = 0, temperature = 1, top_p = 1,
   logprobs = false,
   store = false, parallel_tool_calls = true }

local function drop(body, name, warn)
   if body[name] == nil then return end
   if harmless[name] ~= body[name] then warn("dropped: " .. name) end
   body[name] = nil
end

local sampling = { "temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs",
   "top_logprobs",
   "logit_bias", "stop" }

local function drop_what_is_refused(body, to, dialect, warn)
   for _, name in ipairs(dialect.refuses or {}) do drop(body, name, warn) end
   if dialect.is_openai and dialects.fixed_sampling(to.model, to.facts, body.reasoning_effort) then
      for _, name in ipairs(sampling) do drop(body, name, warn) end
   end
   if dialects.reasons(to.model, to.facts) then
      for _, name in ipairs(dialect.refuses_when_reasoning or {}) do drop(body, name, warn) end
   end
   -- OpenAI: "The 'metadata' parameter is only allowed when 'store' is enabled."
   if dialect.is_openai and body.store ~= true then drop(body, "metadata", warn) end
   if not (dialect.takes or {}).top_k then drop(body, "top_k", warn) end
end

-- A schema for a server that knows only that the answer is JSON: in words.
local function fit_format(body, dialect, warn)
   local format = body.response_format
   if dialect.json_schema ~= false or member(format, "type") ~= "json_schema" then return end
   local schema = member(member(format, "json_schema"), "schema") or json.object {}
   warn "changed: response_format json_schema -> json_object"
   body.response_format = { type = "json_object" }
   table.insert(body.messages, 1, { role = "system",
      content = "Answer with JSON only, of this JSON schema: " .. json.encode(schema) })
end

local function rename(body, dialect)
   for from, into in pairs(dialect.rename or {}) do
      if body[from] ~= nil then body[from], body[into] = nil, body[from] end
   end
end

-- request.make(hub, to) -> body (a table), warnings | nil, err. May yield: a file is fetched.
function request.make(req, to)
   local dialect = dialects.of(to.provider)
   local warn, warnings = hub.warnings()
   req = hub.common(req, "openai", warn)
   local body = without_nulls(req)
   local messages, err = messages_for(req.messages, dialect, warn)
   if not messages then return nil, err end
   body.messages, body.model, body.stream, body.stream_options = messages, to.model, nil, nil
   body.tools = tools_for(body.tools, dialect, warn)
   if not body.tools then body.tool_choice, body.parallel_tool_calls = nil, nil end
   body.max_tokens, body.max_completion_tokens = nil, nil
   local limit, value = request.limit(req.max_completion_tokens, req.max_tokens, to)
   if limit then body[limit] = value end
   add_reasoning(body, req, to, dialect, warn)
   fit_effort(body, to, dialect, warn)
   drop_what_is_refused(body, to, dialect, warn)
   fit_format(body, dialect, warn)
   rename(body, dialect)
   if to.stream then
      body.stream = true
      if dialect.stream_options ~= false then body.stream_options = { include_usage = true } end
   end
   return body, warnings
end

return request
