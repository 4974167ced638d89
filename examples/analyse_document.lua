-- analyse_document: a chain of calls over one document: extract, summarise, judge the sentiment, report.
-- SPDX-License-Identifier: MIT
--
--    baton run examples/analyse_document.lua
--    baton run --allow-read . examples/analyse_document.lua README.md
--    baton run --allow-read . examples/analyse_document.lua scan.png
--    baton run --allow-read . examples/analyse_document.lua page.pdf
--
-- A picture or a PDF page goes to a model that can see it, as a data: URL; what it reads off is the text of
-- all further steps. Each step hands on a value that was checked: facts that do not fit their schema are
-- corrected by the model, or the chain ends there with the reason. The first three steps do not need each
-- other, so they run side by side; the report is written from what they found. A file can be read only where
-- --allow-read allows it. policies/chain.lua is this idea as a policy of the gateway.
local base64 = require "base64"
local json = require "json"
local llm = require "llm"
local media = require "media"
local task = require "task"
local text = require "text"

local SAMPLE = [[
The town library of Ashford opened its new reading room on 4 May after two years of work. The council paid
1.2 million for it, a tenth less than planned. "We are delighted," said director Maria Lindqvist,
"and so are our
readers: visits have doubled." Some neighbours complained about the noise of the building site,
which ended in March.]]

local function texts() return { type = "array", maxItems = 20, items = { type = "string" } } end

local FACTS = {
   title = "facts", type = "object", additionalProperties = false,
   required = { "names", "dates", "numbers" },
   properties = { names = texts(), dates = texts(), numbers = texts() },
}

local SENTIMENT = {
   title = "sentiment", type = "object", additionalProperties = false, required = { "sentiment" },
   properties = { sentiment = { enum = { "positive", "negative", "neutral" } } },
}

-- The answer's text; with a schema the value that fits it.
local function ask(target, order, about, form)
   local content = order .. "\n\n\"\"\"\n" .. about .. "\n\"\"\""
   local reply, value = llm.chat(target, content, { schema = form, timeout = 120, retries = 1 })
   if not reply then return nil, value end
   return form and value or reply.text
end

-- What stands on a picture or a page, read by a model that can see it.
local function read_off(bytes, kind)
   local url = media.data_url(kind, base64.encode(bytes))
   local need, part = "vision", { type = "image_url", image_url = { url = url } }
   if kind == "application/pdf" then
      need, part = "files", { type = "file", file = { filename = "page.pdf", file_data = url } }
   end
   local reply, err = llm.chat({ needs = { need } }, { messages = { { role = "user", content = { part,
      { type = "text", text = "Write down what stands on this page, word for word." } } } } },
      { timeout = 120, retries = 1 })
   if not reply then error(("nobody can read this %s: %s"):format(kind, err.message), 0) end
   print(("%s read %d bytes of %s"):format(reply.name, #bytes, kind))
   return reply.text
end

local function read_document()
   if not arg[1] then return SAMPLE end
   local document, err = require("fs").read(arg[1])
   if not document then error("cannot read " .. arg[1] .. ": " .. tostring(err.message), 0) end
   local kind = media.sniff(document) or ""
   if kind == "application/pdf" or kind:find "^image/" then document = read_off(document, kind) end
   return text.clip(document, 20000)
end

local function facts_line(facts)
   local out = {}
   for i, name in ipairs(FACTS.required) do out[i] = name .. ": " .. table.concat(facts[name], ", ") end
   return table.concat(out, "; ")
end

local document = read_document()
print(("Reading %d words…"):format(#text.words(document)))

local parts, errors = task.all {
   facts = function()
      return ask({ tier = "standard" }, "Extract the names, dates and numbers from the text.", document,
         FACTS)
   end,
   summary = function() return ask({ tier = "fast" }, "Summarise the text in two sentences.", document) end,
   sentiment = function()
      return ask({ tier = "standard" }, "What is the sentiment of the text?", document, SENTIMENT)
   end,
}
for _, step in ipairs { "facts", "summary", "sentiment" } do
   if not parts[step] then error(("%s failed: %s"):format(step, errors[step].message), 0) end
end
local found = {
   facts = facts_line(parts.facts), summary = parts.summary, sentiment = parts.sentiment.sentiment,
}
for _, step in ipairs { "facts", "summary", "sentiment" } do
   print(("\n%s\n   %s"):format(step:upper(), found[step]))
end

local report, err = ask({ tier = "standard" }, "Write a report of one paragraph from these notes.",
   ("Summary: %s\n\nFacts: %s\n\nSentiment: %s"):format(found.summary, json.encode(parts.facts),
      found.sentiment))
print("\nREPORT\n   " .. (report or "failed: " .. tostring(err.message)))
