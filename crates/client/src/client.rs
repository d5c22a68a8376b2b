//! The client and its requests.

use std::time::Duration;

use backon::Retryable;
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Request, Url};
use serde::Deserialize;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::error::Error;
use crate::list::{List, Page, Walk};
use crate::order::{NewOrder, Order, Status};
use crate::problem::Problem;
use crate::retry::{Failed, Retries};
use crate::token::{Token, Tokens};
use crate::transport::Transport;

/// A client for one API. It is cheap to clone, and clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    tokens: Option<Tokens>,
    retries: Retries,
}

/// An order that the API has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub order_id: String,
    /// The decision.
    pub decision: Decision,
    /// Whether an earlier call or attempt had already placed the order.
    pub replayed: bool,
    /// How many attempts it took until the order was accepted.
    pub attempts: u32,
}

/// The decision about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was confirmed. Its status says how far it has got since.
    Confirmed(Order),
    /// It was cancelled, by the saga or by its customer. The order holds the reason.
    Cancelled {
        /// The order.
        order: Order,
        /// The problem document of the answer. `None` if the decision was read later.
        problem: Option<Problem>,
    },
    /// There was no decision in time. The order is accepted and will be decided: place it again or read it
    /// later.
    Undecided,
}

/// An order, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The order.
    pub order: Order,
    /// Its version, for [`Client::read_unless`].
    pub etag: String,
}

/// What every answer about an order has, even if the order has no record yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    order_id: String,
}

/// How an order is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Wait,
    RespondAsync,
}

