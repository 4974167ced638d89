-- lua_bounded_cases: calls of the string and table libraries, for a comparison of two implementations.
-- SPDX-License-Identifier: MIT
--
-- test_lua_bounded.c runs this file in a state with the standard libraries and in one with ours, and
-- compares the lines it returns. Whatever is random comes from the generator below, alike in both.
-- luacheck: no max line length

local rounds = ...
local lines = {}
local seed = 20261122

local function random(n)
   seed = (seed * 1103515245 + 12345) & 0x7fffffff
   return (seed >> 8) % n + 1
end

local function pick(list)
   return list[random(#list)]
end

local function show(v)
   if type(v) == "string" then return ("%q"):format(v) end
   if type(v) == "function" or type(v) == "table" then return type(v) end
   return tostring(v)
end

local function note(what, ...)
   local out = { what }
   for i = 1, select("#", ...) do out[#out + 1] = show((select(i, ...))) end
   lines[#lines + 1] = table.concat(out, " | ")
end

local function try(what, f, ...)
   note(what, pcall(f, ...))
end

-- Patterns ----------------------------------------------------------------------------------------

local atoms = {
   "a", "b", "c", "1", " ", ".", ".", "%a", "%d", "%s", "%w", "%p", "%l", "%u", "%x", "%c", "%g", "%z", "%A", "%W",
   "%S", "%D", "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]]", "[a-]", "[-a]", "[%a-z]", "[a%-b]", "[^%s]", "[%]]",
   "[z-a]", "[^]", "[]", "[a", "[%", "[^", "%.", "%%", "%b()", "%bab", "%b", "%ba", "%f[%w]", "%f[^a]", "%f", "%fa",
   "%f[", "%1", "%2", "%0", "%9", "()", "(a)", "(.)", "(.-)", "(%w+)", "(", ")", "(", ")", "^", "$", "-", "*", "+",
   "?", "[", "]", "%", "\0", "[\0-b]", "é", "\255", "[\128-\255]", "[à-é]",
}
local marks = { "*", "+", "-", "?", "", "", "", "" }
local letters = { "a", "a", "a", "b", "b", "c", "(", ")", " ", "1", "_", "\0", "A", "Z", "é", "-", "]", "%", "\n", "." }
local templates = { "", "x", "<%0>", "<%1>", "%2", "%%", "%", "%a", "x%", "%1%1", "[%0%1%2]", "\0", "%3", "%9" }

local function build(list, n)
   local out = {}
   for i = 1, random(n) - 1 do out[i] = pick(list) end
   return table.concat(out)
end

local function pattern()
   local out = { random(6) == 1 and "^" or "" }
   for _ = 1, random(5) do out[#out + 1] = pick(atoms) .. pick(marks) end
   if random(6) == 1 then out[#out + 1] = "$" end
   return table.concat(out)
end

local function walk(s, p, init)
   local out = {}
   for a, b, c in string.gmatch(s, p, init) do
      out[#out + 1] = show(a) .. "," .. show(b) .. "," .. show(c)
      if #out > 40 then break end
   end
   return table.concat(out, ";")
end

local function replacer(a, b)
   if a == "a" then return nil end
   if a == "b" then return false end
   if a == "" then return 7 end
   if a == "%" then return {} end
   return "{" .. tostring(b or a) .. "}"
end

local replacements = { a = "1", b = false, ab = "AB", [""] = "-", c = 3.5, ["("] = {} }

local function all_of(s, p)
   local label = show(s) .. " " .. show(p)
   try("find " .. label, string.find, s, p)
   try("match " .. label, string.match, s, p)
   try("init " .. label, string.find, s, p, random(12) - 6)
   try("plain " .. label, string.find, s, p, random(3), true)
   try("gmatch " .. label, walk, s, p)
   try("gmatch init " .. label, walk, s, p, random(12) - 6)
   local template = pick(templates)
   try("gsub " .. label .. " " .. show(template), string.gsub, s, p, template)
   try("gsub n " .. label .. " " .. show(template), string.gsub, s, p, template, random(4) - 2)
   try("gsub table " .. label, string.gsub, s, p, replacements)
   try("gsub function " .. label, string.gsub, s, p, replacer)
end

for _ = 1, rounds do all_of(build(letters, 14), pattern()) end

-- By hand: each class of the manual, and what people write ------------------------------------------

local texts = {
   "", "a", "hello world", "  trim me  ", "key = value", "2026-11-22T10:20:30Z", "f(a(b)c)d", "THE (quick) fox", "\0a\0",
   "one;two;;four", "http://example.org/a?b=c&d=e", "x^2 + y^2 = z^2", "äöü ß", "a.b.c", "%d", "[[x]]", "aaa", "abcabc",
   '{"a": [1, 2, {"b": null}]}', "line one\nline two\r\nline three", "`code` and ```fence\nx\n```",
}
local patterns = {
   "", "^", "$", "^$", "^a", "a$", "^a$", ".", ".*", ".+", ".-", "a*", "a-", "a?", "%s*(.-)%s*$", "^%s*(.-)%s*$", "(%w+)%s*=%s*(%w+)",
   "(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)", "%b()", "%b{}", "%f[%a]%a+%f[%A]", "()%w+()", "([^;]*);?", "([%w%.]+)://([^/]*)(.*)", "%%d",
   "%.", "[%[%]]", "(.)%1", "(a)(b)(c)%3", "(()a)", "((a)(b))", "[^%c%s]+", "%S+", "[%a_][%w_]*", "```%w*\n(.-)```", "[\r\n]+", "%p",
   "(", ")", "(()", "%", "[", "[]", "[^]", "%1", "(%1)", "%f", "%b", "%bx", "(a", "a)", "[a-%]", "[%a-%z]", "^^", "$$", "a^", "*", "+a",
   "?", "-", "a**", "a+*", "()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()", "[%d%.]+", "\0", "%z", "[\0]",
   ("()"):rep(33), ("(a"):rep(33), ("a?"):rep(250), ("a*"):rep(199), ("a-"):rep(205), ("(a)"):rep(20) .. ("%1"):rep(20),
}
for _, s in ipairs(texts) do
   for _, p in ipairs(patterns) do all_of(s, p) end
end
all_of(("a?"):rep(300), ("a?"):rep(199))
all_of(("a"):rep(300), ("a?"):rep(199))
all_of(("a"):rep(300), ("a?"):rep(201))
for i = -6, 6 do
   try("position", string.find, "hello", "l", i)
   try("empty", string.find, "hello", "", i)
   try("plain empty", string.find, "hello", "", i, true)
   try("match position", string.match, "hello", "()", i)
end

for _, args in ipairs { {}, { "a" }, { "a", "b" }, { {}, "a" }, { "a", {} }, { "a", "a", {} }, { "a", "a", "b", {} }, { 12, 1, 2 },
   { "a", "a", nil }, { "a", "a", true }, { 1.5, "%d", { ["1"] = 2 } }, { "abc", "b", "x", "2" }, { "a", "a", print } } do
   for _, name in ipairs { "find", "match", "gmatch", "gsub", "rep" } do
      try(name .. " arguments", string[name], table.unpack(args, 1, 4))
   end
end
try("error in a function", string.gsub, "abc", "b", function() error("mine", 0) end)
try("error object", string.gsub, "abc", "b", function() error({}) end)
try("nested", string.gsub, "a b c", "%a", function(x) return (x:gsub("b", "B")) end)
try("index", string.gsub, "a b", "%a", setmetatable({}, { __index = function(_, k) return k .. k end }))

-- The rest of string -------------------------------------------------------------------------------

for _, n in ipairs { -1, 0, 1, 2, 3, 7, 64, 100, "3", "x", 1.5 } do
   for _, s in ipairs { "", "a", "abc", "\0", 12 } do
      for _, sep in ipairs { "", ",", "--", "\0", false } do try("rep", string.rep, s, n, sep or nil) end
      try("rep", string.rep, s, n)
   end
end
for _, s in ipairs { "", "a", "hello World é\0x", 15 } do
   for i = -4, 4 do
      try("sub", string.sub, s, i); try("sub", string.sub, s, i, -i); try("byte", string.byte, s, i, i + 3)
   end
   try("upper", string.upper, s); try("lower", string.lower, s); try("reverse", string.reverse, s); try("len", string.len, s)
end
try("char", string.char, 0, 65, 255); try("char", string.char, 256); try("char", string.char)
try("format", string.format, "%5.1f|%-5s|%05d|%x|%q|%s|%%|%c|%g|%a", 3.14159, "a", 42, 255, "a\nb\0c", true, 65, 1e100, 1.0)
try("format", string.format, "%d", 1.5); try("format", string.format, "%y", 1); try("format", string.format, "%s")
try("pack", string.pack, "<i4s1z", 7, "ab", "cd"); try("unpack", string.unpack, "<i4s1z", "\7\0\0\0\2abcd\0")
try("packsize", string.packsize, "<i4i8"); try("method", function() return ("x"):rep(3), ("abc"):find("b"), #"abc", "10" + 5 end)

-- Tables -------------------------------------------------------------------------------------------

local function dump(t)
   local out, top = {}, 0
   for k in pairs(t) do if math.type(k) == "integer" and k > top then top = k end end
   for i = 0, top do out[#out + 1] = tostring(t[i]) end
   return table.concat(out, ",")
end

local function list(n)
   local t = {}
   for i = 1, random(n) - 1 do t[i] = random(50) end
   return t
end

local function change(what, f, t, ...)
   note(what, dump(t), ...)
   note(what, pcall(f, t, ...))
   note(what, dump(t))
end

for _ = 1, rounds // 10 do
   change("insert", table.insert, list(12), random(9))
   change("insert at", table.insert, list(12), random(16) - 3, "new")
   change("remove", table.remove, list(12))
   change("remove at", table.remove, list(12), random(16) - 3)
   change("move", table.move, list(12), random(8) - 2, random(12) - 2, random(12) - 3)
   change("move to", table.move, list(12), random(8) - 2, random(12) - 2, random(12) - 3, list(6))
   change("unpack", table.unpack, list(12), random(6) - 3, random(14) - 2)
   change("concat", table.concat, list(12), pick { "", ",", "--" })
   change("concat from", table.concat, list(12), ";", random(6) - 1, random(12) - 2)
   change("sort", table.sort, list(80))
   change("sort down", table.sort, list(80), function(a, b) return a > b end)
end
for _, i in ipairs { math.mininteger, math.maxinteger, 0, -1 } do
   for _, j in ipairs { math.mininteger, math.maxinteger, math.maxinteger - 1, 0 } do
      try("unpack bounds " .. i .. " " .. j, function() return #{ table.unpack({}, i, j) } < 3 end)
      try("move bounds", function() return i > j and table.move({ 1 }, i, j, 1) end)
   end
   try("move wrap", table.move, { 1, 2, 3 }, 1, 3, i)
   try("insert bounds", table.insert, { 1, 2 }, i, "x")
   try("remove bounds", table.remove, { 1, 2 }, i)
end
try("move too many", table.move, {}, math.mininteger, 1, 2)
try("move last", table.move, {}, math.maxinteger - 1, math.maxinteger, 1)
try("concat last", table.concat, { [math.maxinteger] = "x" }, ",", math.maxinteger, math.maxinteger)
try("concat bad", table.concat, { 1, {}, 3 }); try("concat hole", table.concat, { 1 }, ",", 1, 3)
try("concat nested", table.concat, { "a", 1, 2.5 }, ", ")
try("insert none", table.insert, { 1 }); try("insert many", table.insert, { 1 }, 1, 2, 3)
try("remove empty", table.remove, {}); try("remove zero", table.remove, { [0] = "z" }, 0); try("remove 1", table.remove, {}, 1)
try("sort mixed", table.sort, { 1, "a", 2 }); try("sort tables", table.sort, { {}, {} }); try("sort bad", table.sort, { 1, 2 }, 3)
try("sort error", table.sort, { 3, 2, 1 }, function() error("mine", 0) end)
try("sort one", table.sort, { 1 }, "no function"); try("sort strings", function()
   local t = { "b", "a", "B", "", "ab", "a" }
   table.sort(t)
   return dump(t)
end)
for _, name in ipairs { "insert", "remove", "move", "unpack", "concat", "sort", "pack" } do
   try(name .. " nothing", table[name]); try(name .. " number", table[name], 1, 2, 3, 4)
   try(name .. " string", table[name], "abc", 1, 1, 1)
end
local seen = {}
local proxy = setmetatable({}, {
   __len = function() return 3 end, __index = function(_, k) return k * 10 end,
   __newindex = function(_, k, v) seen[#seen + 1] = tostring(k) .. "=" .. tostring(v) end,
})
try("proxy", table.concat, proxy, ","); try("proxy", table.unpack, proxy); try("proxy", table.remove, proxy, 1)
try("proxy", table.insert, proxy, 1, "n"); try("proxy", table.move, proxy, 1, 3, 2); try("proxy", table.sort, proxy)
note("seen", table.concat(seen, " "))

return lines
