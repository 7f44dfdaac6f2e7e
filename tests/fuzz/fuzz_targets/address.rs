//! Client addresses and networks: one canonical form, and an intersection that contains what both sides contain.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_authority::authority::cidr::{Address, Cidr, allows, common_address};

// One address or network a line.
fuzz_target!(|input: &[u8]| {
    if let Some(address) = Address::from_bytes(input) {
        assert_eq!(address.to_bytes(), input);
    }
    if let Some(network) = Cidr::from_bytes(input) {
        assert_eq!(network.to_bytes(), input);
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let lines: Vec<&str> = text.lines().take(8).collect();
    let addresses: Vec<Address> = lines.iter().filter_map(|line| address(line)).collect();
    let networks: Vec<Cidr> = lines.iter().filter_map(|line| network(line)).collect();
    for one in &networks {
        for other in &networks {
            let both = one.intersect(*other);
            assert_eq!(both, other.intersect(*one));
            for address in &addresses {
                let contained = one.contains(*address) && other.contains(*address);
                assert_eq!(both.is_some_and(|both| both.contains(*address)), contained);
            }
        }
    }
    let (ours, theirs) = networks.split_at(networks.len() / 2);
    if let Some(address) = common_address(ours, theirs) {
        assert!(allows(ours, Some(address)) && allows(theirs, Some(address)));
    }
    assert!(networks.is_empty() || !allows(&networks, None));
});

fn address(line: &str) -> Option<Address> {
    let address = Address::parse(line).ok()?;
    assert_eq!(Address::parse(&address.to_string()), Ok(address));
    assert_eq!(Address::from_bytes(&address.to_bytes()), Some(address));
    // What is mapped into IPv6 is the same machine.
    if let [a, b, c, d] = address.to_bytes()[..] {
        assert_eq!(
            Address::parse(&format!("::ffff:{a}.{b}.{c}.{d}")),
            Ok(address)
        );
    }
    Some(address)
}

fn network(line: &str) -> Option<Cidr> {
    let network = Cidr::parse(line).ok()?;
    assert_eq!(Cidr::parse(&network.to_string()), Ok(network));
    assert_eq!(Cidr::from_bytes(&network.to_bytes()), Some(network));
    assert_eq!(network.intersect(network), Some(network));
    if let Ok(address) = Address::parse(line) {
        assert!(network.contains(address));
    }
    Some(network)
}
