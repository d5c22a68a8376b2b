//! When payments are captured.

use serde::{Deserialize, Serialize};

/// The setting's name in the functions' declarations. It is empty if there is no payment provider.
pub const CAPTURE: &str = "payment_capture";

/// When an authorised payment is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Capture {
    /// Before the order is confirmed.
    Confirmation,
    /// When the goods are handed over. The payment is verified and claimed before the order is confirmed.
    Fulfilment,
}

/// The setting in this process's environment; `None` if there is no payment provider.
///
/// # Errors
/// A value that is neither empty nor a [`Capture`].
pub fn capture() -> Result<Option<Capture>, NotACapture> {
    let variable = declarations::setting_variable(CAPTURE);
    let found = std::env::var(&variable).unwrap_or_default();
    if found.is_empty() {
        return Ok(None);
    }
    found.parse().map(Some).map_err(|_| NotACapture { variable, found })
}

/// The setting, of a function that needs a payment provider.
///
/// # Errors
/// A value that is not a [`Capture`].
pub fn required_capture() -> Result<Capture, NotACapture> {
    let missing = || NotACapture { variable: declarations::setting_variable(CAPTURE), found: String::new() };
    capture()?.ok_or_else(missing)
}

/// A value that is not a [`Capture`].
#[derive(Debug, thiserror::Error)]
#[error(
    "the environment variable {variable} is {found:?}, and must be confirmation or fulfilment; empty, there is no payment provider"
)]
pub struct NotACapture {
    variable: String,
    found: String,
}
