use std::sync::Arc;

use super::*;

const START: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

/// Clocks that stand until they are moved.
#[derive(Clone)]
struct Hands(Arc<(AtomicI64, AtomicI64)>);

impl Hands {
    fn at(wall_ms: i64) -> Hands {
        Hands(Arc::new((AtomicI64::new(wall_ms), AtomicI64::new(7_000))))
    }

    /// Time goes by.
    fn pass(&self, ms: i64) {
        self.0.0.fetch_add(ms, Ordering::Relaxed);
        self.0.1.fetch_add(ms, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    fn set(&self, by_ms: i64) {
        self.0.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl TimeSource for Hands {
    fn wall_ms(&self) -> i64 {
        self.0.0.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        self.0.1.load(Ordering::Relaxed)
    }
}

#[test]
fn time_is_the_wall_clock_while_nobody_sets_it() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    assert_eq!(clock.now(), START);
    hands.pass(10_000);
    assert_eq!(clock.now(), START + 10_000);
    assert_eq!(clock.mark(), Some(START + 10_000));
}

#[test]
fn a_clock_that_was_set_back_before_the_start_does_not_go_behind_the_mark() {
    let hands = Hands::at(START - HOUR);
    let clock = Clock::new(START, hands.clone());
    assert_eq!(clock.now(), START);
    assert_eq!(clock.mark(), Some(START));
    hands.pass(HOUR + 5);
    assert_eq!(clock.now(), START + 5);
}

#[test]
fn a_clock_that_is_set_back_while_running_revives_nothing_that_was_judged() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    hands.pass(500);
    assert_eq!(clock.now(), START + 500);
    hands.set(-HOUR);
    assert_eq!(clock.now(), START + 500);
    assert_eq!(clock.mark(), Some(START + 500));
}

#[test]
fn a_jump_forward_freezes_the_mark_and_verdicts_go_on_by_the_wall_clock() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    hands.set(HOUR);
    assert_eq!(clock.now(), START + HOUR);
    assert_eq!(clock.mark(), None);
    hands.pass(1_000);
    assert_eq!(clock.now(), START + HOUR + 1_000);
    assert_eq!(clock.mark(), None);

    hands.set(-HOUR);
    assert_eq!(clock.now(), START + 1_000);
    assert_eq!(clock.mark(), Some(START + 1_000));
}

#[test]
fn a_jump_of_a_minute_is_a_correction_and_a_longer_one_is_not() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    hands.set(JUMP_MS);
    assert_eq!(clock.mark(), Some(START + JUMP_MS));
    hands.set(1);
    assert_eq!(clock.mark(), None);
}

#[test]
fn small_steps_do_not_add_up_to_an_unseen_jump() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    hands.set(40_000);
    assert!(clock.mark().is_some());
    hands.set(40_000);
    assert_eq!(clock.mark(), None);
}

#[test]
fn a_restart_accepts_the_clock_as_it_is() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    hands.set(HOUR);
    assert_eq!(clock.mark(), None);
    assert_eq!(Clock::new(START, hands).mark(), Some(START + HOUR));
}

#[test]
fn suspended_time_is_no_jump() {
    let hands = Hands::at(START);
    let clock = Clock::new(0, hands.clone());
    hands.pass(24 * HOUR);
    assert_eq!(clock.mark(), Some(START + 24 * HOUR));
}

#[test]
fn the_clocks_of_the_machine_run() {
    let clock = Clock::system(0);
    let before = clock.now();
    assert!(before > START);
    assert!(SystemTimeSource.boot_ms() > 0);
    assert!(clock.mark() >= Some(before));
}
