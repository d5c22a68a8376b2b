//! Whether orders are compared with the price list.

/// The setting's name in the functions' declarations. It is empty if clients set their own prices.
pub const PRICE_LIST: &str = "price_list";

/// Its one other value.
const ENFORCED: &str = "enforced";

/// Whether orders are compared with the price list, by this process's environment.
///
/// # Errors
/// A value that is neither empty nor `enforced`.
pub fn is_enforced() -> Result<bool, NotASetting> {
    let variable = declarations::setting_variable(PRICE_LIST);
    let found = std::env::var(&variable).unwrap_or_default();
    if found.is_empty() || found == ENFORCED { Ok(!found.is_empty()) } else { Err(NotASetting { variable, found }) }
}

/// A value that says nothing.
#[derive(Debug, thiserror::Error)]
#[error(
    "the environment variable {variable} is {found:?}, and must be {ENFORCED}; empty, clients set their own prices"
)]
pub struct NotASetting {
    variable: String,
    found: String,
}
