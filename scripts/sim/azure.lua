-- azure: what Azure makes of OpenAI's formats: deployments in the path, filters' results, errors of its own.
-- SPDX-License-Identifier: MIT
local completions = require "sim.completions"
local embeddings = require "sim.embeddings"
local json = require "json"
local openai = require "sim.openai"
local openai_error = require "sim.openai_error"
local openai_request = require "sim.openai_request"

local azure = {}

local LEVELS = '"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,'
   .. '"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,'
   .. '"severity":"safe"}'

local PROMPT_RESULTS = '"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{' .. LEVELS
   .. "}}]"

local CODES = {
   auth = { 401, "401", "Access denied due to invalid subscription key or wrong API endpoint. Make sure "
      .. "to provide a valid key for an active subscription and use a correct regional API endpoint for "
      .. "your resource." },
   no_model = { 404, "DeploymentNotFound",
      "The API deployment for this resource does not exist. If you created the deployment within the "
         .. "last 5 minutes, please wait a moment and try again." },
   no_route = { 404, "404", "Resource not found" },
   rate_limit = { 429, "429", "Requests to the ChatCompletions_Create Operation under Azure OpenAI API "
      .. "version 2024-10-21 have exceeded call rate limit of your current OpenAI S0 pricing tier. "
      .. "Please retry after %s seconds. Please go here: https://aka.ms/oai/quotaincrease if you would "
      .. "like to further increase the default rate limit." },
}

local BLOCKED = '{"error":{"message":"The response was filtered due to the prompt triggering Azure '
   .. 'OpenAI\'s content management policy. Please modify your prompt and retry. To learn more about our '
   .. 'content filtering policies please read our documentation: '
   .. 'https://go.microsoft.com/fwlink/?linkid=2198766","type":null,"param":"prompt",'
   .. '"code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation",'
   .. '"content_filter_result":{"hate":{"filtered":true,"severity":"high"},"jailbreak":{"filtered":false,'
   .. '"detected":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,'
   .. '"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}}}\n'

local function page(status, body)
   return { status = status, headers = { { "content-type", "application/json" } }, body = body }
end

-- See openai_error.fail.
function azure.fail(what, d)
   d = d or {}
   if what == "blocked" then return page(400, BLOCKED) end
   local k = CODES[what]
   if not k then return openai_error.fail(what, d) end
   local plan = page(k[1], ('{"error":{"code":"%s","message":%s}}\n'):format(k[2],
      json.encode(k[3]:format(d.seconds or ""))))
   if d.seconds then
      table.insert(plan.headers, { "retry-after", d.seconds })
      table.insert(plan.headers, { "retry-after-ms", ("%d"):format(tonumber(d.seconds) * 1000) })
      table.insert(plan.headers, { "x-ratelimit-remaining-requests", "0" })
   end
   return plan
end

-- Every path wants its version.
local function checked(read)
   return function(ask, req, model)
      if not ("&" .. (req.query or "")):find("&api%-version=%d%d%d%d%-%d%d%-%d%d") then
         error(azure.fail("no_route"), 0)
      end
      read(ask, req, model)
   end
end

-- The results of the filters, beside each choice.
local function with_results(data)
   return (data:gsub('{"index":%d+,', '%0"content_filter_results":{' .. LEVELS .. "},"))
end

azure.chat = setmetatable({
   format = "azure", fail = azure.fail,
   read = checked(function(ask, req, model) openai_request.read(ask, req, model, azure) end),
   whole = function(reply)
      return (with_results(openai.whole(reply)):gsub('"choices":', PROMPT_RESULTS .. ',"choices":', 1))
   end,
   -- In front of everything comes an event without choices and without a name.
   stream = function(reply)
      local source, begun = openai.stream(reply), false
      return function()
         if not begun then
            begun = true
            return "head", 'data: {"choices":[],"created":0,"id":"","model":"","object":"",' .. PROMPT_RESULTS
               .. "}\n\n"
         end
         local kind, data, text = source()
         return kind, data and with_results(data), text
      end
   end,
   headers = function(reply)
      return { { "apim-request-id", reply.key }, { "x-ms-region", "Sweden Central" } }
   end,
}, { __index = openai })

azure.completions = setmetatable({
   format = "azure", fail = azure.fail,
   read = checked(function(ask, req, model) completions.read_for(ask, req, model, azure) end),
}, { __index = completions })

azure.embeddings = setmetatable({
   format = "azure", fail = azure.fail, read = checked(embeddings.azure.read),
}, { __index = embeddings.openai })

return azure
