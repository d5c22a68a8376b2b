// The parked orders: those that recovery cannot finish, and a person must look at.

import { send } from "../api.js";
import { short, words } from "../format.js";
import { Badge, Empty, Head, Problem, Time, html, useData, useState, useTitle } from "../elements.js";

const LIVE_MS = 3000;

/** @param {{parameters: URLSearchParams}} _props */
export default function Parked(_props) {
  useTitle("Parked orders");
  const { data, error, reload } = useData("/_local/parked", LIVE_MS);
  const [failure, setFailure] = useState(/** @type {any} */ (null));
  const [done, setDone] = useState("");
  const takeUp = async (/** @type {string} */ orderId) => {
    setFailure(null);
    try {
      await send("POST", `/_local/recover/${orderId}`);
      setDone(`Order ${short(orderId)} is retried.`);
    } catch (failed) {
      setFailure(failed);
    }
    reload();
  };
  return html`
    <${Head} title="Parked orders" about="Recovery cannot finish these orders. Fix the cause first, then take them up again." />
    <${Problem} error=${failure ?? error} retry=${reload} />
    ${done && html`<div class="note good" role="status"><strong>${done}</strong></div>`}
    ${data?.orders.length === 0 && html`<${Empty} title="No order is parked."><p>An order is parked after eight attempts, or at once if the payment provider refuses for good. To see one, <a href="/console/try">let Refund Payment refuse</a>, place an order by card, and cancel it.</p><//>`}
    ${data?.orders.length > 0 && html`<div class="table" role="region" aria-label="Parked orders" tabIndex=${0}><table class="rows">
      <thead><tr><th scope="col">Order</th><th scope="col">Status</th><th scope="col">Customer</th><th scope="col">Parked since</th><th scope="col" class="number">Attempts</th><th scope="col"><span class="unseen">Action</span></th></tr></thead>
      <tbody>${data.orders.map((/** @type {any} */ order) => html`<tr key=${order.order_id}>
        <td data-label="Order"><a class="main" href=${`/console/orders/${order.order_id}`}><code>${short(order.order_id)}</code></a></td>
        <td data-label="Status"><${Badge} status=${order.status} />${order.reason && html` <span class="reason">${words(order.reason)}</span>`}</td>
        <td data-label="Customer">${order.customer_id}</td>
        <td data-label="Parked since"><${Time} ms=${order.parked_at_ms} /></td>
        <td data-label="Attempts" class="number">${order.attempts}</td>
        <td data-label=""><button type="button" class="small" onClick=${() => takeUp(order.order_id)} aria-label=${`Take order ${short(order.order_id)} up again`}>Take up again</button></td>
      </tr>`)}</tbody></table></div>`}`;
}
