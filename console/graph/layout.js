// Where each state stands. A Parallel's branches are laid out first, and stand side by side in its box.

import { Graph, layout as arrange } from "dagre";

/**
 * @typedef {import("./machine.js").Machine} Machine
 * @typedef {import("./machine.js").State} State
 * @typedef {import("./machine.js").Transition} Transition
 * @typedef {{x: number, y: number}} Point
 * @typedef {{name: string, type: string, x: number, y: number, width: number, height: number, isBox: boolean}} Node the top left corner
 * @typedef {{from: string, to: string, kind: string, points: Point[], isBent?: boolean}} Edge `isBent` goes around the states between
 * @typedef {{nodes: Node[], edges: Edge[], width: number, height: number}} Drawing
 */

const NODE_HEIGHT = 36;
const MARGIN = 14;
const BOX_HEAD = 34;
const BOX_PADDING = 14;
const BRANCH_GAP = 14;
const ROW_GAP = 26;
const LANE = 12;

const pen = document.createElement("canvas").getContext("2d");

/** @param {State} state */
function widthOf({ name, type }) {
  if (pen) pen.font = `550 13px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
  return Math.ceil(pen?.measureText(name).width ?? 7 * name.length) + (type === "Choice" ? 54 : 48);
}

/**
 * @param {Machine} machine
 * @param {Set<string>} closed the Parallels whose branches are not drawn
 * @returns {Drawing}
 */
export function draw(machine, closed) {
  const graph = new Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 26, edgesep: 10, ranksep: 30, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  /** @type {Map<string, Drawing[]>} */
  const boxes = new Map();
  for (const state of machine.states) {
    let [width, height] = [widthOf(state), NODE_HEIGHT];
    if (state.branches.length > 0 && !closed.has(state.name)) {
      const branches = state.branches.map(column);
      boxes.set(state.name, branches);
      width = branches.reduce((sum, branch) => sum + branch.width, (branches.length - 1) * BRANCH_GAP) + 2 * BOX_PADDING;
      height = BOX_HEAD + Math.max(...branches.map((branch) => branch.height)) + BOX_PADDING;
    }
    graph.setNode(state.name, { width, height });
  }
  for (const { from, to, kind } of backbone(machine)) graph.setEdge(from, to, { weight: kind === "next" ? 8 : kind === "choice" ? 2 : 1 });
  arrange(graph);
  /** @type {Node[]} */
  const nodes = [];
  /** @type {Edge[]} */
  const edges = [];
  for (const state of machine.states) {
    const { x, y, width, height } = graph.node(state.name);
    const [left, top] = [x - width / 2, y - height / 2];
    const branches = boxes.get(state.name);
    nodes.push({ name: state.name, type: state.type, x: left, y: top, width, height, isBox: Boolean(branches) });
    let branchLeft = left + BOX_PADDING;
    for (const branch of branches ?? []) {
      const move = (/** @type {Point} */ point) => ({ x: point.x + branchLeft, y: point.y + top + BOX_HEAD });
      nodes.push(...branch.nodes.map((node) => ({ ...node, ...move(node) })));
      edges.push(...branch.edges.map((edge) => ({ ...edge, points: edge.points.map(move) })));
      branchLeft += branch.width + BRANCH_GAP;
    }
  }
  for (const { from, to, kind } of machine.transitions) {
    const edge = graph.edge({ v: from, w: to });
    edges.push({ from, to, kind, points: edge ? edge.points : [] });
  }
  const { width = 0, height = 0 } = graph.graph();
  return { nodes, edges, width, height };
}

/**
 * The transitions that shape the drawing. Every state can fail, and a Choice can lead to every end: lines for all of
 * that would hide the way, so they are drawn only when taken. Left out are failures that lead to an end, and choices
 * that skip more than one state.
 *
 * @param {Machine} machine
 * @returns {Transition[]}
 */
function backbone({ states, transitions }) {
  const ends = new Set(states.filter(({ type }) => type === "Succeed" || type === "Fail").map(({ name }) => name));
  const kept = transitions.filter(({ from, to, kind }) => {
    if (kind === "next") return true;
    if (kind === "catch") return !ends.has(to);
    return longest(transitions, from, to) <= 2;
  });
  // An end to which only such transitions lead hangs on the last of them.
  for (const name of ends) {
    const last = transitions.findLast(({ to }) => to === name);
    if (last && !kept.some(({ to }) => to === name)) kept.push(last);
  }
  return kept;
}

/** The length of the longest way between two states. A machine without loops has one. @param {Transition[]} transitions @param {string} from @param {string} to @returns {number} */
function longest(transitions, from, to, seen = new Set()) {
  if (from === to) return 0;
  if (seen.has(from)) return -Infinity;
  const next = transitions.filter((transition) => transition.from === from && transition.kind !== "catch");
  return Math.max(-Infinity, ...next.map((transition) => 1 + longest(transitions, transition.to, to, new Set([...seen, from]))));
}

/** A branch: its states below each other, in their order. @param {Machine} branch @returns {Drawing} */
function column({ states, transitions }) {
  const width = Math.max(...states.map(widthOf));
  /** @type {Node[]} */
  const nodes = states.map((state, index) => ({ name: state.name, type: state.type, x: (width - widthOf(state)) / 2, y: index * (NODE_HEIGHT + ROW_GAP), width: widthOf(state), height: NODE_HEIGHT, isBox: false }));
  const edges = transitions.map(({ from, to, kind }) => {
    const [a, b] = [from, to].map((name) => /** @type {Node} */ (nodes.find((node) => node.name === name)));
    const isNext = b.y - a.y === NODE_HEIGHT + ROW_GAP;
    const lane = width + LANE;
    const points = isNext
      ? [{ x: width / 2, y: a.y + a.height }, { x: width / 2, y: b.y }]
      : [{ x: a.x + a.width, y: a.y + a.height / 2 }, { x: lane, y: a.y + a.height / 2 }, { x: lane, y: b.y + b.height / 2 }, { x: b.x + b.width, y: b.y + b.height / 2 }];
    return { from, to, kind, points, isBent: !isNext };
  });
  const hasLane = edges.some((edge) => edge.isBent);
  return { nodes, edges, width: width + (hasLane ? LANE : 0), height: states.length * (NODE_HEIGHT + ROW_GAP) - ROW_GAP };
}

/** An edge as a path. @param {{points: Point[], isBent?: boolean}} edge */
export function line({ points, isBent }) {
  if (isBent) return rounded(points);
  // Between neighbours there is nothing to go around.
  const [first, ...rest] = points.length === 3 ? [points[0], points[2]] : points;
  if (!first) return "";
  let [d, before] = [`M${round(first.x)} ${round(first.y)}`, first];
  for (const point of rest) {
    const middle = round((before.y + point.y) / 2);
    // A wide step leaves sideways, so that it stays clear of what is below.
    const isWide = Math.abs(point.x - before.x) > 1.3 * Math.abs(point.y - before.y);
    d += isWide ? ` Q${round(point.x)} ${round(before.y)} ${round(point.x)} ${round(point.y)}` : ` C${round(before.x)} ${middle} ${round(point.x)} ${middle} ${round(point.x)} ${round(point.y)}`;
    before = point;
  }
  return d;
}

/** Straight lines with round corners. @param {Point[]} points */
function rounded([a, b, c, d]) {
  const r = 8;
  return `M${round(a.x)} ${round(a.y)} H${round(b.x - r)} Q${round(b.x)} ${round(b.y)} ${round(b.x)} ${round(b.y + r)} V${round(c.y - r)} Q${round(c.x)} ${round(c.y)} ${round(c.x - r)} ${round(c.y)} H${round(d.x)}`;
}

/** @param {number} number */
function round(number) {
  return Math.round(number * 10) / 10;
}
