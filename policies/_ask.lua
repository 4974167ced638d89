-- _ask: asks a target, and when it fails what can stand in for it: what many policies end with.
-- SPDX-License-Identifier: MIT
local explain = require "explain"
local llm = require "llm"
local log = require "log"
local models = require "models"
local policy = require "policy"
local trace = require "trace"

local ask = {}

local TRIES <const> = 2 -- other models that are asked

-- ask.by, ask.tier: what a parameter 'by' (consensus.majority), and one that names a tier, may be, for
-- 'limits'.
ask.tier = { min_length = 1, max_length = 64 }
ask.by = { one_of = { "auto", "choice", "number", "text", "json", "tools" } }

-- ask.selector(target, req) -> the target; a selector with what the request needs (policy.needs), besides
-- what it needs itself.
function ask.selector(target, req)
   if type(target) ~= "table" or target.model then return target end
   local needs = policy.needs(req)
   if not needs then return target end
   local copy = {}
   for key, value in pairs(target) do copy[key] = value end
   copy.needs = table.move(target.needs or {}, 1, #(target.needs or {}), #needs + 1, needs)
   return copy
end

-- ask.hint(req, name) -> what the client says beside its request: req.context, or the 'metadata' of a
-- table; nil where it says nothing.
function ask.hint(req, name)
   if type(req) == "string" then return nil end
   local hints = req.context or req.metadata
   return type(hints) == "table" and hints[name] or nil
end

-- ask.filtered(reply) -> did the provider's filter end the answer? Then it is passed on, whatever it is
-- worth: to ask another model would be a way around the filter. This is noted.
function ask.filtered(reply)
   if reply.finish_reason ~= "content_filter" then return false end
   trace.decide { model = reply.name, reason = "a filter ended the answer: it is passed on" }
   return true
end

-- ask.once(target, req, opts?), ask.whole(target, req, opts?): llm.stream and llm.chat of such a target.
function ask.once(target, req, opts)
   return llm.stream(ask.selector(target, req), req, opts)
end

function ask.whole(target, req, opts)
   return llm.chat(ask.selector(target, req), req, opts)
end

-- ask.entry(target, req) -> the model that is meant, an entry of the catalogue | nil, err. Which models a
-- selector passed over is noted, where somebody wants to know.
function ask.entry(target, req)
   local selector = ask.selector(target, req)
   local entry, none = models.resolve(selector)
   if entry and type(target) == "table" and not target.model and trace.detailed() then
      explain.selection(selector, entry)
   end
   return entry, none
end

-- ask.members(list, selector, size, req) -> the targets of a list, or when it is empty the first 'size'
-- models that fit the selector and what the request needs.
function ask.members(list, selector, size, req)
   if #list > 0 then return list end
   return table.move(models.find(ask.selector(selector, req)), 1, size, 1, {})
end

-- ask.is_larger(entry, first) -> boolean: a prompt that is too long for a model fits only a larger one.
function ask.is_larger(entry, first)
   return (entry.context or math.huge) > (first.context or 0)
end

-- Those that are named; else other vendors' models that are like the first, then others of its own.
local function stand_ins(first, req, opts)
   if opts.fallback and #opts.fallback > 0 then return opts.fallback end
   return models.alternatives(first, ask.selector(opts.within or {}, req))
end

-- ask.instead(first, req, err, opts?) -> reply or stream | nil, err: asks what can stand in for a model, an
-- entry of the catalogue, that failed with err. Options as below.
function ask.instead(first, req, err, opts)
   opts = opts or {}
   local left, too_long = opts.tries or TRIES, err.code == "context_length"
   local failed = { { model = first.name, why = err.code } }
   for _, other in ipairs(stand_ins(first, req, opts)) do
      local entry = models.resolve(other)
      if left > 0 and entry and not (too_long and not ask.is_larger(entry, first)) then
         left = left - 1
         log.info("another model instead", { from = first.name, to = entry.name, code = err.code })
         trace.decide { model = entry.name, reason = err.code, candidates = failed }
         local reply
         reply, err = llm[opts.whole and "chat" or "stream"](entry, req, opts.other)
         if reply or policy.hopeless(err) then return reply, err end
         failed[#failed + 1] = { model = entry.name, why = err.code }
      end
   end
   return nil, err
end

-- ask.target(target, req, opts?) -> reply or stream | nil, err.
--   opts.fallback  a list of targets to ask instead, in order; else comparable models (models.alternatives)
--   opts.within    a selector that such models must fit: { where = "local" }
--   opts.tries     (2) how many others are asked
--   opts.call      options of llm.stream for the first, opts.other for the others
--   opts.whole     true: llm.chat
-- Errors that would be the same elsewhere (policy.hopeless) end it. Yields.
function ask.target(target, req, opts)
   opts = opts or {}
   local first, none = ask.entry(target, req)
   if not first then return nil, none end
   local reply, err = llm[opts.whole and "chat" or "stream"](first, req, opts.call)
   if reply or policy.hopeless(err) then return reply, err end
   return ask.instead(first, req, err, opts)
end

return ask
