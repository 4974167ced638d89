-- anthropic_error: how Anthropic refuses, and the voice of its checks.
-- SPDX-License-Identifier: MIT
local dice = require "sim.dice"
local json = require "json"
local shape = require "sim.shape"

local anthropic_error = {}

-- status, type, message
local KINDS = {
   bad_request = { 400, "invalid_request_error" },
   bad_json = { 400, "invalid_request_error" },
   auth = { 401, "authentication_error", "invalid x-api-key" },
   permission = { 403, "permission_error", "Your account does not have permission to use this resource." },
   no_model = { 404, "not_found_error" },
   no_route = { 404, "not_found_error" },
   method = { 405, "invalid_request_error" },
   too_large = { 413, "request_too_large", "Request exceeds the maximum size" },
   rate_limit = { 429, "rate_limit_error", "This request would exceed your organization's rate limit of "
      .. "50 requests per minute. For details, refer to: https://docs.claude.com/en/api/rate-limits." },
   quota = { 400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. "
      .. "Please go to Plans & Billing to upgrade or purchase credits." },
   server = { 500, "api_error", "Internal server error" },
   overloaded = { 529, "overloaded_error", "Overloaded" },
   context = { 400, "invalid_request_error" },
   unknown_fault = { 400, "invalid_request_error" },
}

local TYPES = { [504] = "timeout_error" }

local SAYS = {
   bad_json = function(d) return "The request body is not valid JSON: " .. d.message end,
   no_model = function(d) return "model: " .. d.name end,
   context = function(d) return ("prompt is too long: %d tokens > %d maximum"):format(d.got, d.limit) end,
}

function anthropic_error.json(kind, message)
   local q = json.encode
   return ('{"type":"error","error":{"type":%s,"message":%s},"request_id":%s}'):format(q(kind), q(message),
      q("req_011C" .. dice.id(20, message)))
end

local function rate_headers(headers, seconds)
   for _, h in ipairs { { "retry-after", ("%d"):format(math.ceil(tonumber(seconds))) },
      { "anthropic-ratelimit-requests-limit", "50" },
      { "anthropic-ratelimit-requests-remaining", "0" },
      { "anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z" } } do
      headers[#headers + 1] = h
   end
end

-- The plan of a refusal; see openai_error.fail.
function anthropic_error.fail(what, d)
   d = d or {}
   local k = KINDS[what]
   local status = d.status or k[1]
   local message = SAYS[what] and SAYS[what](d) or d.message or k[3]
   local plan = {
      status = status, headers = { { "content-type", "application/json" } },
      body = anthropic_error.json(TYPES[status] or k[2], message) .. "\n",
   }
   if d.seconds then rate_headers(plan.headers, d.seconds) end
   if status >= 500 or status == 429 then table.insert(plan.headers, { "x-should-retry", "true" }) end
   return plan
end

-- ---- what is wrong with a request ----

function anthropic_error.refuse(path, message)
   error(anthropic_error.fail("bad_request", { message = path and path .. ": " .. message or message }), 0)
end

local refuse = anthropic_error.refuse

local WANTED = {
   string = "Input should be a valid string", number = "Input should be a valid number",
   integer = "Input should be a valid integer", boolean = "Input should be a valid boolean",
   array = "Input should be a valid list", object = "Input should be an object",
}

anthropic_error.say = {
   missing = function(path) refuse(path, "Field required") end,
   unknown = function(path, name) refuse(path == "" and name or path .. "." .. name, "Extra inputs are "
      .. "not permitted") end,
   type = function(path, want) refuse(path, WANTED[want] or "Input should be a valid " .. want) end,
   enum = function(path, list, v)
      if type(v) ~= "string" then refuse(path, "Input should be a valid string") end
      refuse(path, "Input should be '" .. table.concat(list, "', '", 1, #list - 1) .. (#list > 1 and "' or '"
         or "")
         .. list[#list] .. "'")
   end,
   range = function(path, spec, v)
      local low = spec.low and v < spec.low
      refuse(path, ("Input should be %s than or equal to %s"):format(low and "greater" or "less",
         tostring(low and spec.low or spec.high)))
   end,
   member = function(path, name) return path == "" and name or path .. "." .. name end,
   index = function(path, i) return path .. "." .. i end,
}

-- Betas have members of their own.
local of_betas = setmetatable({ open = true }, { __index = anthropic_error.say })

function anthropic_error.check(v, spec, betas)
   shape.check(v, spec, "", betas and of_betas or anthropic_error.say)
end

return anthropic_error
