-- retrying: whether a call that failed is made again, and when.
-- SPDX-License-Identifier: MIT
--
-- Never for an error that cannot pass, never beyond the deadline, never against a breaker, and never so often
-- that an outage multiplies the calls: retries of all workers are a share of a model's recent calls (a retry
-- budget, after Finagle's; core/health.h).

local blame = require "blame"
local clock = require "clock"
local health = require "health"
local log = require "log"
local random = require "random"
local tasks = require "tasks"

local retrying = {}

local WAIT_MAX = 30 -- seconds: a longer Retry-After is the caller's to decide on
local FIRST, MOST = 0.25, 8 -- seconds of the pauses, doubled each time

-- Refusals that a little patience ends. A breaker is open for a reason: nobody waits for it here.
local passing = { rate = true, benched = true }

local function worth_again(err)
   return err.retryable and (not err.refused or passing[err.refused])
end

-- Seconds before attempt n + 1: what the provider asked for, and up to a tenth more by chance, so that those
-- who were told the same do not all come at once; else FIRST doubled each time, less up to a half by chance.
-- nil: longer than anybody waits here.
local function pause(err, n)
   local who, seconds = blame.of(err)
   local asked = err.retry_after or who == "wait" and seconds
   if asked then return asked <= WAIT_MAX and asked * (1 + 0.1 * random.number()) or nil end
   return math.min(MOST, FIRST * 2 ^ (n - 1)) * (1 - 0.5 * random.number())
end

-- Seconds that are left for all, and until 'ends' (of clock.monotonic) for this model.
local function left(ends)
   local most = tasks.left() or math.huge
   return ends and math.min(most, ends - clock.monotonic()) or most
end

-- retrying.wait(name, err, n, retries, ends?) -> boolean: may the call to the model "provider/model" be made
-- again, after its n-th failure? Then the pause is over when this returns. name = nil: the error is no
-- model's, so that no budget counts; a time limit that is no model's (task.within) ends it, since whoever was
-- called may be the reason. ends: no attempt begins after it. Yields.
function retrying.wait(name, err, n, retries, ends)
   if n > retries or not worth_again(err) or (not name and err.code == "timeout") then return false end
   local seconds = pause(err, n)
   if not seconds or seconds >= left(ends) then return false end
   if name and not health.retry(name) then
      log.debug("no retry: the model's budget of retries is used up", { model = name, code = err.code })
      return false
   end
   tasks.sleep(seconds)
   return true
end

return retrying
