-- legal_review: several models review the clauses of a contract; where they disagree, a lawyer should look.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/legal_review.lua
--    baton run --allow-read . examples/legal_review.lua contract.txt
--
-- The file is split where there are empty lines. Each reviewer gives a risk and a reason; consensus.majority
-- votes on the risk alone, and its agreement tells how sure that is: models that err seldom err in the same
-- way. The report lists every clause, then who said what about those they disagree on. No advice for a
-- court: it says where to read first.
local consensus = require "consensus"
local llm = require "llm"
local models = require "models"
local task = require "task"
local text = require "text"

local SAMPLE = [[
The supplier may change the prices at any time by a notice on its web site.

Either party may end this contract with three months' notice to the end of a quarter.

The customer's liability is unlimited, the supplier's is limited to the fees of one month.

Both parties keep confidential what they learn of each other's business, for five years.]]

local REVIEWERS, AT_ONCE = 3, 4 -- models; clauses under review at a time
local SURE = 0.9                -- agreement from which nobody needs to look

local ORDER = [[
You review contracts for the customer. Classify the risk of this clause as one of: low, medium, high.
Answer with that word first, then with the reason in one sentence.]]

local function clauses_of(document)
   local list = {}
   for clause in (document .. "\n\n"):gmatch("%s*(.-)%s*\n%s*\n") do
      if clause ~= "" then list[#list + 1] = text.clip(clause:gsub("%s+", " "), 4000) end
   end
   return list
end

local function read_contract()
   if not arg[1] then return SAMPLE end
   local document, err = require("fs").read(arg[1])
   return document or error("cannot read " .. arg[1] .. ": " .. err.message, 0)
end

-- The cheapest models, a provider as seldom as there are others: their errors should not be the same.
local function choose_reviewers()
   local chosen, per_provider = {}, {}
   for round = 1, REVIEWERS do
      for _, model in ipairs(models.find {}) do
         local of = per_provider[model.provider] or {}
         if #chosen < REVIEWERS and #of < round and not of[model.name] then
            of[#of + 1], of[model.name] = model, true
            per_provider[model.provider] = of
            chosen[#chosen + 1] = model.name
         end
      end
   end
   return chosen
end

local reviewers = choose_reviewers()

-- "Medium. The notice is short." -> "medium", "The notice is short." | nil: no verdict, and so no vote.
local function verdict(reply)
   for word, reason in text.content(reply.text):gmatch "(%a+)%p*%s*([^\n]*)" do
      local risk = word:lower()
      if risk == "low" or risk == "medium" or risk == "high" then return risk, reason end
   end
end

local function review(clause)
   local asked = {}
   for _, name in ipairs(reviewers) do
      asked[name] = function()
         return llm.chat(name, ORDER .. "\n\n\"\"\"\n" .. clause .. "\n\"\"\"", { timeout = 60, retries = 1 })
      end
   end
   local replies, errors = task.all(asked)
   local winner, agreement = consensus.majority(replies, { by = function(reply) return (verdict(reply)) end })
   return { risk = winner and verdict(winner) or "unknown", agreement = agreement, replies = replies,
      errors = errors }
end

-- What one reviewer said, as a line.
local function said(r, name)
   if r.errors[name] then return "failed   " .. r.errors[name].message end
   local risk, reason = verdict(r.replies[name])
   return ("%-8s %s"):format(risk or "unclear", text.clip(risk and reason or r.replies[name].text, 90))
end

local clauses = clauses_of(read_contract())
print(("%d clauses, reviewed by %s"):format(#clauses, table.concat(reviewers, ", ")))
local reviews = task.map(clauses, AT_ONCE, review)

print "\nCLAUSES"
for i, r in ipairs(reviews) do
   print(("%3d  %-7s %3.0f %% agree  %s"):format(i, r.risk,
      r.agreement * 100, text.clip(clauses[i], 60)))
end

print "\nDISAGREEMENT"
local open = 0
for i, r in ipairs(reviews) do
   if r.agreement < SURE or next(r.errors) then
      open = open + 1
      print(("%3d  %s"):format(i, clauses[i]))
      for _, name in ipairs(reviewers) do print(("     %-22s %s"):format(name, said(r, name))) end
   end
end
print(("-- %d of %d clauses for a lawyer, %.6f USD in all"):format(open, #clauses,
   require("trace").total().cost_usd))
