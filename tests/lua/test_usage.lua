-- test_usage: what providers count, in one way of counting, and back.
-- SPDX-License-Identifier: MIT
local t = require "test"
local fs = require "fs"
local json = require "json"
local usage = require "usage"

-- Canonical usage of these counts; what is not named is 0.
local function counts(fields)
   local all = {}
   for name, value in pairs(usage.none) do all[name] = value end
   for name, value in pairs(fields) do all[name] = value end
   return all
end

t.case("openai: the cache is part of the input, reasoning of the output", function()
   local raw = { prompt_tokens = 1220, completion_tokens = 100, total_tokens = 1320,
      prompt_tokens_details = { cached_tokens = 3, cache_write_tokens = 1217, audio_tokens = 0 },
      completion_tokens_details = { reasoning_tokens = 90, audio_tokens = 5 } }
   local c = usage.from.openai(raw)
   t.equal(c, counts { input_tokens = 1220, cached_tokens = 3, cache_write_tokens = 1217,
      output_tokens = 100, reasoning_tokens = 90, audio_output_tokens = 5 })
   local back = usage.to.openai(c)
   t.equal(back.total_tokens, 1320)
   t.equal(back.prompt_tokens_details, { cached_tokens = 3, cache_write_tokens = 1217 })
   t.equal(back.completion_tokens_details, { reasoning_tokens = 90, audio_tokens = 5 })
end)

t.case("openai: null details, embeddings, only a total", function()
   local null = { prompt_tokens = 5, completion_tokens = 2, prompt_tokens_details = json.null,
      completion_tokens_details = json.null }
   t.equal(usage.from.openai(null), counts { input_tokens = 5, output_tokens = 2 })
   t.equal(usage.from.openai { prompt_tokens = 20, total_tokens = 20 }, counts { input_tokens = 20 })
   t.equal(usage.from.openai { total_tokens = 7 }, counts {})
end)

t.case("deepseek and moonshot say what was in the cache in their own way", function()
   local c = usage.from.openai { prompt_tokens = 496, completion_tokens = 31, total_tokens = 527,
      prompt_cache_hit_tokens = 384, prompt_cache_miss_tokens = 112 }
   t.equal(c, counts { input_tokens = 496, cached_tokens = 384, output_tokens = 31 })
   c = usage.from.openai { prompt_cache_hit_tokens = 384, prompt_cache_miss_tokens = 112,
      completion_tokens = 1 }
   t.equal(c, counts { input_tokens = 496, cached_tokens = 384, output_tokens = 1 })
   c = usage.from.openai { prompt_tokens = 20, completion_tokens = 30, total_tokens = 50, cached_tokens = 10,
      completion_tokens_details = { reasoning_tokens = 22 } }
   t.equal(c, counts { input_tokens = 20, cached_tokens = 10, output_tokens = 30, reasoning_tokens = 22 })
end)

t.case("xai: reasoning beside the completion, where the total says so", function()
   local c = usage.from.openai { prompt_tokens = 12, completion_tokens = 2, total_tokens = 334,
      prompt_tokens_details = { cached_tokens = 2 }, completion_tokens_details = { reasoning_tokens = 320 } }
   t.equal(c, counts { input_tokens = 12, cached_tokens = 2, output_tokens = 322, reasoning_tokens = 320 })
   t.equal(usage.to.openai(c).total_tokens, 334)
   c = usage.from.openai { prompt_tokens = 12, completion_tokens = 400, total_tokens = 732,
      completion_tokens_details = { reasoning_tokens = 320 } }
   t.equal(c.output_tokens, 720)
   c = usage.from.openai { prompt_tokens = 12, completion_tokens = 400, total_tokens = 412,
      completion_tokens_details = { reasoning_tokens = 320 } }
   t.equal(c.output_tokens, 400)
end)

t.case("responses", function()
   local raw = { input_tokens = 1606, input_tokens_details = { cached_tokens = 1235, cache_write_tokens = 7 },
      output_tokens = 292, output_tokens_details = { reasoning_tokens = 190 }, total_tokens = 1898,
      num_server_side_tools_used = 1 }
   local c = usage.from.responses(raw)
   t.equal(c, counts { input_tokens = 1606, cached_tokens = 1235, cache_write_tokens = 7,
      output_tokens = 292, reasoning_tokens = 190, requests = 1 })
   raw.num_server_side_tools_used = nil
   t.equal(usage.to.responses(c), raw)
end)

t.case("anthropic: the cache is beside the input", function()
   local raw = { input_tokens = 4, cache_creation_input_tokens = 3522, cache_read_input_tokens = 1150,
      cache_creation = { ephemeral_5m_input_tokens = 3000, ephemeral_1h_input_tokens = 522 },
      output_tokens = 113, output_tokens_details = { thinking_tokens = 13 },
      server_tool_use = { web_search_requests = 2, web_fetch_requests = 0 } }
   local c = usage.from.anthropic(raw)
   t.equal(c, counts { input_tokens = 4676, cached_tokens = 1150, cache_write_tokens = 3522,
      cache_write_1h_tokens = 522, output_tokens = 113, reasoning_tokens = 13, requests = 2 })
   t.equal(usage.to.anthropic(c), raw)
   t.equal(usage.to.openai(c).total_tokens, 4789)
end)

