//! The functions that Step Functions adds to `JSONata`, and those that read the clock.
//!
//! Like `JSONata`, they ignore surplus arguments: `$map` calls each function with the item, its index
//! and the whole array.
//!
//! See <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>, "`JSONata`
//! functions provided by Step Functions".

use std::collections::BTreeSet;

use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::Value;
use sha2::Digest;

use crate::convert;
use crate::random::Random;
use crate::scene::Scene;

/// Maximum number of items that `$range` makes, as for `States.ArrayRange`.
const MAX_RANGE_ITEMS: usize = 1000;

/// Registers those of the functions that `used` names.
pub(crate) fn register(evaluator: &mut Evaluator, used: &BTreeSet<String>, scene: &Scene<'_>) {
    for name in used {
        let random = || scene.random.clone();
        let now_ms = scene.now_ms;
        // The registry refuses only functions that its fast path could bypass, and these are not among them.
        let _ = match name.as_str() {
            "parse" => evaluator.register_fn_override(name, parse),
            "partition" => evaluator.register_fn_override(name, partition),
            "hash" => evaluator.register_fn_override(name, hash),
            "range" => evaluator.register_fn_override(name, range),
            "random" => {
                let random = random();
                evaluator.register_fn_override(name, move |args: &[JValue]| draw(&random, args))
            }
            "uuid" => {
                let random = random();
                evaluator.register_fn_override(name, move |_: &[JValue]| Ok(uuid(&random)))
            }
            "millis" => evaluator.register_fn_override(name, move |_: &[JValue]| Ok(JValue::from(now_ms))),
            "now" => evaluator.register_fn_override(name, move |args: &[JValue]| now(now_ms, args)),
            _ => Ok(()),
        };
    }
}

fn refuse(function: &str, rule: &str) -> EvaluatorError {
    EvaluatorError::EvaluationError(format!("${function} {rule}"))
}

/// The whole number nearest to `value`. The guide says so for the intrinsic functions that these
/// replace: "rounds it off to the nearest integer".
#[allow(clippy::cast_possible_truncation)]
fn integer(value: Option<&JValue>) -> Option<i64> {
    let number = value?.as_f64()?.round();
    // 2^53: beyond it, a double no longer stands for one whole number.
    (number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

/// `$parse(text)`: the value of a JSON text.
fn parse(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let Some(argument) = args.first() else {
        return Err(refuse("parse", "takes one argument"));
    };
    if argument.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let text = argument.as_str().ok_or_else(|| refuse("parse", "takes a string"))?;
    serde_json::from_str::<Value>(text)
        .map(|value| convert::to_jsonata(&value))
        .map_err(|error| refuse("parse", &format!("was given a string that is not JSON: {error}")))
}

/// `$partition(array, size)`: the array cut into arrays of `size`; the last may be shorter.
fn partition(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [array, size, ..] = args else {
        return Err(refuse("partition", "takes an array and a size"));
    };
    let items = match array {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.to_vec(),
        // JSONata passes a sequence of one as its item.
        single => vec![single.clone()],
    };
    let size = integer(Some(size))
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
        .ok_or_else(|| refuse("partition", "takes a size of at least 1"))?;
    let parts = items.chunks(size).map(|part| JValue::array(part.to_vec())).collect();
    Ok(JValue::array(parts))
}

/// `$range(first, last, step)`: the numbers from `first` to `last`, both included.
///
/// A range of one number is that number, because AWS's function makes a sequence, which `JSONata`
/// unwraps. LocalStack's tests recorded it: `$range(1, 9, 9)` is 1.
fn range(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let (Some(first), Some(last), Some(step)) = (integer(args.first()), integer(args.get(1)), integer(args.get(2)))
    else {
        return Err(refuse("range", "takes three whole numbers: first, last and step"));
    };
    if step == 0 {
        return Err(refuse("range", "takes a step other than 0"));
    }
    let mut items = Vec::new();
    let mut at = first;
    while (step > 0 && at <= last) || (step < 0 && at >= last) {
        if items.len() == MAX_RANGE_ITEMS {
            return Err(refuse("range", "makes at most 1000 items"));
        }
        items.push(JValue::from(at));
        at += step;
    }
    Ok(match <[JValue; 1]>::try_from(items) {
        Ok([only]) => only,
        Err(items) => JValue::array(items),
    })
}

/// `$hash(text, algorithm)`: the hash in hexadecimal digits.
///
/// The names of the algorithms are those of `States.Hash`, see
/// <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>.
fn hash(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [content, algorithm, ..] = args else {
        return Err(refuse("hash", "takes a text and the name of an algorithm"));
    };
    if content.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let content = match content {
        JValue::String(text) => text.to_string(),
        // Like `States.Hash`, any other JSON is hashed as its text.
        other => convert::to_json(other).map_err(|what| refuse("hash", &format!("cannot hash {what}")))?.to_string(),
    };
    let digits = match algorithm.as_str() {
        Some("MD5") => hex::encode(md5::Md5::digest(&content)),
        Some("SHA-1") => hex::encode(sha1::Sha1::digest(&content)),
        Some("SHA-256") => hex::encode(sha2::Sha256::digest(&content)),
        Some("SHA-384") => hex::encode(sha2::Sha384::digest(&content)),
        Some("SHA-512") => hex::encode(sha2::Sha512::digest(&content)),
        _ => return Err(refuse("hash", "knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512")),
    };
    Ok(JValue::string(digits))
}

/// `$random(seed)`: a number from 0 to 1; with a seed, the number that AWS returns for it.
fn draw(random: &Random, args: &[JValue]) -> Result<JValue, EvaluatorError> {
    match args {
        [] => Ok(JValue::Number(random.unit())),
        [seed] => {
            let seed = seed.as_f64().ok_or_else(|| refuse("random", "takes a number as its seed"))?;
            Ok(JValue::Number(java_random(seed)))
        }
        _ => Err(refuse("random", "takes at most a seed")),
    }
}

/// The first `nextDouble()` of Java's `java.util.Random` with this seed. AWS returns the same bits:
/// 0.7275636800328681 for 42, as floci's issue 2662 measured.
///
/// The algorithm is specified: <https://docs.oracle.com/javase/8/docs/api/java/util/Random.html>.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn java_random(seed: f64) -> f64 {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (seed as i64 as u64 ^ MULTIPLIER) & MASK;
    let mut next = |bits: u32| {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        state >> (48 - bits)
    };
    let (high, low) = (next(26), next(27));
    ((high << 27) + low) as f64 / (1_u64 << 53) as f64
}

/// `$uuid()`: a version 4 UUID.
fn uuid(random: &Random) -> JValue {
    let bits = (u128::from(random.bits()) << 64) | u128::from(random.bits());
    let uuid = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    JValue::string(uuid.to_string())
}

/// `$now(picture, timezone)` on the execution's clock: by `JSONata`'s definition, `$fromMillis` of that time.
fn now(now_ms: i64, args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let mut context = Context::new();
    context.bind("at".to_owned(), JValue::from(now_ms));
    for (name, argument) in ["picture", "timezone"].into_iter().zip(args) {
        context.bind(name.to_owned(), argument.clone());
    }
    let source = match args.len() {
        0 => "$fromMillis($at)",
        1 => "$fromMillis($at, $picture)",
        _ => "$fromMillis($at, $picture, $timezone)",
    };
    let syntax =
        jsonata_core::parser::parse(source).map_err(|error| EvaluatorError::EvaluationError(error.to_string()))?;
    Evaluator::with_context(context).evaluate(&syntax, &JValue::Undefined)
}
