-- anthropic_request: a Messages request, checked as the provider checks it.
-- SPDX-License-Identifier: MIT
local anthropic_error = require "sim.anthropic_error"
local conversation = require "sim.conversation"
local dice = require "sim.dice"
local json = require "json"
local request = require "sim.request"
local seal = require "sim.seal"
local shape = require "sim.shape"
local tokens = require "sim.tokens"

local anthropic_request = {}

local given, refuse = request.given, anthropic_error.refuse
local object, list, enum, range = shape.object, shape.list, shape.enum, shape.range
local tagged, either = shape.tagged, shape.either

-- ---- the shape ----

local CACHE = object({ type = enum("ephemeral", "!"), ttl = enum("5m 1h") }, "?")
local CITATIONS = object({ enabled = "boolean" })

local SOURCES = {
   base64 = { media_type = "string!", data = "string!" }, url = { url = "string!" },
   file = { file_id = "string!" },
   text = { media_type = "string!", data = "string!" }, content = { content = "any!" },
}
local SOURCE = tagged("type", SOURCES, "!")
local IMAGE_SOURCE = tagged("type", { base64 = SOURCES.base64, url = SOURCES.url, file = SOURCES.file }, "!")

local TEXT = { text = "string!", cache_control = CACHE, citations = "array?" }
local IMAGE = { source = IMAGE_SOURCE, cache_control = CACHE }
local DOCUMENT = { source = SOURCE, title = "string?", context = "string?", citations = CITATIONS,
   cache_control = CACHE }

local RESULT_BLOCK = tagged("type", {
   text = TEXT, image = IMAGE, document = DOCUMENT, search_result = { source = "any", title = "any",
      content = "any" },
   tool_reference = { tool_name = "string!" },
})

local BLOCKS = {
   text = TEXT, image = IMAGE, document = DOCUMENT,
   tool_use = { id = "string!", name = "string!", input = "object!", cache_control = CACHE,
      caller = "object" },
   tool_result = {
      tool_use_id = "string!", content = either { string = "string", array = list(RESULT_BLOCK) },
      is_error = "boolean", cache_control = CACHE,
   },
   thinking = { thinking = "string!", signature = "string!" },
   redacted_thinking = { data = "string!" },
   server_tool_use = { id = "string!", name = "string!", input = "object!", cache_control = CACHE },
   web_search_tool_result = { tool_use_id = "string!", content = "any!", cache_control = CACHE },
}

local TOOL = tagged("type", {
   custom = {
      name = "string!", description = "string", input_schema = "object!", cache_control = CACHE,
      strict = "boolean",
      eager_input_streaming = "boolean", defer_loading = "boolean", input_examples = "array",
      allowed_callers = "array",
   },
   web_search_20250305 = { name = "string!", max_uses = "integer", allowed_domains = "array",
      blocked_domains = "array",
      user_location = "object", cache_control = CACHE },
   bash_20250124 = { name = "string!", cache_control = CACHE },
   text_editor_20250728 = { name = "string!", cache_control = CACHE, max_characters = "integer" },
}, nil, "custom")

local MEMBERS = {
   model = "string!", max_tokens = range("integer", 0, nil, "!"),
   messages = list(object {
      role = enum("user assistant", "!"),
      content = either({ string = "string", array = list(tagged("type", BLOCKS)) }, "!"),
   }, "!"),
   system = either { string = "string", array = list(tagged("type", { text = TEXT })) },
   tools = list(TOOL),
   tool_choice = tagged("type", {
      auto = { disable_parallel_tool_use = "boolean" }, any = { disable_parallel_tool_use = "boolean" },
      tool = { name = "string!", disable_parallel_tool_use = "boolean" }, none = {},
   }),
   stop_sequences = list("string"), temperature = range("number", 0, 1), top_p = range("number", 0, 1),
   top_k = range("integer", 0), stream = "boolean", metadata = object { user_id = "string?" },
   thinking = tagged("type", {
      enabled = { budget_tokens = range("integer", 1024, nil, "!"), display = enum("summarized omitted") },
      adaptive = { display = enum("summarized omitted") }, disabled = {},
   }),
   output_config = object {
      effort = enum("low medium high xhigh max"), format = tagged("type",
         { json_schema = { schema = "object!" } }),
   },
   service_tier = enum("auto standard_only"), cache_control = CACHE, container = "any",
   context_management = "object", mcp_servers = "array", inference_geo = "string",
}

