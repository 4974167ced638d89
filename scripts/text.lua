-- text: what a request says, as plain text, and a few ways to look at text.
-- SPDX-License-Identifier: MIT
--
-- Texts are UTF-8; upper and lower case are told apart for ASCII letters only. Nothing here fails on any
-- string of bytes.
local errors = require "errors"
local measure = require "measure"
local words = require "words"

local text = {}

local NO_REQUEST <const> = { number = true, boolean = true, ["function"] = true }

local function check(req)
   if NO_REQUEST[type(req)] then
      errors.raise(("a text or a request is needed, not a %s"):format(type(req)))
   end
end

-- The text of a message's content: a string, or a list of parts of which those with a text count (OpenAI's
-- {type = "text", text = …}), joined by line feeds. Anything else gives "".
function text.content(content)
   if type(content) == "string" then return content end
   if type(content) ~= "table" then return "" end
   local out = {}
   for _, part in ipairs(content) do
      if type(part) == "string" then
         out[#out + 1] = part
      elseif type(part) == "table" and type(part.text) == "string" then
         out[#out + 1] = part.text
      end
   end
   return table.concat(out, "\n")
end

-- What is asked: 'req' itself when it is a string, else its .text (requests and replies have one), else the
-- text of the last message whose role is "user". "" where there is none.
function text.of(req)
   if type(req) == "string" then return req end
   check(req)
   local own = req and req.text
   if type(own) == "string" then return own end
   local messages = req and req.messages
   for i = type(messages) == "table" and #messages or 0, 1, -1 do
      local message = messages[i]
      if type(message) == "table" and message.role == "user" then return text.content(message.content) end
   end
   return ""
end

-- All texts of a request, from the system prompt on, joined by line feeds.
function text.all(req)
   if type(req) == "string" then return req end
   check(req)
   local out = {}
   local messages = req and req.messages
   for _, message in ipairs(type(messages) == "table" and messages or {}) do
      if type(message) == "table" then out[#out + 1] = text.content(message.content) end
   end
   return table.concat(out, "\n")
end

-- Without white space at both ends.
function text.trim(s)
   local from = s:find("%S")
   if not from then return "" end
   local to = #s
   while s:find("^%s", to) do to = to - 1 end -- not "(.-)%s*$": quadratic on long runs of blanks
   return s:sub(from, to)
end

-- The words in lower case: letters, digits, every byte beyond ASCII, and an apostrophe inside ("don't").
function text.words(s)
   local out = {}
   for word in s:lower():gmatch("[%w\128-\255][%w\128-\255']*") do
      out[#out + 1] = word:sub(-1) == "'" and word:sub(1, -2) or word
   end
   return out
end

-- text.spaced(s) -> the words between single blanks, with a blank at both ends; how many they are. A phrase
-- is in a text when text.spaced(s):find(" the phrase ", 1, true) finds it.
text.spaced = words.spaced

-- Does a text that went through text.spaced hold the phrase?
function text.has(spaced, phrase)
   return spaced:find(" " .. phrase .. " ", 1, true) ~= nil
end

local ARTICLES = { a = true, an = true, the = true }

-- What two answers that mean the same have in common: lower case, no punctuation (numbers keep their sign,
-- point and percent), no thousands separators, no articles, single blanks. As the evaluation of SQuAD
-- normalises answers (Rajpurkar et al. 2016, arXiv 1606.05250, evaluate-v1.1.py), but for the numbers.
function text.normalise(s)
   s = s:lower():gsub("(%d),%f[%d]", "%1"):gsub("[^%w%.%%%-\128-\255]+", " ")
   local out = {}
   for word in s:gmatch("%S+") do
      if word:find("[%.%%%-]") then
         word = word:sub(1, -word:reverse():match("^[%.%-]*()")) -- "[%.%-]+$" would be quadratic
         if not word:find("^%-?%.?%d[%d%.]*%%?$") then word = word:gsub("[%.%%%-]+", " ") end
         word = text.trim(word)
      end
      if word ~= "" and not ARTICLES[word] then out[#out + 1] = word end
   end
   return table.concat(out, " ")
end

-- How many sentences, at least 1 for a text that says something: ends by ., ! or ? before a blank or the end.
function text.sentences(s)
   if not s:find("%S") then return 0 end
   local _, ends = s:gsub("[%.!?]%f[%s%z]", "")
   return ends > 0 and ends or 1
end

-- About how many tokens, as classify.tokens counts them for GPT-4o and later ("o200k").
function text.tokens(s)
   return (measure.tokens(s))
end

-- At most n bytes of s, cut between characters, with "…" (3 bytes more) where something was cut.
function text.clip(s, n)
   if #s <= n then return s end
   while n > 0 and s:find("^[\128-\191]", n + 1) do n = n - 1 end
   return s:sub(1, n) .. "…"
end

return text
