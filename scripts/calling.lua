-- calling: what every call to a model has in common: its codec, its errors, what it costs, trying again.
-- SPDX-License-Identifier: MIT

local blame = require "blame"
local config = require "config"
local explain = require "explain"
local log = require "log"
local models = require "models"
local provider = require "provider"
local retrying = require "retrying"
local trace = require "trace"

local calling = {}

local codecs = {}

-- calling.find(target) -> the model that is meant, its provider's codec | nil, err.
function calling.find(target)
   local entry, err = models.resolve(target)
   if not entry then return nil, err end
   if type(target) == "table" and target ~= entry and not target.model and trace.detailed() then
      explain.selection(target, entry)
   end
   local name = config.providers[entry.provider].codec
   codecs[name] = codecs[name] or require("codec." .. name)
   return entry, codecs[name]
end

-- ---- lines ----

-- calling.line(entry, codec, path, stream) -> line | nil, err: a line to a model (provider.line) with its
-- codec's header fields. path: text.
function calling.line(entry, codec, path, stream)
   local headers = codec.headers
   if type(headers) == "function" then headers = headers(entry.model, config.providers[entry.provider]) end
   local fields = {} -- a copy: C cannot look into a module's own table, which is read-only
   for name, value in pairs(headers or {}) do fields[name] = value end
   return provider.line {
      provider = entry.provider, path = path, headers = fields, wire = codec.wire, stream = stream,
      auth_header = codec.auth_header, auth_prefix = codec.auth_prefix, model = entry.name,
      known = models.is_known(entry.name), input_price = entry.input, output_price = entry.output,
      requests_per_minute = entry.requests_per_minute, tokens_per_minute = entry.tokens_per_minute,
      context = entry.context,
   }
end

-- The lines for chats, by entry. Only those of the catalogue's models are kept: clients may make up others
-- without end.
local whole, streamed = {}, {}

-- calling.line_to(entry, codec, stream) -> line | nil, err: the line for chats. A codec's path and headers,
-- where they are functions, are asked once for each model.
function calling.line_to(entry, codec, stream)
   local lines = stream and streamed or whole
   if lines[entry] then return lines[entry] end
   local path = codec.path
   if type(path) == "function" then path = path(entry.model, stream, config.providers[entry.provider]) end
   local line, err = calling.line(entry, codec, path, stream)
   if line and models.is_known(entry.name) then lines[entry] = line end
   return line, err
end

-- ---- errors ----

-- What a provider says of the request itself is meant for the client, word for word.
local of_the_request = { bad_request = true, context_length = true, content_filter = true }

-- calling.place(err, entry) -> err. Whose error it is; the message, too, tells whom to look at.
function calling.place(err, entry)
   err.provider, err.model = entry.provider, entry.model
   local name = ("provider '%s'"):format(entry.provider)
   local told = of_the_request[err.code] or err.code == "cancelled"
   if not told and not err.message:find(name, 1, true) then
      err.message = name .. ": " .. err.message
   end
   return err
end

-- calling.failure(call, status, body, entry, codec) -> err: what an answer that is none means.
function calling.failure(call, status, body, entry, codec)
   local function header(name) return call:header(name) end
   return calling.place(codec.error(status, body or "", header), entry)
end

-- ---- the books ----

-- calling.book(entry, usage) -> USD. Adds a call to what the request has cost.
function calling.book(entry, usage)
   local cost = models.price(entry, usage)
   if usage then trace.spend(cost, usage.input_tokens, usage.output_tokens) end
   return cost
end

-- calling.report(call, usage, cost): the end of a call, for the model's health and the metrics: it worked.
function calling.report(call, usage, cost)
   if not usage then return call:report("ok", "ok") end
   call:report("ok", "ok", 0, usage.input_tokens, usage.cached_tokens, usage.output_tokens, cost)
end

-- How an answer began that made no sense goes into the request's log line, without the provider's keys.
local function note_nonsense(call, err, answer)
   local began = err.code == "bad_response" and call:excerpt(answer)
   if not began then return end
   trace.note { bad_response = { provider = err.provider, model = err.model, began = began } }
end

-- calling.failed(call, err, answer?, usage?, cost?) -> nil, err. It failed. answer: the body that came.
function calling.failed(call, err, answer, usage, cost)
   note_nonsense(call, err, answer)
   local who, seconds = blame.of(err, err.model and models.is_known(err.provider .. "/" .. err.model))
   if usage then
      call:report(who, err.code, seconds, usage.input_tokens, usage.cached_tokens, usage.output_tokens, cost)
   else
      call:report(who, err.code, seconds)
   end
   return nil, err
end

-- ---- again ----

-- The key was at fault, and the provider has another one.
local function has_spare_key(entry, err)
   local who = blame.of(err)
   return (who == "key" or who == "quota") and not err.refused and models.is_ready(entry)
end

-- calling.try(entry, retries, attempt, ...) -> what attempt(n, entry, ...) returns when that is not nil |
-- nil, err. n: which try it is, from 1. Tries until it is in vain (retrying.lua). Yields.
function calling.try(entry, retries, attempt, ...)
   local n = 1
   local spare_keys = (config.providers[entry.provider].keys or 1) - 1
   while true do
      local call, body, usage, view, warnings = attempt(n, entry, ...)
      if call then return call, body, usage, view, warnings end
      local err = body
      log.debug("attempt failed", { model = entry.name, code = err.code, attempt = n })
      if spare_keys > 0 and has_spare_key(entry, err) then
         spare_keys = spare_keys - 1
      else
         if not retrying.wait(entry.name, err, n, retries) then return nil, err end
         n = n + 1
      end
   end
end

return calling
