-- _why: which other models a decision looked at, and why they were not taken: 'candidates' of trace.decide.
-- SPDX-License-Identifier: MIT
--
-- Only where somebody wants to know every step of the request (trace.detailed): else all but why.name give
-- nil, and a decision costs no more for it. 'req', where it is given: the target is asked as _ask.lua does.
local ask = require "_ask"
local models = require "models"
local trace = require "trace"

local why = {}

local MOST <const> = 16 -- candidates of a decision

-- why.name(target, req?) -> "provider/model": the model that a target means now; the target, where none does.
function why.name(target, req)
   local entry = models.resolve(req and ask.selector(target, req) or target)
   return entry and entry.name or target
end

-- why.add(list?, target, reason, req?) -> the list with one that was not taken.
function why.add(list, target, reason, req)
   if not trace.detailed() then return nil end
   list = list or {}
   if #list < MOST then list[#list + 1] = { model = why.name(target, req), why = reason } end
   return list
end

-- why.failed(list?, target, err, req?) -> the list with a target that was asked and failed.
function why.failed(list, target, err, req)
   if err.provider and err.model then target, req = err.provider .. "/" .. err.model, nil end
   return why.add(list, target, err.code, req)
end

-- why.rest(list?, targets, from, reason, req?) -> the list with the targets from a place on.
function why.rest(list, targets, from, reason, req)
   if not trace.detailed() then return nil end
   for i = from, #targets do list = why.add(list, targets[i], reason, req) end
   return list
end

-- why.routes(list?, routes, taken, req?) -> the list with the targets of a table by label, but for that of
-- the label that was taken; a model that is there for several labels comes once.
function why.routes(list, routes, taken, req)
   if not trace.detailed() then return nil end
   local own = taken and routes[taken] and why.name(routes[taken], req)
   local places = {}
   for label, target in pairs(routes) do
      local name = why.name(target, req)
      if places[name] then
         places[name].why = places[name].why .. ", " .. label
      elseif name ~= own then
         list = why.add(list, target, "for " .. label, req)
         places[name] = list[#list]
      end
   end
   return list
end

-- why.elsewhere(list?, req, reason) -> the list with the models that fit and are not local.
function why.elsewhere(list, req, reason)
   if not trace.detailed() then return nil end
   return why.rest(list, models.find(ask.selector({ where = "cloud" }, req)), 1, reason)
end

local function is_in(group, reply)
   for _, other in ipairs(group and group.replies or {}) do
      if other == reply then return true end
   end
   return false
end

local function fate(reply, err, groups, taken)
   if err then return err.code end
   if not reply then return "not needed: the outcome was clear before it had answered" end
   if is_in(groups[1], reply) then
      return taken and "said the same" or ("the most said this: %d"):format(#groups[1].replies)
   end
   for i = 2, #groups do
      if is_in(groups[i], reply) then return "said something else" end
   end
   return "said nothing that can be compared"
end

-- why.votes(members, replies, failures, groups, taken?) -> what became of each member, but for the one whose
-- reply is taken. replies, failures: by place; groups: as consensus.majority gives them.
function why.votes(members, replies, failures, groups, taken)
   if not trace.detailed() then return nil end
   local list
   for i, member in ipairs(members) do
      local reply = replies[i]
      if not reply or reply ~= taken then
         list = why.add(list, reply and reply.name or member, fate(reply, failures[i], groups, taken))
      end
   end
   return list
end

return why
