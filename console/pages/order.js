// One order: what happened to it, its journal, and on this machine its executions and records.

import { curl, isOwnStack, send } from "../api.js";
import { money, short, words } from "../format.js";
import { Badge, Copy, Head, Id, Problem, Time, html, useData, useEffect, useState, useTitle } from "../elements.js";
import { Records, Verdict, WorkIndex } from "../execution/records.js";
import { Siblings } from "../execution/siblings.js";

/** The delay before an order is read again. */
const LIVE_MS = 2000;

/** @param {{id: string, parameters: URLSearchParams}} props */
export default function Order({ id, parameters }) {
  useTitle(`Order ${short(id)}`);
  const { data: order, error, reload } = useData(`/orders/${id}`, LIVE_MS);
  const journal = useData(order ? `/orders/${id}/journal` : null, LIVE_MS).data;
  // The executions and records of a deployment are not on this machine.
  const [isHere, setIsHere] = useState(false);
  useEffect(() => {
    isOwnStack().then(setIsHere);
  }, []);
  const story = useData(isHere ? `/_local/orders/${id}` : null, LIVE_MS).data;
  const tab = parameters.get("tab") ?? "story";
  const record = story?.records.find((/** @type {any} */ one) => one.kind === "order")?.item;
  if (!order && !error) return html`<p class="boot">Reading the order…</p>`;
  return html`
    <${Head} title=${html`Order <code>${short(id)}</code>`} about=${order && html`Placed <${Time} ms=${Date.parse(order.createdAt)} /> by <a href=${`/console/orders?by=customer&of=${order.customerId}`}>${order.customerId}</a>`}>
      <${Copy} text=${curl("GET", `/orders/${id}`)} what="this order as a curl command" label="curl" />
      ${order && html`<${Actions} order=${order} isParked=${Boolean(record?.parked_at_ms)} reload=${reload} />`}
    <//>
    <${Problem} error=${error} retry=${reload} />
    <div class="stack">
      ${order && html`<${Facts} order=${order} />`}
      ${story && html`<nav class="tabs" aria-label="Parts of the order">
        ${[["story", "Story"], ["records", "Records"]].map(([name, label]) => html`<a href=${`/console/orders/${id}${name === "story" ? "" : `?tab=${name}`}`} aria-current=${tab === name ? "page" : undefined}>${label}</a>`)}
      </nav>`}
      ${tab === "records" && story && html`<${Records} story=${story} />`}
      ${tab === "story" && html`<div class="cards">
        ${order && html`<section class="card"><h2>Time line</h2><${Timeline} timeline=${order.timeline} /></section>`}
        ${story && html`<section class="card"><h2>Executions</h2>${story.executions.length ? html`<${Siblings} executions=${story.executions} />` : html`<p class="quiet">None of them is kept any more.</p>`}</section>`}
        <section class="card"><h2>Journal</h2><${Journal} journal=${journal} /></section>
        ${story && html`<section class="card"><h2>On record</h2><${Verdict} story=${story} />${record && html`<${WorkIndex} order=${record} />`}</section>`}
      </div>`}
    </div>`;
}

/** @param {{order: any}} props */
function Facts({ order }) {
  return html`<section class="card" aria-label="Summary"><dl class="facts">
    <div><dt>Status</dt><dd><${Badge} status=${order.status} /> ${order.reason && html`<span class="reason">${words(order.reason)}</span>`}</dd></div>
    <div><dt>Total</dt><dd>${money(order.totalAmount, order.currency)}</dd></div>
    <div><dt>Items</dt><dd>${order.items.map((/** @type {any} */ item) => html`<div>${item.quantity} × ${item.productId} <span class="quiet">at ${money(item.price, order.currency)}</span></div>`)}</dd></div>
    <div><dt>Payment</dt><dd>${{ PREPAID: "prepaid", INVOICE: "on invoice", AUTHORIZED: "by card" }[/** @type {"PREPAID"} */ (order.paymentTerms)]} ${order.paymentReference && html`<code>${order.paymentReference}</code>`}</dd></div>
    <div><dt>Store</dt><dd><a href=${`/console/orders?by=store&of=${order.storeId}`}>${order.storeId}</a></dd></div>
    ${order.countyId && html`<div><dt>County</dt><dd>${order.countyId}</dd></div>`}
    <div><dt>Order id</dt><dd><${Id} id=${order.orderId} what="the order's id" /></dd></div>
  </dl>
  ${order.detail && html`<p class="why"><strong>Why:</strong> ${order.detail}.</p>`}
  ${order.shortages && html`<p class="why">${order.shortages.map((/** @type {any} */ one) => `Only ${one.available} of ${one.productId} could be reserved.`).join(" ")}</p>`}
  </section>`;
}

/** @param {{timeline: {event: string, at: string}[]}} props */
function Timeline({ timeline }) {
  const tone = (/** @type {string} */ event) => (/CANCEL|RELEASED|REVERSED|RETURNED/.test(event) ? "undone" : "good");
  return html`<ol class="story">${timeline.map(({ event, at }) => html`<li class=${tone(event)}><p class="row"><strong>${words(event)}</strong> <span class="quiet"><${Time} ms=${Date.parse(at)} /></span></p></li>`)}</ol>`;
}

/** @param {{journal: any}} props */
function Journal({ journal }) {
  if (!journal) return html`<p class="quiet">Reading the journal…</p>`;
  if (journal.entries.length === 0) return html`<p class="quiet">Nothing is posted for this order.</p>`;
  return html`<div class="stack">${journal.entries.map((/** @type {any} */ entry) => html`<div>
    <p class="row"><strong>${words(entry.kind)}</strong> <span class="quiet"><${Time} ms=${Date.parse(entry.postedAt)} /></span></p>
    <table><thead><tr><th scope="col">Account</th><th scope="col" class="number">Debit</th><th scope="col" class="number">Credit</th></tr></thead>
      <tbody>${entry.lines.map((/** @type {any} */ line) => html`<tr><td>${words(line.account)}</td><td class="number">${line.debit === undefined ? "" : money(line.debit, entry.currency)}</td><td class="number">${line.credit === undefined ? "" : money(line.credit, entry.currency)}</td></tr>`)}</tbody></table>
  </div>`)}</div>`;
}

/** What can be done with the order now. @param {{order: any, isParked: boolean, reload: () => void}} props */
function Actions({ order, isParked, reload }) {
  const [error, setError] = useState(/** @type {any} */ (null));
  const [done, setDone] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const act = (/** @type {string} */ path, /** @type {string} */ words) => async () => {
    setIsBusy(true);
    setError(null);
    setDone("");
    try {
      await send("POST", path);
      setDone(words);
    } catch (failed) {
      setError(failed);
    }
    setIsBusy(false);
    reload();
  };
  const canCancel = ["PENDING", "CONFIRMED"].includes(order.status);
  return html`
    ${order.status === "CONFIRMED" && html`<button type="button" class="primary" disabled=${isBusy} onClick=${act(`/orders/${order.orderId}/fulfil`, "The order is handed over.")}>Hand over</button>`}
    ${canCancel && html`<button type="button" class="danger" disabled=${isBusy} onClick=${act(`/orders/${order.orderId}/cancel`, "The order is being cancelled.")}>Cancel the order</button>`}
    ${isParked && html`<button type="button" class="primary" disabled=${isBusy} onClick=${act(`/_local/recover/${order.orderId}`, "The order is retried.")}>Take up again</button>`}
    ${done && html`<span role="status" class="quiet">${done}</span>`}
    <${Problem} error=${error} />`;
}
