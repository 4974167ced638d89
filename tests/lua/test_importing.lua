-- test_importing: price lists of others, whatever is in them.
-- SPDX-License-Identifier: MIT
local t = require "test"
local importing = require "importing"
local json = require "json"

local function row(more)
   local all = { litellm_provider = "openai", mode = "chat", input_cost_per_token = 1e-6,
      output_cost_per_token = 2e-6 }
   for name, value in pairs(more or {}) do all[name] = value end
   return all
end

local function convert(data)
   return importing.convert(type(data) == "string" and data or json.encode(data), "2026-11-22")
end

t.case("prices per token become prices per million, without noise", function()
   local models = convert { m = row { input_cost_per_token = 1e-7, output_cost_per_token = 4.1e-7 } }
   t.equal(models["openai/m"].input, 0.1)
   t.equal(models["openai/m"].output, 0.41)
end)

t.case("several thresholds are a list", function()
   local models = convert { m = row { input_cost_per_token_above_256k_tokens = 3e-6,
      input_cost_per_token_above_32k_tokens = 2e-6, output_cost_per_token_above_32k_tokens = 4e-6 } }
   t.equal(models["openai/m"].above, { { tokens = 32000, input = 2, output = 4 },
      { tokens = 256000, input = 3 } })
end)

t.case("rows of any shape are left out or taken, never a fault of the script", function()
   local function unpriced(value) return value ~= 5 and value or nil end -- 5 USD a token is refused
   local odd = { json.null, true, 5, "x", json.array {}, json.object {}, { 1, 2 }, { a = json.null } }
   for _, value in ipairs(odd) do
      local models = convert { good = row(), bad = value, worse = row { mode = value },
         w = row { source = value },
         x = row { litellm_provider = value }, y = row { input_cost_per_token = unpriced(value) },
         z = row { max_input_tokens = value, deprecation_date = value, search_context_cost_per_query = value,
            supports_vision = value, output_vector_size = value } }
      t.equal(models["openai/good"].input, 1)
      t.ok(models["openai/z"])
      local list = { data = { { id = "a/b", pricing = { prompt = "0.000001", completion = "0.000002" } },
         { id = value, pricing = value }, value, { id = "a/c", pricing = { prompt = unpriced(value) } },
         { id = "a/d", architecture = value, top_provider = value, supported_parameters = value,
            context_length = value, pricing = { prompt = "0", completion = "0", request = value } },
      } }
      models = convert(list)
      t.equal(models["openrouter/a/b"].output, 2)
      t.ok(models["openrouter/a/d"] or type(value) == "table" or value == 5 or value == "x" or value == true)
      t.raises(function() convert(json.encode(value)) end, "neither")
      t.raises(function() convert { data = value } end, "neither")
      t.raises(function() convert { value } end, "neither")
   end
   t.raises(function() convert { row() } end, "neither")
   t.raises(function() convert '{"a":' end, "no JSON")
end)

t.case("names that would play with a terminal or with paths are left out", function()
   local models, left_out = convert { good = row(), ["bad\27[2J"] = row(), ["bad\n"] = row(), [" "] = row(),
      ["../../etc"] = row(), p = row { litellm_provider = "a/b" }, q = row { litellm_provider = "\27]0;x" },
      s = row { source = "javascript:\27[2J" } }
   t.equal(left_out, 6)
   t.equal(models["openai/s"].source, nil)
   t.ok(models["openai/good"])
end)

t.case("prices that cannot be are refused as a whole", function()
   t.raises(function() convert { a = row(), b = row { output_cost_per_token = -1e-9 } } end, "openai/b")
   t.raises(function() convert { a = row { input_cost_per_token = 3 } } end, "per token?")
   t.raises(function() convert { a = row { input_cost_per_request = -1 } } end, "negative")
   local data = { { id = "a/b", pricing = { prompt = "-0.1", completion = "0" } } }
   t.raises(function() convert { data = data } end, "negative")
   data[1].pricing.prompt = "1e999"
   t.raises(function() convert { data = data } end, "per token?")
end)
