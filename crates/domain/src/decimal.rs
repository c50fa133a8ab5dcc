//! Numbers as clients write them, one way each: an id has one address (contract, section 2).

/// `text` itself when it is a plain decimal number: digits, and no leading zero but in `0`.
#[must_use]
pub fn decimal(text: &str) -> Option<&str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then_some(text)
}

/// The id that a [`decimal`] is; `None` also for one that no database could hold.
pub(crate) fn id(text: &str) -> Option<i64> {
    decimal(text)?.parse().ok()
}
