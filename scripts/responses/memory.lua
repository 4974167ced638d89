-- responses.memory: items of answers, for clients that name them in the next turn instead of sending them.
-- SPDX-License-Identifier: MIT
--
-- The Responses API keeps what it answers unless the client says store = false, and some clients (the AI SDK)
-- then send {type = "item_reference", id =} for what was said. An item that we made for another format's
-- answer is kept here: by the worker for an hour (cache), and for all workers in a share of kv that has a
-- fixed number of places, so that it never takes the room of others. The newest stay.

local cache = require "cache"
local kv = require "kv"
local json = require "json"

local memory = {}

local PLACES <const> = 1024
local BYTES <const> = 8192   -- of one item in kv: half of its 16 MiB at most
local SECONDS <const> = 3600

-- A place for an id (FNV-1a).
local function place_of(id)
   local hash = 0x811c9dc5
   for i = 1, #id do hash = (hash ~ id:byte(i)) * 0x01000193 & 0xffffffff end
   return "baton:responses:" .. hash % PLACES
end

-- memory.keep(item): remembers an item by its id, as well as there is room.
function memory.keep(item)
   local text = json.encode(item)
   cache.set("baton:responses:" .. item.id, item, { ttl = SECONDS })
   if #text <= BYTES then kv.set(place_of(item.id), item, { ttl = SECONDS }) end
end

-- memory.find(id) -> item | nil
function memory.find(id)
   if #id > 200 then return nil end
   local item = cache.get("baton:responses:" .. id)
   if item then return item end
   item = kv.get(place_of(id))
   return item and item.id == id and item or nil
end

return memory
