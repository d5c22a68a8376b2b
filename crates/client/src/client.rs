//! The client.

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
use crate::transport::Transport;

/// A client of one API. It is cheap to clone, and clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    retries: Retries,
}

/// What became of an order that the API has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub order_id: String,
    /// What was decided.
    pub decision: Decision,
    /// Whether the order was there before this call's answered attempt, by an earlier call or attempt.
    pub replayed: bool,
    /// How many attempts it took to have the order taken.
    pub attempts: u32,
}

/// What was decided about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is confirmed; its status says whether it has gone on since.
    Confirmed(Order),
    /// It is cancelled, by the saga for the reason that the order tells, or by its customer since.
    Cancelled {
        /// The order.
        order: Order,
        /// The problem document that says so, unless the order was read later.
        problem: Option<Problem>,
    },
    /// Nothing, as far as was seen in the time there was. The order is taken, and will be decided: place
    /// it again, or read it later.
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

/// What every answer about an order has, one without a record included.
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

/// What stands in a path as it is: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Client {
    /// A client of the API at `base_url`, a stage's path included: `https://….amazonaws.com/v1`.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Certificates`]
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(base_url)?, retries: Retries::default() })
    }

    /// With this API key on every request.
    ///
    /// # Errors
    /// [`Error::BadHeader`]
    pub fn with_api_key(self, key: &str) -> Result<Self, Error> {
        self.with_header("x-api-key", key)
    }

    /// With this header on every request.
    ///
    /// # Errors
    /// [`Error::BadHeader`]
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, Error> {
        Ok(Self { transport: self.transport.with_header(name, value)?, ..self })
    }

    /// With these bounds to trying again.
    #[must_use]
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Places an order, and waits for its decision.
    ///
    /// # Idempotency
    /// The same order, by its key, however often it is placed; the answer is what became of it.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is no order, or if its key was used for another one;
    /// [`Error::GaveUp`] if it is not known whether it was taken; [`Error::BadHeader`] for its key;
    /// [`Error::TotalTooLarge`]; [`Error::Unexpected`].
    pub async fn place(&self, order: &NewOrder) -> Result<Placed, Error> {
        let deadline = self.deadline();
        let (mut placed, answer) = self.send_order(order, Mode::Wait, deadline).await?;
        if let Some(accepted) = answer {
            let url = self.location(&accepted, &placed.order_id);
            // The order is taken, whatever becomes of a look at it.
            if let Ok(Some(order)) = self.awaited(Status::is_decided, url, accepted.etag(), deadline).await {
                placed.decision = decision(order);
            }
        }
        Ok(placed)
    }

    /// Places an order, and waits for no more than that it is taken.
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
    /// [`Error::Refused`] with [`ProblemKind::OrderNotFound`](crate::ProblemKind::OrderNotFound) if there
    /// is none; [`Error::GaveUp`]; [`Error::Unexpected`].
    pub async fn read(&self, order_id: &str) -> Result<Read, Error> {
        let answer = self.get(self.order_url(order_id, ""), None, self.deadline()).await?;
        Read::of(&answer)
    }

    /// Reads an order, unless it is still the version `etag`.
    ///
    /// # Errors
    /// As [`Client::read`], and [`Error::BadHeader`].
    pub async fn read_unless(&self, order_id: &str, etag: &str) -> Result<Option<Read>, Error> {
        let known = header_value("if-none-match", etag)?;
        let answer = self.get(self.order_url(order_id, ""), Some(known), self.deadline()).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        Read::of(&answer).map(Some)
    }

    /// Cancels an order, and waits for its roll-back: the order as it was seen last, `CANCELLED`, or
    /// `CANCELLING` if the time was too short.
    ///
    /// # Idempotency
    /// An order that is cancelled answers as it stands.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such order or if it can no longer be cancelled;
    /// [`Error::GaveUp`]; [`Error::Unexpected`].
    pub async fn cancel(&self, order_id: &str) -> Result<Order, Error> {
        self.act(order_id, "/cancel", Status::is_decided).await
    }

    /// Hands a confirmed order over, and waits until its stock is off the books: the order as it was
    /// seen last, `FULFILLED`, or `FULFILLING` if the time was too short. It takes a key of the shop's
    /// operations.
    ///
    /// # Idempotency
    /// An order that is handed over answers as it stands.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such order or if it is not confirmed; [`Error::GaveUp`];
    /// [`Error::Unexpected`].
    pub async fn fulfil(&self, order_id: &str) -> Result<Order, Error> {
        self.act(order_id, "/fulfil", |status| status == Status::Fulfilled).await
    }

    /// A walk through a list of orders, page by page.
    pub fn list(&self, list: &List) -> Walk {
        let mut first = self.transport.url(list.path());
        first.query_pairs_mut().extend_pairs(list.query());
        Walk::new(self.clone(), first)
    }

    /// Sends an order until it is taken. An answer that comes back with it says where to look for the
    /// decision.
    async fn send_order(
        &self,
        order: &NewOrder,
        mode: Mode,
        deadline: Instant,
    ) -> Result<(Placed, Option<Answer>), Error> {
        let mut request = self.transport.request(Method::POST, self.transport.url("/orders"));
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

    /// Has something done with an order, and waits for its end.
    async fn act(&self, order_id: &str, action: &str, is_over: fn(Status) -> bool) -> Result<Order, Error> {
        let deadline = self.deadline();
        let request = self.transport.request(Method::POST, self.order_url(order_id, action));
        let answer = self.call(&request, deadline).await?;
        let order: Order = answer.json()?;
        if answer.status != StatusCode::ACCEPTED {
            return Ok(order);
        }
        let url = self.location(&answer, order_id);
        Ok(self.awaited(is_over, url, answer.etag(), deadline).await.ok().flatten().unwrap_or(order))
    }

    /// Reads an order until its status is one that was waited for, or the time is over.
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
                // In the overflow queue it has no record yet.
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

    /// Where an accepted order is read.
    fn location(&self, answer: &Answer, order_id: &str) -> Url {
        let location = self.transport.resolve(answer.text(header::LOCATION));
        location.unwrap_or_else(|| self.order_url(order_id, ""))
    }

    fn order_url(&self, order_id: &str, action: &str) -> Url {
        self.transport.url(&format!("/orders/{}{action}", path_segment(order_id)))
    }

    /// Reads a page of a list.
    pub(crate) async fn page(&self, url: Url) -> Result<Page, Error> {
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

    /// Sends a request until it has an answer that would be the same again, and says how many attempts it took.
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
        self.transport.send(request, timeout).await?.settled()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.retries.total
    }
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

/// A text as one segment of a path.
pub(crate) fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";
