-- eval.picture: quality against cost as SVG.
-- SPDX-License-Identifier: MIT

local picture = {}

local WIDTH <const>, HEIGHT <const> = 860, 480
local LEFT <const>, TOP <const>, RIGHT <const>, BOTTOM <const> = 64, 20, 600, 430 -- the frame of the plot
-- The palette of Okabe and Ito (2008), which people tell apart who see colours otherwise.
local COLOURS <const> = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9" }
local OTHERS <const> = {
   random = { "#999999", "2 4" }, ["prompt length"] = { "#777777", "6 3" }, keywords = { "#777777", "1 3" },
   oracle = { "#000000", "8 3 2 3" },
}

local function escape(text)
   return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

picture.escape = escape

local function number(value)
   return type(value) == "number" and value or nil
end

-- ---- axes ----

-- A round step that parts a span into about five.
local function step_of(span)
   local power = 10 ^ math.floor(math.log(span / 5, 10))
   for _, factor in ipairs { 1, 2, 5, 10 } do
      if span / (power * factor) <= 6 then return power * factor end
   end
   return power * 10
end

local function axis(least, most)
   if most <= least then least, most = least - 0.5, least + 0.5 end
   local step = step_of(most - least)
   return {
      from = math.floor(least / step + 1e-9) * step, to = math.ceil(most / step - 1e-9) * step, step = step,
   }
end

local function place(value, ends, a, b)
   return a + (value - ends.from) / (ends.to - ends.from) * (b - a)
end

-- ---- what is drawn ----

-- Every point that must fit in: of curves, and where lines and models stand.
local function extent(result, x_of)
   local x0, x1, y0, y1 = 0, 0, math.huge, -math.huge
   local function see(x, y)
      if not (x and y) then return end
      x1, y0, y1 = math.max(x1, x), math.min(y0, y), math.max(y1, y)
   end
   for _, line in ipairs(result.lines) do
      for _, point in ipairs(line.curve or {}) do see(x_of(point), point.quality) end
      see(x_of(line.at), line.at.quality)
      if line.policy then
         see(x_of(line.at), number(line.quality.low))
         see(x_of(line.at), number(line.quality.high))
      end
   end
   return axis(x0, x1), axis(y0, y1)
end

local function each_mark(ends, f)
   local form = "%." .. math.max(0, math.ceil(-math.log(ends.step, 10) - 1e-9)) .. "f"
   for i = 0, math.floor((ends.to - ends.from) / ends.step + 0.5) do
      local value = ends.from + i * ends.step
      f(value, form:format(value))
   end
end

