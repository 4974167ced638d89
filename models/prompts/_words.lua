-- _words: what the templates of _prompts.lua are filled with, a choice a line.
-- SPDX-License-Identifier: MIT
-- luacheck: ignore 631
--
-- All of it was written for Baton.

return {
   doc = [[
The council met on Monday evening and agreed to repair the old bridge before winter. Work begins in October and will cost about 1.2 million, most of which comes from the region. Shop owners fear for their business while the road is closed.
Our quarterly revenue rose by 8 percent to 41 million, while costs grew faster because of energy prices and new hires. The board keeps its forecast for the year, but warned that orders from the car industry are slowing.
The patient, a 54-year-old man, was admitted with chest pain. The first ECG showed no changes; troponin was slightly raised. After treatment he improved and was discharged on the third day with advice to see his doctor.
Dear team, the release is moved to the 14th because two blocking bugs are still open. Anna looks after the login problem, Raj after the import. Please do not merge anything else until Thursday.
Scientists have found a new species of frog in the cloud forest. It is the size of a fingernail and spends its life in the leaves of a single plant. Deforestation threatens it before it has a name.
The tenant shall pay the rent in advance on the third working day of each month. If the rent is more than ten days late, the landlord may charge interest of five percent above the base rate.
I ordered a coffee machine on 3 May and it arrived with a cracked tank. Support asked for photos, which I sent twice. It is now June, I have no machine, and nobody answers my mails any more.
Researchers trained the network on three million images and tested it in four hospitals. It found nearly as many tumours as the radiologists, but raised more false alarms with patients under forty.
In 1848 the railway reached the valley. Within ten years the mills doubled their output, the population grew by half, and the first strike broke out over the length of the working day.
Yesterday at 09:12 the database stopped accepting writes because its disk was full. Alerts went to a mailbox that nobody reads. At 10:40 an engineer deleted old logs, and service returned a few minutes later.
The museum opens its new wing next spring. It shows two hundred paintings that were kept in storage for decades. Entry is free on the first Sunday of each month, guided tours cost six euros.
The team lost the first set and came back to win the match after three hours. The coach praised the young setter, who played her first final. They meet the champions next week.
Water flows from the lake through a tunnel to the turbines. When demand is low, pumps carry it back up. The plant stores enough energy for a city of a hundred thousand for one night.
The survey asked 1,200 people about their way to work. Half of them drive alone, a third take the bus or train, and the rest walk or cycle. Most would change if the bus came more often.
]],
   docname = [[
report
article
email
contract
press release
paper
letter
manual
memo
web page
chapter
transcript of the call
]],
   person = [[
my boss
a child of ten
my grandmother
new colleagues
a beginner
the board
my teacher
students
a busy manager
my best friend
an investor
a general audience
my neighbour
]],
   topic = [[
climate change
remote work
the housing market
friendship
inflation
artificial intelligence in schools
public transport
the fall of the Roman Empire
electric cars
social media and teenagers
migration
the sea
autumn
losing a job
space travel
antibiotic resistance
interest rates
the four-day week
renewable energy
loneliness in cities
supply chains
]],
   n = [[
2
3
4
5
6
7
8
9
]],
   lang = [[
Python
JavaScript
TypeScript
Java
C
C++
Go
Rust
Lua
Bash
PHP
Ruby
Kotlin
Swift
C#
SQL
Haskell
]],
   codetask = [[
reverse a string
sort a list of dictionaries by a key
read a CSV file and sum a column
check whether a number is prime
merge two sorted arrays
remove duplicates while keeping the order
parse command line arguments
find the longest common substring
download a web page and count its words
flatten a nested list
compute the n-th Fibonacci number
validate an email address
walk a directory tree and print the largest files
convert a date to another time zone
group words that are anagrams
rename all files in a folder
call a REST API with retries
connect to a database and insert rows
detect a cycle in a linked list
rotate a matrix by 90 degrees
count vowels in a string
find all pairs that add up to a target
returns the minimum of a stack in constant time
]],
   sqltask = [[
returns the five customers with the highest total
joins orders with customers and counts them by month
finds duplicate email addresses
deletes rows older than a year
gives the second highest salary of each department
]],
   snippet = [[
for i in range(len(items)): print(items[i)
def add(a, b):\n    return a + b
function f(x) { return x.map(y => y * 2) }
while (node != NULL) { node = node->next; free(node); }
SELECT * FROM users WHERE name = 'x' OR 1=1
public static void main(String[] args) { int[] a = new int[3]; a[3] = 1; }
const res = await fetch(url); return res.json()
if err != nil { return nil, err }
let v: Vec<i32> = Vec::new(); v.push(1);
df = pd.read_csv("data.csv"); df.groupby("city").mean()
#include <stdio.h>\nint main() { printf("%s", 5); }
x = [i ** 2 for i in range(10) if i % 2 == 0]
try: foo() except: pass
]],
   error = [[
IndexError: list index out of range
TypeError: undefined is not a function
NullPointerException
segmentation fault (core dumped)
ModuleNotFoundError: No module named 'requests'
cannot borrow as mutable more than once
syntax error near unexpected token
connection refused
error: expected ';' before '}' token
]],
   regex = [[
dates like 2024-05-31
German phone numbers
hex colours
IPv4 addresses
words that begin and end with the same letter
]],
   thing = [[
a shopping cart
a booking system
an inventory
a chat server
electric scooters
a microservice
a rate limiter
PostgreSQL
a content management system
solar panels
a mobile app
a monolith
wireless headphones
a payment gateway
a loyalty programme
]],
   datastructure = [[
LRU cache
priority queue
key-value store
hash map
work-stealing queue
B-tree
lock
]],
   ident = [[
process
select_all
transform
clean_up
collect
]],
   tongue = [[
French
German
Spanish
Italian
Japanese
Chinese
Portuguese
Polish
Dutch
Turkish
Arabic
Russian
Korean
Swedish
Latin
English
Hindi
]],
   sentence = [[
The train to the airport leaves from platform nine.
I would like to book a table for two on Friday evening.
Where is the nearest pharmacy?
We regret to inform you that your order is delayed.
My brother works in a hospital near the river.
The weather was so bad that we stayed at home all day.
Please send me the documents before Thursday.
She closed the door quietly and walked into the rain.
The meeting has been moved to next week.
Could you speak more slowly, please?
The cat sleeps on the warm windowsill.
Thank you for your quick reply.
]],
   phrase = [[
good morning
I am hungry
see you tomorrow
how much does it cost
happy birthday
I love you
no parking
get well soon
where is the toilet
thank you very much
]],
   foreign = [[
Ich hätte gern ein Glas Wasser.
Où est la bibliothèque ?
No tengo tiempo para eso ahora.
La vita è bella, ma a volte difficile.
Das Paket ist gestern angekommen.
Je voudrais réserver une chambre.
¿Cuánto cuesta este libro?
Quanto tempo leva até ao centro?
Gdzie jest dworzec?
我明天去北京。
お元気ですか。
Ik heb mijn sleutels vergeten.
]],
   noun = [[
cats
the moon
coffee
a bicycle
bread
autumn leaves
an old clock
the ocean
a teapot
dragons
apples
snow
a lighthouse
chess
onions
a violin
spiders
rain
chocolate
a mirror
]],
   plural = [[
apples
books
marbles
tickets
cats
stamps
dancers
robots
eggs
teachers
flowers
pencils
]],
   country = [[
Brazil
Canada
Kenya
Norway
Vietnam
Germany
Peru
Japan
Morocco
Poland
New Zealand
Portugal
Mongolia
]],
   company = [[
our company
a small bakery
Kodak
a regional airline
Netflix
the start-up described above
a bookshop chain
Nokia
a family hotel
an online grocer
]],
   decision = [[
enter the Asian market
raise its prices
move everything to the cloud
outsource support
buy a competitor
open on Sundays
replace its software
]],
   idea = [[
a universal basic income
a ban on cars in cities
nuclear power
grading without marks
a wealth tax
homework
self-driving lorries
paying with mobile phones only
open-source software in government
]],
   review = [[
The food was cold and the waiter rude. Never again!
Absolutely love these shoes, light and comfortable.
It works, but the app crashes every other day.
Great hotel, friendly staff, terrible breakfast.
I waited three weeks and then got the wrong size.
The best concert I have been to in years.
Not bad for the price, though the battery is weak.
]],
   ticket = [[
The whole shop is down since this morning!
How do I change my profile picture?
I was charged twice for the same order.
The printer on the second floor makes a noise.
]],
   numbers = [[
12, 15, 14, 18, 22, 21
Q1 1.2m, Q2 1.4m, Q3 1.1m, Q4 1.9m
agree 48 %, disagree 31 %, no answer 21 %
102; 98; 110; 131; 127
]],
   contact = [[
Please contact Maria Lopez at maria.lopez@example.com or call +34 600 123 456.
John Smith, Acme Ltd, 12 High Street, Leeds, john@acme.example.
On 4 March 2023 Dr. Chen of Globex met Peter Novak in Vienna to sign the deal worth $2.5 million.
Sincerely, Aisha Khan, Head of Sales, Nordwind GmbH, Hamburg, tel. 040 555 1234, www.nordwind.example
Tickets are $45 at https://tickets.example/show, the show is on Friday, 12 June, in Dublin.
]],
   invoice = [[
Invoice No. 2024-0117, 5 Feb 2024: 3 chairs at 49.90, 1 desk at 219.00, VAT 19 %, total 439.32 EUR.
INVOICE #A-9931 Date: 03/11/2023 Bill to: Acme Ltd. Consulting 12 h x $95 = $1,140.00 Due in 30 days
Order 55-821 shipped on 9 May, tracking 1Z999AA10123456784, total $83.20
Receipt: 2 coffees 7.00, 1 cake 4.50, tip 1.50, paid by card, 14:32
]],
   recipe = [[
Mix 200 g flour with two eggs and a cup of milk, add salt, fry in butter and serve with sugar and lemon.
Cook the rice, fry onions and garlic, add tomatoes, beans and chilli, simmer for twenty minutes.
]],
   startup = [[
a bakery for dogs
an app that finds quiet cafés
an eco-friendly cleaning service
a bike repair shop
a podcast about old maps
vegan ice cream
]],
   character = [[
a lonely robot
a retired detective
a girl who hears the thoughts of birds
two brothers
the last librarian
a dragon who is afraid of fire
a taxi driver in Lisbon
an old sailor
a clockmaker
]],
   plot = [[
finds a door in the cellar
wakes up in another century
must choose between love and duty
discovers a letter that was never sent
loses the ability to lie
travels to the edge of the map
makes an unlikely friend
has one day to save the village
]],
   style = [[
Shakespeare
Edgar Allan Poe
Dr. Seuss
Jane Austen
Hemingway
Emily Dickinson
Marie Curie
Napoleon
]],
   concept = [[
photosynthesis
gravity
inflation
a black hole
the French Revolution
DNA
democracy
an enzyme
quantum entanglement
the stock market
opportunity cost
a virus
plate tectonics
habeas corpus
machine learning
osmosis
the Cold War
entropy
a mortgage
Buddhism
the placebo effect
an index fund
]],
   event = [[
World War II
the moon landing
the Great Depression
the fall of the Berlin Wall
the Black Death
the Russian Revolution
the first Olympic Games
the invention of printing
]],
   fact = [[
whales are mammals
gold is heavier than lead
the Great Wall can be seen from space
water boils at 100 degrees at sea level
all birds can fly
some politicians are honest
bats are blind
the heart has four chambers
a man is playing a guitar
nobody is outside
metals conduct electricity
]],
   question = [[
why did the council repair the bridge?
who looked after the problem?
when did it happen?
which gas do plants take in?
how much did it cost?
what is the main reason for the change?
which organ produces insulin?
]],
   first = [[
Anna
Tom
Maria
James
Priya
Leo
Fatima
]],
   friend = [[
Ben
Sara
Mike
Yuki
Carlos
]],
   other = [[
Eva
Omar
Paul
Nina
]],
}
