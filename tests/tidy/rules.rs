//! Every RPC has a rule that says who may call it.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use token_authority::grpc::identity::RULES;
use token_authority::proto::FILE_DESCRIPTOR_SET;

use crate::assert_none;

/// The package whose services are served here.
const PACKAGE: &str = "tokenauthority.v1";

#[test]
fn every_rpc_has_exactly_one_authorisation_rule() {
    let paths: Vec<&str> = RULES.iter().map(|(path, _)| *path).collect();
    assert_none(&mismatches(&rpcs(), &paths));
}

/// The full path of every RPC.
fn rpcs() -> Vec<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptors of the API");
    let services = pool
        .services()
        .filter(|service| service.package_name() == PACKAGE);
    let rpcs: Vec<String> = services
        .flat_map(|service| {
            let methods: Vec<_> = service.methods().collect();
            methods
                .into_iter()
                .map(move |method| format!("/{}/{}", service.full_name(), method.name()))
        })
        .collect();
    assert!(rpcs.len() > 20, "{rpcs:?}");
    rpcs
}

/// RPCs without a rule, rules without an RPC, and second rules.
fn mismatches(rpcs: &[String], rules: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ruled = BTreeSet::new();
    for path in rules {
        if !rpcs.iter().any(|rpc| rpc == path) {
            faults.push(format!("there is a rule for {path}, and no such RPC"));
        }
        if !ruled.insert(*path) {
            faults.push(format!("{path} has two rules"));
        }
    }
    let bare = rpcs.iter().filter(|rpc| !ruled.contains(rpc.as_str()));
    faults.extend(bare.map(|rpc| format!("{rpc} has no rule")));
    faults
}

#[test]
fn an_rpc_without_its_rule_is_reported() {
    let rpcs = ["/a.A/B", "/a.A/C"].map(str::to_owned);
    assert_none(&mismatches(&rpcs, &["/a.A/B", "/a.A/C"]));
    assert_eq!(mismatches(&rpcs, &["/a.A/B"]).len(), 1);
    assert_eq!(mismatches(&rpcs, &["/a.A/B", "/a.A/C", "/a.A/D"]).len(), 1);
    assert_eq!(mismatches(&rpcs, &["/a.A/B", "/a.A/C", "/a.A/C"]).len(), 1);
}
