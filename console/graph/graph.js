// The state machine's graph, coloured by what happened.

import { html, style, useEffect, useRef, useState } from "../elements.js";
import { FATES, visitOf } from "./path.js";
import { draw, line } from "./layout.js";

style("/console/styles/graph.css");

/**
 * @typedef {import("./path.js").Path} Path
 * @typedef {import("./machine.js").Machine} Machine
 */

/** The fates that a legend explains, in its order. */
const LEGEND = /** @type {const} */ (["succeeded", "retried", "timedOut", "caught", "undone", "running", "died", "never"]);

const SIGNS = /** @type {Record<string, string>} */ ({
  succeeded: "M2.5 6.5 5 9 9.5 3.5", retried: "M9.6 4.4A4 4 0 1 0 10 6.5M10 2v2.7H7.3", caught: "M3 3l6 6M9 3l-6 6", failed: "M3 3l6 6M9 3l-6 6",
  timedOut: "M6 2a4 4 0 1 0 .01 0M6 3.8V6l1.6 1.2", undone: "M4.5 2.5 2 5l2.5 2.5M2 5h5a2.5 2.5 0 0 1 0 5H4.5", running: "M6 3v6M3 6h6", died: "M6 2.5v4.2M6 9v.4", aborted: "M3.5 3.5h5v5h-5z",
});

/** The graph gets no smaller than this, so that its words can be read. */
const MIN_SCALE = 0.66;

/** @type {WeakMap<Machine, Map<string, import("./layout.js").Drawing>>} */
const drawings = new WeakMap();

/** @param {Machine} machine @param {Set<string>} closed */
function drawn(machine, closed) {
  const known = drawings.get(machine) ?? new Map();
  drawings.set(machine, known);
  const key = [...closed].join();
  if (!known.has(key)) known.set(key, draw(machine, closed));
  return /** @type {import("./layout.js").Drawing} */ (known.get(key));
}

/**
 * @param {{machine: Machine, path: Path|null, selected: string, onSelect: (state: string) => void, label: string, isSelectable?: (state: string) => boolean}} props
 */
