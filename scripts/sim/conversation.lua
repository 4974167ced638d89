-- conversation: the messages of any format, told to the mind in one form.
-- SPDX-License-Identifier: MIT
local json = require "json"

local conversation = {}

-- what a message costs besides its text; an image is about 85 tokens
local MESSAGE_BYTES, MEDIUM_BYTES = 12, 340

local function trailing_results(ask, turns)
   local results, i = {}, #turns
   while i > 0 and turns[i].role == "tool" do
      table.insert(results, 1, turns[i].text)
      ask.tool_failed = ask.tool_failed or turns[i].failed
      i = i - 1
   end
   if #results > 0 then ask.tool_result = table.concat(results, "\n") end
end

-- turns: { { role = "system" | "user" | "assistant" | "tool", text, media = { { kind, mime } … }, failed } …
-- }, where a message that holds tool results and text comes as tool turns and then a user turn with 'beside'
-- set. Fills ask.system, user, users, media, bytes, tool_result, tool_failed; begun: the beginning of the
-- answer, where an assistant's message is the last.
function conversation.read(ask, turns)
   local system, bytes, answers = {}, 0, 0
   ask.users, ask.media = {}, {}
   for i = #turns, 1, -1 do
      local turn = turns[i]
      bytes = bytes + #turn.text + MESSAGE_BYTES + MEDIUM_BYTES * #(turn.media or {})
      if turn.role == "assistant" then answers = answers + 1 end
      if turn.role == "system" then table.insert(system, 1, turn.text) end
      if turn.role == "user" then
         if not ask.user then ask.user = turn.text end
         ask.users[#ask.users + 1] = { text = turn.text, behind = answers }
      end
      if answers == 0 then
         for k = #(turn.media or {}), 1, -1 do table.insert(ask.media, 1, turn.media[k]) end
      end
   end
   local last = turns[#turns]
   ask.system, ask.bytes = table.concat(system, "\n"), bytes
   ask.user = ask.user or last and last.text or ""
   ask.begun = last and last.role == "assistant" and last.text ~= "" and last.text or nil
   if last and last.beside then turns[#turns] = nil end
   trailing_results(ask, turns)
end

-- ---- media ----

local MAGIC = {
   { "iVBORw0KGgo", "image/png" }, { "/9j/", "image/jpeg" }, { "R0lGOD", "image/gif" }, { "UklGR",
      "image/webp" },
   { "JVBERi0", "application/pdf" },
}

-- What base64 bytes are, by their first ones; nil where nobody can say.
function conversation.sniff(data)
   for _, m in ipairs(MAGIC) do
      if data:sub(1, #m[1]) == m[1] then return m[2] end
   end
end

-- Standard base64 with its padding.
function conversation.is_base64(data)
   return #data > 0 and #data % 4 == 0 and data:find("^[%w+/]+=?=?$") ~= nil
end

-- "data:image/png;base64,AAAA" -> "image/png", "AAAA"; nil where it is none.
function conversation.data_url(url)
   return url:match("^data:([%w/.+-]+);base64,(.*)$")
end

-- The text of any JSON value that a tool gave back.
function conversation.text_of(value)
   if type(value) == "string" then return value end
   return json.encode(value)
end

return conversation
