-- test_sums: expressions are calculated, calculations in answers are found and checked, hostile text ends.
-- SPDX-License-Identifier: MIT
local t = require "test"
local sums = require "sums"

t.case("expressions", function()
   for expression, value in pairs {
      ["2 * (3 + 4)"] = 14, ["1,200 / 4"] = 300, ["$3.50 x 2"] = 7, ["20 × 4"] = 80, ["-3 + .5"] = -2.5,
      ["50% * 80"] = 40, ["9 − 2 − 1"] = 6, ["12 ÷ 3 ÷ 2"] = 2, ["((7))"] = 7,
   } do
      local got = sums.value(expression)
      t.ok(got and math.abs(got - value) < 1e-9, expression .. ": " .. tostring(got))
   end
   local deep = ("("):rep(50) .. "1" .. (")"):rep(50)
   for _, wrong in ipairs { "", "2 +", "x + 1", "1 / 0", "(1", "1)", "2 2", "three", deep } do
      t.equal(sums.value(wrong), nil)
   end
end)

local QUESTION = "Ann has 3 bags of 20 apples each and sells half of them for $2 each. How much does she get?"

t.case("an answer whose arithmetic holds", function()
   local f = sums.answer(QUESTION, "3 * 20 = <<3*20=60>>60, 60 / 2 = <<60/2=30>>30, <<30*2=60>>\n#### 60")
   t.equal(f.calculations, 3)
   t.equal(f.wrong_calculations, 0)
   t.equal(f.given, 3)
   t.equal(f.unused, 0)
   t.equal(f.unused_results, 0)
   t.equal(f.final_odd, 0)
   t.equal(f.final_differs, 0)
   t.equal(f.unannounced, 0)
end)

t.case("one whose does not", function()
   local f = sums.answer(QUESTION,
      "She has 3 x 20 = 50 apples.\nShe sells 7 + 8 = 15 of them. So 12.5, but I assume so.")
   t.equal(f.calculations, 2)
   t.equal(f.wrong_calculations, 1)
   t.equal(f.unused, 1) -- the 2
   t.equal(f.unused_results, 1)
   t.equal(f.final_odd, 1)
   t.equal(f.final_differs, 1)
   t.equal(f.unannounced, 1)
   t.equal(f.hedges, 2)
end)

t.case("a question", function()
   local f = sums.question("Tom has 1,000 pens, 2.5 per box; a third, 20%, cost $3 each. How many?")
   t.equal(f.numbers, 4)
   t.equal(f.given, 4)
   t.ok(math.abs(f.largest - math.log(1001)) < 1e-9)
   t.equal(f.decimals, 1)
   t.equal(f.percents, 1)
   t.equal(f.dollars, 1)
   t.equal(f.parts, 1)
   t.equal(f.relations, 2)
   t.equal(f.questions, 1)
end)

t.case("any text has all numbers", function()
   local names, n = sums.answer("", ""), 0
   for name, x in pairs(names) do
      t.ok(type(x) == "number" and x == x and x < math.huge, name)
      n = n + 1
   end
   t.equal(n, 15)
   for _, s in ipairs {
      ("1+"):rep(9000), ("1+1="):rep(5000), ("<<"):rep(9000), ("("):rep(20000), ("9"):rep(20000),
      "\xff\xfe = 3",
      ("1 "):rep(9000) .. "= 2", ("<<1+1=2>>"):rep(3000), "=5",
   } do
      local f = sums.answer(s, s)
      t.ok(f.calculations <= 200, "calculations are bounded")
      for name, x in pairs(f) do t.ok(x == x, name) end
      for name, x in pairs(sums.question(s)) do t.ok(x == x, name) end
   end
end)
