-- loading: what is left to do when all files are loaded, as a list of functions. The engine calls one after
-- the other and lets requests run between them, so each is short. One that raises refuses the whole load.
-- SPDX-License-Identifier: MIT
local adopt = require "adopt"
local config = require "config"
local policies = require "policies"
local policy = require "policy"

local steps = {}

-- A provider whose codec is missing or wrong is found out now, not by the first request.
for name, facts in pairs(config.providers) do
   steps[#steps + 1] = function()
      local ok, err = pcall(adopt, facts.codec)
      if ok then return end
      local what = "configuration: providers.%s.codec: '%s' cannot be used: %s"
      error(what:format(name, facts.codec, tostring(err)), 0)
   end
end

for _, definition in pairs(policies) do
   steps[#steps + 1] = function() policy.check(definition) end
end

return steps
