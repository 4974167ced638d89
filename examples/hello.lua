-- hello: the first call. Asks the cheapest model one question and prints the answer and its price.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/hello.lua
--    baton run examples/hello.lua "What is the capital of France?"
--
-- A target is "provider/model", an alias, or a selector as here: "the cheapest of the fast tier". Without
-- keys in the environment the simulated models answer. An expected failure comes back as nil and an error
-- that says what happened; only wrong use raises.
local llm = require "llm"

local question = arg[1] or "Say hello in one short sentence."

local reply, err = llm.chat({ tier = "fast" }, question)
if not reply then
   print("no answer: " .. tostring(err.message))
   return
end
print(reply.text)
print(("-- %s, %.6f USD"):format(reply.model, reply.cost or 0))
