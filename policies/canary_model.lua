-- Choose this to try a new model on a share of the traffic: it is compared with the old one, and left alone
-- when it fails more often.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local clock = require "clock"
local judge = require "judge"
local kv = require "kv"
local llm = require "llm"
local log = require "log"
local models = require "models"
local policy = require "policy"
local random = require "random"
local trace = require "trace"
local why = require "_why"

local KEPT <const> = 86400 -- seconds that counts are kept for

local function count(side, what, by)
   return kv.incr(("canary_model:%s:%s"):format(side, what), by or 1, { ttl = KEPT }) or 0
end

local function share_of(side, what)
   local calls = kv.get(("canary_model:%s:calls"):format(side)) or 0
   if calls == 0 then return 0, 0 end
   return (kv.get(("canary_model:%s:%s"):format(side, what)) or 0) / calls, calls
end

local WHAT = { "failed", "poor", "seconds", "usd" }

-- Both in one line of the log: shares, and means of a request.
local function compare(p)
   local line = { new_model = p.new, old_model = p.old }
   for _, side in ipairs { "new", "old" } do
      for _, what in ipairs(WHAT) do
         line[side .. "_" .. what], line[side .. "_calls"] = share_of(side, what)
      end
   end
   log.info("models compared", line)
end

-- Does the new model fail more often than the old one, by a margin and over enough calls?
local function is_worse(p)
   local new, calls = share_of("new", "failed")
   return calls >= p.min_calls and new > share_of("old", "failed") + p.margin
end

-- One answer, and what it says of its model. A stream's end is not waited for.
local function measured(side, target, req, p)
   local begun = clock.monotonic()
   local reply, err = ask.once(target, req)
   if err and policy.hopeless(err) then return nil, err end -- says nothing of the model
   local calls = count(side, "calls")
   local poor = reply and llm.is_reply(reply) and judge.quality(req, reply) < 0.5
   if not reply then count(side, "failed") end
   if poor then count(side, "poor") end
   count(side, "seconds", clock.monotonic() - begun)
   if reply and llm.is_reply(reply) then count(side, "usd", reply.cost + 0.0) end
   if side == "new" and calls % p.report == 0 then compare(p) end
   return reply, err
end

local function run(req, p)
   local without = "not in its share of the requests" -- why the new model does not answer
   if random.number() < p.share then
      if is_worse(p) then
         without = "fails more often than the old model"
         log.warn("the new model fails more often: left alone", { model = p.new })
      else
         trace.decide { model = why.name(p.new, req), reason = "canary",
            candidates = why.add(nil, p.old, "this request is of the new model's share", req) }
         local reply, err = measured("new", p.new, req, p)
         if reply or policy.hopeless(err) then return reply, err end
         without = err.code
      end
   end
   trace.decide { model = why.name(p.old, req), reason = "stable",
      candidates = why.add(nil, p.new, without, req) }
   local reply, err = measured("old", p.old, req, p)
   if reply or policy.hopeless(err) then return reply, err end
   local old = models.resolve(p.old)
   if not old then return nil, err end
   return ask.instead(old, req, err)
end

return policy.define {
   name = "canary_model",
   about = "A share of the requests to a new model, compared, and taken back when it is worse.",
   params = {
      old = { tier = "standard" },                     -- targets
      new = { tier = "standard", prefer = "quality" },
      share = 0.05,   -- of the requests (0..1) that the new model gets
      min_calls = 20, -- of the new model, before it is judged
      margin = 0.05,  -- by which its share of failures may be higher
      report = 100,   -- calls of the new model between two lines of the log that compare
   },
   limits = {
      share = policy.share, min_calls = { min = 1, integer = true }, margin = policy.share,
      report = { min = 1, integer = true },
   },
   run = run,
}
