// client - what the tests of every client share: where Baton is, the simulator's log, counting.
// SPDX-License-Identifier: MIT
//
// Run by tests/e2e/test_npm.py, which starts the engine and the simulator and sets BATON_URL
// (http://HOST:PORT), LOCKED_URL (a gateway that wants the key "right-key"), PLAIN_URL (one that has
// only the provider "sim"), SIM_LOG, DEADLINE_MS.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const baton = process.env.BATON_URL;
export const locked = process.env.LOCKED_URL;
export const plain = process.env.PLAIN_URL;
const deadline = Number(process.env.DEADLINE_MS ?? 10000);

// The providers behind Baton, each one format of the same simulator.
export const providers = ["openai", "responses", "azure", "anthropic", "gemini", "ollama"];

export const weather = {
    name: "get_weather",
    description: "The weather of a city.",
    parameters: {
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false,
    },
};
export const question = "What is the weather in Berlin?";

export const city = {
    type: "object",
    properties: { city: { type: "string" }, population: { type: "integer" } },
    required: ["city", "population"],
    additionalProperties: false,
};

export async function eventually(question, what) {
    const end = Date.now() + deadline;
    for (;;) {
        const answer = question();
        if (answer) return answer;
        assert(Date.now() < end, `not in time: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

export const simLog = () =>
    readFileSync(process.env.SIM_LOG, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line));

// The simulator saw its client leave: the entry of its log for that model.
export async function providerSawItLeave(model) {
    const entry = await eventually(() => simLog().find((e) => e.model === model), `${model} in the simulator's log`);
    assert.equal(entry.client_left, true, JSON.stringify(entry));
}

// A promise that must fail, and what it failed with must satisfy 'judge'.
export const fails = (promise, judge) =>
    assert.rejects(promise, (e) => {
        judge(e);
        return true;
    });

const tests = [];
export const test = (name, run) => tests.push({ name, run });

// Runs what 'test' collected, one after the other; the last line counts.
export async function run(title) {
    let passed = 0,
        failed = 0;
    for (const { name, run } of tests) {
        try {
            await run();
            passed++;
            console.log(`passed  ${name}`);
        } catch (e) {
            failed++;
            console.log(`FAILED  ${name}\n    ${String(e?.stack ?? e).replaceAll("\n", "\n    ")}`);
        }
    }
    console.log(`${title}: ${passed} passed, ${failed} failed, 0 skipped`);
    process.exit(failed ? 1 : 0);
}
