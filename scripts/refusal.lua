-- refusal: what an answer that is none means: a provider's error, read the same way for all formats.
-- SPDX-License-Identifier: MIT
--
-- Sources: the error pages of OpenAI, Azure, Anthropic, Google (google.rpc.Code), Groq, Mistral,
-- OpenRouter, DeepSeek, xAI, vLLM, llama.cpp; bodies that users of these reported.

local errors = require "errors"
local json = require "json"
local retry_after = require "retry_after"

local refusal = {}

local by_status = {
   [400] = "bad_request", [401] = "auth", [402] = "auth", [403] = "auth", [404] = "not_found",
   [405] = "bad_request", [408] = "timeout", [409] = "unavailable", [410] = "not_found",
   [413] = "bad_request", [415] = "bad_request", [422] = "bad_request", [424] = "unavailable",
   [429] = "rate_limited", [498] = "overloaded", [503] = "overloaded", [504] = "timeout",
   [522] = "unavailable", [524] = "timeout", [529] = "overloaded",
}

-- Words that providers use in error.code, error.type and error.status, inside streams too.
local by_word = {
   context_length_exceeded = "context_length", string_above_max_length = "context_length",
   exceed_context_size_error = "context_length", model_context_window_exceeded = "context_length",
   content_filter = "content_filter", content_policy_violation = "content_filter",
   invalid_prompt = "content_filter", image_content_policy_violation = "content_filter",
   cyber_policy = "content_filter", bio_policy = "content_filter",
   rate_limit_exceeded = "rate_limited", rate_limit_error = "rate_limited",
   insufficient_quota = "rate_limited", RESOURCE_EXHAUSTED = "rate_limited", ["429"] = "rate_limited",
   invalid_api_key = "auth", authentication_error = "auth", permission_error = "auth",
   billing_error = "auth", UNAUTHENTICATED = "auth", PERMISSION_DENIED = "auth",
   overloaded_error = "overloaded", overloaded = "overloaded", UNAVAILABLE = "overloaded",
   server_is_overloaded = "overloaded", slow_down = "overloaded",
   server_error = "unavailable", api_error = "unavailable", internal_server_error = "unavailable",
   INTERNAL = "unavailable", ABORTED = "unavailable", UNKNOWN = "unavailable",
   model_not_found = "not_found", not_found_error = "not_found", NOT_FOUND = "not_found",
   DeploymentNotFound = "not_found",
   timeout = "timeout", timeout_error = "timeout", DEADLINE_EXCEEDED = "timeout",
   vector_store_timeout = "timeout",
   invalid_request_error = "bad_request", request_too_large = "bad_request",
   BadRequestError = "bad_request", INVALID_ARGUMENT = "bad_request", FAILED_PRECONDITION = "bad_request",
   OUT_OF_RANGE = "bad_request",
}

-- How servers without a word for it say that the prompt is too long.
local too_long = {
   "maximum context length", "context window", "context size", "context limit", "prompt is too long",
   "maximum prompt length", "exceeds the maximum number of tokens",
}

-- ... and that it was the content.
local not_allowed = { "usage guidelines", "input was flagged", "prompt was flagged" }

-- ... and that nobody has paid: Anthropic, with status 400.
local unpaid = { "credit balance is too low" }

local function says(message, phrases)
   for _, phrase in ipairs(phrases) do
      if message:find(phrase, 1, true) then return true end
   end
   return false
end

local function text(value)
   return type(value) == "string" and value or nil
end

-- What is wrong with the members of a request, as FastAPI tells it: a list of { loc =, msg = }.
local function of_members(detail)
   if type(detail) ~= "table" then return nil end
   local first = detail[1]
   if type(first) ~= "table" then return nil end
   local place = {}
   for _, name in ipairs(type(first.loc) == "table" and first.loc or {}) do
      if name ~= "body" then place[#place + 1] = tostring(name) end
   end
   return { message = text(first.msg), param = #place > 0 and table.concat(place, ".") or nil }
end

-- refusal.object(body text) -> the error object in it, however the server wraps it: {error = {...}},
-- {error = "text"}, {message = "text", code = }, {detail = "text" or a list}, a list of these. {}
-- when there is none.
function refusal.object(body)
   local decoded = json.decode(body)
   if type(decoded) ~= "table" then return {} end
   if json.is_array(decoded) and type(decoded[1]) == "table" then decoded = decoded[1] end
   local object = decoded.error
   if type(object) == "table" then return object end
   if text(object) then return { message = object, code = text(decoded.code) } end -- xAI: code is prose
   local message = decoded.message
   if text(message) then return decoded end
   local detail = decoded.detail or type(message) == "table" and message.detail
   return of_members(detail) or { message = text(detail) }
end

local function code_of(status, object)
   local word = by_word[object.code] or by_word[object.type] or by_word[object.status]
   local message = text(object.message) or ""
   if status == 200 and type(object.code) == "number" then status = object.code end
   local code = by_status[status] or (status >= 500 and "unavailable") or word
      or (status >= 400 and "bad_request") or (status == 200 and "unavailable") or "bad_response"
   if word and (status == 200 or code == "bad_request") then code = word end
   if code == "bad_request" and says(message, too_long) then return "context_length" end
   if code == "bad_request" and says(message, unpaid) then return "auth" end
   if (status == 400 or status == 403) and says(message, not_allowed) then return "content_filter" end
   return code
end

-- Some providers know whether trying again may help.
local said_retryable = { ["true"] = true, ["false"] = false }

local function no_header() end

-- refusal.read{ status =, header = function(name) -> text | nil, object = { message =, type =, code
-- =, param =, status = (Google's word) }, retry_after = seconds (where the body says it) } -> err.
-- status 200: an error inside a stream or a whole answer.
function refusal.read(told)
   local status, header, object = told.status, told.header or no_header, told.object or {}
   local code = code_of(status, object)
   local message = text(object.message) or ("status " .. status)
   local secret = code == "auth"
   if secret then -- a provider may quote a part of the key
      message = "the engine's credentials were refused (status " .. status .. ")"
   end
   local quota = object.code == "insufficient_quota" or object.type == "insufficient_quota"
   local retryable = said_retryable[header("x-should-retry") or ""]
   if quota or message:find "^Request too large" then retryable = false end
   return errors.new {
      code = code, message = message, status = status, retryable = retryable,
      type = not secret and text(object.type) or nil, param = text(object.param),
      provider_code = not secret and (text(object.code) or text(object.status)) or nil,
      retry_after = retry_after.read(header) or told.retry_after,
      scope = quota and "key" or nil, -- whom a limit stops: see blame.lua
   }
end

return refusal
