-- session: what a conversation has been given before: its model, and what a policy wants to remember of it.
-- SPDX-License-Identifier: MIT
--
-- A conversation that stays on its model finds the provider's prompt cache warm and its own signed
-- reasoning accepted. Sessions live in kv: all workers share them, a reload keeps them, a restart does not.
-- They take a fixed number of places, so that clients who make up ids cannot fill kv: four places for each
-- hash, and of these the one that was not used for the longest time is given up.

local caller = require "caller"
local clock = require "clock"
local config = require "config"
local errors = require "errors"
local json = require "json"
local kv = require "kv"
local models = require "models"
local trace = require "trace"

local session = {}

local ID_MAX <const> = 512 -- bytes; a longer one is none
local DATA_MAX <const> = 1024 -- bytes of JSON that one session remembers
local TTL <const> = 3600 -- seconds without a word, then it is forgotten
local TTL_MAX <const> = 30 * 86400
local WAYS <const> = 4
local BYTES_EACH <const> = 512 -- of kv, about: half of it where sessions are as large as usual
local TRIES <const> = 4

local SETS <const> = math.max(1, (config.kv.bytes or 16 << 20) // (BYTES_EACH * WAYS))

-- FNV-1a of 64 bits (Fowler, Noll, Vo). Who makes two ids with one hash only loses his own place: ids are
-- compared.
local function hash(text)
   local h = 0xcbf29ce484222325
   for position = 1, #text do h = (h ~ text:byte(position)) * 0x100000001b3 end
   return h
end

local function place(h, way)
   return ("session:%x:%d"):format((h >> 1) % SETS, way)
end

-- The place of the session, and what stands there; or the place to give up, and what stands there (or nil).
local function find(self)
   local oldest, oldest_at, oldest_entry
   for way = 1, WAYS do
      local key = place(self.hash, way)
      local entry = kv.get(key)
      if entry and entry.key == self.key then return key, entry, true end
      local at = entry and entry.at or -1
      if not oldest or at < oldest_at then oldest, oldest_at, oldest_entry = key, at, entry end
   end
   return oldest, oldest_entry, false
end

local Session = {}
local meta = { __metatable = "session", __index = Session }

local function check_ttl(opts)
   for name in pairs(opts) do
      if name ~= "ttl" then errors.raise(("session.of: unknown option '%s'"):format(tostring(name))) end
   end
   local ttl = opts.ttl or TTL
   if type(ttl) ~= "number" or not (ttl >= 1 and ttl <= TTL_MAX) then
      errors.raise(("session.of: ttl must be seconds from 1 to %d"):format(TTL_MAX))
   end
   return ttl
end

-- session.of(req, { ttl = 3600 }?) -> session. The session that a client's request belongs to: its header
-- x-session-id, x-conversation-id or x-claude-code-session-id, else the body's "user", else its
-- "metadata.user_id". session.id is that text, or nil: then nothing is known and nothing remembered.
-- Customers with different keys of the gateway never share one. ttl: seconds after which it is forgotten
-- when nothing is remembered anew.
function session.of(req, opts)
   local ttl = check_ttl(opts or {})
   local id, who = caller.session(req)
   if not id or id == "" or #id > ID_MAX then return setmetatable({ id = nil, ttl = ttl }, meta) end
   local key = ("%x\n%s"):format(who or 0, id)
   local self = setmetatable({ id = id, key = key, hash = hash(key), ttl = ttl }, meta)
   trace.session(self.hash)
   return self
end

-- What is remembered now: { model =, data = }, or nil.
local function look(self)
   if not self.id then return nil end
   local _, entry, ours = find(self)
   return ours and entry or nil
end

-- s:model() -> the "provider/model" that answered last, or nil.
function Session:model()
   local entry = look(self)
   return entry and entry.model or nil
end

-- s:get() -> a table of what was remembered besides; empty when there is nothing.
function Session:get()
   local entry = look(self)
   return entry and entry.data or {}
end

local function merged(entry, fields)
   local model, data = entry and entry.model, {}
   for name, value in pairs(entry and entry.data or {}) do data[name] = value end
   for name, value in pairs(fields) do
      if type(name) ~= "string" then errors.raise "session: what is remembered must have names" end
      if value == json.null then value = nil end
      if name == "model" then
         model = value
      else
         data[name] = value
      end
   end
   return model, json.object(data)
end

-- s:remember{ model = "provider/model", NAME = value, ... } -> true | nil, err. Adds to what is remembered,
-- or replaces it, name by name; json.null takes one out. Codes: not_found (the request belongs to no
-- session), budget (more than 1 KiB, or kv is full).
function Session:remember(fields)
   if type(fields) ~= "table" then errors.raise "session: a table is needed" end
   if fields.model ~= nil and fields.model ~= json.null and type(fields.model) ~= "string" then
      errors.raise "session: model must be a name"
   end
   if not self.id then
      return nil, errors.new { code = "not_found", message = "the request belongs to no session" }
   end
   for _ = 1, TRIES do
      local key, before, ours = find(self)
      local model, data = merged(ours and before or nil, fields)
      if #json.encode(data) > DATA_MAX then
         return nil, errors.new { code = "budget",
            message = ("a session remembers at most %d bytes"):format(DATA_MAX) }
      end
      local now = { key = self.key, at = clock.now(), model = model, data = data }
      local done, err = kv.cas(key, before, now, { ttl = self.ttl })
      if err then return nil, err end
      if done then return true end
   end
   return nil, errors.new { code = "overloaded", message = "the session is changed by too many at once" }
end

-- s:forget(): nothing is known of it any more.
function Session:forget()
   if not self.id then return end
   local key, entry, ours = find(self)
   if ours then kv.cas(key, entry, nil) end
end

-- ---- a conversation stays on its model ----

-- Does a candidate, which may be a selector, mean the model?
local function means(candidate, entry)
   if type(candidate) == "table" and not candidate.model then return models.fits(entry, candidate) end
   local found = models.resolve(candidate)
   return found ~= nil and found.name == entry.name
end

-- The candidates with the session's model in front, when it is one of them and may be called now.
local function in_order(self, candidates)
   local name = self:model()
   local entry = name and models.resolve(name)
   if not entry or not models.is_ready(entry) then return candidates, nil end
   for position, candidate in ipairs(candidates) do
      if means(candidate, entry) then
         local ordered = { entry.name }
         for other, target in ipairs(candidates) do
            if other ~= position or type(target) == "table" then ordered[#ordered + 1] = target end
         end
         return ordered, entry.name
      end
   end
   return candidates, nil
end

-- Would fail with every model, or must not be tried with another one.
local HOPELESS <const> = { bad_request = true, content_filter = true, cancelled = true, budget = true }

-- s:stick(candidates, f) -> what f returned | nil, err. Calls f(target) with the session's model, when it is
-- among the candidates (a list of targets) and may be called now, else with the candidates in their order,
-- until one answers; and remembers the model of that answer. An error that no other model would cure ends it.
-- Waits as f does.
function Session:stick(candidates, f)
   if type(candidates) ~= "table" or #candidates == 0 then
      errors.raise "session: a list of at least one candidate is needed"
   end
   local ordered, kept = in_order(self, candidates)
   if kept then trace.decide { model = kept, reason = "the session's model", candidates = candidates } end
   local result, err
   for _, target in ipairs(ordered) do
      result, err = f(target)
      if result then
         if self.id and type(result) == "table" and result.name then self:remember { model = result.name } end
         return result, err
      end
      if type(err) == "table" and HOPELESS[err.code] then break end
   end
   return nil, err
end

return session
