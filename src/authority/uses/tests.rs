use super::words::Kind;
use super::*;
use crate::authority::tests::samples::{address, demanded, name};
use crate::store::{MAX_VALUE_BYTES, Revision};

const LIBRARY: Uid = Uid([1; 16]);

fn id(number: u16) -> TokenId {
    let [high, low] = number.to_be_bytes();
    let mut bytes = [7; 16];
    (bytes[2], bytes[3]) = (high, low);
    TokenId(bytes)
}

fn note(number: u16, time: i64) -> Note<'static> {
    Note {
        id: id(number),
        library: LIBRARY,
        is_session: false,
        verdict: Verdict::Valid,
        demanded: &[],
        right: None,
        client_ip: Some(address("192.0.2.7")),
        by: Service::Own,
        time: Moment(time),
        ahead: None,
    }
}

fn last(uses: &Uses, number: u16) -> Option<i64> {
    uses.last_time(id(number)).map(|time| time.0)
}

/// Everything that is stored of a bucket, as another process reads it.
fn stored(changes: &[Change]) -> Uses {
    let read = Uses::new();
    put(&read, changes);
    read
}

fn put(read: &Uses, changes: &[Change]) {
    for change in changes {
        if let Change::Put(key, value) = change {
            assert!(value.len() <= MAX_VALUE_BYTES, "{}", value.len());
            let record = Record {
                key: key.clone(),
                value: value.clone(),
                create_revision: Revision(1),
                mod_revision: Revision(1),
            };
            assert_eq!(read.put(&record, |_| Some(LIBRARY)), Some(()));
        }
    }
}

fn take(uses: &Uses) -> Vec<Change> {
    uses.take(Bucket::of(id(0)), |_| false)
}

#[test]
fn the_last_use_moves_forward_only_and_by_samples() {
    let uses = Uses::new();
    assert_eq!(last(&uses, 1), None);
    uses.note(&note(1, 5000));
    for (time, then) in [
        (4000, 5000),
        (5999, 5000),
        (6000, 6000),
        (6000, 6000),
        (-1, 6000),
    ] {
        uses.note(&note(1, time));
        assert_eq!(last(&uses, 1), Some(then), "{time}");
    }
    let (acme, gate) = (name("acme"), name("gate"));
    uses.note(&Note {
        client_ip: None,
        by: Service::User(&acme, &gate),
        ..note(1, 9000)
    });
    let expected = LastUse {
        time: Moment(9000),
        client_ip: None,
        by: Some("acme/gate".into()),
    };
    assert_eq!(uses.of(id(1)).unwrap().last, Some(expected));
    assert_eq!(uses.of(id(2)), None);
}

#[test]
fn a_refused_use_is_counted_and_is_no_use() {
    let uses = Uses::new();
    for time in [100, 200, 2000] {
        uses.note(&Note {
            verdict: Verdict::Expired,
            demanded: &[demanded("orders:read")],
            ..note(1, time)
        });
    }
    uses.note(&Note {
        verdict: Verdict::WrongApi,
        ..note(1, 3000)
    });
    let found = uses.of(id(1)).unwrap();
    assert_eq!((found.last, found.permissions.len()), (None, 0));
    let counted: Vec<_> = found
        .refused
        .iter()
        .map(|refused| (refused.verdict, refused.count, refused.last_time.0))
        .collect();
    assert_eq!(
        counted,
        [(Verdict::Expired, 3, 2000), (Verdict::WrongApi, 1, 3000)]
    );
    // What a demand alone was refused for is told by the count, and by no event.
    assert_eq!(lock(&uses.untold).len(), 1);
}

#[test]
fn so_many_permissions_are_kept_and_then_it_is_said_that_there_were_more() {
    let uses = Uses::new();
    for number in 0..20 {
        uses.note(&Note {
            demanded: &[demanded(&format!("orders:act-{}", number % 17))],
            ..note(1, number)
        });
        let found = uses.of(id(1)).unwrap();
        let distinct = usize::try_from(number).unwrap() + 1;
        assert_eq!(found.permissions.len(), distinct.min(MAX_DEMANDED));
        assert_eq!(found.more_permissions, distinct > MAX_DEMANDED);
    }
}

