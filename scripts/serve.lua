-- serve: from a client's request to its answer. Finds the policy, runs it, sends what it returned.
-- SPDX-License-Identifier: MIT

local caller = require "caller"
local clock = require "clock"
local composing = require "composing"
local config = require "config"
local deadline = require "deadline"
local errors = require "errors"
local json = require "json"
local llm = require "llm"
local models = require "models"
local policies = require "policies"
local policy = require "policy"
local provider = require "provider"
local reply = require "reply"
local trace = require "trace"

local serve = {}

-- The APIs that clients speak, by the names of core/door.c; loaded when the first one comes.
local doors = {}

local function door_of(name)
   doors[name] = doors[name] or require("door." .. name)
   return doors[name]
end

local direct_deadline = composing.params("direct").deadline

-- What a client means by 'model': the definition of a policy, its parameters, and whether the client
-- named a model instead of the policy | nil, err.
local function choose(name)
   if type(name) ~= "string" or name == "" then
      return nil, errors.new { code = "bad_request", param = "model", type = "invalid_request_error",
         message = "you must provide a model: the name of a policy, \"auto\", or \"provider/model\"" }
   end
   local wanted = name == "auto" and config.default_policy or name:match("^baton/(.+)$") or name
   local definition, p = composing.find(wanted)
   if definition then return definition, p end
   local entry, err = models.resolve(wanted)
   if not entry then return nil, err end
   return policies.direct, { model = wanted, deadline = direct_deadline }, true
end

-- What the caller says of the parameters goes into them, and what a run gets is noted: err, or nil.
local function settle_params(definition, p, route, head, view)
   local names, err
   if definition.open or route.params then
      trace.policy(definition.name)
      names, err = caller.override(definition, p, route.params, view)
      if err then return err end
      if names then trace.note { set_by_caller = names } end
   end
   if trace.detailed() then trace.begun(head.model, caller.shown(p), names) end
end

-- ---- the request ----

-- Does the client name a model whose provider speaks the client's own format? Then its bytes go there, and
-- nobody looks inside.
local function is_for_its_own(door, p)
   local entry = models.resolve(p.model)
   local codec = entry and config.providers[entry.provider].codec
   return codec and require("codec." .. codec).format == door.format
end

local STAMPS = { '"baton:' }

-- Does a body hold what another provider's model has thought? Then it cannot go out as it is.
local function is_foreign(door, body)
   for _, stamp in ipairs(door.stamps or STAMPS) do
      if body:find(stamp, 1, true) then return true end
   end
   return false
end

-- The request as policies see it, in the shape of Chat Completions: JSON, made when somebody looks. What a
-- door has decoded stays beside it (about.hub), for codecs, which change nothing in it; 'late': that, too, is
-- made only when somebody looks.
local function request_of(door, route, head, body, view, late)
   local about = { format = door.format, head = head, headers = route.headers, route = route }
   if not door.decode then
      local wrong = door.check(view)
      if wrong then return nil, wrong end
      -- turns that other servers may have had: codec.refuses looks closer
      about.mixed = body:find('"tool_call_id"', 1, true) or body:find('"reasoning', 1, true)
      return provider.view(view, nil, about)
   end
   about.foreign = head.rewrite or is_foreign(door, body) -- a body that no provider takes as it is
   local function decode() -- -> what is wrong
      local hub, told = door.decode(body, head, route)
      if not hub then return told end
      about.hub, about.warnings = hub, told
   end
   local wrong = not late and decode() or nil
   if wrong then return nil, wrong end
   return provider.view(function()
      local fault = not about.hub and decode() or nil
      if fault then return nil, fault end
      return json.encode(about.hub)
   end, view, about)
end

-- ---- the answer ----

-- One request on its way back: the door, the answer, and what the door has to know. The model is the one that
-- the client named: agents take the reasoning of an answer that calls itself otherwise for another model's,
-- and forget it. Which one it was says x-baton-model.
local function meta_of(ask, result)
   return {
      id = trace.id(), created = math.floor(clock.now()), model = ask.head.model or result.name or "baton",
      include_usage = ask.head.include_usage, head = ask.head,
   }
end

local FIELD_MAX = 1000 -- bytes of a header field

