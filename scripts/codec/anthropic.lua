-- codec.anthropic: Anthropic Messages, as a provider speaks it.
-- SPDX-License-Identifier: MIT
--
-- Source: Anthropic API reference, "Messages" (POST /v1/messages), "Streaming messages", "Errors". Also
-- spoken by other servers (Moonshot, Zhipu, MiniMax, DeepSeek, llama.cpp, vLLM, Ollama) under own paths.

local answer = require "anthropic.answer"
local encode = require "anthropic.encode"
local hub = require "hub"
local json = require "json"
local provider = require "provider"
local refusal = require "refusal"
local thinking = require "anthropic.thinking"
local usage = require "usage"

local codec = {
   name = "anthropic",
   format = "anthropic",
   path = "/messages",
   auth_header = "x-api-key",
   auth_prefix = "",
   headers = { ["anthropic-version"] = "2023-06-01" },
   forwards = { "anthropic-version", "anthropic-beta" },
   -- no 'settings': which of temperature, max_tokens and so on a model takes hangs on the model and on
   -- whether it thinks, so what a policy sets goes through encode
   encode = encode,
   decode = answer.decode,
   usage = usage.from.anthropic,
   count = { path = "/messages/count_tokens", member = "input_tokens" },
}

-- Where things stand in an answer and in the events of a stream (core/wire.h). A block that starts proves
-- nothing but for a whole tool call, redacted thinking, or what the provider's own tools found.
codec.wire = provider.wire {
   framing = "sse",
   done = "type=message_stop",
   content = {
      "delta.text", "delta.thinking", "delta.partial_json", "delta.signature", "content_block.text",
      "content_block.data", "content_block.name", "content_block.content",
   },
   finish = "delta.stop_reason",
   usage = { "message.usage", "usage" },
   object = "content_block",
   error = "error",
   answer = { "content", "stop_reason" },
}

-- A client that lets Anthropic think, in the middle of a tool loop that another provider began: there are no
-- thoughts to go on from, and thinking is refused until the user speaks again. The messages are only looked
-- at where there are results; a member that was read would be written anew, so they are read on their own.
local function began_elsewhere(req)
   if hub.member(req.thinking, "type") ~= "enabled" then return false end
   local body = req:json()
   if not body:find('"tool_result"', 1, true) then return false end
   return thinking.is_bare(hub.list(json.decode(json.find(body, "messages") or "null")))
end

-- What of a body means something only while the model thinks: "clear_thinking_20251015".
local function of_thinking(req)
   local gone, cleared = { "thinking" }, false
   for _, edit in ipairs(hub.list(hub.member(req.context_management, "edits"))) do
      cleared = cleared or (hub.text(hub.member(edit, "type")) or ""):find "^clear_thinking" ~= nil
   end
   if cleared then gone[2] = "context_management" end
   return gone
end

-- What must change in a client's body of this format: members to set, names to remove, warnings.
function codec.edits(req, model, stream)
   local edits = { model = model }
   if stream ~= (req.stream == true) then edits.stream = stream end
   if not began_elsewhere(req) then return edits, nil end
   return edits, of_thinking(req), { thinking.BARE }
end

-- The error behind an answer that is none, or an error event (status 200).
function codec.error(status, body, header)
   local object = refusal.object(body)
   local err = refusal.read { status = status, header = header, object = object }
   local details = hub.member(object, "details")
   if err.code ~= "auth" then err.provider_code = hub.text(hub.member(details, "error_code")) end
   return err
end

local function no_header() end

function codec.decoder()
   return answer.decoder(function(data) return codec.error(200, data, no_header) end)
end

return codec
