-- _trained: the classifiers that policies are given by name, each loaded when it is first asked.
-- SPDX-License-Identifier: MIT
local classify = require "classify"

local loaded = {}

-- trained(name) -> the classifier of "baton train" in NAME.model beside the policies (classify.linear).
return function(name)
   loaded[name] = loaded[name] or classify.linear { model = name }
   return loaded[name]
end