local function told_of(warnings)
   trace.note { warnings = warnings }
   local told, length = {}, 0
   for position, warning in ipairs(warnings) do
      length = length + #warning + 2
      if length > FIELD_MAX then
         told[position] = ("and %d more, in the log"):format(#warnings - position + 1)
         break
      end
      told[position] = warning
   end
   return table.concat(told, "; "):gsub("[^\32-\126]", "?") .. ""
end

-- What the client is told that the answer itself does not say: what was left out; which models spoke, where
-- several did.
local function fields_of(result)
   local warnings, names = result.warnings, result.models
   local warned, several = warnings and #warnings > 0, names and #names > 1
   if not warned and not several then return nil end
   return { ["x-baton-warnings"] = warned and told_of(warnings) or nil,
      ["x-baton-models"] = several and table.concat(names, ", ") or nil }
end

local function of_head(value, head)
   if type(value) == "function" then return value(head) end
   return value
end

-- The comment that a debugging client finds at the end of a stream.
local function debug_comment(ask, result)
   local total = trace.total()
   return ask.door.comment("baton " .. json.encode {
      model = result.name or json.null, models = result.models or nil, attempts = total.attempts,
      cost_usd = total.cost_usd,
      usage = { input_tokens = total.input_tokens, output_tokens = total.output_tokens },
   }, ask.head)
end

local function finish_stream(ask, result, ended)
   if ask.debug then ask.answer:send(debug_comment(ask, result)) end
   if not ended then ask.answer:send(of_head(ask.door.stream_end, ask.head)) end
   ask.answer:finish()
end

local function start_stream(ask, result)
   ask.answer:start(200, of_head(ask.door.stream_type, ask.head), fields_of(result))
end

-- A stream of the client's own format flows through C; the end mark is ours to send where it is none of the
-- events.
local function pass_on(ask, stream)
   start_stream(ask, stream)
   local strip = ask.door.format == "openai" and not ask.head.include_usage
   local ok, ended = stream.call:forward(ask.answer, strip)
   local err = not ok and stream:failure(ended) or nil
   stream:settle(err)
   if err then return ask.answer:fail(err) end
   finish_stream(ask, stream, ended)
end

-- A stream of another format, event by event.
local function translate(ask, stream)
   local encoder = ask.door.encoder(meta_of(ask, stream))
   start_stream(ask, stream)
   for event in stream:events() do
      if event.kind == "error" then return ask.answer:fail(event.err) end
      local bytes = encoder:event(event)
      if bytes ~= "" then ask.answer:send(bytes) end
   end
   ask.answer:send(encoder:finish())
   finish_stream(ask, stream)
end

-- Has a policy changed what it was shown? The message of OpenAI's format is a part of the body, that of
-- another one was made from it.
local function is_changed(result)
   local view = result.view
   if not view or not reply.was_shown(result) then return false end
   if not json.same(view.body, result.raw) then return true end
   if result.codec.format == "openai" then return false end
   local fresh = result.codec.decode(result.raw)
   return not fresh or not json.same(view.message, json.encode(fresh.message))
end

-- May the provider's bytes go to the client as they are?
local function untouched(door, result)
   return result.codec and result.codec.format == door.format and result.raw and not result.edited
      and not is_changed(result)
end

-- Servers of one format write the same things in several ways; for a client of another format they are told
-- in one. nil, err for an answer that cannot be told.
local function in_one_way(ask, result)
   local codec = result.codec
   if not codec or not codec.message or codec.format == ask.door.format then return result end
   if not result.view then
      local view, err = codec.decode(result.raw)
      if not view then return nil, err end
      result.view = view
   end
   result.message = codec.message(result)
   return result
end

local function send_whole(ask, result)
   local own = not of_head(ask.door.reframes, ask.head) and untouched(ask.door, result)
   local body = own and result.raw or ask.door.answer(result, meta_of(ask, result))
   ask.answer:reply(200, "application/json", fields_of(result), body)
end

local function send_streamed(ask, result)
   local encoder = ask.door.encoder(meta_of(ask, result))
   start_stream(ask, result)
   for _, event in ipairs(reply.events(result)) do ask.answer:send(encoder:event(event)) end
   ask.answer:send(encoder:finish())
   finish_stream(ask, result)
end

-- What run returned, as something that can be sent: a reply or a stream.
local function check_result(definition, result, err)
   if llm.is_reply(result) or llm.is_stream(result) then return result end
   if result == nil and err ~= nil then return nil, err end
   errors.raise(("run returned %s; it must return a reply (llm.reply{ text = ... } makes one), a stream, "
      .. "or nil and an error"):format(result == nil and "nothing" or "a " .. type(result)))
end

local function as_error(err)
   if type(err) == "table" and type(err.code) == "string" then return err end
   return errors.new { code = "internal", message = tostring(err) }
end

-- A model that is not there is the client's mistake only when the client named it.
local function blame_policy(definition, err)
   local of_model = err.provider and err.model or err.provider_code == "model_not_found"
   if err.code ~= "not_found" or not of_model then return err end
   local who = ("policy '%s'"):format(definition.name)
   if err.provider and err.model then who = ("%s, model '%s/%s'"):format(who, err.provider, err.model) end
   return errors.new { code = "internal", message = who .. ": " .. err.message, provider = err.provider,
      model = err.model, cause = err }
end

-- Runs a policy: a reply or a stream | nil, err.
local function run_policy(definition, req, p, named)
   trace.policy(definition.name)
   local result, err = deadline.run(definition, req, p)
   if result == policy.pass then result, err = composing.passed(definition.name) end
   result, err = check_result(definition, result, err)
   if result then return result end
   err = as_error(err)
   return nil, named and err or blame_policy(definition, err)
end

local function send(ask, result)
   trace.answered(result.name or "baton")
   if llm.is_stream(result) then
      if result.taken then
         errors.raise "run returned a stream that it has read from; return what stream:reply() gives"
      end
      if ask.head.stream then
         local own = result.codec.format == ask.door.format and not of_head(ask.door.reframes, ask.head)
         return (own and pass_on or translate)(ask, result)
      end
      local whole, err = result:reply()
      if not whole then return ask.answer:fail(err) end
      result = whole
   end
   local told, err = in_one_way(ask, result)
   if not told then return ask.answer:fail(err) end
   if ask.head.stream then return send_streamed(ask, told) end
   send_whole(ask, told)
end

-- serve.request(answer, route, body, view): one request for a policy. route: { door =, model =, action =,
-- path =, query =, debug =, headers = }; body, view: the client's own. Yields.
function serve.request(answer, route, body, view)
   local door = door_of(route.door)
   local head, problem = door.head(body, route, view)
   if not head then return answer:fail(problem) end
   if trace.detailed() then trace.begun(head.model) end
   local definition, p, named = choose(head.model)
   if head.instant and definition then return answer:reply(200, "application/json", nil, head.instant) end
   local late = named and door.decode and is_for_its_own(door, p)
   local req, wrong = request_of(door, route, head, body, view, late)
   if not definition then return answer:fail(p) end
   wrong = not req and wrong or settle_params(definition, p, route, head, view)
   if wrong then return answer:fail(wrong) end
   if head.stream then answer:keep_alive(of_head(door.stream_type, head), of_head(door.ping, head)) end
   local result, err = run_policy(definition, req, p, named)
   if not result then
      if err.provider and err.model then trace.answered(err.provider .. "/" .. err.model) end
      return answer:fail(err)
   end
   send({ door = door, head = head, req = req, answer = answer, debug = route.debug }, result)
end

-- serve.run(req, name, fields?) -> reply or stream | nil, err: a request without a client, for the command
-- line. fields: parameters as header fields have them. Yields.
function serve.run(req, name, fields)
   local definition, p, named = choose(name)
   if not definition then return nil, p end
   local wrong = settle_params(definition, p, { params = fields }, { model = name }, req)
   if wrong then return nil, wrong end
   return run_policy(definition, req, p, named)
end

-- serve.names() -> the names of the policies, as JSON text.
function serve.names()
   local names = json.array {}
   for name in pairs(policies) do names[#names + 1] = name end
   for name in pairs(composing.chains) do names[#names + 1] = name end
   return json.encode(names)
end

-- ---- pages ----

-- What can be asked for as a model: "auto", the policies, the aliases, then the catalogue.
local function list()
   local all = { { id = "auto", owner = "baton" } }
   for name in pairs(policies) do all[#all + 1] = { id = name, owner = "baton" } end
   for name in pairs(composing.chains) do all[#all + 1] = { id = name, owner = "baton" } end
   for name in pairs(config.aliases) do all[#all + 1] = { id = name, owner = "baton" } end
   for _, entry in ipairs(models.all()) do
      all[#all + 1] = { id = entry.name, owner = entry.provider, entry = entry }
   end
   return all
end

local function find(id)
   local definition, err = choose(id)
   if not definition then return nil, err end
   local entry = not composing.find(id) and id ~= "auto" and models.resolve(id) or nil
   return { id = id, owner = entry and entry.provider or "baton", entry = entry }
end

-- serve.page(answer, route, body?, view?): what a door answers without a policy: lists of models, counts of
-- tokens, embeddings. The door's function gets the answer and { route =, body =, view =, list =, find = }.
-- Yields.
function serve.page(answer, route, body, view)
   local door = door_of(route.door)
   local page = door.pages and door.pages[route.page]
   if not page then
      return answer:fail(errors.new { code = "not_found",
         message = ("there is nothing at %s"):format(route.path) })
   end
   page(answer, { route = route, body = body, view = view, list = list, find = find })
end

return serve
