//! The shop's first rows. Each is a pure function of its table and number, so the same scale gives the same data on
//! every machine, and a row can name another's price without looking it up. It knows no connection, and its text
//! has no character that SQL would have to escape.

use super::words::{ADJECTIVES, COUNTRIES, FIRST_NAMES, LAST_NAMES, NOUNS, SUBJECTS, WORDS};
use crate::splitmix::SplitMix64;
use std::fmt::{Result, Write};

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) items: u32,
    pub(crate) customers: u32,
}

/// A table's rows: their number, and how one is written as SQL value lists.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) rows: fn(&Counts) -> u32,
    pub(super) write: fn(&mut String, u32, &Counts) -> Result,
}

/// Of `correct horse`, which is the password of all the seed's customers, as the app makes it (argon2id, 4 MiB, 1 pass,
/// 1 lane).
pub(crate) const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=4096,t=1,p=1$dGFyZ2V0LXN0YWNrLi4uIQ$OqlZhl1uLkU9946dQIWir+Di0gh1qbWmxJJ36xodLCA";

/// All tables that begin with rows; an order's lines come with `order_line`, numbered by order.
pub(super) const TABLES: [Table; 8] = [
    Table { name: "country", rows: |_| COUNTRIES.len() as u32, write: country },
    Table { name: "address", rows: |counts| counts.customers * 2, write: address },
    Table { name: "customer", rows: |counts| counts.customers, write: customer },
    Table { name: "author", rows: Counts::authors, write: author },
    Table { name: "item", rows: |counts| counts.items, write: item },
    Table { name: "orders", rows: Counts::orders, write: order },
    Table { name: "order_line", rows: Counts::orders, write: order_lines },
    Table { name: "world", rows: |_| 10_000, write: world },
];

impl Counts {
    fn authors(&self) -> u32 {
        (self.items / 4).max(1)
    }

    fn orders(&self) -> u32 {
        self.customers / 10 * 9
    }
}

/// The numbers of row `id` of the table that `salt` stands for.
fn numbers(salt: u64, id: u32) -> SplitMix64 {
    SplitMix64::new((salt << 32) | u64::from(id))
}

fn pick<'a>(numbers: &mut SplitMix64, from: &[&'a str]) -> &'a str {
    from[numbers.below(from.len() as u32) as usize]
}

fn country(out: &mut String, id: u32, _: &Counts) -> Result {
    write!(out, "({id},'{}')", COUNTRIES[id as usize - 1])
}

fn address(out: &mut String, id: u32, _: &Counts) -> Result {
    let mut n = numbers(1, id);
    let (house, postcode) = (n.below(400) + 1, n.below(90_000) + 10_000);
    let (street, city) = (pick(&mut n, &NOUNS), pick(&mut n, &LAST_NAMES));
    let country = n.below(COUNTRIES.len() as u32) + 1;
    write!(out, "({id},'{house} {street} Street','{city}ville','{postcode}',{country})")
}

fn customer(out: &mut String, id: u32, counts: &Counts) -> Result {
    let mut n = numbers(2, id);
    let (first, last) = (pick(&mut n, &FIRST_NAMES), pick(&mut n, &LAST_NAMES));
    let (address, day) = (n.below(counts.customers * 2) + 1, n.below(1000));
    // The first one runs the shop.
    let staff = u8::from(id == 1);
    write!(
        out,
        "({id},'user{id}','{PASSWORD_HASH}','{first}','{last}','user{id}@example.com',{address},\
         '2022-01-01' + INTERVAL {day} DAY,{staff})"
    )
}

fn author(out: &mut String, id: u32, _: &Counts) -> Result {
    let mut n = numbers(3, id);
    let (first, last) = (pick(&mut n, &FIRST_NAMES), pick(&mut n, &LAST_NAMES));
    write!(out, "({id},'{first}','{last}')")
}

/// An item's price in cents, 1.00 to 100.00, which orders quote.
fn price_cents(item: u32) -> u32 {
    100 + numbers(4, item).below(9901)
}

fn item(out: &mut String, id: u32, counts: &Counts) -> Result {
    let mut n = numbers(5, id);
    let author = n.below(counts.authors()) + 1;
    let (adjective, noun, of) = (pick(&mut n, &ADJECTIVES), pick(&mut n, &NOUNS), pick(&mut n, &NOUNS));
    let subject = pick(&mut n, &SUBJECTS);
    let (day, stock, price) = (n.below(9000), 10 + n.below(21), price_cents(id));
    write!(
        out,
        "({id},'The {adjective} {noun} of {of}',{author},'{subject}','2000-01-01' + INTERVAL {day} DAY,\
         {price},{stock},'"
    )?;
    description(out, &mut n)?;
    write!(out, "','item-{}.svg'", id % 100)?;
    for _ in 0..5 {
        write!(out, ",{}", n.below(counts.items) + 1)?;
    }
    out.write_char(')')
}

