// test_langchain - LangChain's models for OpenAI, over Chat Completions and Responses.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { baton, city, fails, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const configuration = { baseURL: `${baton}/v1` };
const chat = (model, more = {}) => new ChatOpenAI({ model, apiKey: "any", maxRetries: 0, configuration, ...more });
const tools = [{ type: "function", function: weather }];

for (const useResponsesApi of [false, true]) {
    const door = useResponsesApi ? "responses" : "chat";

    test(`${door}: whole and streamed say the same, from every provider`, async () => {
        for (const provider of providers) {
            const model = chat(`${provider}/mini`, { useResponsesApi });
            const whole = await model.invoke("What is 5 plus 9?");
            assert(whole.text, provider);
            assert(whole.usage_metadata.total_tokens > 0);
            let sum;
            for await (const chunk of await model.stream("What is 5 plus 9?")) sum = sum ? sum.concat(chunk) : chunk;
            assert.equal(sum.text, whole.text, provider);
            assert.equal(sum.usage_metadata.total_tokens, whole.usage_metadata.total_tokens, provider);
        }
    });

    test(`${door}: a tool over two turns, from every provider`, async () => {
        for (const provider of providers) {
            const model = chat(`${provider}/mini`, { useResponsesApi });
            const asked = new HumanMessage(question);
            const first = await model.bindTools(tools, { tool_choice: "required" }).invoke([asked]);
            assert.equal(first.tool_calls[0].name, weather.name, provider);
            assert.equal(typeof first.tool_calls[0].args.city, "string");
            const results = first.tool_calls.map(
                ({ id }) => new ToolMessage({ tool_call_id: id, content: '{"weather":"rain"}' }),
            );
            const second = await model.bindTools(tools).invoke([asked, first, ...results]);
            assert(second.text, provider);
        }
    });

    test(`${door}: structured output, from every provider`, async () => {
        for (const provider of providers) {
            const model = chat(`${provider}/mini`, { useResponsesApi });
            const schema = { title: "place", description: "A city.", ...city };
            const value = await model
                .withStructuredOutput(schema, { method: "jsonSchema" })
                .invoke("Which city is the capital of France, and how many live there?");
            assert.equal(typeof value.city, "string", provider);
            assert(Number.isInteger(value.population), provider);
        }
    });
}

test("texts are embedded", async () => {
    const embeddings = new OpenAIEmbeddings({ model: "openai/embed", apiKey: "any", configuration });
    const vectors = await embeddings.embedDocuments(["one", "two"]);
    assert.equal(vectors.length, 2);
    assert(vectors[0].length > 0);
});

test("errors keep their status and code", async () => {
    await fails(chat("nobody/x").invoke("x"), (e) => assert.equal(e.status, 404, String(e)));
    await fails(chat("openai/mini:429=60").invoke("x"), (e) => assert.equal(e.status, 429, String(e)));
});

test("a failure is tried again by the client", async () => {
    assert((await chat("openai/mini:500*1", { maxRetries: 2 }).invoke("x")).text);
});

test("an abort ends the provider's work", async () => {
    const signal = AbortSignal.timeout(300);
    await assert.rejects(chat("anthropic/mini:latency=30000").invoke("x", { signal }));
    await providerSawItLeave("mini:latency=30000");
});

test("a timeout ends the provider's work", async () => {
    await assert.rejects(chat("openai/mini:latency=30001", { timeout: 300 }).invoke("x"));
    await providerSawItLeave("mini:latency=30001");
});

await run("npm-langchain");
