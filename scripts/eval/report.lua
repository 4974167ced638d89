-- eval.report: the result of an evaluation as a table for the terminal, a picture and a page.
-- SPDX-License-Identifier: MIT

local picture = require "eval.picture"

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
      if (line.reworded or 0) > 0 then
         add("%s: %d calls with another prompt than the recorded one, which got the recorded answer",
            line.name, line.reworded)
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
         local why = line.sweep and "no setting reaches it" or "no parameter was varied (--sweep)"
         out[#out + 1] = ("   -- %s: %s"):format(line.name, why)
      end
   end
   table.insert(out, 1, "policies = {")
   out[#out + 1] = "},"
   return out
end

-- ---- a policy at its settings ----

local STEPS <const> = 11

-- About so many points of a curve, evenly by the share of the strong model.
local function thinned(curve)
   local out, last = {}, -1
   for i, point in ipairs(curve) do
      local step = math.floor(point.share * (STEPS - 1) + 1e-9)
      if step > last or i == #curve then out[#out + 1], last = point, step end
   end
   return out
end

local function settings_of(line)
   local rows = { { line.sweep.param, "strong", "$/1000", "quality" } }
   for _, point in ipairs(thinned(line.curve)) do
      rows[#rows + 1] = {
         number(point.at) and ("%.6g"):format(point.at) or "above all", share(point.share), money(point.cost),
         plain(point.quality),
      }
   end
   return rows
end

local function swept(result)
   local lines = {}
   for _, line in ipairs(result.lines) do
      if line.sweep and line.curve then lines[#lines + 1] = line end
   end
   return lines
end

-- ---- the forms ----

-- report.text(result) -> text for the terminal. result: what core/eval_write.c writes, decoded.
function report.text(result)
   local parts = { aligned(table_of(result)), "", table.concat(remarks(result), "\n") }
   for _, line in ipairs(swept(result)) do
      parts[#parts + 1] = "\n" .. line.name .. ":\n" .. aligned(settings_of(line))
   end
   local settings = found(result)
   if #settings > 0 then parts[#parts + 1] = "\nfor baton.lua:\n" .. table.concat(settings, "\n") end
   return table.concat(parts, "\n") .. "\n"
end

-- Where each line stands, for the picture.
local function with_places(result)
   for _, line in ipairs(result.lines) do
      line.at = { cost = number(line.cost.value), share = number(line.strong_share.value),
         quality = number(line.quality.value) }
   end
   return result
end

-- report.svg(result) -> a picture of quality against cost.
function report.svg(result)
   return picture.svg(with_places(result))
end

local function html_table(rows)
   local out = { "<table>" }
   for i, row in ipairs(rows) do
      local cells = {}
      for k, cell in ipairs(row) do
         local tag = (i == 1 or k == 1) and "th" or "td"
         cells[k] = ("<%s>%s</%s>"):format(tag, picture.escape(cell), tag)
      end
      out[#out + 1] = "<tr>" .. table.concat(cells) .. "</tr>"
   end
   out[#out + 1] = "</table>"
   return table.concat(out, "\n")
end

local STYLE <const> = [[body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1100px;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px}th,td{padding:3px 10px;text-align:right;
border-bottom:1px solid #ddd;white-space:nowrap}th:first-child{text-align:left}svg{max-width:100%;height:auto}
pre{background:#f4f4f4;padding:1em;overflow:auto}.wide{overflow-x:auto}]]

-- report.html(result) -> a page of its own: the picture, the figures, each policy at its settings.
function report.html(result)
   local parts = {
      '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>baton eval</title>',
      "<style>" .. STYLE .. "</style></head><body>",
      "<h1>Quality against cost</h1>", report.svg(result),
      '<div class="wide">' .. html_table(table_of(result)) .. "</div>",
   }
   for _, remark in ipairs(remarks(result)) do
      parts[#parts + 1] = "<p>" .. picture.escape(remark) .. "</p>"
   end
   for _, line in ipairs(swept(result)) do
      parts[#parts + 1] = "<h2>" .. picture.escape(line.name) .. "</h2>\n" .. html_table(settings_of(line))
   end
   local settings = table.concat(found(result), "\n")
   if settings ~= "" then parts[#parts + 1] = "<pre>" .. picture.escape(settings) .. "</pre>" end
   parts[#parts + 1] = "</body></html>\n"
   return table.concat(parts, "\n")
end

return report
