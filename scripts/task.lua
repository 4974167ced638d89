-- task: work side by side, in structure: children end before their parent goes on or ends.
-- SPDX-License-Identifier: MIT
--
-- The engine's own verbs (tasks: core/bind_task.c, core/bind_spawn.c), and those that are made of them.

local deadline = require "deadline"
local errors = require "errors"
local hedging = require "hedging"
local tasks = require "tasks"

local task = {
   sleep = tasks.sleep, all = tasks.all, race = tasks.race, within = tasks.within,
   spawn = tasks.spawn, first = tasks.first, hedge = hedging.hedge,
   deadline = deadline.set, left = tasks.left,
}

-- ---- quorum ----

local function check(n, functions, same)
   if math.type(n) ~= "integer" or n < 1 then errors.raise "task.quorum: n must be an integer, at least 1" end
   if type(functions) ~= "table" then
      errors.raise("task.quorum: a table of functions is needed, not a " .. type(functions))
   end
   if same ~= nil and type(same) ~= "function" then
      errors.raise("task.quorum: 'same' must be a function, not a " .. type(same))
   end
end

-- The children, and a list of their keys beside it. Whatever ends the caller's block stops those that still
-- run.
local running = { __close = function(handles)
   for _, handle in ipairs(handles) do handle:cancel() end
end }

local CHILDREN_MAX = 256

local function start(functions)
   local handles, keys = setmetatable({}, running), {}
   for key, f in pairs(functions) do
      if type(f) ~= "function" then
         errors.raise(("task.quorum: entry %s of the table is a %s, not a function"):format(tostring(key),
            type(f)))
      end
      keys[#keys + 1] = key
   end
   if #keys > CHILDREN_MAX then errors.raise "task.quorum: more than 256 functions" end
   for position, key in ipairs(keys) do handles[position] = tasks.spawn(functions[key]) end
   return handles, keys
end

-- The group that a value belongs to: with those it is the same as, or with all.
local function group_of(groups, value, same)
   for _, group in ipairs(groups) do
      if not same or same(group.values[1], value) then return group end
   end
   groups[#groups + 1] = { values = {}, keys = {} }
   return groups[#groups]
end

-- Why there is none: with too few results the first error in the order of the keys, else that they disagree.
local function no_quorum(n, functions, failed, most, results)
   if results < n then
      for key in pairs(functions) do
         if failed[key] ~= nil then return nil, failed[key] end
      end
   end
   return nil, errors.new { code = "invalid_output",
      message = ("no quorum: %d results, %d wanted, at most %d agree"):format(results, n, most) }
end

-- task.quorum(n, functions, same?) -> values, keys | nil, err. Calls all functions of the table side by side,
-- and ends with the n-th result that is not nil, or with the n-th of which same(a, b) says that they are the
-- same; what still runs is stopped at once. values: these n, in the order of their arrival; keys: of their
-- functions. It also ends as soon as n cannot be reached: err is then that of the first function in the order
-- of the keys, where too few had a result, or has the code invalid_output, where too few agree. Yields.
function task.quorum(n, functions, same)
   check(n, functions, same)
   local handles <close>, keys = start(functions)
   local groups, failed, results, most = {}, {}, 0, 0
   while #handles > 0 and most + #handles >= n do
      local at = tasks.first(handles)
      local handle, key = table.remove(handles, at), table.remove(keys, at)
      local value, err = handle:join()
      if value == nil then
         failed[key] = err
      else
         local group = group_of(groups, value, same)
         group.values[#group.values + 1], group.keys[#group.keys + 1] = value, key
         results, most = results + 1, math.max(most, #group.values)
         if most == n then return group.values, group.keys end
      end
   end
   return no_quorum(n, functions, failed, most, results)
end

-- ---- map ----

-- task.map(list, limit, f) -> results, errors. Calls f(item, position) for each item of the list, in its
-- order, at most 'limit' (1 to 256) of them at a time; the list may be of any length. results[i] is what f
-- returned for list[i]; where that is nil, errors[i] is its second value. An error that f raises stops the
-- others and is raised here. Yields.
function task.map(list, limit, f)
   if type(list) ~= "table" then errors.raise("task.map: a list is needed, not a " .. type(list)) end
   if math.type(limit) ~= "integer" or limit < 1 or limit > CHILDREN_MAX then
      errors.raise "task.map: the limit must be an integer, 1 to 256"
   end
   if type(f) ~= "function" then errors.raise("task.map: a function is needed, not a " .. type(f)) end
   local results, failed, taken, n = {}, {}, 0, #list
   local function work()
      while taken < n do
         taken = taken + 1
         local i = taken
         local value, err = f(list[i], i)
         if value == nil then failed[i] = err else results[i] = value end
      end
   end
   local workers = {}
   for w = 1, math.min(limit, n) do workers[w] = work end
   tasks.all(workers)
   return results, failed
end

return task
