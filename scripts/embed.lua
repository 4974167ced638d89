-- embed: texts as vectors: llm.embed, and what the doors' embedding pages stand on.
-- SPDX-License-Identifier: MIT

local calling = require "calling"
local config = require "config"
local errors = require "errors"
local json = require "json"
local usage_of = require "usage"

local embed = {}

-- ---- options ----

local options = { dimensions = "number", timeout = "limit", retries = "count", label = "text" }
local no_options = {}

local checks = {
   count = function(value) return math.type(value) == "integer" and value >= 0 and value < 1e6 end,
   number = function(value) return type(value) == "number" end,
   limit = function(value) return type(value) == "number" and value > 0 and value <= 86400 end,
   text = function(value) return type(value) == "string" end,
}

local function check_options(opts)
   if opts == nil then return no_options end
   if type(opts) ~= "table" then
      errors.raise("llm.embed: the options must be a table, not a " .. type(opts))
   end
   for name, value in pairs(opts) do
      local kind = options[name]
      if not kind then errors.raise(("llm.embed: unknown option '%s'"):format(tostring(name))) end
      if not checks[kind](value) then
         errors.raise(("llm.embed: option '%s' is out of range"):format(name))
      end
   end
   return opts
end

local function check_input(input)
   if type(input) == "string" then return { input } end
   if type(input) ~= "table" then
      errors.raise("llm.embed: the input must be a string or a list of strings, not a " .. type(input))
   end
   for position = 1, #input do
      if type(input[position]) ~= "string" then
         errors.raise(("llm.embed: input %d is a %s, not a string"):format(position, type(input[position])))
      end
   end
   if #input == 0 then errors.raise "llm.embed: the input is empty" end
   return input
end

-- ---- one call ----

local function bad_response(message)
   return errors.new { code = "bad_response", message = message }
end

-- Sends a body (text or a view with edits): the call and its answer's text | nil, err.
local function send(entry, codec, out, timeout)
   local path = codec.embed.path
   if type(path) == "function" then path = path(entry.model, config.providers[entry.provider]) end
   local line, astray = calling.line(entry, codec, path, false)
   if not line then return nil, calling.place(astray, entry) end
   -- without an answer: nil, err, call (if it was made)
   local call, status, answer = line:call(out, { timeout = timeout })
   if not call then
      local err, made = calling.place(status, entry), answer
      if made then return calling.failed(made, err) end
      return nil, err
   end
   if status ~= 200 then
      return calling.failed(call, calling.failure(call, status, answer, entry, codec), answer)
   end
   return call, answer
end

-- It was answered, but not with what was asked.
local function refuse(call, answer, err, entry, codec)
   local found = json.find(answer, "error")
   if found and found ~= "null" then err = calling.failure(call, 200, answer, entry, codec) end
   return calling.failed(call, calling.place(err, entry), answer)
end

local function is_vector(vector)
   for position = 1, #vector do
      if type(vector[position]) ~= "number" then return false end
   end
   return #vector > 0
end

-- The vectors of an answer, as many as asked for | nil, err.
local function read(codec, answer, wanted)
   local found, err = codec.embed.decode(answer)
   if not found then return nil, err end
   if #found.vectors ~= wanted then
      return nil, bad_response(("%d embeddings came for %d inputs"):format(#found.vectors, wanted))
   end
   for position = 1, wanted do
      if not is_vector(found.vectors[position]) then
         return nil, bad_response "an embedding that is no vector"
      end
   end
   return found
end

local function settle(entry, call, usage)
   local cost = calling.book(entry, usage)
   calling.report(call, usage, cost)
   return cost
end

local function attempt(entry, codec, inputs, opts)
   local body, wrong = codec.embed.encode(entry.model, inputs, opts)
   if not body then return nil, wrong end
   local call, answer = send(entry, codec, { body = body }, opts.timeout)
   if not call then return nil, answer end
   local found, err = read(codec, answer, #inputs)
   if not found then return refuse(call, answer, err, entry, codec) end
   found.cost = settle(entry, call, found.usage)
   return found
end

-- ---- what is asked for ----

local function no_embeddings(entry)
   return nil, calling.place(errors.new { code = "bad_request", param = "model",
      type = "invalid_request_error",
      message = ("provider '%s' has no embeddings"):format(entry.provider) }, entry)
end

-- A client may have said it: no fault of the script that hands it on.
local function wrong_dimensions(dimensions)
   if not dimensions or math.type(dimensions) == "integer" and dimensions > 0 and dimensions < 1e6 then
      return nil
   end
   return errors.new { code = "bad_request", param = "dimensions", type = "invalid_request_error",
      message = "the number of dimensions must be a whole number above 0" }
end

-- embed.find(target) -> the model, its codec | nil, err: as models.resolve, and its provider has embeddings.
function embed.find(target)
   local entry, codec = calling.find(target)
   if not entry then return nil, codec end
   if not codec.embed then return no_embeddings(entry) end
   return entry, codec
end

local function add(sum, usage)
   for name, value in pairs(usage or no_options) do sum[name] = (sum[name] or 0) + value end
end

-- embed.create(target, input, opts?) -> { vectors = { { number, ... }, ... }, usage =, cost = (USD), model =,
-- provider =, name =, label = } | nil, err. This is llm.embed. input: a text or a list of texts; longer lists
-- than the provider takes at once go in several calls. opts: dimensions, timeout (seconds of each call),
-- retries (of errors that may pass; 0), label. An unknown option raises. Yields.
function embed.create(target, input, opts)
   opts = check_options(opts)
   local inputs = check_input(input)
   local entry, codec = embed.find(target)
   if not entry then return nil, codec end
   local wrong = wrong_dimensions(opts.dimensions)
   if wrong then return nil, wrong end
   local most = codec.embed.most or #inputs
   local vectors, usage, cost = {}, {}, 0
   add(usage, usage_of.none)
   for from = 1, #inputs, most do
      local batch = from == 1 and #inputs <= most and inputs
         or table.move(inputs, from, math.min(from + most - 1, #inputs), 1, {})
      local found, err = calling.try(entry, opts.retries or 0, function()
         return attempt(entry, codec, batch, opts)
      end)
      if not found then return nil, err end
      table.move(found.vectors, 1, #found.vectors, from, vectors)
      add(usage, found.usage)
      cost = cost + found.cost
   end
   return { vectors = vectors, usage = usage, cost = cost, model = entry.model, provider = entry.provider,
      name = entry.name, label = opts.label or false }
end

-- embed.pass(entry, codec, out, is_answer) -> the provider's answer as it came | nil, err: a client's own
-- bytes to a provider of the same format. out: { body = view, edits =, removed = }; is_answer(text) -> the
-- usage (or false) of what is an answer | nil, err. Yields.
function embed.pass(entry, codec, out, is_answer)
   return calling.try(entry, 0, function()
      local call, answer = send(entry, codec, out)
      if not call then return nil, answer end
      local usage, err = is_answer(answer)
      if usage == nil then return refuse(call, answer, err, entry, codec) end
      settle(entry, call, usage or nil)
      return answer
   end)
end

return embed
