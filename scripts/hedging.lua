-- hedging: a second try before the first has failed, for those few requests that take unusually long.
-- SPDX-License-Identifier: MIT
--
-- After Dean and Barroso, "The Tail at Scale" (2013): a second request that is sent when the first has been
-- outstanding for longer than most are (their 95th percentile) cuts the slow tail at the price of a few
-- requests more. A budget, which all workers share, bounds that price where everything is slow.

local errors = require "errors"
local kv = require "kv"
local tasks = require "tasks"
local trace = require "trace"

local hedging = {}

local SHARE = 0.1 -- of the requests may be hedged
local BURST = 10 -- hedges that may be saved up
local KEPT = 86400 -- seconds that a budget is kept for

local QUANTILES = { p50 = true, p95 = true, p99 = true }

local function is_seconds(value)
   return type(value) == "number" and value >= 0 and value <= 86400
end

local function is_name(value)
   return type(value) == "string" and #value >= 1 and #value <= 200
end

local function is_share(value)
   return type(value) == "number" and value >= 0 and value <= 1
end

-- What options must be, in words and as functions.
local OPTIONS = {
   model = { "a target", function(value) return type(value) == "string" or type(value) == "table" end },
   of = { '"ttft" or "latency"', function(value) return value == "ttft" or value == "latency" end },
   otherwise = { "seconds, 0 to 86400", is_seconds }, share = { "a number from 0 to 1", is_share },
   budget = { "a name of 1 to 200 bytes", is_name },
}

local function check_options(opts)
   if type(opts) ~= "table" then
      errors.raise("task.hedge: the options must be a table, not a " .. type(opts))
   end
   for name, value in pairs(opts) do
      local option = OPTIONS[name]
      if not option then errors.raise(("task.hedge: unknown option '%s'"):format(tostring(name))) end
      if not option[2](value) then
         errors.raise(("task.hedge: option '%s' must be %s"):format(name, option[1]))
      end
   end
end

local function check(after, f, g, opts)
   check_options(opts)
   if QUANTILES[after] then
      if opts.model == nil then
         errors.raise("task.hedge: option 'model' is missing: whose " .. after .. "?")
      end
   elseif not is_seconds(after) then
      errors.raise "task.hedge: 'after' must be seconds, 0 to 86400, or \"p50\", \"p95\" or \"p99\""
   end
   if type(f) ~= "function" or type(g) ~= "function" then
      errors.raise "task.hedge: two functions are needed"
   end
end

-- Seconds until the second begins; nil: never, since nothing is known of the model yet.
local function delay(after, opts)
   if type(after) == "number" then return after end
   local health = require "models".health(opts.model)
   return health and health[opts.of or "latency"][after] or opts.otherwise
end

-- What a budget is called: by its name, the model, or the policy. It is a token bucket that begins empty:
-- every request brings its share of a hedge, every hedge takes one, so there are never more than the share.
local function key_of(opts)
   local name = opts.budget or type(opts.model) == "string" and opts.model
      or type(opts.model) == "table" and opts.model.name or trace.total().policy or ""
   return "baton/hedge/" .. name:sub(1, 220)
end

local function deposit(key, share)
   local saved = kv.incr(key, share, { ttl = KEPT })
   if saved and saved > BURST then kv.incr(key, BURST - saved) end
end

local function withdraw(key)
   local left = kv.incr(key, -1.0, { ttl = KEPT })
   if left and left > -1e-6 then return true end -- ten times a tenth may be a little less than one
   if left then kv.incr(key, 1.0) end
   return false
end

-- May this request be hedged? Without kv (it is full) none is.
local function allowed(opts)
   local share = opts.share or SHARE
   return share > 0 and (share >= 1 or withdraw(key_of(opts)))
end

-- Whatever ends a block stops what still runs.
local running = { __close = function(handles)
   for _, handle in ipairs(handles) do handle:cancel() end
end }

-- A stream that came in the same moment as the winner's: nobody reads it.
local function discard(handle)
   if handle:cancel() then return end
   local ok, value = pcall(handle.join, handle)
   if ok and type(value) == "table" and getmetatable(value) == "stream" then value:close() end
end

-- The first of both that has a result; the other is stopped. Where both fail: the error of the first.
local function race(handles)
   local first, why = handles[1], nil
   while #handles > 0 do
      local handle = table.remove(handles, tasks.first(handles))
      local value, err = handle:join()
      if value ~= nil then
         if handles[1] then discard(handles[1]) end
         return value, handle == first and 1 or 2
      end
      if handle == first then why = err end
   end
   return nil, why
end

-- task.hedge(after, f, g, opts?) -> value, 1 or 2 | nil, err. Calls f; when that has no result after so many
-- seconds, calls g beside it, and the first result that is not nil wins: it is that of f (1) or of g (2), and
-- the other is stopped at once. When f fails before that with an error that may pass, g is called then: that
-- is no hedge, and takes nothing from the budget. Where a race fails, the error is that of f.
--   after   seconds, or "p50", "p95", "p99" of opts.model, live (models.health); while nothing is known of
--           it, opts.otherwise seconds (without: f alone)
--   opts    model = a target; of = "latency" (to the end, the default) or "ttft" (to a stream's first
--           content); share = of all requests that may be hedged (0.1); budget = a name for the requests that
--           share it (that of the model, else of the policy)
-- Yields.
function hedging.hedge(after, f, g, opts)
   opts = opts or {}
   check(after, f, g, opts)
   local seconds, share = delay(after, opts), opts.share or SHARE
   if share > 0 and share < 1 then deposit(key_of(opts), share) end
   local handles <close> = setmetatable({ tasks.spawn(f) }, running)
   if not tasks.first(handles, seconds) then
      if allowed(opts) then
         trace.note { hedged = { after = seconds } }
         handles[2] = tasks.spawn(g)
      end
      return race(handles)
   end
   local value, err = handles[1]:join()
   if value ~= nil then return value, 1 end
   if type(err) ~= "table" or not err.retryable then return nil, err end
   value, err = g()
   if value ~= nil then return value, 2 end
   return nil, err
end

return hedging
