-- classify.fallback: what answers where a classifier that calls a model cannot.
-- SPDX-License-Identifier: MIT

local errors = require "errors"
local log = require "log"
local text = require "text"

local fallback = {}

local OPEN <const> = 6000 -- bytes of a request that are judged: the first and the last half of them

-- fallback.excerpt(req) -> what a classifier's model reads of a request: 6,000 bytes, of a longer one the
-- beginning and the end, cut between characters.
function fallback.excerpt(req)
   local s = text.of(req)
   if #s <= OPEN then return s end
   local tail = s:sub(-OPEN // 2)
   return text.clip(s, OPEN // 2) .. "\n" .. tail:gsub("^[\128-\191]+", "")
end

-- fallback.check(value, what): raises where it is no fallback: a label, a function(req), or what has a method
-- 'label' (classify.linear, classify.neighbours, another classify.ask …).
function fallback.check(value, what)
   local kind = type(value)
   if value == nil or kind == "string" or kind == "function" then return end
   if kind == "table" and type(value.label) == "function" then return end
   errors.raise(what .. ": the fallback must be a label, a function or a classifier")
end

-- fallback.answer(value, req, err) -> label, "fallback", its further results | nil, err where there is
-- none or it has no label, either. What went wrong is in the log.
function fallback.answer(value, req, err)
   if value == nil then return nil, err end
   log.info("classifier unavailable: the fallback answers", { code = err.code, why = err.message })
   local label, p
   if type(value) == "string" then
      label = value
   elseif type(value) == "function" then
      label, p = value(req)
   else
      label, p = value:label(req)
   end
   if label == nil then return nil, err end
   return label, "fallback", p
end

-- fallback.only(options, known, what): raises for an option that 'known' does not have, or of another type.
-- known: { name = type or function(value) -> boolean }.
function fallback.only(options, known, what)
   if type(options) ~= "table" then errors.raise(what .. " takes a table") end
   for name, value in pairs(options) do
      local rule = known[name]
      if not rule then errors.raise(("unknown option '%s' of %s"):format(tostring(name), what)) end
      local fits
      if type(rule) == "function" then fits = rule(value) else fits = type(value) == rule end
      if not fits then errors.raise(("%s: option '%s' is out of range"):format(what, name)) end
   end
end

return fallback
