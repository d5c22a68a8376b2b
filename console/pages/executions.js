// The list of executions.

import { curl, query } from "../api.js";
import { count, duration, short, spaced, words } from "../format.js";
import { Badge, Copy, Empty, Field, Head, Problem, Time, html, setParameters, statusWords, useData, useTitle } from "../elements.js";

/** The delay before the first page is read again. */
const LIVE_MS = 1500;

const STATUSES = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];

/** States that are worth a filter: those that say what became of the order. */
const STATES = ["CancelOrder", "RollBack", "HandOver", "ParkOrder", "OrderConfirmed", "OrderCancelled", "OrderFulfilled", "OrderRefused", "OrderUnfinished", "CapturePayment"];

const REASONS = ["OUT_OF_STOCK", "UNKNOWN_SKU", "CREDIT_LIMIT_EXCEEDED", "ACCOUNT_ON_HOLD", "UNKNOWN_ACCOUNT", "CURRENCY_MISMATCH", "PAYMENT_DECLINED", "PAYMENT_NOT_AUTHORIZED", "PAYMENT_MISMATCH", "STEP_FAILED", "UNAVAILABLE", "CUSTOMER_REQUEST"];

const FILTERS = ["status", "state", "reason", "orderId", "customerId"];

/** @param {{parameters: URLSearchParams}} props */
export default function Executions({ parameters }) {
  useTitle("Executions");
  const filter = Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? ""]));
  const before = parameters.get("before") ?? "";
  const isFiltered = FILTERS.some((name) => filter[name]);
  const path = `/_local/executions${query({ ...filter, before })}`;
  const { data, error, reload } = useData(path, before ? undefined : LIVE_MS);
  return html`
    <${Head} title="Executions" about=${data && html`${before ? "Older ones." : html`<span class="pulse" aria-hidden="true"></span> Live, newest first.`} ${count(data.kept)} of at most ${count(data.limit)} kept.`}>
      <${Copy} text=${curl("GET", path)} what="this list as a curl command" label="curl" />
      <a class="button primary" href="/console/try">Place an order</a>
    <//>
    <${Filters} filter=${filter} isFiltered=${isFiltered} key=${JSON.stringify(filter)} />
    <${Problem} error=${error} retry=${reload} />
    ${data?.executions.length > 0 && html`<${Rows} executions=${data.executions} />`}
    ${data?.executions.length === 0 && html`<${Nothing} isFiltered=${isFiltered} />`}
    ${!data && !error && html`<p class="boot">Reading the executions…</p>`}
    ${data && (before || data.nextBefore) && html`<nav class="pages" aria-label="Pages">
      ${before && html`<a class="button" href=${`/console${query(filter)}`}>Newest</a>`}
      ${data.nextBefore && html`<a class="button" href=${`/console${query({ ...filter, before: data.nextBefore })}`}>Older</a>`}
    </nav>`}`;
}

/** @param {{filter: Record<string, string>, isFiltered: boolean}} props */
function Filters({ filter, isFiltered }) {
  const set = (/** @type {string} */ name) => (/** @type {Event} */ event) =>
    setParameters({ [name]: /** @type {HTMLInputElement} */ (event.target).value.trim(), before: "" }, { replace: true });
  const select = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ any, /** @type {string[]} */ values, /** @type {(value: string) => string} */ text) => html`
    <${Field} label=${label}><select value=${filter[name]} onChange=${set(name)}>
      <option value="">${any}</option>${values.map((value) => html`<option value=${value} selected=${value === filter[name]}>${text(value)}</option>`)}
    </select><//>`;
  return html`<form class="filters" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()} role="search" aria-label="Executions">
    ${select("status", "Status", "Any", STATUSES, statusWords)}
    ${select("state", "Went through", "Any state", STATES, spaced)}
    ${select("reason", "Reason", "Any", REASONS, words)}
    <${Field} label="Order"><input value=${filter.orderId} onChange=${set("orderId")} placeholder="id or its beginning" spellcheck=${false} /><//>
    <${Field} label="Customer"><input value=${filter.customerId} onChange=${set("customerId")} placeholder="id" spellcheck=${false} /><//>
    ${isFiltered && html`<a class="button" href="/console">Clear</a>`}
  </form>`;
}

