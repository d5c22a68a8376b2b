//! Exact amounts: integers of a currency's minor unit, read from a JSON number's own digits.

use std::fmt;

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};

/// The largest amount, 2^53 − 1 minor units. JSONata numbers in the state machine are doubles, which
/// are exact for every integer up to this one.
pub const MAX_AMOUNT_MINOR: i64 = (1 << 53) - 1;

/// The longest number that is accepted: it has no more digits than [`Decimal`] holds exactly.
const MAX_NUMBER_CHARS: usize = 28;

/// An ISO 4217 currency with a minor unit; funds and metals without one are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Currency {
    iso: iso_currency::Currency,
    exponent: u32,
}

/// A text that is not the code of a usable currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the three-letter ISO 4217 code of a currency with a minor unit")]
pub struct UnknownCurrency;

impl Currency {
    /// The currency of a request without one.
    pub const DEFAULT_CODE: &'static str = "USD";

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// How many decimals its amounts have: 2 for `USD`, 0 for `JPY`, 3 for `KWD`.
    pub fn exponent(self) -> u32 {
        self.exponent
    }

    /// Reads a JSON number, in any spelling, as minor units: `12.5`, `12.50` and `1.25e1`
    /// are all 1250 in `USD`.
    ///
    /// # Errors
    /// [`AmountRule`], if the number is negative, finer than the minor unit or too large.
    pub fn minor_units(self, number: &str) -> Result<i64, AmountRule> {
        let amount = exact(number)?;
        let minor = amount.checked_mul(Decimal::from(10_i64.pow(self.exponent))).ok_or(AmountRule::OutOfRange)?;
        if minor.is_sign_negative() && !minor.is_zero() {
            return Err(AmountRule::Negative);
        }
        if !minor.fract().is_zero() {
            return Err(AmountRule::TooFine { currency: self.code(), exponent: self.exponent });
        }
        minor.to_i64().filter(|amount| *amount <= MAX_AMOUNT_MINOR).ok_or(AmountRule::OutOfRange)
    }

    /// The amount as a JSON number with all the decimals of the currency: `1250` is `12.50` in `USD`.
    pub fn decimal(self, amount_minor: i64) -> String {
        Decimal::new(amount_minor, self.exponent).to_string()
    }
}

/// A JSON number, in any spelling, as an exact decimal.
pub(crate) fn exact(number: &str) -> Result<Decimal, AmountRule> {
    if number.len() > MAX_NUMBER_CHARS {
        return Err(AmountRule::TooLong);
    }
    let read = if number.contains(['e', 'E']) { Decimal::from_scientific } else { Decimal::from_str_exact };
    read(number).map_err(|_| AmountRule::OutOfRange)
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(code: String) -> Result<Self, UnknownCurrency> {
        code.parse()
    }
}

impl std::str::FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let iso = iso_currency::Currency::from_code(code).ok_or(UnknownCurrency)?;
        let exponent = iso.exponent().ok_or(UnknownCurrency)?;
        Ok(Self { iso, exponent: exponent.into() })
    }
}

impl From<Currency> for &'static str {
    fn from(currency: Currency) -> Self {
        currency.code()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The rule that a number breaks when it is not a valid amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountRule {
    /// Longer than any amount needs.
    #[error("must be written with at most {MAX_NUMBER_CHARS} characters")]
    TooLong,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// More decimals than the currency has.
    #[error("must have at most {exponent} decimal places in {currency}")]
    TooFine {
        /// The currency's code.
        currency: &'static str,
        /// Its decimals.
        exponent: u32,
    },
    /// Larger than [`MAX_AMOUNT_MINOR`].
    #[error("must be at most {MAX_AMOUNT_MINOR} minor units of the currency")]
    OutOfRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(code: &str, number: &str) -> Result<i64, AmountRule> {
        code.parse::<Currency>().unwrap().minor_units(number)
    }

    #[test]
    fn every_spelling_of_a_number_is_the_same_amount() {
        for spelling in ["1299.99", "1299.990", "1.29999e3", "1.29999E+3", "129999e-2"] {
            assert_eq!(minor("USD", spelling), Ok(129_999), "{spelling}");
        }
        assert_eq!(minor("USD", "0.1"), Ok(10));
        assert_eq!(minor("USD", "-0"), Ok(0));
        assert_eq!(minor("JPY", "1300.0"), Ok(1300));
        assert_eq!(minor("KWD", "1.234"), Ok(1234));
    }

    #[test]
    fn the_currencys_exponent_is_respected() {
        assert_eq!(minor("USD", "0.005"), Err(AmountRule::TooFine { currency: "USD", exponent: 2 }));
        assert_eq!(minor("JPY", "0.5"), Err(AmountRule::TooFine { currency: "JPY", exponent: 0 }));
        assert!("XAU".parse::<Currency>().is_err());
        assert!("usd".parse::<Currency>().is_err());
    }

    #[test]
    fn amounts_end_where_a_double_stops_being_exact() {
        assert_eq!(minor("USD", "90071992547409.91"), Ok(MAX_AMOUNT_MINOR));
        assert_eq!(minor("USD", "90071992547409.92"), Err(AmountRule::OutOfRange));
        assert_eq!(minor("USD", "1e300"), Err(AmountRule::OutOfRange));
        assert_eq!(minor("USD", "1e-300"), Err(AmountRule::OutOfRange));
        assert_eq!(minor("USD", "-0.01"), Err(AmountRule::Negative));
        assert_eq!(minor("USD", &"1".repeat(29)), Err(AmountRule::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn an_amount_survives_being_written_and_read(amount in 0..=MAX_AMOUNT_MINOR, code in "USD|JPY|KWD|CLF") {
            let currency = code.parse::<Currency>().unwrap();
            proptest::prop_assert_eq!(currency.minor_units(&currency.decimal(amount)), Ok(amount));
        }

        #[test]
        fn no_number_makes_the_reader_panic(number in "-?[0-9]{1,12}(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,4})?") {
            let _ = minor("USD", &number);
        }
    }
}
