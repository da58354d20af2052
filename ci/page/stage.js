// What the browser looks at: mock providers, a gateway with a page, and traffic. Ends what it started, by its handle.
"use strict";
const { spawn } = require("node:child_process");
const { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const path = require("node:path");
const readline = require("node:readline");

const prices = path.join(__dirname, "prices.yaml");
const patience = 20_000;

/// Starts the program and waits until its lines have told all that is wanted: a map of names to expressions.
function start(args, wanted) {
  const child = spawn(process.env.WINDTUNNEL, args, { stdio: ["ignore", "pipe", "pipe"] });
  const found = {};
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`windtunnel ${args.join(" ")} does not come up`)), patience);
    const read = (line) => {
      for (const [name, expression] of Object.entries(wanted)) found[name] ??= expression.exec(line)?.[1];
      if (Object.keys(wanted).every((name) => found[name])) {
        clearTimeout(late);
        resolve({ child, ...found });
      }
    };
    for (const stream of [child.stdout, child.stderr]) readline.createInterface({ input: stream }).on("line", read);
    child.on("exit", (code) => reject(new Error(`windtunnel ${args.join(" ")} ended with ${code}`)));
  });
}

/// A gateway of these manifests; `apply` replaces them.
async function gateway(manifests) {
  const folder = mkdtempSync(path.join(tmpdir(), "page-"));
  const apply = (text) => {
    writeFileSync(path.join(folder, ".new"), text);
    renameSync(path.join(folder, ".new"), path.join(folder, "all.yaml"));
  };
  apply(manifests);
  const any = "127.0.0.1:0";
  const listens = manifests.includes("port: 8080") ? ["--listen", `8080=${any}`, "--listen", `8081=${any}`] : [];
  const wanted = { admin: /^admin address=(.*)$/, serving: /^(serving)$/ };
  if (listens.length) wanted.address = /^listening port=8080 address=(.*)$/;
  const running = await start(["gateway", "--config", folder, "--model-catalog", prices, ...listens, "--metrics", any, "--ready", any, "--admin", any, "--grace", "0s", "--drain", "1s"], wanted);
  const stop = () => {
    running.child.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: `http://${running.admin}`, address: running.address, apply, stop };
}

async function stage() {
  const names = ["openai", "preferred", "mistral", "limited", "broken"];
  const wanted = Object.fromEntries(names.map((name) => [name, new RegExp(`^listening provider=${name} .*address=.*:(\\d+)$`)]));
  const mocks = await start(["mock", "--config", path.join(__dirname, "mocks.yaml")], wanted);
  const template = readFileSync(path.join(__dirname, "manifests.yaml"), "utf8");
  const manifests = names.reduce((text, name) => text.replaceAll(`PORT_${name.toUpperCase()}`, mocks[name]), template);
  const busy = await gateway(manifests);
  const ask = async (place, model, more = {}) => {
    const body = JSON.stringify({ model, messages: [{ role: "user", content: "What is a gateway? canary-prompt" }], ...more });
    const headers = { "content-type": "application/json", authorization: "Bearer canary-client" };
    const answer = await fetch(`http://${busy.address}${place}/v1/chat/completions`, { method: "POST", headers, body });
    await answer.text();
    return answer.status;
  };
  const stop = () => {
    busy.stop();
    mocks.child.kill();
  };
  return { ...busy, manifests, ask, stop };
}

module.exports = { gateway, stage };
