//! Orders in few words, and the answers to them.

use api::{Answer, Caller, Scope};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use local_stack::Stack;
use local_stack::gateway::{self, PathParameters};
use order::{Actor, Currency, IdempotencyKey, Order, OrderId};
use serde_json::{Value, json};

/// The price of one piece of anything, unless a test is about prices.
pub const PRICE_MINOR: i64 = 10_00;

/// The request id of an order that is placed without a key.
pub const REQUEST_ID: &str = "6f1ed002-ab5e-4b8c-a9a7-1d3a2e0c5f77";

/// An order as a client writes it.
#[derive(Debug, Clone)]
pub struct OrderBuilder {
    key: Option<String>,
    fields: Vec<(&'static str, Value)>,
    customer: String,
    currency: &'static str,
    lines: Vec<Line>,
    headers: HeaderMap,
}

#[derive(Debug, Clone)]
struct Line {
    sku: String,
    quantity: u32,
    price_minor: i64,
}

/// A prepaid order by `demo123` with this idempotency key and no lines yet.
pub fn order(key: &str) -> OrderBuilder {
    OrderBuilder { key: Some(key.to_owned()), ..order_without_key() }
}

/// An order whose client lets the shop generate the key.
pub fn order_without_key() -> OrderBuilder {
    let json = HeaderValue::from_static("application/json");
    OrderBuilder {
        key: None,
        fields: Vec::new(),
        customer: "demo123".to_owned(),
        currency: Currency::DEFAULT_CODE,
        lines: Vec::new(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
    }
}

impl OrderBuilder {
    /// Adds a line.
    #[must_use]
    pub fn of(mut self, sku: &str, quantity: u32) -> Self {
        self.lines.push(Line { sku: sku.to_owned(), quantity, price_minor: PRICE_MINOR });
        self
    }

    /// The unit price of the last line's article.
    #[must_use]
    pub fn at(mut self, price_minor: i64) -> Self {
        let line = self.lines.last_mut().expect("an article is named before its price");
        line.price_minor = price_minor;
        self
    }

    /// Ordered by this customer.
    #[must_use]
    pub fn by(mut self, customer: &str) -> Self {
        customer.clone_into(&mut self.customer);
        self
    }

    /// On invoice, to `acme` unless another customer is named after this.
    #[must_use]
    pub fn on_invoice(self) -> Self {
        self.with("paymentTerms", "INVOICE").by("acme")
    }

    /// Paid with a payment that is authorised.
    #[must_use]
    pub fn paid_with(self, payment: &str) -> Self {
        self.with("paymentTerms", "AUTHORIZED").with("paymentReference", payment)
    }

    /// In a currency other than dollars.
    #[must_use]
    pub fn in_currency(self, code: &'static str) -> Self {
        Self { currency: code, ..self.with("currency", code) }
    }

    /// Adds a field to the body.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("tests send valid headers");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Its client only wants to know that it was accepted.
    #[must_use]
    pub fn respond_async(self) -> Self {
        self.with_header("prefer", "respond-async")
    }

    /// The body that its client sends.
    pub fn body(&self) -> Value {
        let currency: Currency = self.currency.parse().expect("tests use currencies that exist");
        let amount =
            |minor| -> Value { serde_json::from_str(&currency.decimal(minor)).expect("an amount is a JSON number") };
        let items: Vec<Value> = self
            .lines
            .iter()
            .map(|line| json!({"productId": line.sku, "quantity": line.quantity, "price": amount(line.price_minor)}))
            .collect();
        let total = self.lines.iter().map(|line| line.price_minor * i64::from(line.quantity)).sum();
        let mut body = json!({"customerId": self.customer, "items": items, "totalAmount": amount(total)});
        for (name, value) in &self.fields {
            body[*name] = value.clone();
        }
        body
    }

    /// The event that API Gateway builds from its request.
    pub fn event(&self) -> ApiGatewayProxyRequest {
        post(self.headers(), self.body().to_string().as_bytes())
    }

    /// The headers that its client sends.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(key) = &self.key {
            headers.append(api::idempotency::IDEMPOTENCY_KEY, HeaderValue::from_str(key).expect("a key is printable"));
        }
        headers
    }

