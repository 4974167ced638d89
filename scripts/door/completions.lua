-- door.completions: OpenAI's older Completions API, as clients speak it: one prompt, its continuation.
-- SPDX-License-Identifier: MIT
--
-- Source: OpenAI API reference, "Completions" (POST /v1/completions). Behind it stand models that chat: the
-- prompt is what a user says. What they cannot do (several prompts or token numbers in one request, text
-- after the gap) is refused by name.

local errors = require "errors"
local hub = require "hub"
local json = require "json"
local usage = require "usage"

local door = {
   name = "completions",
   format = "completions",
   stream_type = "text/event-stream; charset=utf-8",
   stream_end = "data: [DONE]\n\n",
   ping = ": ping\n\n",
}

local member, text, list = hub.member, hub.text, hub.list

-- A comment in a stream: clients pass over it.
function door.comment(words)
   return ": " .. words .. "\n\n"
end

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param,
      type = "invalid_request_error" }
end

-- ---- the request ----

-- door.head(body text) -> { model =, stream =, include_usage = } | nil, err.
function door.head(body)
   local found, err = json.find(body, "model")
   if err then return wrong(nil, err.message) end
   local model = found and json.decode(found)
   if hub.has(model) and type(model) ~= "string" then return wrong("model", "'model' must be a string") end
   local stream = json.find(body, "stream")
   if stream and stream ~= "null" and stream ~= "true" and stream ~= "false" then
      return wrong("stream", "'stream' must be true or false")
   end
   return { model = text(model), stream = stream == "true",
      include_usage = json.find(body, "stream_options.include_usage") == "true" }
end

-- The prompt: a text, or a list of one.
local function prompt_of(prompt)
   if type(prompt) == "string" then return prompt end
   if not hub.has(prompt) then return wrong("prompt", "missing required parameter: 'prompt'") end
   if type(prompt) ~= "table" or not json.is_array(prompt) then
      return wrong("prompt", "'prompt' must be a string or a list of strings")
   end
   if type(prompt[1]) == "number" or type(prompt[1]) == "table" then
      return wrong("prompt", "'prompt' must be text: numbers of tokens mean nothing to another model")
   end
   if #prompt ~= 1 then return wrong("prompt", "'prompt' must hold one prompt: send a request for each") end
   if type(prompt[1]) ~= "string" then return wrong("prompt",
      "'prompt' must be a string or a list of strings") end
   return prompt[1]
end

-- Members that mean the same in a chat.
local plain = {
   "max_tokens", "temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty",
      "logit_bias",
   "user", "stream", "response_format",
}

local known = { model = true, prompt = true, stream_options = true, n = true, best_of = true, echo = true,
   suffix = true, logprobs = true }
for _, name in ipairs(plain) do known[name] = true end

-- How many alternatives to each token: a number here, two members in a chat.
local function add_logprobs(req, body, head)
   local wanted = member(body, "logprobs")
   if wanted == nil or wanted == false then return true end
   if wanted ~= true and (math.type(wanted) ~= "integer" or wanted < 0) then
      return wrong("logprobs", "'logprobs' must be a whole number")
   end
   if head.echo then return wrong("logprobs", "'logprobs' of an echoed prompt cannot be had") end
   req.logprobs, req.top_logprobs = true, wanted ~= true and wanted > 0 and wanted or nil
   return true
end

-- door.decode(body text, head) -> hub, warnings | nil, err. head.echo: the prompt, when it is to be repeated.
function door.decode(raw, head)
   local body, problem = json.decode(raw)
   if type(body) ~= "table" or json.is_array(body) then
      return wrong(nil, problem and problem.message or "the body must be a JSON object")
   end
   local prompt, err = prompt_of(body.prompt)
   if not prompt then return nil, err end
   local suffix = member(body, "suffix")
   if suffix and suffix ~= "" then return wrong("suffix",
      "'suffix' is not supported: no text after the gap") end
   head.echo = member(body, "echo") == true and prompt or nil
   local warn, warnings = hub.warnings()
   local req = { model = text(body.model), messages = json.array { { role = "user", content = prompt } } }
   for _, name in ipairs(plain) do req[name] = member(body, name) end
   local ok
   ok, err = add_logprobs(req, body, head)
   if not ok then return nil, err end
   for _, name in ipairs { "n", "best_of" } do
      local value = member(body, name)
      if value and value ~= 1 then warn(("changed: %s %s -> 1"):format(name, tostring(value):sub(1, 20))) end
   end
   hub.leftovers(body, known, warn)
   return req, warnings
