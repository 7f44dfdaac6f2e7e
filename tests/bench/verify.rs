//! Verify against `Health/Check` of the same server, over the same connections: what a call costs beyond being a call.

use token_authority::proto::v1::{Verdict, VerifyRequest};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::fill::Filled;
use crate::generator::{Call, Measured};
use crate::harness::{LIBRARY, PERMISSION};
use crate::table::{self, row};
use crate::{Scale, runtime};

/// Connections, and calls under way on each.
const SHAPES: [(usize, usize); 2] = [(8, 32), (1, 1)];
/// Tokens that the server holds, so that the index is larger than the caches nearest to the CPU.
const TOKENS: usize = 20_000;

pub(crate) fn run(scale: Scale) {
    let runtime = runtime();
    let filled = runtime.block_on(Filled::new(TOKENS.min(scale.tokens)));
    for shape in SHAPES {
        let (verify, health) = runtime.block_on(calls(&filled, shape));
        compare(&filled, &verify, &health, shape, scale);
    }
}

/// The two calls, each made once in full.
async fn calls(filled: &Filled, shape: (usize, usize)) -> (Call, Call) {
    let secret = filled.server.operator_secret();
    let request = VerifyRequest {
        token: filled.secrets[filled.secrets.len() / 2].clone(),
        library: LIBRARY.into(),
        permissions: vec![PERMISSION.into()],
        ..Default::default()
    };
    let mut client = filled.server.clients(&secret).verify;
    let answer = client.verify(request.clone()).await.expect("an answer");
    let answer = answer.into_inner();
    assert_eq!(answer.verdict(), Verdict::Valid, "{answer:?}");
    let path = "/tokenauthority.v1.TokenVerify/Verify";
    let verify = Call::new(path, Some(&secret), &request, &answer, shape);

    let request = HealthCheckRequest::default();
    let mut client = HealthClient::new(filled.server.channel());
    let answer = client.check(request.clone()).await.expect("an answer");
    let path = "/grpc.health.v1.Health/Check";
    let health = Call::new(path, None, &request, answer.get_ref(), shape);
    (verify, health)
}

fn compare(filled: &Filled, verify: &Call, health: &Call, shape: (usize, usize), scale: Scale) {
    let (address, pid) = (filled.server.address(), filled.server.pid());
    let verify_calls = verify.calibrate(address, pid, scale.measure);
    let health_calls = health.calibrate(address, pid, scale.measure);
    let rounds: Vec<(Measured, Measured)> = (0..scale.rounds)
        .map(|_| {
            let verify = verify.measure(address, pid, verify_calls);
            (verify, health.measure(address, pid, health_calls))
        })
        .collect();

    let line = |name: &str, pick: fn(&(Measured, Measured)) -> &Measured| {
        let all: Vec<&Measured> = rounds.iter().map(pick).collect();
        let rates: Vec<f64> = all.iter().map(|round| round.calls_per_second).collect();
        let cpu: Vec<f64> = all.iter().map(|round| round.cpu_per_call).collect();
        let mut latency = table::histogram();
        for round in all {
            latency.add(&round.latency).expect("the same bounds");
        }
        row![
            name,
            spread_count(&rates),
            table::spread(&cpu, 1),
            table::percentiles(&latency)
        ]
    };
    let ratio = |pick: fn(&Measured) -> f64| {
        let ratios = rounds
            .iter()
            .map(|(verify, health)| pick(verify) / pick(health));
        table::spread(&ratios.collect::<Vec<_>>(), 2)
    };
    let (connections, streams) = shape;
    table::print(
        &format!(
            "Verify against Health/Check, {} tokens, {connections} connections x {streams} streams, {} rounds each (h2load)",
            filled.secrets.len(),
            scale.rounds
        ),
        &[
            row![
                "",
                "calls/s",
                "server CPU, us/call",
                "latency p50 / p99 / p99.9, ms"
            ],
            line("Verify", |round| &round.0),
            line("Health/Check", |round| &round.1),
            row![
                "ratio",
                ratio(|measured| measured.calls_per_second),
                ratio(|measured| measured.cpu_per_call),
                ""
            ],
        ],
    );
}

fn spread_count(values: &[f64]) -> String {
    table::count(table::median(values))
}
