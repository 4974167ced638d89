-- Choose this when personal data must not leave your machines: requests that hold some, or that are
-- labelled so, go to local models only. In a chain everything else goes on to the next policy.
-- SPDX-License-Identifier: MIT
local ask = require "_ask"
local classify = require "classify"
local policy = require "policy"
local text = require "text"
local trace = require "trace"
local why = require "_why"

-- The label of data governance that a client gives: metadata = { data = "confidential" }.
local function label_of(req, p)
   local label = ask.hint(req, p.label)
   if type(label) ~= "string" then return nil end
   label = label:match("^%s*(.-)%s*$"):lower()
   for _, closed in ipairs(p.closed) do
      if label == tostring(closed):lower() then return "labelled " .. closed end
   end
   return nil
end

-- Files and images cannot be searched, so nobody knows what is in them.
local function unseen(req, p)
   if not p.media_is_private then return nil end
   for _, need in ipairs(policy.needs(req) or {}) do
      if need ~= "tools" then return "holds " .. need end
   end
   return nil
end

-- Kinds of personal data in any message, as "email, iban" | nil. Values never go into a trace.
local function kinds_in(req, p)
   local opts = { score = p.score, kinds = #p.kinds > 0 and p.kinds or nil }
   local names, seen = {}, {}
   for _, finding in ipairs(classify.pii(text.all(req), opts)) do
      if not seen[finding.kind] then
         seen[finding.kind] = true
         names[#names + 1] = finding.kind
      end
   end
   return #names > 0 and table.concat(names, ", ") or nil
end

local function run(req, p, next)
   local reason = label_of(req, p) or kinds_in(req, p) or unseen(req, p)
   if not reason and next then return policy.pass end
   if not reason then return ask.target(p.otherwise, req) end
   local here = { where = "local", prefer = p.prefer }
   trace.decide { model = why.name(here, req), reason = reason,
      candidates = why.elsewhere(nil, req, "not on your machines") }
   -- Where no local model answers, nobody does.
   return ask.target(here, req, { within = { where = "local" } })
end

return policy.define {
   name = "privacy",
   about = "Personal and closed data to local models only; everything else goes on.",
   passes = true,
   params = {
      kinds = {},                   -- of classify.pii_kinds; empty: all but dates and URLs
      score = 0.5,                  -- least score of a finding (0..1)
      label = "data",               -- the hint of the client (req.context) that is the label
      closed = { "confidential", "restricted", "personal", "internal" }, -- labels that stay here
      media_is_private = true,      -- what cannot be searched stays, too
      prefer = "quality",           -- which local model
      otherwise = { tier = "standard" }, -- a target, where the policy stands alone
   },
   limits = {
      kinds = { of = classify.pii_kinds }, score = policy.share,
      prefer = { one_of = { "balanced", "cost", "latency", "quality" } },
   },
   open = { data = { type = "string", max_length = 64 } },
   run = run,
   checks = function()
      assert(#classify.pii "Write to ada@example.com" == 1, "an address is personal data")
   end,
}
