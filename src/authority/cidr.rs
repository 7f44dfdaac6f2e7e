//! Client addresses, and the networks that a token may be used from.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// An address, IPv4-mapped IPv6 made IPv4: what compares equal is the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(IpAddr);

/// A network without host bits, IPv4-mapped IPv6 made IPv4. Ordered, so that lists compare as sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

// === impl Address ===

impl Address {
    /// One address in its usual notation: no port, zone, prefix, list or surrounding space.
    pub fn parse(text: &str) -> Result<Address, &'static str> {
        text.parse().map(Address::new).map_err(
            |_| "must be one IPv4 or IPv6 address, such as \"192.0.2.7\" or \"2001:db8::7\"",
        )
    }

    /// The canonical form of an address.
    #[must_use]
    pub fn new(address: IpAddr) -> Address {
        Address(address.to_canonical())
    }

    /// Its 4 or 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self.0 {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        }
    }

    /// The inverse of [`Address::to_bytes`]; `None` for anything that it can't have made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Address> {
        let address: IpAddr = match <[u8; 4]>::try_from(bytes) {
            Ok(v4) => v4.into(),
            Err(_) => <[u8; 16]>::try_from(bytes).ok()?.into(),
        };
        (address.to_canonical() == address).then_some(Address(address))
    }

    /// What tells one client from another: the address, or of IPv6 the first 64 bits, since whoever has one address of
    /// such a network has all of them.
    #[must_use]
    pub fn client(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => {
                let mut network = v6.octets();
                network[8..].fill(0);
                network
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Cidr ===

impl Cidr {
    /// A network such as "10.0.0.0/8", or a bare address, which is a network of one.
    pub fn parse(text: &str) -> Result<Cidr, &'static str> {
        const WHAT: &str =
            "must be a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or one address";
        // The standard library reads an address in one way only; others take "010.0.0.0" for 10.0.0.0 or for 8.0.0.0.
        let (address, length) = text
            .split_once('/')
            .map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| WHAT)?;
        let net = match length {
            None => IpNet::from(address),
            Some(digits) => {
                let length: u8 = digits.parse().map_err(|_| WHAT)?;
                // "/08" and "/+8" are numbers too.
                if length.to_string() != digits {
                    return Err(WHAT);
                }
                IpNet::new(address, length).map_err(|_| WHAT)?
            }
        };
        if net.addr() != net.network() {
            return Err("must not have bits set behind its prefix length");
        }
        Ok(Cidr(canonical(net)))
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        self.0.contains(&address.0)
    }

    /// What lies in both: of two networks that overlap, one lies in the other.
    #[must_use]
    pub fn intersect(self, other: Cidr) -> Option<Cidr> {
        if self.0.contains(&other.0) {
            return Some(other);
        }
        other.0.contains(&self.0).then_some(self)
    }

    /// The address's 4 or 16 bytes, then the prefix length.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = match self.0.addr() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        bytes.push(self.0.prefix_len());
        bytes
    }

    /// The inverse of [`Cidr::to_bytes`]; `None` for anything that it can't have made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Cidr> {
        let (prefix, address) = bytes.split_last()?;
        let address: IpAddr = if let Ok(v4) = <[u8; 4]>::try_from(address) {
            v4.into()
        } else {
            <[u8; 16]>::try_from(address).ok()?.into()
        };
        let net = IpNet::new(address, *prefix).ok()?;
        (net.addr() == net.network() && canonical(net) == net).then_some(Cidr(net))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether an address satisfies a restriction: an empty list restricts nothing, any other needs an address.
#[must_use]
pub fn allows(allowed: &[Cidr], address: Option<Address>) -> bool {
    allowed.is_empty() || address.is_some_and(|a| allowed.iter().any(|c| c.contains(a)))
}

/// An address that satisfies both restrictions; `None` if there is none, or if neither restricts anything.
#[must_use]
pub fn common_address(one: &[Cidr], other: &[Cidr]) -> Option<Address> {
    let either = if one.is_empty() { other } else { one };
    let common = if one.is_empty() || other.is_empty() {
        either.first().copied()
    } else {
        one.iter()
            .find_map(|a| other.iter().find_map(|b| a.intersect(*b)))
    };
    common.map(|Cidr(net)| Address::new(net.network()))
}

/// Length of the prefix `::ffff:0:0/96` under which IPv6 maps IPv4 (RFC 4291, section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

fn canonical(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_PREFIX => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - MAPPED_PREFIX).unwrap_or(net),
            None => net,
        },
        _ => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_judged_as_the_ipv4_address_that_it_is() {
        let net = Cidr::parse("10.0.0.0/8").unwrap();
        assert!(net.contains(Address::parse("::ffff:10.0.0.5").unwrap()));
        assert!(!net.contains(Address::parse("::ffff:11.0.0.5").unwrap()));
        assert_eq!(Cidr::parse("::ffff:10.0.0.0/104").unwrap(), net);
    }

    #[test]
    fn impossible_networks_are_refused() {
        for bad in [
            "",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.1/8",
            "10.0.0/8",
            "2001:db8::1/32",
            "::/129",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            " 10.0.0.0/8",
            "10.0.0.0/8 ",
            "10.0.0.0/8,11.0.0.0/8",
            "010.0.0.1",
            "010.0.0.0/8",
            "10.0.0.0/0x8",
            "fe80::1%eth0",
            "localhost",
        ] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_exactly_one() {
        for bad in [
            "",
            "10.0.0.5:80",
            "[::1]",
            "10.0.0.5, 10.0.0.6",
            "0x0a000005",
            "10.0.0.5\n",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_restriction_needs_an_address_and_none_needs_nothing() {
        let net = [Cidr::parse("192.0.2.7").unwrap()];
        assert!(allows(&[], None));
        assert!(!allows(&net, None));
        assert!(allows(&net, Address::parse("192.0.2.7").ok()));
        assert!(!allows(&net, Address::parse("192.0.2.8").ok()));
    }

    #[test]
    fn a_common_address_lies_in_both_networks() {
        let nets = |texts: &[&str]| -> Vec<Cidr> {
            texts
                .iter()
                .map(|text| Cidr::parse(text).unwrap())
                .collect()
        };
        let common = |one: &[&str], other: &[&str]| common_address(&nets(one), &nets(other));
        assert_eq!(common(&[], &[]), None);
        assert_eq!(common(&["10.0.0.0/8"], &["11.0.0.0/8", "::/0"]), None);
        for (one, other) in [
            (&["10.0.0.0/8"][..], &[][..]),
            (&[], &["10.0.0.0/8"]),
            (&["192.0.2.0/24", "10.0.0.0/8"], &["10.1.0.0/16"]),
            (&["10.1.0.0/16"], &["10.0.0.0/8"]),
        ] {
            let found = common(one, other);
            assert!(found.is_some() && allows(&nets(one), found) && allows(&nets(other), found));
        }
    }

    #[test]
    fn bytes_and_back() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "192.0.2.7/32",
        ] {
            let net = Cidr::parse(text).unwrap();
            assert_eq!(Cidr::from_bytes(&net.to_bytes()), Some(net));
            assert_eq!(net.to_string(), text);
        }
        for bad in [
            &[][..],
            &[8],
            &[10, 0, 0, 1, 8],
            &[10, 0, 0, 0, 33],
            &[10, 0, 0, 8],
        ] {
            assert_eq!(Cidr::from_bytes(bad), None);
        }
    }
}
