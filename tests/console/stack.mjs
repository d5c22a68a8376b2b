// The stack that the tests look at: the demo's orders, an order whose execution died, one that is parked.

/** @param {string} url */
export function client(url) {
  const send = async (method, path, body, headers = {}) => {
    const init = { method, headers: { "content-type": "application/json", ...headers } };
    const response = await fetch(url + path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
    return response.json();
  };
  return { get: (path) => send("GET", path), post: (path, body, headers) => send("POST", path, body, headers) };
}

/**
 * Waits until `find` returns something.
 *
 * @template T
 * @param {() => Promise<T>} find
 * @param {number} [patienceMs]
 * @returns {Promise<T>}
 */
export async function eventually(find, patienceMs = 60_000) {
  const until = Date.now() + patienceMs;
  for (;;) {
    const found = await find();
    if (found) return found;
    if (Date.now() > until) throw new Error(`not in ${patienceMs} ms: ${find}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Places the demo's orders and a few more. Returns the order ids by name. @param {string} url */
export async function fill(url) {
  const { get, post } = client(url);
  const place = async (key, body, card) => {
    let order = body;
    if (card) {
      const payment = await post("/_local/payments", { amount: body.totalAmount, currency: "USD", card });
      order = { ...body, paymentReference: payment.paymentReference };
    }
    return (await post("/orders", order, { "idempotency-key": key })).orderId;
  };
  const orders = {};
  const late = [];
  for (const [index, sample] of (await get("/_local/samples")).entries()) {
    const name = `demo${index + 1}`;
    if (sample.late) {
      await post("/_local/faults", { state: sample.late, fault: "late" });
      late.push(place(sample.key, sample.body).then((orderId) => (orders[name] = orderId)));
      await eventually(async () => (await get("/_local/faults")).chosen.length === 0);
      continue;
    }
    const placed = Array.from({ length: sample.clients ?? 1 }, () => place(sample.key, sample.body, sample.card));
    orders[name] = (await Promise.all(placed))[0];
  }
  const laptop = { items: [{ productId: "LAPTOP001", quantity: 1, price: 1300 }], totalAmount: 1300 };
  await post("/_local/faults", { state: "PostAccounting", fault: "answer-lost" });
  orders.lost = await place("lost-answer", { customerId: "lost-answer", ...laptop });
  await post("/_local/faults", { state: "PostAccounting", fault: "execution-dies" });
  // The request waits for the execution that died, and nobody needs its answer.
  place("dies", { customerId: "dies", ...laptop }).catch(() => {});
  orders.died = await eventually(async () => (await get("/_local/executions?status=ABORTED")).executions[0]?.orderId);

  orders.parked = await place("parked", { customerId: "parked", paymentTerms: "AUTHORIZED", ...laptop }, "good");
  await post("/_local/faults", { state: "RefundPayment", fault: "refused" });
  await post(`/orders/${orders.parked}/cancel`);
  await post("/_local/recover");
  await eventually(async () => (await get("/_local/parked")).orders.length === 1);
  const received = { difference: 5, reason: "RECEIVED" };
  await post("/stores/main/stock/MONITOR001/adjustments", received, { "idempotency-key": "delivery", "x-api-key": "operations-key" });
  await Promise.all(late);
  await eventually(async () => (await get(`/_local/orders/${orders.demo5}`)).executions[0].lateLandings === 2);
  return orders;
}
