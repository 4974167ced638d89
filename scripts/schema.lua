-- schema: JSON Schema for scripts, and the JSON in an answer.
-- SPDX-License-Identifier: MIT
--
-- Checking is C (core/schema*.c, the module "validator"); what providers take as a schema is in strict.lua.
local json = require "json"
local errors = require "errors"
local strict = require "strict"
local validator = require "validator"

local schema = {}

-- schema.compile(schema, opts?) -> validator | nil, err. A table, true or false, or its JSON text; compiled
-- once for the same content. opts: draft = "2020-12" or "7" (where $schema names none), formats = "annotate"
-- or "assert", remotes = { [URI] = schema }: what a $ref may lead to, since nothing is fetched. err.code is
-- "bad_request" with place
-- and reason, or "budget". The validator:
--   :check(value, { all = true }?) -> true | nil, errors       a decoded value
--   :check_json(bytes, { all = true }?) -> true | nil, errors  JSON, without decoding it
--   :check_beginning(bytes) -> true | nil, errors              may it become JSON that fits, when more
-- follows?
-- errors is an err (code "invalid_output", message of the first) and a list of { instance =, schema =,
-- keyword =, message = } with JSON Pointers; the first only, or at most 100 with all (errors.more: there were
-- more). A list without elements: it is no JSON, or (code "budget") the check took too many steps.
schema.compile = validator.compile

-- schema.extract(text, fits?) -> value, JSON text | nil, err
-- The JSON in a model's answer: the whole text, else what stands in a ``` fence, else the longest object or
-- array in the prose. Of several equally long ones the last is taken, as models correct themselves. With a
-- validator the first of these that fits it; when none does, the errors of the first.
-- err.code is "invalid_output"; the message says whether there was no JSON, a cut one, or a malformed one.
function schema.extract(text, fits)
   local found, err = validator.find_json(type(text) == "string" and text or "")
   if not found then return nil, err end
   if not fits then return json.decode(found[1]), found[1] end
   for _, candidate in ipairs(found) do
      local ok, why = fits:check_json(candidate, { all = true })
      if ok then return json.decode(candidate), candidate end
      err = err or why
   end
   return nil, err
end

-- schema.strict(schema, provider) -> schema | nil, err. The same schema in the words of a provider's
-- structured outputs, "openai" or "anthropic"; err.code is "bad_request" where it cannot be said there. A
-- copy.
function schema.strict(value, provider)
   if provider ~= "openai" and provider ~= "anthropic" then
      errors.raise(("schema.strict: no provider '%s' (openai, anthropic)"):format(tostring(provider)))
   end
   return strict[provider](value)
end

return schema
