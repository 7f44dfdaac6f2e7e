//! Certificates that are replaced while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tonic::transport::Identity;

use super::certificates::{Ca, Owner, Pair};
use super::{LOOK_AGAIN, PATIENCE, Secured, shown, verify};
use crate::report;

/// How often certificates are replaced under load.
const ROUNDS: usize = 20;
/// Clients that keep their connection, and as many that make one for each call.
const CLIENTS: usize = 4;

impl Secured {
    /// Lets clients of another authority in, and waits until it has been seen.
    pub(super) async fn trust(&self, ca: &Ca) {
        let seen = self.reloads();
        self.files.write("ca.crt", &ca.pem());
        self.wait("the authority of clients", |secured| {
            secured.reloads() > seen
        })
        .await;
    }

    fn reloads(&self) -> usize {
        self.server.log().matches("TLS files reloaded").count()
    }

    fn warnings(&self) -> usize {
        self.server
            .log()
            .matches("new TLS files can't be used")
            .count()
    }

    async fn wait(&self, what: &str, reached: impl Fn(&Secured) -> bool) {
        let started = Instant::now();
        while !reached(self) {
            assert!(
                started.elapsed() < PATIENCE,
                "{what}:\n{}",
                self.server.log()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until new connections are shown this certificate.
    async fn wait_for(&self, pair: &Pair) {
        let started = Instant::now();
        while shown(self).await != *pair.certificate.der() {
            assert!(started.elapsed() < PATIENCE, "{}", self.server.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_under_load_without_a_call_that_fails() {
    let mut secured = Secured::start(&[]);
    assert!(secured.lets_in(None).await);
    let over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..2 * CLIENTS)
        .map(|client| {
            let (endpoint, over, calls) = (secured.endpoint(None), over.clone(), calls.clone());
            tokio::spawn(async move {
                let mut channel = endpoint
                    .connect()
                    .await
                    .map_err(|error| format!("{error:?}"))?;
                while !over.load(Ordering::Relaxed) {
                    if client % 2 == 1 {
                        let new = endpoint.connect().await;
                        channel = new.map_err(|error| format!("{error:?}"))?;
                    }
                    verify(&channel)
                        .await
                        .map_err(|status| status.to_string())?;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, String>(())
            })
        })
        .collect();

    for round in 0..ROUNDS {
        let pair = secured.ca.server();
        if round % 2 == 0 {
            secured.files.swap(&pair, "");
        } else {
            secured.files.overwrite(&pair);
        }
        secured.wait_for(&pair).await;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.unwrap(), Ok(()));
    }
    let calls = calls.load(Ordering::Relaxed);
    report(&format!(
        "{calls} calls by {} clients, {ROUNDS} new certificates, 0 failed calls",
        2 * CLIENTS
    ));
    assert!(calls > ROUNDS * CLIENTS, "{calls} calls are no load");
}

#[tokio::test]
async fn a_client_of_an_authority_that_was_replaced_is_refused_and_its_old_connection_goes_on() {
    let secured = Secured::mutual("required", &[]);
    let new = Ca::new("new authority");
    let (before, after): (Identity, Identity) = (
        secured.clients.issue(Owner::called("before")).identity(),
        new.issue(Owner::called("after")).identity(),
    );
    assert!(secured.lets_in(Some(before.clone())).await);
    assert!(!secured.lets_in(Some(after.clone())).await);
    let kept = secured
        .endpoint(Some(before.clone()))
        .connect()
        .await
        .unwrap();
    verify(&kept).await.unwrap();

    secured.trust(&new).await;
    assert!(!secured.lets_in(Some(before)).await);
    assert!(secured.lets_in(Some(after)).await);
    verify(&kept).await.unwrap();
}

#[tokio::test]
async fn files_that_are_no_use_leave_those_from_before_in_use_and_are_warned_of_once() {
    let secured = Secured::mutual("optional", &[]);
    let stranger = Ca::new("strangers")
        .issue(Owner::called("stranger"))
        .identity();
    let next = secured.ca.server();
    let (certificate, key) = (secured.first.certificate.pem(), secured.first.key.clone());
    let ca = secured.clients.pem();
    for (number, (name, broken, whole)) in [
        ("tls.crt", "", &certificate),
        ("tls.crt", "canary", &certificate),
        // Half of a pair, as while somebody copies.
        ("tls.crt", &next.certificate.pem(), &certificate),
        ("tls.key", "canary", &key),
        ("tls.key", &next.key, &key),
        ("ca.crt", "", &ca),
        ("ca.crt", "canary", &ca),
    ]
    .into_iter()
    .enumerate()
    {
        secured.files.write(name, broken);
        secured
            .wait(name, |secured| secured.warnings() > number)
            .await;
        // Many looks later, there is still one warning, and the certificate and the authority from before.
        tokio::time::sleep(LOOK_AGAIN * 50).await;
        assert_eq!(secured.warnings(), number + 1, "{}", secured.server.log());
        assert_eq!(
            shown(&secured).await,
            *secured.first.certificate.der(),
            "{name}"
        );
        assert!(!secured.lets_in(Some(stranger.clone())).await, "{name}");
        assert!(secured.lets_in(None).await, "{name}");
        secured.files.write(name, whole);
    }
    std::fs::remove_file(secured.files.path("tls.key")).unwrap();
    secured
        .wait("no key", |secured| secured.warnings() == 8)
        .await;
    assert_eq!(shown(&secured).await, *secured.first.certificate.der());
    // The other half arrives.
    secured.files.overwrite(&next);
    secured.wait_for(&next).await;
    assert!(!secured.server.log().contains("canary"));
}

#[tokio::test]
async fn a_certificate_that_ends_soon_or_has_ended_is_warned_of_and_every_new_one_is_told_of() {
    let mut secured = Secured::start(&[]);
    let loaded = secured.server.logged("TLS files loaded").unwrap();
    assert_eq!(loaded["tls.subject"], "CN=tokens");
    assert_eq!(loaded["tls.names"], "localhost");
    assert_eq!(loaded["tls.not_after"], "4096-01-01T00:00:00Z");
    assert!(!secured.server.log().contains("the certificate"));

    // The time as the machine has it: of the folder that was made just now.
    let made = std::fs::metadata(secured.folder())
        .unwrap()
        .modified()
        .unwrap();
    let made = jiff::Timestamp::try_from(made).unwrap();
    let soon = made.to_zoned(jiff::tz::TimeZone::UTC).date() + jiff::Span::new().days(5);
    let owner = |year, month, day| {
        Owner::called("tokens")
            .host("localhost")
            .until(year, month, day)
    };
    let soon = owner(
        i32::from(soon.year()),
        soon.month().unsigned_abs(),
        soon.day().unsigned_abs(),
    );
    let expired = owner(2020, 1, 1);
    for (owner, warning) in [
        (
            soon,
            "the certificate expires soon: replace tls_cert_file and tls_key_file",
        ),
        (
            expired,
            "the certificate has expired, and clients refuse it: replace tls_cert_file and tls_key_file",
        ),
    ] {
        let pair = secured.ca.issue(owner);
        secured.files.swap(&pair, "");
        secured
            .wait(warning, |secured| secured.server.logged(warning).is_some())
            .await;
    }
    assert_eq!(secured.reloads(), 2);
    assert_eq!(
        secured.server.logged("TLS files reloaded").unwrap()["tls.subject"],
        "CN=tokens"
    );
}