t.case("anthropic: message_start and message_delta are running totals, never a sum", function()
   local start = { input_tokens = 598, output_tokens = 8, cache_read_input_tokens = 100,
      cache_creation = { ephemeral_5m_input_tokens = 0, ephemeral_1h_input_tokens = 50 } }
   t.equal(usage.from.anthropic(start, { output_tokens = 92 }), counts { input_tokens = 748,
      cached_tokens = 100, cache_write_tokens = 50, cache_write_1h_tokens = 50, output_tokens = 92 })
   local delta = { input_tokens = 9447, output_tokens = 114, server_tool_use = { web_search_requests = 1 } }
   local c = usage.from.anthropic({ input_tokens = 2263, output_tokens = 8 }, delta)
   t.equal(c, counts { input_tokens = 9447, output_tokens = 114, requests = 1 })
   t.equal(usage.from.anthropic(nil, { output_tokens = 3 }), counts { output_tokens = 3 })
   t.equal(usage.from.anthropic(start, json.null).output_tokens, 8)
   t.equal(usage.from.anthropic(json.null, nil), nil)
end)

t.case("gemini: thoughts are beside the candidates, tools' prompts beside the prompt", function()
   local raw = { promptTokenCount = 210, cachedContentTokenCount = 100, candidatesTokenCount = 192,
      totalTokenCount = 965, toolUsePromptTokenCount = 371, thoughtsTokenCount = 192,
      promptTokensDetails = { { modality = "TEXT", tokenCount = 20 },
         { modality = "AUDIO", tokenCount = 190 } } }
   local c = usage.from.gemini(raw)
   t.equal(c, counts { input_tokens = 581, cached_tokens = 100, output_tokens = 384,
      reasoning_tokens = 192, audio_input_tokens = 190 })
   local back = usage.to.gemini(c)
   t.equal({ back.promptTokenCount, back.candidatesTokenCount, back.thoughtsTokenCount }, { 581, 192, 192 })
   t.equal(back.totalTokenCount, 965)
   t.equal(back.promptTokensDetails[2], { modality = "AUDIO", tokenCount = 190 })
   t.equal(usage.from.gemini { trafficType = "ON_DEMAND" }, nil)
   t.equal(usage.from.gemini { candidatesTokenCount = 18, thoughtsTokenCount = 58 }.output_tokens, 76)
end)

t.case("ollama: the prompt's count may be missing", function()
   t.equal(usage.from.ollama { prompt_eval_count = 26, eval_count = 298, done = true },
      counts { input_tokens = 26, output_tokens = 298 })
   t.equal(usage.from.ollama { eval_count = 38 }, counts { output_tokens = 38 })
   t.equal(usage.from.ollama { done = true }, nil)
   t.equal(usage.to.ollama { input_tokens = 26, output_tokens = 298 },
      { prompt_eval_count = 26, eval_count = 298 })
end)

t.case("absurd numbers count nothing, and parts never exceed their whole", function()
   local function nothing_but_output(c)
      t.equal(c, counts { output_tokens = 2 })
   end
   for _, value in ipairs { -1, 1e13, 0 / 0, 1 / 0, "12", true, json.null, {} } do
      nothing_but_output(usage.from.openai { prompt_tokens = value, completion_tokens = 2 })
      nothing_but_output(usage.from.anthropic { input_tokens = value, output_tokens = 2 })
      t.equal(usage.from.gemini { promptTokenCount = value, totalTokenCount = 0 }, counts {})
      nothing_but_output(usage.from.ollama { prompt_eval_count = value, eval_count = 2 })
      t.equal(usage.from.openai { prompt_tokens = 1, prompt_tokens_details = value },
         counts { input_tokens = 1 })
      t.equal(usage.from.gemini { promptTokenCount = 1, promptTokensDetails = { value } },
         counts { input_tokens = 1 })
   end
   local c = usage.from.openai { prompt_tokens = 10, prompt_tokens_details = { cached_tokens = 990 } }
   t.equal(c, counts { input_tokens = 990, cached_tokens = 990 })
   c = usage.from.openai { prompt_tokens = 2.7, completion_tokens = 1,
      prompt_tokens_details = { audio_tokens = 9 } }
   t.equal(c, counts { input_tokens = 2, output_tokens = 1, audio_input_tokens = 2 })
   t.equal(math.type(c.input_tokens), "integer")
end)

t.case("nothing is nothing, for every provider and door", function()
   for name, from in pairs(usage.from) do
      for _, value in ipairs { false, json.null, "usage", 5, {}, json.array {}, { usage = {} } } do
         t.equal({ name, from(value) }, { name })
      end
   end
   for _, to in pairs(usage.to) do
      t.equal(to(nil), nil)
      t.equal(to(false), nil)
      t.ok(next(to {}))
      t.ok(next(to(usage.none)))
   end
end)