/** @param {{isFiltered: boolean}} props */
function Nothing({ isFiltered }) {
  if (isFiltered) return html`<${Empty} title="No execution fits these filters."><p><a href="/console">Show all executions</a></p><//>`;
  const body = { customerId: "demo123", items: [{ productId: "LAPTOP001", quantity: 1, price: 1299.99 }], totalAmount: 1299.99 };
  return html`<${Empty} title="Nothing has run yet.">
    <p>Place an order, and watch it being confirmed or rolled back here.</p>
    <p class="row"><a class="button primary" href="/console/try">Place an order</a> <${Copy} text=${curl("POST", "/orders", { body })} what="a curl command that places an order" label="Copy as curl" /></p>
  <//>`;
}

/** @param {{executions: any[]}} props */
function Rows({ executions }) {
  return html`<div class="table" role="region" aria-label="Executions" tabIndex=${0}><table class="rows">
    <thead><tr><th scope="col">Execution</th><th scope="col">Status</th><th scope="col">Order</th><th scope="col">Customer</th><th scope="col">Outcome</th><th scope="col">What happened</th><th scope="col">Started</th><th scope="col" class="number">Took</th></tr></thead>
    <tbody>${executions.map((one) => html`<${Row} one=${one} key=${one.id} />`)}</tbody>
  </table></div>`;
}

/** @param {{one: any}} props */
function Row({ one }) {
  return html`<tr>
    <td data-label="Execution"><a class="main" href=${`/console/executions/${one.id}`}>#${one.number}</a></td>
    <td data-label="Status"><${Badge} status=${one.status} /></td>
    <td data-label="Order"><a href=${`/console/orders/${one.orderId}`} title=${one.orderId}><code>${short(one.orderId)}</code></a></td>
    <td data-label="Customer">${one.customerId ? html`<a href=${`/console/orders${query({ by: "customer", of: one.customerId })}`}>${one.customerId}</a>` : html`<span class="quiet">–</span>`}</td>
    <td data-label="Outcome">${one.orderStatus ? html`<${Badge} status=${one.orderStatus} />` : html`<span class="quiet">–</span>`}${one.reason && html` <span class="reason">${words(one.reason)}</span>`}</td>
    <td data-label="Happened" class=${isPlain(one) ? "plain" : ""}>${happened(one)}</td>
    <td data-label="Started"><${Time} ms=${one.startedMs} /></td>
    <td data-label="Took" class="number">${one.startedMs && one.stoppedMs ? duration(one.stoppedMs - one.startedMs) : html`<span class="quiet">${one.state ? "…" : "waits"}</span>`}</td>
  </tr>`;
}

/** Whether nothing is remarkable about an execution. @param {any} one */
function isPlain(one) {
  return one.hasOrder && !one.failedState && !one.retries && !one.lateLandings && one.status === "SUCCEEDED";
}

/** What is remarkable about an execution. @param {any} one */
function happened(one) {
  if (isPlain(one)) return html`<span class="quiet">straight through</span>`;
  const notes = [];
  if (!one.hasOrder) notes.push(started(one));
  if (one.failedState) notes.push(html`${spaced(one.failedState)}: <code>${one.failure}</code>`);
  if (one.retries) notes.push(one.retries === 1 ? "one retry" : `${one.retries} retries`);
  if (one.lateLandings) notes.push(one.lateLandings === 1 ? "one late landing" : `${one.lateLandings} late landings`);
  if (one.status === "ABORTED") notes.push(html`died in ${spaced(one.state ?? "its first state")}`);
  if (one.status === "RUNNING" && one.state) notes.push(html`in ${spaced(one.state)}`);
  return notes.map((note, index) => html`${index > 0 && " · "}${note}`);
}

/** Why an execution that was started with the id alone was started. @param {any} one */
function started(one) {
  if (one.found === "PENDING") return "recovery";
  if (one.found === "CANCELLING") return "roll-back";
  if (one.found === "FULFILLING") return "hand-over";
  return "by id";
}
