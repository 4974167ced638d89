-- structured: answers that must fit a JSON Schema: llm.chat and llm.stream with the option 'schema'.
-- SPDX-License-Identifier: MIT
--
-- A model whose catalogue entry has the capability "json_schema" is told the schema in its provider's words
-- (codecs translate response_format); any other by instructions in the prompt. Whatever a provider promises,
-- the answer is checked here. One that does not fit is shown to the model with what is wrong, then the next
-- tier is asked.

local calling = require "calling"
local clock = require "clock"
local config = require "config"
local deadline = require "deadline"
local errors = require "errors"
local json = require "json"
local log = require "log"
local rescue = require "rescue"
local schema = require "schema"

local structured = {}

local REPAIRS = 1  -- times that a model may correct its answer, where the options do not say it
local SHOWN = 10   -- errors that it is shown
local EVERY = 1024 -- bytes of an answer that are looked at whenever some arrive
local TIERS = { "fast", "standard", "expert" }
local OWN = { schema = true, repairs = true, early = true } -- options that are ours

-- ---- what is asked ----

local function has(list, wanted)
   for _, value in ipairs(list or {}) do
      if value == wanted then return true end
   end
   return false
end

-- response_format for a model that has it; nil: it has not, or not for this schema.
local function native_format(entry, wanted)
   if not has(entry.capabilities, "json_schema") or type(wanted) ~= "table" or wanted.type ~= "object" then
      return nil
   end
   local name = type(wanted.title) == "string" and wanted.title:gsub("[^%w_-]", "_"):sub(1, 64) or "answer"
   local codec = config.providers[entry.provider].codec or ""
   local strict = codec:find "^openai" or codec:find "^azure"
   strict = strict and schema.strict(wanted, "openai")
   name = name ~= "" and name or "answer"
   return { type = "json_schema",
      json_schema = { name = name, schema = strict or wanted, strict = strict and true } }
end

local function instructions(wanted)
   return "Answer with one JSON value and nothing else: no prose, no code fence. It must fit this JSON "
      .. "Schema:\n"
      .. json.encode(wanted)
end

-- The request as a table whose messages may be changed.
local function opened(req)
   if type(req) == "string" then return { messages = { { role = "user", content = req } } } end
   if type(req) == "userdata" then req = json.decode(req:json()) end
   local copy = {}
   for name, value in pairs(req) do copy[name] = value end
   copy.messages = json.array {}
   for i, message in ipairs(req.messages or {}) do copy.messages[i] = message end
   return copy
end

local function instructed(req, wanted)
   local copy = opened(req)
   copy.response_format = nil
   table.insert(copy.messages, 1, { role = "system", content = instructions(wanted) })
   return copy
end

local function told(errs)
   local lines = {}
   for i, e in ipairs(errs) do
      if i > SHOWN then break end
      lines[i] = ("- %s: %s"):format(e.instance == "" and "the value" or e.instance, e.message)
   end
   if #lines == 0 then lines[1] = "- " .. errs.message end
   return table.concat(lines, "\n")
end

