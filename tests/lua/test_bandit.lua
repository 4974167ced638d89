-- test_bandit: choosing and learning as scripts do it, feedback, and wrong use.
-- SPDX-License-Identifier: MIT
local t = require "test"
local bandit = require "bandit"
local feedback = require "feedback"
local json = require "json"
local random = require "random"

local function new(name, more)
   local options = { name = name, arms = { "a", "b", "c" } }
   for key, value in pairs(more or {}) do options[key] = value end
   return bandit.new(options)
end

local function total(name)
   local learned = 0
   for _, one in ipairs(bandit.look(name)) do
      for _, bucket in ipairs(one.buckets) do learned = learned + bucket.learned end
   end
   return learned
end

t.case("it finds the best arm, and follows when another one is", function()
   for _, method in ipairs { "thompson", "linucb" } do
      local b = new("learns " .. method, { method = method, discount = 0.98, explore = 0.05 })
      for round, best in ipairs { "c", "a" } do
         local hits = 0
         for i = 1, 800 do
            local arm, probability, decision = b:choose()
            t.ok(probability > 0 and probability <= 1)
            if i > 500 and arm == best then hits = hits + 1 end
            local right = random.number() < (arm == best and 0.9 or 0.3)
            t.equal(b:learn(decision, right and 1 or 0), true)
         end
         t.ok(hits > 200, ("%s, round %d: %d of 300"):format(method, round, hits))
      end
   end
end)

t.case("the probabilities of the arms sum to 1", function()
   local b = new("sums", { explore = 0.1 })
   local told = {}
   for _ = 1, 300 do
      local arm, probability = b:choose()
      told[arm] = probability
   end
   t.ok(math.abs(told.a + told.b + told.c - 1) < 1e-9)
   for arm, probability in pairs(told) do t.ok(probability >= 0.1 / 3, arm) end
end)

t.case("an arm that is not asked for is not chosen", function()
   local b = new "among"
   for _ = 1, 20 do t.ok(b:choose { among = { "a", "c" } } ~= "b") end
   local arm, probability = b:choose { among = { "b" } }
   t.equal(arm, "b")
   t.equal(probability, 1)
end)

t.case("buckets are told apart, and those that are not listed are one", function()
   local b = new("buckets", { buckets = { "code", "chat" } })
   for _, bucket in ipairs { "code", "chat", "poems", "jokes" } do
      local _, _, decision = b:choose(bucket)
      t.equal(decision.bucket, (bucket == "code" or bucket == "chat") and bucket or "(other)")
      b:learn(decision, 1)
   end
   local seen = {}
   for _, bucket in ipairs(bandit.look("buckets")[1].buckets) do seen[bucket.bucket] = bucket.learned end
   t.equal(seen, { code = 1, chat = 1, ["(other)"] = 2 })
end)

t.case("features decide with linucb", function()
   local b = new("features", { method = "linucb", features = { "hard", "long" }, explore = 0 })
   for _ = 1, 60 do
      for _, arm in ipairs { "a", "b", "c" } do
         local hard = random.number()
         local score = arm == "a" and hard or arm == "b" and 1 - hard or 0.1
         b:learn({ arm = arm, features = { hard = hard } }, score)
      end
   end
   t.equal((b:choose { features = { hard = 1 } }), "a")
   t.equal((b:choose { features = { hard = 0, long = 0 } }), "b")
end)

t.case("feedback", function()
   local b = new("feedback", { worth = 0.5 })
   local arm, probability, decision = b:choose "code"
   local result = feedback.give(decision.trace, 0.5, { comment = "so so" })
   t.equal(result.decisions, 1)
   t.equal(result.learned, 1)
   t.equal(result.repeated, false)
   t.equal(result.told, { { bandit = "feedback", arm = arm, bucket = "code", probability = probability,
      cost = 0, reward = 0.75, learned = true } })
   t.equal(feedback.give(decision.trace, 0.5).repeated, true)
   local _, err = feedback.give(decision.trace, 1)
   t.equal(err.code, "invalid_output")
   t.ok(err.message:find("the score 0.5 already", 1, true), err.message)
   _, err = feedback.give("nobody", 1)
   t.equal(err.code, "not_found")
   _, err = feedback.give(decision.trace, 0.5, { bandit = "another" })
   t.equal(err.code, "not_found")
   t.equal(total "feedback", 1)
end)

