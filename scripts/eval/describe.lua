-- eval.describe: which column of recorded outcomes holds what, and which models there are.
-- SPDX-License-Identifier: MIT

local errors = require "errors"
local json = require "json"

local describe = {}

-- ---- how the file is read ----

-- What a description may say of a model: where its columns are, what it costs, and facts of the catalogue.
local COLUMNS <const> = { "score", "cost", "answer", "latency", "chars", "tokens" }
local NUMBERS <const> = { "per_call", "input", "output" }
local FACTS <const> = { "tier", "input", "output", "context", "max_output", "capabilities", "good_at",
   "where" }
local DESCRIPTION <const> = { provider = "string", prompt = "string", group = "string", reference = "string",
   columns = "table", models = "table", only = "table", weak = "string", strong = "string" }

-- With the data, or with what was asked about them; there may be no description.
local function misfit(what, ...)
   error(errors.new { code = "bad_request", message = what:format(...) }, 0)
end

local function wrong(what, ...)
   misfit("description: " .. what, ...)
end

local function set(...)
   local out = {}
   for _, list in ipairs { ... } do
      for _, name in ipairs(list) do out[name] = true end
   end
   return out
end

local of_column, of_number = set(COLUMNS), set(NUMBERS)
local of_model = set(COLUMNS, NUMBERS, FACTS, { "as" })

local function check_model(name, facts)
   if type(facts) ~= "table" then wrong("models.%s must be a table", name) end
   for key, value in pairs(facts) do
      local place = ("models.%s.%s"):format(name, tostring(key))
      if not of_model[key] then wrong("%s: unknown field", place) end
      local is_text = of_column[key] or key == "as"
      if is_text and type(value) ~= "string" then wrong("%s must be a string", place) end
      if of_number[key] and not (type(value) == "number" and value >= 0 and value <= 1e6) then
         wrong("%s must be a number from 0 to 1000000", place)
      end
   end
   if facts.as and not facts.as:find("^[%w_.-]+/.+$") then
      wrong("models.%s.as must be \"provider/model\"", name)
   end
end

local function check(d)
   if type(d) ~= "table" then wrong("it must return a table: return { ... }") end
   for key, value in pairs(d) do
      local wanted = DESCRIPTION[key]
      if not wanted then wrong("unknown field '%s'", tostring(key)) end
      if type(value) ~= wanted then wrong("%s must be a %s", key, wanted) end
   end
   for name, facts in pairs(d.models or {}) do check_model(name, facts) end
   for key, pattern in pairs(d.columns or {}) do
      if not of_column[key] then wrong("columns.%s: unknown field", tostring(key)) end
      if type(pattern) ~= "string" or select(2, pattern:gsub("%*", "")) ~= 1 then
         wrong("columns.%s must hold one '*', which stands for the model", key)
      end
   end
end