-- The request with the wrong answer and what is wrong with it behind.
local function corrected(req, text, errs)
   local copy = opened(req)
   local list = copy.messages
   if text:find "%S" then list[#list + 1] = { role = "assistant", content = text } end
   list[#list + 1] = { role = "user", content = "This answer does not fit the schema:\n" .. told(errs)
      .. "\nAnswer again, with the corrected JSON only." }
   return copy
end

-- ---- what came ----

local function invalid(message)
   return errors.new { code = "invalid_output", message = message }
end

-- The value in an answer | nil, errors.
local function read(answer, validator)
   local value, text = schema.extract(answer.text, validator)
   if value ~= nil then return value, text end
   if type(answer.message.refusal) == "string" then return nil, invalid "the model refused to answer" end
   if answer.finish_reason == "length" then return nil, invalid "the answer was cut at its length limit" end
   return nil, text
end

-- Reads a stream; breaks it off where nothing that may follow can make it fit. reply | nil, err, what came so
-- far.
local function watched(stream, validator)
   local said, size, looked = {}, 0, 0
   for event in stream:events() do
      if event.kind == "error" then return nil, event.err end
      if event.kind == "text" then
         said[#said + 1], size = event.text, size + #event.text
         -- A look reads all of it: at every word of the first ones, then when so much more has come.
         if looked < EVERY or size - looked >= looked // 32 then
            looked = size
            said = { table.concat(said) }
            local begun = said[1]
            local ok, errs = true, nil
            if begun:find "^%s*[%[{]" then ok, errs = validator:check_beginning(begun) end
            if not ok and errs.code == "invalid_output" then
               stream:break_off(invalid "the beginning of the answer cannot fit the schema")
               return nil, errs, begun
            end
         end
      end
   end
   return stream:reply()
end

-- ---- one model, and its corrections ----

-- The options of a call. 'form' is asked by llm.lua and careful.lua for each model that the call goes to,
-- those of 'fallback' too: it says the schema in the model's own way.
local function options_of(opts, wanted)
   local own = {}
   for name, value in pairs(opts) do
      if not OWN[name] then own[name] = value end
   end
   own.stream = nil
   function own.form(entry, req, attempt)
      attempt.response_format = native_format(entry, wanted)
      return attempt.response_format and req or instructed(req, wanted)
   end
   return own
end

-- One call. reply | nil, err, text: with a text the err is about what the model said.
local function ask(send, entry, req, opts, wanted, validator)
   local stream, err = send(entry, req, options_of(opts, wanted), opts.early or false)
   if not stream then return nil, err end
   if not rescue.is_stream(stream) then return stream end
   return watched(stream, validator)
end

-- reply, value | nil, err, about_answer
local function of_one(send, entry, req, opts, wanted, validator)
   local errs
   for attempt = 0, opts.repairs or REPAIRS do
      local answer, err, begun = ask(send, entry, req, opts, wanted, validator)
      if not answer and not begun then return nil, err, false end
      local value, text = nil, err
      if answer then value, text = read(answer, validator) end
      if value ~= nil then
         if answer.text ~= text then answer.text = text end -- without what stood around it
         return answer, value
      end
      errs = text
      log.debug("the answer does not fit the schema", { model = entry.name, attempt = attempt + 1,
         why = errs.message })
      req = corrected(req, answer and answer.text or begun, errs)
   end
   return nil, errs, true
end

-- ---- the ladder ----

-- The target, then the same selector in the tiers above its own.
local function ladder(target)
   local steps = { target }
   if type(target) ~= "table" or not target.tier or target.name then return steps end
   local above = false
   for _, tier in ipairs(TIERS) do
      if above then
         local step = {}
         for name, value in pairs(target) do step[name] = value end
         step.tier = tier
         steps[#steps + 1] = step
      end
      above = above or tier == target.tier
   end
   return steps
end

-- Where there was no JSON at all, that is the one error, of the whole answer.
local function finish(errs)
   local list = {}
   for i, e in ipairs(errs) do list[i] = e end
   list[1] = list[1] or { instance = "", schema = "", keyword = "", message = errs.message }
   return errors.new { code = errs.code, message = "the answer does not fit the schema: " .. errs.message,
      errors = list }
end

-- What the next tier would say, too.
local HOPELESS = { bad_request = true, content_filter = true, cancelled = true, budget = true }

-- structured.chat(send, target, req, opts) -> reply, value | nil, err. opts as for llm.chat, and schema,
-- repairs, early. send(target, req, opts, stream) makes one call (llm.lua).
-- err.code is "invalid_output" when no model's answer fits, with err.errors, the list of the last one's;
-- "bad_request" when the schema is none. Yields.
function structured.chat(send, target, req, opts)
   local validator, wrong = schema.compile(opts.schema)
   if not validator then
      wrong.message = "the option 'schema' is no JSON Schema: " .. wrong.message
      return nil, wrong
   end
   local _ <close> = deadline.lower(opts.deadline and clock.monotonic() + opts.deadline)
   local wanted = opts.schema
   if type(wanted) == "string" then wanted = json.decode(wanted) end
   local last, last_call
   for _, step in ipairs(ladder(target)) do
      local entry, err = calling.find(step)
      if entry then
         local answer, value, about_answer = of_one(send, entry, req, opts, wanted, validator)
         if answer then return answer, value end
         if about_answer then last = value else last_call = value end
         if not about_answer and HOPELESS[value.code] then break end
      elseif err.code ~= "no_candidate" or step == target then
         return nil, err
      end
   end
   if last then return nil, finish(last) end
   return nil, last_call
end

return structured
