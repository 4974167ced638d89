// test_ai_sdk - the AI SDK ("ai") with its providers for OpenAI, Anthropic and compatible servers.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { baton, city, fails, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const baseURL = `${baton}/v1`;
const openai = createOpenAI({ baseURL, apiKey: "any" });
const anthropic = createAnthropic({ baseURL, apiKey: "any" });
const compatible = createOpenAICompatible({ name: "baton", baseURL, includeUsage: true, supportsStructuredOutputs: true });

const doors = {
    "openai chat": (id) => openai.chat(id),
    "openai responses": (id) => openai.responses(id),
    anthropic: (id) => anthropic(id),
    compatible: (id) => compatible(id),
};
const quiet = { maxRetries: 0, onError: () => {} };

const weatherTool = () => {
    const asked = [];
    const execute = ({ city }) => {
        asked.push(city);
        return { weather: "rain" };
    };
    const inputSchema = jsonSchema(weather.parameters);
    return { asked, tools: { [weather.name]: tool({ description: weather.description, inputSchema, execute }) } };
};

for (const [door, model] of Object.entries(doors)) {
    test(`${door}: whole and streamed say the same, from every provider`, async () => {
        for (const provider of providers) {
            const body = { model: model(`${provider}/mini`), prompt: "What is 5 plus 9?", ...quiet };
            const whole = await generateText(body);
            assert(whole.text, provider);
            assert.equal(whole.finishReason, "stop");
            assert(whole.usage.totalTokens > 0);
            const stream = streamText(body);
            let text = "";
            for await (const piece of stream.textStream) text += piece;
            assert.equal(text, whole.text, provider);
            assert.equal(await stream.finishReason, "stop");
            assert.equal((await stream.usage).totalTokens, whole.usage.totalTokens, provider);
        }
    });

    test(`${door}: a tool is run and its result answered, from every provider`, async () => {
        for (const provider of providers) {
            for (const streamed of [false, true]) {
                const { asked, tools } = weatherTool();
                const body = {
                    model: model(`${provider}/mini`),
                    prompt: question,
                    tools,
                    stopWhen: stepCountIs(4),
                    ...quiet,
                };
                const result = streamed ? streamText(body) : await generateText(body);
                const text = await result.text;
                const steps = await result.steps;
                assert.equal(steps.length, 2, `${provider}: ${steps.length} steps`);
                assert.equal(typeof asked[0], "string");
                assert(text, provider);
            }
        }
    });

    test(`${door}: an object that fits its schema, from every provider`, async () => {
        for (const provider of providers) {
            // This door asks by a tool that must be called; Ollama cannot be made to call one.
            if (door === "anthropic" && provider === "ollama") continue;
            const { object } = await generateObject({
                model: model(`${provider}/mini`),
                schema: jsonSchema(city),
                prompt: "Which city is the capital of France, and how many live there?",
                ...quiet,
            });
            assert.equal(typeof object.city, "string", provider);
            assert(Number.isInteger(object.population), provider);
        }
    });

    test(`${door}: errors have their status, and say whether to try again`, async () => {
        const call = (id) => generateText({ model: model(id), prompt: "x", ...quiet });
        await fails(call("nobody/x"), (e) => {
            assert(APICallError.isInstance(e), String(e));
            assert.deepEqual([e.statusCode, e.isRetryable], [404, false]);
        });
        await fails(call("openai/mini:429=60"), (e) => {
            assert.deepEqual([e.statusCode, e.isRetryable], [429, true], String(e));
            assert(Number(e.responseHeaders["retry-after"]) > 20);
        });
    });

    test(`${door}: a stream that is cut ends in an error`, async () => {
        const body = { model: model("gemini/mini:cut"), prompt: "Tell a story.", ...quiet };
        const kinds = [];
        for await (const part of streamText(body).fullStream) kinds.push(part.type);
        assert(kinds.includes("error"), kinds.join());
    });
}

test("a failure is tried again by the client", async () => {
    const { text } = await generateText({ model: openai.chat("openai/mini:500*1"), prompt: "x", maxRetries: 2 });
    assert(text);
});

test("texts are embedded", async () => {
    for (const model of [openai.embedding("openai/embed"), compatible.embeddingModel("gemini/embed")]) {
        const { embeddings } = await embedMany({ model, values: ["one", "two"] });
        assert.equal(embeddings.length, 2);
        assert(embeddings[0].length > 0);
    }
});

test("an aborted stream ends the provider's work", async () => {
    const controller = new AbortController();
    const model = anthropic("responses/mini:drip=50");
    const stream = streamText({ model, prompt: "Tell a long story.", abortSignal: controller.signal, ...quiet });
    for await (const part of stream.fullStream) if (part.type === "text-delta") controller.abort();
    await providerSawItLeave("mini:drip=50");
});

test("a timeout ends the provider's work", async () => {
    const model = openai.chat("openai/mini:latency=30000");
    await assert.rejects(generateText({ model, prompt: "x", abortSignal: AbortSignal.timeout(300), ...quiet }));
    await providerSawItLeave("mini:latency=30000");
});

await run("npm-ai-sdk");
