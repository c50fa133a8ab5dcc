//! Listings: columns for people, JSON for programs.

use super::say;
use chrono::{DateTime, SecondsFormat, Utc};

/// Writes rows under their headings, each column as wide as its widest cell.
pub(super) fn print<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let cells: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say(cells.join("  ").trim_end())
    };
    line(headings)?;
    rows.iter().try_for_each(|row| line(row.each_ref().map(String::as_str)))
}

/// A time to the second, or a dash.
pub(super) fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