/// Three to eight sentences, some 120 to 490 characters.
fn description(out: &mut String, n: &mut SplitMix64) -> Result {
    for sentence in 0..3 + n.below(6) {
        let start = if sentence == 0 { "The" } else { " One" };
        let (adjective, noun) = (pick(n, &ADJECTIVES), pick(n, &NOUNS));
        write!(out, "{start} {} {}", adjective.to_lowercase(), noun.to_lowercase())?;
        for _ in 0..5 {
            write!(out, " {}", pick(n, &WORDS))?;
        }
        out.write_char('.')?;
    }
    Ok(())
}

/// The lines of an order: (item, quantity), one to five of them with items rising.
fn lines_of(order: u32, counts: &Counts) -> Vec<(u32, u32)> {
    let mut n = numbers(6, order);
    let mut lines: Vec<_> =
        (0..1 + n.below(5)).map(|_| (1 + n.below(counts.items), 1 + n.below(3))).collect();
    lines.sort_unstable();
    lines.dedup_by_key(|line| line.0);
    lines
}

fn order(out: &mut String, id: u32, counts: &Counts) -> Result {
    let customer = numbers(7, id).below(counts.customers) + 1;
    let subtotal: u64 =
        lines_of(id, counts).iter().map(|&(item, quantity)| u64::from(price_cents(item) * quantity)).sum();
    let tax = tax_cents(subtotal);
    write!(
        out,
        "({id},0,'seed-{id}',{customer},NULL,NULL,'2025-01-01' + INTERVAL {id} MINUTE,{subtotal},{tax},{},'SHIPPED')",
        subtotal + tax
    )
}

fn order_lines(out: &mut String, order: u32, counts: &Counts) -> Result {
    for (index, (item, quantity)) in lines_of(order, counts).into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}({order},{item},{quantity},{})", price_cents(item))?;
    }
    Ok(())
}

fn world(out: &mut String, id: u32, _: &Counts) -> Result {
    write!(out, "({id},{})", numbers(8, id).below(10_000) + 1)
}

/// The sales tax of the TPC-W-like model, 8.25 %, rounded to the nearest cent.
pub(crate) fn tax_cents(subtotal_cents: u64) -> u64 {
    (subtotal_cents * 825 + 5_000) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COUNTS: Counts = Counts { items: 1000, customers: 2880 };

    fn row(table: &Table, id: u32) -> String {
        let mut out = String::new();
        (table.write)(&mut out, id, &COUNTS).expect("writing to a string");
        out
    }

    #[test]
    fn rows_are_the_same_for_ever() {
        assert_eq!(row(&TABLES[7], 1), "(1,6201)");
        assert_eq!(
            row(&TABLES[6], 1),
            "(1,463,2,8754),(1,476,1,2219),(1,661,3,218),(1,688,1,4821),(1,921,2,3624)"
        );
        assert_ne!(row(&TABLES[4], 1), row(&TABLES[4], 2));
    }

    #[test]
    fn tax_is_rounded_to_the_nearest_cent() {
        for (subtotal, want) in [(0, 0), (6, 0), (7, 1), (1000, 83), (10_000, 825)] {
            assert_eq!(tax_cents(subtotal), want, "{subtotal}");
        }
    }

    proptest! {
        #[test]
        fn rows_need_no_escaping_and_fit_their_columns(id in 1_u32..=60, table in 0..TABLES.len()) {
            let text = row(&TABLES[table], id);
            prop_assert!(text.starts_with('(') && text.ends_with(')'));
            prop_assert_eq!(text.matches('\'').count() % 2, 0);
            prop_assert!(!text.contains('\\'));
        }

        #[test]
        fn descriptions_are_100_to_500_characters(id in any::<u32>()) {
            let mut text = String::new();
            description(&mut text, &mut numbers(5, id)).expect("writing to a string");
            prop_assert!((100..=500).contains(&text.len()), "{}", text.len());
        }

        #[test]
        fn an_order_names_each_item_once(order in any::<u32>()) {
            let lines = lines_of(order, &COUNTS);
            prop_assert!(!lines.is_empty());
            prop_assert!(lines.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
