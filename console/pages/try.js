// Try it: place orders, choose a fault at a state, and watch the order unwind.

import { curl, query, send } from "../api.js";
import { counted, money, spaced, time } from "../format.js";
import { Badge, Copy, Field, Head, Problem, html, style, useData, useState, useTitle } from "../elements.js";
import { Graph } from "../graph/graph.js";
import { machineOf, tasksOf } from "../graph/machine.js";

style("/console/styles/try.css");

/** The delay before the faults are read again, because executions use them up. */
const LIVE_MS = 1500;

/** How many orders are placed at once, so that a hundred do not wait for each other's connection. */
const AT_ONCE = 4;

const FAULTS = /** @type {[string, string, string][]} */ ([
  ["late", "It times out twice, and lands late", "Both attempts hang for 8 s. They land when the order is rolled back, and find the tombstone. Takes half a minute."],
  ["crashed-twice", "It crashes twice", "The function runs out of memory before it does anything. The order is rolled back at once."],
  ["answer-lost", "Its answer is lost", "The function does its work and nobody hears of it. The retry reads the first receipt."],
  ["throttled", "It is throttled", "Lambda rejects the first attempt. The retry succeeds."],
  ["execution-dies", "The execution dies here", "No Catch runs. The order stays open until recovery retries it: run recovery below."],
  ["execution-twice", "The execution runs twice", "A second execution starts beside the first one. The fences let each step take effect once."],
  ["refused", "It refuses for good", "For the payment's states after the decision: the order is parked, until someone retries it."],
]);

/** The states at which a refusal is an answer that the definition knows. */
const REFUSABLE = ["RefundPayment", "CollectPayment"];

/** @param {{parameters: URLSearchParams}} props */
export default function TryIt({ parameters }) {
  useTitle("Try it");
  const definition = useData("/_local/definition").data;
  const faults = useData("/_local/faults", LIVE_MS);
  const machine = definition && machineOf(definition);
  const [results, setResults] = useState(/** @type {any[]} */ ([]));
  const [working, setWorking] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  /** @param {string} what @param {() => Promise<unknown>} work */
  const run = async (what, work) => {
    setError(null);
    setWorking(what);
    try {
      await work();
    } catch (failed) {
      setError(failed);
    }
    setWorking("");
    faults.reload();
  };
  const add = (/** @type {any} */ result) => setResults((before) => [result, ...before].slice(0, 100));
  return html`
    <${Head} title="Try it" about="Place an order, let something fail, and watch it being confirmed or rolled back. Everything happens on this machine." />
    <${Problem} error=${error} />
    <div class="tryit">
      <div class="stack">
        <${Samples} run=${run} add=${add} isBusy=${Boolean(working)} />
        <${OrderForm} run=${run} add=${add} isBusy=${Boolean(working)} parameters=${parameters} />
      </div>
      <div class="stack">
        <${Results} results=${results} working=${working} />
        ${machine && html`<${FaultForm} machine=${machine} faults=${faults.data} run=${run} />`}
        <${Stack} faults=${faults.data} run=${run} />
      </div>
    </div>`;
}

/** Sends an order, after its payment is authorised if it has a card. @param {any} body @param {{key: string, card?: string}} options */
async function place(body, { key, card }) {
  let order = body;
  if (card) {
    const payment = (await send("POST", "/_local/payments", { body: { amount: body.totalAmount, currency: body.currency ?? "USD", card } })).body;
    order = { ...body, paymentTerms: "AUTHORIZED", paymentReference: payment.paymentReference };
  }
  const answer = await send("POST", "/orders", { body: order, headers: { "idempotency-key": key }, accept: [409, 503], isHere: true });
  return { httpStatus: answer.status, orderId: answer.body?.orderId, status: answer.body?.status, reason: answer.body?.reason, detail: answer.body?.detail ?? answer.body?.title, at: Date.now() };
}

/** Runs so many works, a few at once. @param {number} times @param {(index: number) => Promise<unknown>} work */
async function several(times, work) {
  let next = 0;
  const worker = async () => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(times, AT_ONCE) }, worker));
}