local COUNTED = {}
for name, spec in pairs(MEMBERS) do COUNTED[name] = spec end
COUNTED.max_tokens = nil

-- ---- what a shape cannot say ----

local function check_id(path, id)
   if not id:find("^[%w_-]+$") then
      refuse(path, "String should match pattern '^[a-zA-Z0-9_-]+$'")
   end
end

local function medium(block, path)
   local source = block.source
   if source.type == "base64" then
      if not conversation.is_base64(source.data) then
         refuse(path .. ".source.base64", "invalid base64 data")
      end
      local real = conversation.sniff(source.data)
      if real and real ~= source.media_type then
         refuse(path .. ".source.base64.data", ("Image does not match the provided media type %s"):format(
            source.media_type))
      end
      if block.type == "image" and not source.media_type:find("^image/[jpgw][%a]+$") then
         refuse(path .. ".source.base64.media_type",
            "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'")
      end
   end
   return { kind = block.type, mime = source.media_type or source.type == "url" and "a URL" or "a file" }
end

-- Texts of a list of blocks, or of the string itself; what is no text is added to 'media'.
local function text_of(content, path, media)
   if type(content) == "string" then return content end
   local out = {}
   for i, block in ipairs(content or {}) do
      if block.type == "text" then
         out[#out + 1] = block.text
      elseif block.type == "image" or block.type == "document" then
         media[#media + 1] = medium(block, path .. "." .. i - 1)
      end
   end
   return table.concat(out, "\n")
end

local function results_of(content, path)
   local turns, others = {}, false
   for i, block in ipairs(type(content) == "table" and content or {}) do
      local at = path .. "." .. i - 1
      if block.type == "tool_result" then
         if others then
            refuse(path, "`tool_result` blocks must come first in the content of a `user` message")
         end
         check_id(at .. ".tool_result.tool_use_id", block.tool_use_id)
         local media = {}
         local text = text_of(block.content or "", at .. ".content", media)
         turns[#turns + 1] = { role = "tool", id = block.tool_use_id, failed = block.is_error, text = text,
            media = media }
      else
         others = true
      end
   end
   return turns, others
end

-- Every call has its result in the next message, and every result its call.
local function check_pairs(messages, i, turns, where)
   local before, open = messages[i - 1], {}
   for _, block in ipairs(before and type(before.content) == "table" and before.role == "assistant"
      and before.content
      or {}) do
      if block.type == "tool_use" then open[block.id] = true end
   end
   for k, turn in ipairs(turns) do
      if not open[turn.id] then
         refuse(("%s.content.%d"):format(where, k - 1), ("unexpected `tool_use_id` found in "
            .. "`tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` "
            .. "block in the previous message.")
            :format(turn.id))
      end
      open[turn.id] = nil
   end
   local left = next(open)
   if left then
      refuse(("messages.%d"):format(i - 2), ("`tool_use` ids were found without `tool_result` blocks "
         .. "immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block "
         .. "in the next message.")
         :format(left))
   end
end

local function check_thoughts(blocks, where, body)
   local calls = false
   for i, block in ipairs(blocks) do
      local at = ("%s.content.%d"):format(where, i - 1)
      if block.type == "thinking" and not seal.fits(block.signature, "Er", block.thinking) then
         refuse(at, "Invalid `signature` in `thinking` block")
      elseif block.type == "redacted_thinking" and not seal.fits(block.data, "Em", "redacted") then
         refuse(at, "Invalid `data` in `redacted_thinking` block")
      elseif block.type == "tool_use" then
         calls = true
         check_id(at .. ".tool_use.id", block.id)
      elseif block.type == "text" and not block.text:find("%S") then
         refuse("messages", "text content blocks must contain non-whitespace text")
      end
   end
   local thinks = given(body.thinking) and body.thinking.type == "enabled"
   local first = blocks[1] and blocks[1].type
   return thinks and calls and first ~= "thinking" and first ~= "redacted_thinking" and first or nil
end

-- With thinking on, the answers behind the user's last words that call tools must begin with their thoughts.
local function refuse_lost_thoughts(i, first)
   refuse(("messages.%d.content.0.type"):format(i - 1), ("Expected `thinking` or `redacted_thinking`, "
      .. "but found `%s`. When `thinking` is enabled, a final `assistant` message must start with a "
      .. "thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We "
      .. "recommend you include thinking blocks from previous turns. To avoid this requirement, disable "
      .. "`thinking`. Please consult our documentation at "
      .. "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"):format(first))
end

local function check_whitespace(messages)
   local last = messages[#messages]
   if last.role == "assistant" and type(last.content) == "string" and last.content:find("%s$") then
      refuse("messages", "final assistant content cannot end with trailing whitespace")
   end
end

-- An assistant's message; what stands first in it, where it should be its thoughts.
local function read_answer(m, where, body, turns)
   local text = text_of(m.content, where .. ".content", {})
   turns[#turns + 1] = { role = "assistant", text = text }
   return check_thoughts(type(m.content) == "table" and m.content or {}, where, body)
end

-- A user's message: results of tools, words, or both. Returns whether it has results.
local function read_question(messages, i, where, turns)
   local media, content = {}, messages[i].content
   local text = text_of(content, where .. ".content", media)
   local results, others = results_of(content, where .. ".content")
   check_pairs(messages, i, results, where)
   for _, turn in ipairs(results) do turns[#turns + 1] = turn end
   if others or #results == 0 then
      turns[#turns + 1] = { role = "user", text = text, media = media, beside = #results > 0 }
   end
   return #results > 0
end

local function check_last(messages)
   local last = messages[#messages]
   if last.role ~= "assistant" then return end
   check_whitespace(messages)
   check_pairs(json.array { last, {} }, 2, {}, "messages")
end

local function read_messages(ask, body)
   local messages, turns, lost, first = body.messages, {}, nil, nil
   if #messages == 0 then refuse("messages", "at least one message is required") end
   if given(body.system) then turns[1] = { role = "system", text = text_of(body.system, "system", {}) } end
   for i, m in ipairs(messages) do
      local where = ("messages.%d"):format(i - 1)
      if #m.content == 0 and not (m.role == "assistant" and i == #messages) then
         refuse(where, "all messages must have non-empty content except for the optional final assistant "
            .. "message")
      end
      if m.role == "assistant" then
         local wrong = read_answer(m, where, body, turns)
         if wrong then lost, first = i, wrong end
      elseif not read_question(messages, i, where, turns) then
         lost = nil -- what was thought before the user's last words may be left out
      end
   end
   if lost then refuse_lost_thoughts(lost, first) end
   check_last(messages)
   conversation.read(ask, turns)
end

local function read_tools(ask, body)
   local names = {}
   for i, tool in ipairs(body.tools or {}) do
      if not tool.name:find("^[%w_-]+$") or #tool.name > 128 then
         refuse(("tools.%d.custom.name"):format(i - 1), "String should match pattern '^[a-zA-Z0-9_-]{1,"
            .. "128}$'")
      end
      if names[tool.name] then refuse("tools", "Tool names must be unique.") end
      names[tool.name] = true
      if tool.input_schema and tool.input_schema.type ~= "object" then
         refuse(("tools.%d.custom.input_schema.type"):format(i - 1), "Input should be 'object'")
      end
      if tool.input_schema then
         table.insert(ask.tools, { name = tool.name, description = tool.description,
            parameters = tool.input_schema })
      end
   end
   local choice = body.tool_choice
   if not choice then return end
   if choice.type ~= "none" and not given(body.tools) then
      refuse("tool_choice", "`tool_choice` may only be specified while providing `tools`")
   end
   ask.parallel = choice.disable_parallel_tool_use ~= true
   ask.tool_choice = choice.type == "any" and "required" or choice.type == "tool" and { name = choice.name }
      or choice.type
   if choice.type == "tool" and not names[choice.name] then
      refuse("tool_choice.tool.name", ("Tool '%s' not found in provided tools"):format(choice.name))
   end
end

local function read_thinking(ask, body)
   local thinking, config = body.thinking, body.output_config or {}
   if config.format then ask.json, ask.schema = true, config.format.schema end
   if not thinking or thinking.type == "disabled" then return end
   if thinking.budget_tokens and thinking.budget_tokens >= ask.limit then
      refuse(nil, "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our "
         .. "documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
         .. "#max-tokens-and-context-window-size")
   end
   if ask.tool_choice == "required" or type(ask.tool_choice) == "table" then
      refuse(nil, "Thinking may not be enabled when tool_choice forces tool use.")
   end
   if given(body.temperature) and body.temperature ~= 1 then
      refuse(nil, "`temperature` may only be set to 1 when thinking is enabled. Please consult our "
         .. "documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking")
   end
   if given(body.top_k) then refuse(nil, "`top_k` must be unset when thinking is enabled.") end
   ask.think = {
      effort = config.effort, budget = thinking.budget_tokens, shown = thinking.display ~= "omitted",
      redacted = ask.user:find("ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING", 1, true) ~= nil,
   }
end

-- ---- the cache of prompts ----

local REMEMBERED = 4096 -- prefixes

-- What is up to the last mark is written the first time and read from then on.
local function read_cache(ask, body, server)
   local parts, last, ttl, marks = {}, nil, nil, 0
   local function walk(v)
      if type(v) ~= "table" then return end
      if json.is_array(v) then
         for _, item in ipairs(v) do walk(item) end
         return
      end
      if v.text or v.name or v.source then parts[#parts + 1] = json.encode(v) end
      if given(v.cache_control) then last, ttl, marks = #parts, v.cache_control.ttl, marks + 1 end
      if type(v.content) == "table" then walk(v.content) end
   end
   walk(body.tools or {})
   walk(body.system)
   walk(body.messages)
   if marks > 4 then
      refuse(nil, ("A maximum of 4 blocks with cache_control may be provided. Found %d."):format(marks))
   end
   ask.cached, ask.written = 0, 0
   if given(body.cache_control) then last, ttl = #parts, body.cache_control.ttl end
   if not last then return end
   local prefix = table.concat(parts, "\n", 1, last)
   local n, key = math.min(tokens.estimate(#prefix), tokens.estimate(ask.bytes)), dice.id(16, ask.asked,
      prefix)
   local memory = server.memory.prefixes or { n = 0 }
   if memory.n > REMEMBERED then memory = { n = 0 } end
   server.memory.prefixes = memory
   if memory[key] then
      ask.cached = n
      return
   end
   memory[key], memory.n = true, memory.n + 1
   ask.written, ask.written_1h = n, ttl == "1h" and n or 0
end

local function read_stops(ask, body)
   ask.stop = body.stop_sequences or {}
   for i, stop in ipairs(ask.stop) do
      if not stop:find("%S") then
         refuse(("stop_sequences.%d"):format(i - 1), "each stop sequence must contain non-whitespace")
      end
   end
end

local function read(ask, req, server, members)
   local wire = anthropic_error
   if not req.headers["anthropic-version"] then refuse("anthropic-version", "header is required") end
   local body = request.body(req.body, wire)
   ask.stream = body.stream == true
   anthropic_error.check(body, object(members), req.headers["anthropic-beta"])
   request.model(ask, body.model, wire)
   ask.limit = body.max_tokens or math.huge
   ask.seed = nil
   read_messages(ask, body)
   read_tools(ask, body)
   read_stops(ask, body)
   read_thinking(ask, body)
   read_cache(ask, body, server)
end

function anthropic_request.read(ask, req, _, server)
   read(ask, req, server, MEMBERS)
end

-- count_tokens: the same without max_tokens.
function anthropic_request.read_count(ask, req, _, server)
   read(ask, req, server, COUNTED)
end

return anthropic_request
