-- spoil: faults that take the plan of a good answer and break it: functions of the plan and the argument.
-- SPDX-License-Identifier: MIT
local gzip = require "sim.gzip"

local SORRY = "The server had an error while processing your request. Sorry about that!"

-- The event source without those events that 'keep' refuses; it gets the kind and returns true, false, or
-- "last" for the end.
local function filtered(events, keep)
   local ended = false
   return function()
      while not ended do
         local kind, data, text, wait = events()
         if not kind then return nil end
         local verdict = keep(kind)
         if verdict == "last" then ended = true end
         if verdict == true then return kind, data, text, wait end
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

-- More events behind 'n' tokens; they are the last, or the stream goes on.
local function insert_after(plan, n, data, last)
   local events, left, put = plan.events, n, false
   plan.events = function()
      if put and last then return nil end
      if left == 0 and not put then
         put = true
         return "fault", data
      end
      local kind, bytes, text, wait = events()
      if kind == "token" then left = left - 1 end
      return kind, bytes, text, wait
   end
end

local function insert_in_middle(plan, data, last)
   insert_after(plan, math.max(1, plan.tokens // 2), data, last)
end

-- All text through these { pattern, replacement } pairs.
local function replaced(text, pairs_)
   for _, p in ipairs(pairs_ or {}) do text = text:gsub(p[1], p[2]) end
   return text
end

-- Every piece that is sent, or the whole body, through a function.
local function rewritten(plan, change)
   if plan.body then
      plan.body = change(plan.body)
      return
   end
   local events = plan.events
   plan.events = function()
      local kind, data, text, wait = events()
      return kind, data and change(data), text, wait
   end
end

local function without(...)
   local dropped = {}
   for _, kind in ipairs { ... } do dropped[kind] = true end
   return function(plan)
      if plan.events then
         plan.events = filtered(plan.events, function(kind) return not dropped[kind] end)
      elseif dropped.finish then
         plan.body = replaced(plan.body, { plan.wire.unfinished })
      end
   end
end

local MARK = "@huge@" -- the whole answer's text, until it is replaced
local ENDLESS = 64 * 1024 * 1024
local BLOCK = ("All work and no play makes a long answer. "):rep(1600):sub(1, 65536)

-- The body as "head" up to the mark, blocks, and the rest.
local function huge_body(plan)
   local at = plan.body:find(MARK, 1, true)
   local head, tail, left = plan.body:sub(1, at - 1), plan.body:sub(at + #MARK), ENDLESS // #BLOCK
   local stage = "head"
   plan.body = nil
   plan.events = function()
      if stage == "head" then
         stage = "blocks"
         return "head", head
      end
      left = left - 1
      if left >= 0 then return "token", BLOCK end
      if left == -1 then return "finish", tail end
   end
end

local function huge(plan)
   plan.token_ms = 0
   if plan.body then return huge_body(plan) end
   local events, piece, left = plan.events, plan.event_of(BLOCK), ENDLESS // #BLOCK
   local started = false
   plan.events = function()
      while true do
         if started and left > 0 then
            left = left - 1
            return "token", piece
         end
         local kind, data, text = events()
         if kind ~= "token" then return kind, data, text end
         started = true
      end
   end
end

-- An error event behind the head, before anything is said.
local function failed(plan)
   if plan.body then
      plan.body = plan.wire.error_body(plan.reply, SORRY)
      plan.replaced = true
      return
   end
   local events, over = plan.events, false
   plan.events = function()
      if over then return nil end
      local kind, data = events()
      if kind == "head" then return kind, data end
      over = true
      return "fault", (plan.wire.failed_event or plan.wire.error_event)(plan.reply, SORRY)
   end
end

local function shred(plan, size)
   size = math.max(1, math.floor(tonumber(size or 7)))
   if plan.body then
      in_pieces(plan, math.ceil(#plan.body / size))
      plan.token_ms, plan.first_ms = 0, 0
   end
   plan.rewrite = function(paced)
      local rest, at = "", 1
      return function()
         local wait = 0
         if at > #rest then
            wait, rest = paced()
            if not wait then return nil end
            at = 1
         end
         local piece = rest:sub(at, at + size - 1)
         at = at + size
         return math.max(wait, 0.2), piece -- or several pieces travel together
      end
   end
end

-- One sign of life every MS/5 behind the head, before the first token.
local function keep_alive(plan, ms)
   ms = tonumber(ms or 500)
   if plan.body then
      plan.after = plan.after + ms
      return
   end
   local events, left, held = plan.events, 5, nil
   plan.events = function()
      if held and left > 0 then
         left = left - 1
         return "part", plan.wire.keep_alive, nil, ms / 5
      elseif held then
         local event = held
         held = nil
         return table.unpack(event, 1, 4)
      end
      local kind, data, text, wait = events()
      if left == 0 or kind ~= "token" then return kind, data, text, wait end
      held = { kind, data, text, wait }
      return "part", plan.wire.keep_alive, nil, 0
   end
end

local function gzipped(plan)
   table.insert(plan.headers, { "content-encoding", "gzip" })
   if plan.body then
      plan.body = gzip.whole(plan.body)
      return
   end
   plan.rewrite = function(paced) return gzip.stream(paced) end
end

local function set_header(plan, name, value)
   for _, h in ipairs(plan.headers) do
      if h[1] == name then h[2] = value end
   end
end

local spoil = {
   ["filter"] = function() end, -- these are done in faults.prepare
   ["blocked"] = function() end,
   ["odd-finish"] = function() end,
   ["whole-arguments"] = function() end,
   ["no-arguments"] = function() end,
   ["no-ids"] = function() end,
   ["slow-first-token"] = function(plan, ms)
      if plan.body then plan.after = tonumber(ms or 20000) else plan.first_ms = tonumber(ms or 20000) end
   end,
   ["latency"] = function(plan, ms) plan.after = plan.after + tonumber(ms or 1000) end,
   ["drip"] = function(plan, ms)
      if plan.body then
         in_pieces(plan, math.max(1, plan.tokens))
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
         insert_in_middle(plan, plan.wire.malformed)
      else
         plan.body = plan.body:sub(1, #plan.body // 2) .. "\0{{" .. plan.body:sub(#plan.body // 2 + 1)
      end
   end,
   ["error-event"] = function(plan)
      if plan.events then
         insert_in_middle(plan, plan.wire.error_event(plan.reply, SORRY), true)
      else
         failed(plan)
      end
   end,
   ["failed"] = failed,
   ["no-done"] = without("done"),
   ["no-finish"] = without("finish", "usage", "done"),
   ["huge"] = huge,
   ["huge-event"] = function(plan, size)
      local text = BLOCK:rep(math.ceil((tonumber(size) or 16 * 1024 * 1024) / #BLOCK))
      if plan.events then
         insert_in_middle(plan, plan.event_of(text))
      else
         plan.body = plan.body:gsub("%s*$", (" "):rep(#text)) -- legal, and large
      end
   end,
   ["nulls"] = function(plan, which)
      local list = plan.wire.nulls[which == "optional" and "optional" or "essential"]
      rewritten(plan, function(data) return replaced(data, list) end)
   end,
   ["crlf"] = function(plan)
      rewritten(plan, function(data) return (data:gsub("\r?\n", "\r\n")) end)
   end,
   ["shred"] = shred,
   ["keep-alive"] = keep_alive,
   ["gzip"] = gzipped,
   ["wrong-type"] = function(plan, content_type)
      set_header(plan, "content-type", content_type or "text/plain")
   end,
}

-- MARK is no fault's name that anybody can ask for: it has no function.
return setmetatable(spoil, { __index = { MARK = MARK } })