#[test]
fn a_bucket_is_written_in_as_many_records_as_it_takes_and_read_whole() {
    let uses = Uses::new();
    let (acme, gate) = (name("acme"), name("gate"));
    for number in 0..300 {
        uses.note(&Note {
            demanded: &[
                demanded("orders:read"),
                demanded(&format!("stock:{number}")),
            ],
            by: Service::User(&acme, &gate),
            ..note(number, i64::from(number) + 1)
        });
        uses.note(&Note {
            verdict: Verdict::IpNotAllowed,
            client_ip: Some(address("2001:db8::1")),
            ..note(number, 77)
        });
    }
    let changes = take(&uses);
    assert!(changes.len() > 4, "{}", changes.len());
    let read = stored(&changes);
    for number in 0..300 {
        // That an event is due is not stored: it is found out again.
        assert_eq!(read.of(id(number)), uses.of(id(number)));
    }
    // Nothing is new, and what is gone is written no more, nor its records kept.
    assert!(lock(&uses.waiting).pop().is_some());
    read.all_wait();
    assert!(lock(&read.waiting).pop().is_none());
    let left = read.take(Bucket::of(id(0)), |token| token != id(3));
    let puts = left
        .iter()
        .filter(|change| matches!(change, Change::Put(..)));
    assert_eq!((puts.count(), left.len()), (1, changes.len()));
    assert_eq!(read.of(id(2)), None);
    assert_eq!(take(&read).len(), 1);
    let none = read.take(Bucket::of(id(0)), |_| true);
    assert!(matches!(&none[..], [Change::Delete(_)]), "{none:?}");
}

#[test]
fn what_is_read_later_is_merged_by_the_maximum() {
    let (here, there) = (Uses::new(), Uses::new());
    there.note(&note(1, 5000));
    there.note(&note(2, 5000));
    here.note(&note(1, 9000));
    here.note(&note(2, 3000));
    for (uses, count) in [(&here, 2), (&there, 5)] {
        for _ in 0..count {
            uses.note(&Note {
                verdict: Verdict::Revoked,
                ..note(1, count)
            });
        }
    }
    for change in take(&there) {
        let Change::Put(key, value) = change else {
            continue;
        };
        let record = Record {
            key,
            value,
            create_revision: Revision(1),
            mod_revision: Revision(1),
        };
        here.put(&record, |_| Some(LIBRARY)).unwrap();
        let mut cut = record.clone();
        cut.value.truncate(cut.value.len() - 1);
        assert_eq!(here.put(&cut, |_| Some(LIBRARY)), None);
    }
    assert_eq!((last(&here, 1), last(&here, 2)), (Some(9000), Some(5000)));
    assert_eq!(here.of(id(1)).unwrap().refused[0].count, 5);
}

#[test]
fn a_busy_token_waits_to_be_written_once_in_a_step() {
    let uses = Uses::new();
    let waits = |time| {
        uses.note(&note(1, time));
        let waiting = lock(&uses.waiting).pop().is_some();
        if waiting {
            take(&uses);
        }
        waiting
    };
    let steps = [0, 1000, STEP_MS - 1, STEP_MS, STEP_MS + 1, 2 * STEP_MS];
    assert_eq!(steps.map(waits), [true, false, false, true, false, true]);
    // A permission that is demanded for the first time does not wait for that.
    uses.note(&Note {
        demanded: &[demanded("orders:read")],
        ..note(1, 2 * STEP_MS + 1)
    });
    assert!(lock(&uses.waiting).pop().is_some());
}

#[test]
fn an_event_is_due_at_once_and_then_once_an_hour() {
    const HOUR: i64 = 60 * 60 * 1000;
    let uses = Uses::new();
    let refuse = |time| {
        uses.note(&Note {
            verdict: Verdict::Suspended,
            ..note(1, time)
        });
        let due = lock(&uses.untold).pop_front();
        due.map(|(id, verdict)| uses.tell(id, verdict, Moment(time)).unwrap().count)
    };
    let counts = [0, 1, HOUR - 1, HOUR, HOUR + 1, 3 * HOUR].map(refuse);
    assert_eq!(counts, [Some(1), None, None, Some(3), None, Some(2)]);
}

#[test]
fn refusals_that_nobody_tells_of_fill_no_memory() {
    let uses = Uses::new();
    for number in 0..11_000 {
        uses.note(&Note {
            verdict: Verdict::Revoked,
            ..note(number, 1)
        });
    }
    assert_eq!(lock(&uses.untold).len(), MAX_UNTOLD);
    // One that found no room is told by its next refusal.
    lock(&uses.untold).clear();
    uses.note(&Note {
        verdict: Verdict::Revoked,
        ..note(10_999, 2)
    });
    assert_eq!(lock(&uses.untold).len(), 1);
}

