// Orders as a table, and what every list of orders shares.

import { money, short, words } from "../format.js";
import { Badge, Time, html } from "../elements.js";
import { query } from "../api.js";

/** @param {{orders: any[], label: string, action?: (order: any) => any}} props */
export function OrderRows({ orders, label, action }) {
  return html`<div class="table" role="region" aria-label=${label} tabIndex=${0}><table class="rows">
    <thead><tr><th scope="col">Order</th><th scope="col">Status</th><th scope="col">Customer</th><th scope="col">Store</th><th scope="col">Items</th><th scope="col" class="number">Total</th><th scope="col">Placed</th>${action && html`<th scope="col"><span class="unseen">Action</span></th>`}</tr></thead>
    <tbody>${orders.map((order) => html`<tr key=${order.orderId}>
      <td data-label="Order"><a class="main" href=${`/console/orders/${order.orderId}`}><code>${short(order.orderId)}</code></a></td>
      <td data-label="Status"><${Badge} status=${order.status} />${order.reason && html` <span class="reason">${words(order.reason)}</span>`}</td>
      <td data-label="Customer"><a href=${`/console/orders${query({ by: "customer", of: order.customerId })}`}>${order.customerId}</a></td>
      <td data-label="Store"><a href=${`/console/orders${query({ by: "store", of: order.storeId })}`}>${order.storeId}</a></td>
      <td data-label="Items">${order.items.map((/** @type {any} */ item) => `${item.quantity} × ${item.productId}`).join(", ")}</td>
      <td data-label="Total" class="number">${money(order.totalAmount, order.currency)}</td>
      <td data-label="Placed"><${Time} ms=${Date.parse(order.createdAt)} /></td>
      ${action && html`<td data-label="">${action(order)}</td>`}
    </tr>`)}</tbody>
  </table></div>`;
}

/** Links to the first page and to the next one. @param {{address: string, cursor: string, next: string|undefined, parameters: Record<string, string>}} props */
export function Pages({ address, cursor, next, parameters }) {
  if (!cursor && !next) return null;
  return html`<nav class="pages" aria-label="Pages">
    ${cursor && html`<a class="button" href=${`${address}${query(parameters)}`}>First page</a>`}
    ${next && html`<a class="button" href=${`${address}${query({ ...parameters, cursor: next })}`}>Next page</a>`}
  </nav>`;
}
