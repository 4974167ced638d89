-- consensus.keys: what an answer decides for, written in one way, so that answers can be compared.
-- SPDX-License-Identifier: MIT
local json = require "json"
local schema = require "schema"
local text = require "text"

local keys = {}

local SHORT <const> = 6 -- words up to which a number in a text is what the text is about
local SHORT_BYTES <const> = 1000 -- beyond, nobody counts them

-- keys.said(reply) -> its text; replies may be plain strings.
function keys.said(reply)
   return type(reply) == "string" and reply or reply.text or ""
end

-- keys.calls(reply) -> its tool calls | nil.
function keys.calls(reply)
   local calls = type(reply) == "table" and reply.tool_calls or nil
   return type(calls) == "table" and #calls > 0 and calls or nil
end

-- Choice -------------------------------------------------------------------------------------------

-- In the order of trust: an announced letter, a marked one, nothing but a letter, a letter that opens the
-- text. The letter must stand alone; "A" as an article is told apart by what surrounds it.
local CHOICES = {
   "[Aa]nswer%s+is:?%s*%**%(?([A-J])%f[%W]", "[Aa]nswer:?%s*%**%s*%(?([A-J])%f[%W]", "\\boxed{%(?([A-J])%)?}",
   "[Oo]ption%s+%(?([A-J])%f[%W]", "[Cc]hoice%s+%(?([A-J])%f[%W]", "^%s*%**%(?([A-Ja-j])%)?%**[%.:]?%**%s*$",
   "^%s*%**%(?([A-J])[%)%.:]",
}

-- Is any of these words in it? Most answers have none, and patterns would look at every byte.
local function has_any(s, words)
   for _, word in ipairs(words) do
      if s:find(word, 1, true) then return true end
   end
   return false
end

local CHOOSING <const> = { "nswer", "\\boxed", "ption", "hoice" }
local ANCHORED <const> = 6 -- from here on the patterns look at the beginning only

-- keys.choice(s) -> "A" … "J" | nil: the letter a multiple-choice answer decides for.
function keys.choice(s)
   for i = has_any(s, CHOOSING) and 1 or ANCHORED, #CHOICES do
      local letter = s:match(CHOICES[i])
      if letter then return letter:upper() end
   end
   return nil
end

-- Number -------------------------------------------------------------------------------------------

local NUMBER = "%-?%$?%d[%d,]*%.?%d*"
local MARKED = { -- "####" is GSM8K's mark, \boxed that of MATH
   "####%s*(" .. NUMBER .. ")", "\\boxed{%$?(" .. NUMBER .. ")",
   "[Aa]nswer%s+is:?%s*%**%$?(" .. NUMBER .. ")",
   "[Aa]nswer:?%s*%**%s*%$?(" .. NUMBER .. ")",
}

local MARKS <const> = { "####", "\\boxed", "nswer" }

local function written(n)
   local whole = math.tointeger(n)
   return whole and tostring(whole) or ("%.10g"):format(n)
end

local function canonical_digits(digits)
   local n = tonumber((digits:gsub("[,$]", ""):gsub("%.$", "")))
   return n and written(n)
end

-- Does a text end with the number at [from, to), after an equals sign?
local function ends_equation(s, from, to)
   return s:find("^%**%.?%s*$", to) ~= nil and s:sub(math.max(1, from - 8), from - 1):find("=[%s%*]*$") ~= nil
end

-- keys.number(s) -> "1234.5" | nil, marked: the number an answer ends in, written in one way, and whether it
-- was announced as the answer rather than just the last number in the text.
function keys.number(s)
   if not s:find("%d") then return nil, false end
   for _, pattern in ipairs(has_any(s, MARKS) and MARKED or {}) do
      local digits = s:match(pattern)
      if digits then return canonical_digits(digits), true end
   end
   local last, from, to
   for start, digits, stop in s:gmatch("()(" .. NUMBER .. ")()") do last, from, to = digits, start, stop end
   if not last then return nil, false end
   return canonical_digits(last), ends_equation(s, from, to)
end

-- JSON ---------------------------------------------------------------------------------------------

local function leaf(value)
   if type(value) == "string" then
      local plain = text.normalise(value)
      return json.encode(plain ~= "" and plain or value)
   end
   local n = type(value) ~= "boolean" and value ~= json.null and tonumber(tostring(value))
   return n and written(n) or tostring(value)
end

