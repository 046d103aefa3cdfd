//! A report as aligned text. Pure.

use super::{Report, Unit, guess::Guess, scan::Table};
use std::fmt::Write;

/// Guesses shown of one register.
const GUESSES: usize = 3;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut text = format!(
        "{}: {} of {} units answer\n",
        report.bus,
        report.units.len(),
        report.units.len() + report.silent
    );
    for unit in &report.units {
        text += &of_unit(unit);
    }
    for left in &report.not_asked {
        let _ = writeln!(text, "not asked: {left}");
    }
    text
}

fn of_unit(unit: &Unit) -> String {
    let mut text = format!("\nunit {}\n", unit.unit);
    if let Some(live) = &unit.live {
        let identity = live
            .identity
            .as_ref()
            .map(|name| format!(", which says it is {name:?}"));
        let _ = writeln!(
            text,
            "  read as {}{}: compare with the instrument's own display",
            live.profile,
            identity.unwrap_or_default()
        );
        let number =
            |number: Option<f64>| number.map_or("-".to_owned(), |number| number.to_string());
        let rows = live.values.iter().map(|value| {
            let register = format!("{} {}", value.table, value.register);
            vec![
                value.point.clone(),
                register,
                number(value.raw),
                number(value.value),
                value.unit.clone(),
                value.quality.clone(),
            ]
        });
        text += &aligned(
            &["point", "register", "raw", "value", "unit", "quality"],
            rows.collect(),
        );
    }
    for table in &unit.tables {
        text += &of_table(table);
    }
    for fit in &unit.fits {
        let zero = if fit.is_all_zero {
            ", but all values are 0"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  {} fits: {} points in range{zero}",
            fit.profile, fit.points
        );
    }
    text
}

fn of_table(table: &Table) -> String {
    let mut text = format!(
        "  {}: {} registers answer",
        table.table,
        table.registers.len()
    );
    for (reason, count) in &table.refused {
        let _ = write!(text, ", {count} {reason}");
    }
    text.push('\n');
    let guesses = |register: &u16| {
        let here = table
            .guesses
            .iter()
            .filter(|guess| guess.register == *register);
        here.take(GUESSES)
            .map(of_guess)
            .collect::<Vec<_>>()
            .join("  ")
    };
    let is_shown = |(register, word): &(&u16, &u16)| **word != 0 || !guesses(register).is_empty();
    let rows = table
        .registers
        .iter()
        .filter(is_shown)
        .map(|(register, word)| {
            let word_hex = format!("{word:04x}");
            vec![
                register.to_string(),
                word_hex,
                word.to_string(),
                guesses(register),
            ]
        });
    let rows: Vec<_> = rows.collect();
    let shown = rows.len();
    if !rows.is_empty() {
        text += &aligned(
            &["register", "hex", "u16", "or perhaps, from here on"],
            rows,
        );
    }
    let zeros = table.registers.len() - shown;
    if zeros > 0 {
        let _ = writeln!(text, "    {zeros} more are 0");
    }
    text
}

fn of_guess(guess: &Guess) -> String {
    let order = guess.word_order.as_deref().map(|order| format!(" {order}"));
    format!(
        "{}{} {}",
        guess.kind,
        order.unwrap_or_default(),
        guess.value
    )
}

fn aligned(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head = head.iter().map(|word| (*word).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(text, "    {}", line.join("  ").trim_end());
    }
    text
}
