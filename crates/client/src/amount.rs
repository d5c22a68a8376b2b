//! Amounts as JSON numbers, read and written digit by digit.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub fn serialize<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(amount.to_string()).map_err(S::Error::custom)?.serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let digits = raw.get();
    let amount =
        if digits.contains(['e', 'E']) { Decimal::from_scientific(digits) } else { Decimal::from_str_exact(digits) };
    amount.map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Priced {
        #[serde(with = "super")]
        price: Decimal,
    }

    #[test]
    fn an_amount_keeps_its_digits_where_a_float_would_round_them() {
        for digits in
            ["0.1", "1299.99", "90071992547409.91", "12.50", "9007199254740991", "9007199254740.991", "0", "0.000"]
        {
            let json = format!(r#"{{"price":{digits}}}"#);
            let priced: Priced = serde_json::from_str(&json).unwrap();
            assert_eq!(priced.price.to_string(), digits);
            assert_eq!(serde_json::to_string(&priced).unwrap(), json);
        }
        assert_eq!(serde_json::from_str::<Priced>(r#"{"price":1.25e1}"#).unwrap().price, "12.5".parse().unwrap());
    }

    #[test]
    fn what_is_no_number_is_no_amount() {
        for other in [r#""1""#, "null", "1e999", "[]"] {
            assert!(serde_json::from_str::<Priced>(&format!(r#"{{"price":{other}}}"#)).is_err(), "{other}");
        }
    }
}
