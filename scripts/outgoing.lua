-- outgoing: a request on its way to a provider: the client's own bytes where both speak the same format, else
-- translated.
-- SPDX-License-Identifier: MIT
--
-- A request is a table in the shape of Chat Completions, a text, or what the policy was given: a view of the
-- client's body. Of one that came in another format the view knows the client's own bytes (provider.native).

local config = require "config"
local errors = require "errors"
local json = require "json"
local provider = require "provider"

local outgoing = {}

local nothing = {}

local function merged(body, settings)
   local all = {}
   for name, value in pairs(body) do all[name] = value end
   for name, value in pairs(settings) do all[name] = value end
   return all
end

-- What the codec has to know of where the request goes.
local function where_to(entry, stream)
   return { model = entry.model, stream = stream, facts = entry, provider = config.providers[entry.provider] }
end

local function joined(first, second)
   if not first or #first == 0 then return second end
   local all = {}
   for _, text in ipairs(first) do all[#all + 1] = text end
   for _, text in ipairs(second or nothing) do all[#all + 1] = text end
   return all
end

local function translated(hub, codec, to, settings, warnings)
   local body, told = codec.encode(settings and merged(hub, settings) or hub, to)
   if not body then return nil, told end
   return { body = body, warnings = joined(warnings, told) }
end

-- A setting that a policy has made, as a member of the client's own body: its name there, or nil when the
-- format has no member that means the same.
local function native_name(codec, name)
   if codec.format == "openai" then return name end
   return codec.settings and codec.settings[name]
end

-- What the policy has changed, as edits of the client's own bytes over those that the provider needs, and the
-- names that go; nil when the bytes cannot say it. Of its own view every change goes along by itself.
local function with_changes(req, native, codec, settings, edits, removed)
   local changes = req ~= native and provider.changes(req) or nothing
   if #changes == 0 and not settings then return edits, removed end
   local all, gone = {}, {}
   for _, name in ipairs(changes) do
      local own, value = native_name(codec, name), req[name]
      if not own then return nil end
      if value == nil then
         gone[#gone + 1] = own
      else
         all[own] = value
      end
   end
   for name, value in pairs(settings or nothing) do
      local own = native_name(codec, name)
      if not own then return nil end
      all[own] = value
   end
   for name, value in pairs(edits) do all[name] = value end
   return all, joined(gone, removed)
end

-- The header fields of the client that mean something to a provider of its format.
local function forwarded(codec, about)
   local fields
   for _, name in ipairs(codec.forwards or nothing) do
      local value = about.headers and about.headers[name]
      if value then
         fields = fields or {}
         fields[name] = value
      end
   end
   return fields
end

-- The client's own bytes with a few edits; nil when they will not do.
local function as_it_came(req, native, about, codec, to, settings)
   local own, gone, warnings = codec.edits(native, to.model, to.stream, to)
   local edits, removed = with_changes(req, native, codec, settings, own, gone)
   if not edits then return nil end
   return { body = native, edits = edits, removed = removed, warnings = warnings,
      headers = forwarded(codec, about) }
end

-- The request as a table. What the door has decoded of the client's own bytes will do while nothing in it was
-- changed; codecs leave it as it is.
local function table_of(req, native, about)
   if native and about.hub and #provider.changes(req) == 0 then return about.hub end
   return json.decode(req:json())
end

local function of_view(req, codec, to, settings)
   local native, about = provider.native(req)
   about = about or nothing
   local format = about.format or "openai"
   local bytes = native or (format == "openai" and req or nil)
   local refused = about.mixed and codec.refuses and codec.refuses(req:json(), to)
   if bytes and format == codec.format and codec.edits and not about.foreign and not refused then
      local own = as_it_came(req, bytes, about, codec, to, settings)
      if own then return own end
   end
   local out, err = translated(table_of(req, native, about), codec, to, settings, about.warnings)
   if out and format == codec.format then out.headers = forwarded(codec, about) end
   return out, err
end

-- outgoing.make(req, entry, codec, stream, settings) -> { body = text or view, edits =, removed =, headers =,
-- warnings = list of texts } | nil, err. settings: members that take the place of the request's, or nil. May
-- yield: an image that the provider wants inside is fetched.
function outgoing.make(req, entry, codec, stream, settings)
   local to = where_to(entry, stream)
   if type(req) == "userdata" then return of_view(req, codec, to, settings) end
   if type(req) == "string" then req = { messages = { { role = "user", content = req } } } end
   if type(req) ~= "table" then
      errors.raise("llm: the request must be a request, a table or a string, not a " .. type(req))
   end
   return translated(req, codec, to, settings)
end

return outgoing
