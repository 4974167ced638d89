-- test_hub: what doors and codecs share.
-- SPDX-License-Identifier: MIT
local t = require "test"
local hub = require "hub"
local json = require "json"

t.case("values from outside", function()
   t.equal(hub.member(nil, "a"), nil)
   t.equal(hub.member("text", "len"), nil)
   t.equal(hub.member({ a = json.null }, "a"), nil)
   t.equal(hub.member({ a = false }, "a"), false)
   t.equal(hub.full "", nil)
   t.equal(hub.list(json.null), {})
   t.equal(hub.has(json.null), false)
   t.equal(hub.has(false), true)
end)

t.case("warnings", function()
   local warn, list = hub.warnings()
   hub.leftovers({ model = "m", seed = 1, n = json.null, store = false, presence_penalty = 0 },
      { model = true }, warn)
   warn "dropped: seed"
   t.equal(list, { "dropped: seed" })
end)

t.case("what only one format knows", function()
   local req = { messages = { { role = "user", content = {
      { type = "text", text = "a", native = { format = "x", block = {} } },
      { type = "odd", native = { format = "x", block = {} } } } }, { role = "user", content = "b" } },
      tools = { { type = "function", native = { format = "x" } } },
      native = { format = "x", container = "c", _thinking = {} } }
   local warn, list = hub.warnings()
   t.equal(hub.common(req, "y", warn), { tools = { { type = "function" } }, messages = {
      { role = "user", content = { { type = "text", text = "a" } } }, { role = "user", content = "b" } } })
   t.equal(list, { "dropped: container", "dropped: odd" })
   t.equal(hub.common(req, "x", warn), req)
   t.equal(#list, 2)
   t.equal(hub.native(req, "x").container, "c")
   t.equal(hub.native(req, "y"), nil)
end)

t.case("parts", function()
   t.equal(hub.parts "", {})
   t.equal(hub.parts(json.null), {})
   t.equal(hub.parts "a", { { type = "text", text = "a" } })
   t.equal(hub.parts { "a", 7, { type = "x" } }, { { type = "text", text = "a" }, { type = "x" } })
   t.equal(hub.plain({ { text = "a" }, { text = 7 }, { text = "b" } }, "-"), "a-b")
   t.equal(hub.content {}, nil)
   t.equal(hub.content { { type = "text", text = "a" } }, "a")
   local cached = { { type = "text", text = "a", cache_control = { type = "ephemeral" } } }
   t.equal(hub.content(cached), cached)
end)

t.case("system and developer messages", function()
   local cache = { type = "ephemeral" }
   local parts, rest = hub.system {
      { role = "system", content = { { type = "text", text = "a" }, { type = "text", text = "b" } },
         cache_control = cache },
      { role = "user", content = "u" }, { role = "developer", content = "c" },
      { role = "system", content = "" },
      7, json.null,
   }
   t.equal(parts, { { type = "text", text = "a" }, { type = "text", text = "b", cache_control = cache },
      { type = "text", text = "c" } })
   t.equal(rest, { { role = "user", content = "u" } })
end)

t.case("merge", function()
   t.equal(hub.merge({
      { role = "user", content = { 1 } }, { role = "user", content = { 2, 3 } },
      { role = "assistant", content = {} }, { role = "user", content = { 4 } },
      { role = "assistant", content = { 5 } },
   }, "content"), { { role = "user", content = { 1, 2, 3, 4 } }, { role = "assistant", content = { 5 } } })
end)

t.case("data URLs", function()
   local function split(url)
      return { hub.split_data_url(url) }
   end
   t.equal(split "data:image/PNG;base64,AA==", { "image/png", "AA==" })
   t.equal(split "DATA:;BASE64,AA==", { "text/plain", "AA==" })
   t.equal(split "data:text/html;charset=utf-8,a%2Cb", { "text/html", "YSxi" })
   t.equal(split "data:,", { "text/plain", "" })
   t.equal(split "https://a.b/c,d", {})
   t.equal(split "data:image/png", {})
   t.equal(split(nil), {})
   t.equal(hub.data_url("a/b", "AA=="), "data:a/b;base64,AA==")
end)

t.case("ids", function()
   t.equal(hub.clean_id "toolu_01-A", "toolu_01-A")
   local odd = hub.clean_id "functions.f:0"
   t.ok(odd:find "^functions_f_0_%x%x%x%x%x%x%x%x$", odd)
   t.equal(hub.clean_id "functions.f:0", odd)
   t.ok(hub.clean_id "functions_f:0" ~= odd)
   t.equal(hub.clean_id(odd), odd)
   t.ok(hub.clean_id(("é"):rep(100)):find "^[%w_-]+$")
   t.equal(#hub.clean_id(("a"):rep(65)), 64)
   t.ok(hub.clean_id "" ~= "")
   t.equal(hub.mint_id("a", 0), hub.mint_id("a", 0))
   t.ok(hub.mint_id("a", 0) ~= hub.mint_id("b", 0))
end)

local function call(id, name)
   return { id = id, type = "function", ["function"] = { name = name, arguments = "{}" } }
end

t.case("ids for calls and results that have none", function()
   local messages = {
      { role = "assistant", tool_calls = { call(nil, "f"), call("x", "g"), call(json.null, "h") } },
      { role = "tool", name = "h", content = "of h" },
      { role = "tool", tool_call_id = "x", content = "of g" },
      { role = "tool", content = "of f" }, { role = "tool", content = "of nobody" },
   }
   local with = hub.with_ids(messages)
   local calls = with[1].tool_calls
   t.ok(calls[1].id ~= calls[3].id)
   t.equal(with[2].tool_call_id, calls[3].id)
   t.equal(with[3].tool_call_id, "x")
   t.equal(with[4].tool_call_id, calls[1].id)
   t.equal(with[5].tool_call_id, nil)
   t.equal(messages[1].tool_calls[1].id, nil)
   t.equal(hub.call_names(with), { [calls[1].id] = "f", x = "g", [calls[3].id] = "h" })
   t.equal(hub.with_ids { 7, json.null }, { 7, json.null })
end)

t.case("arguments", function()
   local function is(value, object, ok)
      local got, fine = hub.arguments(value)
      t.equal(json.encode(got), object)
      t.equal(fine, ok)
   end
   is(nil, "{}", true)
   is(json.null, "{}", true)
   is("", "{}", true)
   is(" \n", "{}", true)
   is("null", "{}", true)
   is('{"b":1,"a":[]}', '{"b":1,"a":[]}', true)
   is({ a = 1 }, '{"a":1}', true)
   is("{", '{"raw":"{"}', false)
   is("[1]", '{"raw":"[1]"}', false)
   is("7", '{"raw":"7"}', false)
   is(true, '{"raw":"true"}', false)
   t.equal(hub.arguments_text {}, "{}")
   t.equal(hub.arguments_text "", "{}")
   t.equal(hub.arguments_text(json.null), "{}")
   t.equal(hub.arguments_text(json.decode '{"b":1.0,"a":[]}'), '{"b":1.0,"a":[]}')
end)

t.case("stamps", function()
   local own = "anthropic-claude-v1"
   t.equal(hub.stamp({ signature = "s:1", format = own }, own), "s:1")
   local stamped = hub.stamp({ data = "d:1", format = "google-gemini-v1", id = "f:1%" }, own)
   t.equal({ hub.unstamp(stamped, own) }, { "google-gemini-v1", "d:1", "f:1%" })
   t.equal({ hub.unstamp("s:1", own) }, { own, "s:1" })
   t.equal({ hub.unstamp("baton:odd", own) }, { own, "baton:odd" })
   t.equal({ hub.unstamp(nil, own) }, { own, "" })
   t.equal({ hub.unstamp(hub.stamp({ text = "x" }, own), own) }, { "unknown", "" })
end)

t.case("own reasoning", function()
   local mine = { type = "reasoning.text", signature = "s", format = "a" }
   local own, foreign = hub.own_details({ reasoning_details = { mine, 7, json.null,
      { type = "reasoning.encrypted", data = "d", format = "b" },
      { type = "reasoning.text", text = "x", format = "unknown" } } }, "a")
   t.equal(own, { mine })
   t.equal(foreign, 1)
   t.equal({ hub.own_details({}, "a") }, { {}, 0 })
end)

t.case("how much to think", function()
   for _, effort in ipairs { "none", "minimal", "low", "medium", "high", "xhigh", "max" } do
      t.equal(hub.effort_of(hub.budget_of(effort)), effort)
   end
   t.equal(hub.effort_of(1e6), "max")
   t.equal(hub.effort_of(-1), "medium")
   t.equal(hub.budget_of "lots", nil)
   local function thinking(req)
      local effort, budget, on = hub.thinking(req)
      return { effort or "-", budget or "-", on == nil and "-" or on }
   end
   t.equal(thinking {}, { "-", "-", "-" })
   t.equal(thinking { reasoning_effort = "none" }, { "-", "-", false })
   t.equal(thinking { reasoning_effort = "low" }, { "low", "-", true })
   t.equal(thinking { reasoning = { max_tokens = 2000 } }, { "-", 2000, true })
   t.equal(thinking { reasoning = { max_tokens = 0 } }, { "-", "-", false })
   t.equal(thinking { reasoning = { enabled = true } }, { "-", "-", true })
   t.equal(thinking { reasoning = 7, reasoning_effort = 7 }, { "-", "-", "-" })
end)
