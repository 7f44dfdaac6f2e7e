//! Every RPC has a rule that says who may call it.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use token_authority::grpc::identity::RULES;

use crate::assert_none;

/// The descriptors of all that is served.
const SERVED: [&[u8]; 4] = [
    token_authority::proto::FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

#[test]
fn every_rpc_has_exactly_one_authorisation_rule() {
    let paths: Vec<&str> = RULES.iter().map(|(path, _)| *path).collect();
    assert_none(&mismatches(&rpcs(), &paths));
}

/// The full path of every RPC.
fn rpcs() -> Vec<String> {
    let rpcs: Vec<String> = SERVED.into_iter().flat_map(rpcs_of).collect();
    assert!(rpcs.len() > 20, "{rpcs:?}");
    rpcs
}

fn rpcs_of(descriptors: &[u8]) -> Vec<String> {
    let pool = DescriptorPool::decode(descriptors).expect("descriptors");
    let services: Vec<_> = pool.services().collect();
    let paths = services.iter().flat_map(|service| {
        let methods = service.methods();
        methods.map(|method| format!("/{}/{}", service.full_name(), method.name()))
    });
    paths.collect()
}

/// RPCs without a rule, rules without an RPC, and second rules.
fn mismatches(rpcs: &[String], rules: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut with_rule = BTreeSet::new();
    for path in rules {
        if !rpcs.iter().any(|rpc| rpc == path) {
            faults.push(format!("there is a rule for {path}, and no such RPC"));
        }
        if !with_rule.insert(*path) {
            faults.push(format!("{path} has two rules"));
        }
    }
    let bare = rpcs.iter().filter(|rpc| !with_rule.contains(rpc.as_str()));
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
