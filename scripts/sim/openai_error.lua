-- openai_error: how OpenAI refuses, in all of its formats.
-- SPDX-License-Identifier: MIT
local json = require "json"

local openai_error = {}

local SORRY = "The server had an error while processing your request. Sorry about that!"

-- status, type, code, message
local KINDS = {
   bad_request = { 400, "invalid_request_error" },
   auth = { 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided. You can find "
      .. "your API key at https://platform.openai.com/account/api-keys." },
   permission = { 403, "invalid_request_error", "unsupported_country_region_territory",
      "Country, region, or territory not supported" },
   no_model = { 404, "invalid_request_error", "model_not_found" },
   no_route = { 404, "invalid_request_error" },
   method = { 405, "invalid_request_error", "method_not_supported" },
   too_large = { 413, "invalid_request_error", nil, "Request body too large." },
   rate_limit = { 429, "requests", "rate_limit_exceeded" },
   quota = { 429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please "
      .. "check your plan and billing details. For more information on this error, read the docs: "
      .. "https://platform.openai.com/docs/guides/error-codes/api-errors." },
   server = { 500, "server_error", nil, SORRY },
   overloaded = { 529, "overloaded_error", nil, "Overloaded" },
   context = { 400, "invalid_request_error", "context_length_exceeded" },
   blocked = { 400, "invalid_request_error", "invalid_prompt", "Invalid prompt: your prompt was flagged "
      .. "as potentially violating our usage policy. Please try again with a different prompt." },
   unknown_fault = { 400, "invalid_request_error", "unknown_fault" },
}

local MESSAGES = {
   [502] = "Bad gateway.", [503] = "The engine is currently overloaded, please try again later.",
   [504] = "The upstream timed out.",
}

local SAYS = {
   bad_json = function(d)
      return "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, "
         .. "but what was sent was not valid JSON: " .. d.message
   end,
   no_model = function(d) return "The model `" .. d.name .. "` does not exist or you do not have access "
      .. "to it." end,
   rate_limit = function(d) return "Rate limit reached for requests. Please try again in " .. d.seconds
      .. "s." end,
   context = function(d)
      return ("This model's maximum context length is %d tokens. However, your messages resulted in %d "
         .. "tokens. Please reduce the length of the messages."):format(d.limit, d.got)
   end,
}
KINDS.bad_json = { 400, "invalid_request_error" }

function openai_error.json(message, kind, param, code)
   local q = json.encode
   return ('{"error":{"message":%s,"type":%s,"param":%s,"code":%s}}'):format(q(message), q(kind), param
      and q(param)
      or "null", code and q(code) or "null")
end

local function rate_headers(headers, seconds)
   local n = tonumber(seconds) -- the header knows whole seconds only
   for _, h in ipairs { { "retry-after", ("%d"):format(math.ceil(n)) },
      { "retry-after-ms", ("%d"):format(math.ceil(n * 1000)) },
      { "x-ratelimit-limit-requests", "500" }, { "x-ratelimit-remaining-requests", "0" },
      { "x-ratelimit-reset-requests", seconds .. "s" } } do
      headers[#headers + 1] = h
   end
end

-- status, type, code, message, param of what went wrong.
function openai_error.of(what, d)
   local k = KINDS[what]
   local status = d.status or k[1]
   local message = d.message
   if SAYS[what] then message = SAYS[what](d) end
   return status, k[2], d.code or k[3], message or MESSAGES[status] or k[4], d.param or what == "context"
      and "messages"
      or nil
end

-- The plan of a refusal. 'what' is a key of KINDS; d: message, param, code, status, name, seconds, limit,
-- got.
function openai_error.fail(what, d)
   d = d or {}
   local status, kind, code, message, param = openai_error.of(what, d)
   local plan = {
      status = status, headers = { { "content-type", "application/json" } },
      body = openai_error.json(message, kind, param, code) .. "\n",
   }
   if d.seconds then rate_headers(plan.headers, d.seconds) end
   return plan
end

return openai_error
