-- progress: how far long work is: one line that is drawn anew on a terminal, plain lines elsewhere.
-- SPDX-License-Identifier: MIT

local clock = require "clock"
local errors = require "errors"
local terminal = require "terminal"
local trace = require "trace"

local REDRAW <const> = 0.1     -- seconds between two drawings on a terminal, at least
local LINE_EVERY <const> = 10  -- seconds after which there is a plain line, whatever was done
local LINE_SHARE <const> = 0.1 -- of the whole, after which there is one
local BAR <const> = 24         -- columns
local BAR_LEAST <const> = 76   -- columns of a terminal from which there is a bar

local progress = {}

local Progress = {}
Progress.__index = Progress

-- 75 -> "1:15", 4000 -> "1:06:40".
local function duration(seconds)
   local s = math.floor(seconds + 0.5)
   if s < 3600 then return ("%d:%02d"):format(s // 60, s % 60) end
   return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60)
end

-- One line of it, without anything that a terminal would obey: notes may hold what a model said.
local function harmless(note)
   return (utf8.len(note) and note or note:gsub("[\x80-\xff]", "?")):gsub("[%c]+", " ")
      :gsub("\xc2[\x80-\x9f]", " ")
end

local function clip(line, columns)
   local past = utf8.offset(line, columns + 1)
   return past and line:sub(1, past - 1) or line
end

-- The figures behind the count: share, rest or duration, what it has cost.
local function figures(p, now)
   local share = p.total > 0 and p.done / p.total or 1
   local time = "took " .. duration(now - p.begun)
   if p.done < p.total and not p.ended then
      time = p.done > 0 and duration((now - p.begun) / p.done * (p.total - p.done)) .. " left" or "begun"
   end
   return ("%d %%"):format(math.floor(share * 100)), time,
      ("%.6f USD"):format(trace.total().cost_usd - p.spent), share
end

local function draw(p, width, now)
   local percent, time, cost, share = figures(p, now)
   local filled = math.floor(share * BAR)
   local bar = width >= BAR_LEAST and ("[%s%s] "):format(("="):rep(filled), (" "):rep(BAR - filled)) or ""
   local line = ("%s%s%d/%d  %s  %s  %s%s"):format(p.label ~= "" and p.label .. " " or "", bar, p.done,
      p.total, percent, time, cost, p.note ~= "" and "  " .. p.note or "")
   terminal.write("\r" .. clip(line, width - 1) .. "\27[K")
   p.drawn = now
end

local function say(p, now)
   local percent, time, cost, share = figures(p, now)
   local note = p.note ~= "" and ", " .. p.note or ""
   print(("%s%d of %d (%s), %s, %s%s"):format(p.label ~= "" and p.label .. ": " or "", p.done, p.total,
      percent, time, cost, note))
   p.said, p.said_share = now, share
end

local function show(p, last)
   local now, width = clock.monotonic(), terminal.width()
   if width then
      if last or now - p.drawn >= REDRAW then draw(p, width, now) end
      if last then terminal.write "\n" end
      return
   end
   local due = now - p.said >= LINE_EVERY or p.done / math.max(1, p.total) >= p.said_share + LINE_SHARE - 1e-9
   if last or due and p.done < p.total then say(p, now) end
end

-- progress.new(total, label?) -> p: 'total' steps (an integer, 0 or more) are to be done. Where the output is
-- a terminal, a bar with count, percent, rest time, cost since then and the last note is shown and drawn anew
-- in its place. Elsewhere a plain line says so at a step with which a tenth more is done, or 10 seconds have
-- passed.
function progress.new(total, label)
   if math.type(total) ~= "integer" or total < 0 then
      errors.raise "progress.new: the total must be an integer, at least 0"
   end
   if label ~= nil and type(label) ~= "string" then errors.raise "progress.new: the label must be a text" end
   local now = clock.monotonic()
   local p = setmetatable({
      total = total, done = 0, label = harmless(label or ""), note = "", begun = now, drawn = now - REDRAW,
      said = now, said_share = 0, spent = trace.total().cost_usd, ended = false,
   }, Progress)
   if terminal.width() then show(p) end
   return p
end

-- p:step(note?): one more is done; 'note' (a text) is shown until the next. More steps than the total raise.
function Progress:step(note)
   if note ~= nil and type(note) ~= "string" then errors.raise "progress: a note must be a text" end
   if self.ended then errors.raise "progress: it has been finished" end
   if self.done >= self.total then errors.raise(("progress: more than %d steps"):format(self.total)) end
   self.done, self.note = self.done + 1, harmless(note or "")
   show(self)
end

-- p:finish(): shows the last state, how long it took, and ends the line; a second time nothing.
function Progress:finish()
   if self.ended then return end
   self.ended, self.note = true, ""
   show(self, true)
end

return progress
