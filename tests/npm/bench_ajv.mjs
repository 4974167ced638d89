// bench_ajv - JSON.parse and a compiled ajv validator over the documents of tests/bench/schemas.py.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";

const NANOSECONDS = 300n * 1000n * 1000n;

for (const path of process.argv.slice(2)) {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(JSON.parse(lines[0]));
  // fresh strings, as they come from a socket: bytes of one-byte characters where the text has no others
  const documents = lines.slice(1);
  let verdicts = "";
  for (let round = 0; round < 2000; round++) for (const text of documents) validate(JSON.parse(text));
  for (const text of documents) verdicts += validate(JSON.parse(text)) ? "1" : "0";
  let checks = 0;
  const start = process.hrtime.bigint();
  const end = start + NANOSECONDS;
  let now;
  do {
    for (const text of documents) validate(JSON.parse(text));
    checks += documents.length;
    now = process.hrtime.bigint();
  } while (now < end);
  console.log(`${basename(path, ".txt")} ${(Number(now - start) / checks).toFixed(1)} ${verdicts}`);
}
