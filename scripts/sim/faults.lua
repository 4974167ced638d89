-- faults: the ways a provider fails, asked for by name: NAME[=ARGUMENT][*TIMES].
-- SPDX-License-Identifier: MIT
--
-- A fault either answers in the model's place (faults.instead) or spoils the plan of a good answer
-- (faults.spoil). What a plan is stands in init.lua.
local tokens = require "sim.tokens"
local wire = require "sim.openai"

local faults = {}

-- "429=2*3" -> { name = "429", argument = "2", times = 3 }; nil and why where there is no such fault.
function faults.parse(text)
   local rest, times = text:match("^(.-)%*(%d+)$")
   rest = rest or text
   local name, argument = rest:match("^([%w-]+)=(.*)$")
   name = name or rest
   if not faults.instead[name] and not faults.spoil[name] then
      return nil, "unknown fault '" .. text .. "'; there are: " .. faults.names()
   end
   return { name = name, argument = argument, times = tonumber(times) }
end

function faults.names()
   local list = {}
   for name in pairs(faults.instead) do list[#list + 1] = name end
   for name in pairs(faults.spoil) do list[#list + 1] = name end
   table.sort(list)
   return table.concat(list, ", ")
end

-- ---- in the model's place: functions of the argument and the model, that return a plan ----

local SORRY = "The server had an error while processing your request. Sorry about that!"

local function server_error(status, message, kind)
   return function() return wire.failure(status, message, kind or "server_error", nil, nil) end
end

local function page(content_type, body)
   return { status = 200, headers = { { "content-type", content_type } }, body = body }
end

faults.instead = {
   ["429"] = function(seconds)
      seconds = seconds or "1"
      local message = "Rate limit reached for requests. Please try again in " .. seconds .. "s."
      local plan = wire.failure(429, message, "requests", nil, "rate_limit_exceeded")
      table.insert(plan.headers, { "retry-after", seconds })
      return plan
   end,
   ["500"] = server_error(500, SORRY),
   ["502"] = server_error(502, "Bad gateway."),
   ["503"] = server_error(503, "The engine is currently overloaded, please try again later."),
   ["529"] = server_error(529, "Overloaded", "overloaded_error"),
   ["401"] = function()
      return wire.failure(401, "Incorrect API key provided.", "invalid_request_error", nil, "invalid_api_key")
   end,
   ["404"] = function(_, model) return wire.no_such_model(model.id) end,
   ["context"] = function(_, model) return wire.context_exceeded(model, model.context + 1) end,
   ["reset"] = function() return { finish = "reset" } end,
   ["no-answer"] = function() return { finish = "hang" } end,
   ["html"] = function()
      return page("text/html", "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>"
         .. "<body><h1>Bad Gateway</h1></body></html>\n")
   end,
   ["empty"] = function() return page("application/json", "") end,
   ["wrong-json"] = function(shape)
      local other = '{"result":["not","a","completion"]}'
      return page("application/json", shape == "shape" and other or '{"id":"chatcmpl-1","choices":[{"ind')
   end,
}

-- ---- spoiling: functions of the plan and the argument ----

-- The event source without those events that 'keep' refuses; it gets the kind and returns true, false, or
-- "last" for the end.
local function filtered(events, keep)
   local ended = false
   return function()
      while not ended do
         local kind, data, text = events()
         if not kind then return nil end
         local verdict = keep(kind)
         if verdict == "last" then ended = true end
         if verdict == true then return kind, data, text end
      end
   end
end

-- A whole body becomes a stream of 'parts' pieces of the same length, and the head tells the true length.
local function in_pieces(plan, parts)
   local body, at = plan.body, 1
   local size = math.max(1, math.ceil(#body / parts))
   table.insert(plan.headers, { "content-length", tostring(#body) })
   plan.body = nil
   plan.events = function()
      if at > #body then return nil end
      local piece = body:sub(at, at + size - 1)
      at = at + size
      return "token", piece
   end
   return math.ceil(#body / size)
end

-- Half of the tokens; a whole body: half of its bytes.
local function half(plan)
   local total = plan.body and in_pieces(plan, 2) or plan.tokens
   local left = math.max(1, total // 2)
   plan.events = filtered(plan.events, function(kind)
      if kind ~= "token" then return kind == "head" or left > 0 end
      left = left - 1
      return left >= 0 or "last"
   end)
end

-- One more event behind the middle token.
local function insert_in_middle(plan, data, last)
   local events, left, put = plan.events, math.max(1, plan.tokens // 2), false
   plan.events = function()
      if put and last then return nil end
      if left == 0 and not put then
         put = true
         return "fault", data
      end
      local kind, bytes, text = events()
      if kind == "token" then left = left - 1 end
      return kind, bytes, text
   end
end

local function without(...)
   local dropped = {}
   for _, kind in ipairs { ... } do dropped[kind] = true end
   return function(plan)
      if plan.events then
         plan.events = filtered(plan.events, function(kind) return not dropped[kind] end)
      elseif dropped.finish then
         plan.body = plan.body:gsub('"finish_reason":"[%a_]+"', '"finish_reason":null')
      end
   end
end

local MARK = "@huge@" -- the whole answer's text, until it is replaced
local ENDLESS = 64 * 1024 * 1024
local BLOCK = ("All work and no play makes a long answer. "):rep(1600):sub(1, 65536)

local function huge(plan)
   local blocks = ENDLESS // #BLOCK
   local head, tail, piece = "", "", BLOCK
   if plan.body then
      local at = plan.body:find(MARK, 1, true)
      head, tail = plan.body:sub(1, at - 1), plan.body:sub(at + #MARK)
      plan.body = nil
   else
      piece = plan.event_of(BLOCK)
   end
   local events, left, started = plan.events, blocks, false
   plan.events = function()
      if not started then
         started = true
         if events then return events() end
         return "head", head
      end
      left = left - 1
      if left >= 0 then return "token", piece end
      if left == -1 and not events then return "finish", tail end
      while events do
         local kind, data, text = events()
         if kind ~= "token" then return kind, data, text end
      end
   end
   plan.token_ms = 0
end

faults.spoil = {
   ["filter"] = function() end, -- all is done in faults.prepare
   ["slow-first-token"] = function(plan, ms)
      if plan.body then plan.after = tonumber(ms or 20000) else plan.first_ms = tonumber(ms or 20000) end
   end,
   ["latency"] = function(plan, ms) plan.after = plan.after + tonumber(ms or 1000) end,
   ["drip"] = function(plan, ms)
      if plan.body then
         in_pieces(plan, plan.tokens)
         plan.after = plan.head_ms -- the time of the tokens is taken while they drip
      end
      plan.token_ms = tonumber(ms or 500)
      plan.first_ms = plan.token_ms
   end,
   ["stall"] = function(plan)
      half(plan)
      plan.finish = "hang"
   end,
   ["cut"] = function(plan)
      half(plan)
      plan.finish = "cut"
   end,
   ["truncated"] = function(plan)
      local length = plan.body and #plan.body + 512 or 1048576
      if plan.body then
         in_pieces(plan, 1)
         table.remove(plan.headers)
      else
         half(plan)
      end
      table.insert(plan.headers, { "content-length", tostring(length) })
      plan.finish = "cut"
   end,
   ["malformed"] = function(plan)
      if plan.events then
         insert_in_middle(plan, 'data: {"id":"chatcmpl-1","choices":[{"index":0,"del\n\n')
      else
         plan.body = plan.body:sub(1, #plan.body // 2) .. "\0{{" .. plan.body:sub(#plan.body // 2 + 1)
      end
   end,
   ["error-event"] = function(plan)
      local message = wire.error_json(SORRY, "server_error", nil, nil)
      if plan.events then
         insert_in_middle(plan, "data: " .. message .. "\n\n", true)
      else
         plan.body = message
      end
   end,
   ["no-done"] = without("done"),
   ["no-finish"] = without("finish", "usage", "done"),
   ["huge"] = huge,
}

-- What is done to the choices, before there is a plan: functions of the choice.
faults.prepare = {
   ["filter"] = function(choice)
      choice.text = tokens.head(choice.text, math.max(1, tokens.count(choice.text) // 2))
      choice.calls = {}
      choice.finish = "content_filter"
   end,
   ["huge"] = function(choice)
      choice.text, choice.calls = MARK, {}
   end,
}

-- Those whose argument must be a time.
local TIMES = { ["slow-first-token"] = true, latency = true, drip = true, ["429"] = true }

-- nil, or what is wrong with the argument.
function faults.complaint(fault)
   local n = tonumber(fault.argument)
   if TIMES[fault.name] and fault.argument and not (n and n >= 0 and n <= 3600000) then
      return ("fault '%s' wants a number, not '%s'"):format(fault.name, fault.argument)
   end
end

return faults
