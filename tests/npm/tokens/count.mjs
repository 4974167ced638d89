// count - tokens of each file as gpt-tokenizer counts them: lines "FAMILY NUMBER FILE".
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { encode as cl100k } from "gpt-tokenizer/encoding/cl100k_base";
import { encode as o200k } from "gpt-tokenizer/encoding/o200k_base";

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, "utf8");
  console.log(`o200k ${o200k(text).length} ${file}`);
  console.log(`cl100k ${cl100k(text).length} ${file}`);
}
