//! An answer that is being put aside while it passes. Given its record's beginning and then its body, piece by piece, it keeps a
//! small body in memory and writes a large one to a file as it comes, never faster than the disk takes it; what came whole is
//! stored, and nothing else ever is. A disk that fails ends the storing, not the passing.

use super::disk::{Place, Temporary};
use super::key::Digest;
use super::meters::Fate;
use super::record::{self, FIXED};
use super::stored::{SMALL, Stamp};
use super::zone::{Ticket, Zone};
use crate::proxy::config::os_error;
use bytes::{Bytes, BytesMut};
use flate2::Crc;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// So much is written at once.
const BATCH: usize = 256 << 10;
/// What may wait to be written of one answer, before no more of it is read.
const MOST: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Deposit {
    zone: Arc<Zone>,
    digest: Digest,
    /// Until the answer is stored, others wait for it.
    ticket: Option<Ticket>,
    /// With the body, as long as that is small.
    record: BytesMut,
    head: usize,
    length: u64,
    crc: Crc,
    spill: Option<Spill>,
}

/// A body that is written to a file.
#[derive(Debug)]
struct Spill {
    pending: Vec<Bytes>,
    waiting: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// With the file, once there is one.
    Idle(Option<Temporary>),
    Writing(JoinHandle<io::Result<Temporary>>),
    Placing(JoinHandle<io::Result<Stamp>>),
    Failed,
}

impl Deposit {
    /// For the answer whose record begins so.
    pub(crate) fn new(zone: Arc<Zone>, digest: Digest, ticket: Option<Ticket>, record: BytesMut) -> Self {
        let head = record.len();
        Self { zone, digest, ticket, record, head, length: 0, crc: Crc::new(), spill: None }
    }

    /// Takes in a piece of the body.
    pub(crate) fn add(&mut self, data: &Bytes) {
        self.length += data.len() as u64;
        self.crc.update(data);
        if self.spill.is_none() && self.length <= SMALL as u64 {
            self.record.extend_from_slice(data);
            return;
        }
        let begun = || Spill {
            pending: vec![Bytes::copy_from_slice(&self.record)],
            waiting: self.record.len(),
            state: State::Idle(None),
        };
        let spill = self.spill.get_or_insert_with(begun);
        self.record.truncate(self.head);
        spill.pending.push(data.clone());
        spill.waiting += data.len();
    }

    /// Resolves when more may be added: with false where that is of no use any more.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(spill) = &mut self.spill else { return Poll::Ready(true) };
        match spill.poll_idle(cx) {
            Poll::Pending if spill.waiting >= MOST => Poll::Pending,
            Poll::Pending => Poll::Ready(true),
            Poll::Ready(idle) => {
                if spill.waiting >= BATCH {
                    spill.write(&self.zone, &self.digest);
                }
                Poll::Ready(self.check(idle))
            }
        }
    }

    /// Stores the answer, whose body has come whole. Resolves when whoever asks next finds it, or when it could not be stored.
    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        record::seal(&mut self.record, self.length, self.crc.sum());
        let Some(spill) = &mut self.spill else {
            let record = std::mem::take(&mut self.record).freeze();
            self.zone.store(self.digest, record, self.head);
            self.ticket = None;
            return Poll::Ready(());
        };
        if !matches!(spill.state, State::Placing(_)) {
            let idle = ready!(spill.poll_idle(cx));
            if idle.is_err() {
                self.check(idle);
                return Poll::Ready(());
            }
            spill.place(&self.zone, &self.digest, self.record[..FIXED].to_vec());
        }
        let State::Placing(placing) = &mut spill.state else { return Poll::Ready(()) };
        let placed = ready!(Pin::new(placing).poll(cx)).unwrap_or_else(|e| Err(io::Error::other(e)));
        spill.state = State::Failed;
        match placed {
            Ok(stamp) => {
                let head = std::mem::take(&mut self.record).freeze();
                self.zone.store_large(self.digest, &head, self.length, stamp);
            }
            Err(error) => drop(self.check(Err(error))),
        }
        self.ticket = None;
        Poll::Ready(())
    }

    /// Notes that the answer broke off, which is the end of it.
    pub(crate) fn cut_short(self) {
        self.zone.meters().filled(Fate::CutShort);
    }

    /// Whether the disk has done what it should.
    fn check(&self, outcome: io::Result<()>) -> bool {
        if let Err(error) = &outcome {
            self.zone.not_written(&self.digest, &os_error(error));
        }
        outcome.is_ok()
    }
}

impl Spill {
    /// Has what is pending written, unless something is being written.
    fn write(&mut self, zone: &Arc<Zone>, digest: &Digest) {
        if let State::Idle(file) = &mut self.state {
            let (file, pending) = (file.take(), std::mem::take(&mut self.pending));
            self.waiting = 0;
            let (zone, digest) = (Arc::clone(zone), *digest);
            self.state =
                State::Writing(spawn_blocking(move || append(file, zone.place(), &digest, &pending)));
        }
    }

    /// Has the rest written, and the file put in its place with this first part.
    fn place(&mut self, zone: &Arc<Zone>, digest: &Digest, fixed: Vec<u8>) {
        if let State::Idle(file) = &mut self.state {
            let (file, pending) = (file.take(), std::mem::take(&mut self.pending));
            let (zone, digest) = (Arc::clone(zone), *digest);
            self.state = State::Placing(spawn_blocking(move || {
                append(file, zone.place(), &digest, &pending)?.place(zone.place(), &digest, &fixed)
            }));
        }
    }

    /// Resolves when nothing is being written.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Writing(writing) = &mut self.state else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(writing).poll(cx)).unwrap_or_else(|e| Err(io::Error::other(e)));
        Poll::Ready(match written {
            Ok(file) => {
                self.state = State::Idle(Some(file));
                Ok(())
            }
            Err(error) => {
                self.state = State::Failed;
                Err(error)
            }
        })
    }
}

fn append(
    file: Option<Temporary>,
    place: &Place,
    digest: &Digest,
    pieces: &[Bytes],
) -> io::Result<Temporary> {
    let mut file = file.map_or_else(|| Temporary::create(place, digest), Ok)?;
    pieces.iter().try_for_each(|piece| file.append(piece))?;
    Ok(file)
}