export function Graph({ machine, path, selected, onSelect, label, isSelectable = () => true }) {
  const [isWhole, setIsWhole] = useState(false);
  const unreached = machine.states.filter((state) => state.branches.length > 0 && path && !visitOf(path, state.name)).map((state) => state.name);
  const drawing = drawn(machine, new Set(isWhole ? [] : unreached));
  const late = new Set(path?.landings.map((landing) => landing.state));
  const canvas = useRef(/** @type {HTMLElement|null} */ (null));
  // On a phone the graph is wider than the page: the state to look at comes into view.
  useEffect(() => {
    const [area, node] = [canvas.current, canvas.current?.querySelector(".node.selected")];
    if (!area || !node || area.scrollWidth <= area.clientWidth) return;
    const [outer, inner] = [area.getBoundingClientRect(), node.getBoundingClientRect()];
    area.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  }, [selected, drawing]);
  const taken = (/** @type {{from: string, to: string}} */ edge) => path?.steps.has(`${edge.from}>${edge.to}`) ?? false;
  const edges = [...drawing.edges].sort((a, b) => Number(taken(a)) - Number(taken(b)));
  return html`<figure class="graph">
    <div class="canvas" ref=${canvas} tabIndex=${0} role="region" aria-label=${label}>
      <svg viewBox=${`0 0 ${Math.ceil(drawing.width)} ${Math.ceil(drawing.height)}`} width=${Math.ceil(drawing.width)} height=${Math.ceil(drawing.height)} style=${{ minWidth: `${Math.ceil(drawing.width * MIN_SCALE)}px` }} role="group" aria-label=${label}>
        <defs>
          ${["", "-taken"].map((more) => html`<marker id=${`arrow${more}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6.5" markerHeight="6.5" orient="auto-start-reverse"><path d="M0 0.5 7.5 4 0 7.5z" class=${`arrow${more}`} /></marker>`)}
        </defs>
        ${drawing.nodes.filter((/** @type {any} */ node) => node.isBox).map((/** @type {any} */ node) => html`<${Node} node=${node} path=${path} selected=${selected} onSelect=${onSelect} isSelectable=${isSelectable} late=${late} key=${node.name} />`)}
        ${edges.map((edge) => html`<${Edge} edge=${edge} isTaken=${taken(edge)} drawing=${drawing} key=${`${edge.from}>${edge.to}`} />`)}
        ${drawing.nodes.filter((/** @type {any} */ node) => !node.isBox).map((/** @type {any} */ node) => html`<${Node} node=${node} path=${path} selected=${selected} onSelect=${onSelect} isSelectable=${isSelectable} late=${late} key=${node.name} />`)}
      </svg>
    </div>
    ${path && html`<figcaption class="legend">${LEGEND.map((fate) => html`<span class=${`fate-${fate}`}><i aria-hidden="true">${SIGNS[fate] && html`<svg viewBox="0 0 12 12"><path d=${SIGNS[fate]} /></svg>`}</i>${FATES[fate]}</span>`)}
      ${unreached.length > 0 && html`<button type="button" class="small" aria-pressed=${isWhole} onClick=${() => setIsWhole(!isWhole)}>${isWhole ? "Hide branches that were not reached" : "Show every state"}</button>`}
    </figcaption>`}
  </figure>`;
}

/** @param {{edge: any, isTaken: boolean, drawing: any}} props */
function Edge({ edge, isTaken, drawing }) {
  let { points } = edge;
  if (points.length === 0) {
    if (!isTaken) return null;
    points = aside(drawing, edge);
  }
  return html`<path class=${`edge ${edge.kind} ${isTaken ? "taken" : ""}`} d=${line({ points, isBent: edge.isBent })} marker-end=${`url(#arrow${isTaken ? "-taken" : ""})`} />`;
}

/** A line for a transition that the layout left out: from one state's side to the other's. @param {any} drawing @param {{from: string, to: string}} edge */
function aside(drawing, edge) {
  const find = (/** @type {string} */ name) => drawing.nodes.find((/** @type {any} */ node) => node.name === name);
  const [from, to] = [find(edge.from), find(edge.to)];
  const isLeft = to.x + to.width / 2 < from.x + from.width / 2;
  const start = { x: isLeft ? from.x : from.x + from.width, y: from.y + from.height / 2 };
  const end = { x: to.x + to.width / 2, y: to.y };
  return [start, { x: start.x + (isLeft ? -26 : 26), y: start.y + 30 }, end];
}

/** @param {{node: any, path: Path|null, selected: string, onSelect: (state: string) => void, isSelectable: (state: string) => boolean, late: Set<string|undefined>}} props */
function Node({ node, path, selected, onSelect, isSelectable, late }) {
  const visit = path && visitOf(path, node.name);
  const fate = visit?.fate ?? (path ? "never" : "plain");
  const tries = visit?.attempts.length ?? 0;
  const choose = () => onSelect(node.name);
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  };
  const can = isSelectable(node.name);
  // What is drawn, in its order, then what it means: a name that is spoken must begin with what is seen.
  const seen = [node.name, tries > 1 && `×${tries}`, late.has(node.name) && "late"].filter(Boolean).join(" ");
  const words = path ? `${seen}, ${FATES[/** @type {keyof typeof FATES} */ (fate)]}` : seen;
  const { x, y, width, height } = node;
  const middle = node.isBox ? y + 16 : y + height / 2;
  return html`<g class=${`node fate-${fate} type-${node.type} ${node.isBox ? "box" : ""} ${selected === node.name ? "selected" : ""} ${can ? "" : "fixed"}`}
    role="button" tabindex=${can ? 0 : -1} aria-label=${words} aria-pressed=${selected === node.name} aria-disabled=${can ? undefined : true} data-state=${node.name} data-fate=${fate} onClick=${can ? choose : undefined} onKeyDown=${can ? pressed : undefined}>
    <rect x=${x} y=${y} width=${width} height=${height} rx=${node.isBox ? 12 : node.type === "Choice" ? 19 : 9} />
    ${SIGNS[fate] && html`<g class="sign" transform=${`translate(${x + 10} ${middle - 8})`}><circle cx="8" cy="8" r="8" /><path transform="translate(2 2)" d=${SIGNS[fate]} /></g>`}
    <text x=${node.isBox || SIGNS[fate] ? x + (SIGNS[fate] ? 33 : 14) : x + width / 2} y=${middle + 4.5} text-anchor=${node.isBox || SIGNS[fate] ? "start" : "middle"}>${node.name}</text>
    ${tries > 1 && html`<g class="tries"><rect x=${x + width - 20} y=${y - 9} width="27" height="18" rx="9" /><text x=${x + width - 6.5} y=${y + 4} text-anchor="middle">${` ×${tries}`}</text></g>`}
    ${late.has(node.name) && html`<g class="landing"><rect x=${x + width - 44} y=${y + height - 9} width="52" height="18" rx="9" /><text x=${x + width - 18} y=${y + height + 4} text-anchor="middle">${" late"}</text></g>`}
  </g>`;
}
