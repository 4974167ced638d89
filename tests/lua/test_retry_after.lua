-- test_retry_after: seconds, milliseconds, dates; and what is none of them.
-- SPDX-License-Identifier: MIT
local t = require "test"
local clock = require "clock"
local retry_after = require "retry_after"
local task = require "task"

local function read(headers)
   return retry_after.read(function(name) return headers[name] end)
end

t.case("seconds", function()
   t.equal(read { ["retry-after"] = "7" }, 7)
   t.equal(read { ["retry-after"] = "0" }, 0)
   t.equal(read { ["retry-after"] = "1.5" }, 1.5)
   t.equal(read { ["retry-after"] = "86400" }, 86400)
   t.equal(read { ["retry-after"] = "-1" }, nil)
   t.equal(read {}, nil)
end)

t.case("milliseconds come first", function()
   t.equal(read { ["retry-after-ms"] = "250", ["retry-after"] = "7" }, 0.25)
   t.equal(read { ["x-ms-retry-after-ms"] = "1000" }, 1)
   t.equal(read { ["retry-after-ms"] = "soon", ["retry-after"] = "7" }, 7)
   t.equal(read { ["retry-after-ms"] = "-5", ["retry-after"] = "7" }, 7)
   t.equal(read { ["retry-after-ms"] = "" }, nil)
end)

t.case("dates", function()
   t.equal(clock.date(), "2026-07-25T00:00:00.000Z")
   t.equal(read { ["retry-after"] = "Sat, 25 Jul 2026 00:01:00 GMT" }, 60)
   t.equal(read { ["retry-after"] = "Sun, 26 Jul 2026 00:00:00 GMT" }, 86400)
   t.equal(read { ["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT" }, 0)
   task.sleep(45)
   t.equal(read { ["retry-after"] = "Sat, 25 Jul 2026 00:01:00 GMT" }, 15)
   t.equal(read { ["retry-after"] = "Sat, 25 Jul 2026 00:00:45 GMT" }, 0)
end)

t.case("dates: every day of eight years has its place", function()
   local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
   local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
   local wrong, day_number = 0, 0
   local first = read { ["retry-after"] = "Sat, 01 Jan 2028 00:00:00 GMT" }
   for year = 2028, 2035 do
      for month, name in ipairs(months) do
         local length = lengths[month] + (month == 2 and year % 4 == 0 and 1 or 0)
         for day = 1, length do
            local text = ("Mon, %02d %s %d 00:00:00 GMT"):format(day, name, year)
            if read { ["retry-after"] = text } ~= first + day_number * 86400 then wrong = wrong + 1 end
            day_number = day_number + 1
         end
      end
   end
   t.equal(wrong, 0)
end)

-- RFC 9110 5.6.7: a recipient must take all three forms of a date.
t.case("dates in the older forms", function()
   t.equal(read { ["retry-after"] = "Saturday, 25-Jul-26 00:01:00 GMT" }, 60)
   t.equal(read { ["retry-after"] = "Sunday, 06-Nov-94 08:49:37 GMT" }, 0)
   t.equal(read { ["retry-after"] = "Sat Jul 25 00:01:00 2026" }, 60)
   t.equal(read { ["retry-after"] = "Sun Nov  6 08:49:37 1994" }, 0)
end)

t.case("what says nothing", function()
   for _, value in ipairs { "", "soon", "7 seconds", "Sat, 25 Foo 2026 00:01:00 GMT", "nan", "inf", "--1",
      "Sat, 25 Jul 2026 00:01:00", "2026-07-25T00:01:00Z", ("9"):rep(5), "\0" } do
      local seconds = read { ["retry-after"] = value }
      t.equal(seconds, value == "99999" and 99999 or nil)
   end
end)

t.case("hostile values", function()
   for _, value in ipairs { "1e400", ("9"):rep(400), "0x10", "1e3", "0x1p4", (" "):rep(10000) .. "1",
      "Sat, " .. ("9"):rep(300) .. " Jul 2026 00:00:00 GMT",
      "Sat, 25 Jul " .. ("9"):rep(400) .. " 00:00:00 GMT",
      ("a"):rep(100000) } do
      local seconds = read { ["retry-after"] = value }
      t.ok(seconds == nil or (seconds >= 0 and seconds < 1e12), "a wait of " .. tostring(seconds) .. " s")
      seconds = read { ["retry-after-ms"] = value }
      t.ok(seconds == nil or (seconds >= 0 and seconds < 1e12), "a wait of " .. tostring(seconds) .. " s")
   end
end)
