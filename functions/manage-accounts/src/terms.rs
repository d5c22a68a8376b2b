//! `GET /accounts/{customerId}/terms`, and `PUT`, which opens the account, or sets the terms if they have
//! not changed since they were read.
//!
//! The terms are a resource within the account, with their own version. The account's version changes with
//! every invoice, and an invoice must not block a change of the terms.

use ::journal::AccountTerms;
use ::journal::terms::SettingTerms;
use api::{Amount, Answer, Kind, Precondition, Problem, Request, body};
use http::{StatusCode, header};
use order::validation::{Fields, Presence};
use order::{Currency, CustomerId, Violation};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{ManageAccounts, customer, unavailable};

/// Maximum number of attempts while the terms change between reading and setting them. With an `ETag`, the
/// second attempt finds another version and stops. The limit is for `If-Match: *`, which allows any version.
const MAX_LOOKS: u32 = 3;

/// Terms as clients see them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TermsView<'a> {
    customer_id: &'a CustomerId,
    currency: Currency,
    credit_limit: Amount,
    on_hold: bool,
}

impl<'a> TermsView<'a> {
    fn of(customer_id: &'a CustomerId, terms: &AccountTerms) -> Self {
        let AccountTerms { currency, credit_limit_minor, on_hold } = *terms;
        let credit_limit = Amount { currency, amount_minor: credit_limit_minor };
        Self { customer_id, currency, credit_limit, on_hold }
    }
}

/// The terms in a request. Without a currency, the account's applies.
struct Wanted<'a> {
    currency: Option<Currency>,
    credit_limit: &'a RawValue,
    on_hold: bool,
}

impl Wanted<'_> {
    /// The terms of a new account.
    fn of_new(&self) -> Result<AccountTerms, Problem> {
        let missing = || broken("/currency", "is required for a new account");
        self.in_currency(self.currency.ok_or_else(missing)?)
    }

    /// The terms of an account in this currency.
    fn of_account(&self, currency: Currency) -> Result<AccountTerms, Problem> {
        match self.currency {
            Some(other) if other != currency => {
                Err(broken("/currency", format!("must be {currency}: an account keeps its currency")))
            }
            _ => self.in_currency(currency),
        }
    }

    fn in_currency(&self, currency: Currency) -> Result<AccountTerms, Problem> {
        let limit = currency.minor_units(self.credit_limit.get());
        let credit_limit_minor = limit.map_err(|rule| broken("/creditLimit", rule.to_string()))?;
        Ok(AccountTerms { currency, credit_limit_minor, on_hold: self.on_hold })
    }
}

impl ManageAccounts {
    /// # Cost
    /// One read unit, also for 304 and 404.
    pub(crate) async fn terms(&self, request: &Request) -> Result<Answer, Problem> {
        let customer_id = customer(request)?;
        let account = self.journal.account(&customer_id).await.map_err(|error| unavailable(&error))?;
        let account = account.ok_or_else(|| Problem::new(Kind::AccountNotFound))?;
        Ok(Answer::resource(&TermsView::of(&customer_id, &account.terms()), request.headers()))
    }

    /// # Idempotency
    /// If the account has these terms already, they are answered as set, even if `If-Match` names another
    /// version, so a request whose answer was lost can be sent again. With `If-None-Match: *`, which
    /// opens an account, a second attempt gets 412.
    ///
    /// # Cost
    /// One read unit and four write units: the terms and their history are written together.
    pub(crate) async fn set_terms(&self, request: &Request) -> Result<Answer, Problem> {
        let headers = request.headers();
        let text = body::text(&request.event, headers)?;
        let (customer_id, wanted) = read(request, &text)?;
        let precondition = Precondition::of(headers)?;
        let (by, now_ms) = (request.actor(), self.clock.now_ms());
        for _ in 0..MAX_LOOKS {
            let account = self.journal.account(&customer_id).await.map_err(|error| unavailable(&error))?;
            let (status, terms, setting) = match (account, &precondition) {
                (None, Precondition::Present(_)) => return Err(Problem::new(Kind::AccountNotFound)),
                (Some(_), Precondition::Absent) => return Err(Problem::new(Kind::PreconditionFailed)),
                (None, Precondition::Absent) => {
                    let terms = wanted.of_new()?;
                    (StatusCode::CREATED, terms, self.journal.open_account(&customer_id, &terms, &by, now_ms).await)
                }
                (Some(account), Precondition::Present(_)) => {
                    let (read, terms) = (account.terms(), wanted.of_account(account.currency)?);
                    let version = api::version(&TermsView::of(&customer_id, &read));
                    if terms != read && !precondition.holds(Some(&version)) {
                        return Err(Problem::new(Kind::PreconditionFailed));
                    }
                    (StatusCode::OK, terms, self.journal.set_terms(&account, &terms, &by, now_ms).await)
                }
            };
            if setting.map_err(|error| unavailable(&error))? == SettingTerms::Done {
                let view = TermsView::of(&customer_id, &terms);
                return Ok(Answer::json(status, &view).with(header::ETAG, api::version(&view)));
            }
        }
        Err(Problem::new(Kind::StoreUnavailable).detail("the terms keep changing"))
    }
}

fn read<'a>(request: &Request, text: &'a str) -> Result<(CustomerId, Wanted<'a>), Problem> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| body::malformed(&error))?;
    let customer_id = customer(request);
    let mut violations = Vec::new();
    let wanted = Fields::read(raw, "", &mut violations).and_then(read_wanted);
    match (customer_id?, wanted) {
        (customer_id, Some(wanted)) if violations.is_empty() => Ok((customer_id, wanted)),
        _ => Err(Problem::of(violations)),
    }
}

/// `None` only after at least one violation was noted.
fn read_wanted<'a>(mut fields: Fields<'a, '_>) -> Option<Wanted<'a>> {
    let currency = fields.text::<Currency>("currency", Presence::Optional);
    let credit_limit = fields.take_required("creditLimit");
    let credit_limit = credit_limit.filter(|raw| match currency {
        Some(currency) => fields.amount("creditLimit", raw, currency).is_some(),
        // Whether it is a valid amount depends on the account's currency, which is not known yet.
        None => fields.number("creditLimit", raw).is_some(),
    });
    let on_hold = fields.take_required("onHold").and_then(|raw| fields.flag("onHold", raw));
    fields.refuse_unknown("an account's terms");
    Some(Wanted { currency, credit_limit: credit_limit?, on_hold: on_hold? })
}

fn broken(pointer: &str, rule: impl Into<String>) -> Problem {
    Problem::of(vec![Violation::at(pointer, rule)])
}
