//! Whether the time of an answer tells what it must not: dudect (Reparaz, Balasch and Verbauwhede, "Dude, is my code constant
//! time?", 2017). Two kinds of input in an order drawn at random, the time of each taken alone, and Welch's t-test, which says
//! whether the two kinds differ. Beyond 5 they do; a comparison that leaks on purpose must be far beyond, or the test sees nothing.

mod stage;
mod welch;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use token_authority::authority::judge::{Demand, Verdict};
use token_authority::authority::keys::{HmacKeys, SHORT_TAG_BYTES};
use token_authority::authority::moment::Now;
use token_authority::authority::secret::{Secret, TokenId};
use token_authority::proto::v1::{self as proto, VerifyRequest};

use self::stage::{NOW, TOKENS};
use self::welch::Tests;
use crate::Scale;
use crate::fill::Filled;
use crate::judge::{mixed, wide};
use crate::table::{self, row};

/// From which on the two kinds differ: by chance it happens once in two million tests.
const LEAKS: f64 = 5.0;
/// How many times as long a call takes as what it does.
const CALLS_ARE_SLOWER: usize = 10;
/// Inputs that are made at once, so that making them is not in between.
const BATCH: usize = 1000;

type Tag = [u8; SHORT_TAG_BYTES];

/// What is asked of two kinds of input.
struct Question {
    name: &'static str,
    /// Whether they must not differ; of the control, whether they must.
    must_hide: bool,
    outcome: Tests,
}

pub(crate) fn run(scale: Scale) {
    let questions = [
        verify("Verify: unknown id, or wrong secret", scale, |n, kind| {
            if kind {
                stage::known(n)
            } else {
                stage::unknown(n)
            }
        }),
        verify("control: wrong secret both times", scale, |n, _| {
            stage::known(n)
        }),
        called(scale),
        compare(
            "proof: first byte wrong, or last",
            true,
            scale,
            |keys, secret, tag| keys.proves(secret, Some((*tag, 1))),
        ),
        compare(
            "control: a comparison that stops early",
            false,
            scale,
            stops_early,
        ),
    ];
    let mut rows = vec![row![
        "",
        "measured",
        "one kind, ns",
        "the other, ns",
        "greatest |t|",
        ""
    ]];
    for Question {
        name,
        must_hide,
        outcome,
    } in &questions
    {
        let [one, other] = outcome.means();
        let said = match (outcome.greatest() < LEAKS, must_hide) {
            (true, _) => "no difference",
            (false, true) => "DIFFERENT",
            (false, false) => "different, as it must be",
        };
        rows.push(row![
            name,
            table::count(outcome.measured()),
            format!("{one:.1}"),
            format!("{other:.1}"),
            format!("{:.1}", outcome.greatest()),
            said
        ]);
    }
    table::print(
        &format!("Differences in time; from |t| = {LEAKS} on they are no chance"),
        &rows,
    );
    let sound = |question: &Question| question.must_hide == (question.outcome.greatest() < LEAKS);
    assert!(
        !scale.strict || questions.iter().all(sound),
        "a difference in time is not what it must be"
    );
}

/// Judges tokens that are not good, of two kinds.
fn verify(name: &'static str, scale: Scale, id: impl Fn(usize, bool) -> TokenId) -> Question {
    let authority = stage::authority();
    let demand = Demand::default();
    let now = Now {
        time: NOW,
        mark: Some(NOW),
    };
    let input = |n: usize, kind| wrong(id(n, kind), n);
    let outcome = measure(scale, input, |text: &String| {
        let judged = pin!(authority.verify(text, &demand, None, now));
        let Poll::Ready(judged) = judged.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a look-up in memory waits for nothing");
        };
        assert!(judged.is_ok_and(|judgement| judgement.verdict == Verdict::NotFound));
    });
    Question {
        name,
        must_hide: true,
        outcome,
    }
}

/// The same as a client sees it, by calls one after the other over one connection.
fn called(scale: Scale) -> Question {
    let runtime = crate::runtime();
    let filled = runtime.block_on(Filled::new(TOKENS));
    let operator = filled.server.operator_secret();
    let mut client = runtime.block_on(async { filled.server.clients(&operator).verify });
    let ids: Vec<TokenId> = filled
        .secrets
        .iter()
        .map(|text| Secret::parse(text).expect("a secret").id)
        .collect();
    let input = |n: usize, kind| VerifyRequest {
        token: wrong(
            if kind {
                ids[n % ids.len()]
            } else {
                stage::unknown(n)
            },
            n,
        ),
        ..Default::default()
    };
    let scale = Scale {
        measurements: scale.measurements / CALLS_ARE_SLOWER,
        ..scale
    };
    let outcome = measure(scale, input, |request: &VerifyRequest| {
        let answer = runtime.block_on(client.verify(request.clone()));
        let verdict = answer.expect("an answer").into_inner().verdict();
        assert_eq!(verdict, proto::Verdict::NotFound);
    });
    Question {
        name: "Verify by calls: unknown id, or wrong secret",
        must_hide: true,
        outcome,
    }
}

/// A secret of this id that is not the one that was given out.
fn wrong(id: TokenId, n: usize) -> String {
    let bytes = [wide(n, 4), wide(n, 5)].concat();
    let bytes: [u8; 32] = bytes.try_into().expect("32 bytes");
    let secret = Secret {
        id,
        bytes: bytes.into(),
    };
    secret.to_secret_string().expose().to_owned()
}

/// Proves secrets against tags that differ in the first byte, or in the last.
fn compare(
    name: &'static str,
    must_hide: bool,
    scale: Scale,
    proves: impl Fn(&HmacKeys, &Secret, &Tag) -> bool,
) -> Question {
    let keys = stage::keys();
    let input = |n: usize, kind| {
        let secret = Secret {
            id: TokenId(wide(n, 3)),
            bytes: [wide(n, 4), wide(n, 5)]
                .concat()
                .try_into()
                .map(|bytes: [u8; 32]| bytes.into())
                .expect("32 bytes"),
        };
        let mut tag = keys.tag(&secret).short();
        tag[if kind { 0 } else { SHORT_TAG_BYTES - 1 }] ^= 1;
        (secret, tag)
    };
    let outcome = measure(scale, input, |(secret, tag): &(Secret, Tag)| {
        assert!(!proves(&keys, secret, tag));
    });
    Question {
        name,
        must_hide,
        outcome,
    }
}

/// What nobody must do: it takes the longer, the more of the tag is right.
fn stops_early(keys: &HmacKeys, secret: &Secret, tag: &Tag) -> bool {
    let found = keys.tag(secret).short();
    found
        .iter()
        .zip(tag)
        .all(|(one, other)| black_box(one) == black_box(other))
}

/// Takes the time of `work` on inputs of two kinds.
fn measure<I>(scale: Scale, input: impl Fn(usize, bool) -> I, mut work: impl FnMut(&I)) -> Tests {
    let mut tests = Tests::default();
    let mut number = 0;
    while tests.measured() < scale.measurements as f64 {
        let inputs: Vec<(bool, I)> = (0..BATCH)
            .map(|_| {
                number += 1;
                let kind = mixed(number as u64) & 1 == 1;
                (kind, input(number, kind))
            })
            .collect();
        for (kind, input) in &inputs {
            let started = Instant::now();
            work(black_box(input));
            let took = started.elapsed();
            tests.add(*kind, took.as_nanos() as f64);
        }
    }
    assert!(
        number > TOKENS || scale.measurements < TOKENS,
        "every token is looked for"
    );
    tests
}
