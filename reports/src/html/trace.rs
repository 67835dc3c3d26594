//! The report of a traced request: verdict and finding, the waterfall, its parts and the requests as tables, how it was measured.

use super::page::{Page, Section};
use super::table::{Cell, Table};
use super::told::{Fact, command, facts, files, host, pictures, pinned, said, sentences, verdict};
use crate::analyse::waterfall::finding;
use crate::charts::waterfall::among;
use crate::number::bytes;
use crate::pictures;
use crate::store::TRACE_FILE;
use crate::trace::{Asked, Place, Trace};
use maud::{Markup, html};

/// The report of `trace`.
pub(super) fn page(trace: &Trace) -> Page {
    let finding = finding(trace);
    let charts = pictures::of(trace);
    let partial = trace.partial.then_some("fewer requests than were asked for");
    let about_files = [(TRACE_FILE, "the record, as loadgen.trace/1: all that was measured and said")];
    Page {
        kind: "Traced request",
        target: trace.target.url.clone(),
        started_at: trace.head.started_at.clone(),
        title: format!("{finding} - {}", trace.target.url),
        opening: verdict(&trace.verdict, partial, &finding),
        sections: vec![
            Section {
                id: "waterfall",
                title: "From name to page",
                body: html! { (pictures(&charts)) (parts(trace)) },
            },
            Section { id: "requests", title: "Requests", body: html! { (requests(trace)) (timings(trace)) } },
            Section { id: "measured", title: "How it was measured", body: measured(trace) },
            Section { id: "files", title: "Files", body: files(&about_files, &charts) },
        ],
    }
}

fn parts(trace: &Trace) -> Table {
    let of =
        |of: Option<usize>| of.and_then(|of| trace.parts.get(of)).map_or_else(String::new, |of| of.title());
    let how = |place: Place| match place {
        Place::Measured => "measured",
        Place::Centred => "in the middle: not known",
        Place::Ordered => "after the one before: not known",
        Place::Unknown => "at the beginning: not known",
    };
    let rows = trace.parts.iter().map(|part| {
        vec![
            Cell::Text(part.title()),
            Cell::Text(of(part.of)),
            Cell::ms(Some(part.took_ms)),
            Cell::ms(Some(part.grain_ms)),
            Cell::ms(Some(part.start_ms)),
            Cell::text(how(part.place)),
            Cell::Text(part.said.clone()),
        ]
    });
    Table {
        id: "parts",
        caption: "The parts: clocks of different processes are not compared, so the place of what another process has timed is not known"
            .into(),
        columns: vec![
            ("Part", ""),
            ("Of", ""),
            ("Took", ""),
            ("To the nearest", ""),
            ("Drawn from", ""),
            ("Its place", ""),
            ("Said of it", ""),
        ],
        rows: rows.collect(),
        sortable: false,
    }
}

fn requests(trace: &Trace) -> Table {
    let row = |(n, asked): (usize, &Asked)| {
        let time = |ms: f64| Cell::ms(asked.failed.is_none().then_some(ms));
        let came = match (&asked.failed, asked.status) {
            (Some(why), _) => why.clone(),
            (None, Some(status)) => {
                format!("{status}{}", if trace.drawn == Some(n) { ", drawn" } else { "" })
            }
            (None, None) => String::new(),
        };
        vec![
            Cell::count(n as u64 + 1),
            Cell::Text(asked.id.clone()),
            Cell::Text(came),
            Cell::ms(asked.name_ms),
            time(asked.connect_ms),
            Cell::ms(asked.tls_ms),
            time(asked.wait_ms),
            time(asked.receive_ms),
            time(asked.total_ms),
            Cell::Text(asked.address.clone()),
        ]
    };
    Table {
        id: "requests-table",
        caption: "Each with a look-up and a connection of its own, by the client's clock".into(),
        columns: vec![
            ("Request", ""),
            ("X-Request-ID", ""),
            ("Status", ""),
            ("Name", ""),
            ("Connect", ""),
            ("TLS", ""),
            ("Wait", ""),
            ("Receive", ""),
            ("In all", ""),
            ("From", ""),
        ],
        rows: trace.requests.iter().enumerate().map(row).collect(),
        sortable: true,
    }
}

/// What the answer said, word by word.
fn timings(trace: &Trace) -> Markup {
    let fields = trace.shown().map_or(&[][..], |asked| &asked.server_timing[..]);
    html! {
        @if !fields.is_empty() {
            h3 { "Server-Timing of the one that is drawn" }
            (sentences("notes", fields))
        }
    }
}

fn measured(trace: &Trace) -> Markup {
    let target = [&trace.target.url, &trace.target.what].map(String::as_str);
    let target: Vec<_> = target.into_iter().filter(|part| !part.is_empty()).collect();
    let mut all: Vec<Fact> =
        vec![("Command", command(&trace.head.command)), ("Target", said(&target.join(", ")))];
    all.extend(trace.resolver.as_ref().map(|resolver| ("Names by", said(resolver))));
    if let Some(asked) = trace.shown() {
        all.push(("Answer", said(&format!("{} from {}", bytes(asked.bytes), asked.address))));
        let among = among(trace);
        all.extend((!among.is_empty()).then(|| ("Drawn", said(&among))));
    }
    all.extend(pinned("client on", &trace.head.cpus, &trace.target.cpus));
    all.extend(host(&trace.head.host));
    html! {
        (facts(&all))
        @if !trace.emulated.is_empty() { h3 { "What is emulated" } (sentences("notes", &trace.emulated)) }
    }
}
