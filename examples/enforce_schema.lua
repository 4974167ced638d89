-- enforce_schema: an answer that must have a form: asked for, checked, corrected, or refused with reasons.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/enforce_schema.lua
--
-- llm.chat with a schema gives a value that fits it, or an err with every reason. Models with structured
-- output are told the schema in their provider's words, others in the prompt; all are checked. A model that
-- gets it wrong is shown what is wrong, then the next tier is asked.
local json = require "json"
local llm = require "llm"
local schema = require "schema"

local ORDER = [[
Please send 3 boxes of nails (article NL-100) and a hammer (HM-7) to Ada Lovelace, 12 St James's Square,
London. It is urgent.]]

local order = {
   title = "order",
   type = "object",
   required = { "customer", "city", "items", "urgent" },
   additionalProperties = false,
   properties = {
      customer = { type = "string", minLength = 1 },
      city = { type = "string" },
      urgent = { type = "boolean" },
      items = { type = "array", minItems = 1, items = {
         type = "object", required = { "article", "quantity" }, additionalProperties = false,
         properties = {
            article = { type = "string" },
            quantity = { type = "integer", minimum = 1 },
         },
      } },
   },
}

local function show(title, text)
   print(("%-10s %s"):format(title, text))
end

-- 1. Ask, and get a value that fits.
local reply, value = llm.chat({ tier = "fast" }, "What is ordered here?\n" .. ORDER, { schema = order })
if not reply then error(tostring(value), 0) end
show("model", reply.name)
show("value", json.encode(value))

-- 2. The same schema checks what came from elsewhere; errors have places.
local validator = assert(schema.compile(order))
local _, errors = validator:check_json('{"customer": "", "items": [{"article": "NL-100", "quantity": 0.5}]}',
   { all = true })
for _, e in ipairs(errors) do show("wrong", ("%s: %s"):format(e.instance == "" and "/" or e.instance,
   e.message)) end

-- 3. A beginning shows when nothing that follows can save it: a stream can be ended there (early = true).
show("beginning", tostring(validator:check_beginning '{"customer": "Ada", "items": [{"art'))
show("beginning", tostring(select(2, validator:check_beginning '{"customer": "Ada", "price": 12,')))

-- 4. What providers would be told.
show("strict", json.encode((assert(schema.strict(order, "openai")))))
