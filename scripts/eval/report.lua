-- eval.report: the result of an evaluation as a table for the terminal, a picture and a page.
-- SPDX-License-Identifier: MIT

local report = {}

-- null of JSON is no number.
local function number(value)
   return type(value) == "number" and value or nil
end

local function share(value)
   value = number(value)
   return value and ("%.1f %%"):format(100 * value) or "-"
end

local function plain(value)
   value = number(value)
   return value and ("%.3f"):format(value) or "-"
end

-- USD for a thousand rows.
local function money(value)
   value = number(value)
   return value and ("%.4g"):format(1000 * value) or "-"
end

local function with_interval(show, estimate)
   local value, low, high = show(estimate.value), show(estimate.low), show(estimate.high)
   if value == "-" or low == "-" then return value end
   return ("%s [%s, %s]"):format(value, (low:gsub(" %%", "")), (high:gsub(" %%", "")))
end

-- Columns of the tables: title, what stands there.
local COLUMNS <const> = {
   { "quality", function(l) return with_interval(plain, l.quality) end },
   { "$/1000", function(l) return money(l.cost.value) end },
   { "strong", function(l) return share(l.strong_share.value) end },
   { "calls", function(l) return number(l.calls) and ("%.2f"):format(l.calls) or "-" end },
   { "PGR", function(l) return with_interval(plain, l.pgr) end },
   { "APGR", function(l) return with_interval(plain, l.apgr) end },
   { "CPT50", function(l) return with_interval(share, l.cpt50) end },
   { "CPT80", function(l) return with_interval(share, l.cpt80) end },
   { "AIQ", function(l) return with_interval(plain, l.aiq) end },
}

local function table_of(result)
   local rows = { { "" } }
   for i, column in ipairs(COLUMNS) do rows[1][i + 1] = column[1] end
   for _, line in ipairs(result.lines) do
      local row = { line.name }
      for i, column in ipairs(COLUMNS) do row[i + 1] = column[2](line) end
      rows[#rows + 1] = row
   end
   return rows
end

local function padded(text, width, left)
   local blanks = (" "):rep(width - (utf8.len(text) or #text))
   return left and text .. blanks or blanks .. text
end

local function aligned(rows)
   local widths = {}
   for _, row in ipairs(rows) do
      for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell) end
   end
   local out = {}
   for _, row in ipairs(rows) do
      local cells = {}
      for i, cell in ipairs(row) do cells[i] = padded(cell, widths[i], i == 1) end
      out[#out + 1] = (table.concat(cells, "  "):gsub("%s+$", ""))
   end
   return table.concat(out, "\n")
end

-- What the figures do not say by themselves.
local function remarks(result)
   local data, out = result.data, {}
   local function add(...) out[#out + 1] = (...):format(select(2, ...)) end
   add("%s: %d rows in %d groups, weak %s, strong %s", data.file, data.rows, data.groups, data.weak,
      data.strong)
   if data.left_out > 0 then add("%d rows left out: no outcome of one of these two", data.left_out) end
   local answers, costs
   for _, model in ipairs(data.models) do
      answers, costs = answers or model.answers, costs or number(model.cost)
   end
   if not costs then add("no costs are known: give prices in a description (-d)") end
   if not answers then add("no answers are recorded: what a policy thinks of a text means nothing here") end
   for _, line in ipairs(result.lines) do
      if line.sweep then
         add("%s: %s varied, %s; it is %g", line.name, line.sweep.param,
            line.sweep.exact and "all thresholds from one score" or "by runs", line.sweep.value)
      end
      if (line.errors or 0) > 0 then
         add("%s: %d rows without an answer (quality 0); the first: %s", line.name, line.errors, line.error)
      end
      if (line.missing or 0) > 0 then
         add("%s: %d calls without a recorded outcome", line.name, line.missing)
      end
      if (line.unjudged or 0) > 0 then
         add("%s: %d answers that are no recorded one (quality 0)", line.name, line.unjudged)
      end
   end
   add("intervals: 95 %%, %d bootstrap samples of groups, seed %d", result.bootstrap.replicates,
      result.bootstrap.seed)
   return out
end

local function strong_of(result)
   for _, line in ipairs(result.lines) do
      if line.name == "always strong" then return line end
   end
end

-- The settings that were found, as a part of baton.lua.
local function found(result)
   local strong, out = strong_of(result), {}
   if not (number(result.target_quality) or number(result.target_cost)) then return out end
   for _, line in ipairs(result.lines) do
      local f = line.found
      if f then
         local cost = strong.cost.value > 0 and share(f.cost / strong.cost.value) or "-"
         local value = tostring(tonumber(("%.15g"):format(f.value)))
         local form = "   %s = { %s = %s }, -- %s of the strong model's quality, %s of its cost"
         local name = line.name:find("^[%a_][%w_]*$") and line.name or ("[%q]"):format(line.name)
         out[#out + 1] = form:format(name, f.param, value, share(f.quality / strong.quality.value), cost)
      elseif line.policy then
         out[#out + 1] = ("   -- %s: no setting reaches it"):format(line.name)
      end
   end
   table.insert(out, 1, "policies = {")
   out[#out + 1] = "},"
   return out
end

-- report.text(result) -> text for the terminal.
function report.text(result)
   local parts = { aligned(table_of(result)), "", table.concat(remarks(result), "\n") }
   local settings = found(result)
   if #settings > 0 then
      parts[#parts + 1] = "\nfor baton.lua:"
      parts[#parts + 1] = table.concat(settings, "\n")
   end
   return table.concat(parts, "\n") .. "\n"
end

return report
