//! Whether hot articles are spread by themselves.

/// The setting's name in the functions' declarations.
pub const SPREADING: &str = "stock_spreading";

/// When an article's stock is spread over a [pool](crate::pool). It can always be done by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Spreading {
    /// Also by the orders that meet each other there.
    Automatic,
    /// Only by hand. While a release that knows no pools may still run, nothing must be spread.
    Manual,
}

/// The setting in this process's environment.
///
/// # Errors
/// A value that is not a [`Spreading`].
pub fn spreading() -> Result<Spreading, NotASpreading> {
    let variable = declarations::setting_variable(SPREADING);
    let found = std::env::var(&variable).unwrap_or_default();
    found.parse().map_err(|_| NotASpreading { variable, found })
}

/// A value that is not a [`Spreading`].
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {variable} is {found:?}, and must be automatic or manual")]
pub struct NotASpreading {
    variable: String,
    found: String,
}
