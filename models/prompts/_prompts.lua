-- _prompts: what the shipped model learns from: templates of prompts, by kind of work and complexity.
-- SPDX-License-Identifier: MIT
-- luacheck: ignore 631
--
-- All of it was written for Baton. A line is "level template": s simple, m medium, c complex. {name} is a choice
-- from _words.lua; [a|b|] is one of those. generate.lua makes prompts of them.

return {
   summarisation = [[
s Give a short version of this {docname} for {person}: {doc}
s {doc}\nThe above in one sentence?
s Which points matter most here? {doc}
m Write a digest of this {docname}, at most {n}0 words, for {person}.\n{doc} {doc}
s What is this {docname} about? Just a line or two.\n{doc}
m Brief me on the {docname} that follows; decisions first.\n{doc} {doc}
s Make a summary: {contact} {doc}
s Cut this down to {n} sentences without losing the facts. {doc}
m Minutes are below. I need a summary with names and deadlines. {doc} {contact}
s The main idea of the passage is what? {doc}
m Summarise this conversation between {first} and {friend} about {topic}. {doc}
s Summarise [this|the following|the text below] in one sentence:\n\n{doc}
s [Summarize|Sum up|Recap] this in {n} bullet points.\n{doc}
s tl;dr please\n\n{doc}
s Give me the gist of this [email|message|note]: {doc}
s Shorten this to {n}0 words or fewer: {doc}
s What are the [key|main] points of [this text|the passage|this article]?\n"{doc}"
s Write a [one-line|short] headline for this article: {doc}
s [Condense|Boil down] the following paragraph to its essence.\n\n{doc}
s in a nutshell, what does this say? {doc}
m {doc}\n\nWrite an executive summary of the above for {person}.
m Summarise the meeting notes below: decisions, open questions, who does what.\n\n{doc} {doc}
m Here is a {docname}. Give me an overview in three short paragraphs, plain language.\n\n{doc}
m Produce an abstract of at most 150 words for a paper about {topic}. Text: {doc} {doc}
m Recap the thread below so that {person} can catch up in a minute.\n{doc}\n{doc}
m Make a summary of the {docname} below, keep all numbers and dates.\n{doc}
c Summarise the two documents below side by side and point out where they contradict each other.\n\nA: {doc} {doc}\n\nB: {doc} {doc}
c Read the whole {docname} and write a layered summary: one line, one paragraph, one page with section references, noting uncertain claims.\n{doc} {doc} {doc}
s What happened in this story? Two sentences.\n{doc}
s Give a brief summary of {topic} for {person}.
m Summarise the plot of a novel about {topic} that I describe here: {doc} {doc}
s can u shorten this pls: {doc}
s Reduce this {docname} to its most important points. {doc}
]],
   code = [[
s {lang} how to {codetask}
s Why is `{snippet}` wrong?
s What does `{error}` mean?
m My {lang} loop never ends, what did I do wrong?\n{snippet}
m Port this from {lang} to {lang} and comment it:\n{snippet}
s CSS to make {thing} page two columns
s Which command lists all open ports on Linux?
m Create a REST endpoint in {lang} that can {codetask}.
s pandas: how do I {sqltask}?
m The unit test fails with {error} although the function looks right:\n{snippet}
c Write a {datastructure} in {lang}, lock-free, with a proof sketch and a stress test.
s Which HTTP status code should an API return for {noun}?
s Write a {lang} function that {codetask}.
s How do I {codetask} in {lang}?
s {lang}: one-liner to {codetask}
s What does this {lang} code do?\n```\n{snippet}\n```
s Fix the syntax error: `{snippet}`
s Give me a regex that matches {regex}.
s Write an SQL query that {sqltask}.
s Convert this {lang} snippet to {lang}:\n{snippet}
s write a script to {codetask}
m Write a {lang} class for {thing} with {codetask} and unit tests.
m My {lang} program crashes with `{error}`. Here is the code:\n```\n{snippet}\n```\nWhat is wrong?
m Refactor this function so that it is easier to test.\n```{lang}\n{snippet}\n```
m I get "{error}" when I run the tests in {lang}, why?
m Add error handling and logging to this code:\n{snippet}
m Write a Dockerfile and a [Makefile|CI workflow] for a small {lang} service that {codetask}.
m Build a [React|Vue|HTML and CSS] component that shows {thing} in a table with sorting and pagination.
m Explain the time complexity of this code and make it faster.\n```\n{snippet}\n```
c Implement a thread-safe {datastructure} in {lang} with benchmarks, and prove that it is free of deadlocks.
c Design and implement a {lang} library for {thing}: public API, concurrency model, migration path, tests with at least 90 % coverage.
c Our {lang} service leaks memory under load. Here are three modules. Find the leak, explain it, and propose a patch with a rollback plan.\n```\n{snippet}\n```\n```\n{snippet}\n```
c Write a compiler front end in {lang} for a small language with closures, type inference and good error messages.
c Implement a distributed {datastructure} with consensus and handle network partitions; write it in {lang}.
s Complete the function:\ndef {ident}(items):\n    """Return a list in which we {codetask}."""
s {snippet}\n\nthis throws {error}, help
m Review this pull request and point out bugs:\n```diff\n+ {snippet}\n```
m Write unit tests for\n```\n{snippet}\n```
s How can I undo the last commit in git?
s What is the difference between == and === in JavaScript?
s how to center a div
m Write a bash script that {codetask} every night and mails me when it fails.
m implement an algorithm which can {codetask}, {lang} please, no libraries
]],
   translation = [[
s What do people in {country} say for "{phrase}"?
s Was bedeutet "{phrase}" auf Deutsch?
s Comment dit-on "{noun}" en anglais ?
s ¿Qué significa "{noun}" en español?
s English to {tongue}: {sentence}
s from {tongue} to English: {foreign}
m Translate my email to a customer in {country}, polite form: {sentence} {sentence}
s meaning of "{foreign}" in english pls
m Put the following paragraph into plain {tongue}. {doc}
s Give me three {tongue} greetings and what they mean.
s Translate [this|the following] [into|to] {tongue}: {sentence}
s Translate "{sentence}" into {tongue}.
s How do you say "{phrase}" in {tongue}?
s What is the {tongue} word for {noun}?
s {tongue} translation of: {sentence}
s What does "{foreign}" mean in English?
s Please put this into {tongue}: "{sentence}"
s translate to {tongue}\n{sentence}
s Say "{phrase}" in {tongue}, informal.
s Into English, please: {foreign}
m Translate this {docname} into {tongue}. Keep the formatting and the names.\n\n{doc}
m Localise this text for readers in {country}: currency, dates, tone.\n{doc}
m Translate from English to {tongue} and give a literal version next to it: {doc}
m Here is an email in {tongue}; give me a faithful English version: {foreign} {foreign}
c Translate this contract clause into legal {tongue}, explain each term without an exact equivalent, and note where the meaning could differ in court.\n{doc} {doc}
c Translate the poem below into {tongue} with the same metre and rhyme scheme, and comment on each choice.\n{sentence}\n{sentence}
s {foreign}\n\nWhat does that say?
s Render this sentence in {tongue}: {sentence}
m Translate the menu below to {tongue} and {tongue}: {noun}, {noun}, {noun}
s I need this in {tongue} for a [sign|label|text message]: {phrase}
s Is "{foreign}" the right way to say "{phrase}"?
]],
   analysis = [[
m Why might {numbers} have changed since we decided to {decision}?
m Which is the better choice for {person}, {thing} or {thing}? Weigh cost and risk.
m Tell me what is weak about this text and why: {doc}
s Positive or negative? "{review}"
s Pros and cons of {thing} versus {thing}?
m Our conversion rate fell after we launched {thing}. What could explain it and how do we find out?
m Contrast {concept} with {concept} in their effects on {topic}.
m Is the argument in this {docname} convincing? Say why. {doc}
m Judge these two offers for {person}: {numbers} or {numbers}.
c Assess the proposal to {decision}: incidence, transition costs, political feasibility, and what the evidence cannot show.
m Analyse the [causes|effects|implications] of {topic}.
m Compare {thing} and {thing}: pros and cons for {person}.
m What are the strengths and weaknesses of {idea}?
m Evaluate whether {company} should {decision}.
m Do a SWOT analysis of {company}.
m Assess the risks of {decision} for {company}.
s What is the sentiment of this review, positive or negative? "{review}"
s Classify this ticket as urgent, normal or low: {ticket}
s Is the tone of this message friendly or angry? {review}
s Compare {noun} and {noun} briefly.
m Here are the sales of the last {n} months: {numbers}. What trends do you see?
m Review my [essay|cover letter|business plan] and give feedback:\n{doc} {doc}
m What can we learn from this feedback? {review} {review} {review}
m Critique the argument in this text.\n{doc}
c Analyse the root cause of the outage from the timeline below, separate contributing factors from triggers, and propose measures with owners and cost.\n{doc} {doc}
c Critically evaluate {idea} from an economic, ethical and technical perspective, weigh the evidence, and state what would change your mind.
c Compare the strategies of {company} and its rivals over the last decade, quantify the trade-offs, and recommend what to do about {topic}.
c Examine how {topic} interacts with {topic}; discuss confounders, counterfactuals and the limits of the data.
c Review this architecture: {thing} behind a queue, {thing} in two regions. Discuss consistency, failure modes, cost and the migration.
m What impact does {topic} have on {topic}?
m Interpret these survey results for {person}: {numbers}
s What are the advantages and disadvantages of {thing}?
m Why did {company} fail where others succeeded? Look at product, timing and money.
m Identify the bias in this article: {doc}
m Weigh up the arguments for and against {idea}.
]],
   extraction = [[
s Which dates are in this text? {doc} {contact}
s Only the names, comma separated: {contact}
s From the text below, get every amount of money. {invoice} {doc}
m JSON with sender, receiver, amount for each payment: {invoice} {contact}
s What is the phone number in this message? {contact}
s Pick out each place: {doc}
m Make a table of role, company and year from this text: {contact} {doc}
s Which product and which price are named here? {invoice}
s Give me the e-mail address from: {contact}
m Collect all requirements in the following {docname} as a numbered list, verbatim. {doc} {doc}
s When does it start, according to this {docname}? Only the date. {doc}
s Extract all [names|dates|email addresses|phone numbers|prices] from this text:\n{doc} {contact}
s List the [people|companies|places] mentioned below.\n{doc} {contact}
s What is the invoice number in this text? {invoice}
s Pull out the total amount: {invoice}
s Return the order number and the date as JSON: {invoice}
s Find all [URLs|e-mail addresses] in: {contact} {contact}
m Extract the entities (person, organisation, date, amount) from the text and return JSON only.\n{doc} {contact}
m Parse this invoice into JSON with the fields number, date, items, total, currency.\n{invoice}
m From the following {docname}, fill in this form: name, company, phone, reason.\n{contact} {doc}
m Turn this text into a CSV table with one row for each event.\n{doc} {doc}
m Read the job advert and give me title, salary, location and required skills as key: value lines. {doc}
c Extract every obligation, its owner, deadline and penalty from the contract below as a JSON array that follows this schema, resolve pronouns and cross-references, and mark what is implied.\n{doc} {doc} {doc}
c Build a knowledge graph of the text: entities, typed relations with evidence spans, merged aliases, and contradictions.\n{doc} {doc}
s Which [city|date|product] does the text mention? "{doc}"
s Get the tracking number out of this: {invoice}
s Quote the sentence that says when it happened. {doc}
s {contact}\n\nname and email only please
m Tag each word of the sentence as PERSON, ORG, LOC or O: {contact}
s Identify the ingredients in this recipe: {recipe}
m List all action items with owner and due date: {doc} {contact}
s Only return the keywords of this text: {doc}
]],
   creative = [[
s {n} lines about {noun} that rhyme
s Suggest {n}0 names for a band that loves {noun}
s a pun about {noun} please
m Script a {n}0-second advert for {startup}.
m Describe {noun} as if it were alive.
m Draft a letter from {character} to {character}.
s Finish this sentence with a metaphor: {noun} looked like
m Write a bedtime story in which {character} meets {character}.
s Think up a motto for {startup}.
m Write a monologue of {character} who {plot}.
c Outline a series of novels about {character} who {plot}: unreliable narrator, chapter plans, recurring images, and the first pages.
s Write a [haiku|limerick|short poem] about {noun}.
s Tell me a joke about {noun}.
s Come up with {n} [slogans|taglines|names] for {startup}.
s Write a [birthday|thank-you|wedding] [message|card|toast] for {person}.
s Invent a name for {startup}.
m Write a short story about {character} who {plot}.
m Write a [poem|song|ballad] about {topic} in the style of {style}.
m Write the opening scene of a [thriller|romance|fantasy novel|screenplay] in which {character} {plot}.
m Brainstorm {n}0 ideas for a [blog|video channel|school project] about {topic}.
m Write a [blog post|product description|newsletter] about {thing} with a playful tone.
m Write a dialogue between {character} and {character} about {topic}.
m Imagine that {noun} could talk. Write its diary.
c Write a 2,000-word story in three interleaved timelines about {character} who {plot}; each part with its own voice, a motif that returns, and an ending that recasts the beginning.
c Write a villanelle about {topic} in strict iambic pentameter, then a prose poem that answers it line by line.
c Develop the world of a novel: {character} {plot}; politics, magic system with costs, five factions and the arcs of all main characters.
s rap about {noun}
s give me a funny caption for a picture of {noun}
m Rewrite this text as a fairy tale: {sentence} {sentence}
m Continue the story: {character} {plot}. Then
s Write a [tweet|caption|tagline] that makes people want {startup}.
m Create lyrics for a children's song about {noun}.
m Write a speech for {person} about {topic} that makes people laugh and cry.
s Write a sentence using the words {noun}, {noun} and {noun}.
]],
   chat = [[
s [hey|hi|yo|sup|hiya|heya|howdy]
s [my boss|my sister|a friend] [shouted at me|made me laugh|called] today
s haha [you made my day|good one|nice]
s [see you|talk to you|bye for now|later]!
s I'm a bit [worried|stressed|excited] about tomorrow
s Are you [human|real|a bot|awake]?
s can we just talk for a while
s [great|perfect|awesome|super], that's all for now
s Happy [new year|Friday|birthday]!
s what do you enjoy doing
s sorry, I was rude earlier
s [Good afternoon|Good day], how are things?
s It's raining again and I have nothing to do
s [Hi|Hello|Hey|Hey there|Good morning|Good evening|Yo]
s [Hi|Hello|Hey] [there|everyone|friend], how are you?
s [Hi|Hello|Hey]! [What's up|How's it going|How was your day|How do you do]?
s [Thanks|Thank you|Thanks a lot|Cheers], [that helped|you are great|bye|see you]!
s ok [thanks|cool|great|bye|got it]
s I feel [tired|sad|great|bored|lonely|nervous] today.
s I'm [bored|tired|so happy], let's talk.
s Who are you?
s [What is your name|Are you a robot|Do you sleep|Can you hear me|What can you do|Are you there]?
s Tell me about yourself.
s Do you like {noun}?
s lol [that's funny|ok|you're silly]
s Nice to meet you, I am {first}.
s My {person} [is mad at me|left me|forgot my birthday], I don't know what to do.
s What should I [eat|do|watch|wear] tonight?
s Good night, talk to you tomorrow
s How was your weekend?
s I had a long day at [work|school], just want to chat
s [Do you have feelings|What do you think about {noun}|What's your favourite {noun}]?
s [yes|no|maybe|sure], [why not|go on|please|not now]
s I love {noun}, you?
m I have been feeling down since I moved to {country}. Can we talk about it?
m Pretend you are my friend {first} and chat with me about {topic}.
s wow, really? tell me more
s That was not what I meant, sorry.
s congrats me, I passed my exam!!
]],
   qa = [[
s how long do [cats|elephants|bees|trees] live
s When is [Easter|Ramadan|the next eclipse|the summer solstice]?
s What's the [population|currency|flag|time zone|highest mountain] of {country}?
s Who [painted|wrote|composed|directed|founded|built] [the Mona Lisa|Hamlet|the Ninth Symphony|Jaws|Rome|the Taj Mahal]?
s What is the [boiling|melting] point of [water|iron|gold]?
s Are [tomatoes|mushrooms|corals] [plants|animals|fruit]?
m Why do [planes|ships|bridges|mirrors|magnets] [fly|float|hold|work|attract]?
m Explain how [a refrigerator|the internet|a vaccine|a microwave|a laser] works, I have no background.
s Which of these is a [metal|mammal|prime minister|vitamin]?\nA) {noun}\nB) {noun}\nC) {noun}
s What happens if you [swallow gum|mix vinegar and baking soda|look into the sun]?
s How many [bones|legs|moons|strings] does [a human|a spider|Jupiter|a violin] have?
m What causes [tides|earthquakes|inflation|migraines|northern lights]?
s What is {concept}?
s What is the capital of {country}?
s Who [invented|discovered|wrote about] {concept}?
s When did {event} [happen|begin|end]?
s Where is {country}?
s How many people live in {country}?
s How tall is [the Eiffel Tower|Mount Everest|a giraffe]?
s Which [planet|country|animal|element] is the [largest|smallest|oldest|fastest]?
s Is it true that {fact}?
s Why is [the sky blue|the sea salty|grass green|ice slippery]?
s What does {concept} mean?
s Define {concept}.
s What year did {event} take place?
s Does {concept} have anything to do with {concept}?
s How do I [boil an egg|renew a passport|remove a coffee stain|tie a tie]?
m Explain {concept} to {person}.
m How does {concept} work?
m What is the difference between {concept} and {concept}?
m Which of the following is true about {concept}?\nA) {fact}\nB) {fact}\nC) {fact}\nD) none of these
m According to the passage, {question}\n\n{doc}
m Answer the question with the context below.\nContext: {doc}\nQuestion: {question}
s Answer yes or no: {fact}?
c Explain how {concept} led to {concept}, with the mathematics behind it, open problems, and the main schools of thought.
c How do modern theories of {concept} explain {event}, where do they disagree, and which experiments could decide between them?
s Can [dogs|cats|birds|fish] eat {noun}?
s What time is it in {country}?
s Choose the correct answer. {question} A. {noun} B. {noun} C. {noun} D. {noun}
s Who was {style}?
m What happened during {event} and why does it matter?
s what language do they speak in {country}
]],
   mathematics = [[
s {n}{n} * {n}{n} - {n}{n} / {n}
m A jacket costs {n}0 euros after a discount of {n}0 %. What did it cost before?
m Differentiate y = ln({n}x^2 + {n}).
s how many square metres is a room of {n}.5 by {n} m
m In how many ways can {n} people sit around a table?
m {first} bakes {n}{n} cakes, puts {n} in each box and sells each box for ${n}. What is the profit after ${n}{n} for flour?
c Let f be a continuous function with |f(x)| <= {n} for all x. Show that f has a fixed point.
s Round {n}.{n}{n}{n}{n} to two decimals
m Find the angle between the vectors ({n}, {n}) and ({n}, -{n}).
m How many different ways are there to choose {n} of {n}{n} {plural}?
m What is the area of a circle with radius {n} cm?
s Write 0.{n}{n} as a fraction.
c Prove by contradiction that the square root of {n} is irrational.
s What is {n}{n} [plus|minus|times|divided by] {n}?
s What is {n}5% of {n},{n}00?
s Calculate {n}{n} * {n}{n} + {n}.
s Solve for x: {n}x + {n} = {n}{n}
s {first} has {n} {plural} and buys {n} more. How many {plural} does {first} have?
s How much is the square root of {n}{n}{n}?
s Convert {n}{n} miles to kilometres.
s Simplify ({n}a + {n}b) - ({n}a - {n}b).
m A train leaves at {n}:{n}0 and travels at {n}0 km per hour. How long does it take for {n}{n}0 km?
m {first} buys {n} {plural} for ${n}.{n}0 each and sells them at {n}0 % profit. How much money does {first} make in total?
m Find the derivative of f(x) = {n}x^3 - {n}x^2 + {n}.
m Compute the integral of x^{n} e^x from 0 to {n}.
m Solve the system of equations {n}x + {n}y = {n}{n} and x - y = {n}.
m What is the probability of getting exactly {n} heads in {n}{n} coin tosses?
m The perimeter of a rectangle is {n}{n} and its length is twice its width. Find the area.
m {first} reads {n}0 pages a day, {friend} half as many. After {n} weeks, how many more pages has {first} read?
m Let $f(x) = \frac{x^{n}-1}{x-1}$. Find $f'({n})$.
m Find all [primes|integers|real solutions] of x^2 - {n}x + {n} = 0.
c Prove that there are infinitely many primes congruent to {n} modulo 4.
c Show that every [bounded sequence of real numbers has a convergent subsequence|finite group of prime order is cyclic|continuous function on a compact set is uniformly continuous].
c Let G be a group of order {n}{n}. Determine all possible isomorphism types and prove your answer.
c Derive the closed form of the recurrence T(n) = {n}T(n/2) + n log n and prove it by induction.
c Find the number of ordered triples (a, b, c) of positive integers such that a + b + c = {n}{n}{n} and gcd(a, b, c) = 1. Justify each step.
m A tank is filled by two pipes in {n} and {n} hours. How long do both take together?
s What is the average of {n}, {n}, {n}{n} and {n}?
s {n}/{n} + {n}/{n} as a fraction
m If {n} workers need {n}{n} days, how many days do {n} workers need?
c Evaluate the contour integral of 1/(z^{n}+1) over the unit circle and prove convergence.
m What is the remainder when {n}^{n}{n} is divided by {n}?
]],
   reasoning = [[
m All {plural} are {plural}. Some {plural} fade quickly. Can we conclude that some {plural} fade quickly?
s Odd one out: {noun}, {noun}, {noun}, {noun}
m {first}'s mother has three children: two are called {friend} and {other}. What is the third one called?
m You have a {n}-litre and a {n}-litre jug. How do you measure exactly one litre?
m {first} sits opposite {friend}, {other} sits to the left of {first}. Who sits to the right of {friend}?
m The day before yesterday was two days after Monday. What day is tomorrow?
m {n} machines make {n} parts in {n} minutes. How long do {n}0 machines need for {n}0 parts?
m A bat and a ball cost {n}.10 together, the bat a euro more than the ball. What does the ball cost? Careful.
m Yes or no: if no {plural} are {plural} and all {plural} are {plural}, are no {plural} {plural}?
m What number continues the series {n}, {n}, {n}{n}, {n}{n}? Say which rule you found.
c Six suspects made two statements each, exactly one of them true. Work out who did it and show that no other fits. {first}: it was {friend}. {friend}: it was not me.
m I am light as a feather, yet nobody can hold me long. What am I?
m If all {plural} are {plural} and some {plural} are {plural}, does it follow that some {plural} are {plural}? Explain the logic.
m Puzzle: {first} is taller than {friend}, {friend} is taller than {other}. Who is the shortest?
m Riddle: I have keys but open no door. What am I?
m Premise: {fact}. Hypothesis: {fact}. Is it entailment, contradiction or neutral?
m There are three boxes, all labels are wrong. You may open one. How do you find out what is in each?
m {first} lies on Mondays, {friend} always tells the truth. {first} says that {friend} lied yesterday. What day is it?
m What comes next in the sequence: {n}, {n}{n}, {n}{n}, ...? Give your reasoning.
c Five houses in five colours, five owners, five drinks and five pets; with the clues below deduce who keeps the fish, and show that the solution is unique.\nClues: {first} lives in the red house. {friend} drinks tea. {other} lives next to the one with the {noun}.
c You have twelve coins, one is heavier or lighter. Find it with three weighings and prove that two are not enough.
c Knights always tell the truth and knaves always lie. {first} says: exactly one of us is a knave. {friend} says: {first} and {other} are of the same kind. Deduce all consistent cases.
c Plan how {n} people with one torch cross a bridge in the least time, and argue why no plan is faster.
m Is this argument valid? {fact}. Therefore {fact}.
m {first}, {friend} and {other} sit in a row. {first} is not next to {other}. Who sits in the middle?
m A farmer must cross a river with a wolf, a goat and a cabbage. How?
s Which word does not belong: {noun}, {noun}, {noun}, {noun}?
s Complete the analogy: {noun} is to {noun} as {noun} is to what?
m Two doors, two guards, one lies. Which single question do you ask?
m If it rains, the match is off. The match was not off. What can we conclude?
m Clues: the {noun} is left of the {noun}; the {noun} is not at the end. In which order do they stand? Think step by step.
c Schedule {n} meetings for {first}, {friend} and {other} such that nobody has two at once, {first} never meets {other} in the morning, and the last one ends before five; explain why it is optimal.
m Who is lying? {first}: "It was {friend}." {friend}: "It was {other}." {other}: "{friend} lies." Only one tells the truth.
]],
}
