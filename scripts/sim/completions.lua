-- completions: the wire format of OpenAI's older Completions.
-- SPDX-License-Identifier: MIT
local conversation = require "sim.conversation"
local json = require "json"
local openai = require "sim.openai"
local openai_error = require "sim.openai_error"
local openai_say = require "sim.openai_say"
local request = require "sim.request"
local shape = require "sim.shape"
local tokens = require "sim.tokens"

local completions = setmetatable({ prefix = "cmpl-" }, { __index = openai })

local quoted, or_nil, range = json.encode, request.or_nil, shape.range

local PROMPT = shape.either({ string = "string", array = shape.list(shape.either {
   string = "string", integer = "integer", array = shape.list("integer") }) }, "!")

local MEMBERS = {
   prompt = PROMPT, max_tokens = range("integer", 0), temperature = range("number", 0, 2),
   top_p = range("number", 0, 1),
   n = range("integer", 1, 128), stream = "boolean", stream_options = "object", logprobs = range("integer",
      0, 5),
   echo = "boolean", stop = shape.either { string = "string", array = shape.list("string") },
   presence_penalty = range("number", -2, 2), frequency_penalty = range("number", -2, 2), best_of = "integer",
   logit_bias = "object", user = "string", seed = "integer", suffix = "string",
}

-- The prompts as texts; token ids are no text that anybody here could read.
local function prompts_of(prompt)
   if type(prompt) == "string" then return { prompt } end
   local out = {}
   for i, one in ipairs(prompt) do
      if type(one) == "number" then return { "token ids" } end
      out[i] = type(one) == "string" and one or "token ids"
   end
   return out
end

function completions.read_for(ask, req, model, wire)
   local body = request.body(req.body, wire)
   ask.stream = body.stream == true
   MEMBERS.model = model and "string" or "string!"
   openai_say.check(body, MEMBERS)
   request.model(ask, model or body.model, wire)
   local prompts, turns = prompts_of(body.prompt), {}
   for i, prompt in ipairs(prompts) do turns[i] = { role = "user", text = prompt } end
   conversation.read(ask, turns)
   ask.prompts = #prompts > 1 and prompts or nil
   local options = or_nil(body.stream_options)
   ask.include_usage = ask.stream and options and options.include_usage == true
   ask.limit, ask.n, ask.seed = or_nil(body.max_tokens) or 16, or_nil(body.n) or 1, or_nil(body.seed)
   local stop = or_nil(body.stop)
   ask.stop = type(stop) == "string" and { stop } or stop or {}
end

function completions.read(ask, req)
   completions.read_for(ask, req, nil, openai_error)
end

local function choice_json(text, index, finish)
   return ('{"text":%s,"index":%d,"logprobs":null,"finish_reason":%s}'):format(quoted(text), index,
      finish and quoted(finish) or "null")
end

local function body_json(reply, list, usage)
   return ('{"id":"%s","object":"text_completion","created":%d,"model":%s,"choices":[%s]%s}'):format(reply.id,
      reply.created, quoted(reply.model), list, usage and ',"usage":' .. usage or "")
end

function completions.whole(reply)
   local list = {}
   for i, choice in ipairs(reply.choices) do list[i] = choice_json(choice.text, choice.index,
      choice.finish) end
   return body_json(reply, table.concat(list, ","), openai.usage_json(reply.usage)) .. "\n"
end

function completions.stream(reply)
   local usage = reply.include_usage and "null" or nil
   local function event(list, counted) return "data: " .. body_json(reply, list, counted or usage)
      .. "\n\n" end
   return coroutine.wrap(function()
      local emit = coroutine.yield
      for _, choice in ipairs(reply.choices) do
         for text in tokens.each(choice.text) do emit("token", event(choice_json(text, choice.index)),
            text) end
         emit("finish", event(choice_json("", choice.index, choice.finish)))
      end
      if usage then emit("usage", event("", openai.usage_json(reply.usage))) end
      emit("done", "data: [DONE]\n\n")
   end)
end

function completions.event_of(reply)
   return function(text) return "data: " .. body_json(reply, choice_json(text, 0)) .. "\n\n" end
end

completions.nulls = {
   essential = { { '"text":"[^"]*"', '"text":null' } },
   optional = { { '"usage":%b{}', '"usage":null' } },
}

return completions
