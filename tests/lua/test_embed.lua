-- test_embed: texts as vectors: what is sent, what is read, what makes no sense.
-- SPDX-License-Identifier: MIT
local t = require "test"
local base64 = require "base64"
local fs = require "fs"
local json = require "json"
local llm = require "llm"
local trace = require "trace"

local function item(index, vector)
   return { object = "embedding", index = index, embedding = vector }
end

local function answer(items, usage)
   t.reply(200, { object = "list", data = json.array(items), model = "m", usage = usage })
end

local USED = { prompt_tokens = 1000, total_tokens = 1000 }

t.case("one text", function()
   answer({ item(0, base64.of_floats { 0.5, -2 }) }, USED)
   local got, err = llm.embed("sim/mini", "hello")
   t.equal(err, nil)
   t.equal(got.vectors, { { 0.5, -2 } })
   t.equal(got.usage.input_tokens, 1000)
   t.equal(got.usage.output_tokens, 0)
   t.equal(got.cost, 0.001)
   t.equal({ got.model, got.provider, got.name, got.label }, { "mini", "sim", "sim/mini", false })
   local sent = t.requests()[1]
   t.equal(sent.url, "http://sim.test/v1/embeddings")
   t.equal(sent.body, [[{"encoding_format":"base64","input":["hello"],"model":"mini"}]]) -- and no null
   t.equal(trace.total().attempts, 1)
   t.equal(trace.total().input_tokens, 1000)
end)

t.case("several, in their order, as numbers", function()
   answer({ item(1, { 3, 4 }), item(0, { 1, 2 }) })
   local got = llm.embed("cheap", { "a", "b" }, { dimensions = 2, label = "x", timeout = 3 })
   t.equal(got.vectors, { { 1, 2 }, { 3, 4 } })
   t.equal(got.usage.input_tokens, 0)
   t.equal(got.cost, 0)
   t.equal(got.label, "x")
   t.equal(t.sent(1).dimensions, 2)
   t.equal(t.requests()[1].total, 3)
end)

