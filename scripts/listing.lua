-- listing: the catalogue for "baton models".
-- SPDX-License-Identifier: MIT

local catalog = require "catalog"
local config = require "config"
local json = require "json"
local models = require "models"

local listing = {}

-- ---- which ----

local function words_of(entry)
   local words = { entry.name, entry.tier or "", entry.mode or "" }
   for _, list in ipairs { entry.good_at or {}, entry.capabilities or {}, entry.dialect or {} } do
      for _, word in ipairs(list) do words[#words + 1] = word end
   end
   return table.concat(words, " "):lower()
end

-- Every filter must be somewhere in the entry's words.
local function holds(entry, filters)
   local words = words_of(entry)
   for _, filter in ipairs(filters) do
      if not words:find(filter:lower(), 1, true) then return false end
   end
   return true
end

local function is_configured()
   for _, facts in pairs(config.providers) do
      if not facts.simulated then return true end
   end
   return false
end

local function given(text)
   return text ~= "" and text or nil
end

local function selector_of(options)
   local selector = { provider = given(options.provider), tier = given(options.tier),
      where = given(options.where), max_price = tonumber(given(options.max_price)) }
   if given(options.needs) then
      selector.needs = {}
      for need in options.needs:gmatch "[^,%s]+" do table.insert(selector.needs, need) end
   end
   return selector
end

-- A list shows both modes where a selector would give answers only.
local function fits(entry, selector)
   selector.mode = entry.mode or "chat"
   return models.fits(entry, selector)
end

local function chosen(options, filters)
   local all = options.all ~= "" or not is_configured()
   local list, selector = {}, selector_of(options)
   for _, entry in ipairs(models.known()) do
      local shown = all or config.providers[entry.provider] ~= nil
      if shown and fits(entry, selector) and holds(entry, filters) then list[#list + 1] = entry end
   end
   return list
end

-- ---- as a table ----

local function amount(value)
   if not value then return "-" end
   return (("%.4f"):format(value):gsub("0+$", ""):gsub("%.$", ""))
end

local function tokens(n)
   if not n then return "-" end
   if n >= 1e6 then return amount(math.floor(n / 1e5) / 10) .. "M" end
   return n >= 1000 and ("%dK"):format(n // 1000) or tostring(math.floor(n))
end

-- "272K: 4/15": input and output of a request with more input than that.
local function above(entry)
   local first = entry.above and (entry.above.tokens and entry.above or entry.above[1])
   if not first then return "" end
   return ("%s: %s/%s"):format(tokens(first.tokens), amount(first.input or entry.input),
      amount(first.output or entry.output))
end

local COLUMNS <const> = {
   { "MODEL", function(e) return e.name end },
   { "TIER", function(e) return e.tier or e.mode or "-" end },
   { "INPUT", function(e) return amount(e.input) end, true },
   { "CACHED", function(e) return amount(e.cached_input) end, true },
   { "OUTPUT", function(e) return amount(e.output) end, true },
   { "ABOVE", above },
   { "WINDOW", function(e) return tokens(e.context) end, true },
   { "MAX OUT", function(e) return tokens(e.max_output) end, true },
   { "CAPABILITIES", function(e) return table.concat(e.capabilities or {}, ",") end },
   { "DATED", function(e) return e.dated or "yours" end },
   { "", function(e) return e.ends and "until " .. e.ends or "" end },
}

local function cells(list)
   local rows, widths = { {} }, {}
   for i, column in ipairs(COLUMNS) do rows[1][i] = column[1] end
   for _, entry in ipairs(list) do
      local row = {}
      for i, column in ipairs(COLUMNS) do row[i] = column[2](entry) end
      rows[#rows + 1] = row
   end
   for i in ipairs(COLUMNS) do
      widths[i] = 0
      for _, row in ipairs(rows) do widths[i] = math.max(widths[i], #row[i]) end
   end
   return rows, widths
end

local function print_table(list)
   local rows, widths = cells(list)
   for _, row in ipairs(rows) do
      local line = {}
      for i, column in ipairs(COLUMNS) do
         local pad = (" "):rep(widths[i] - #row[i])
         line[i] = column[3] and pad .. row[i] or row[i] .. pad
      end
      print((table.concat(line, "  "):gsub("%s+$", "")))
   end
end

local function active()
   local own = config.catalogue
   if not own.models then return "catalogue: shipped, of " .. catalog.dated end
   return ("catalogue: %s, of %s, from %s; then the shipped one, of %s"):format(own.file, own.dated,
      own.source or "?", catalog.dated)
end

-- listing.main(options..., filters...): prints the models that fit. options, in order, "" where not
-- given: json, all, provider, tier, needs, max_price, where.
function listing.main(as_json, all, provider, tier, needs, max_price, where, ...)
   local options = { all = all, provider = provider, tier = tier, needs = needs, max_price = max_price,
      where = where }
   local list = chosen(options, { ... })
   if as_json ~= "" then
      local own = config.catalogue
      print(json.encode { dated = catalog.dated, models = json.array(list),
         imported = own.models and { file = own.file, dated = own.dated, source = own.source } or json.null })
      return
   end
   if #list > 0 then print_table(list) end
   local what = (all ~= "" or not is_configured()) and "of all providers" or "of the configured providers"
   local gap = #list > 0 and "\n" or ""
   print(("%s%d models %s; USD per million tokens; %s"):format(gap, #list, what, active()))
end

return listing
