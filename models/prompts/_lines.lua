-- _lines: prompts written by hand, as they are: { kind, level, text }.
-- SPDX-License-Identifier: MIT
-- luacheck: ignore 631
--
-- All of it was written for Baton.

return {
   { "summarisation", "s",
      "Give me three bullets on what this memo says: From Monday the canteen opens at 11:30. Card "
      .. "payment only. Trays go back to the counter." },
   { "summarisation", "s",
      "Too long, didn't read. What's the message here?\n\nHi all, as discussed the rollout slips by a "
      .. "week since the vendor delivered late. Training stays on Tuesday." },
   { "summarisation", "m",
      "Below is the chat between our customer and the help desk. Sum it up for the engineer who takes "
      .. "over, including what has been tried.\nC: The router restarts every hour. A: Did you update? C: "
      .. "Yes, yesterday. A: And the cable? C: Swapped it, same thing." },
   { "summarisation", "s",
      "One sentence version of this review, please: Bought the tent for a week in Scotland. It survived"
      .. " wind and rain, but two pegs bent and the zip stuck from day three." },
   { "summarisation", "m",
      "Turn these minutes into a digest of at most 80 words, keeping names and deadlines. Present: Kim,"
      .. " Lars, Odile. Kim reports that the audit starts on 3 June. Lars will collect the receipts until "
      .. "Friday. Odile asks for a new scanner." },
   { "summarisation", "c",
      "I paste two studies on intermittent fasting. Summarise both, line up their methods and samples, "
      .. "say where the conclusions conflict and which of the two deserves more trust. Study 1: 38 adults,"
      .. " eight weeks, no control. Study 2: 412 adults, one year, randomised, funded by a maker of "
      .. "supplements." },
   { "summarisation", "s",
      "What's the takeaway of this paragraph? Bees navigate by the sun, by landmarks and by the "
      .. "polarisation of the sky. When one cue is missing they lean on the others, which is why a cloudy "
      .. "day does not ground them." },
   { "code", "s", "in pandas, how do i drop rows where column age is null" },
   { "code", "s", "Why does `[] == false` give true in JS?" },
   { "code", "m",
      "My Flask endpoint returns 500 whenever the body has an emoji. Traceback: UnicodeEncodeError: "
      .. "'latin-1' codec can't encode character. How can I fix it?" },
   { "code", "s", "Show me how to read a file line by line in Go." },
   { "code", "m",
      "Here's my binary search, it loops forever for some inputs:\nwhile lo < hi:\n    mid = (lo + hi) "
      .. "// 2\n    if a[mid] < x: lo = mid\n    else: hi = mid" },
   { "code", "c",
      "Design a job scheduler in Rust: work stealing, priorities, cancellation, no unsafe, and a "
      .. "model-checked argument that no job is lost. Give the types, the module layout and the core loop." },
   { "code", "m", "Make a responsive navbar with a burger menu, only HTML and CSS." },
   { "code", "m",
      "Port this Perl one-liner to awk and comment each part: perl -ne 'print if 10..20' access.log" },
   { "code", "s", "git: how do I move my last two commits to a new branch" },
   { "translation", "s", "What would a Spaniard say for 'break a leg'?" },
   { "translation", "s", "Put into German: The lift is out of order, please use the stairs." },
   { "translation", "s", "Wie heißt 'Steuererklärung' auf Englisch?" },
   { "translation", "m",
      "Please translate my cover letter into formal French, adapt the greeting and closing to French "
      .. "habits: Dear Ms Moreau, I read your advert for a gardener with great interest." },
   { "translation", "s", "English to Japanese: 'Where can I buy stamps?'" },
   { "translation", "s", "Can you tell me what this means in English: 'Qui va piano va sano'?" },
   { "translation", "c",
      "Translate this sonnet into German alexandrines, preserve the rhyme and the pun in the last line,"
      .. " then justify your three hardest decisions." },
   { "analysis", "m",
      "Should a two-person studio choose React Native or Flutter? Weigh hiring, speed and long-term "
      .. "risk." },
   { "analysis", "s", "Positive, negative or neutral? 'Arrived on time, box was dented, product fine.'" },
   { "analysis", "m",
      "Churn went from 2.1 to 3.4 percent after we changed the onboarding. What might explain it and "
      .. "how would you check?" },
   { "analysis", "c",
      "Assess the proposal to replace property tax by a land value tax: incidence, transition costs, "
      .. "effects on density, political feasibility, and what the evidence from Denmark and Pennsylvania "
      .. "can and cannot show." },
   { "analysis", "m",
      "Look at my landing page copy and tell me what is weak about it: 'We leverage synergies to "
      .. "empower your journey.'" },
   { "analysis", "m",
      "Contrast the leadership styles of two managers, one who decides alone and quickly and one who "
      .. "asks everybody first." },
   { "analysis", "s", "List pros and cons of renting versus buying a piano." },
   { "extraction", "s",
      "Which email addresses are in this signature? -- Jo Park | jo.park@mail.example | +1 202 555 0147" },
   { "extraction", "m",
      "Give me JSON with sender, receiver and amount for each transfer: Ann paid Bob 20 euros. Bob then"
      .. " sent 5 of it to Cleo, who gave Ann 2." },
   { "extraction", "s",
      "Pick out every date: We met on May 2, again the following Friday, and signed on 2023-06-01." },
   { "extraction", "s",
      "From the text, only the drug names, comma separated: She takes 5 mg of ramipril in the morning "
      .. "and metformin twice a day." },
   { "extraction", "m",
      "Fill a table with columns role, company, years from this CV: 2015-2018 nurse at St. Mary, then "
      .. "until 2022 head nurse at Northside, since then lecturer at the college." },
   { "extraction", "c",
      "Go through the loan agreement and output every covenant with clause number, threshold, test "
      .. "date, cure period and the definitions it depends on, resolving nested definitions, as JSON that "
      .. "validates against the attached schema." },
   { "extraction", "s",
      "What is the flight number in here? 'Your flight LH 2034 to Munich departs at 06:45 from gate "
      .. "B12.'" },
   { "creative", "s", "four lines about my lazy dog that rhyme" },
   { "creative", "m", "Write a bedtime story in which a lighthouse falls in love with a passing ship." },
   { "creative", "s", "I need a pun for a shop that sells cheese." },
   { "creative", "m",
      "Draft a eulogy for a fictional town that was drowned by a reservoir, in the voice of its baker." },
   { "creative", "c",
      "Outline a trilogy: unreliable narrator, three generations, a crime that each generation reads "
      .. "differently; give chapter plans, recurring images, and the first 1,500 words in a distinct "
      .. "style." },
   { "creative", "s", "Suggest ten band names inspired by kitchen tools" },
   { "creative", "s", "Instagram caption for a sunset over a parking lot" },
   { "creative", "m", "Script a 30-second radio spot for a toothbrush that sings." },
   { "chat", "s", "hiya" },
   { "chat", "s", "what a day... my boss yelled at me again" },
   { "chat", "s", "Are you a real person?" },
   { "chat", "s", "thank you so much, you saved my evening!" },
   { "chat", "s", "Good afternoon! How are things?" },
   { "chat", "s", "haha no worries, talk later" },
   { "chat", "s", "I'm feeling a bit anxious about tomorrow" },
   { "chat", "s", "do you ever get tired of answering people?" },
   { "chat", "s", "what's your favourite season and why" },
   { "qa", "s", "Who painted The Night Watch?" },
   { "qa", "s", "how long do hamsters live" },
   { "qa", "m", "Why do airplane windows have a tiny hole in them?" },
   { "qa", "s", "What's the boiling point of ethanol?" },
   { "qa", "m", "What is the difference between a barrister and a solicitor in England?" },
   { "qa", "s", "Is a tomato a fruit?" },
   { "qa", "m", "Explain how noise-cancelling headphones work, I have no background in physics." },
   { "qa", "s", "Which of these is a noble gas?\nA) oxygen\nB) argon\nC) chlorine\nD) nitrogen" },
   { "qa", "c",
      "How did the Bretton Woods system contain the seeds of its own collapse, and how do monetarist "
      .. "and Keynesian historians differ in their account of it?" },
   { "qa", "s", "when is the next leap year" },
   { "mathematics", "s", "23 * 17 - 45 / 5" },
   { "mathematics", "m", "A jacket costs 80 euros after a discount of 20 %. What was its price before?" },
   { "mathematics", "m", "Differentiate y = ln(3x^2 + 1)." },
   { "mathematics", "m",
      "Janet bakes 48 muffins and puts 6 into each box. She sells each box for $9 and pays $21 for "
      .. "ingredients. What is her profit?" },
   { "mathematics", "c", "Prove that the sum of the reciprocals of the primes diverges." },
   { "mathematics", "s", "how many square meters is a room of 4.5 by 3.2 m" },
   { "mathematics", "m",
      "In how many ways can 8 people sit around a round table if two of them refuse to sit together?" },
   { "mathematics", "c",
      "Let f be an entire function with |f(z)| <= C(1 + |z|^n) for all z. Show that f is a polynomial "
      .. "of degree at most n." },
   { "mathematics", "s", "Round 3.14159 to two decimals" },
   { "reasoning", "m",
      "Sam's mother has four children: North, East, West and ... what is the fourth called? Explain the"
      .. " trick." },
   { "reasoning", "m",
      "Some roses fade quickly. All roses are flowers. Can we conclude that some flowers fade quickly?" },
   { "reasoning", "c",
      "Seven suspects, each made two statements of which exactly one is true. Work out who did it, list"
      .. " every step of the deduction, and show that no other suspect fits. 1: It was not 3. It was 5. 2:"
      .. " ..." },
   { "reasoning", "m",
      "You have a 3-litre and a 5-litre jug and a tap. How do you measure exactly 4 litres?" },
   { "reasoning", "m",
      "Alice sits opposite Bob, Carol is to the left of Alice. Who sits to the right of Bob?" },
   { "reasoning", "s", "Odd one out: hammer, saw, nail, banana" },
   { "reasoning", "m",
      "Premise: Two kids play chess in a park. Hypothesis: The kids are asleep. Entailment, neutral or "
      .. "contradiction?" },
   { "reasoning", "m", "What number continues the series 2, 6, 12, 20, 30? Say which rule you found." },
}
