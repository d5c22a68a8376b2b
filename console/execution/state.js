// One state of an execution: what it is for, its attempts, its input and output.

import { duration, spaced } from "../format.js";
import { Json, Time, html } from "../elements.js";
import { FATES, visitOf } from "../graph/path.js";
import { stateOf } from "../graph/machine.js";
import { reason } from "./sentences.js";

const OUTCOMES = { succeeded: "Succeeded", failed: "Failed", timedOut: "Timed out", open: "No answer" };
const TONES = { succeeded: "good", failed: "bad", timedOut: "late", open: "live" };

/**
 * @param {{machine: import("../graph/machine.js").Machine, path: import("../graph/path.js").Path, name: string}} props
 */
export function StateDetails({ machine, path, name }) {
  const state = stateOf(machine, name);
  const visit = visitOf(path, name);
  const landings = path.landings.filter((landing) => landing.state === name);
  if (!state) return html`<section class="card"><h2>No state selected</h2><p class="quiet">Choose a state in the graph or in the time line.</p></section>`;
  return html`<section class="card stack" aria-label=${`State ${name}`} data-state=${name}>
    <div>
      <div class="row"><h2>${spaced(name)}</h2><span class=${`badge fate-${visit?.fate ?? "never"} ${tone(visit?.fate)}`}>${FATES[visit?.fate ?? "never"]}</span></div>
      ${state.comment && html`<p class="quiet">${state.comment}</p>`}
    </div>
    ${visit && html`<dl class="facts">
      <div><dt>Type</dt><dd>${state.type}</dd></div>
      <div><dt>Entered</dt><dd><${Time} ms=${visit.enteredMs} /></dd></div>
      <div><dt>Took</dt><dd>${visit.leftMs === null ? "it was not left" : duration(visit.leftMs - visit.enteredMs)}</dd></div>
      ${visit.effect && html`<div><dt>Effect</dt><dd>${visit.effect === "NOTHING" ? "nothing to undo; a tombstone is left" : visit.effect.toLowerCase()}</dd></div>`}
    </dl>`}
    ${visit && visit.attempts.length > 0 && html`<div><h3>Attempts</h3><ol class="story attempts">${visit.attempts.map(
      (attempt, index) => html`<li class=${TONES[attempt.outcome]}>
        <p><strong>${index + 1}. ${OUTCOMES[attempt.outcome]}</strong> <span class="quiet">${attempt.endMs === null ? "" : `after ${duration(attempt.endMs - attempt.startMs)}`}</span></p>
        ${attempt.error && html`<p><code>${attempt.error}</code>${reason(attempt.cause)}</p>`}
      </li>`,
    )}
    ${landings.map((landing) => html`<li class="late"><p><strong>Attempt ${landing.attempt + 1} landed late</strong> <span class="quiet">at <${Time} ms=${landing.landedMs} /></span></p>
        <p>${landing.error ? html`<code>${landing.error}</code>${reason(landing.cause ?? "")}` : "It had an answer that nobody waited for."}</p></li>`)}
    </ol></div>`}
    ${visit && html`<div class="stack">
      ${visit.output !== null && html`<details open><summary>Output</summary><${Json} value=${parsed(visit.output)} label=${`output of ${name}`} /></details>`}
      <details><summary>Input</summary><${Json} value=${parsed(visit.input)} label=${`input of ${name}`} /></details>
    </div>`}
    ${!visit && html`<p class="quiet">This execution did not come here.</p>`}
  </section>`;
}

/** @param {string|undefined} fate */
function tone(fate) {
  return /** @type {Record<string, string>} */ ({ succeeded: "good", retried: "retried", caught: "bad", failed: "bad", died: "bad", timedOut: "late", undone: "undone", running: "live" })[fate ?? ""] ?? "";
}

/** @param {string|null} text */
function parsed(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return text;
  }
}