t.case("what a door shows is read back as it was", function()
   local c = counts { input_tokens = 1000, cached_tokens = 300, output_tokens = 200, reasoning_tokens = 50 }
   for _, name in ipairs { "openai", "responses", "anthropic", "gemini" } do
      t.equal({ name, usage.from[name](usage.to[name](c)) }, { name, c })
   end
end)

-- ---- recordings ----

local ROOT = t.vectors and t.vectors .. "/provider-fixtures/"

local FORMAT = { messages = "anthropic", chat = "openai", completions = "openai", embeddings = "openai",
   responses = "responses", generate = "gemini", stream_generate = "gemini", api_chat = "ollama",
   api_generate = "ollama" }

-- The JSON values of an answer, in order.
local function values(entry)
   local text = assert(fs.read(ROOT .. entry.response))
   local list = {}
   if entry.transport == "json" then return { (json.decode(text)) } end
   for line in text:gmatch "[^\r\n]+" do
      local data = line
      if entry.transport == "sse" then data = line:match "^data: ?(.*)" end
      list[#list + 1] = data and json.decode(data) or nil
   end
   return list
end

local function member(value, name)
   local found = type(value) == "table" and value[name]
   return type(found) == "table" and found or nil
end

-- The usage object(s) of a recorded answer, as a codec is given them: a, b.
local function raw_usage(entry, format)
   local a, b
   for _, value in ipairs(values(entry)) do
      local event = value[1] or value -- Gemini's array
      if format == "anthropic" then
         a = member(event.message, "usage") or a
         b = member(event, "usage") or b
      elseif format == "gemini" then
         a = member(event, "usageMetadata") or a
      elseif format == "ollama" then
         a = event.done and event or a
      else
         a = member(event, "usage") or member(event.response, "usage") or member(event.x_groq, "usage") or a
      end
   end
   return a, b
end

local function expected_usage(entry)
   local text = fs.read(ROOT .. entry.id .. ".expected.json")
   local expected = text and json.decode(text)
   return expected and (member(expected, "usage") or member(expected.final, "usage"))
end

-- What the vendor's own client reports must be what we would show to it.
local function check_against(id, shown, expected)
   local checked = 0
   for name, value in pairs(shown) do
      if type(value) == "number" and type(expected[name]) == "number" then
         t.equal({ id, name, value }, { id, name, expected[name] })
         checked = checked + 1
      end
   end
   t.ok(checked > 0, id)
end

t.case("recorded usages, as the vendors' own clients report them", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local checked, with_expected = 0, 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index.json")))) do
      local format = entry.status == 200 and FORMAT[entry.endpoint]
      local a, b = nil, nil
      if format then a, b = raw_usage(entry, format) end
      if a or b then
         local c = usage.from[format](a, b)
         t.ok(c, entry.id)
         local expected = expected_usage(entry)
         check_against(entry.id, usage.to[format](c), expected or b or a)
         checked = checked + 1
         with_expected = with_expected + (expected and 1 or 0)
      end
   end
   t.ok(checked >= 120, "usages: " .. checked)
   t.ok(with_expected >= 50, "with what the client reported: " .. with_expected)
end)

-- ---- verbatim files of others ----

-- Every usage object in these values, with the way of counting that its names tell.
local function collect(value, found)
   if type(value) ~= "table" then return end
   for name, inner in pairs(value) do
      local is_usage = name == "usage" or name == "usageMetadata"
      if is_usage and type(inner) == "table" and not inner.billed_units then
         local format = name == "usageMetadata" and "gemini"
            or (inner.total_tokens and (inner.prompt_tokens and "openai" or "responses")) or "anthropic"
         found[#found + 1] = { format = format, object = inner }
      end
      collect(inner, found)
   end
end

-- The same sums, whichever way they are split.
local SUMS = {
   openai = { "prompt_tokens", "total_tokens" },
   responses = { "input_tokens", "output_tokens", "total_tokens" },
   anthropic = { "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens" },
   gemini = { "totalTokenCount" },
}

local function check_sums(file, format, object)
   local c = usage.from[format](object)
   if not c then
      t.ok(object.totalTokenCount == nil and object.total_tokens == nil, file)
      return 0
   end
   local shown = usage.to[format](c)
   for _, name in ipairs(SUMS[format]) do
      if type(object[name]) == "number" then
         t.equal({ file, name, shown[name] }, { file, name, object[name] })
      end
   end
   return 1
end

t.case("usages of other projects' fixtures: the sums are the provider's", function()
   if not t.vectors then return t.skip "no VECTORS" end
   local checked = 0
   for _, entry in ipairs(json.decode(assert(fs.read(ROOT .. "index-verbatim.json")))) do
      local text, found = fs.read(ROOT .. entry.file) or "", {}
      local whole = json.decode(text)
      collect(whole, found)
      for line in (whole and "" or text):gmatch "[^\r\n]+" do
         collect(json.decode((line:gsub("^data: ?", ""))), found)
      end
      for _, one in ipairs(found) do checked = checked + check_sums(entry.file, one.format, one.object) end
   end
   t.ok(checked >= 200, "usages: " .. checked)
end)