t.case("longer lists go in several calls", function()
   local inputs, first, second = {}, {}, {}
   for i = 1, 2050 do inputs[i] = "t" .. i end
   for i = 1, 2048 do first[i] = item(i - 1, { i }) end
   for i = 1, 2 do second[i] = item(i - 1, { 2048 + i }) end
   answer(first, USED)
   answer(second, USED)
   local got = llm.embed("sim/mini", inputs)
   t.equal(#got.vectors, 2050)
   t.equal(got.vectors[2050], { 2050 })
   t.equal(got.usage.input_tokens, 2000)
   t.equal(got.cost, 0.002)
   t.equal(#t.sent(1).input, 2048)
   t.equal(t.sent(2).input, { "t2049", "t2050" })
end)

t.case("answers that make no sense", function()
   local function refused(words)
      local got, err = llm.embed("sim/mini", { "a", "b" })
      t.equal(got, nil)
      t.equal(err.code, "bad_response")
      t.equal(err.provider, "sim")
      t.ok(err.message:find(words, 1, true), err.message)
      t.forget()
   end
   answer { item(0, { 1 }) }
   refused "1 embeddings came for 2 inputs"
   answer { item(0, { 1 }), item(0, { 1 }) }
   refused "not numbered"
   answer { item(0, { 1 }), item(7, { 1 }) }
   refused "not numbered"
   answer { item(0, { 1 }), item(1, "not base64") }
   refused "no vector"
   answer { item(0, { 1 }), item(1, { "x" }) }
   refused "no vector"
   answer { item(0, { 1 }), item(1, {}) }
   refused "no vector"
   answer { item(0, { 1 }), item(1, json.null) }
   refused "no vector"
   answer {}
   refused "no embeddings"
   t.reply(200, "[]")
   refused "no embeddings"
   t.reply(200, "<html>")
   refused ""
end)

t.case("errors of providers, again", function()
   t.reply(500, { error = { message = "no" } })
   answer({ item(0, { 1 }) }, USED)
   t.equal(llm.embed("sim/mini", "a", { retries = 1 }).vectors, { { 1 } })
   t.reply(429, { error = { message = "slow" } }, "retry-after: 60\r\n")
   local got, err = llm.embed("sim/mini", "a")
   t.equal(got, nil)
   t.equal({ err.code, err.retry_after }, { "rate_limited", 60 })
   t.forget()
   got, err = llm.embed("nobody/here", "a")
   t.equal(got, nil)
   t.equal(err.code, "not_found")
end)

t.case("wrong use", function()
   local function raises(words, ...)
      local arguments = table.pack(...)
      t.raises(function() llm.embed(table.unpack(arguments, 1, arguments.n)) end, words)
   end
   raises("must be a string or a list", "sim/mini", 7)
   raises("input 2 is a number", "sim/mini", { "a", 2 })
   raises("is empty", "sim/mini", {})
   raises("unknown option 'dim'", "sim/mini", "a", { dim = 2 })
   raises("out of range", "sim/mini", "a", { dimensions = "2" })
   raises("must be a table", "sim/mini", "a", "b")
   for _, dimensions in ipairs { 0, -1, 1.5, 1e300 } do
      local got, err = llm.embed("sim/mini", "a", { dimensions = dimensions })
      t.equal(got, nil)
      t.equal({ err.code, err.param }, { "bad_request", "dimensions" })
   end
end)

-- ---- the wire ----

local function fixture(name)
   if not t.vectors then return t.skip "no vectors" end
   return assert(fs.read(t.vectors .. "/provider-fixtures/" .. name .. ".response.json"))
end

t.case("Gemini", function()
   local embed = require("codec.gemini").embed
   t.equal(embed.path "gemini-embedding-001", "/models/gemini-embedding-001:batchEmbedContents")
   t.equal(json.decode(embed.encode("g", { "a", "b" }, { dimensions = 3 })), { requests = {
      { model = "models/g", content = { parts = { { text = "a" } } }, outputDimensionality = 3 },
      { model = "models/g", content = { parts = { { text = "b" } } }, outputDimensionality = 3 },
   } })
   t.equal(embed.encode("g", { "a" }),
      [[{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/g"}]}]])
   t.equal(embed.decode('{"embeddings":[{"values":[1,2]},{"values":[3]}]}').vectors, { { 1, 2 }, { 3 } })
   local text = fixture "gemini/embed-plain-1"
   if text then t.equal(#embed.decode(text).vectors[1], 768) end
end)

t.case("Ollama", function()
   local embed = require("codec.ollama").embed
   t.equal(embed.encode("m", { "a" }, { dimensions = 3 }),
      [[{"dimensions":3,"input":["a"],"model":"m"}]])
   local got = embed.decode '{"embeddings":[[1,2]],"prompt_eval_count":5}'
   t.equal(got.vectors, { { 1, 2 } })
   t.equal(got.usage.input_tokens, 5)
end)

t.case("nothing raises on any JSON", function()
   local bodies = { "null", "1", '"x"', "[]", "{}", '{"data":1}', '{"data":[1]}', '{"data":[null]}',
      '{"embeddings":{}}', '{"embeddings":[null]}', '{"embeddings":[{"values":null}]}',
      '{"embeddings":["x"]}', "", "<html>",
      '{"data":[{"index":"0","embedding":[1]},{"index":1e99,"embedding":[1]}]}' }
   for _, name in ipairs { "openai", "gemini", "ollama" } do
      local embed = require("codec." .. name).embed
      for _, body in ipairs(bodies) do
         local got, err = embed.decode(body)
         t.ok(got or err.code == "bad_response", name .. " " .. body)
      end
   end
end)

-- ---- the door ----

local provider = require "provider"
local door = require "door.embeddings"

local function ask(body)
   local client, told = t.client()
   door.page(client, provider.request(type(body) == "string" and body or json.encode(body)))
   return told()
end

t.case("a client of the same format: bytes", function()
   local body = '{"object":"list", "data":[ {"index":0,"embedding":[0.1]} ],"usage":{"prompt_tokens":1000}}'
   t.reply(200, body)
   local got = ask '{ "model":"cheap", "input":[[1,2],[3]], "dimensions":null, "x":1.0 }'
   t.equal(got.status, 200)
   t.equal(got.body, body)
   t.equal(t.requests()[1].body, '{ "model":"mini", "input":[[1,2],[3]], "x":1.0 }')
   t.equal(trace.total().cost_usd, 0.001)
end)

t.case("base64 for a client whose provider does not know it", function()
   answer({ item(0, { 0.5, 1 }) }, USED)
   local got = ask { model = "sim/mini", input = "a", encoding_format = "base64" }
   local said = json.decode(got.body)
   t.equal(base64.floats(said.data[1].embedding), { 0.5, 1 })
   t.equal(said.model, "m")
   t.equal(said.usage, USED)
end)

t.case("what a client says wrong", function()
   local function wrong(body, words)
      local got = ask(body)
      t.equal(got.code, "bad_request")
      t.ok(got.failure:find(words, 1, true), got.failure)
   end
   wrong({ input = "a" }, "must provide a model")
   wrong({ model = 7, input = "a" }, "must provide a model")
   wrong({ model = "cheap" }, "'input'")
   wrong({ model = "cheap", input = json.array {} }, "not empty")
   wrong({ model = "cheap", input = { "a", 1 } }, "only")
   wrong({ model = "cheap", input = { { "a" } } }, "only")
   wrong({ model = "cheap", input = { -1 } }, "only")
   wrong({ model = "cheap", input = "a", encoding_format = "hex" }, "encoding_format")
   wrong({ model = "cheap", input = "a", dimensions = 0 }, "dimensions")
   wrong({ model = "cheap", input = "a", dimensions = "3" }, "dimensions")
   wrong({ model = "auto", input = "a" }, "is a policy")
   wrong({ model = "cascade", input = "a" }, "is a policy")
   t.equal(ask({ model = "no/such", input = "a" }).code, "not_found")
   t.equal(#t.requests(), 0)
end)

t.case("what a provider answers wrong", function()
   t.reply(200, '{"object":"list"}')
   t.equal(ask({ model = "cheap", input = "a" }).code, "bad_response")
   t.forget()
   t.reply(200, '{"error":{"message":"too long","code":"context_length_exceeded"}}')
   t.equal(ask({ model = "cheap", input = "a" }).code, "context_length")
   t.reply(404, '{"error":{"message":"no such model","code":"model_not_found"}}')
   t.equal(ask({ model = "cheap", input = "a" }).code, "not_found")
end)
