// test_genai - Google's client.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { baton, city, fails, locked, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const clientFor = (baseUrl, apiKey, more = {}) =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl, ...more } });
const { models } = clientFor(baton, "any");
const ask = (provider, contents, config = {}) => ({ model: `${provider}/mini`, contents, config });
const tools = [
    {
        functionDeclarations: [
            { name: weather.name, description: weather.description, parametersJsonSchema: weather.parameters },
        ],
    },
];
const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } };

// One answer, whole or of a stream's pieces.
async function send(body, streamed) {
    if (!streamed) {
        const answer = await models.generateContent(body);
        const [candidate] = answer.candidates;
        return { parts: candidate.content.parts, finish: candidate.finishReason, usage: answer.usageMetadata };
    }
    const seen = { parts: [], finish: undefined, usage: undefined };
    for await (const piece of await models.generateContentStream(body)) {
        const candidate = piece.candidates?.[0];
        seen.parts.push(...(candidate?.content?.parts ?? []));
        seen.finish = candidate?.finishReason ?? seen.finish;
        seen.usage = piece.usageMetadata ?? seen.usage;
    }
    return seen;
}
const textOf = (answer) => answer.parts.map((part) => (part.thought ? "" : (part.text ?? ""))).join("");

for (const provider of providers) {
    test(`${provider}: whole and streamed say the same`, async () => {
        const whole = await send(ask(provider, "What is 5 plus 9?"));
        const streamed = await send(ask(provider, "What is 5 plus 9?"), true);
        assert(textOf(whole));
        assert.equal(textOf(streamed), textOf(whole));
        assert.deepEqual([whole.finish, streamed.finish], ["STOP", "STOP"]);
        assert(whole.usage.totalTokenCount > 0);
        assert.equal(streamed.usage.totalTokenCount, whole.usage.totalTokenCount);
    });

    test(`${provider}: a tool over two turns, whole and streamed`, async () => {
        for (const streamed of [false, true]) {
            const first = await send(ask(provider, question, { tools, toolConfig }), streamed);
            const calls = first.parts.filter((part) => part.functionCall).map((part) => part.functionCall);
            assert.equal(calls[0].name, weather.name);
            assert.equal(typeof calls[0].args.city, "string");
            const results = calls.map(({ id, name }) => ({
                functionResponse: { id, name, response: { weather: "rain" } },
            }));
            const contents = [
                { role: "user", parts: [{ text: question }] },
                { role: "model", parts: first.parts },
                { role: "user", parts: results },
            ];
            const second = await send(ask(provider, contents, { tools }), streamed);
            assert(textOf(second));
            assert.equal(second.finish, "STOP");
        }
    });

    test(`${provider}: structured output`, async () => {
        const config = { responseMimeType: "application/json", responseJsonSchema: city };
        const text = "Which city is the capital of France, and how many live there?";
        const value = JSON.parse(textOf(await send(ask(provider, text, config))));
        assert.equal(typeof value.city, "string");
        assert(Number.isInteger(value.population));
    });
}

test("tokens are counted", async () => {
    const answer = await models.countTokens({ model: "gemini/mini", contents: "Say hello." });
    assert(answer.totalTokens > 0);
});

test("texts are embedded", async () => {
    const answer = await models.embedContent({ model: "gemini/embed", contents: ["one", "two"] });
    assert.equal(answer.embeddings.length, 2);
    assert(answer.embeddings[0].values.length > 0);
});

test("models are listed", async () => {
    const names = [];
    for await (const model of await models.list()) names.push(model.name);
    assert(names.includes("models/gemini/mini"), names.join());
});

test("an unknown model is an ApiError of 404", () =>
    fails(models.generateContent(ask("nobody", "x")), (e) => {
        assert(e instanceof ApiError, String(e));
        assert.equal(e.status, 404);
        assert.equal(JSON.parse(e.message).error.status, "NOT_FOUND");
    }));

test("a wrong key is an ApiError of 401, the right one serves", async () => {
    const wrong = clientFor(locked, "wrong").models.generateContent(ask("gemini", "x"));
    await fails(wrong, (e) => assert.equal(e.status, 401));
    const answer = await clientFor(locked, "right-key").models.generateContent(ask("gemini", "x"));
    assert(answer.text);
});

test("a rate limit is an ApiError of 429, whole and streamed", async () => {
    for (const streamed of [false, true]) {
        await fails(send({ model: "gemini/mini:429=60", contents: "x" }, streamed), (e) => {
            assert.equal(e.status, 429, String(e));
            assert.match(e.message, /RESOURCE_EXHAUSTED/);
        });
    }
});

test("a failure is tried again by the client", async () => {
    const patient = clientFor(baton, "any", { retryOptions: { attempts: 3 } });
    const answer = await patient.models.generateContent({ model: "gemini/mini:500*1", contents: "x" });
    assert(answer.text);
});

test("a stream that is cut raises", async () => {
    for (const provider of providers) {
        const reading = send({ model: `${provider}/mini:cut`, contents: "Tell a story." }, true);
        await fails(reading, (e) => assert(e instanceof Error, `${provider}: ${e}`));
    }
});

test("an aborted stream ends the provider's work", async () => {
    const controller = new AbortController();
    const config = { abortSignal: controller.signal };
    const body = { model: "openai/mini:drip=50", contents: "Tell a long story.", config };
    try {
        for await (const piece of await models.generateContentStream(body)) if (piece.text) controller.abort();
    } catch (e) {
        assert.match(String(e), /abort/i);
    }
    await providerSawItLeave("mini:drip=50");
});

test("a timeout ends the provider's work", async () => {
    const body = { model: "gemini/mini:latency=30000", contents: "x", config: { httpOptions: { timeout: 300 } } };
    await assert.rejects(models.generateContent(body));
    await providerSawItLeave("mini:latency=30000");
});

await run("npm-genai");
