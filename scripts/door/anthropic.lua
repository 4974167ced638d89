-- door.anthropic: Anthropic Messages, as clients speak it.
-- SPDX-License-Identifier: MIT
--
-- Source: Anthropic API reference, "Messages", "Count Message tokens", "Models".

local decode = require "anthropic.request"
local errors = require "errors"
local events = require "anthropic.events"
local count = require "count"
local hub = require "hub"
local json = require "json"

local door = {
   name = "anthropic",
   format = "anthropic",
   decode = decode,
   answer = events.whole,
   encoder = events.encoder,
   stream_type = "text/event-stream; charset=utf-8",
   stream_end = 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
   ping = 'event: ping\ndata: {"type":"ping"}\n\n',
   pages = {},
}

-- A comment in a stream: clients pass over it.
function door.comment(words)
   return ": " .. words .. "\n\n"
end

-- ---- what is looked at before all else ----

local function wrong(param, message)
   return nil, errors.new { code = "bad_request", message = message, param = param,
      type = "invalid_request_error" }
end

-- The value of a member, if it is of the type; nil and an error if it is not.
local function typed(body, name, kind, required)
   local found, why = json.find(body, name)
   if why then return wrong(nil, "the body must be a JSON object: " .. tostring(why)) end
   if not found or found == "null" then
      if required then return wrong(name, name .. ": field required") end
      return nil
   end
   if kind == "list" then
      if found:byte() ~= 91 then return wrong(name, name .. ": must be a list") end
      return true
   end
   local value = json.decode(found)
   if type(value) ~= kind then return wrong(name, ("%s: must be a %s"):format(name, kind)) end
   return value
end

-- door.head(body text, route) -> { model =, stream =, include_usage = true } | nil, err.
function door.head(body)
   local model, err = typed(body, "model", "string", true)
   if err then return nil, err end
   local stream
   stream, err = typed(body, "stream", "boolean")
   if err then return nil, err end
   err = select(2, typed(body, "messages", "list", true))
   if err then return nil, err end
   return { model = model, stream = stream == true, include_usage = true }
end

-- ---- small pages ----

local function reply(answer, object, fields)
   return answer:reply(200, "application/json", fields, json.encode(object))
end

-- POST /v1/messages/count_tokens: the provider's count, else an estimate.
function door.pages.count_tokens(answer, ctx)
   local head, err = door.head(ctx.body)
   local found, req
   if head then found, err = ctx.find(head.model) end
   if found then req, err = decode(ctx.body) end
   if not req then return answer:fail(err) end
   local own = count.ask(head.model, "anthropic", ctx.view)
   return reply(answer, { input_tokens = own or count.estimate(req) }, count.fields(own))
end

-- A model in Anthropic's form, of { id =, entry = of the catalogue }. When it came out is not known.
local function model_object(model)
   local facts = model.entry or {}
   return {
      type = "model", id = model.id, display_name = model.id, created_at = "1970-01-01T00:00:00Z",
      max_input_tokens = facts.context, max_tokens = facts.max_output,
   }
end

local function query_of(route, name)
   local query = "&" .. (hub.text(hub.member(route, "query")) or "")
   local found = query:match("&" .. name .. "=([^&]*)")
   return found and found:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end) or nil
end

-- The position of a list's id that the query names; nil: it names none | nil, err: it is not in the list.
-- Whoever reads page after page must not be sent back to the first.
local function position_of(list, route, name)
   local id = query_of(route, name)
   if not id or id == "" then return nil end
   for position, entry in ipairs(list) do
      if entry.id == id then return position end
   end
   return nil, errors.new { code = "bad_request", param = name,
      message = ("%s: there is no model '%s'"):format(name, id) }
end

-- The part of a list that a client asks for, at most 'limit' after or before an id; are there more? | nil,
-- err
local function page_of(list, route)
   local limit = math.min(math.max(math.tointeger(tonumber(query_of(route, "limit") or "")) or 20, 1), 1000)
   local after, unknown = position_of(list, route, "after_id")
   local before, unknown_too = position_of(list, route, "before_id")
   if unknown or unknown_too then return nil, unknown or unknown_too end
   local from, to = after and after + 1 or 1, before and before - 1
   if to then from = math.max(1, to - limit + 1) end
   to = math.min(to or #list, from + limit - 1)
   local data = json.array {}
   for position = from, to do data[#data + 1] = model_object(list[position]) end
   return data, before and from > 1 or not before and to < #list
end

-- GET /v1/models with an anthropic-version header.
function door.pages.models(answer, ctx)
   local data, more = page_of(ctx.list(), ctx.route)
   if not data then return answer:fail(more) end
   return reply(answer, { data = data, has_more = more or false,
      first_id = data[1] and data[1].id or json.null, last_id = data[1] and data[#data].id or json.null })
end

-- GET /v1/models/{id} likewise.
function door.pages.model(answer, ctx)
   local model, err = ctx.find(ctx.route.model)
   if not model then return answer:fail(err) end
   return reply(answer, model_object(model))
end

return door