local function add_axes(out, x, y, title)
   local function add(...) out[#out + 1] = (...):format(select(2, ...)) end
   each_mark(x, function(value, text)
      local at = place(value, x, LEFT, RIGHT)
      add('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" class="grid"/>', at, TOP, at, BOTTOM)
      add('<text x="%.1f" y="%d" text-anchor="middle">%s</text>', at, BOTTOM + 18, text)
   end)
   each_mark(y, function(value, text)
      local at = place(value, y, BOTTOM, TOP)
      add('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" class="grid"/>', LEFT, at, RIGHT, at)
      add('<text x="%d" y="%.1f" text-anchor="end">%s</text>', LEFT - 8, at + 4, text)
   end)
   add('<rect x="%d" y="%d" width="%d" height="%d" class="frame"/>', LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP)
   add('<text x="%d" y="%d" text-anchor="middle">%s</text>', (LEFT + RIGHT) // 2, BOTTOM + 40, title)
   add('<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">quality</text>',
      (TOP + BOTTOM) // 2)
end

local function stroke(colour, dashes)
   return ('stroke="%s" stroke-width="%s"%s'):format(colour, dashes and "1.3" or "2.2",
      dashes and (' stroke-dasharray="%s"'):format(dashes) or "")
end

local function add_curve(out, line, at_of, colour, dashes)
   local points = {}
   for _, point in ipairs(line.curve) do
      local x, y = at_of(point)
      points[#points + 1] = ("%.1f,%.1f"):format(x, y)
   end
   local form = '<polyline points="%s" fill="none" %s><title>%s</title></polyline>'
   out[#out + 1] = form:format(table.concat(points, " "), stroke(colour, dashes), escape(line.name))
end

-- A policy as it is set, with the interval of its quality.
local function add_point(out, line, at_of, colour)
   local x, y = at_of(line.at)
   local low, high = number(line.quality.low), number(line.quality.high)
   if low and high then
      local _, y0 = at_of { cost = line.at.cost, share = line.at.share, quality = low }
      local _, y1 = at_of { cost = line.at.cost, share = line.at.share, quality = high }
      local form = '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>'
      out[#out + 1] = form:format(x, y0, x, y1, colour)
   end
   out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s"><title>%s: %.3f</title></circle>'):format(
      x, y, colour, escape(line.name), line.at.quality)
end

local function add_model(out, model, x, y, is_end)
   if x < LEFT or x > RIGHT or y < TOP or y > BOTTOM then return false end
   local form = '<circle cx="%.1f" cy="%.1f" r="%s" fill="%s" stroke="#444"><title>%s: %.3f</title></circle>'
   out[#out + 1] = form:format(x, y, is_end and "4" or "2.5", is_end and "#444" or "#fff", escape(model.name),
      model.quality)
   return true
end

-- add_models(…) -> were there others than the weak and the strong one? Those have small, empty dots.
local function add_models(out, result, at_of)
   local data, others = result.data, false
   for _, model in ipairs(data.models) do
      local cost, is_strong = number(model.cost), model.name == data.strong
      local is_end = is_strong or model.name == data.weak
      if number(model.quality) and (cost or is_end) then
         local x, y = at_of { cost = cost or 0, quality = model.quality, share = is_strong and 1 or 0 }
         others = add_model(out, model, x, y, is_end) and not is_end or others
      end
   end
   return others
end

local function add_dot(out, y, radius, fill, text)
   local form = '<circle cx="%d" cy="%d" r="%s" fill="%s" stroke="#444"/>'
   out[#out + 1] = form:format(RIGHT + 34, y, radius, fill)
   out[#out + 1] = ('<text x="%d" y="%d">%s</text>'):format(RIGHT + 56, y + 4, text)
end

local function add_legend(out, entries, others)
   for i, entry in ipairs(entries) do
      local y = TOP + 10 + (i - 1) * 22
      out[#out + 1] = ('<line x1="%d" y1="%d" x2="%d" y2="%d" %s/>'):format(RIGHT + 20, y, RIGHT + 48, y,
         stroke(entry.colour, entry.dashes))
      out[#out + 1] = ('<text x="%d" y="%d">%s</text>'):format(RIGHT + 56, y + 4, escape(entry.text))
   end
   local y = TOP + 10 + #entries * 22
   add_dot(out, y, "4", "#444", "weak, strong model")
   if others then add_dot(out, y + 22, "2.5", "#fff", "other models") end
end

local function short(text)
   return utf8.len(text) and utf8.len(text) > 28 and text:sub(1, utf8.offset(text, 26) - 1) .. "…" or text
end

-- Policies in colours, what they are compared with in grey.
local function add_lines(out, result, at_of)
   local legend, count = {}, 0
   for _, line in ipairs(result.lines) do
      local style = OTHERS[line.name]
      if line.policy then
         count = count + 1
         local colour = COLOURS[(count - 1) % #COLOURS + 1]
         if line.curve then add_curve(out, line, at_of, colour) end
         add_point(out, line, at_of, colour)
         legend[#legend + 1] = { text = short(line.name), colour = colour }
      elseif style and line.curve then
         add_curve(out, line, at_of, style[1], style[2])
         legend[#legend + 1] = { text = line.name, colour = style[1], dashes = style[2] }
      end
   end
   return legend
end

local STYLE <const> = "<style>text{font:13px system-ui,sans-serif;fill:#222}.grid{stroke:#e4e4e4}"
   .. ".frame{fill:none;stroke:#888}</style>"

-- picture.svg(result) -> the text of an SVG. result: as report.lua has it, each line with 'at' = { cost =,
-- share =, quality = } where it stands. Over the cost of a thousand rows, or, where no costs are known, the
-- share of the strong model.
function picture.svg(result)
   local costs = false
   for _, line in ipairs(result.lines) do costs = costs or (line.at.cost or 0) > 0 end
   local function x_of(point)
      if not costs then return point.share end
      return point.cost and point.cost * 1000
   end
   local x, y = extent(result, x_of)
   local function at_of(point)
      return place(x_of(point) or 0, x, LEFT, RIGHT), place(point.quality, y, BOTTOM, TOP)
   end
   local out = {
      ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">'):format(WIDTH,
         HEIGHT, WIDTH, HEIGHT),
      "<title>quality against cost</title>",
      STYLE,
      ('<rect width="%d" height="%d" fill="#fff"/>'):format(WIDTH, HEIGHT),
   }
   add_axes(out, x, y, costs and "USD for 1000 rows" or "share of rows with the strong model")
   local others = add_models(out, result, at_of)
   add_legend(out, add_lines(out, result, at_of), others)
   out[#out + 1] = "</svg>\n"
   return table.concat(out, "\n")
end

return picture
