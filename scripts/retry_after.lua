-- retry_after: how long a provider asks us to wait.
-- SPDX-License-Identifier: MIT
--
-- Sources: RFC 9110 10.2.3 (seconds or an HTTP date); retry-after-ms as OpenAI and Azure send it.

local clock = require "clock"

local retry_after = {}

local months = {
   Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10,
   Nov = 11, Dec = 12,
}

-- Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, "chrono-compatible
-- low-level date algorithms").
local function days(year, month, day)
   if month <= 2 then year = year - 1 end
   local era = year // 400
   local of_era = year - era * 400
   local of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
   return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

-- The three forms of RFC 9110 5.6.7, as day, month, year and time of day; the last has no zone.
local function fields(text)
   local day, month, year, clock_time = text:match("^%a+, (%d%d) (%a+) (%d%d%d%d) ([%d:]+) GMT$")
   if day then return day, month, tonumber(year), clock_time end
   day, month, year, clock_time = text:match("^%a+, (%d%d)%-(%a+)%-(%d%d) ([%d:]+) GMT$")
   if day then return day, month, tonumber(year) + (tonumber(year) < 70 and 2000 or 1900), clock_time end
   month, day, clock_time, year = text:match("^%a+ (%a+) +(%d+) ([%d:]+) (%d%d%d%d)$")
   return day, month, tonumber(year), clock_time
end

-- "Sun, 06 Nov 1994 08:49:37 GMT" -> seconds since 1970, or nil.
local function date(text)
   local day, month, year, clock_time = fields(text)
   if not day or not months[month] then return nil end
   local hour, minute, second = clock_time:match("^(%d%d):(%d%d):(%d%d)$")
   if not hour then return nil end
   return days(year, months[month], tonumber(day)) * 86400
      + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
end

-- Plain decimal digits, and not more of them than any wait needs.
local function number(text)
   return text and #text <= 12 and text:find("^%d+%.?%d*$") and tonumber(text) or nil
end

-- Seconds to wait, or nil. 'header' gives the value of a header of the answer by its name.
function retry_after.read(header)
   local ms = number(header("retry-after-ms") or header("x-ms-retry-after-ms"))
   if ms then return ms / 1000 end
   local value = header("retry-after")
   if not value then return nil end
   local seconds = number(value)
   if seconds then return seconds end
   local at = #value <= 40 and date(value)
   return at and math.max(0, at - clock.now()) or nil
end

return retry_after
