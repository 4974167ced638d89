-- codec.openai: OpenAI Chat Completions, as a provider speaks it and as a client does.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Chat" (POST /v1/chat/completions), "Streaming events", "Embeddings". The
-- engine's own shape of a request is this format's, so a request from an OpenAI client to such a provider
-- passes as bytes with a few edits. Other servers speak it with deviations: codec.dialects has them.

local dialects = require "codec.dialects"
local json = require "json"
local provider = require "provider"
local read = require "chat.read"
local refusal = require "refusal"
local request = require "chat.request"
local usage = require "usage"

local codec = {
   name = "openai",
   format = "openai",                 -- which front door speaks the same
   path = "/chat/completions",
   auth_header = "authorization",
   auth_prefix = "Bearer ",
}

-- Where things stand in an answer and in the events of a stream (core/wire.h).
codec.wire = provider.wire {
   framing = "sse",
   done = "[DONE]",
   content = {
      "choices.*.delta.content", "choices.*.delta.tool_calls", "choices.*.delta.reasoning_content",
      "choices.*.delta.reasoning", "choices.*.delta.refusal", "choices.*.delta.audio",
      "choices.*.delta.function_call", "choices.*.text",
   },
   finish = "choices.*.finish_reason",
   usage = "usage",
   payload = "choices",
   object = "choices.*.delta",
   error = "error",
   answer = "choices.*.message",
}

-- ---- the request ----

-- A stream is always asked for its usage; whether the client sees it is decided when it is sent on. nil when
-- the client has asked for it already.
local function asking_for_usage(options)
   if type(options) == "table" and options.include_usage == true then return nil end
   local asked = json.object { include_usage = true }
   for name, value in pairs(type(options) == "table" and options or {}) do
      if name ~= "include_usage" then asked[name] = value end
   end
   return asked
end

-- What must change in a client's own body: edits, names to remove.
--   req: a view of it;  model: the provider's name of the model;  stream: do we want a stream?
--   to: where it goes (outgoing.lua); without it the server is taken for OpenAI's own
function codec.edits(req, model, stream, to)
   local edits, removed = { model = model }, {}
   local dialect = dialects.of(to and to.provider)
   local options = req.stream_options
   if not stream then
      if req.stream then edits.stream = false end
      if options ~= nil then removed[1] = "stream_options" end
   else
      if not req.stream then edits.stream = true end
      if dialect.stream_options == false then
         if options ~= nil then removed[1] = "stream_options" end
      else
         edits.stream_options = asking_for_usage(options)
      end
   end
   if to then
      local newer, older = req.max_completion_tokens, req.max_tokens
      local name, value = request.limit(newer, older, to)
      if name == "max_tokens" and newer ~= nil and not dialect.is_unknown then
         edits.max_tokens, removed[#removed + 1] = value, "max_completion_tokens"
      elseif name == "max_completion_tokens" and older ~= nil then
         edits.max_completion_tokens, removed[#removed + 1] = value, "max_tokens"
      end
   end
   return edits, #removed > 0 and removed or nil
end

-- Formats of reasoning_details that other APIs' models have signed.
local FOREIGN = { "anthropic-claude-v1", "openai-responses-v1", "google-gemini-v1" }

local function has_any(body, phrases)
   for _, phrase in ipairs(phrases) do
      if body:find(phrase, 1, true) then return true end
   end
   return false
end

local function has_odd_id(body, rule)
   for id in body:gmatch '"tool_call_id"%s*:%s*"([^"]*)"' do
      if #id < rule[2] or #id > rule[3] or not id:find(rule[1]) then return true end
   end
   return false
end

-- Does a client's body hold what another server has said and this one would refuse: reasoning, ids of calls?
-- What a server that is not known makes of reasoning without a signature, it may decide itself.
function codec.refuses(body, to)
   local dialect = dialects.of(to.provider)
   if dialect.tool_ids and has_odd_id(body, dialect.tool_ids) then return true end
   if not dialect.details and body:find('"reasoning_details"', 1, true) and has_any(body, FOREIGN) then
      return true
   end
   return dialect.is_openai == true and (has_any(body, { '"reasoning_content"', '"reasoning_details"' })
      or body:find '"reasoning"%s*:%s*"' ~= nil)
end

-- codec.encode(hub, to) -> JSON text, warnings | nil, err. May yield.
function codec.encode(req, to)
   local body, warnings = request.make(req, to)
   if not body then return nil, warnings end
   return json.encode(body), warnings
end

-- ---- the answer ----

codec.usage = usage.from.openai

-- The error behind an answer that is none: status, body (text), and a function that gives a header
-- of it.
function codec.error(status, body, header)
   return refusal.read { status = status, header = header, object = refusal.object(body) }
end

codec.decode = read.whole
codec.glance = provider.glance
codec.message = read.message
codec.decoder = read.decoder

codec.embed = require "codec.embed.openai"

return codec
