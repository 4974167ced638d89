-- human: a person decides. The task waits, at the cost of its memory, until somebody has answered.
-- SPDX-License-Identifier: MIT

local config = require "config"
local errors = require "errors"
local json = require "json"
local person = require "person"
local trace = require "trace"

local human = {}

local WITHIN <const> = { request = config.human.within or 30, timer = 3600, workflow = 7 * 86400 } -- seconds
local WITHIN_MAX <const> = 7 * 86400
local QUESTION_MAX <const> = 4096 -- bytes
local OPTIONS_MAX <const> = 20
local OPTION_MAX <const> = 200 -- bytes
local FORM_MAX <const> = 16 << 10 -- bytes of JSON: QUESTION_FORM_MAX (core/questions.h)

local FIELDS <const> = { question = true, options = true, details = true, within = true, otherwise = true }

local function wrong(format, ...)
   errors.raise(("human.ask: " .. format):format(...))
end

local function check_options(options)
   if type(options) ~= "table" or #options == 0 or #options > OPTIONS_MAX then
      wrong("options must be a list of 1 to %d texts", OPTIONS_MAX)
   end
   local seen = {}
   for position, option in ipairs(options) do
      if type(option) ~= "string" or option == "" or #option > OPTION_MAX then
         wrong("options[%d] must be a text of 1 to %d bytes", position, OPTION_MAX)
      end
      if seen[option] then wrong("options: '%s' stands there twice", option) end
      seen[option] = true
   end
   return json.array(table.move(options, 1, #options, 1, {}))
end

local function check(ask)
   if type(ask) ~= "table" then wrong("a table is needed, not a %s", type(ask)) end
   for name in pairs(ask) do
      if not FIELDS[name] then
         wrong("unknown field '%s' (known: details, options, otherwise, question, within)", tostring(name))
      end
   end
   local question = ask.question
   if type(question) ~= "string" or question == "" or #question > QUESTION_MAX then
      wrong("question must be a text of 1 to %d bytes", QUESTION_MAX)
   end
   local within = ask.within
   if within ~= nil and not (type(within) == "number" and within > 0 and within <= WITHIN_MAX) then
      wrong("within must be seconds above 0, at most %d", WITHIN_MAX)
   end
end

-- What people see of it.
local function form_of(ask)
   local form = json.encode {
      question = ask.question, options = ask.options and check_options(ask.options), details = ask.details,
      policy = trace.total().policy, trace = trace.id(),
   }
   if #form > FORM_MAX then
      wrong("question, options and details are more than %d bytes of JSON", FORM_MAX)
   end
   return form
end

-- An answer that is one of the options is a decision, and may be told; a text may be anything.
local function note(ask, told)
   if told.answer and not ask.options then told.answer = nil end
   trace.note { human = told }
end

local function otherwise(ask, err)
   note(ask, { outcome = "otherwise", reason = err.message })
   local value = ask.otherwise
   if type(value) == "function" then value = value(err) end
   return value, { otherwise = true, reason = err }
end

-- The engine stops: what should happen without an answer is for nobody to decide now.
local NOBODY <const> = { timeout = true, unavailable = true }

-- human.ask{ question = text, options = { text, ... }?, details = anything JSON can hold?, within = seconds?,
-- otherwise = value or function(err)? } -> answer, { by =, waited = } | nil, err. Shows a question to people:
-- in the admin API, by the configured webhook, at the terminal of a workflow. With options the answer is one
-- of them, else any text of up to 16 KiB. within: 30 seconds in a request (human.within of the
-- configuration), an hour in a timer's turn, 7 days in a workflow. When nobody answers, or nobody can be
-- asked: what 'otherwise' says, and { otherwise = true, reason = err }; without it nil, err (timeout,
-- unavailable). Other errors: overloaded (too many questions are open, the engine stops), budget. Wrong use
-- raises. Yields.
function human.ask(ask)
   check(ask)
   local text, by, waited = person.ask(form_of(ask), ask.within or WITHIN[person.place()])
   if text then
      by = by ~= "" and by or false
      note(ask, { outcome = "answered", answer = text, by = by, waited_s = waited })
      return text, { by = by, waited = waited }
   end
   local err = by
   if ask.otherwise ~= nil and NOBODY[err.code] then return otherwise(ask, err) end
   note(ask, { outcome = err.code, reason = err.message })
   return nil, err
end

return human
