// openai-node against what a provider says by default: every call of its users is answered, and nothing throws.
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { AzureOpenAI, ContentFilterFinishReasonError, LengthFinishReasonError } = require("openai");
const { zodFunction, zodResponseFormat } = require("openai/helpers/zod");
const { z } = require("zod");
const { HELLO, KEY, WEATHER, WEATHER_TOOL, address, collect, openai } = require("./mocks.js");

const CHAT = { model: "gpt-4o-mini", messages: HELLO };
const Weather = z.object({
  city: z.string(),
  unit: z.enum(["celsius", "fahrenheit"]),
  days: z.array(z.object({ name: z.string(), high: z.number(), rain: z.boolean() })),
  warning: z.string().nullable(),
});
const FORMAT = zodResponseFormat(Weather, "weather");

const textOf = (chunks) =>
  chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? "")).join("");

test("a chat answers and its stream too", async () => {
  const answer = await openai().chat.completions.create(CHAT);
  assert.ok(answer.choices[0].message.content && answer._request_id);
  assert.equal(answer.choices[0].message.refusal, null);
  assert.equal(answer.usage.completion_tokens_details.reasoning_tokens, 0);
  const chunks = await collect(await openai().chat.completions.create({ ...CHAT, stream: true }));
  assert.ok(textOf(chunks));
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
});

test("usage comes last, and is null before", async () => {
  const request = { ...CHAT, stream: true, stream_options: { include_usage: true } };
  const chunks = await collect(await openai().chat.completions.create(request));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.total_tokens > 0 && chunks.every((chunk) => chunk.usage === null));
});

test("the stream helper ends with a completion", async () => {
  const stream = openai().chat.completions.stream({ ...CHAT, stream_options: { include_usage: true } });
  let text = "";
  stream.on("content", (delta) => (text += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, text);
  assert.ok(text && final.usage.total_tokens > 0);
});

test("parse makes an object of a zod type", async () => {
  const request = { ...CHAT, response_format: FORMAT };
  const answer = await openai().chat.completions.parse(request);
  Weather.parse(answer.choices[0].message.parsed);
  const streamed = await openai().chat.completions.stream(request).finalChatCompletion();
  Weather.parse(streamed.choices[0].message.parsed);
});

test("a required tool is called with arguments that fit", async () => {
  const request = { ...CHAT, tools: [zodFunction({ name: "report", parameters: Weather })], tool_choice: "required" };
  const answer = await openai().chat.completions.parse(request);
  Weather.parse(answer.choices[0].message.tool_calls[0].function.parsed_arguments);
  const deltas = (await collect(await openai().chat.completions.create({ ...request, stream: true })))
    .flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  assert.ok(deltas.length > 2 && deltas.every((delta) => delta.index === 0));
  Weather.parse(JSON.parse(deltas.map((delta) => delta.function.arguments).join("")));
});

test("a named tool is the one that is called", async () => {
  const other = { type: "function", function: { name: "get_time", parameters: { type: "object", properties: {} } } };
  const named = { type: "function", function: { name: "get_time" } };
  const request = { ...CHAT, tools: [WEATHER_TOOL, other], tool_choice: named };
  const choice = (await openai().chat.completions.create(request)).choices[0];
  assert.deepEqual(choice.message.tool_calls.map((call) => call.function.name), ["get_time"]);
  assert.equal(choice.finish_reason, "stop"); // OpenAI's word where the request names the function
});

test("parallel calls stay apart, streamed or not", async () => {
  const request = { ...CHAT, model: "two-calls", tools: [WEATHER_TOOL] };
  const completions = openai("scripted").chat.completions;
  for (const answer of [await completions.create(request), await completions.stream(request).finalChatCompletion()]) {
    const calls = answer.choices[0].message.tool_calls;
    assert.deepEqual(calls.map((call) => call.function.arguments), ['{"city":"Paris"}', '{"city":"Rome"}']);
    assert.notEqual(calls[0].id, calls[1].id);
  }
});

test("the runner of tools ends with a text", async () => {
  const called = [];
  const tool = {
    type: "function",
    function: { ...WEATHER_TOOL.function, parse: JSON.parse, function: (place) => called.push(place) && "17 degrees" },
  };
  const request = { ...CHAT, tools: [tool], tool_choice: "required" };
  const runner = openai().chat.completions.runTools(request, { maxChatCompletions: 2 });
  assert.ok(await runner.finalContent());
  assert.deepEqual(Object.keys(called[0]).sort(), Object.keys(WEATHER.properties).sort());
});

test("n choices are accumulated apart", async () => {
  const { choices } = await openai().chat.completions.stream({ ...CHAT, n: 3 }).finalChatCompletion();
  assert.deepEqual(choices.map((choice) => choice.index), [0, 1, 2]);
  assert.ok(choices.every((choice) => choice.message.content));
});

test("log probabilities are accumulated in a stream", async () => {
  const stream = openai().chat.completions.stream({ ...CHAT, logprobs: true, top_logprobs: 1 });
  const choice = (await stream.finalChatCompletion()).choices[0];
  assert.equal(choice.logprobs.content.map((token) => token.token).join(""), choice.message.content);
});

test("a refusal is no content, streamed or not", async () => {
  const request = { ...CHAT, model: "refusal", response_format: FORMAT };
  const completions = openai("scripted").chat.completions;
  for (const answer of [await completions.parse(request), await completions.stream(request).finalChatCompletion()]) {
    assert.equal(answer.choices[0].message.refusal, "I cannot help with that.");
    assert.equal(answer.choices[0].message.content, null);
  }
});

test("thoughts are shown where a script names their field", async () => {
  const answer = await openai("scripted").chat.completions.create({ ...CHAT, model: "reasoning" });
  assert.ok(answer.choices[0].message.reasoning_content);
  assert.equal(answer.usage.completion_tokens_details.reasoning_tokens, 20);
});

test("parse throws for an answer that was cut", async () => {
  const completions = openai("scripted").chat.completions;
  const parse = (model) => completions.parse({ ...CHAT, model, response_format: FORMAT });
  await assert.rejects(parse("length"), LengthFinishReasonError);
  await assert.rejects(parse("filtered"), ContentFilterFinishReasonError);
});

test("legacy completions answer and stream", async () => {
  const request = { model: "gpt-3.5-turbo-instruct", prompt: ["Once", "Twice"], max_tokens: 6 };
  const answer = await openai().completions.create(request);
  assert.deepEqual(answer.choices.map((choice) => choice.finish_reason), ["length", "length"]);
  const chunks = await collect(await openai().completions.create({ ...request, stream: true }));
  assert.ok(chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.text)).join(""));
});

