-- Scripts see the sandbox's short list of names (core/sandbox.c), nothing else.
std = {
   read_globals = {
      "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print", "require",
      "select", "setmetatable", "tonumber", "tostring", "type", "xpcall", "_VERSION",
      "math", "string", "table", "utf8", "arg",
   },
}
files["baton.lua"] = { read_globals = { "env" } }
files["examples/*.baton.lua"] = { read_globals = { "env" } }
-- The simulator is no policy: it runs in a plain state of its own (core/sim.c), and so do its tests.
files["scripts/sim"] = { std = "lua54" }
files["tests/lua/test_sim*.lua"] = { std = "lua54" }
files["tests/lua/simhelp.lua"] = { std = "lua54" }
max_line_length = 110
unused_args = false
