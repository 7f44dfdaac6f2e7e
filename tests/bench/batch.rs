//! VerifyBatch: checks per second, for batches of several sizes.

use token_authority::proto::v1::verify_batch_result::Result as Outcome;
use token_authority::proto::v1::{Verdict, VerifyBatchRequest, VerifyRequest};

use crate::fill::Filled;
use crate::generator::{Call, Measured};
use crate::harness::{LIBRARY, PERMISSION};
use crate::table::{self, row};
use crate::{Scale, runtime};

/// Checks of one call.
const SIZES: [usize; 3] = [1, 100, 1000];
/// Connections, and calls under way on each.
const SHAPE: (usize, usize) = (4, 4);

pub(crate) fn run(scale: Scale) {
    let runtime = runtime();
    let filled = runtime.block_on(Filled::new(1000));
    let mut rows = vec![row![
        "checks per call",
        "calls/s",
        "checks/s",
        "server CPU, us/check"
    ]];
    for size in SIZES {
        let call = runtime.block_on(call(&filled, size));
        let (address, pid) = (filled.server.address(), filled.server.pid());
        let calls = call.calibrate(address, pid, scale.measure);
        let rounds: Vec<Measured> = (0..scale.rounds)
            .map(|_| call.measure(address, pid, calls))
            .collect();
        let rates: Vec<f64> = rounds.iter().map(|round| round.calls_per_second).collect();
        let cpu: Vec<f64> = rounds
            .iter()
            .map(|round| round.cpu_per_call / size as f64)
            .collect();
        let rate = table::median(&rates);
        rows.push(row![
            size,
            table::count(rate),
            table::count(rate * size as f64),
            table::spread(&cpu, 2)
        ]);
    }
    let (connections, streams) = SHAPE;
    table::print(
        &format!(
            "VerifyBatch, {connections} connections x {streams} streams, {} rounds (h2load)",
            scale.rounds
        ),
        &rows,
    );
}

/// A batch of `size` different tokens, made once in full.
async fn call(filled: &Filled, size: usize) -> Call {
    let secret = filled.server.operator_secret();
    let items = filled.secrets.iter().cycle().take(size);
    let requests = items.map(|token| VerifyRequest {
        token: token.clone(),
        library: LIBRARY.into(),
        permissions: vec![PERMISSION.into()],
        ..Default::default()
    });
    let request = VerifyBatchRequest {
        requests: requests.collect(),
    };
    let mut client = filled.server.clients(&secret).verify;
    let answer = client
        .verify_batch(request.clone())
        .await
        .expect("an answer")
        .into_inner();
    for result in &answer.results {
        let valid = matches!(&result.result, Some(Outcome::Response(response)) if response.verdict() == Verdict::Valid);
        assert!(valid, "{result:?}");
    }
    let path = "/tokenauthority.v1.TokenVerify/VerifyBatch";
    Call::new(path, Some(&secret), &request, &answer, SHAPE)
}
