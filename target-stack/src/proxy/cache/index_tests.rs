//! The index by itself: what is found, claimed, evicted and counted, with instants as arguments.

use super::super::stored::tests::stored;
use super::*;
use crate::pace;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn now(instant: Instant) -> Now {
    Now { instant, second: 1000 }
}

fn answer(key: &str, body: &str) -> Arc<Stored> {
    Arc::new(stored(key, 2000, &[], body))
}

/// Digests that fall into different shards.
fn digest(number: u8) -> Digest {
    [number; 16]
}

fn gauges(index: &Index) -> (i64, i64, i64) {
    (index.entries.get(), index.disk.get(), index.memory.get())
}

#[test]
fn what_is_put_is_found_until_it_is_forgotten() {
    let (index, start) = (Index::new(), pace::now());
    let find = || index.find(&digest(1), now(start), 1, true);
    assert!(matches!(find(), Found::Nothing));
    let first = answer("k", "hello");
    index.put(&digest(1), Arc::clone(&first), start);
    assert!(matches!(find(), Found::Here(found) if Arc::ptr_eq(&found, &first)));
    index.put_file(&digest(1), 4096, None, start);
    assert_eq!(gauges(&index), (1, 4096, i64::try_from(first.weight()).expect("a weight")));

    index.put_file(&digest(1), 8192, None, start);
    assert_eq!(index.disk.get(), 8192, "in place of the first one");
    index.forget(&digest(1));
    assert!(matches!(find(), Found::Nothing));
    assert_eq!(gauges(&index), (0, 0, 0));

    index.put_file(&digest(2), 4096, None, start);
    assert!(matches!(index.find(&digest(2), now(start), 1, true), Found::OnDisk(None)));
}

#[test]
fn memory_is_bounded_and_the_least_used_goes_first() {
    let (index, start) = (Index::new(), pace::now());
    let body = "x".repeat(60_000);
    let within = MEMORY / SHARDS / answer("k", &body).weight();
    // All in one shard.
    let place = |number: usize| {
        let mut digest = [0; 16];
        digest[1..9].copy_from_slice(&number.to_le_bytes());
        digest
    };
    for number in 0..=within {
        index.put(&place(number), answer("k", &body), start);
        index.put_file(&place(number), 61_440, None, start);
        assert!(matches!(index.find(&place(0), now(start), 1, true), Found::Here(_)), "the first is used");
    }
    assert!(matches!(index.find(&place(1), now(start), 1, true), Found::OnDisk(_)), "the second is not");
    assert!(matches!(index.find(&place(within), now(start), 1, true), Found::Here(_)));
    assert!(usize::try_from(index.memory.get()).expect("a size") <= MEMORY / SHARDS);
}

#[test]
fn one_at_a_time_may_fetch() {
    let (index, start) = (Index::new(), pace::now());
    let until = Some(start + 5 * SECOND);
    let Claim::Granted(first) = index.claim(&digest(1), start, until) else { panic!("nobody fetches") };
    assert!(matches!(index.claim(&digest(1), start + SECOND, until), Claim::Busy(_)));
    assert!(matches!(index.claim(&digest(2), start, until), Claim::Granted(_)), "another answer");
    // After the lock's age another one takes it over, and the first one's end is no longer the end.
    let later = start + 5 * SECOND;
    let Claim::Granted(second) = index.claim(&digest(1), later, Some(later + 5 * SECOND)) else {
        panic!("the first took too long")
    };
    index.release(&digest(1), first);
    assert!(matches!(index.claim(&digest(1), later, until), Claim::Busy(_)));
    index.release(&digest(1), second);
    assert_eq!(index.entries.get(), 1, "what came to nothing leaves nothing");
    assert!(matches!(index.claim(&digest(1), later, until), Claim::Granted(_)));
}

#[test]
fn one_at_a_time_updates_and_however_long_it_takes() {
    let (index, start) = (Index::new(), pace::now());
    index.put(&digest(1), answer("k", "old"), start);
    let Claim::Granted(claim) = index.claim(&digest(1), start, None) else { panic!("nobody updates") };
    assert!(matches!(index.claim(&digest(1), start + 1000 * SECOND, None), Claim::Busy(_)));
    index.release(&digest(1), claim);
    assert!(matches!(index.claim(&digest(1), start, None), Claim::Granted(_)));
}

#[tokio::test]
async fn who_waits_is_woken() {
    let (index, start) = (Index::new(), pace::now());
    let until = Some(start + 5 * SECOND);
    for forgotten in [false, true] {
        let Claim::Granted(claim) = index.claim(&digest(1), start, until) else { panic!("nobody fetches") };
        let waiting = [(); 3].map(|()| match index.claim(&digest(1), start, until) {
            Claim::Busy(ended) => ended,
            Claim::Granted(_) => panic!("two at once"),
        });
        if forgotten {
            index.forget(&digest(1));
        }
        index.release(&digest(1), claim);
        for ended in waiting {
            ended.await;
        }
    }
}

