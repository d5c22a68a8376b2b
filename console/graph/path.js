// What happened in an execution, read from its events: the visits of its states, and the way between them.

/**
 * @typedef {{id: string, type: string, state: string|null, details: Record<string, any>, previous_event_id: string, event_timestamp: string}} HistoryEvent
 * @typedef {{startMs: number, endMs: number|null, outcome: "succeeded"|"failed"|"timedOut"|"open", error?: string, cause?: string, output?: string}} Attempt
 * @typedef {{state: string, attempt: number, function: string, landedMs: number, output: any, error: string|null, cause: string|null}} Landing
 * @typedef {"succeeded"|"retried"|"caught"|"timedOut"|"undone"|"failed"|"running"|"died"|"aborted"} Fate
 * @typedef {{state: string, type: string, enteredMs: number, leftMs: number|null, input: string, output: string|null, attempts: Attempt[], fate: Fate, effect: string|null}} Visit
 * @typedef {{visits: Visit[], steps: Set<string>, landings: Landing[], startedMs: number, endMs: number}} Path
 */

/** Fates in words. @type {Record<Fate|"never", string>} */
export const FATES = {
  succeeded: "Succeeded",
  retried: "Succeeded after a retry",
  caught: "Failed, and was caught",
  timedOut: "Timed out",
  undone: "Compensated",
  failed: "Ended as failed",
  running: "Running",
  died: "Died here",
  aborted: "Stopped",
  never: "Never reached",
};

/**
 * @param {{events: HistoryEvent[], landings: Landing[], status: string}} execution
 * @returns {Path}
 */
export function pathOf({ events, landings, status }) {
  /** @type {Visit[]} */
  const visits = [];
  /** @type {Set<string>} */
  const steps = new Set();
  const byId = new Map(events.map((event) => [event.id, event]));
  const open = (/** @type {string|null} */ state) => visits.findLast((visit) => visit.state === state);
  for (const event of events) {
    const ms = Number(event.event_timestamp);
    const { type, details, state } = event;
    const visit = open(state);
    if (type.endsWith("StateEntered")) {
      visits.push({ state: state ?? "", type: type.replace("StateEntered", ""), enteredMs: ms, leftMs: null, input: details.input, output: null, attempts: [], fate: "running", effect: null });
      const from = byId.get(event.previous_event_id)?.state;
      if (from && from !== state) steps.add(`${from}>${state}`);
    } else if (!visit) {
      continue;
    } else if (type.endsWith("StateExited")) {
      visit.leftMs = ms;
      visit.output = details.output;
    } else if (type.endsWith("StateAborted")) {
      visit.leftMs = ms;
      visit.fate = "aborted";
    } else if (type.endsWith("Scheduled")) {
      visit.attempts.push({ startMs: ms, endMs: null, outcome: "open" });
    } else if (/(Task|Function)(Succeeded|Failed|TimedOut)$/.test(type)) {
      const attempt = visit.attempts.at(-1);
      if (!attempt) continue;
      attempt.endMs = ms;
      attempt.outcome = type.endsWith("Succeeded") ? "succeeded" : type.endsWith("TimedOut") ? "timedOut" : "failed";
      Object.assign(attempt, { error: details.error, cause: details.cause, output: details.output });
      visit.effect = effectOf(details.output);
    }
  }
  const isOver = status !== "RUNNING";
  for (const visit of visits) visit.fate = fateOf(visit, status);
  const times = events.map((event) => Number(event.event_timestamp));
  const startedMs = times[0] ?? Date.now();
  const endMs = isOver ? Math.max(startedMs, ...times) : Date.now();
  return { visits, steps, landings, startedMs, endMs };
}

/** What a compensation's receipt says that it did. @param {string|undefined} output */
function effectOf(output) {
  try {
    return JSON.parse(output ?? "{}").Payload?.effect ?? null;
  } catch {
    return null;
  }
}

/** @param {Visit} visit @param {string} status @returns {Fate} */
function fateOf(visit, status) {
  if (visit.fate === "aborted") return "aborted";
  const last = visit.attempts.at(-1);
  if (visit.type === "Fail") return "failed";
  if (visit.leftMs === null) {
    if (status === "RUNNING") return "running";
    if (last?.outcome === "timedOut" || last?.outcome === "failed") return "failed";
    return status === "ABORTED" ? "died" : "failed";
  }
  if (last?.outcome === "timedOut") return "timedOut";
  if (last?.outcome === "failed") return "caught";
  if (visit.effect === "UNDONE" || visit.effect === "NOTHING") return "undone";
  return visit.attempts.length > 1 ? "retried" : "succeeded";
}

/** A state's last visit. @param {Path} path @param {string} state */
export function visitOf(path, state) {
  return path.visits.findLast((visit) => visit.state === state);
}

/** The state to look at first: the one that went wrong, or where the execution is. @param {Path} path */
export function remarkable(path) {
  const wrong = path.visits.find((visit) => ["caught", "timedOut", "died"].includes(visit.fate));
  const retried = path.visits.find((visit) => visit.fate === "retried");
  return (wrong ?? retried ?? path.visits.at(-1))?.state ?? "";
}
