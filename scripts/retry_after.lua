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

-- "Sun, 06 Nov 1994 08:49:37 GMT" -> seconds since 1970, or nil.
local function date(text)
   local day, month, year, hour, minute, second =
      text:match("^%a+, (%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT$")
   if not day or not months[month] then return nil end
   return days(tonumber(year), months[month], tonumber(day)) * 86400
      + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
end

-- Seconds to wait, or nil. 'header' gives the value of a header of the answer by its name.
function retry_after.read(header)
   local ms = tonumber(header("retry-after-ms") or header("x-ms-retry-after-ms") or "")
   if ms and ms >= 0 then return ms / 1000 end
   local value = header("retry-after")
   if not value then return nil end
   local seconds = tonumber(value)
   if seconds then return seconds >= 0 and seconds or nil end
   local at = date(value)
   return at and math.max(0, at - clock.now())
end

return retry_after