    /// The order as the saga knows it.
    pub fn placed(&self) -> Order {
        let parsed = order::request::parse(&self.body().to_string()).expect("tests build orders that are valid");
        let order = Order::place(self.order_id(), Caller::of_an_open_api().tenant, parsed.draft);
        let correlation_id = REQUEST_ID.parse().expect("a request's id is a correlation id");
        order.expect("a parsed order keeps every rule").correlated(correlation_id)
    }

    /// Its id.
    pub fn order_id(&self) -> OrderId {
        order_id(self.key.as_deref().unwrap_or(REQUEST_ID))
    }

    /// The saga's input.
    pub fn input(&self) -> Value {
        json!({"order_id": self.order_id(), "order": self.placed()})
    }

    /// Sends it to the shop, and waits for the answer.
    pub async fn place_order(&self, stack: &Stack) -> Reply {
        send(stack, self.event()).await
    }
}

/// The id of the order with this key.
pub fn order_id(key: &str) -> OrderId {
    let key: IdempotencyKey = key.parse().expect("tests use keys that are valid");
    OrderId::derive(&Caller::of_an_open_api().tenant, &key)
}

/// A `POST /orders` with any body.
pub fn post(headers: HeaderMap, body: &[u8]) -> ApiGatewayProxyRequest {
    gateway::event(Method::POST, "/orders", headers, PathParameters::new(), body)
}

/// The customer cancels an order; waits for the answer.
pub async fn cancel_order(stack: &Stack, order_id: &str) -> Reply {
    let path = PathParameters::from([("orderId".to_owned(), order_id.to_owned())]);
    send(stack, gateway::event(Method::POST, "/orders/{orderId}/cancel", HeaderMap::new(), path, b"")).await
}

/// The store hands an order over; waits for the answer.
pub async fn fulfil_order(stack: &Stack, order_id: &str) -> Reply {
    let path = PathParameters::from([("orderId".to_owned(), order_id.to_owned())]);
    send(stack, gateway::event(Method::POST, "/orders/{orderId}/fulfil", HeaderMap::new(), path, b"")).await
}

/// Somebody who makes changes by hand.
pub fn clerk() -> Actor {
    Actor::new("clerk", REQUEST_ID)
}

/// A client of this tenant, with these scopes.
pub fn client(tenant: &str, scopes: &[Scope]) -> Caller {
    let tenant = tenant.parse().expect("tests use tenants that are valid");
    Caller { tenant, scopes: scopes.iter().copied().collect(), ..Caller::of_an_open_api() }
}

/// Sends an event to intake. Like a function, it finishes even if nobody waits.
pub async fn send(stack: &Stack, event: ApiGatewayProxyRequest) -> Reply {
    send_as(&Caller::of_an_open_api(), stack, event).await
}

/// Sends an event to intake as this client.
pub async fn send_as(client: &Caller, stack: &Stack, event: ApiGatewayProxyRequest) -> Reply {
    let (stack, client) = (stack.clone(), client.clone());
    let answer = tokio::spawn(async move { stack.answer(event, &client, REQUEST_ID).await }).await;
    answer.expect("intake always answers").into()
}

/// A client's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub http_status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Reply {
    /// The order's status that it states.
    pub fn status(&self) -> &str {
        self.body["status"].as_str().unwrap_or_default()
    }

    /// The reason that it states.
    pub fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The main parts, to be compared together.
    pub fn outcome(&self) -> (u16, &str, &str) {
        (self.http_status, self.status(), self.reason())
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let is_empty = answer.body.is_empty();
        let body = if is_empty { Ok(Value::Null) } else { serde_json::from_str(&answer.body) };
        let body = body.expect("an answer's body is JSON, if there is one");
        Self { http_status: answer.status.as_u16(), headers: answer.headers, body }
    }
}
