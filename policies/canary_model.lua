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

-- Counts are of a model in its part: what another one did as the new model is not held against this one.
local function key_of(side, what)
   return ("canary_model:%s:%s:%s"):format(side.part, side.name, what)
end

local function side_of(part, target, req)
   local name = why.name(target, req)
   return { part = part, target = target, name = type(name) == "string" and name or "nobody" }
end

local function count(side, what, by)
   return kv.incr(key_of(side, what), by or 1, { ttl = KEPT }) or 0
end

local function share_of(side, what)
   local calls = kv.get(key_of(side, "calls")) or 0
   if calls == 0 then return 0, 0 end
   return (kv.get(key_of(side, what)) or 0) / calls, calls
end

local WHAT = { "failed", "poor", "seconds", "usd" }

-- Both in one line of the log: shares, and means of a request.
local function compare(new, old)
   local line = { new_model = new.target, old_model = old.target }
   for _, side in ipairs { new, old } do
      for _, what in ipairs(WHAT) do
         line[side.part .. "_" .. what], line[side.part .. "_calls"] = share_of(side, what)
      end
   end
   log.info("models compared", line)
end

-- Does the new model fail more often than the old one, by a margin and over enough calls?
local function is_worse(new, old, p)
   local failed, calls = share_of(new, "failed")
   return calls >= p.min_calls and failed > share_of(old, "failed") + p.margin
end

-- One answer, and what it says of its model; how many calls of it were counted. A stream's end is not waited
-- for.
local function measured(side, req)
   local begun = clock.monotonic()
   local reply, err = ask.once(side.target, req)
   if err and policy.hopeless(err) then return nil, err end -- says nothing of the model
   local calls = count(side, "calls")
   local poor = reply and llm.is_reply(reply) and judge.quality(req, reply) < 0.5
   if not reply then count(side, "failed") end
   if poor then count(side, "poor") end
   count(side, "seconds", clock.monotonic() - begun)
   if reply and llm.is_reply(reply) then count(side, "usd", reply.cost + 0.0) end
   return reply, err, calls
end

local function run(req, p)
   local new, old = side_of("new", p.new, req), side_of("old", p.old, req)
   local without = "not in its share of the requests" -- why the new model does not answer
   if random.number() < p.share then
      if is_worse(new, old, p) then
         without = "fails more often than the old model"
         log.warn("the new model fails more often: left alone", { model = p.new })
      else
         trace.decide { model = why.name(p.new, req), reason = "canary",
            candidates = why.add(nil, p.old, "this request is of the new model's share", req) }
         local reply, err, calls = measured(new, req)
         if calls and calls % p.report == 0 then compare(new, old) end
         if reply or policy.hopeless(err) then return reply, err end
         without = err.code
      end
   end
   trace.decide { model = why.name(p.old, req), reason = "stable",
      candidates = why.add(nil, p.new, without, req) }
   local reply, err = measured(old, req)
   if reply or policy.hopeless(err) then return reply, err end
   local entry = models.resolve(p.old)
   if not entry then return nil, err end
   return ask.instead(entry, req, err)
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
