-- anthropic.thinking: how much a model is to think, in the hub's words and in Anthropic's.
-- SPDX-License-Identifier: MIT
--
-- Source: the guides "Extended thinking", "Adaptive thinking" and "Effort". Models up to 4.5 take a budget,
-- later ones decide themselves and take an effort, some take both. A budget is at least 1,024 tokens and less
-- than max_tokens.

local hub = require "hub"

local thinking = {}

local LEAST = 1024 -- tokens

-- The hub's members for a native request's thinking and effort: reasoning_effort, reasoning.
function thinking.read(native, config)
   local kind, budget = hub.member(native, "type"), hub.member(native, "budget_tokens")
   local effort = hub.text(hub.member(config, "effort"))
   if kind == "disabled" then return "none", nil end
   if kind ~= "enabled" and kind ~= "adaptive" then return effort, nil end
   local display = hub.member(native, "display")
   return effort, {
      enabled = true, max_tokens = kind == "enabled" and type(budget) == "number" and budget or nil,
      summary = display == "summarized" and "auto" or nil,
   }
end

-- Did nobody change what the client said? Then it goes out as it came.
local function unchanged(req, native)
   local effort, reasoning = thinking.read(native._thinking, { effort = native._effort })
   local was, is = { reasoning_effort = effort, reasoning = reasoning }, req
   local a, b, c = hub.thinking(was)
   local x, y, z = hub.thinking(is)
   return a == x and b == y and c == z
end

-- The nearest effort that the model takes.
local function fit_effort(effort, facts, warn)
   local word = effort == "minimal" and "low" or effort
   if not facts.efforts[word] then word = facts.efforts.max and word == "xhigh" and "max" or "high" end
   if word ~= effort then warn(("changed: reasoning_effort %s -> %s"):format(effort, word)) end
   return word
end

local function adaptive(effort, budget, reasoning, facts, warn)
   if budget and not effort then
      effort = hub.effort_of(budget)
      warn(("changed: reasoning budget %g -> reasoning_effort %s"):format(budget, effort))
   end
   -- the newer models keep their thoughts to themselves unless asked
   local show = not facts.enabled and hub.member(reasoning, "summary") ~= "none"
   return { type = "adaptive", display = show and "summarized" or nil },
      effort and fit_effort(effort, facts, warn) or nil
end

local function budgeted(effort, budget, max_tokens, warn)
   local wanted = budget or hub.budget_of(effort or "medium") or hub.budget_of "medium"
   local given = math.max(LEAST, math.floor(wanted))
   -- an effort leaves room for the answer; who names a budget has thought of that
   local most = budget and max_tokens - 1 or math.max(LEAST, max_tokens * 4 // 5)
   given = math.min(given, most, max_tokens - 1)
   if given < LEAST then
      warn "dropped: reasoning (max_tokens leaves no room for it)"
      return nil
   end
   if budget and given ~= budget then warn(("changed: reasoning budget %g -> %g"):format(budget, given)) end
   return { type = "enabled", budget_tokens = given }
end

-- The blocks of a turn's content that is a list; none of a text.
local function blocks(turn)
   return hub.list(hub.member(turn, "content"))
end

local function holds(list, kind)
   for _, block in ipairs(list) do
      if hub.member(block, "type") == kind then return true end
   end
   return false
end

-- Calls that no thought stands before.
local function is_thoughtless(list)
   local first = hub.member(list[1], "type")
   return first ~= "thinking" and first ~= "redacted_thinking" and holds(list, "tool_use")
end

-- thinking.is_bare(turns) -> boolean. Must a turn under way (since the user spoke last) begin with thinking
-- and does not? Then a budget is refused: its calls were made by another provider, or without thinking.
--   turns: messages in this format
function thinking.is_bare(turns)
   for position = #turns, 1, -1 do
      local turn, list = turns[position], blocks(turns[position])
      if hub.member(turn, "role") == "assistant" then
         if is_thoughtless(list) then return true end
      elseif not holds(list, "tool_result") then
         return false
      end
   end
   return false
end

thinking.BARE = "dropped: reasoning (the calls of this turn came without)"

-- thinking.of(req, facts, around, warn) -> the members thinking and output_config.effort, or nil for each.
--   facts: anthropic.models.of;  around: { max_tokens =, turns =, forced = is a tool call forced? }
function thinking.of(req, facts, around, warn)
   local native = hub.native(req, "anthropic")
   local asked = native and hub.member(native._thinking, "type")
   if asked == "enabled" and thinking.is_bare(around.turns) then
      warn(thinking.BARE)
      return nil, native._effort
   end
   if native and (native._thinking or native._effort) and unchanged(req, native) then
      return native._thinking, native._effort
   end
   local effort, budget, on = hub.thinking(req)
   if on == nil then return nil, nil end
   if not on then
      if facts.always then warn "dropped: reasoning_effort none (this model always thinks)" end
      return (facts.adaptive or facts.enabled) and not facts.always and { type = "disabled" } or nil, nil
   end
   if not facts.adaptive and not facts.enabled then
      warn "dropped: reasoning_effort"
      return nil, nil
   end
   if around.forced then
      warn "dropped: reasoning (a tool call is forced)"
      return nil, nil
   end
   if facts.adaptive and not (budget and facts.enabled) then
      return adaptive(effort, budget, hub.member(req, "reasoning"), facts, warn)
   end
   if thinking.is_bare(around.turns) then
      warn(thinking.BARE)
      return nil, nil
   end
   return budgeted(effort, budget, around.max_tokens, warn), nil
end

return thinking