#[test]
fn a_library_that_is_asked_for_ever_new_permissions_blinds_no_other() {
    let uses = Uses::new();
    for number in 0..5000_u16 {
        let new: Vec<Permission> = (0..MAX_DEMANDED)
            .map(|n| demanded(&format!("p{number}:a{n}")))
            .collect();
        uses.note(&Note {
            demanded: &new,
            ..note(number, 1)
        });
    }
    assert!(uses.of(id(4999)).unwrap().more_permissions);
    let (acme, gate) = (name("acme"), name("gate"));
    uses.note(&Note {
        library: Uid([2; 16]),
        demanded: &[demanded("orders:read")],
        by: Service::User(&acme, &gate),
        ..note(5000, 1)
    });
    let found = uses.of(id(5000)).unwrap();
    assert_eq!(*found.permissions, ["orders:read".into()]);
    assert_eq!(found.last.unwrap().by.as_deref(), Some("acme/gate"));
    assert!(!found.more_permissions);
}

#[test]
fn a_token_that_was_asked_for_more_than_is_kept_waits_for_no_other() {
    let uses = Uses::new();
    for number in 0..=MAX_DEMANDED {
        uses.note(&Note {
            demanded: &[demanded(&format!("orders:act-{number}"))],
            ..note(1, 1)
        });
    }
    let held = uses.words.held();
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            uses.note(&Note {
                demanded: &[demanded("orders:new"), demanded("orders:act-1")],
                ..note(1, 2000)
            });
            done.send(()).unwrap();
        });
        let noted = waits.recv_timeout(std::time::Duration::from_secs(10));
        drop(held);
        assert!(noted.is_ok(), "it waits for what all share");
    });
    assert_eq!(last(&uses, 1), Some(2000));
}

/// A library that has no room for another permission, for as long as what is given back is held.
fn full(uses: &Uses, library: Uid) -> Vec<std::sync::Arc<str>> {
    let texts = (0..).map(|number| format!("full:{number}"));
    let kept = texts.map_while(|text| uses.words.keep(library, Kind::Permission, &text));
    kept.collect()
}

#[test]
fn a_token_whose_library_has_no_room_is_written_once_and_waits_for_no_other() {
    let uses = Uses::new();
    let _full = full(&uses, LIBRARY);
    let ask = |permission: &str| {
        uses.note(&Note {
            demanded: &[demanded(permission)],
            ..note(1, 1)
        });
        let waiting = lock(&uses.waiting).pop().is_some();
        if waiting {
            take(&uses);
        }
        waiting
    };
    assert_eq!(
        ["orders:a", "orders:b", "orders:c"].map(ask),
        [true, false, false]
    );
    let found = uses.of(id(1)).unwrap();
    assert_eq!((found.permissions.len(), found.more_permissions), (0, true));
    let held = uses.words.held();
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ask("orders:d");
            done.send(()).unwrap();
        });
        let noted = waits.recv_timeout(std::time::Duration::from_secs(10));
        drop(held);
        assert!(noted.is_ok(), "it waits for what all share");
    });
}

#[test]
fn of_what_is_read_a_library_keeps_each_text_once_and_what_has_no_room_counts_as_more() {
    let uses = Uses::new();
    let (acme, gate) = (name("acme"), name("gate"));
    for number in [1, 2] {
        uses.note(&Note {
            demanded: &[demanded("orders:read")],
            by: Service::User(&acme, &gate),
            ..note(number, 1)
        });
    }
    let changes = take(&uses);
    let read = stored(&changes);
    let known = |library, text: &str| read.words.keep(library, Kind::Permission, text);
    let shared = known(LIBRARY, "orders:read").unwrap();
    for number in [1, 2] {
        let found = read.of(id(number)).unwrap();
        assert!(Arc::ptr_eq(&found.permissions[0], &shared));
        let by = found.last.unwrap().by.unwrap();
        let kept = read.words.keep(LIBRARY, Kind::Service, "acme/gate");
        assert!(Arc::ptr_eq(&by, &kept.unwrap()));
    }

    let without_room = Uses::new();
    let _full = full(&without_room, LIBRARY);
    put(&without_room, &changes);
    let found = without_room.of(id(1)).unwrap();
    assert_eq!((found.permissions.len(), found.more_permissions), (0, true));
}

#[test]
fn what_was_read_is_written_again_only_once_a_use_is_so_much_newer() {
    let uses = Uses::new();
    uses.note(&note(1, 1));
    let read = stored(&take(&uses));
    for (time, waits) in [(1 + STEP_MS - 1, false), (1 + STEP_MS, true)] {
        read.note(&note(1, time));
        assert_eq!(lock(&read.waiting).pop().is_some(), waits, "{time}");
    }
}
