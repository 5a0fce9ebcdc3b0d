//! The Markdown table: medians, and ratios to the plain servers taken round by round.

use crate::row::Row;

/// What one server showed in the rounds of one row, in the order of the rounds.
pub(crate) struct Series {
    /// The server's name.
    pub(crate) server: String,
    /// One value per round.
    pub(crate) values: Vec<f64>,
}

/// The table; `references` are the servers that all are compared with.
pub(crate) fn render(rows: Vec<(Row, Vec<Series>)>, references: &[&str]) -> String {
    let rows: Vec<_> = rows.into_iter().map(|(row, all)| (row.title(), all)).collect();
    render_titled(&rows, references)
}

/// The same with titles of any kind.
pub(crate) fn render_titled(rows: &[(&str, Vec<Series>)], references: &[&str]) -> String {
    let mut table = String::from("| measure | server | median |");
    for reference in references {
        table.push_str(&format!(" to {reference} (least to most) |"));
    }
    table.push_str("\n| --- | --- | ---: |");
    table.push_str(&" --- |".repeat(references.len()));
    for (title, all) in rows {
        for series in all {
            let median = number(median(&series.values));
            let server = &series.server;
            table.push_str(&format!("\n| {title} | {server} | {median} |"));
            for reference in references {
                let base = all.iter().find(|other| other.server == *reference);
                let ratio = base.map_or_else(String::new, |base| ratio(series, base));
                table.push_str(&format!(" {ratio} |"));
            }
        }
    }
    table.push('\n');
    table
}

/// What each of `values` is beside the one of `base` in the same round, as `compare` has it: the median, the least and
/// the most.
pub(crate) fn spread(values: &[f64], base: &[f64], compare: impl Fn(f64, f64) -> f64) -> (f64, f64, f64) {
    let mut compared: Vec<f64> = values.iter().zip(base).map(|(value, base)| compare(*value, *base)).collect();
    compared.sort_by(f64::total_cmp);
    let end = |end: Option<&f64>| end.copied().unwrap_or(f64::NAN);
    (median(&compared), end(compared.first()), end(compared.last()))
}

/// The median of the ratios of each round, with the least and the most: neighbours in time share the machine's noise.
fn ratio(series: &Series, base: &Series) -> String {
    if series.server == base.server {
        return "1".to_owned();
    }
    let (median, least, most) = spread(&series.values, &base.values, |value, base| value / base);
    format!("{median:.2} ({least:.2} to {most:.2})")
}

/// The middle one, or what lies between the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Three significant digits, thousands apart: more would only be noise.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "none".to_owned();
    }
    if value.abs() < 1000.0 {
        let decimals = if value.abs() < 100.0 { 1 } else { 0 };
        return format!("{value:.decimals$}");
    }
    let scale = 10_f64.powf(value.abs().log10().floor() - 2.0);
    let digits = format!("{:.0}", (value / scale).round() * scale);
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
