// The responses API with openai-node: answers, events, tools and what is kept.
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { NotFoundError } = require("openai");
const { zodTextFormat } = require("openai/helpers/zod");
const { z } = require("zod");
const { WEATHER, collect, openai } = require("./mocks.js");

const REQUEST = { model: "gpt-4o-mini", input: "Say hello to the wind tunnel." };
const TOOL = { type: "function", name: "get_weather", parameters: WEATHER, strict: true };
const Weather = z.object({ city: z.string(), high: z.number() });

test("a response has a text", async () => {
  const answer = await openai().responses.create(REQUEST);
  assert.equal(answer.status, "completed");
  assert.ok(answer.output_text && answer.usage.output_tokens > 0);
});

test("its events are numbered, and end with the response", async () => {
  const events = await collect(await openai().responses.create({ ...REQUEST, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, i) => i));
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
});

test("the stream helper ends with a response", async () => {
  const final = await openai().responses.stream(REQUEST).finalResponse();
  assert.ok(final.output_text);
});

test("parse makes an object of a zod type", async () => {
  const request = { ...REQUEST, text: { format: zodTextFormat(Weather, "weather") } };
  Weather.parse((await openai().responses.parse(request)).output_parsed);
});

test("a function is called and its output ends the loop", async () => {
  const { responses } = openai();
  const called = await responses.create({ ...REQUEST, tools: [TOOL], tool_choice: "required" });
  const call = called.output.find((item) => item.type === "function_call");
  assert.deepEqual(Object.keys(JSON.parse(call.arguments)).sort(), ["city", "unit"]);
  const input = [{ type: "function_call_output", call_id: call.call_id, output: "17 degrees" }];
  const request = { model: REQUEST.model, previous_response_id: called.id, input, tools: [TOOL] };
  const answer = await responses.create(request);
  assert.ok(answer.output_text);
});

test("a streamed call says its arguments in deltas", async () => {
  const stream = openai().responses.stream({ ...REQUEST, tools: [TOOL], tool_choice: "required" });
  const deltas = (await collect(stream)).filter((event) => event.type === "response.function_call_arguments.delta");
  assert.ok(deltas.length > 1);
  assert.equal(deltas.map((event) => event.delta).join(""), (await stream.finalResponse()).output[0].arguments);
});

test("what is kept can be retrieved and deleted", async () => {
  const { responses } = openai();
  const { id, output_text } = await responses.create(REQUEST);
  assert.equal((await responses.retrieve(id)).output_text, output_text);
  await responses.delete(id);
  await assert.rejects(responses.retrieve(id), NotFoundError);
});
