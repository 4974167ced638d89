-- test_sandbox: which names a script sees, and what it cannot do with them.
-- SPDX-License-Identifier: MIT
-- luacheck: globals _G rawlen, ignore 122 142 143
local t = require "test"
local clock = require "clock"
local json = require "json"

t.case("forbidden names", function()
   for _, name in ipairs { "collectgarbage", "coroutine", "debug", "dofile", "io", "load", "loadfile",
      "loadstring", "module", "newproxy", "os", "package", "rawget", "rawset", "setfenv", "getfenv",
      "unpack", "warn" } do
      t.raises(function() return _G[name] end, "unknown global '" .. name .. "'")
   end
   t.equal(math.random, nil)
   t.equal(math.randomseed, nil)
   t.equal(string.dump, nil)
   t.equal(("").dump, nil)
end)

t.case("allowed names", function()
   local names = {}
   for name in pairs(_G) do names[#names + 1] = name end
   t.equal(table.concat(names, " "), "_G _VERSION assert error getmetatable harness ipairs math next "
      .. "pairs pcall print rawequal rawlen require select setmetatable string table tonumber tostring "
      .. "type utf8 xpcall")
   for name in ("abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min "
      .. "mininteger modf pi rad sin sqrt tan tointeger type ult"):gmatch "%a+" do
      t.ok(math[name], "math." .. name)
   end
   for name in ("concat insert move pack remove sort unpack"):gmatch "%a+" do
      t.ok(table[name], "table." .. name)
   end
   for name in ("byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack "
      .. "upper"):gmatch "%a+" do
      t.ok(string[name], "string." .. name)
      t.ok(("")[name] == string[name], name)
   end
   for name in ("char charpattern codepoint codes len offset"):gmatch "%a+" do
      t.ok(utf8[name], "utf8." .. name)
   end
end)

t.case("globals are read-only", function()
   local function assign() my_global = 1 end -- luacheck: ignore
   t.raises(assign, "the table of globals is read-only (writing 'my_global')")
   t.raises(function() _G.print = nil end, "read-only (writing 'print')")
   t.raises(function() _G[1] = 1 end, "read-only")
   t.raises(function() print = nil end, "read-only") -- luacheck: ignore
   t.raises(function() return undefined_name end, "unknown global 'undefined_name'") -- luacheck: ignore
   t.raises(function() return _G[7] end, "unknown global")
   t.raises(function() return _G[{}] end, "unknown global 'table'")
   t.raises(function() setmetatable(_G, nil) end, "protected metatable")
   t.equal(getmetatable(_G), "the table of globals")
   t.raises(function() table.insert(_G, 1) end, "read-only")
   t.raises(function() table.move({ 1 }, 1, 1, 1, _G) end, "read-only")
   t.raises(function() for name in pairs(_G) do _G[name] = nil end end, "read-only")
end)

t.case("what a module does not have is told with what it has", function()
   local llm, policy = require "llm", require "policy"
   t.raises(function() return llm.sream("sim/mini") end, -- luacheck: ignore
      "tests/lua/test_sandbox.lua:")
   t.raises(function() return llm.sream end, "module 'llm' has no 'sream' (it has: chat, ") -- luacheck: ignore
   t.raises(function() return policy[7] end, "module 'policy' has no 'number'")
   t.raises(function() return require("clock").nwo() end, "module 'clock' has no 'nwo'") -- of C
   t.equal(require("config").nothing, nil) -- data
end)

t.case("libraries and modules are read-only", function()
   t.raises(function() string.format = nil end, "string is read-only (writing 'format')")
   t.raises(function() table.x = 1 end, "table is read-only")
   t.raises(function() math.pi = 3 end, "math is read-only")
   t.raises(function() utf8.x = 3 end, "utf8 is read-only")
   for _, name in ipairs { "clock", "random", "task", "timer", "trace", "log", "json",
      "fs", "provider", "errors",
      "llm", "models", "judge", "consensus", "classify", "schema", "text", "policy", "policies", "config",
      "serve", "codec.openai" } do
      local module = require(name)
      t.raises(function() module.now = 1 end, "read-only")
      t.raises(function() setmetatable(module, {}) end, "protected metatable")
      t.equal(type(getmetatable(module)), "string")
      t.ok(require(name) == module, "one module: " .. name)
      local n = 0
      for key, value in pairs(module) do
         n = n + 1
         t.ok(module[key] == value, name)
      end
      t.ok(n > 0, name)
   end
end)

t.case("strings", function()
   t.equal(getmetatable(""), "string")
   t.raises(function() setmetatable("", {}) end, "table expected")
   t.raises(function() return ("x").y.z end, "attempt to index")
   t.raises(function()
      local s = "x" -- luacheck: ignore
      s.y = 1
   end, "attempt to index")
   t.equal(("x"):rep(3), "xxx")
   t.ok(("").format == string.format)
end)

t.case("setmetatable refuses finalizers", function()
   t.raises(function() setmetatable({}, { __gc = function() end }) end, "__gc is refused")
   t.raises(function() setmetatable({}, { __gc = true }) end, "__gc is refused")
   t.raises(function() setmetatable({}, { __gc = false }) end, "__gc is refused")
   local hidden = setmetatable({}, { __index = { __gc = function() end } })
   t.equal(getmetatable(setmetatable({}, hidden)), hidden)
   local ran = false
   local metatable = {}
   local object = setmetatable({}, metatable) -- luacheck: ignore
   metatable.__gc = function() ran = true end
   object = nil -- luacheck: ignore
   t.collect()
   t.equal(ran, false)
   t.raises(function() setmetatable(1, {}) end, "table expected")
   t.raises(function() setmetatable({}, 1) end, "nil or table expected")
   local locked = setmetatable({}, { __metatable = "mine" })
   t.raises(function() setmetatable(locked, {}) end, "protected")
   t.equal(getmetatable(locked), "mine")
   t.equal(getmetatable(setmetatable({}, nil)), nil)
end)

t.case("weak tables work", function()
   local weak = setmetatable({}, { __mode = "k" })
   weak[{}] = 1
   t.collect()
   t.equal(next(weak), nil)
end)

t.case("tostring shows no address", function()
   for _, value in ipairs { {}, print, function() end, json.null, require "clock", t.client(),
      setmetatable({}, {}) } do
      for _, text in ipairs { tostring(value), ("%s"):format(value) } do
         t.ok(not text:find("0x", 1, true), text)
         t.ok(not text:find("%x%x%x%x%x%x%x%x"), text)
      end
   end
   t.raises(function() return ("%p"):format({}) end, "")
   t.ok(tostring({}):find("^table: %d+$"), tostring({}))
   t.ok(tostring(print):find("^function: %d+$"))
   local a, b = {}, {}
   t.equal(tostring(a), tostring(a))
   t.ok(tostring(a) ~= tostring(b))
   t.equal(("%s|%%s|%5.1f|%-12s|%q"):format(a, 1, b, "x"),
      tostring(a) .. "|%s|  1.0|" .. tostring(b) .. (" "):rep(12 - #tostring(b)) .. '|"x"')
   t.raises(function() return ("%d"):format(a) end, "number expected, got table")
   t.raises(function() return ("%s %s"):format(a) end, "bad argument #3")
   t.raises(function() return ("%"):format(a) end, "invalid conversion")
   t.equal(("%s"):format(setmetatable({}, { __tostring = function() return "own" end })), "own")
   t.equal(("%.2s"):format "abc", "ab")
   t.equal(tostring(setmetatable({}, { __tostring = function() return "own" end })), "own")
   t.ok(not tostring(setmetatable({}, { __name = "Named" })):find("0x", 1, true))
   t.raises(function() tostring(setmetatable({}, { __tostring = function() return {} end })) end,
      "must return a string")
   t.raises(function() tostring() end, "value expected")
   t.equal(tostring(nil), "nil")
   t.equal(tostring(1.0), "1.0")
   t.equal(tostring(-0.0), "-0.0")
end)

t.case("errors show no address either", function()
   for _, f in ipairs { function() error({}) end, function() error(print) end,
      function() return {} < {} end, function() return {} .. "x" end, function() return #print end,
      function() ("x"):rep({}) end, function() return math.floor({}) end } do
      local _, err = pcall(f)
      t.ok(not tostring(err):find("0x", 1, true), tostring(err))
   end
end)

t.case("pairs: a stable order", function()
   local function order(table_)
      local keys = {}
      for key in pairs(table_) do keys[#keys + 1] = tostring(key) end
      return table.concat(keys, " ")
   end
   t.equal(order { z = 1, a = 2, 10, 20, [3.5] = 3, [-1] = 4, [true] = 5, [false] = 6, ["10"] = 7 },
      "-1 1 2 3.5 10 a z false true")
   local reversed = {}
   for i = 1000, 1, -1 do reversed["k" .. i % 10] = i end
   t.equal(order(reversed), "k0 k1 k2 k3 k4 k5 k6 k7 k8 k9")
   t.equal(order(json.decode '{"z":1,"a":{"y":1},"m":3}'), "z a m")
   local decoded = json.decode '{"z":1,"m":3}'
   decoded.b, decoded.a, decoded.z = 1, 2, nil
   t.equal(order(decoded), "m a b")
   t.equal(order {}, "")
   t.equal(order { [math.mininteger] = 1, [math.maxinteger] = 2, [0] = 3, [math.huge] = 4, [-math.huge] = 5 },
      "-inf -9223372036854775808 0 9223372036854775807 inf")
end)

t.case("pairs: changes on the way", function()
   local seen = {}
   local values = { a = 1, b = 2, c = 3 }
   for key, value in pairs(values) do
      seen[#seen + 1] = key .. value
      values.b = nil
      values.d = 4
   end
   t.equal(table.concat(seen, " "), "a1 c3")
   for key in pairs(values) do values[key] = nil end
   t.equal(next(values), nil)
   t.raises(function() pairs(nil) end, "table expected")
   t.raises(function() pairs() end, "value expected")
   local function once(_, key) return not key and 1 or nil end
   local object = setmetatable({}, { __pairs = function() return once end })
   for key in pairs(object) do t.equal(key, 1) end
end)

t.case("next", function()
   t.equal(next {}, nil)
   t.equal({ next { 7 } }, { 1, 7 })
   local values = { b = 2, a = 1 }
   t.equal({ next(values) }, { "a", 1 })
   t.equal({ next(values, "a") }, { "b", 2 })
   t.equal(next(values, "b"), nil)
   t.raises(function() next(values, "none") end, "invalid key")
   t.raises(function() next(1) end, "table expected")
   t.ok(next(math) ~= nil, "a read-only view is not empty")
   t.ok(next(require "clock") ~= nil, "a module is not empty")
end)

t.case("views are like the tables behind them", function()
   local config = require "config"
   t.equal(config.providers.sim.codec, "openai")
   t.equal(rawlen(math), 0)
   t.equal(#math, 0)
   local n = 0
   for _ in pairs(math) do n = n + 1 end
   t.ok(n > 20)
end)

t.case("require", function()
   t.raises(function() require "os" end, "module 'os' not found")
   t.raises(function() require "string" end, "module 'string' not found")
   t.raises(function() require "no.such.module" end, "there is no scripts/no.such.module.lua")
   t.raises(function() require "no.such.module" end, "not found")
   t.raises(function() require "../core/main" end, "not found")
   t.raises(function() require "/etc/passwd" end, "not found")
   t.raises(function() require "" end, "not found")
   t.raises(function() require "sim.init\0x" end, "not found")
   t.raises(function() require() end, "string expected")
   t.raises(function() require {} end, "string expected")
   t.ok(require "codec.openai" == require "codec.openai")
   t.ok(require "clock" == clock)
end)

t.case("cjson: an instance for each who asks", function()
   local a, b = require "cjson", require "cjson"
   t.ok(a ~= b)
   t.equal(a.decode('{"x":[1,2]}').x[2], 2)
   t.ok(a.null == json.null)
   a.encode_sparse_array(true)
   t.raises(function() a.decode_max_depth(100000) end, "at most 1000")
   t.raises(function() a.new().encode_max_depth(100000) end, "at most 1000")
   t.raises(function() a.decode(("["):rep(5000)) end, "")
end)

t.case("errors", function()
   local errors = require "errors"
   local err = errors.new { code = "timeout", message = "late", model = "x" }
   t.equal(tostring(err), "timeout: late")
   t.equal(err.retryable, true)
   t.equal(err.model, "x")
   t.equal(getmetatable(err), "err")
   t.equal(errors.new({ code = "timeout", retryable = false }).retryable, false)
   t.equal(tostring(errors.new { code = "internal" }), "internal: no message")
   t.raises(function() errors.new { code = "none" } end, "none of the known codes")
   t.raises(function() errors.new {} end, "none of the known codes")
   t.raises(function() errors.new { code = 7 } end, "none of the known codes")
   t.raises(function() errors.new "x" end, "table expected")
   local ok, caught = pcall(error, err)
   t.equal(ok, false)
   t.ok(caught == err, "the same value")
end)

t.case("pcall, xpcall, error, select, assert", function()
   t.equal({ pcall(function(...) return ... end, 1, nil, 3) }, { true, 1, nil, 3 })
   t.equal(select("#", pcall(function() return nil, nil end)), 3)
   t.raises(function() pcall() end, "value expected")
   t.equal({ pcall(1) }, { false, "attempt to call a number value" })
   t.equal({ pcall(error) }, { false, nil })
   t.equal({ pcall(error, nil) }, { false, nil })
   local ok, err = pcall(error, "x", 0)
   t.equal({ ok, err }, { false, "x" })
   t.raises(function() xpcall(print) end, "function expected")
   t.equal({ xpcall(error, function(e) return e .. "!" end, "x", 0) }, { false, "x!" })
   t.equal({ xpcall(function() return 1, 2, 3 end, print) }, { true, 1, 2, 3 })
   t.equal({ xpcall(error, function() return nil, 2 end) }, { false })
   t.raises(function() assert(false) end, "assertion failed")
   t.raises(function() assert(nil, "mine") end, "mine")
   t.equal({ assert(1, 2) }, { 1, 2 })
   t.raises(function() error("placed") end, "tests/lua/test_sandbox.lua:")
   t.raises(function() error({ code = "auth", message = "m" }) end, "table: ")
end)

t.case("print goes where the runtime wants it, without addresses", function()
   t.equal(select("#", print()), 0)
end)

t.case("clock and random come from the effect", function()
   local random = require "random"
   t.equal(clock.now(), 1784937600)
   t.equal(clock.monotonic(), 0)
   t.equal(clock.date(0), "1970-01-01T00:00:00.000Z")
   t.equal(clock.date(1.5), "1970-01-01T00:00:01.500Z")
   t.raises(function() clock.date(-1) end, "out of range")
   t.raises(function() clock.date(0 / 0) end, "out of range")
   for _ = 1, 100 do
      local n = random.number()
      t.ok(n >= 0 and n < 1)
      local i = random.integer(-2, 2)
      t.ok(i >= -2 and i <= 2)
   end
   t.equal(random.integer(5, 5), 5)
   t.ok(math.type(random.integer(math.mininteger, math.maxinteger)) == "integer")
   t.raises(function() random.integer(2, 1) end, "interval is empty")
   t.raises(function() random.integer(math.maxinteger, math.mininteger) end, "interval is empty")
   t.equal(#random.id(), 32)
   t.equal(#random.id(3), 6)
   t.raises(function() random.id(0) end, "out of range")
   t.raises(function() random.id(65) end, "out of range")
   t.ok(random.id():find("^%x+$"))
end)

t.case("trace and log take what JSON can hold", function()
   local trace, log = require "trace", require "log"
   trace.note { a = 1 }
   trace.decide { model = "x", reason = "y" }
   t.raises(function() trace.note(print) end, "trace.note")
   t.raises(function() trace.note() end, "value expected")
   t.raises(function() trace.decide "x" end, "table expected")
   trace.note(("x"):rep(100000)) -- too large: dropped
   trace.note "still"
   t.ok(trace.id():find "^trace")
   log.warn("text", { a = 1 })
   t.raises(function() log.warn("text", { a = print }) end, "cannot be written")
   t.raises(function() log.warn(("x"):rep(3000)) end, "longer than 2000")
   t.raises(function() log.warn("x", { x = ("x"):rep(30000) }) end, "cannot be written")
   log.debug("x", { x = print }) -- below the level: not even looked at
end)

t.case("files: only where it is allowed", function()
   local fs = require "fs"
   local text, err = fs.read "tests/lua/test_sandbox.lua"
   t.equal(err, nil)
   t.ok(text:find "test_sandbox")
   for _, path in ipairs { "/etc/passwd", "../../etc/passwd", "/proc/self/environ", "", "/", ".",
      "tests/../../../etc/passwd", ("x"):rep(5000), "no/such", "tests/lua/" } do
      local got, why = fs.read(path)
      t.equal(got, nil)
      t.ok(why.code == "auth" or why.code == "not_found" or why.code == "bad_request", path .. tostring(why))
   end
   local ok, why = fs.write("tests/lua/new", "x")
   t.equal(ok, nil)
   t.equal(why.code, "auth")
end)

-- ---- tables of the library ----

t.case("writable: a copy as deep as it goes, of views, too", function()
   local writable, readonly = require "writable", require "readonly"
   local inner = { 1, 2, { deep = true } }
   local view = readonly({ list = inner, name = "x", 7 }, "the test's")
   local own = writable(view)
   own.list[3].deep, own.name, own[2] = false, "y", 8
   t.equal({ view.list[3].deep, view.name, view[2] }, { true, "x", nil })
   t.equal(own, { 7, 8, list = { 1, 2, { deep = false } }, name = "y" })
   t.equal(getmetatable(writable(json.array { 1 })), nil)
   t.equal({ writable(5), writable("s"), writable(nil) }, { 5, "s" })
   local holes = {} -- its length is said to be a billion
   for i = 0, 30 do holes[1 << i] = i end
   t.equal(writable(holes), holes)
   local round = {}
   round.round = round
   t.raises(function() writable(round) end, "more than 100 deep")
end)

t.case("a view says what it is when it is written to, and its length and order are the table's", function()
   local readonly = require "readonly"
   local view = readonly({ "a", "b", z = 1, y = { 3 } }, "the test's own")
   t.raises(function() view.new = 1 end, "the test's own is read-only (writing 'new')")
   t.raises(function() view.y[1] = 1 end, "the test's own is read-only")
   t.equal({ #view, #view.y }, { 2, 1 })
   local keys = {}
   for key in pairs(view) do keys[#keys + 1] = key end
   t.equal(keys, { 1, 2, "y", "z" })
   t.equal(getmetatable(view), "the test's own")
end)

t.case("fields.fit: no others, and of the types that are named", function()
   local fit, readonly = require("fields").fit, require "readonly"
   local kinds = { tier = "string", needs = "table", max_price = "number" }
   t.ok(fit({}, kinds) and fit({ tier = "x", max_price = 1.5 }, kinds) and fit({ tier = false }, kinds))
   t.ok(fit(readonly { tier = "x", needs = { "tools" } }, kinds))
   t.ok(not fit({ tier = 1 }, kinds) and not fit({ tiers = "x" }, kinds) and not fit({ "x" }, kinds))
   t.ok(not fit(readonly { other = false }, kinds))
   t.raises(function() fit("x", kinds) end, "table")
end)
