-- simhelp: checks, and requests to a simulator without a network, for tests/lua/test_sim_*.lua.
-- SPDX-License-Identifier: MIT
local json = require "json"
local sim = require "sim"

local help = { passed = 0, failed = 0 }

local function report(ok, text)
   if ok then
      help.passed = help.passed + 1
      return
   end
   help.failed = help.failed + 1
   local at = debug.getinfo(3, "Sl")
   io.stderr:write("FAIL ", at.short_src, ":", at.currentline, ": ", text, "\n")
end

function help.check(ok, what) report(ok, tostring(what)) end

function help.equal(got, want, what)
   report(got == want, ("%s got %s, want %s"):format(what or "", tostring(got), tostring(want)))
end

-- A simulator that answers at once.
function help.server(home, more)
   local options = { seed = 1, pace = 0, answers = home .. "/examples/workload.jsonl" }
   for k, v in pairs(more or {}) do options[k] = v end
   return sim.new(options)
end

-- The plan for a POST; the body a table or text.
function help.post(server, path, body, headers)
   local route, query = path:match("^([^?]*)%??(.*)$")
   return server:answer {
      method = "POST", path = route, query = query, headers = headers
         or { ["anthropic-version"] = "2023-06-01" },
      body = type(body) == "table" and json.encode(body) or body,
   }
end

function help.get(server, path, headers)
   return server:answer { method = "GET", path = path, query = "", headers = headers or {}, body = "" }
end

-- Everything that a plan sends.
function help.bytes(plan)
   if plan.body then return plan.body end
   local out = {}
   while plan.next do
      local wait, data = plan.next()
      if not wait then break end
      out[#out + 1] = data
   end
   return table.concat(out)
end

-- The events of an SSE stream: { event, data } with the data decoded where it is JSON.
function help.events(bytes)
   local list = {}
   for block in (bytes:gsub("\r\n", "\n")):gmatch("(.-)\n\n") do
      local data = block:match("data: (.*)$")
      if data then
         local value = json.decode(data)
         list[#list + 1] = { event = block:match("^event: ([^\n]+)"), data = value or data }
      end
   end
   return list
end

function help.lines(bytes)
   local list = {}
   for line in bytes:gmatch("[^\n]+") do list[#list + 1] = json.decode(line) or line end
   return list
end

function help.header(plan, name)
   for _, h in ipairs(plan.headers or {}) do
      if h[1] == name then return h[2] end
   end
end

return help