test("embeddings have the size that was asked for, in either encoding", async () => {
  const request = { model: "text-embedding-3-small", input: ["one", "two"] };
  const usual = await openai().embeddings.create(request);
  assert.deepEqual(usual.data.map((item) => item.embedding.length), [1536, 1536]);
  const floats = await openai().embeddings.create({ ...request, encoding_format: "float" });
  floats.data[1].embedding.forEach((value, i) => assert.ok(Math.abs(value - usual.data[1].embedding[i]) < 1e-6));
  const short = await openai().embeddings.create({ ...request, dimensions: 256 });
  assert.equal(short.data[0].embedding.length, 256);
});

test("models are listed and retrieved", async () => {
  const listed = await collect(await openai().models.list());
  assert.ok(listed.length > 0);
  assert.deepEqual({ ...(await openai().models.retrieve(listed[0].id)) }, listed[0]);
});

test("moderations judge each text", async () => {
  const { results } = await openai().moderations.create({ input: ["hello", "mock-flag:violence"] });
  assert.deepEqual(results.map((result) => result.flagged), [false, true]);
});

test("AzureOpenAI chats, streams and embeds", async () => {
  const azure = new AzureOpenAI({ apiKey: KEY, endpoint: address("azure"), apiVersion: "2024-10-21" });
  const answer = await azure.chat.completions.create({ ...CHAT, model: "my-deployment" });
  assert.ok(answer.choices[0].message.content && answer.choices[0].content_filter_results);
  const chunks = await collect(await azure.chat.completions.create({ ...CHAT, model: "my-deployment", stream: true }));
  assert.deepEqual(chunks[0].choices, []);
  assert.ok(textOf(chunks));
  const final = await azure.chat.completions.stream({ ...CHAT, model: "my-deployment" }).finalChatCompletion();
  assert.ok(final.choices[0].message.content);
  assert.equal((await azure.embeddings.create({ model: "embed", input: "one" })).data[0].embedding.length, 1536);
});