t.case("what was settled or withdrawn awaits no feedback", function()
   local b = new "settled"
   local _, _, first = b:choose()
   local _, _, second = b:choose()
   b:learn(first, 0, { final = true })
   b:withdraw(second)
   for _, decision in ipairs { first, second } do
      t.equal(select(2, feedback.give(decision.trace, 1)).code, "not_found")
   end
   t.equal(total "settled", 1)
end)

t.case("rewards with a worth order by score and cost", function()
   local b, free = new("worth", { worth = 0.02 }), new "free"
   t.equal(free:reward(0.7, 3), 0.7)
   t.equal(b:reward(1), 1)
   t.equal(b:reward(1, 0.01), 0.75)
   t.equal(b:reward(0, 1), 0)
   b:learn({ arm = "a" }, 1, { cost = 0.01 })
   t.ok(math.abs(bandit.look("worth")[1].buckets[1].arms[1].mean - 1.75 / 3) < 1e-5)
end)

t.case("feedback may say what it cost", function()
   local b = new("costly", { worth = 0.02 })
   local _, _, decision = b:choose()
   local told = feedback.give(decision.trace, 1, { cost = 0.01 }).told[1]
   t.equal(told.cost, 0.01)
   t.equal(told.reward, 0.75)
   t.raises(function() feedback.give(decision.trace, 1, { cost = -1 }) end, "cost must be a number of USD")
   t.raises(function() feedback.give(decision.trace, 1, { cost = "1" }) end, "cost must be a number, not a")
end)

