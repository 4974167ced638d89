-- ollama_error: how Ollama refuses: a status and one text.
-- SPDX-License-Identifier: MIT
local json = require "json"

local ollama_error = {}

local KINDS = {
   bad_request = { 400 }, bad_json = { 400 }, auth = { 401, "unauthorized" }, permission = { 403,
      "forbidden" },
   no_model = { 404 }, no_route = { 404 }, method = { 405, "405 method not allowed" },
   too_large = { 413, "request body too large" }, rate_limit = { 429,
      "you've reached your hourly usage limit, please upgrade to continue" },
   quota = { 402, "this model requires a subscription, upgrade for access: https://ollama.com/upgrade" },
   server = { 500, "llama runner process has terminated: exit status 2" },
   overloaded = { 503, "server busy, please try again. maximum pending requests exceeded" },
   context = { 400, "the input length exceeds the context length" },
   blocked = { 400, "the prompt was blocked" }, unknown_fault = { 400 },
}

local BUSY = "server busy, please try again. maximum pending requests exceeded"
local MESSAGES = { [502] = "bad gateway", [503] = BUSY, [504] = "timed out waiting for llama runner to "
   .. "start" }

local SAYS = {
   bad_json = function(d) return "invalid character in JSON: " .. d.message end,
   no_model = function(d) return "model '" .. d.name .. "' not found" end,
}

function ollama_error.json(message)
   return '{"error":' .. json.encode(message) .. "}"
end

-- The plan of a refusal; see openai_error.fail.
function ollama_error.fail(what, d)
   d = d or {}
   local k = KINDS[what]
   local status = d.status or k[1]
   local message = SAYS[what] and SAYS[what](d) or d.message or MESSAGES[status] or k[2]
   local plan = {
      status = status, headers = { { "content-type", "application/json; charset=utf-8" } },
      body = ollama_error.json(message) .. "\n",
   }
   local seconds = tonumber(d.seconds)
   if seconds then table.insert(plan.headers, { "retry-after", ("%d"):format(math.ceil(seconds)) }) end
   return plan
end

function ollama_error.refuse(message)
   error(ollama_error.fail("bad_request", { message = message }), 0)
end

return ollama_error
