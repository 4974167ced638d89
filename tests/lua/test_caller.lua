-- test_caller: hints and parameters from the caller: what a policy opens, what overrides it, what it sees.
-- SPDX-License-Identifier: MIT
local t = require "test"
local caller = require "caller"
local json = require "json"
local policy = require "policy"
local provider = require "provider"

local function define(open, params)
   return policy.define { name = "p", params = params or { threshold = 0.8, deep = false, tone = "dry",
      ladder = { "a", "b" }, tries = 2 }, open = open, run = function() end }
end

local function body(members)
   return provider.request(json.encode(members))
end

-- What the parameters are afterwards, the names that were set | nil, err.
local function override(definition, fields, members)
   local p = policy.params(definition)
   local names, err = caller.override(definition, p, fields, members and body(members))
   if err then return nil, err end
   return p, names
end

t.case("open: names, or limits by name", function()
   local open = define({ "threshold", deep = true, tries = { min = 1, max = 5, integer = true },
      domain = { one_of = { "law", "code" } }, budget = { max = 1 } }).open
   t.equal(open.threshold, { type = "number" })
   t.equal(open.deep, { type = "boolean" })
   t.equal(open.tries, { type = "number", min = 1, max = 5, integer = true })
   t.equal(open.domain, { type = "string", one_of = { "law", "code" } })
   t.equal(open.budget, { type = "number", max = 1 })
   t.equal(define(nil).open, nil)
end)

t.case("open: what is wrong with it", function()
   t.raises(function() define { threshold = { low = 1 } } end, "open.threshold: unknown field 'low'")
   t.raises(function() define { threshold = 7 } end, "open.threshold must be true or a table")
   t.raises(function() define { threshold = { min = "0" } } end, "open.threshold.min must be a number")
   t.raises(function() define { threshold = { type = "string" } } end, "but the default is a number")
   t.raises(function() define { x = { type = "function" } } end, "open.x.type must be")
   t.raises(function() define { "no name" } end, "a name has letters")
   t.raises(function() define { "Tone", "tone" } end, "header fields cannot tell it from")
   t.raises(function() define({ "f" }, { f = print }) end, "a function cannot be set from outside")
   t.raises(function() policy.define { name = "p", run = print, open = "threshold" } end, "field 'open'")
end)

t.case("override: header fields, of every type", function()
   local all = define { "threshold", "deep", "tone", "ladder", "tries", "max_price" }
   local p, names = override(all, { threshold = "0.25", deep = "true", tone = "warm, and kind",
      ladder = "x, y/z", tries = "3", ["max-price"] = "cheap" })
   t.equal({ p.threshold, p.deep, p.tone, p.ladder, p.tries, p.max_price },
      { 0.25, true, "warm, and kind", { "x", "y/z" }, 3, "cheap" })
   t.equal(names, { "deep", "ladder", "max_price", "threshold", "tone", "tries" })
   t.equal(override(all, { ladder = '["q"]' }).ladder, { "q" })
   t.equal(override(all, { MAX_PRICE = "1" }).max_price, "1")
   t.equal(select(2, override(all, {})), nil)
end)

t.case("override: a copy of the defaults, which stay", function()
   local all = define { "threshold" }
   t.equal(override(all, { threshold = "0" }).threshold, 0)
   t.equal(override(all, nil).threshold, 0.8)
end)

t.case("override: what does not fit is an error that names it", function()
   local all = define { threshold = { min = 0, max = 1 }, deep = true, tries = { integer = true, min = 1 },
      domain = { one_of = { "law", "code" } }, tone = { max_length = 4 }, "ladder" }
   local function refused(fields, message)
      local p, err = override(all, fields)
      t.equal(p, nil)
      t.equal(err.code, "bad_request")
      t.equal(err.message, message)
      t.equal(err.param, message:match "^[^:]+")
   end
   refused({ threshold = "1.5" }, "x-baton-param-threshold: must be a number from 0 to 1, not '1.5'")
   refused({ threshold = "high" }, "x-baton-param-threshold: must be a number from 0 to 1, not 'high'")
   refused({ threshold = "nan" }, "x-baton-param-threshold: must be a number from 0 to 1, not 'nan'")
   refused({ threshold = "0x1" }, "x-baton-param-threshold: must be a number from 0 to 1, not '0x1'")
   refused({ threshold = "" }, "x-baton-param-threshold: must be a number from 0 to 1, not ''")
   refused({ deep = "yes" }, "x-baton-param-deep: must be true or false, not 'yes'")
   refused({ tries = "1.5" }, "x-baton-param-tries: must be a whole number, at least 1, not '1.5'")
   refused({ domain = "art" }, "x-baton-param-domain: must be one of law, code, not 'art'")
   refused({ tone = "solemn" }, "x-baton-param-tone: must be a text of at most 4 bytes, not 'solemn'")
   refused({ ladder = "[1" }, "x-baton-param-ladder: must be a list (a,b,c) or JSON, not '[1'")
   local long = ("x"):rep(100)
   refused({ domain = long },
      "x-baton-param-domain: must be one of law, code, not '" .. long:sub(1, 56) .. "...'")
end)

