-- gemini.partial: the arguments of a function call that come piece by piece, each with its place.
-- SPDX-License-Identifier: MIT
--
-- Source: Vertex AI reference, "FunctionCall.partialArgs" (PartialArg: jsonPath as in RFC 9535, one value,
-- willContinue).

local hub = require "hub"
local json = require "json"
local parts = require "gemini.parts"

local partial = {}

local DEPTH, GAP = 64, 1000 -- how deep a place may be, and how far behind the end of a list

-- "$.a[0]['b c']" -> { "a", 1, "b c" }; nil for what is no place.
local function steps_of(path)
   if path:sub(1, 1) ~= "$" then return nil end
   local steps, at = {}, 2
   while at <= #path do
      local name, after = path:match("^%.([^%.%[]+)()", at)
      if not name then
         local quote
         quote, name, after = path:match("^%[(['\"])(.-)%1%]()", at)
         if not quote then
            local index
            index, after = path:match("^%[(%d+)%]()", at)
            if not index or #index > 9 then return nil end
            name = tonumber(index) + 1
         end
      end
      steps[#steps + 1], at = name, after
   end
   return #steps > 0 and #steps <= DEPTH and steps or nil
end

-- The value of a piece; nil where it has none.
local function value_of(piece)
   for _, name in ipairs { "stringValue", "numberValue", "boolValue" } do
      local value = parts.pick(piece, name)
      if value ~= nil then return value end
   end
   if parts.pick(piece, "nullValue") ~= nil or piece.nullValue == json.null and piece.nullValue ~= nil then
      return json.null
   end
end

-- The container that a path ends in and its last step; nil where the path does not fit what is there.
local function container(root, steps)
   local node = root
   for level = 1, #steps do
      local step = steps[level]
      if type(step) == "number" ~= json.is_array(node) then return nil end
      if type(step) == "number" and step > #node + GAP then return nil end
      if level == #steps then return node, step end
      local child = node[step]
      if type(child) ~= "table" then
         child = type(steps[level + 1]) == "number" and json.array {} or json.object {}
         node[step] = child
      end
      node = child
   end
end

-- Lists may have been filled with holes: null stands there.
local function fill(node)
   if type(node) ~= "table" then return end
   if json.is_array(node) then
      local last = 0
      for index in pairs(node) do last = math.max(last, index) end
      for index = 1, last do
         if node[index] == nil then node[index] = json.null end
      end
   end
   for _, child in pairs(node) do fill(child) end
end

-- partial.new() -> add(partialArgs), finish() -> the arguments as an object.
function partial.new()
   local root, open = json.object {}, nil -- open: the place whose text goes on
   local function add(pieces)
      for _, piece in ipairs(hub.list(pieces)) do
         local path = hub.text(parts.pick(piece, "jsonPath"))
         local steps, value = path and steps_of(path), value_of(piece)
         local node, last
         if steps and value ~= nil then node, last = container(root, steps) end
         if node then
            local before = node[last]
            if open == path and type(before) == "string" and type(value) == "string" then
               value = before .. value
            end
            node[last] = value
            open = parts.pick(piece, "willContinue") == true and path or nil
         end
      end
   end
   local function finish()
      fill(root)
      return root
   end
   return add, finish
end

return partial
