-- faults: the ways a provider fails, asked for by name: NAME[=ARGUMENT][*TIMES].
-- SPDX-License-Identifier: MIT
--
-- A fault answers in the model's place (faults.instead), changes what the model says (faults.prepare), or
-- spoils the plan of a good answer (spoil.lua). What a plan is stands in init.lua.
local spoil = require "sim.spoil"
local tokens = require "sim.tokens"

local faults = {}

-- "429=2*3" -> { name = "429", argument = "2", times = 3 }; nil and why where there is no such fault.
function faults.parse(text)
   local rest, times = text:match("^(.-)%*(%d+)$")
   rest = rest or text
   local name, argument = rest:match("^([%w-]+)=(.*)$")
   name = name or rest
   if not faults.instead[name] and type(spoil[name]) ~= "function" then
      return nil, "unknown fault '" .. text .. "'; there are: " .. faults.names()
   end
   return { name = name, argument = argument, times = tonumber(times) }
end

function faults.names()
   local list = {}
   for name in pairs(faults.instead) do list[#list + 1] = name end
   for name in pairs(spoil) do -- "blocked" is in both
      if not faults.instead[name] then list[#list + 1] = name end
   end
   table.sort(list)
   return table.concat(list, ", ")
end

-- ---- in the model's place: functions of the argument, the model and the wire, that return a plan ----

local function refusal(what, status)
   return function(_, model, wire) return wire.fail(what, { status = status, name = model.id }) end
end

local function page(status, content_type, body)
   return { status = status, headers = { { "content-type", content_type } }, body = body }
end

local HTML = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad "
   .. "Gateway</h1></body></html>\n"

faults.instead = {
   ["429"] = function(seconds, model, wire)
      return wire.fail("rate_limit", { seconds = seconds or "1", name = model.id })
   end,
   ["quota"] = refusal("quota"),
   ["500"] = refusal("server", 500),
   ["502"] = refusal("server", 502),
   ["503"] = refusal("server", 503),
   ["504"] = refusal("server", 504),
   ["529"] = refusal("overloaded"),
   ["401"] = refusal("auth"),
   ["403"] = refusal("permission"),
   ["404"] = refusal("no_model"),
   ["413"] = refusal("too_large"),
   ["blocked"] = refusal("blocked"),
   ["context"] = function(_, model, wire)
      return wire.fail("context", { limit = model.context, got = model.context + 1 })
   end,
   ["reset"] = function() return { finish = "reset" } end,
   ["no-answer"] = function() return { finish = "hang" } end,
   ["html"] = function(status) return page(tonumber(status) or 200, "text/html", HTML) end,
   ["empty"] = function() return page(200, "application/json", "") end,
   ["wrong-json"] = function(kind)
      local other = '{"result":["not","a","completion"]}'
      return page(200, "application/json", kind == "shape" and other or '{"id":"chatcmpl-1","choices":[{"ind')
   end,
}

-- ---- what is done to a choice, before there is a plan: functions of the choice, the wire and the argument
-- ----

local function calls_do(change)
   return function(choice)
      for _, call in ipairs(choice.calls) do change(call) end
   end
end

faults.prepare = {
   ["blocked"] = function(choice)
      choice.text, choice.calls, choice.reasoning = "", {}, nil
      choice.finish, choice.blocked = "content_filter", true
   end,
   ["filter"] = function(choice)
      choice.text = tokens.head(choice.text, math.max(1, tokens.count(choice.text) // 2))
      choice.calls = {}
      choice.finish = "content_filter"
   end,
   ["huge"] = function(choice)
      choice.text, choice.calls = spoil.MARK, {}
   end,
   ["odd-finish"] = function(choice, wire, argument) choice.finish = argument or wire.odd_finish end,
   ["whole-arguments"] = calls_do(function(call) call.whole = true end),
   ["no-arguments"] = calls_do(function(call) call.arguments = "" end),
   ["no-ids"] = calls_do(function(call) call.no_id = true end),
}

-- Those whose argument must be a number, and the most it may be.
local NUMBERS = {
   ["slow-first-token"] = 3600000, latency = 3600000, drip = 3600000, ["429"] = 3600000,
   ["keep-alive"] = 3600000, shred = 65536, ["huge-event"] = 1 << 28, html = 599,
}

-- nil, or what is wrong with the argument.
function faults.complaint(fault)
   local n, most = tonumber(fault.argument), NUMBERS[fault.name]
   if most and fault.argument and not (n and n >= 0 and n <= most) then
      return ("fault '%s' wants a number, not '%s'"):format(fault.name, fault.argument)
   end
end

return faults