end

-- ---- the answer ----

-- logprobs in the older form: lists beside each other. offset: where the text begins, in characters.
local function logprobs_of(tokens, offset)
   local out = { tokens = json.array {}, token_logprobs = json.array {}, top_logprobs = json.array {},
      text_offset = json.array {} }
   for _, entry in ipairs(list(tokens)) do
      local token = text(member(entry, "token"))
      if token then
         local top = json.object {}
         for _, other in ipairs(list(member(entry, "top_logprobs"))) do
            if text(member(other, "token")) then top[other.token] = member(other, "logprob") end
         end
         local at = #out.tokens + 1
         out.tokens[at], out.token_logprobs[at] = token, member(entry, "logprob") or json.null
         out.top_logprobs[at], out.text_offset[at] = top, offset
         offset = offset + (utf8.len(token) or #token)
      end
   end
   return #out.tokens > 0 and out or json.null, offset
end

-- A completion has no tool calls.
local function reason_of(reason)
   return (reason == "length" or reason == "content_filter") and reason or "stop"
end

local function completion(meta, choices)
   return { id = "cmpl-" .. meta.id, object = "text_completion", created = meta.created, model = meta.model,
      choices = choices }
end

local function echo_of(meta)
   return text(member(meta.head, "echo")) or ""
end

-- door.answer(reply, meta) -> JSON text.
function door.answer(reply, meta)
   local message, echo = reply.message or {}, echo_of(meta)
   local said = hub.plain(member(message, "content"))
   if said == "" then said = text(member(message, "refusal")) or "" end
   local body = completion(meta, { { index = 0, text = echo .. said,
      finish_reason = reason_of(reply.finish_reason),
      logprobs = (logprobs_of(member(reply.logprobs or nil, "content"), utf8.len(echo) or #echo)) } })
   body.usage = usage.to.openai(reply.usage or nil)
   return json.encode(body)
end

local Encoder = {}
Encoder.__index = Encoder

function Encoder:chunk(said, reason, logprobs)
   return ('%s{"index":0,"text":%s,"logprobs":%s,"finish_reason":%s}%s'):format(self.before,
      json.encode(said),
      logprobs or "null", reason and '"' .. reason .. '"' or "null", self.after)
end

local function say(self, event)
   local said = self.echo .. event.text
   self.echo = ""
   local logprobs
   if self.tokens then
      logprobs, self.offset = logprobs_of(self.tokens, self.offset)
      self.tokens = nil
   end
   return self:chunk(said, nil, logprobs and json.encode(logprobs))
end

local on = {
   text = say,
   refusal = say,
   logprobs = function(self, event)
      self.tokens = member(event.logprobs, "content")
      return ""
   end,
   finish = function(self, event)
      local rest = self.echo
      self.echo = ""
      return self:chunk(rest, reason_of(event.reason))
   end,
   usage = function(self, event)
      self.usage = event.usage
      return ""
   end,
}

-- encoder:event(event) -> bytes. Only the first choice's text is told.
function Encoder:event(event)
   local handle = on[event.kind]
   if not handle or (event.choice or 0) ~= 0 then return "" end
   return handle(self, event)
end

-- encoder:finish() -> bytes: the chunk with the usage, for a client that asked for it.
function Encoder:finish()
   if not self.include_usage or not self.usage then return "" end
   local body = completion(self.meta, json.array {})
   body.usage = usage.to.openai(self.usage)
   return "data: " .. json.encode(body) .. "\n\n"
end

-- door.encoder(meta) -> encoder.
function door.encoder(meta)
   local before = ('data: {"id":%s,"object":"text_completion","created":%d,"model":%s,"choices":['):format(
      json.encode("cmpl-" .. meta.id), meta.created, json.encode(meta.model))
   local echo = echo_of(meta)
   return setmetatable({
      meta = meta, before = before, after = meta.include_usage and '],"usage":null}\n\n' or "]}\n\n",
         echo = echo,
      offset = utf8.len(echo) or #echo, include_usage = meta.include_usage, usage = nil, tokens = nil,
   }, Encoder)
end

return door
