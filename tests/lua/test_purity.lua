-- test_purity: a codec leaves the request that it encodes as it is: attempts at several models share it.
-- SPDX-License-Identifier: MIT
local t = require "test"
local json = require "json"
local config = require "config"

local REQUEST <const> = [[{"model":"m","stream":true,"max_tokens":100,"temperature":0.5,
   "stop":["x"],"user":"u","metadata":{"a":"b"},"reasoning_effort":"high",
   "response_format":{"type":"json_schema","json_schema":{"name":"s","schema":
      {"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"]}}},
   "tools":[{"type":"function","cache_control":{"type":"ephemeral"},"function":
      {"name":"f","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}}],
   "tool_choice":"auto","native":{"format":"x","own":1},"messages":[
   {"role":"developer","content":"short"},
   {"role":"user","name":"n","content":[
      {"type":"text","text":"look","cache_control":{"type":"ephemeral"}},
      {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},
      {"type":"text","text":"odd","native":{"format":"x"}}]},
   {"role":"assistant","content":null,"reasoning_content":"hm","reasoning_details":[
      {"type":"reasoning.text","text":"hm","signature":"s","format":"anthropic-claude-v1"}],
    "tool_calls":[
      {"id":"a-very-long-id/of:a-call","type":"function","function":{"name":"f","arguments":"{\"q\":\"x\"}"}},
      {"type":"function","function":{"name":"f","arguments":""}}]},
   {"role":"tool","tool_call_id":"a-very-long-id/of:a-call","content":"r","is_error":true},
   {"role":"tool","content":[{"type":"text","text":"r"},
      {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},
   {"role":"assistant","content":"so","refusal":"no","annotations":[]},
   {"role":"user","content":"and?"}]}]]

t.case("no codec changes what it encodes", function()
   local some = next(config.providers)
   for _, name in ipairs { "openai", "openai_responses", "azure", "anthropic", "gemini", "ollama" } do
      local codec = require("codec." .. name)
      local req = json.decode(REQUEST)
      local before = json.encode(req)
      for _, stream in ipairs { false, true } do
         local to = { model = "gpt-5", stream = stream, facts = { name = "x/gpt-5", model = "gpt-5" },
            provider = config.providers[some] }
         local body, err = codec.encode(req, to)
         t.equal(err and err.message, nil)
         t.equal(type(body), "string")
         t.equal(json.encode(req), before, name)
      end
   end
end)