#[test]
fn an_answer_is_stored_once_it_was_asked_for_often_enough() {
    let (index, start) = (Index::new(), pace::now());
    let find = |counts| index.find(&digest(1), now(start), 3, counts);
    assert!(matches!(find(true), Found::Scarce));
    assert!(matches!(find(false), Found::Scarce), "another look of the same request");
    assert!(matches!(find(true), Found::Scarce));
    assert!(matches!(find(true), Found::Nothing));
    let Claim::Granted(claim) = index.claim(&digest(1), start, None) else { panic!("nobody fetches") };
    index.release(&digest(1), claim);
    assert!(matches!(find(true), Found::Nothing), "it still counts");
    index.forget(&digest(1));
    assert!(matches!(find(false), Found::Nothing), "and so it does without a file");
    assert_eq!(index.take_oldest(), Some(digest(1)));
    assert!(matches!(find(true), Found::Scarce));
}

#[test]
fn a_failure_counts_for_its_time() {
    let (index, start) = (Index::new(), pace::now());
    index.put_failure(&digest(1), StatusCode::BAD_GATEWAY, 1000, start);
    let at = |second| index.find(&digest(1), Now { instant: start, second }, 1, true);
    assert!(matches!(at(1000), Found::Failed(StatusCode::BAD_GATEWAY)));
    assert!(matches!(at(1001), Found::Nothing));
    index.put_failure(&digest(2), StatusCode::BAD_GATEWAY, 1000, start);
    index.put(&digest(2), answer("k", "better"), start);
    assert!(matches!(index.find(&digest(2), now(start), 1, true), Found::Here(_)));
}

#[test]
fn the_idle_go_and_the_oldest_first() {
    let (index, start) = (Index::new(), pace::now());
    for number in 0..40 {
        index.put_file(&digest(number), 1, None, start + u32::from(number) * SECOND);
    }
    index.find(&digest(0), now(start + 100 * SECOND), 1, true);
    assert_eq!(index.take_oldest(), Some(digest(1)));
    let mut idle = index.take_idle(start + 10 * SECOND, usize::MAX);
    idle.sort_unstable();
    assert_eq!(idle, (2..10).map(digest).collect::<Vec<_>>());
    assert_eq!(index.take_idle(start + 20 * SECOND, 3).len(), 3, "a few at a time");
    assert_eq!(gauges(&index), (40 - 1 - 8 - 3, 40 - 1 - 8 - 3, 0));
}

#[test]
fn whoever_fetches_is_not_forgotten() {
    let (index, start) = (Index::new(), pace::now());
    let until = Some(start + 5 * SECOND);
    let Claim::Granted(claim) = index.claim(&digest(1), start, until) else { panic!("nobody fetches") };
    index.put_file(&digest(1), 1, None, start);
    // Its file is gone, it is idle, and there is no room: the claim stands all the same.
    index.forget(&digest(1));
    assert_eq!(gauges(&index), (1, 0, 0));
    assert_eq!((index.take_idle(start + SECOND, 9).len(), index.take_oldest()), (0, None));
    assert!(matches!(index.claim(&digest(1), start, until), Claim::Busy(_)));
    index.release(&digest(1), claim);
    assert_eq!(gauges(&index), (0, 0, 0));
}

#[test]
fn an_older_file_does_not_replace_a_newer_answer() {
    let (index, start) = (Index::new(), pace::now());
    let (old, new) = (answer("k", "old"), answer("k", "new"));
    index.put(&digest(1), Arc::clone(&new), start);
    index.put_file(&digest(1), 1, None, start);
    assert!(Arc::ptr_eq(&index.put_read(&digest(1), Arc::clone(&old)), &new));
    index.forget(&digest(1));
    index.put_file(&digest(1), 1, None, start);
    assert!(Arc::ptr_eq(&index.put_read(&digest(1), Arc::clone(&old)), &old));
    assert!(matches!(index.find(&digest(1), now(start), 1, true), Found::Here(_)));
    assert_eq!(index.in_memory(1), [digest(1)]);
}

#[test]
fn what_was_not_written_is_forgotten() {
    let (index, start) = (Index::new(), pace::now());
    let (first, second) = (answer("k", "first"), answer("k", "second"));
    index.put(&digest(1), Arc::clone(&second), start);
    index.forget_unwritten(&digest(1), &first);
    assert!(matches!(index.find(&digest(1), now(start), 1, true), Found::Here(_)), "another one");
    index.forget_unwritten(&digest(1), &second);
    assert!(matches!(index.find(&digest(1), now(start), 1, true), Found::Nothing));
    // The file of the one before is as good as it was.
    index.put(&digest(1), Arc::clone(&first), start);
    index.put_file(&digest(1), 1, None, start);
    index.put(&digest(1), Arc::clone(&second), start);
    index.forget_unwritten(&digest(1), &second);
    assert!(matches!(index.find(&digest(1), now(start), 1, true), Found::OnDisk(None)));
}