/// The characters that a path holds unescaped: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Client {
    /// Creates a client for the API at `base_url`, including the path of the stage: `https://….amazonaws.com/v1`.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Certificates`]
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(base_url)?, tokens: None, retries: Retries::default() })
    }

    /// Sends this API key with every request.
    ///
    /// # Errors
    /// [`Error::BadHeader`]
    pub fn with_api_key(self, key: &str) -> Result<Self, Error> {
        self.with_header("x-api-key", key)
    }

    /// Sends a token with every request. `source` is asked for one at first, shortly before it expires, and when the API
    /// answers 401; clones of the client share it. If it fails, that counts as a failed attempt.
    ///
    /// ```no_run
    /// # async fn ask() -> Result<(String, u64), std::io::Error> { Ok(("a.b.c".to_owned(), 600)) }
    /// # fn main() -> Result<(), order_client::Error> {
    /// use order_client::{Client, Token};
    ///
    /// let client = Client::new("https://api.example.com/v1")?.with_tokens(async || {
    ///     let (text, seconds) = ask().await?;
    ///     Ok(Token { text, expires_in: std::time::Duration::from_secs(seconds) })
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_tokens<F, T>(self, source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Token, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        Self { tokens: Some(Tokens::new(source)), ..self }
    }

    /// Sends this header with every request.
    ///
    /// # Errors
    /// [`Error::BadHeader`]
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, Error> {
        Ok(Self { transport: self.transport.with_header(name, value)?, ..self })
    }

    /// Sets the limits on retries.
    #[must_use]
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Places an order and waits for its decision.
    ///
    /// # Idempotency
    /// Placing an order again, under the same key, places no second order. The answer says what became of the first.
    ///
    /// # Errors
    /// [`Error::Refused`] if the order is invalid or its key was used for another order; [`Error::GaveUp`] if it
    /// is unknown whether the order was accepted; [`Error::BadHeader`] if the key is not a valid header;
    /// [`Error::TotalTooLarge`]; [`Error::Unexpected`].
    pub async fn place(&self, order: &NewOrder) -> Result<Placed, Error> {
        let deadline = self.deadline();
        let (mut placed, answer) = self.send_order(order, Mode::Wait, deadline).await?;
        if let Some(accepted) = answer {
            let url = self.location(&accepted, &placed.order_id)?;
            // A failure here is harmless: the order is accepted, and the caller can read it later.
            if let Ok(Some(order)) = self.awaited(Status::is_decided, url, accepted.etag(), deadline).await {
                placed.decision = decision(order);
            }
        }
        Ok(placed)
    }

    /// Places an order without waiting for its decision.
    ///
    /// # Idempotency
    /// As [`Client::place`].
    ///
    /// # Errors
    /// As [`Client::place`].
    pub async fn submit(&self, order: &NewOrder) -> Result<Placed, Error> {
        Ok(self.send_order(order, Mode::RespondAsync, self.deadline()).await?.0)
    }

    /// Reads an order.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ProblemKind::OrderNotFound`](crate::ProblemKind::OrderNotFound) if it does not
    /// exist; [`Error::GaveUp`]; [`Error::Unexpected`].
    pub async fn read(&self, order_id: &str) -> Result<Read, Error> {
        let answer = self.get(self.order_url(order_id, "")?, None, self.deadline()).await?;
        Read::of(&answer)
    }

    /// Reads an order unless it still has the version `etag`, in which case the answer is `None`.
    ///
    /// # Errors
    /// As [`Client::read`], and [`Error::BadHeader`].
    pub async fn read_unless(&self, order_id: &str, etag: &str) -> Result<Option<Read>, Error> {
        let known = header_value("if-none-match", etag)?;
        let answer = self.get(self.order_url(order_id, "")?, Some(known), self.deadline()).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        Read::of(&answer).map(Some)
    }

    /// Cancels an order and waits for its roll-back. Returns the order as last seen: `CANCELLED`, or `CANCELLING`
    /// if the roll-back took too long.
    ///
    /// # Idempotency
    /// Cancelling a cancelled order changes nothing and returns it.
    ///
    /// # Errors
    /// [`Error::Refused`] if the order does not exist or can no longer be cancelled; [`Error::GaveUp`];
    /// [`Error::Unexpected`].
    pub async fn cancel(&self, order_id: &str) -> Result<Order, Error> {
        self.act(order_id, "/cancel", Status::is_decided).await
    }

    /// Hands over a confirmed order and waits until its stock is off the books. Returns the order as last seen:
    /// `FULFILLED`, or `FULFILLING` if that took too long. The caller must be of the shop's operations.
    ///
    /// # Idempotency
    /// Handing over an order again changes nothing and returns it.
    ///
    /// # Errors
    /// [`Error::Refused`] if the order does not exist or is not confirmed; [`Error::GaveUp`];
    /// [`Error::Unexpected`].
    pub async fn fulfil(&self, order_id: &str) -> Result<Order, Error> {
        self.act(order_id, "/fulfil", |status| status == Status::Fulfilled).await
    }

    /// Reads a list of orders, page by page.
    pub fn list(&self, list: &List) -> Walk {
        Walk::new(self.clone(), list.clone())
    }

    /// Sends an order until it is accepted. The answer is returned if there is no decision yet: it says where to
    /// read it.
    async fn send_order(
        &self,
        order: &NewOrder,
        mode: Mode,
        deadline: Instant,
    ) -> Result<(Placed, Option<Answer>), Error> {
        let mut request = self.transport.request(Method::POST, self.transport.url("/orders")?);
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(IDEMPOTENCY_KEY, header_value(IDEMPOTENCY_KEY, order.key())?);
        if mode == Mode::RespondAsync {
            headers.insert("prefer", HeaderValue::from_static("respond-async"));
        }
        *request.body_mut() = Some(order.to_json()?.into());
        let (answer, attempts) = self.exchange(&request, deadline).await?;
        let replayed = answer.text("idempotent-replayed") == "true";
        let placed = |order_id, decision| Placed { order_id, decision, replayed, attempts };
        match answer.status {
            StatusCode::CREATED => {
                let order: Order = answer.json()?;
                Ok((placed(order.order_id.clone(), Decision::Confirmed(order)), None))
            }
            StatusCode::ACCEPTED => {
                let Taken { order_id } = answer.json()?;
                Ok((placed(order_id, Decision::Undecided), Some(answer)))
            }
            StatusCode::CONFLICT => {
                let mut problem: Problem = answer.json()?;
                let order = *problem.order.take().ok_or_else(|| answer.unexpected())?;
                Ok((placed(order.order_id.clone(), Decision::Cancelled { order, problem: Some(problem) }), None))
            }
            _ => Err(answer.result().map_or_else(|refused| refused, |answer| answer.unexpected())),
        }
    }

    /// Starts an action on an order and waits until it is over.
    async fn act(&self, order_id: &str, action: &str, is_over: fn(Status) -> bool) -> Result<Order, Error> {
        let deadline = self.deadline();
        let request = self.transport.request(Method::POST, self.order_url(order_id, action)?);
        let answer = self.call(&request, deadline).await?;
        let order: Order = answer.json()?;
        if answer.status != StatusCode::ACCEPTED {
            return Ok(order);
        }
        let url = self.location(&answer, order_id)?;
        Ok(self.awaited(is_over, url, answer.etag(), deadline).await.ok().flatten().unwrap_or(order))
    }

    /// Reads an order until `is_over` accepts its status. `None` if the time is up first.
    async fn awaited(
        &self,
        is_over: fn(Status) -> bool,
        url: Url,
        etag: &str,
        deadline: Instant,
    ) -> Result<Option<Order>, Error> {
        let mut etag = etag.to_owned();
        for delay in self.retries.polls() {
            if Instant::now() + delay >= deadline {
                break;
            }
            tokio::time::sleep(delay).await;
            let known = (!etag.is_empty()).then(|| header_value("if-none-match", &etag)).transpose()?;
            let answer = match self.get(url.clone(), known, deadline).await {
                Ok(answer) => answer,
                // An order in the overflow queue has no record yet.
                Err(Error::Refused { status: 404, .. }) => continue,
                Err(error) => return Err(error),
            };
            if answer.status == StatusCode::OK {
                let order: Order = answer.json()?;
                if is_over(order.status) {
                    return Ok(Some(order));
                }
                answer.etag().clone_into(&mut etag);
            }
        }
        Ok(None)
    }

    /// The address of an accepted order.
    fn location(&self, answer: &Answer, order_id: &str) -> Result<Url, Error> {
        let location = self.transport.resolve(answer.text(header::LOCATION));
        location.map_or_else(|| self.order_url(order_id, ""), Ok)
    }

    fn order_url(&self, order_id: &str, action: &str) -> Result<Url, Error> {
        self.transport.url(&format!("/orders/{}{action}", path_segment(order_id)))
    }

    /// Reads the page of a list that follows after `cursor`, or the first one.
    pub(crate) async fn page(&self, list: &List, cursor: Option<&str>) -> Result<Page, Error> {
        let mut url = self.transport.url(list.path())?;
        url.query_pairs_mut().extend_pairs(list.query()).extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        self.get(url, None, self.deadline()).await?.json()
    }

    async fn get(&self, url: Url, known: Option<HeaderValue>, deadline: Instant) -> Result<Answer, Error> {
        let mut request = self.transport.request(Method::GET, url);
        request.headers_mut().extend(known.map(|etag| (header::IF_NONE_MATCH, etag)));
        self.call(&request, deadline).await
    }

    async fn call(&self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        self.exchange(request, deadline).await?.0.result()
    }

    /// Sends a request until it gets an answer that another attempt would not change. Also returns the number of
    /// attempts.
    async fn exchange(&self, request: &Request, deadline: Instant) -> Result<(Answer, u32), Error> {
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            self.attempt(request, deadline)
        };
        let outcome = attempt
            .retry(self.retries.backoff())
            .adjust(|failed: &Failed, bound| failed.delay(bound?, fastrand::f32(), left(deadline)))
            .await;
        match outcome {
            Ok(answer) => Ok((answer, attempts)),
            Err(Failed { lost: last, .. }) => Err(Error::GaveUp { attempts, last }),
        }
    }

    async fn attempt(&self, request: &Request, deadline: Instant) -> Result<Answer, Failed> {
        let timeout = self.retries.attempt_timeout.min(left(deadline));
        let Some(tokens) = &self.tokens else { return self.transport.send(request, timeout).await?.settled() };
        let token = tokens.header(None).await?;
        let answer = self.transport.send(&with_token(request, &token), timeout).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return answer.settled();
        }
        // The token was withdrawn, or the clocks differ. If a new one is refused, too, then something else is wrong.
        let token = tokens.header(Some(&token)).await?;
        self.transport.send(&with_token(request, &token), timeout).await?.settled()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.retries.total
    }
}

fn with_token(request: &Request, token: &HeaderValue) -> Request {
    let mut request = request.try_clone().expect("a body in memory can be sent again");
    request.headers_mut().insert(header::AUTHORIZATION, token.clone());
    request
}

impl Read {
    fn of(answer: &Answer) -> Result<Self, Error> {
        Ok(Self { order: answer.json()?, etag: answer.etag().to_owned() })
    }
}

fn decision(order: Order) -> Decision {
    match order.status {
        Status::Cancelled => Decision::Cancelled { order, problem: None },
        status if status.is_confirmed() => Decision::Confirmed(order),
        _ => Decision::Undecided,
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(value).map_err(|_| Error::BadHeader { name: name.to_owned() })
}

/// Escapes a text so that it is one segment of a path.
pub(crate) fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";
