-- schema: the JSON in an answer.
-- SPDX-License-Identifier: MIT
local json = require "json"
local errors = require "errors"

local schema = {}

local STARTS = 64 -- brackets that are tried; prose full of brackets holds no JSON

local function invalid(message)
   return nil, errors.new { code = "invalid_output", message = message }
end

-- The bracket that closes the one at 'from', or nil when the text ends before.
local function closing(text, from)
   local depth, at = 0, from
   while true do
      local i = text:find('["%[%]{}]', at)
      if not i then return nil end
      local c = text:sub(i, i)
      if c == '"' then
         repeat -- to the end of the string
            i = text:find('["\\]', i + 1)
            if not i then return nil end
            local escape = text:sub(i, i) == "\\"
            if escape then i = i + 1 end
         until not escape
      else
         depth = depth + ((c == "{" or c == "[") and 1 or -1)
         if depth == 0 then return i end
      end
      at = i + 1
   end
end

-- A bracket opens JSON when what follows can: this tells "[1]" from "[see below]".
local function could_open(text, at)
   if text:sub(at, at) == "{" then return text:find('^{%s*["}]', at) ~= nil or text:find("^{%s*$",
   at) ~= nil end
   return text:find('^%[%s*["%[{%]%-%dtfn]', at) ~= nil or text:find("^%[%s*$", at) ~= nil
end

-- The longest object or array in prose; nil and whether one begins that does not end.
local function in_prose(text)
   local best, best_size, cut, why = nil, 0, false, nil
   local at, tried = text:find("[%[{]"), 0
   while at and tried < STARTS do
      local next_at = at + 1
      if could_open(text, at) then
         tried = tried + 1
         local to = closing(text, at)
         local value, err
         if to then
            value, err = json.decode(text:sub(at, to))
         else
            cut = true
         end
         if value ~= nil then
            if to - at >= best_size then best, best_size = value, to - at end
            next_at, cut = to + 1, false
         elseif err then
            why = why or err
         end
      end
      at = text:find("[%[{]", next_at)
   end
   return best, cut, why
end

-- schema.extract(text) -> value | nil, err
-- The JSON in a model's answer: the whole text, else what stands in a ``` fence, else the longest object or
-- array in the prose. Of several equally long ones the last is taken, as models correct themselves.
-- err.code is "invalid_output"; the message says whether there was no JSON, a cut one, or a malformed one.
function schema.extract(text)
   if type(text) ~= "string" or not text:find("%S") then return invalid("the answer is empty") end
   local value, whole_err = json.decode(text)
   if value ~= nil then return value end
   for fenced in text:gmatch("```[%w_-]*[ \t\r]*\n(.-)```") do
      local inner = json.decode(fenced)
      if inner ~= nil then value = inner end
   end
   if value ~= nil then return value end
   local found, cut, why = in_prose(text)
   if cut then return invalid("the JSON in the answer is cut off before its end") end
   if found ~= nil then return found end
   if why or text:find("^%s*[%[{]") then
      return invalid("the JSON in the answer is malformed: " .. tostring(why or whole_err))
   end
   return invalid("the answer holds no JSON")
end

return schema