-- "ok:*" and "ok:gpt-4" -> "gpt-4".
local function model_in(pattern, name)
   local before, after = pattern:match("^(.*)%*(.*)$")
   if #name <= #before + #after then return nil end
   if name:sub(1, #before) ~= before or (after ~= "" and name:sub(-#after) ~= after) then return nil end
   return name:sub(#before + 1, #name - #after)
end

-- What policies call a model: "oracle/NAME", of another provider where the description names one; with "" as
-- that the file's own names are such.
local function full_name(d, name)
   local facts = (d.models or {})[name]
   if facts and facts.as then return facts.as end
   local provider = d.provider or "oracle"
   return provider == "" and name or provider .. "/" .. name
end

-- The models by the columns that there are, as a list of names in the file's order, and their columns.
local function found_models(d, columns)
   local patterns, names, found = {}, {}, {}
   for _, use in ipairs(COLUMNS) do patterns[use] = (d.columns or {})[use] or use .. ":*" end
   local function model(name)
      if not found[name] then
         found[name] = {}
         names[#names + 1] = name
      end
      return found[name]
   end
   for _, column in ipairs(columns) do
      for _, use in ipairs(COLUMNS) do
         local name = model_in(patterns[use], column)
         if name then model(name)[use] = column end
      end
   end
   for name, facts in pairs(d.models or {}) do
      for _, use in ipairs(COLUMNS) do
         if facts[use] then model(name)[use] = facts[use] end
      end
   end
   return names, found
end

local function wanted(d, name)
   if not d.only then return true end
   for _, other in ipairs(d.only) do
      if other == name then return true end
   end
   return false
end

local function known_column(columns, name)
   for _, column in ipairs(columns) do
      if column == name then return name end
   end
   return nil
end

-- describe.plan(description, columns, where) -> what outcomes_read (core/outcomes.h) takes. All are JSON:
-- what the description file returned, or null; the names of the file's columns; a list of "COLUMN=VALUE".
function describe.plan(description, columns, where)
   local d = json.decode(description)
   if d == json.null then d = {} end
   columns = json.decode(columns)
   check(d)
   local names, found = found_models(d, columns)
   local list = json.array {}
   for _, name in ipairs(names) do
      local facts, entry = (d.models or {})[name] or {}, found[name]
      if entry.score and wanted(d, name) then
         entry.name = full_name(d, name)
         if not entry.name:find("^[%w_.-]+/.+$") then wrong("'%s' is not \"provider/model\"", entry.name) end
         for _, key in ipairs(NUMBERS) do entry[key] = facts[key] end
         list[#list + 1] = entry
      end
   end
   if #list == 0 then
      misfit("there are no scores: no column is called score:MODEL, and of no model a column 'score' is "
         .. "named (columns, between commas: %s)", table.concat(columns, ", "))
   end
   return {
      prompt = d.prompt or "prompt", models = list, where = json.decode(where),
      group = d.group or known_column(columns, "group"),
      reference = d.reference or known_column(columns, "reference"),
   }
end

-- ---- which models there are ----

-- A model named in the description or on the command line: by the file's name for it or by its full one.
local function resolve(d, stats, name, what)
   local full = full_name(d, name)
   for _, model in ipairs(stats) do
      if model.name == full or model.name == name then return model.name end
   end
   local known = {}
   for _, model in ipairs(stats) do known[#known + 1] = model.name end
   misfit("%s: the data have no model '%s' (they have: %s)", what, name, table.concat(known, ", "))
end

-- The first of the models, but one, by an order.
local function first(stats, comes_before, but)
   local best
   for _, model in ipairs(stats) do
      if model.name ~= but and (not best or comes_before(model, best)) then best = model end
   end
   return best and best.name
end

-- The cheapest; without costs, the worst.
local function is_cheaper(a, b)
   return a.cost < b.cost or (a.cost == b.cost and a.score < b.score)
end

local function is_better(a, b)
   return a.score > b.score or (a.score == b.score and a.cost < b.cost)
end

-- One price for input and output, which gives the recorded costs in the mean.
local function guessed_price(stat)
   if stat.cost <= 0 or stat.tokens <= 0 then return nil end
   return math.min(1e6, stat.cost / stat.tokens * 1e6)
end

local function described(d, name)
   for short, facts in pairs(d.models or {}) do
      if full_name(d, short) == name then
         local own = {}
         for _, key in ipairs(FACTS) do own[key] = facts[key] end
         return own
      end
   end
   return {}
end

-- describe.catalogue(description, stats, weak, strong) -> { models = { NAME = { guessed =, described = } },
-- weak =, strong = }. description and stats, a list of { name =, score =, cost =, tokens = } (means), are
-- JSON; weak and strong may be "".
function describe.catalogue(description, stats, weak, strong)
   local d = json.decode(description)
   if d == json.null then d = {} end
   stats = json.decode(stats)
   weak, strong = weak ~= "" and weak or d.weak, strong ~= "" and strong or d.strong
   weak, strong = weak and resolve(d, stats, weak, "weak"), strong and resolve(d, stats, strong, "strong")
   strong = strong or first(stats, is_better, weak)
   weak = weak or first(stats, is_cheaper, strong)
   if not (weak and strong) then misfit("the data have one model only; a router needs two") end
   local entries = {}
   for _, stat in ipairs(stats) do
      local own, price = described(d, stat.name), guessed_price(stat)
      local tier = stat.name == strong and "expert" or stat.name == weak and "fast" or "standard"
      if own.input or own.output or not price then price = 0 end
      entries[stat.name] = {
         guessed = { tier = tier, input = price, output = price }, described = json.object(own),
      }
   end
   return { models = entries, weak = weak, strong = strong }
end

return describe
