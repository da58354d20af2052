// @anthropic-ai/sdk against a provider of the dialect anthropic: every call of its users is answered.
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { HELLO, WEATHER, anthropic, collect } = require("./mocks.js");

const REQUEST = { model: "claude-sonnet-5", max_tokens: 2000, messages: HELLO };
const TOOL = { name: "get_weather", description: "The weather.", input_schema: WEATHER };

test("a message has a text", async () => {
  const message = await anthropic().messages.create(REQUEST);
  assert.ok(message.content[0].text && message._request_id);
  assert.equal(message.stop_reason, "end_turn");
});

test("its events come in order", async () => {
  const events = await collect(await anthropic().messages.create({ ...REQUEST, stream: true }));
  const types = new Set(events.map((event) => event.type).filter((type) => type !== "ping"));
  assert.deepEqual([...types], ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
    "message_delta", "message_stop"]);
});

test("the stream helper ends with a message", async () => {
  const stream = anthropic().messages.stream(REQUEST);
  let text = "";
  stream.on("text", (delta) => (text += delta));
  const final = await stream.finalMessage();
  assert.equal(final.content[0].text, text);
  assert.ok(text && final.usage.output_tokens > 1);
});

test("a tool is used, streamed or not, and its result ends the loop", async () => {
  const { messages } = anthropic();
  const request = { ...REQUEST, tools: [TOOL], tool_choice: { type: "any" } };
  for (const used of [await messages.create(request), await messages.stream(request).finalMessage()]) {
    const use = used.content.find((block) => block.type === "tool_use");
    assert.deepEqual(Object.keys(use.input).sort(), ["city", "unit"]);
    const result = { type: "tool_result", tool_use_id: use.id, content: "17 degrees" };
    const said = [...HELLO, { role: "assistant", content: used.content }, { role: "user", content: [result] }];
    assert.equal((await messages.create({ ...REQUEST, tools: [TOOL], messages: said })).stop_reason, "end_turn");
  }
});

test("thoughts come first and are signed", async () => {
  const request = { ...REQUEST, thinking: { type: "enabled", budget_tokens: 1024 } };
  const [thought, text] = (await anthropic().messages.stream(request).finalMessage()).content;
  assert.ok(thought.type === "thinking" && thought.thinking && thought.signature && text.text);
});

test("tokens are counted and models listed", async () => {
  const client = anthropic();
  const { input_tokens } = await client.messages.countTokens({ model: REQUEST.model, messages: HELLO });
  assert.equal(input_tokens, (await client.messages.create(REQUEST)).usage.input_tokens);
  const listed = await collect(client.models.list({ limit: 1 }));
  assert.ok(listed.length > 1);
  assert.equal((await client.models.retrieve(listed[0].id)).id, listed[0].id);
});
