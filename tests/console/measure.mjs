// What traces and an open console cost a stack, and what 10,000 executions cost the console.
//
//     node tests/console/measure.mjs ORDER_SAGA [PAIRS] [ORDERS]
//
// ORDER_SAGA is a release build. Stacks with and without traces run in turns, so that a busy machine slows both down. The CPU
// time of the server counts what other programs on the machine cannot change. With TOOLS (see .ci/console), a browser opens
// the list and a graph among 10,000 executions.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [binary, pairs = "5", orders = "2000"] = process.argv.slice(2);
const CLIENTS = 8;
const KEPT = 10_000;
const TICKS = Number(execFileSync("getconf", ["CLK_TCK"]).toString());

const folder = mkdtempSync(join(tmpdir(), "measure-"));
const stock = join(folder, "stock.json");
writeFileSync(stock, JSON.stringify({ stock: [{ storeId: "main", sku: "LAPTOP001", onHand: 1_000_000 }] }));

/** A collector that forgets everything. */
async function collector() {
  let bytes = 0;
  const server = createServer((request, response) => {
    request.on("data", (part) => (bytes += part.length));
    request.on("end", () => response.end());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close(), bytes: () => bytes };
}

/** @param {string[]} options */
async function serve(options) {
  const stack = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--stock", stock, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  const url = await new Promise((resolve, reject) => {
    let log = "";
    stack.on("exit", () => reject(new Error(log)));
    stack.stderr.on("data", (text) => {
      log += text;
      const found = /http:\/\/[0-9.]+:\d+(?= )/.exec(log);
      if (found) resolve(found[0]);
    });
  });
  const cpuMs = () => {
    const fields = readFileSync(`/proc/${stack.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
  };
  const memoryMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${stack.pid}/status`, "utf8"))[1]) / 1024;
  const stop = () => new Promise((resolve) => stack.on("exit", resolve) && stack.kill());
  return { url, cpuMs, memoryMb, stop };
}

/** Places orders from several clients at once. @param {string} url @param {number} count */
async function place(url, count) {
  const body = JSON.stringify({ customerId: "demo123", items: [{ productId: "LAPTOP001", quantity: 1, price: 1300 }], totalAmount: 1300 });
  let left = count;
  const client = async () => {
    while (left-- > 0) {
      const answer = await fetch(`${url}/orders`, { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

/** @param {boolean} isSeen with traces and an open console */
async function run(isSeen) {
  const sink = await collector();
  const stack = await serve(isSeen ? ["--otlp", sink.url] : []);
  await place(stack.url, 200);
  // As the console's list asks.
  const console = isSeen ? setInterval(() => fetch(`${stack.url}/_local/executions`).then((answer) => answer.text()), 2000) : undefined;
  const [wall, cpu] = [performance.now(), stack.cpuMs()];
  await place(stack.url, Number(orders));
  const measured = { wallMs: (performance.now() - wall) / Number(orders), cpuMs: (stack.cpuMs() - cpu) / Number(orders) };
  clearInterval(console);
  await stack.stop();
  sink.close();
  return { ...measured, bytes: sink.bytes() / (Number(orders) + 200) };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const measured = { plain: [], seen: [] };
for (let pair = 0; pair < Number(pairs); pair++) {
  const order = pair % 2 ? ["seen", "plain"] : ["plain", "seen"];
  for (const name of order) measured[name].push(await run(name === "seen"));
  const [plain, seen] = [measured.plain.at(-1), measured.seen.at(-1)];
  console.log(`pair ${pair + 1}: CPU ${plain.cpuMs.toFixed(3)} → ${seen.cpuMs.toFixed(3)} ms an order, wall ${plain.wallMs.toFixed(3)} → ${seen.wallMs.toFixed(3)} ms`);
}
for (const of of ["cpuMs", "wallMs"]) {
  const [plain, seen] = ["plain", "seen"].map((name) => median(measured[name].map((one) => one[of])));
  const more = median(measured.plain.map((plain, pair) => measured.seen[pair][of] / plain[of]));
  console.log(`${of}: ${plain.toFixed(3)} without, ${seen.toFixed(3)} with, the median pair ${((more - 1) * 100).toFixed(1)} % more`);
}
console.log(`${Math.round(median(measured.seen.map(({ bytes }) => bytes)))} bytes of spans an order`);

const stack = await serve([]);
await place(stack.url, KEPT / 2);
const half = stack.memoryMb();
await place(stack.url, KEPT / 2);
const full = stack.memoryMb();
await place(stack.url, KEPT / 2);
console.log(`memory: ${half.toFixed(0)} MB with ${KEPT / 2} executions, ${full.toFixed(0)} with ${KEPT}, ${stack.memoryMb().toFixed(0)} after ${(KEPT * 3) / 2}`);
const ask = async (path) => {
  const times = [];
  for (let time = 0; time < 9; time++) {
    const start = performance.now();
    await (await fetch(stack.url + path)).text();
    times.push(performance.now() - start);
  }
  return `${times[0].toFixed(1)} ms at first, then ${median(times).toFixed(1)}`;
};
console.log(`list: ${await ask("/_local/executions")}`);
console.log(`list, searched through for a customer who has none: ${await ask("/_local/executions?customerId=nobody")}`);
if (process.env.TOOLS) {
  process.env.ARTEFACTS ??= "/tmp/pictures";
  const { launch, open } = await import("./browser.mjs");
  const browser = await launch();
  const { page, close } = await open(browser, stack.url);
  const view = async (click, shown) => {
    const times = [];
    for (let time = 0; time < 5; time++) {
      await page.goto(`${stack.url}/console${click === "list" ? "/try" : ""}`);
      await page.locator(click === "list" ? "h1" : "tbody tr").first().waitFor();
      times.push(await page.evaluate(async ([click, shown]) => {
        const link = document.querySelector(click === "list" ? 'nav a[href="/console"]' : "tbody a.main");
        const start = performance.now();
        link.click();
        while (!document.querySelector(shown)) await new Promise((resolve) => requestAnimationFrame(resolve));
        return performance.now() - start;
      }, [click, shown]));
    }
    return `${times[0].toFixed(0)} ms at first, then ${median(times).toFixed(0)}`;
  };
  console.log(`in the browser: the list in ${await view("list", "tbody tr")}`);
  console.log(`in the browser: the graph in ${await view("graph", ".graph .node")}`);
  await close();
  await browser.close();
}
await stack.stop();
rmSync(folder, { recursive: true });
