-- explain: how an answer came about, for a person; and which models a selector passed over.
-- SPDX-License-Identifier: MIT
local health = require "health"
local json = require "json"
local models = require "models"
local trace = require "trace"

local explain = {}

local CANDIDATES_MAX <const> = 16

-- ---- selectors ----

-- By what a selector prefers: what the one that was taken is, and what the others are.
local WORDS <const> = {
   cost = { "the cheapest", "costs more" }, quality = { "the best", "not as good" },
   latency = { "the fastest", "slower" }, balanced = { "the best balanced", "less balanced" },
}

local function why_not(entry, slow, words)
   if models.is_ready(entry) then return slow[entry.name] and "too slow lately" or words[2] end
   local view = health.look(entry.name)
   if view.forced == "open" then return "an operator has switched it off" end
   if view.benched then return "its provider asked to wait" end
   if view.state ~= "closed" then return "its breaker is " .. view.state end
   return "not ready"
end

-- explain.selection(selector, entry): notes that 'entry' was taken, and why the other models that fit were
-- not. For those who want to know (trace.detailed).
function explain.selection(selector, entry)
   local candidates, words, slow = json.array {}, WORDS[selector.prefer or "cost"], {}
   local _, passed = models.pick(selector)
   for _, other in ipairs(passed) do slow[other.model] = other.reason == "slow" end
   for _, other in ipairs(models.find(selector)) do
      if other.name ~= entry.name and #candidates < CANDIDATES_MAX then
         candidates[#candidates + 1] = { model = other.name, why = why_not(other, slow, words) }
      end
   end
   local reason = words[1] .. " that fits and is ready"
   if not models.is_ready(entry) then reason = "none that fits is ready: " .. words[1] end
   if slow[entry.name] then reason = "none that is ready is fast enough: " .. words[1] end
   trace.decide { model = entry.name, selector = selector, candidates = candidates, reason = reason }
end

-- ---- for a person ----

local function plain(value)
   if type(value) == "string" then return value end
   if math.type(value) == "float" then return ("%.4g"):format(value) end
   return json.encode(value)
end

-- name = value, sorted by name.
local function pairs_text(values)
   local names, parts = {}, {}
   for name in pairs(values) do names[#names + 1] = name end
   table.sort(names)
   for position, name in ipairs(names) do parts[position] = ("%s = %s"):format(name, plain(values[name])) end
   return table.concat(parts, ", ")
end

local function candidate_text(candidate)
   if type(candidate) ~= "table" or not candidate.model then return plain(candidate) end
   local why = candidate.why or candidate.reason
   return why and ("%s (%s)"):format(plain(candidate.model), plain(why)) or plain(candidate.model)
end

local KNOWN <const> = { at_ms = true, model = true, reason = true, confidence = true, candidates = true }

local function decision_text(decision)
   local parts = { decision.model and plain(decision.model) or "no model" }
   if decision.reason then parts[#parts + 1] = ": " .. decision.reason end
   if decision.confidence then parts[#parts + 1] = (" (confidence %.2f)"):format(decision.confidence) end
   local others, rest = {}, {}
   for _, candidate in ipairs(decision.candidates or {}) do
      local text = candidate_text(candidate)
      if text ~= decision.model then others[#others + 1] = text end
   end
   if #others > 0 then parts[#parts + 1] = "; not " .. table.concat(others, ", ") end
   for name, value in pairs(decision) do
      if not KNOWN[name] then rest[name] = value end
   end
   if next(rest) then parts[#parts + 1] = "; " .. pairs_text(rest) end
   return table.concat(parts)
end

local function attempt_text(attempt)
   local parts = { attempt.model .. ": " .. attempt.outcome }
   local function add(format, ...) parts[#parts + 1] = format:format(...) end
   if attempt.refused then add("not called (%s)", attempt.refused) end
   if attempt.error then add("%s%s", attempt.error, attempt.status and (" " .. attempt.status) or "") end
   if attempt.retry then add("retry %d", attempt.retry) end
   if attempt.label then add("\"%s\"", attempt.label) end
   if attempt.input_tokens then
      add("%d tokens in (%d cached), %d out", attempt.input_tokens, attempt.cached_tokens,
         attempt.output_tokens)
   end
   if attempt.cost_usd then
      add(attempt.estimated and "about $%.6f" or "$%.6f", attempt.cost_usd)
   elseif attempt.outcome == "cancelled" then
      add("cost not known")
   end
   if attempt.ttft_ms then add("first token after %.0f ms", attempt.ttft_ms) end
   if attempt.ms then add("%.0f ms", attempt.ms) end
   return table.concat(parts, ", ")
end

-- Decisions, notes and attempts by the time they happened or began.
local function steps_of(record)
   local steps = {}
   local function add(list, kind, text_of)
      for _, item in ipairs(list) do
         steps[#steps + 1] = { at = item.at_ms or 0, kind = kind, text = text_of(item) }
      end
   end
   add(record.decisions, "decide", decision_text)
   add(record.attempts, "call", attempt_text)
   add(record.notes, "note", function(note)
      return type(note.note) == "table" and not json.is_array(note.note) and pairs_text(note.note)
         or plain(note.note)
   end)
   table.sort(steps, function(a, b) return a.at < b.at end)
   return steps
end

-- explain.lines(record) -> list of texts: what trace.record() gives, to be read from top to bottom.
function explain.lines(record)
   local lines = {}
   if record.policy then lines[1] = ("policy %s, generation %s"):format(record.policy, record.generation) end
   local overridden = {}
   for _, name in ipairs(record.overridden or {}) do overridden[name] = true end
   if record.params and next(record.params) then
      local names = {}
      for name in pairs(record.params) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do
         lines[#lines + 1] = ("  %s = %s%s"):format(name, plain(record.params[name]),
            overridden[name] and " (set by the caller)" or "")
      end
   end
   for _, step in ipairs(steps_of(record)) do
      lines[#lines + 1] = ("%8.0f ms  %-6s  %s"):format(step.at, step.kind, step.text)
   end
   if record.left_out then
      lines[#lines + 1] = ("left out: %d attempts, %d notes"):format(record.left_out.attempts,
         record.left_out.notes)
   end
   return lines
end

return explain
