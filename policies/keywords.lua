-- Choose this when certain words, or what the client says of a request, decide who may answer it: terms of
-- law to the expert, code to the coder, secrets to your own machines.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local config = require "config"
local policy = require "policy"
local text = require "text"
local trace = require "trace"
local why = require "_why"

-- By category; the configuration's are in place of these.
local TERMS = {
   code = { "stack trace", "null pointer", "segmentation fault", "unit test", "pull request", "regex",
      "SQL" },
   law = { "contract", "liability", "indemnity", "jurisdiction", "clause", "plaintiff", "GDPR" },
   medicine = { "diagnosis", "dosage", "symptoms", "contraindication", "clinical" },
}

-- Compiled once, when the file is loaded.
local terms = (config.policies.keywords or {}).terms or TERMS
local keywords = classify.keywords(terms)

local HERE <const> = { where = "local" } -- for what is private, where the routes do not say it

local function route(category, p)
   return p.routes[category] or category == "private" and HERE or nil
end

local function by_hint(req, p)
   local domain = ask.hint(req, p.member)
   return type(domain) == "string" and route(domain, p) and domain or nil
end

-- The category with the most weight; on a tie the first by name. What is private is, whatever it is about.
local function by_terms(req, p)
   local _, sums = keywords:score(text.of(req))
   if (sums.private or 0) > 0 then return "private" end
   local best
   for category, sum in pairs(sums) do
      if route(category, p) and (not best or sum > sums[best]) then best = category end
   end
   return best
end

local function run(req, p, next)
   local personal = p.pii and #classify.pii(text.all(req), { score = 0.5 }) > 0
   local category = personal and "private" or by_hint(req, p) or by_terms(req, p)
   local target = category and route(category, p)
   if not target and next then return policy.pass end
   trace.decide { model = why.name(target or p.otherwise, req), reason = category or "no term",
      candidates = why.routes(nil, p.routes, category, req) }
   if category == "private" then -- where none of these models answers, nobody does
      return ask.target(target, req, { within = type(target) == "table" and target or HERE })
   end
   local reply, err = ask.target(target or p.otherwise, req, { tries = target and 0 or nil })
   if reply or not target or policy.hopeless(err) then return reply, err end
   return ask.target(p.otherwise, req)
end

return policy.define {
   name = "keywords",
   about = "Terms, metadata and personal data decide which model answers.",
   passes = true,
   params = {
      terms = TERMS,                     -- lists of terms by category (classify.keywords)
      routes = {                         -- a target for each category, and for personal data
         code = { good_at = "code" }, law = { tier = "expert" }, medicine = { tier = "expert" },
         private = { where = "local" },
      },
      member = "domain",                 -- the client's hint (req.context) that names a category
      pii = true,                        -- look for personal data
      otherwise = { tier = "standard" }, -- no term, or the category's model fails
   },
   limits = { routes = { of = "targets" } },
   open = { domain = { type = "string", max_length = 64 } },
   run = run,
   checks = function()
      assert(keywords:find "nothing of that kind"[1] == nil)
   end,
}
