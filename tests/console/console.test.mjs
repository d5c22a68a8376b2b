// The console in a browser, as its users see it. `.ci/console` runs it on a new stack.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { axe, launch, open, picture } from "./browser.mjs";
import { client, eventually, fill } from "./stack.mjs";

const { URL_OF_STACK: url } = process.env;
const { get, post } = client(url);

/** What the first view may take: so that it is there at once, over a tunnel too. */
const MAX_BYTES = 200_000;
const MAX_REQUESTS = 15;

/** The most clicks to an answer. */
const MAX_CLICKS = 3;

let browser;
let orders;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

/** The view, once it is there. */
async function shown(page) {
  await page.locator("main h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".boot"));
}

async function graphState(page, state) {
  return page.locator(`.graph [data-state="${state}"]`).getAttribute("data-fate");
}

test("the first view is small, and says what to do on an empty stack", async () => {
  const { page, close } = await open(browser, url);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let [bytes, requests] = [0, 0];
  session.on("Network.requestWillBeSent", () => requests++);
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.goto(`${url}/`);
  await page.getByText("Nothing has run yet.").waitFor();
  console.log(`first view: ${requests} requests, ${bytes} bytes`);
  assert.equal(new URL(page.url()).pathname, "/console");
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
  assert.ok(requests < MAX_REQUESTS, `${requests} requests`);
  assert.deepEqual(await axe(page), []);
  await close();
});

test("an order is placed, and watched until it is confirmed", async () => {
  const { page, close } = await open(browser, url);
  await page.goto(`${url}/console/try`);
  await page.getByRole("button", { name: "Place for" }).click();
  await page.locator(".results .badge", { hasText: "Confirmed" }).waitFor();
  await page.locator(".results a").first().click();
  await page.getByRole("link", { name: /^Execution #/ }).click();
  await shown(page);
  await page.getByText("The order is confirmed.").waitFor();
  assert.equal(await graphState(page, "ConfirmOrder"), "succeeded");
  assert.equal(await graphState(page, "CancelOrder"), "never");
  await close();
});

test("accounting crashes, and the roll-back is coloured", async () => {
  const { page, close } = await open(browser, url);
  await page.goto(`${url}/console/try`);
  await page.getByLabel("At the state").selectOption("PostAccounting");
  await page.getByLabel("This happens").selectOption("crashed-twice");
  await page.getByRole("button", { name: "Choose this fault" }).click();
  await page.getByText("One fault waits").waitFor();
  await page.getByRole("button", { name: "Place order 1:" }).click();
  await page.locator(".results .badge", { hasText: "Cancelled" }).waitFor();
  await page.locator(".results a").first().click();
  await page.getByRole("link", { name: /^Execution #/ }).click();
  await page.locator('.graph [data-state="CloseOrder"]').waitFor();
  assert.equal(await graphState(page, "PostAccounting"), "caught");
  assert.equal(await graphState(page, "ReleaseInventory"), "undone");
  assert.equal(await graphState(page, "ConfirmOrder"), "never");
  await page.locator('.graph [data-state="ReleaseInventory"]').click();
  assert.equal(new URL(page.url()).searchParams.get("state"), "ReleaseInventory");
  await page.locator('.graph [data-state="PostAccounting"]').focus();
  await page.keyboard.press("Enter");
  await page.locator('section[data-state="PostAccounting"]').getByText("Lambda.Unknown").first().waitFor();
  await close();
});

test("the stack is filled", { timeout: 120_000 }, async () => {
  orders = await fill(url);
});

test("an order is found by its customer", async () => {
  const { page, close } = await open(browser, url);
  await page.goto(`${url}/console`);
  await page.getByRole("textbox", { name: "Customer" }).fill("lost-answer");
  await page.getByRole("textbox", { name: "Customer" }).press("Enter");
  await eventually(async () => (await page.locator("tbody tr").count()) === 1);
  await page.locator("tbody").getByRole("link", { name: "lost-answer" }).click();
  await page.locator("tbody").getByRole("link", { name: orders.lost.slice(0, 8) }).click();
  await page.getByRole("heading", { name: `Order ${orders.lost.slice(0, 8)}` }).waitFor();
  await close();
});

/** The questions of someone on call, with the clicks from `/` to the answer. */
const row = (page, orderId) => page.locator("tbody tr", { has: page.locator(`a[href="/console/orders/${orderId}"]`) });
const execution = (name) => (page) => row(page, orders[name]).first().locator("a.main");
const firstExecution = (name) => (page) => row(page, orders[name]).last().locator("a.main");
const menu = (name) => (page) => page.locator("nav#navigation").getByRole("link", { name, exact: true });
const link = (name) => (page) => page.locator("main").getByRole("link", { name });

const QUESTIONS = [
  ["Why was order 4 of the demo cancelled?", [execution("demo4")], /Post Accounting failed with CreditLimitExceeded: the order exceeds what is left of the credit limit of acme-wholesale/],
  ["What was undone?", [execution("demo4")], /Release Inventory undid what was done/],
  ["Which attempt repaired the lost answer?", [execution("lost")], /Post Accounting succeeded in attempt 2, after Lambda.ClientExecutionTimeoutException/],
  ["What did the late reservation find?", [execution("demo5")], /Attempt 2 of Reserve Inventory landed late, .* after the end: it found the tombstone and did nothing \(SagaCancelled\)/],
  ["Which execution was the duplicate?", [execution("demo6")], /The order was sent again: a duplicate\./],
  ["What is parked, and since when?", [menu("Parked orders")], /Customer request\s+parked\s+\d+:\d\d/],
  ["Where did the execution die?", [firstExecution("died")], /The execution died in Post Accounting\. No Catch ran: recovery will find the order\./],
  ["Is anything wrong with the records of order 4?", [execution("demo4"), link("Records")], /The audit finds nothing wrong with this order\.[^]*Reservation[^]*Fence: cancelled/],
  ["What does acme-wholesale owe?", [menu("Accounts"), link("acme-wholesale")], /Owes\s+\$3,200\.00/],
  ["How many of LIMITED001 can still be ordered?", [menu("Stock")], /LIMITED001\s+1\s+0\s+1/],
  ["Who adjusted the stock of MONITOR001?", [menu("Stock")], /MONITOR001\s+\d+\s+\d+\s+\d+\s+clerk, \d+:\d\d/],
  ["What waits to be picked in the store main?", [menu("Pick list")], /Confirmed\s+acme-wholesale\s+main\s+2 × LAPTOP001, 10 × MOUSE001, 2 × MONITOR001/],
];

test("ten questions are answered within three clicks", async () => {
  const { page, close } = await open(browser, url);
  for (const [question, clicks, answer] of QUESTIONS) {
    assert.ok(clicks.length <= MAX_CLICKS, question);
    await page.goto(`${url}/`);
    for (const click of clicks) await click(page).click();
    const answered = await eventually(async () => answer.test(await page.locator("main").innerText()), 10_000).catch(() => false);
    assert.ok(answered, `${question} ${answer}\n${await page.locator("main").innerText()}`);
  }
  await close();
});

/** An issuer in place of a user pool: it knows the code that it gave, and the challenge that it gave it for. */
async function issue(page, claims) {
  const issuer = { challenge: "", codes: 0 };
  const signIn = JSON.stringify({ authorize: `${url}/oauth2/authorize`, token: `${url}/oauth2/token`, logout: `${url}/logout`, clientId: "console", scope: "openid orders/call" });
  // As the deployment's page: it says where to sign in.
  await page.route(({ pathname }) => /^\/console(\/[^.]*)?$/.test(pathname), async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace('<meta name="description"', `<meta name="sign-in" content="${signIn.replaceAll('"', "&quot;")}">\n<meta name="description"`);
    route.fulfill({ response, body });
  });
  await page.route("**/oauth2/authorize?*", (route) => {
    const asked = new URL(route.request().url()).searchParams;
    assert.equal(asked.get("response_type"), "code");
    assert.equal(asked.get("client_id"), "console");
    assert.equal(asked.get("code_challenge_method"), "S256");
    assert.equal(asked.get("redirect_uri"), `${url}/console`);
    issuer.challenge = asked.get("code_challenge");
    const back = `${url}/console?code=the-code&state=${asked.get("state")}`;
    route.fulfill({ contentType: "text/html", body: `<!doctype html><html lang="en"><meta http-equiv="refresh" content="0;url=${back.replace("&", "&amp;")}"><title>Sign in</title>` });
  });
  await page.route("**/oauth2/token", async (route) => {
    const form = new URLSearchParams(route.request().postData());
    assert.equal(form.get("code"), "the-code");
    assert.equal(createHash("sha256").update(form.get("code_verifier")).digest("base64url"), issuer.challenge);
    issuer.codes++;
    const { token } = await post("/_local/token", claims);
    route.fulfill({ json: { access_token: token, token_type: "Bearer" } });
  });
  return issuer;
}

test("where the console is hosted, staff sign in, and see what their token allows", async () => {
  const { page, close } = await open(browser, url, { refusals: [401] });
  const issuer = await issue(page, { tenant: "shop", scopes: ["operations"] });
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${url}/console/stock`);
  const button = page.getByRole("button", { name: "Sign in" });
  await button.waitFor();
  assert.deepEqual(asked.filter((path) => !path.startsWith("/console")), [], "nothing is asked before the sign-in");
  assert.deepEqual(await axe(page), []);
  await picture(page, "sign-in");
  await button.click();
  await page.getByRole("link", { name: "Change MOUSE001" }).waitFor();
  assert.equal(issuer.codes, 1);
  assert.equal(page.url(), `${url}/console/stock`, "it leads back, and the address keeps no code");
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), ["api-key"]);
  assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
  const links = await page.locator("nav#navigation a").allInnerTexts();
  assert.deepEqual(links, ["Orders", "Pick list", "Stock", "Accounts"]);
  await picture(page, "hosted");
  await page.locator("a.brand").click();
  await page.getByRole("heading", { name: "Orders" }).waitFor();
  assert.ok(!asked.some((path) => path.startsWith("/_")), `nothing of a local stack is asked: ${asked}`);

  // The API refuses a token that has ended.
  await page.route("**/stores/**", (route) => route.fulfill({ status: 401, json: { title: "The request needs a valid token or API key" } }));
  await page.locator("nav#navigation").getByRole("link", { name: "Stock" }).click();
  await page.getByText("Your sign-in has ended.").waitFor();
  await close();
});

test("a sign-in that was not begun here is refused", async () => {
  const { page, close } = await open(browser, url);
  const issuer = await issue(page, { tenant: "shop", scopes: ["operations"] });
  await page.goto(`${url}/console?code=the-code&state=forged`);
  await page.getByText("The sign-in was not begun in this tab.").waitFor();
  assert.equal(issuer.codes, 0);
  assert.equal(page.url(), `${url}/console`);
  await close();
});

test("the README's picture shows the graph as it is", async () => {
  const { page, close } = await open(browser, url);
  const { executions } = await get(`/_local/executions?orderId=${orders.demo4}`);
  await page.goto(`${url}/console/executions/${executions[0].id}`);
  await page.locator(".graph .node").first().waitFor();
  const states = (svg) => [...svg.matchAll(/data-state="(\w+)" data-fate="(\w+)"/g)].map(([, state, fate]) => `${state}: ${fate}`);
  const shownNow = states(await page.locator(".canvas").innerHTML());
  const picture = readFileSync(new URL("../../docs/console/rollback.svg", import.meta.url), "utf8");
  assert.deepEqual(states(picture), shownNow, "make the pictures anew: tests/console/pictures.mjs");
  await close();
});

test("an order is handed over, stock is adjusted, a parked order is taken up again", async () => {
  const { page, close } = await open(browser, url);
  await page.goto(`${url}/console/picklist`);
  await page.getByRole("button", { name: `Hand over order ${orders.demo1.slice(0, 8)}` }).click();
  await page.getByText(`Order ${orders.demo1.slice(0, 8)} is handed over.`).waitFor();
  assert.equal((await get(`/orders/${orders.demo1}`)).status, "FULFILLED");

  await page.goto(`${url}/console/stock`);
  await page.getByRole("link", { name: "Change MOUSE001" }).click();
  await page.getByLabel("How many").fill("20");
  await page.getByLabel("Note").fill("delivery 4711");
  await page.getByRole("button", { name: "Adjust the stock" }).click();
  await page.getByText("MOUSE001: Adjusted by 20").waitFor();
  assert.equal((await get("/stores/main/stock/MOUSE001")).onHand, 520);

  await page.goto(`${url}/console/parked`);
  await page.getByRole("button", { name: `Take order ${orders.parked.slice(0, 8)} up again` }).click();
  await page.getByText("No order is parked.").waitFor();
  await eventually(async () => (await get(`/orders/${orders.parked}`)).status === "CANCELLED");
  await close();
});

test("recovery finishes the order whose execution died", async () => {
  const { page, close } = await open(browser, url);
  await page.goto(`${url}/console/try`);
  await page.getByRole("button", { name: "Run recovery now" }).click();
  await page.getByText("Recovery ran").waitFor();
  await page.goto(`${url}/console/orders/${orders.died}`);
  await page.getByText("Recovery retried the open order. It ended with the order confirmed.").waitFor();
  await close();
});

test("every view is accessible, light and dark, from 360 px to 4K, and fits", { timeout: 120_000 }, async () => {
  const { executions } = await get(`/_local/executions?orderId=${orders.demo5}`);
  const run = `/console/executions/${executions[0].id}`;
  const views = {
    executions: "/console",
    filtered: "/console?reason=NONE",
    execution: run,
    events: `${run}?tab=events`,
    records: `${run}?tab=records`,
    data: `${run}?tab=data`,
    try: "/console/try",
    orders: "/console/orders",
    order: `/console/orders/${orders.demo2}`,
    duplicate: `/console/orders/${orders.demo6}`,
    picklist: "/console/picklist",
    stock: "/console/stock?sku=MOUSE001",
    accounts: "/console/accounts?customer=acme-wholesale",
    parked: "/console/parked",
    api: "/console/api",
  };
  const looks = [
    { name: "light", width: 1440, height: 900, scheme: "light" },
    { name: "dark", width: 1440, height: 900, scheme: "dark" },
    { name: "phone", width: 360, height: 740, scheme: "light" },
    { name: "4k", width: 3840, height: 2160, scheme: "dark" },
  ];
  for (const { name, ...look } of looks) {
    const { page, close } = await open(browser, url, look);
    for (const [view, path] of Object.entries(views)) {
      await page.goto(url + path);
      await shown(page);
      if (view === "execution") await page.locator(".graph .node").first().waitFor();
      if (view === "api") await page.frameLocator("iframe").getByRole("heading", { name: "Order API" }).waitFor();
      await picture(page, `${view}-${name}`);
      if (name !== "4k") assert.deepEqual(await axe(page), [], `${view}, ${name}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= look.width, `${view}, ${name}: ${width} px wide`);
    }
    await close();
  }
});