t.case("override: closed and unknown parameters", function()
   local some = define { "threshold", "tone" }
   local _, err = override(some, { ladder = "x" })
   t.equal(err.message, "x-baton-param-ladder: policy 'p' does not let callers set this parameter "
      .. "(open to callers: threshold, tone)")
   local _, names = override(some, { customer = "court", tone = "warm" })
   t.equal(names, { "tone" }, "what is no parameter is a hint")
   _, err = override(define(nil), { threshold = "1" })
   t.ok(err.message:find("does not let callers", 1, true) and err.message:find("none", 1, true), err.message)
end)

t.case("override: limits of number and size", function()
   local fields = {}
   for i = 1, 33 do fields["p" .. i] = "1" end
   local open = {}
   for i = 1, 33 do open[i] = "p" .. i end
   local _, err = override(define(open), fields)
   t.ok(err.message:find "more than 32 parameters", err.message)
   _, err = override(define { "tone" }, { tone = ("x"):rep(1025) })
   t.ok(err.message:find "longer than 1024 bytes", err.message)
   _, err = override(define { "tone" }, { [("t"):rep(65)] = "1" })
   t.ok(err.message:find "longer than 64 bytes", err.message)
   _, err = override(define { "ladder" }, { ladder = ("a,"):rep(65) })
   t.ok(err and err.message:find "must be a list", "too long a list")
end)

t.case("override: metadata, of which only what is open counts", function()
   local all = define { "threshold", "tone", "deep" }
   local p, names = override(all, nil,
      { metadata = { threshold = "0.5", deep = true, ladder = "x", who = "me" } })
   t.equal({ p.threshold, p.deep, p.ladder }, { 0.5, true, { "a", "b" } })
   t.equal(names, { "deep", "threshold" })
   t.equal(override(all, { threshold = "0.1" }, { metadata = { threshold = "0.5" } }).threshold, 0.1)
   t.equal(override(all, nil, { labels = { tone = "warm" } }).tone, "warm")
   local _, err = override(all, nil, { metadata = { threshold = "high" } })
   t.equal(err.param, "metadata.threshold")
   for _, odd in ipairs { "text", json.array { 1 }, json.null, 7 } do
      t.equal(select(2, override(all, nil, { metadata = odd })), nil)
   end
   t.equal(override(all, nil, { metadata = { threshold = json.null } }).threshold, 0.8)
   _, err = override(all, nil, { metadata = { tone = { "x" } } })
   t.equal(err.message, "metadata.tone: must be a text, not a table")
end)

t.case("req.context: metadata and header fields, read-only", function()
   local native = body { messages = {},
      metadata = { domain = "law", urgent = true, n = 3, deep = { 1 }, long = ("x"):rep(5000) } }
   local req = provider.view(native, nil, { route = { params = { domain = "code", ["max-price"] = "2" } } })
   t.equal(req.context.domain, "code")
   t.equal(req.context.max_price, "2")
   t.equal({ req.context.urgent, req.context.n, req.context.deep, req.context.long }, { true, 3 })
   t.raises(function() req.context.domain = "x" end, "req.context")
   t.equal(req:with({ model = "m" }).context.domain, "code")
   t.equal(body({ messages = {} }).context.domain, nil)
   t.equal(provider.view('{"messages":[]}', body { metadata = { a = "b" } }, {}).context.a, "b")
   t.equal(req:json():find("max%-price"), nil) -- nothing of it goes to a provider
end)

t.case("req.context: at most 64 hints", function()
   local metadata, count = {}, 0
   for i = 1, 80 do metadata["k" .. i] = "v" end
   for _ in pairs(body({ metadata = metadata }).context) do count = count + 1 end
   t.equal(count, 64)
end)

t.case("shown: no secrets", function()
   t.equal(caller.shown { api_key = "k", n = 1, webhook_token = "t", tokens = 5 },
      { api_key = "[hidden]", n = 1, webhook_token = "[hidden]", tokens = 5 })
end)
