-- door.feedback: POST /v1/feedback, how good an answer was.
-- SPDX-License-Identifier: MIT
--
--    {"trace": "…", "score": 0.8, "bandit": "…", "comment": "…"}
--
-- The trace is the answer's x-baton-trace. The score, 0 to 1, goes to all that was decided under it, or only
-- to the bandit that is named. The same score again is fine; another one is refused with 409.
local errors = require "errors"
local feedback = require "feedback"
local json = require "json"
local trace = require "trace"

local door = { name = "feedback", format = "openai" }

local TRACE_MAX, COMMENT_MAX = 128, 2000 -- bytes
local KNOWN = { trace = true, score = true, bandit = true, comment = true }

local function bad(param, message)
   return nil, errors.new { code = "bad_request", type = "invalid_request_error", param = param,
      message = message }
end

local function is_score(value)
   return type(value) == "number" and value >= 0 and value <= 1
end

local function is_text(value, min, max)
   return type(value) == "string" and #value >= min and #value <= max
end

-- The body's members | nil, err.
local function read(body)
   local ask = json.decode(body)
   for name in pairs(ask) do
      if not KNOWN[name] then
         return bad(name, ("unknown member '%.40s' (known: trace, score, bandit, comment)"):format(name))
      end
   end
   if not is_text(ask.trace, 1, TRACE_MAX) then
      return bad("trace", "'trace' must be the x-baton-trace of an answer")
   end
   if not is_score(ask.score) then return bad("score", "'score' must be a number from 0 to 1") end
   if ask.bandit ~= nil and not is_text(ask.bandit, 1, 64) then
      return bad("bandit", "'bandit' must be the name of a bandit")
   end
   if ask.comment ~= nil and not is_text(ask.comment, 0, COMMENT_MAX) then
      return bad("comment", ("'comment' must be a text of %d bytes at most"):format(COMMENT_MAX))
   end
   return ask
end

local function failure(err)
   if err.code == "invalid_output" then
      return errors.new { code = "bad_request", status = 409, type = "invalid_request_error",
         provider_code = "feedback_conflict", param = "score", message = err.message }
   end
   if err.code == "not_found" then
      return errors.new { code = "not_found", type = "invalid_request_error",
         provider_code = "trace_not_found", param = "trace", message = err.message }
   end
   return err
end

local function give(answer, context)
   local ask, problem = read(context.body)
   if not ask then return answer:fail(problem) end
   trace.note { feedback = { trace = ask.trace, score = ask.score, comment = ask.comment } }
   local result, err = feedback.give(ask.trace, ask.score, { bandit = ask.bandit, comment = ask.comment })
   if not result then return answer:fail(failure(err)) end
   answer:reply(200, "application/json", nil, json.encode { object = "feedback", trace = ask.trace,
      score = ask.score, decisions = result.decisions, learned = result.learned, repeated = result.repeated })
end

door.pages = { give = give }

return door
