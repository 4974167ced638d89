// check_ajv - verdicts of ajv: lines {"draft", "schema", "values"} in, a line of digits each out ("x": no schema).
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";

const options = { strict: false, validateSchema: false, validateFormats: false, logger: false };
for (const line of readFileSync(process.argv[2], "utf8").trimEnd().split("\n")) {
  const { draft, schema, values } = JSON.parse(line);
  let verdicts = "";
  try {
    const validate = new (draft === "7" ? Ajv : Ajv2020)(options).compile(schema);
    for (const value of values) verdicts += validate(value) ? "1" : "0";
  } catch {
    verdicts = "x";
  }
  console.log(verdicts);
}
