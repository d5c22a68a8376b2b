// The event history, as Step Functions logs it.

import { duration, spaced } from "../format.js";
import { Json, Time, html } from "../elements.js";

/** @param {{events: import("../graph/path.js").HistoryEvent[], onSelect: (state: string) => void}} props */
export function Events({ events, onSelect }) {
  const startedMs = Number(events[0]?.event_timestamp ?? 0);
  return html`<div class="table" role="region" aria-label="Event history" tabIndex=${0}><table class="rows">
    <thead><tr><th scope="col" class="number">Event</th><th scope="col">Type</th><th scope="col">State</th><th scope="col">Details</th><th scope="col" class="number">After</th><th scope="col">Time</th></tr></thead>
    <tbody>${events.map((event) => html`<tr key=${event.id}>
      <td class="number" data-label="Event">${event.id}</td>
      <td data-label="Type">${event.type}</td>
      <td data-label="State">${event.state ? html`<button type="button" class="link" onClick=${() => onSelect(event.state ?? "")}>${spaced(event.state)}</button>` : html`<span class="quiet">–</span>`}</td>
      <td data-label="Details">${event.details.error && html`<code>${event.details.error}</code> `}${Object.keys(event.details).length > 0 && html`<details><summary>${event.details.error ? "cause" : "details"}</summary><${Json} value=${readable(event.details)} label=${`details of event ${event.id}`} /></details>`}</td>
      <td class="number" data-label="After">${duration(Number(event.event_timestamp) - startedMs)}</td>
      <td data-label="Time"><${Time} ms=${Number(event.event_timestamp)} /></td>
    </tr>`)}</tbody>
  </table></div>`;
}

/** Payloads are strings of JSON in the log. @param {Record<string, any>} details */
function readable(details) {
  const read = (/** @type {any} */ value) => {
    try {
      return typeof value === "string" && /^[[{"]/.test(value) ? JSON.parse(value) : value;
    } catch {
      return value;
    }
  };
  return Object.fromEntries(Object.entries(details).filter(([name]) => !name.endsWith("Details")).map(([name, value]) => [name, read(value)]));
}
