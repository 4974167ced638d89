-- nightly: a job of every night: here it takes one turn at once and ends; with --stay it goes on.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/nightly.lua
--    baton run examples/nightly.lua --stay
--
-- timer.at calls a function every day at a time of day in a place, timer.after once. In the gateway a file
-- of your policies sets such a timer while it is loaded, and one of the workers runs each turn:
--
--    local timer = require "timer"
--    timer.at("03:00", night, { tz = "Europe/Berlin", name = "nightly" })
--
-- Such a turn has limits, a trace id and a bill of its own, and an error in it ends that turn and no other.
-- What a turn must know of the one before stands in kv, which outlives a reload, and with persist also a
-- restart.
local clock = require "clock"
local kv = require "kv"
local llm = require "llm"
local task = require "task"
local timer = require "timer"
local trace = require "trace"

local TIME, PLACE = "03:00", "Europe/Berlin"

-- What came in during the day; a job of yours would ask a store for it (http.fetch).
local MESSAGES = {
   "The new search is great, thank you!",
   "The export fails with an error since Monday, this is frustrating.",
   "Delivery was late again, and the box was damaged.",
   "Please add a dark mode.",
}

local function sentiment_of(message)
   local reply, err = llm.chat({ tier = "fast" }, "What is the sentiment of the text? Answer positive, "
      .. "negative or neutral.\n\n\"\"\"\n" .. message .. "\n\"\"\"", { retries = 3, timeout = 60 })
   return reply and reply.text, err
end

-- One turn. A model that stays away is no reason to lose the rest: it is tried, then counted as unknown.
local function night()
   local moods = task.map(MESSAGES, 4, sentiment_of)
   local counts = {}
   for i = 1, #MESSAGES do
      local mood = (moods[i] or "unknown"):lower():match "%a+" or "unknown"
      counts[mood] = (counts[mood] or 0) + 1
   end
   local number = kv.incr("nightly:turns", 1, { persist = true })
   print(("%s turn %d: %d messages"):format(clock.date():sub(1, 16), number, #MESSAGES))
   for mood, n in pairs(counts) do print(("   %-9s %d"):format(mood, n)) end
   print(("   %.6f USD"):format(trace.total().cost_usd))
end

local nightly = timer.at(TIME, night, { tz = PLACE, name = "nightly" })

local ended, fault
timer.after(0, function()
   ended, fault = pcall(night)
end, { name = "at once" })

local in_time = task.within(300, function()
   while ended == nil do task.sleep(0.05) end
   return true
end)
if not in_time then error("the turn took more than five minutes", 0) end
if not ended then error(fault, 0) end

if arg[1] == "--stay" then
   print(("The next turn: %s in %s. Control-C ends it."):format(TIME, PLACE))
   while true do task.sleep(3600) end
end
nightly:cancel()
