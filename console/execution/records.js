// What every table holds of an order, and the audit's verdict on it.

import { spaced, words } from "../format.js";
import { Badge, Json, Time, html } from "../elements.js";

/** What a record is, in words. @param {{kind: string, step: string|null, item: any}} record */
function title({ kind, step, item }) {
  if (kind === "order") return "Order";
  if (step === "reserve-inventory") return "Reservation";
  if (step === "post-accounting") return "Posting";
  if (step === "capture-payment") return "Capture";
  if (kind === "fence") return spaced(step ?? "");
  if (kind === "entry") return words(item.sk ?? "Entry");
  if (kind === "claim") return "Claim on the payment";
  return "Payment at the provider";
}

/** @param {{story: any}} props */
export function Verdict({ story }) {
  if (story.findings.length === 0) {
    return html`<div class="note good"><strong>The audit finds nothing wrong with this order.</strong><span>Its record, its fences and its books agree (I1, I2, I4, I5, I8).</span></div>`;
  }
  return html`<div class="note bad"><strong>The audit finds ${story.findings.length === 1 ? "a violation" : `${story.findings.length} violations`}.</strong>
    <ul>${story.findings.map((/** @type {any} */ finding) => html`<li><code>${finding.invariant}</code> The order ${finding.what}.</li>`)}</ul></div>`;
}

/** Where the order is in the work index. @param {{order: any}} props */
export function WorkIndex({ order }) {
  const { work, due_ms: dueMs, parked_at_ms: parkedAtMs, attempts } = order;
  if (!work) return html`<p class="quiet">It is not in the work index: nothing is left to do.</p>`;
  const partition = work.split("#")[0];
  return html`<dl class="facts">
    <div><dt>Work index</dt><dd>${partition === "OPEN" ? "open, for recovery" : partition === "PICK" ? "on the store's pick list" : "parked"} <code class="quiet">${work}</code></dd></div>
    ${parkedAtMs ? html`<div><dt>Parked since</dt><dd><${Time} ms=${parkedAtMs} /></dd></div>` : html`<div><dt>${partition === "PICK" ? "Confirmed" : "Due"}</dt><dd><${Time} ms=${dueMs} /></dd></div>`}
    <div><dt>Recovery's attempts</dt><dd>${attempts}</dd></div>
  </dl>`;
}

/** @param {{story: any}} props */
export function Records({ story }) {
  const order = story.records.find((/** @type {any} */ record) => record.kind === "order")?.item;
  return html`<div class="stack">
    <${Verdict} story=${story} />
    <section class="card"><h2>Work index</h2>${order ? html`<${WorkIndex} order=${order} />` : html`<p class="quiet">The order is not on record.</p>`}</section>
    <div class="cards">
      ${story.records.map((/** @type {any} */ record) => html`<section class="card" data-record=${title(record)}>
        <div class="row"><h2>${title(record)}</h2><span class="quiet">in <code>${record.table}</code></span>
          ${record.item.fence && html`<${Badge} status=${record.item.fence} label=${`Fence: ${record.item.fence.toLowerCase()}${record.item.fence === "CANCELLED" && !record.item.effect && !record.item.applied_ms ? ", a tombstone" : ""}`} />`}
          ${record.kind === "order" && html`<${Badge} status=${record.item.status} />`}</div>
        <${Moments} item=${record.item} />
        <${Json} value=${sorted(record.item)} label=${`the item of ${title(record)}`} />
      </section>`)}
    </div>
  </div>`;
}

/** The item's times, for the reader. @param {{item: any}} props */
function Moments({ item }) {
  const times = Object.entries(item).filter(([name, value]) => name.endsWith("_ms") && typeof value === "number").sort((a, b) => a[1] - b[1]);
  if (times.length === 0) return null;
  return html`<dl class="facts moments">${times.map(([name, ms]) => html`<div><dt>${words(name.replace(/_ms$/, "").toUpperCase())}</dt><dd><${Time} ms=${ms} /></dd></div>`)}</dl>`;
}

/** With its members by name: a table keeps no order. @param {any} value @returns {any} */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}
