// All executions of an order, as one story.

import { duration, spaced } from "../format.js";
import { Badge, Time, html } from "../elements.js";
import { whyStarted } from "./sentences.js";

/** @param {{executions: any[], current?: string}} props */
export function Siblings({ executions, current }) {
  return html`<ol class="story" aria-label="Executions of the order">${executions.map((one, index) => html`<li class=${toneOf(one)} key=${one.id}>
    <p class="row"><strong>${one.id === current ? html`Execution #${one.number} <span class="quiet">(this one)</span>` : html`<a href=${`/console/executions/${one.id}`}>Execution #${one.number}</a>`}</strong> <${Badge} status=${one.status} /> <span class="quiet"><${Time} ms=${one.startedMs} />${one.startedMs && one.stoppedMs ? `, ${duration(one.stoppedMs - one.startedMs)}` : ""}</span></p>
    <p>${whyStarted(one, executions.slice(0, index))}. ${ending(one)}</p>
  </li>`)}</ol>`;
}

/** @param {any} one */
function toneOf(one) {
  return { SUCCEEDED: one.orderStatus === "CANCELLED" ? "undone" : "good", RUNNING: "live", TIMED_OUT: "late" }[/** @type {"SUCCEEDED"} */ (one.status)] ?? "bad";
}

/** @param {any} one */
function ending(one) {
  const late = one.lateLandings ? ` ${one.lateLandings === 1 ? "One invocation" : `${one.lateLandings} invocations`} landed late.` : "";
  if (one.status === "RUNNING") return `It is running.${late}`;
  if (one.status === "ABORTED") return `It died in ${spaced(one.state ?? "its first state")}.${late}`;
  const failed = one.failedState ? `${spaced(one.failedState)} failed with ${one.failure}. ` : "";
  const end = { CONFIRMED: "It ended with the order confirmed.", CANCELLED: "It ended with the order rolled back.", FULFILLED: "It ended with the order handed over.", CANCELLING: "The roll-back is not finished.", FULFILLING: "The hand-over is not finished." }[/** @type {"CONFIRMED"} */ (one.orderStatus)] ?? "The order stayed open.";
  return `${failed}${end}${late}`;
}
