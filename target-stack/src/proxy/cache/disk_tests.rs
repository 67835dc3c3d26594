//! The files by themselves: their names, that they are whole or not there, and that what was changed is found.

use super::super::key;
use super::super::record::Given;
use super::*;
use crate::proxy::fields::Fields;
use http::StatusCode;
use proptest::prelude::*;

fn place(root: &Path) -> Place {
    Place { root: root.to_owned(), levels: vec![1, 2] }
}

const FRESH: Freshness = Freshness { until: 2_000_000_000, updating: 0, error: 0, born: 0 };

/// Writes the answer `body` to `key` in its place.
fn write(place: &Place, key: &str, body: &[u8]) -> (PathBuf, Stamp) {
    let digest = key::digest(key.as_bytes());
    let given = Given {
        key: key.as_bytes(),
        variant: b"",
        vary: b"",
        freshness: FRESH,
        status: StatusCode::OK,
        reason: b"",
        fields: &Fields::new(),
    };
    let mut record = record::begin(&given, 0);
    record.extend_from_slice(body);
    record::seal(&mut record, body.len() as u64, record::crc(body));
    let mut file = Temporary::create(place, &digest).expect("a file");
    file.append(&record).expect("written");
    let stamp = file.place(place, &digest, &record[..FIXED]).expect("placed");
    (place.path(&digest), stamp)
}

#[test]
fn a_file_is_where_nginx_puts_it() {
    let place = place(Path::new("/c"));
    let digest = key::digest(b"http://u/ranged?m2");
    assert_eq!(place.path(&digest), Path::new("/c/3/e8/6139080579423a98b645b558e5304e83"));
    let flat = Place { levels: Vec::new(), ..place };
    assert_eq!(flat.path(&digest), Path::new("/c/6139080579423a98b645b558e5304e83"));
}

#[test]
fn what_was_written_is_loaded() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = place(dir.path());
    for length in [0, 5, SMALL, SMALL + 1, 3 * BLOCK] {
        let body = vec![b'x'; length];
        let (path, stamp) = write(&place, "k", &body);
        let (stored, loaded) = load(&path, None).expect("an answer");
        assert_eq!((loaded, stored.head.key.as_ref()), (stamp, b"k".as_ref()));
        match &stored.body {
            Body::Memory(bytes) => assert!(length <= SMALL && *bytes == body),
            Body::File { start, length: long, stamp } => {
                assert!(length > SMALL && *long == length as u64);
                let file = open(&path, *stamp).expect("no error").expect("the file");
                let mut read = vec![0; length];
                file.read_exact_at(&mut read, *start).expect("its body");
                assert_eq!(read, body);
            }
        }
    }
    let (path, old) = write(&place, "k", &[b'x'; 100_000]);
    write(&place, "k", &[b'y'; 100_000]);
    assert!(open(&path, old).expect("no error").is_none(), "another one came in its place");
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = place(dir.path());
    let digest = key::digest(b"k");
    let mut file = Temporary::create(&place, &digest).expect("a file");
    file.append(b"half").expect("written");
    drop(file);
    let parent = place.path(&digest);
    let left = std::fs::read_dir(parent.parent().expect("a directory")).expect("it is there").count();
    assert_eq!(left, 0);
    assert!(matches!(load(&parent, None), Err(Trouble::Missing)));
}

#[test]
fn a_full_disk_is_an_error() {
    let file = OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let mut full = Temporary { file, path: PathBuf::from("/nonexistent/file"), placed: false };
    assert_eq!(full.append(b"x").expect_err("no space").kind(), ErrorKind::StorageFull);
}

#[test]
fn a_scan_finds_answers_and_lets_others_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = place(dir.path());
    let (path, stamp) = write(&place, "k", b"hello");
    let leaf = path.parent().expect("a directory");
    let old = leaf.join(format!("{}.0000000001", "0".repeat(32)));
    let young = leaf.join(format!("{}.0000000002", "0".repeat(32)));
    let others =
        [dir.path().join("readme"), leaf.join("0".repeat(32)), leaf.join(format!("{}.txt", "0".repeat(32)))];
    for file in [&old, &young].into_iter().chain(&others) {
        std::fs::write(file, b"x").expect("a file");
    }
    let now = std::fs::metadata(&old).and_then(|state| state.modified()).expect("a time") + 2 * ABANDONED;
    File::options().write(true).open(&young).and_then(|file| file.set_modified(now)).expect("a time");
    let mut found = Vec::new();
    place.scan(now, |digest, length| found.push((digest, length))).expect("a scan");
    assert_eq!(found, [(key::digest(b"k"), stamp.length)]);
    assert!(!old.exists() && young.exists() && others.iter().all(|file| file.exists()));
    assert!(Place { root: dir.path().join("none"), ..place }.scan(now, |_, _| {}).is_err());
}

#[test]
fn another_freshness_is_written_into_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = place(dir.path());
    let (path, before) = write(&place, "k", b"hello");
    let (stored, _) = load(&path, None).expect("an answer");
    let later = Freshness { until: FRESH.until + 60, updating: 1, error: 2, born: 3 };
    let after = renew(&path, &stored, later).expect("written").expect("the same answer");
    assert_ne!(before, after);
    let (stored, stamp) = load(&path, None).expect("an answer");
    assert_eq!((stored.head.freshness, stamp), (later, after));
    // Of another answer, or of one that has been renewed since, nothing is changed.
    let (other, _) = write(&place, "other", b"hello");
    assert!(renew(&other, &stored, FRESH).expect("no error").is_none());
    assert!(renew(&dir.path().join("none"), &stored, FRESH).is_err());
}

/// A change to the bytes of a file.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Append(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<prop::sample::Index>().prop_map(Change::Cut),
        any::<u8>().prop_map(Change::Append),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_changed_file_is_never_an_answer(change in change(), large: bool) {
        let dir = tempfile::tempdir().expect("a directory");
        let body = vec![b'x'; if large { SMALL + 10 } else { 10 }];
        let (path, _) = write(&place(dir.path()), "some key", &body);
        let mut bytes = std::fs::read(&path).expect("a file");
        match change {
            Change::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Append(byte) => bytes.push(byte),
        }
        std::fs::write(&path, bytes).expect("a changed file");
        prop_assert!(matches!(load(&path, None), Err(Trouble::Damaged(_))));
    }
}
