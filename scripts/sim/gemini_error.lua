-- gemini_error: how Gemini refuses, and the voice of its checks.
-- SPDX-License-Identifier: MIT
local json = require "json"
local shape = require "sim.shape"

local gemini_error = {}

local quoted = json.encode

-- HTTP status, status, message
local KINDS = {
   bad_request = { 400, "INVALID_ARGUMENT" },
   bad_json = { 400, "INVALID_ARGUMENT" },
   auth = { 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key." },
   permission = { 403, "PERMISSION_DENIED", "The caller does not have permission" },
   no_model = { 404, "NOT_FOUND" },
   no_route = { 404, "NOT_FOUND" },
   method = { 405, "INVALID_ARGUMENT" },
   too_large = { 413, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes." },
   rate_limit = { 429, "RESOURCE_EXHAUSTED" },
   quota = { 429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and "
      .. "billing details." },
   server = { 500, "INTERNAL", "An internal error has occurred. Please retry or report in "
      .. "https://developers.generativeai.google/guide/troubleshooting" },
   overloaded = { 503, "UNAVAILABLE", "The model is overloaded. Please try again later." },
   context = { 400, "INVALID_ARGUMENT" },
   unknown_fault = { 400, "INVALID_ARGUMENT" },
}

local STATUS = {
   [502] = { "UNAVAILABLE", "Bad gateway." }, [503] = { "UNAVAILABLE",
      "The model is overloaded. Please try again later." },
   [504] = { "DEADLINE_EXCEEDED", "Deadline expired before operation could complete." },
}

local SAYS = {
   bad_json = function(d) return "Invalid JSON payload received. " .. d.message end,
   no_model = function(d)
      return ("models/%s is not found for API version v1beta, or is not supported for generateContent. "
         .. "Call ListModels to see the list of available models and their supported methods."):format(d.name)
   end,
   rate_limit = function(d)
      return "You exceeded your current quota, please check your plan and billing details. For more "
         .. "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n* "
         .. "Quota exceeded for metric: "
         .. "generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 10, model: "
         .. (d.name or "")
         .. "\nPlease retry in " .. d.seconds .. "s."
   end,
   context = function(d)
      return ("The input token count (%d) exceeds the maximum number of tokens allowed (%d)."):format(d.got,
         d.limit)
   end,
}

local TYPE = "type.googleapis.com/google.rpc."

local function details_of(what, d)
   if what == "rate_limit" then
      return ('[{"@type":"%sHelp","links":[{"description":"Learn more about Gemini API quotas",'
         .. '"url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]},{"@type":"%sQuotaFailure",'
         .. '"violations":[{"quotaMetric":"generativelanguage.googleapis.com/'
         .. 'generate_content_free_tier_requests","quotaId":'
         .. '"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaValue":"10"}]},'
         .. '{"@type":"%sRetryInfo","retryDelay":"%ss"}]'):format(TYPE, TYPE, TYPE, d.seconds)
   elseif what == "auth" then
      return ('[{"@type":"%sErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com",'
         .. '"metadata":{"service":"generativelanguage.googleapis.com"}}]'):format(TYPE)
   end
end

function gemini_error.json(code, message, status, details)
   return ('{"error":{"code":%d,"message":%s,"status":"%s"%s}}'):format(code, quoted(message), status,
      details and ',"details":' .. details or "")
end

-- The plan of a refusal; see openai_error.fail.
function gemini_error.fail(what, d)
   d = d or {}
   local k = KINDS[what]
   local code = d.status or k[1]
   local other = what == "server" and STATUS[code] or {}
   local message = SAYS[what] and SAYS[what](d) or d.message or other[2] or k[3]
   return {
      status = code, headers = { { "content-type", "application/json; charset=UTF-8" } },
      body = gemini_error.json(code, message, other[1] or k[2], details_of(what, d)) .. "\n",
   }
end

-- ---- what is wrong with a request ----

local function refuse(message)
   error(gemini_error.fail("bad_request", { message = message }), 0)
end

gemini_error.refuse = refuse

local TYPES = {
   string = "TYPE_STRING", number = "TYPE_FLOAT", integer = "TYPE_INT32", boolean = "TYPE_BOOL",
   array = "list", object = "message",
}

local function snake(path)
   return (path:gsub("(%l)(%u)", function(a, b) return a .. "_" .. b:lower() end))
end

gemini_error.say = {
   missing = function(path) refuse(("* %s: required field is missing."):format(path)) end,
   unknown = function(path, name)
      refuse(('Invalid JSON payload received. Unknown name "%s"%s: Cannot find field.'):format(name,
         path == "" and "" or " at '" .. snake(path) .. "'"))
   end,
   type = function(path, want, v)
      refuse(("Invalid value at '%s' (%s), %s"):format(snake(path), TYPES[want] or want, quoted(v)))
   end,
   enum = function(path, _, v) refuse(("Invalid value at '%s' (TYPE_ENUM), %s"):format(snake(path),
      quoted(v))) end,
   range = function(path, spec, v)
      refuse(("* GenerateContentRequest.%s: %s must be in the range [%s, %s], but got "
         .. "%s."):format(snake(path),
         path:match("[^.]+$"), tostring(spec.low or "-inf"), tostring(spec.high or "inf"), tostring(v)))
   end,
   member = function(path, name) return path == "" and name or path .. "." .. name end,
   index = function(path, i) return ("%s[%d]"):format(path, i) end,
   -- Members may be written in either way: system_instruction, systemInstruction.
   name = function(key) return (key:gsub("_(%l)", string.upper)) end,
}

function gemini_error.check(v, spec)
   shape.check(v, spec, "", gemini_error.say)
end

return gemini_error
