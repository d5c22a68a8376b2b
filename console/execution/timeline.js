// Where the time went: a lane for each state, with its attempts and the waits between them.

import { duration, spaced } from "../format.js";
import { html } from "../elements.js";
import { FATES } from "../graph/path.js";

/**
 * @param {{path: import("../graph/path.js").Path, machine: import("../graph/machine.js").Machine, selected: string, onSelect: (state: string) => void}} props
 */
export function Timeline({ path, machine, selected, onSelect }) {
  const end = Math.max(path.endMs, ...path.landings.map((landing) => landing.landedMs));
  const span = Math.max(end - path.startedMs, 1);
  const at = (/** @type {number} */ ms) => `${((ms - path.startedMs) / span) * 100}%`;
  const outer = new Set(machine.states.map((state) => state.name));
  return html`<div class="line" role="group" aria-label="Time line of the states">
    <div class="lane axis" aria-hidden="true"><span></span><span class="scale"><span>0</span><span>${duration(span / 2)}</span><span>${duration(span)}</span></span><span></span></div>
    ${path.visits.map((visit) => {
      const took = (visit.leftMs ?? path.endMs) - visit.enteredMs;
      const landings = path.landings.filter((landing) => landing.state === visit.state);
      return html`<button type="button" class=${`lane fate-${visit.fate}`} aria-pressed=${selected === visit.state} onClick=${() => onSelect(visit.state)}>
        <span class=${`name ${outer.has(visit.state) ? "" : "inner"}`}>${spaced(visit.state)}</span>
        <span class="track">
          <span class="bit wait" style=${{ left: at(visit.enteredMs), width: `${(took / span) * 100}%` }}></span>
          ${bits(visit, path.endMs).map(({ from, to, fate }) => html`<span class=${`bit fate-${fate}`} style=${{ left: at(from), width: `${((to - from) / span) * 100}%` }}></span>`)}
          ${landings.map((landing) => html`<span class="bit landed" style=${{ left: at(landing.landedMs) }} title="A late landing"></span>`)}
        </span>
        <span class="number"><span class="unseen">${FATES[visit.fate]}, </span>${took < 1 ? "" : duration(took)}</span>
      </button>`;
    })}
  </div>`;
}

/** @param {import("../graph/path.js").Visit} visit @param {number} endMs */
function bits(visit, endMs) {
  if (visit.attempts.length === 0) return [{ from: visit.enteredMs, to: visit.leftMs ?? endMs, fate: visit.fate }];
  return visit.attempts.map(({ startMs, endMs: ended, outcome }) => ({
    from: startMs,
    to: ended ?? endMs,
    fate: outcome === "succeeded" ? visit.fate : outcome === "timedOut" ? "timedOut" : outcome === "failed" ? "caught" : visit.fate,
  }));
}
