-- models: the simulated models: what they cost, how fast they are, what they are good at.
-- SPDX-License-Identifier: MIT
--
-- skill    chance of a right answer to a question of middling difficulty, by kind of work
-- doubt    how often a wrong answer shows that the model was not sure; and a right one
-- first    milliseconds to the first token; token: milliseconds a token; both at pace 1
local models = {}

models.list = {
   {
      id = "mini", tier = "fast", input = 0.15, output = 0.60, context = 32000,
      first = 40, token = 1, doubt = { wrong = 0.68, right = 0.05 },
      skill = {
         qa = 0.74, mathematics = 0.50, code = 0.52, summarisation = 0.80, translation = 0.72,
         extraction = 0.74, analysis = 0.56, creative = 0.78, chat = 0.88, reasoning = 0.42,
      },
   },
   {
      id = "base", tier = "standard", input = 0.80, output = 3.20, context = 64000,
      first = 80, token = 2, doubt = { wrong = 0.60, right = 0.04 },
      skill = {
         qa = 0.86, mathematics = 0.70, code = 0.70, summarisation = 0.88, translation = 0.86,
         extraction = 0.86, analysis = 0.74, creative = 0.86, chat = 0.94, reasoning = 0.64,
      },
   },
   {
      id = "pro", tier = "expert", input = 5.00, output = 20.00, context = 128000,
      first = 160, token = 4, doubt = { wrong = 0.45, right = 0.03 },
      skill = {
         qa = 0.98, mathematics = 0.97, code = 0.97, summarisation = 0.98, translation = 0.98,
         extraction = 0.97, analysis = 0.97, creative = 0.96, chat = 0.98, reasoning = 0.96,
      },
   },
   {
      id = "coder", tier = "specialist", input = 0.90, output = 3.60, context = 64000,
      first = 90, token = 2, doubt = { wrong = 0.60, right = 0.04 },
      skill = {
         qa = 0.62, mathematics = 0.66, code = 0.97, summarisation = 0.74, translation = 0.55,
         extraction = 0.84, analysis = 0.62, creative = 0.55, chat = 0.78, reasoning = 0.64,
      },
   },
   {
      id = "math", tier = "specialist", input = 1.10, output = 4.40, context = 64000,
      first = 90, token = 2, doubt = { wrong = 0.60, right = 0.04 },
      skill = {
         qa = 0.62, mathematics = 0.97, code = 0.68, summarisation = 0.70, translation = 0.52,
         extraction = 0.74, analysis = 0.80, creative = 0.50, chat = 0.74, reasoning = 0.95,
      },
   },
}

-- Gives vectors and says nothing.
models.embed = { id = "embed", embeds = true, tier = "embedding", input = 0.02, output = 0, context = 8192 }

models.by_id = { embed = models.embed }
for _, m in ipairs(models.list) do models.by_id[m.id] = m end

-- With those that embed.
models.all = table.move(models.list, 1, #models.list, 1, {})
models.all[#models.all + 1] = models.embed

-- How likely 'model' answers a question right. The difficulty shifts the odds, not the chance itself, so that
-- easy questions are nearly always right, hard ones seldom, and the order of the models never changes.
function models.chance(model, kind, difficulty)
   local skill = model.skill[kind] or model.skill.chat
   local odds = math.log(skill / (1 - skill)) + 3 * (0.5 - difficulty)
   return 1 / (1 + math.exp(-odds))
end

return models
