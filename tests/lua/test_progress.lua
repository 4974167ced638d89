-- test_progress: what long work shows, on a terminal and elsewhere, in virtual time.
-- SPDX-License-Identifier: MIT
local t = require "test"
local task = require "task"
local trace = require "trace"

-- The module as it is with an output of 'columns' (nil: no terminal), and what it shows: lines, drawings.
local function shown_on(columns)
   local lines, drawn, progress = {}, {}, nil
   local terminal = {
      width = function() return columns end,
      write = function(text) drawn[#drawn + 1] = text end,
   }
   t.with({ terminal = terminal, print = function(line) lines[#lines + 1] = line end }, function()
      progress = t.load "scripts/progress.lua"
   end)
   return progress, lines, drawn
end

t.case("elsewhere: a line for each tenth", function()
   local progress, lines, drawn = shown_on(nil)
   local p = progress.new(100, "files")
   for i = 1, 100 do
      task.sleep(0.05)
      p:step("no. " .. i)
   end
   p:finish()
   t.equal(#lines, 10)
   t.equal(lines[1], "files: 10 of 100 (10 %), 0:05 left, 0.000000 USD, no. 10")
   t.equal(lines[9], "files: 90 of 100 (90 %), 0:01 left, 0.000000 USD, no. 90")
   t.equal(lines[10], "files: 100 of 100 (100 %), took 0:05, 0.000000 USD")
   t.equal(drawn, {})
end)

t.case("elsewhere: a line when ten seconds have passed, and none between", function()
   local progress, lines = shown_on(nil)
   local p = progress.new(1000)
   for _ = 1, 5 do
      task.sleep(4)
      p:step()
   end
   t.equal(lines, { "3 of 1000 (0 %), 1:06:28 left, 0.000000 USD" })
   p:finish()
   t.equal(lines[2], "5 of 1000 (0 %), took 0:20, 0.000000 USD")
end)

t.case("what it costs is counted from its beginning", function()
   local progress, lines = shown_on(nil)
   trace.spend(5)
   local p = progress.new(1)
   trace.spend(0.25)
   p:step()
   p:finish()
   p:finish()
   t.equal(lines, { "1 of 1 (100 %), took 0:00, 0.250000 USD" })
end)

t.case("nothing to do", function()
   local progress, lines = shown_on(nil)
   progress.new(0, "files"):finish()
   t.equal(lines, { "files: 0 of 0 (100 %), took 0:00, 0.000000 USD" })
end)

t.case("a terminal: one line, drawn anew", function()
   local progress, lines, drawn = shown_on(100)
   local p = progress.new(4, "files")
   t.equal(drawn, { "\rfiles [                        ] 0/4  0 %  begun  0.000000 USD\27[K" })
   task.sleep(2)
   p:step "a"
   t.equal(drawn[2], "\rfiles [======                  ] 1/4  25 %  0:06 left  0.000000 USD  a\27[K")
   p:step "b"
   t.equal(#drawn, 2, "too soon")
   task.sleep(1)
   p:step()
   p:step()
   p:finish()
   t.equal(drawn[#drawn - 1], "\rfiles [========================] 4/4  100 %  took 0:03  0.000000 USD\27[K")
   t.equal(drawn[#drawn], "\n")
   t.equal(lines, {})
end)

t.case("a terminal: a line never breaks, and notes cannot command it", function()
   local progress, _, drawn = shown_on(80)
   local p = progress.new(2)
   task.sleep(1)
   p:step("a\27[2J\r\nb" .. ("é"):rep(80))
   local line = drawn[2]:match "^\r(.*)\27%[K$"
   t.equal(utf8.len(line), 79)
   t.ok(not line:find "%c")
   t.ok(line:find("a [2J bé", 1, true), line)
   task.sleep(1)
   p:step "\xff\xfe"
   t.ok(drawn[3]:find("  ??", 1, true), drawn[3])
   progress, _, drawn = shown_on(40)
   progress.new(2)
   t.equal(drawn, { "\r0/2  0 %  begun  0.000000 USD\27[K" })
end)

t.case("wrong use raises", function()
   local progress = shown_on(nil)
   t.raises(function() progress.new "ten" end, "the total must be an integer")
   t.raises(function() progress.new(-1) end, "the total must be an integer")
   t.raises(function() progress.new(1, 2) end, "the label must be a text")
   local p = progress.new(1)
   t.raises(function() p:step(7) end, "a note must be a text")
   p:step()
   t.raises(function() p:step() end, "more than 1 steps")
   p:finish()
   t.raises(function() p:step() end, "finished")
end)