-- keys.canonical(value) -> text: the same for values that say the same: members in the order of their names,
-- texts as text.normalise writes them, 1.0 as 1.
function keys.canonical(value)
   if type(value) ~= "table" or value == json.null then return leaf(value) end
   local parts = {}
   if json.is_array(value) then
      for i, item in ipairs(value) do parts[i] = keys.canonical(item) end
      return "[" .. table.concat(parts, ",") .. "]"
   end
   local names = {}
   for name in pairs(value) do names[#names + 1] = tostring(name) end
   table.sort(names)
   for i, name in ipairs(names) do parts[i] = json.encode(name) .. ":" .. keys.canonical(value[name]) end
   return "{" .. table.concat(parts, ",") .. "}"
end

-- keys.value(reply) -> the object or array in its text | nil.
function keys.value(reply)
   local value = schema.extract(keys.said(reply))
   return type(value) == "table" and value ~= json.null and value or nil
end

-- The JSON of an answer; of an object only these members, when 'fields' names some.
local function json_key(reply, fields)
   local value = keys.value(reply)
   if not value then return nil end
   if fields and not json.is_array(value) then
      local some = {}
      for _, name in ipairs(fields) do some[name] = value[name] end
      value = json.object(some)
   end
   return keys.canonical(value)
end

local function looks_like_json(s)
   return s:find("^%s*[%[{]") ~= nil or s:find("^%s*```%a*%s*[%[{]") ~= nil
end

-- Tool calls ---------------------------------------------------------------------------------------

local NO_CALL <const> = "no call"

-- The functions that are called with which arguments, in any order; NO_CALL where an answer is words.
local function tools_key(reply)
   local calls = keys.calls(reply)
   if not calls then return keys.said(reply):find("%S") and NO_CALL or nil end
   local list = {}
   for i, call in ipairs(calls) do
      local f = type(call) == "table" and call["function"] or {}
      local arguments = f.arguments
      local value = type(arguments) == "string" and json.decode(arguments)
      local with = value ~= nil and keys.canonical(value) or tostring(arguments)
      list[i] = ("%s(%s)"):format(tostring(f.name), with)
   end
   table.sort(list)
   return table.concat(list, " ")
end

-- Text ---------------------------------------------------------------------------------------------

-- What an answer says when the words that announce it are left out: "The answer is Paris." is "paris".
local function text_key(reply)
   local said = text.normalise(keys.said(reply))
   local bare = said:gsub("^final ", ""):gsub("^correct ", ""):gsub("^answer is ", ""):gsub("^answer ", "")
   return bare ~= "" and bare or said
end

-- All of them --------------------------------------------------------------------------------------

local KEYS = {
   choice = function(reply) return keys.choice(keys.said(reply)) end,
   number = function(reply) return (keys.number(keys.said(reply))) end,
   text = text_key,
   json = json_key,
   tools = tools_key,
}

-- keys.is_kind(name) -> boolean: "choice", "number", "text", "json" or "tools".
function keys.is_kind(name)
   return KEYS[name] ~= nil
end

local OF_TEXT <const> = { choice = true, number = true, text = true } -- what else a reply has does not matter

-- keys.of(reply, by, fields?, known?) -> key | nil: what it decides for; by: a kind, or function(reply) ->
-- key | nil. known: a table that keeps what was found, for the next reply that says the same.
function keys.of(reply, by, fields, known)
   if type(by) == "function" then return by(reply) end
   local said = known and OF_TEXT[by] and keys.said(reply)
   local key = said and known[said]
   if key == nil then key = KEYS[by](reply, fields) or "" end
   if said then known[said] = key end
   return key ~= "" and key or nil
end

local function looks_of(s)
   local number, marked = keys.number(s)
   return { json = looks_like_json(s), choice = keys.choice(s) ~= nil,
      number = number ~= nil and (marked or #s <= SHORT_BYTES and #text.words(s) <= SHORT) }
end

-- keys.kind(replies) -> what more than half of the answers clearly are: "tools", "json", "choice" or
-- "number", else "text".
function keys.kind(replies)
   local all, tools, objects, choices, numbers, seen = 0, 0, 0, 0, 0, {}
   for _, reply in pairs(replies) do
      local s = keys.said(reply)
      local looks = seen[s] or looks_of(s)
      seen[s] = looks
      all = all + 1
      if keys.calls(reply) then tools = tools + 1 end
      if looks.json and keys.value(reply) then objects = objects + 1 end
      if looks.choice then choices = choices + 1 end
      if looks.number then numbers = numbers + 1 end
   end
   if tools * 2 > all then return "tools" end
   if objects * 2 > all then return "json" end
   if choices * 2 > all then return "choice" end
   return numbers * 2 > all and "number" or "text"
end

return keys
