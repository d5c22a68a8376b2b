// One execution.

import { curl } from "../api.js";
import { duration, short, words } from "../format.js";
import { Badge, Copy, Head, Id, Json, Problem, Time, html, setParameters, useData, useTitle } from "../elements.js";
import { Graph } from "../graph/graph.js";
import { machineOf } from "../graph/machine.js";
import { pathOf, remarkable } from "../graph/path.js";
import { Events } from "../execution/events.js";
import { Records } from "../execution/records.js";
import { Siblings } from "../execution/siblings.js";
import { StateDetails } from "../execution/state.js";
import { Timeline } from "../execution/timeline.js";
import { sentencesOf, whyStarted } from "../execution/sentences.js";

/** The delays between reads of an execution that runs, and for how long it is read after that: an invocation may land late. */
const LIVE_MS = 700;
const MAY_LAND_MS = 60_000;

const TABS = /** @type {const} */ ([["graph", "Graph"], ["events", "Event history"], ["records", "Records"], ["data", "Input and output"]]);

/** @param {{id: string, parameters: URLSearchParams}} props */
export default function Execution({ id, parameters }) {
  useTitle(`Execution ${short(id)}`);
  const definition = useData("/_local/definition").data;
  const address = `/_local/executions/${id}`;
  const first = useData(address);
  const mayChange = first.data?.status === "RUNNING" || Date.now() - (first.data?.stoppedMs ?? 0) < MAY_LAND_MS;
  const live = useData(first.data && mayChange ? address : null, LIVE_MS);
  const execution = live.data ?? first.data;
  const story = useData(execution ? `/_local/orders/${execution.orderId}` : null, mayChange ? 2 * LIVE_MS : undefined).data;
  if (first.error) return html`<${Head} title="Execution" /><${Problem} error=${first.error} /><p><a href="/console">See all executions</a></p>`;
  if (!execution || !definition) return html`<p class="boot">Reading the execution…</p>`;
  const machine = machineOf(definition);
  const path = pathOf(execution);
  const tab = parameters.get("tab") ?? "graph";
  const selected = parameters.get("state") ?? remarkable(path);
  const select = (/** @type {string} */ state) => setParameters({ state, tab: "" }, { replace: true });
  const earlier = story?.executions.filter((/** @type {any} */ one) => one.number < execution.number) ?? [];
  return html`
    <${Head} title=${`Execution #${execution.number}`} about=${html`${whyStarted(execution, earlier)}.`}>
      <${Copy} text=${curl("GET", address)} what="this execution as a curl command" label="curl" />
      <a class="button" href=${`/console/orders/${execution.orderId}`}>The order</a>
    <//>
    <div class="stack">
      <section class="card" aria-label="Summary">
        <dl class="facts">
          <div><dt>Status</dt><dd><${Badge} status=${execution.status} /></dd></div>
          <div><dt>Order</dt><dd>${execution.orderStatus ? html`<${Badge} status=${execution.orderStatus} />` : "not on record yet"} ${execution.reason && html`<span class="reason">${words(execution.reason)}</span>`}</dd></div>
          <div><dt>Order id</dt><dd><${Id} id=${execution.orderId} what="the order's id" /></dd></div>
          <div><dt>Customer</dt><dd>${execution.customerId ?? "–"}</dd></div>
          <div><dt>Started</dt><dd><${Time} ms=${execution.startedMs} /></dd></div>
          <div><dt>Took</dt><dd>${execution.startedMs ? duration(path.endMs - path.startedMs) : "–"}</dd></div>
        </dl>
        <ul class="sentences">${sentencesOf(execution, path).map((sentence) => html`<li>${sentence}</li>`)}</ul>
      </section>
      ${story && story.executions.length > 1 && html`<section class="card"><h2>All executions of this order</h2><${Siblings} executions=${story.executions} current=${id} /></section>`}
      <div>
        <nav class="tabs" aria-label="Parts of the execution">${TABS.map(([name, label]) => html`<a href=${`/console/executions/${id}${name === "graph" ? "" : `?tab=${name}`}`} aria-current=${tab === name ? "page" : undefined}>${label}</a>`)}</nav>
        ${tab === "events" && html`<${Events} events=${execution.events} onSelect=${select} />`}
        ${tab === "records" && (story ? html`<${Records} story=${story} />` : html`<p class="boot">Reading the records…</p>`)}
        ${tab === "data" && html`<div class="cards">
          <section class="card"><h2>Input</h2><${Json} value=${execution.input} label="the input" /></section>
          <section class="card"><h2>${execution.error ? "Error" : "Output"}</h2><${Json} value=${execution.error ? { error: execution.error, cause: execution.cause } : execution.output} label="the output" /></section>
          <section class="card"><h2>ARN</h2><${Id} id=${execution.arn} what="the ARN" whole=${true} /></section>
        </div>`}
        ${tab === "graph" && html`<div class="run">
          <div class="stack">
            <section class="card" aria-label="Graph"><${Graph} machine=${machine} path=${path} selected=${selected} onSelect=${select} label="The state machine, coloured by what happened" /></section>
            <section class="card"><h2>Where the time went</h2><${Timeline} path=${path} machine=${machine} selected=${selected} onSelect=${select} /></section>
          </div>
          <${StateDetails} machine=${machine} path=${path} name=${selected} />
        </div>`}
      </div>
    </div>`;
}
