// What happened, in sentences.

import { counted, duration, spaced } from "../format.js";

/**
 * @typedef {import("../graph/path.js").Path} Path
 * @typedef {import("../graph/path.js").Visit} Visit
 * @typedef {import("../graph/path.js").Landing} Landing
 */

/** Why an execution was started. @param {any} summary @param {any[]} [earlier] the order's executions before it, oldest first */
export function whyStarted(summary, earlier = []) {
  if (summary.hasOrder) return earlier.some((one) => one.hasOrder) ? "The order was sent again: a duplicate" : "A client placed the order";
  if (summary.found === "PENDING") return "Recovery retried the open order";
  if (summary.found === "CANCELLING") return earlier.some((one) => one.found === "CANCELLING" || one.reason) ? "Recovery retried the roll-back" : "The order was being cancelled";
  if (summary.found === "FULFILLING") return earlier.some((one) => one.found === "FULFILLING") ? "Recovery retried the hand-over" : "The store handed the order over";
  return "It was started with the order's id";
}

const DECIDED = /** @type {Record<string, string>} */ ({
  OrderConfirmed: "The order is confirmed.",
  OrderCancelled: "The order is cancelled, and nothing of it is left.",
  OrderFulfilled: "The order is handed over, and its stock is off the books.",
  OrderRefused: "The key was already used for another order, which is left as it was.",
  OrderUnfinished: "The order is still open: recovery will retry it.",
});

/** @param {any} execution @param {Path} path @returns {string[]} */
export function sentencesOf(execution, path) {
  const sentences = [];
  for (const visit of path.visits) {
    const sentence = wrong(visit);
    if (sentence) sentences.push(sentence);
  }
  const undone = path.visits.filter((visit) => visit.fate === "undone");
  if (undone.length) sentences.push(`${undone.map(undoneWords).join("; ")}.`);
  if (execution.status === "ABORTED") {
    sentences.push(`The execution died in ${spaced(execution.state ?? "its first state")}. No Catch ran: recovery will find the order.`);
  } else if (execution.status === "RUNNING") {
    sentences.push(execution.state ? `It is in ${spaced(execution.state)}.` : "It waits for its turn.");
  } else if (execution.state && DECIDED[execution.state]) {
    sentences.push(DECIDED[execution.state]);
  }
  for (const landing of path.landings) sentences.push(landed(landing, path));
  return sentences;
}

/** @param {Visit} visit */
function wrong({ state, attempts, fate }) {
  const name = spaced(state);
  const last = attempts.at(-1);
  const tries = attempts.length > 1 ? ` in ${counted(attempts.length, "attempt")}` : "";
  if (fate === "timedOut") return `${name} timed out ${attempts.length === 2 ? "twice" : tries ? `${attempts.length} times` : ""}`.trim() + ".";
  if (fate === "caught") return `${name} failed${tries} with ${last?.error}${reason(last?.cause)}.`;
  if (fate === "retried") return `${name} succeeded in attempt ${attempts.length}, after ${attempts.slice(0, -1).map((attempt) => attempt.error ?? "an error").join(" and ")}.`;
  return "";
}

/** The message in a function's error, which is JSON if the function made it. @param {string|undefined} cause */
export function reason(cause) {
  if (!cause) return "";
  try {
    const message = JSON.parse(cause).errorMessage;
    return message ? `: ${words(message)}` : "";
  } catch {
    return `: ${cause.replace(/\.$/, "")}`;
  }
}

/** A refusal's message without the data that it carries for the order's record. @param {string} message */
function words(message) {
  try {
    return JSON.parse(message).message ?? message;
  } catch {
    return message;
  }
}

/** @param {Visit} visit */
function undoneWords({ state, effect }) {
  return effect === "UNDONE" ? `${spaced(state)} undid what was done` : `${spaced(state)} found nothing to undo and left a tombstone`;
}

/** @param {Landing} landing @param {Path} path */
function landed({ state, attempt, landedMs, error }, path) {
  const after = landedMs - path.endMs;
  const when = after >= 0 ? `${duration(after)} after the end` : `${duration(landedMs - path.startedMs)} after the start`;
  const found = error === "SagaCancelled" ? "found the tombstone and did nothing (SagaCancelled)" : error ? `ended with ${error}` : "returned its first receipt and changed nothing more";
  return `Attempt ${attempt + 1} of ${spaced(state)} landed late, ${when}: it ${found}.`;
}
