//! Tables: a caption, columns with their units, rows with a heading each. From values to HTML; a table that can be sorted
//! has buttons in its heads, and its numbers beside their texts for the script to go by.

use crate::number::{NONE, count, exact_rate, ms_column, percent, rate};
use crate::terminal::printable;
use maud::{Markup, Render, html};

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// A number: how it is shown, and what it is; nothing where there is none.
    Number(String, Option<f64>),
    /// Yes or no; whether that is good, bad, or neither.
    Flag(bool, Tone),
}

/// See [`Cell::Flag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// It should be so.
    Good,
    /// It should not.
    Bad,
    /// It is so.
    Plain,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// What no other element of the page has.
    pub(super) id: &'static str,
    /// What it shows.
    pub(super) caption: String,
    /// Name and unit of each column; the first one's cells are the headings of the rows.
    pub(super) columns: Vec<(&'static str, &'static str)>,
    /// As many cells each as there are columns.
    pub(super) rows: Vec<Vec<Cell>>,
    /// Whether its rows can be put into another order.
    pub(super) sortable: bool,
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn count(n: u64) -> Self {
        Self::Number(count(n), Some(n as f64))
    }

    /// A time with its unit.
    pub(super) fn ms(value: Option<f64>) -> Self {
        Self::Number(value.map_or(NONE.to_owned(), ms_column), value)
    }

    /// A time in milliseconds without its unit, which the column has.
    pub(super) fn plain_ms(value: Option<f64>) -> Self {
        Self::Number(value.map_or(NONE.to_owned(), rate), value)
    }

    pub(super) fn rate(value: f64) -> Self {
        Self::Number(exact_rate(value), Some(value))
    }

    pub(super) fn number(value: Option<f64>) -> Self {
        Self::Number(value.map_or(NONE.to_owned(), rate), value)
    }

    pub(super) fn share(value: Option<f64>) -> Self {
        Self::Number(value.map_or(NONE.to_owned(), percent), value)
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Number(..))
    }

    /// What the script sorts by.
    fn key(&self) -> Option<String> {
        match self {
            Self::Text(_) => None,
            Self::Number(_, value) => Some(value.map_or_else(String::new, |value| value.to_string())),
            Self::Flag(yes, _) => Some(String::from(if *yes { "1" } else { "0" })),
        }
    }
}

impl Render for Cell {
    fn render(&self) -> Markup {
        match self {
            Self::Text(text) => html! { bdi { (printable(text)) } },
            Self::Number(text, _) => html! { (text) },
            Self::Flag(yes, tone) => {
                let class = match tone {
                    Tone::Good => "good",
                    Tone::Bad => "bad",
                    Tone::Plain => "plain",
                };
                html! { span class=(class) { (if *yes { "yes" } else { "no" }) } }
            }
        }
    }
}

impl Table {
    /// Whether the column holds numbers; those stand at the right.
    fn numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column)).peekable();
        cells.peek().is_some() && cells.all(Cell::is_number)
    }

    fn head(&self, column: usize) -> Markup {
        let (name, unit) = self.columns[column];
        let words = html! { span { (name) } @if !unit.is_empty() { " " small { (unit) } } };
        html! {
            th scope="col" .n[self.numeric(column)] {
                @if self.sortable { button type="button" { (words) } } @else { (words) }
            }
        }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        let caption = format!("{}-caption", self.id);
        let key = |cell: &Cell| if self.sortable { cell.key() } else { None };
        html! {
            // A table that is wider than the screen is moved by keys too.
            div.wide role="region" aria-labelledby=(caption) tabindex="0" {
                table id=(self.id) .sortable[self.sortable] {
                    caption id=(caption) { (printable(&self.caption)) }
                    thead { tr { @for column in 0..self.columns.len() { (self.head(column)) } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (i, cell) in row.iter().enumerate() {
                                    @if i == 0 {
                                        th scope="row" .n[cell.is_number()] data-v=[key(cell)] { (cell) }
                                    } @else {
                                        td .n[cell.is_number()] data-v=[key(cell)] { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
