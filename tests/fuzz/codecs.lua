-- codecs: what tests/fuzz/fuzz_codec.c and tests/unit/test_nonsense.c call with a number and a text: nothing that
-- a provider or a client sends makes a codec or a door raise, and what they write is JSON. A number from 1000 on
-- tries every place of the text's JSON lines with values that do not belong there.
-- SPDX-License-Identifier: MIT
local json = require "json"
local provider = require "provider"
local reply = require "reply"

local CODECS = { "openai", "openai_responses", "azure", "anthropic", "gemini", "ollama" }
local DOORS = { "openai", "completions", "responses", "anthropic", "gemini", "ollama" }
local META = { id = "0123456789abcdef", created = 1, model = "x/y", include_usage = true, head = { stream = true },
   hub = function() return { messages = json.array {} } end }

local choice, text = ... -- text: what is read now

local function is_json(written, who)
   if json.decode(written) == nil then error(who .. " wrote no JSON: " .. written:sub(1, 200)) end
end

local function lines(body)
   local all = {}
   for line in (body .. "\n"):gmatch "(.-)\n" do all[#all + 1] = line end
   return all
end

-- The events of a stream to every door.
local function encode_for_doors(events)
   for _, name in ipairs(DOORS) do
      local encoder = require("door." .. name).encoder(META)
      for _, event in ipairs(events) do
         if event.kind == "error" then return end
         encoder:event(event)
      end
      encoder:finish()
   end
end

local function answer_at_doors(view)
   local r = reply.new { view = view, usage = view.usage, name = "x/y" }
   for _, name in ipairs(DOORS) do is_json(require("door." .. name).answer(r, META), "door." .. name) end
   encode_for_doors(reply.events(r))
end

local modes = {
   function(codec) -- a whole answer
      local view = codec.decode(text)
      if view then answer_at_doors(view) end
   end,
   function(codec) -- a stream: each line is an event's data
      local decode, finish = codec.decoder()
      local events = {}
      for _, data in ipairs(lines(text)) do
         for _, event in ipairs(decode(data, "message")) do events[#events + 1] = event end
      end
      for _, event in ipairs(finish and finish() or {}) do events[#events + 1] = event end
      encode_for_doors(events)
   end,
   function(codec) -- an error
      local err = codec.error(400 + #text % 200, text, function() return text:sub(1, 20) end)
      if type(err.code) ~= "string" or type(err.message) ~= "string" then error "an error without a code" end
      codec.usage(json.decode(text), json.decode(text))
   end,
   function(codec) -- a client's request at every door, to this codec's provider
      local to = { model = "m", stream = #text % 2 == 0, facts = {}, provider = {} }
      if type(json.decode(text)) ~= "table" or json.is_array(json.decode(text)) then return end
      for _, name in ipairs(DOORS) do
         local door = require("door." .. name)
         local route = { model = "x", action = "generateContent", query = "", path = "/" }
         local head = door.head(text, route, provider.request(text))
         local hub = head and (door.decode and door.decode(text, head, route) or json.decode(text))
         if hub then
            local body = codec.encode(hub, to)
            if body then is_json(body, codec.name) end
         end
      end
   end,
}

local function run(number, input)
   text = input
   modes[number % #modes + 1](require("codec." .. CODECS[number // #modes % #CODECS + 1]))
end

-- ---- nonsense ----

local ODD = { json.null, 7, -1, 1e300, "", "x", true, false, json.array {}, json.object {}, json.array { json.null },
   json.array { json.array {} }, json.object { a = 1 }, json.object { type = "x", text = json.null } }

-- Calls f once for each value at each place below 'node', while the value stands there.
local function at_every_place(node, f)
   for key, value in pairs(node) do
      if type(value) == "table" and value ~= json.null then at_every_place(value, f) end
      for _, odd in ipairs(ODD) do
         node[key] = odd
         f()
      end
      node[key] = value
   end
end

local function nonsense(number)
   local documents = {}
   for _, line in ipairs(lines(text)) do documents[#documents + 1] = json.decode(line) end
   at_every_place(documents, function()
      local written = {}
      for position, document in ipairs(documents) do written[position] = json.encode(document) end
      run(number, table.concat(written, "\n"))
   end)
end

if choice >= 1000 then
   nonsense(choice - 1000)
else
   run(choice, text)
end