t.case("look, freeze, reset", function()
   local b = new "watched"
   local _, _, decision = b:choose()
   b:learn(decision, 1)
   t.equal(bandit.freeze "watched", true)
   t.equal(bandit.look("watched")[1].state, "frozen")
   t.equal(b:learn(decision, 1), false)
   t.equal(feedback.give(decision.trace, 1).learned, 0)
   t.equal(total "watched", 1)
   t.equal(bandit.freeze("watched", false), true)
   t.equal(b:learn(decision, 1), true)
   t.equal(total "watched", 2)
   t.equal(bandit.reset "watched", true)
   t.equal(#bandit.look "watched", 0)
   t.equal(json.encode(bandit.look "watched"), "[]")
   for _, f in ipairs { bandit.reset, bandit.freeze } do
      local ok, err = f "nobody"
      t.equal(ok, nil)
      t.equal(err.code, "not_found")
   end
end)

t.case("wrong descriptions are refused with what is wrong", function()
   local function refused(options, pattern) t.raises(function() bandit.new(options) end, pattern) end
   local many = {}
   for i = 1, 33 do many[i] = "arm " .. i end
   refused(nil, "takes a table, not a nil")
   refused({ arms = { "a" } }, "name is missing")
   refused({ name = "x" }, "arms is missing")
   refused({ name = "x", arms = {} }, "arms: there must be one")
   refused({ name = "x", arms = many }, "arms: there may be 32 at most")
   refused({ name = "x", arms = { "a", 7 } }, "arms: number 2 is not a string")
   refused({ name = "x", arms = { "a", "a" } }, "\"a\" is listed twice")
   refused({ name = "x", arms = { ("a"):rep(97) } }, "arms: a name has 1 to 96 bytes, not 97")
   refused({ name = ("x"):rep(65), arms = { "a" } }, "name: a name has 1 to 64 bytes")
   refused({ name = "x", arms = { "a" }, method = "greedy" }, "method must be")
   refused({ name = "x", arms = { "a" }, colour = 1 }, "unknown member 'colour'")
   refused({ name = "x", arms = { "a" }, discount = "1" }, "discount must be a number, not a string")
   refused({ name = "x", arms = { "a" }, discount = 0 / 0 }, "discount: must be a number from 0.5 to 1")
   refused({ name = "x", arms = { "a" }, prior = { 1 } }, "prior: must be a number from 1 to 1000")
   refused({ name = "x", arms = { "a" }, features = { "f" } }, "features are for the method \"linucb\"")
   refused({ name = "x", arms = { "a" }, method = "linucb", features = { "f", "f" } }, "listed twice")
   local features = {}
   for i = 1, 16 do features[i] = "f" .. i end
   refused({ name = "x", arms = { "a" }, method = "linucb", features = features }, "there may be 15 at most")
end)

t.case("wrong use raises", function()
   local b = new("wrong", { method = "linucb", features = { "x" } })
   local _, _, decision = b:choose()
   for _, score in ipairs { -0.1, 1.1, 0 / 0, math.huge, "1", true } do
      t.raises(function() b:learn(decision, score) end, "from 0 to 1")
      t.raises(function() feedback.give(decision.trace, score) end, "from 0 to 1")
   end
   t.raises(function() b:learn(decision) end, "from 0 to 1")
   t.raises(function() b:learn("a", 1) end, "decision must be a table")
   t.raises(function() b:learn({ arm = "z" }, 1) end, "'z' is none of the arms")
   t.raises(function() b:learn({ arm = "a", features = { y = 1 } }, 1) end, "'y' is none of the bandit's")
   t.raises(function() b:learn(decision, 1, { cost = -1 }) end, "cost must be")
   t.raises(function() b:learn(decision, 1, { price = 1 }) end, "unknown option 'price'")
   for _, x in ipairs { 0 / 0, math.huge, 101, "1" } do
      t.raises(function() b:choose { features = { x = x } } end, "from -100 to 100")
   end
   t.raises(function() b:choose { among = {} } end, "among is empty")
   t.raises(function() b:choose { among = { "z" } } end, "'z' is none of the arms")
   t.raises(function() b:choose { bucket = 7 } end, "bucket must be a string")
   t.raises(function() b:choose { bucket = ("x"):rep(65) } end, "64 bytes at most")
   t.raises(function() b:choose { buckets = "x" } end, "unknown member 'buckets'")
   t.raises(function() b:choose(7) end, "context must be a table")
   t.raises(function() b.choose() end, "call it with a colon")
   t.raises(function() bandit.freeze() end, "name must be a string")
   t.raises(function() feedback.give("", 1) end, "trace must be a string")
   t.raises(function() feedback.give("x", 1, { stars = 5 }) end, "unknown option 'stars'")
   t.raises(function() feedback.on(print) end, "only while a file is loaded")
   t.raises(function() feedback.on(7) end, "takes a function")
   t.equal(total "wrong", 0)
end)

t.case("room has an end", function()
   local b = new "rooms"
   for i = 1, 260 do b:learn({ arm = "a", bucket = "bucket " .. i }, 1) end
   local last = bandit.look("rooms")[1].buckets[256]
   t.equal(last.bucket, "(other)")
   t.equal(last.learned, 5)
   local err
   for i = 1, 10 do
      for j = 1, 200 do
         local _, problem = new("rooms " .. i):learn({ arm = "a", bucket = "bucket " .. j }, 1)
         err = err or problem
      end
   end
   t.equal(err.code, "budget")
   t.ok(err.message:find("1024 buckets", 1, true), err.message)
   bandit.reset "rooms"
   for i = 1, 10 do bandit.reset("rooms " .. i) end
end)

t.case("lists whose length is a metatable's", function()
   local bandits = require "bandits"
   for _, length in ipairs { -5, (1 << 32) - 5, math.mininteger } do
      local liar = setmetatable({}, { __len = function() return length end })
      local spec, message = bandits.spec { name = "liar", arms = liar, features = {} }
      t.equal(spec, nil)
      t.equal(message, "arms: there may be 32 at most")
      spec, message = bandits.spec { name = "liar", arms = { "a" }, features = liar }
      t.equal(spec, nil)
      t.ok(message:find("features: there may be", 1, true), message)
   end
end)