/** @param {{run: any, add: any, isBusy: boolean}} props */
function Samples({ run, add, isBusy }) {
  const samples = useData("/_local/samples").data ?? [];
  const start = (/** @type {any} */ sample) => run(sample.title, async () => {
    if (sample.late) await send("POST", "/_local/faults", { body: { state: sample.late, fault: "late" } });
    const key = `${sample.key}-${crypto.randomUUID()}`;
    const clients = Array.from({ length: sample.clients ?? 1 }, async () => add(await place(sample.body, { key, card: sample.card })));
    await Promise.all(clients);
  });
  return html`<section class="card"><h2>The orders of the demo</h2>
    <ol class="samples">${samples.map((/** @type {any} */ sample, /** @type {number} */ index) => html`<li>
      <span><strong>${index + 1}.</strong> ${sample.title} <span class="quiet">${money(sample.body.totalAmount, "USD")}</span></span>
      <button type="button" class="small" disabled=${isBusy} onClick=${() => start(sample)} aria-label=${`Place order ${index + 1}: ${sample.title}`}>Place</button>
    </li>`)}</ol>
  </section>`;
}

/** @param {{run: any, add: any, isBusy: boolean, parameters: URLSearchParams}} props */
function OrderForm({ run, add, isBusy, parameters }) {
  const [order, setOrder] = useState({ customerId: parameters.get("customer") ?? "demo123", storeId: "main", countyId: "", sku: "LAPTOP001", quantity: "1", price: "1299.99", terms: "PREPAID", card: "good", times: "1" });
  const set = (/** @type {string} */ name) => (/** @type {Event} */ event) => setOrder({ ...order, [name]: /** @type {HTMLInputElement} */ (event.target).value });
  const total = Math.round(Number(order.quantity) * Number(order.price) * 100) / 100;
  const body = {
    customerId: order.customerId,
    storeId: order.storeId,
    ...(order.countyId ? { countyId: order.countyId } : {}),
    ...(order.terms === "INVOICE" ? { paymentTerms: "INVOICE" } : {}),
    items: [{ productId: order.sku, quantity: Number(order.quantity), price: Number(order.price) }],
    totalAmount: total,
  };
  const card = order.terms === "AUTHORIZED" ? order.card : undefined;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const times = Number(order.times);
    run(times === 1 ? "the order" : `${times} orders`, () => several(times, async () => add(await place(body, { key: crypto.randomUUID(), card }))));
  };
  const input = (/** @type {string} */ name, /** @type {string} */ label, /** @type {any} */ more = {}) => html`<${Field} label=${label}><input value=${order[/** @type {"sku"} */ (name)]} onInput=${set(name)} required spellcheck=${false} ...${more} /><//>`;
  return html`<section class="card"><h2>Your own order</h2><form class="form" onSubmit=${submit}>
    <div class="fields">
      ${input("customerId", "Customer")} ${input("storeId", "Store")} ${input("countyId", "County", { required: false, placeholder: "none" })}
      ${input("sku", "Article")} ${input("quantity", "Quantity", { type: "number", min: 1, inputMode: "numeric" })} ${input("price", "Price", { type: "number", min: 0, step: "0.01", inputMode: "decimal" })}
      <${Field} label="Payment"><select value=${order.terms} onChange=${set("terms")}><option value="PREPAID">prepaid</option><option value="INVOICE">on invoice</option><option value="AUTHORIZED">by card</option></select><//>
      ${order.terms === "AUTHORIZED" && html`<${Field} label="Card"><select value=${order.card} onChange=${set("card")}><option>good</option><option>declined</option><option>expired</option><option>slow</option></select><//>`}
      <${Field} label="How many"><select value=${order.times} onChange=${set("times")}><option value="1">one</option><option value="10">ten</option><option value="100">a hundred</option></select><//>
    </div>
    <div class="row"><button class="primary" disabled=${isBusy}>Place for ${money(total, "USD")}</button>
      <${Copy} text=${curl("POST", "/orders", { body, headers: { "idempotency-key": "my-first" } })} what="this order as a curl command" label="curl" /></div>
  </form></section>`;
}

/** @param {{results: any[], working: string}} props */
function Results({ results, working }) {
  const counts = new Map();
  for (const result of results) counts.set(result.status ?? "no answer", (counts.get(result.status ?? "no answer") ?? 0) + 1);
  return html`<section class="card" aria-live="polite"><h2>What became of them</h2>
    ${working && html`<p class="quiet">Placing ${working}… <a href="/console">Watch the executions</a></p>`}
    ${results.length === 0 && !working && html`<p class="quiet">Nothing is placed yet. Place one of the orders, and its answer appears here.</p>`}
    ${results.length > 5 && html`<p class="row">${[...counts].map(([status, number]) => html`<span><${Badge} status=${status} /> ${number}</span>`)} <a href="/console">See all executions</a></p>`}
    <ul class="results">${results.slice(0, 5).map((result) => html`<li>
      <div class="row"><${Badge} status=${result.status ?? "no answer"} /> <a href=${`/console/orders/${result.orderId}`}>Order <code>${result.orderId?.slice(0, 8)}</code></a> <span class="quiet">HTTP ${result.httpStatus} at ${time(result.at)}</span></div>
      ${result.reason && html`<p class="quiet">${result.detail ?? result.reason}</p>`}
    </li>`)}</ul>
  </section>`;
}

/** @param {{machine: import("../graph/machine.js").Machine, faults: any, run: any}} props */
function FaultForm({ machine, faults, run }) {
  const [state, setState] = useState("PostAccounting");
  const [fault, setFault] = useState("late");
  const [executions, setExecutions] = useState("1");
  const tasks = tasksOf(machine);
  const possible = FAULTS.filter(([name]) => name !== "refused" || REFUSABLE.includes(state));
  const chosen = possible.find(([name]) => name === fault) ?? possible[0];
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    run("the fault", () => send("POST", "/_local/faults", { body: { state, fault: chosen[0], executions: Number(executions) } }));
  };
  return html`<section class="card"><h2>Let something fail</h2>
    <form class="form" onSubmit=${submit}>
      <div class="fields">
        <${Field} label="At the state"><select value=${state} onChange=${(/** @type {any} */ event) => setState(event.target.value)}>${tasks.map((task) => html`<option value=${task} selected=${task === state}>${spaced(task)}</option>`)}</select><//>
        <${Field} label="To the next"><select value=${executions} onChange=${(/** @type {any} */ event) => setExecutions(event.target.value)}><option value="1">execution</option><option value="10">ten executions</option><option value="100">hundred executions</option></select><//>
        <${Field} label="This happens" class="wide"><select value=${chosen[0]} onChange=${(/** @type {any} */ event) => setFault(event.target.value)}>${possible.map(([name, label]) => html`<option value=${name}>${label}</option>`)}</select><//>
      </div>
      <p class="quiet">${chosen[2]}</p>
      <div class="row"><button class="primary">Choose this fault</button></div>
    </form>
    <${Chosen} faults=${faults} run=${run} />
    <details class="picker"><summary>Choose the state in the graph</summary>
      <${Graph} machine=${machine} path=${null} selected=${state} onSelect=${setState} isSelectable=${(/** @type {string} */ name) => tasks.includes(name)} label="The state machine; choose the state at which something fails" />
    </details>
  </section>`;
}

/** @param {{faults: any, run: any}} props */
function Chosen({ faults, run }) {
  if (!faults?.chosen.length) return null;
  return html`<div class="note retried chosen" role="status"><strong>${faults.chosen.length === 1 ? "One fault waits" : `${faults.chosen.length} faults wait`} for the next executions.</strong>
    <ul>${faults.chosen.map((/** @type {any} */ one) => html`<li>${spaced(one.state)}: ${FAULTS.find(([name]) => name === one.fault)?.[1].toLowerCase()}${one.executions > 1 ? `, ${one.executions} times` : ""}</li>`)}</ul>
    <button type="button" class="small" onClick=${() => run("the faults", () => send("DELETE", "/_local/faults"))}>Take back</button></div>`;
}

/** @param {{faults: any, run: any}} props */
function Stack({ faults, run }) {
  const [report, setReport] = useState(/** @type {any} */ (null));
  const recover = () => run("recovery", async () => {
    // What is due first, as the schedule does; then what would have to wait for its time.
    await send("POST", "/_local/recover");
    const pages = ["PENDING", "CANCELLING", "FULFILLING"].map((status) => send("GET", `/orders${query({ status, limit: 100 })}`, { isHere: true }));
    const orders = (await Promise.all(pages)).flatMap(({ body }) => body.orders);
    for (const { orderId } of orders) await send("POST", `/_local/recover/${orderId}`);
    setReport(orders.length);
  });
  return html`<section class="card"><h2>The whole stack</h2>
    <div class="row">
      <button type="button" onClick=${recover}>Run recovery now</button>
      <button type="button" disabled=${Boolean(faults?.awayUntilMs)} onClick=${() => run("the outage", () => send("POST", "/_local/outage"))}>Let DynamoDB be away for 30 s</button>
    </div>
    ${report !== null && html`<p class="quiet" role="status">${report === 0 ? "Recovery ran. No other order is open." : `Recovery ran, and retried ${counted(report, "open order")}.`} <a href="/console">See the executions</a></p>`}
    ${faults?.awayUntilMs && html`<div class="note bad" role="status"><strong>DynamoDB is away until ${time(faults.awayUntilMs)}.</strong><span>Place an order now: it waits in the overflow queue, and is answered with 202.</span></div>`}
  </section>`;
}
