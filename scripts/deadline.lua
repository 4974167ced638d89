-- deadline: a moment beyond which no call to a model goes on, of a task and of the children it starts then.
-- SPDX-License-Identifier: MIT

local clock = require "clock"
local errors = require "errors"
local tasks = require "tasks"

local deadline = {}

local restoring = { __close = function(kept) tasks.deadline(kept.before) end }

-- deadline.lower(ends) -> a value to be closed: until then the task's deadline is not later than 'ends' (of
-- clock.monotonic; nil: it stays).
function deadline.lower(ends)
   if not ends then return nil end
   local before = tasks.deadline(ends)
   if before and before < ends then tasks.deadline(before) end
   return setmetatable({ before = before }, restoring)
end

-- deadline.moment() -> the task's deadline by clock.monotonic | nil.
function deadline.moment()
   local left = tasks.left()
   return left and clock.monotonic() + left
end

-- task.deadline(seconds) -> seconds that are left. From now on no call to a model of this task, nor of the
-- children it starts, goes on for longer: attempts, pauses between them and fallbacks included. It can only
-- be brought forward.
function deadline.set(seconds)
   if type(seconds) ~= "number" or not (seconds > 0 and seconds <= 86400) then
      errors.raise "task.deadline: seconds are needed, above 0, at most 86400"
   end
   local ends = clock.monotonic() + seconds
   local before = tasks.deadline(ends)
   if before and before < ends then tasks.deadline(before) end
   return tasks.left()
end

-- deadline.run(definition, req, p, next?) -> what the policy's run returns. Its parameter 'deadline' is
-- seconds for all that it does, also for a stream that it returns: then nil, err with the code timeout.
function deadline.run(definition, req, p, next)
   if not p.deadline then return definition.run(req, p, next) end
   return tasks.within(p.deadline, function()
      deadline.set(p.deadline)
      return definition.run(req, p, next)
   end)
end

return deadline
