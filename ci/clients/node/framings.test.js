// How openai-node and @anthropic-ai/sdk read unusual streams: ../framings.json says it for each rule of framings.yaml.
// An outcome is what was read, in order, and the exception at the end, if any; `fine` is all of the usual stream.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { APIError } = require("openai");
const { VERSION: ANTHROPIC } = require("@anthropic-ai/sdk/version");
const { VERSION: OPENAI } = require("openai/version");
const { HELLO, WEATHER, anthropic, openai } = require("./mocks.js");

const EXPECTED = JSON.parse(fs.readFileSync(path.join(__dirname, "../framings.json"), "utf8"));
const README = fs.readFileSync(path.join(__dirname, "../../../mock-providers/README.md"), "utf8");
const USUAL = "role, héé你, end, stop";

async function* chat(model) {
  const { completions } = openai("framings", { maxRetries: 0 }).chat;
  for await (const chunk of await completions.create({ model, messages: HELLO, stream: true })) {
    const choice = chunk.choices?.[0];
    if (!choice) yield "odd chunk";
    else yield* [choice.delta.role && "role", choice.delta.content, choice.finish_reason].filter(Boolean);
  }
}

async function* calls(model) {
  const tools = ["f", "g"].map((name) => ({ type: "function", function: { name, parameters: WEATHER } }));
  const { completions } = openai("framings", { maxRetries: 0 }).chat;
  const final = await completions.stream({ model, messages: HELLO, tools }).finalChatCompletion();
  for (const call of final.choices[0].message.tool_calls) yield call.function.arguments;
}

async function* message(model) {
  const { messages } = anthropic("framings", { maxRetries: 0 });
  for await (const event of await messages.create({ model, max_tokens: 100, messages: HELLO, stream: true })) {
    if (event.type === "message_start") yield "start";
    if (event.type === "content_block_delta") yield event.delta.text;
    if (event.type === "message_delta") yield event.delta.stop_reason;
  }
}

function told(error) {
  if (error.constructor === APIError) return `APIError: ${error.message}`;
  return error.constructor.name + (error.status ? ` ${error.status}` : "");
}

async function outcome(model) {
  const read = model.includes("anthropic") ? message : model.includes("index") ? calls : chat;
  const parts = [];
  try {
    for await (const part of read(model)) parts.push(part.trim());
  } catch (error) {
    parts.push(told(error));
  }
  return parts.join(", ") === USUAL ? "fine" : parts.join(", ");
}

for (const [model, row] of Object.entries(EXPECTED)) {
  test(`${model} is read as the table says`, async (t) => {
    t.mock.method(console, "error", () => {}); // where the SDKs complain of JSON
    assert.equal(await outcome(model), row.node);
  });
}

test("the documentation names these versions", () => {
  assert.ok(README.includes(`openai-node ${OPENAI}`) && README.includes(`@anthropic-ai/sdk ${ANTHROPIC}`));
});
