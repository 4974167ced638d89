-- test_anthropic_nonsense: whatever stands at whatever place, nothing of Anthropic's format raises.
-- SPDX-License-Identifier: MIT
local t = require "test"
local codec = require "codec.anthropic"
local door = require "door.anthropic"
local json = require "json"
local reply = require "reply"

local ODD = { "null", "7", "-1.5", "1e999", "true", '""', '"x"', "[]", "{}", "[null]", "[[]]", '[{"type":7}]',
   '{"type":"text"}', '{"type":[]}', '{"a":null}' }

-- Calls f with the value again and again, each time with another odd value at another place.
local function spoil(text, f)
   local n = 0
   local function walk(container, root)
      for key, value in pairs(container) do
         for _, odd in ipairs(ODD) do
            container[key] = json.decode(odd)
            local spoiled = json.encode(root)
            local ok, err = pcall(f, spoiled)
            n = n + 1
            if not ok then t.ok(false, tostring(err) .. " of " .. spoiled) end
         end
         container[key] = value
         if type(value) == "table" then walk(value, root) end
      end
   end
   local root = json.decode(text)
   walk(root, root)
   t.ok(n > 100, "values: " .. n)
end

local NATIVE = [[{"model":"claude-sonnet-4-5","max_tokens":2000,"system":[{"type":"text","text":"s",
"cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"a"},
{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},
{"type":"document","title":"t","citations":{"enabled":true},"source":{"type":"text","data":"d"}},
{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA=="}}]},
{"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":"baton:openai-responses-v1:a:b"},
{"type":"redacted_thinking","data":"d"},{"type":"text","text":"b"},
{"type":"tool_use","id":"i","name":"f","input":{"x":1}}]},{"role":"user","content":[
{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}],"is_error":true}]}],
"tools":[{"name":"f","input_schema":{"type":"object"},"strict":true},{"type":"bash_20250124","name":"bash"}],
"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},"stop_sequences":["x"],
"thinking":{"type":"enabled","budget_tokens":1500,"display":"omitted"},"metadata":{"user_id":"u"},
"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}},"container":"c"}]]

t.case("a client's request", function()
   spoil(NATIVE, function(text)
      local req = door.decode(text)
      if req then codec.encode(req, { model = "claude-opus-4-6", facts = {} }) end
      local head = door.head(text)
      if head then assert(type(head.model) == "string") end
   end)
end)

local HUB = [[{"messages":[{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"user","name":"n",
"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},
{"type":"file","file":{"file_data":"data:text/plain;base64,YQ=="}}]},{"role":"assistant","content":"b ",
"reasoning_details":[
{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1","index":0},
{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1","index":2}],"refusal":"r",
"tool_calls":[{"id":"i:1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
{"type":"custom","custom":{"name":"c","input":"y"}}]},
{"role":"tool","tool_call_id":"i:1","content":[{"type":"text","text":"r"}],"is_error":true},
{"role":"function","name":"f","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":
{"type":"object","properties":{"a":{"type":["object","null"],"minimum":1}}},"strict":true}}],
"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"function":{"name":"f"}}]}},
"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","anyOf":[{}]}}},
"reasoning":{"max_tokens":1500,"enabled":true},"stop":["a"],"max_tokens":3000,"temperature":0.5,"top_p":0.99,
"web_search_options":{"user_location":{"approximate":{"city":"x"}}},"modalities":["text"],"user":"u",
"native":{"format":"anthropic","container":"c","_effort":"low","_thinking":{"type":"adaptive"},
"output_config":{"x":1}}}]]

t.case("a request for a provider", function()
   for _, model in ipairs { "claude-sonnet-4-5", "claude-opus-5", "other" } do
      spoil(HUB, function(text)
         local req = json.decode(text)
         if type(req.messages) ~= "table" then return end
         local body, err = codec.encode(req, { model = model, facts = {} })
         assert(body or err.code == "bad_request")
         assert(not body or json.decode(body))
      end)
   end
end)

local ANSWER = [[{"id":"m","content":[{"type":"thinking","thinking":"h","signature":"s"},
{"type":"text","text":"a","citations":[{"type":"char_location","url":"u","title":"t"}]},
{"type":"tool_use","id":"i","name":"f","input":{"x":1}}],"stop_reason":"refusal",
"stop_details":{"explanation":"e"},"usage":{"input_tokens":1,
"cache_creation":{"ephemeral_5m_input_tokens":1}}}]]

local META = { id = "abc", created = 1, model = "m" }

t.case("a provider's answer", function()
   spoil(ANSWER, function(text)
      local view, err = codec.decode(text)
      assert(view or err.code == "bad_response")
      if not view then return end
      assert(json.decode(door.answer(view, META)))
      local enc = door.encoder(META)
      for _, event in ipairs(reply.events(view)) do enc:event(event) end
      enc:finish()
   end)
end)

local STREAM = [=[[{"type":"message_start","message":{"usage":{"input_tokens":1}}},
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"a","signature":"b"}},
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}},
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"t"}},
{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"url":"u"}}},
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"i","name":"f","input":{}}},
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}},
{"type":"content_block_stop","index":2},
{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_details":{"explanation":"x"}},"usage":{}},
{"type":"message_stop"}]]=]

t.case("a provider's stream", function()
   spoil(STREAM, function(text)
      local list, decoder, enc = json.decode(text), codec.decoder(), door.encoder(META)
      for _, data in ipairs(list) do
         for _, event in ipairs(decoder(json.encode(data), nil)) do enc:event(event) end
      end
      enc:finish()
   end)
end)

-- A message as another codec or a policy may have made it.
local MESSAGE = [[{"message":{"role":"assistant","content":[{"type":"text","text":"a"}],"refusal":"r",
"reasoning_content":"t","reasoning_details":[
{"type":"reasoning.text","text":"t","signature":"s","format":"f","id":"i"},
{"type":"reasoning.encrypted","data":"d"}],"annotations":[{"url_citation":{"url":"u"}},
{"document_citation":{"type":"char_location"}}],"tool_calls":[
{"id":"i","function":{"name":"f","arguments":"{}"},
"extra_content":{"google":{"thought_signature":"g"}}}]},"finish_reason":"stop"}]]

t.case("an answer for a client", function()
   spoil(MESSAGE, function(text)
      local view = json.decode(text)
      assert(json.decode(door.answer(view, META)))
      local enc = door.encoder(META)
      for _, event in ipairs(reply.events(view)) do enc:event(event) end
      enc:finish()
   end)
end)
