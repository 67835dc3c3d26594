//! What the kernel says of this machine: its CPUs' time by kind, and how long tasks had to wait for CPU, disk or memory. It
//! gives the inputs of [`MACHINE`](super::table::MACHINE) as they are at the moment; NaN for what the kernel has not.

use super::reading::Values;
use super::table::{Input, Keep, Table};
use crate::limits::HostTicks;
use std::fs;

/// Whose CPUs are looked at beside the machine's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpus {
    /// The target's; none where they are not known.
    pub(crate) target: Vec<usize>,
    /// The generator's.
    pub(crate) generator: Vec<usize>,
}

/// As of now, for the CPUs of the target, where they are known, and those of the generator.
pub(super) fn read(table: &Table, cpus: &Cpus) -> Values {
    let mut values = Values::none(table);
    let mut set = |name, value: Option<f64>| {
        values.of[table.number(Input { name, keep: Keep::All })] = value.unwrap_or(f64::NAN);
    };
    let [machine, of_target, of_generator] = HostTicks::of_machine([&cpus.target, &cpus.generator]);
    set("all", machine.map(|ticks| ticks.all as f64));
    set("busy", machine.map(|ticks| ticks.busy as f64));
    set("stolen", machine.map(|ticks| ticks.stolen as f64));
    set("target_all", of_target.map(|ticks| ticks.all as f64));
    set("target_busy", of_target.map(|ticks| ticks.busy as f64));
    set("generator_all", of_generator.map(|ticks| ticks.all as f64));
    set("generator_busy", of_generator.map(|ticks| ticks.busy as f64));
    for name in ["cpu", "io", "memory"] {
        let text = fs::read_to_string(format!("/proc/pressure/{name}")).ok();
        set(name, text.as_deref().and_then(waited));
    }
    values
}

/// The time in which some task waited, in microseconds (Documentation/accounting/psi.rst).
fn waited(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::table::MACHINE;
    use super::*;

    #[test]
    fn pressure_is_read() {
        let text = "some avg10=0.41 avg60=2.61 avg300=7.15 total=2373260441\nfull avg10=0.00 total=7\n";
        assert_eq!(waited(text), Some(2_373_260_441.0));
        for text in ["", "full total=1\n", "some avg10=0\n", "some total=x\n"] {
            assert_eq!(waited(text), None, "{text}");
        }
    }

    #[test]
    fn this_machine_says_something_and_nothing_of_a_target_without_cpus() {
        let table = Table::new(MACHINE);
        let values = read(&table, &Cpus::default());
        let of = |name| values.of[table.number(Input { name, keep: Keep::All })];
        assert!(of("all") >= of("busy") && of("busy") > 0.0);
        assert!(of("target_all").is_nan());
        let of_first = Cpus { target: vec![0], ..Cpus::default() };
        assert!(!read(&table, &of_first).of.iter().all(|value| value.is_nan()));
    }
}
