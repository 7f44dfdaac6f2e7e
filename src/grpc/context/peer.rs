//! Who calls: the connection's peer, or whom trusted proxies say they call for.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Where proxies note whom they forward for, each at the right end.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address nearest to the caller that is vouched for by nothing but trusted proxies.
pub(super) fn address(connected: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut vouched = connected;
    if !is_trusted(vouched, trusted) {
        return vouched;
    }
    let values = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in hops.into_iter().rev() {
        // What can't be read vouches for nobody: what stands left of it may be anyone's.
        let Ok(address) = hop.parse::<IpAddr>() else {
            return vouched;
        };
        vouched = address.to_canonical();
        if !is_trusted(vouched, trusted) {
            return vouched;
        }
    }
    vouched
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(connected: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        address(connected.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_forwards_for_nobody() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_of_ours_is_the_caller() {
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("10.0.0.1", &["192.0.2.66, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("10.0.0.1", &["192.0.2.66", "198.51.100.1,fd00::7"]),
            "198.51.100.1"
        );
        assert_eq!(seen("10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn nothing_is_believed_left_of_what_cannot_be_read() {
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]),
            "10.0.0.2"
        );
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, "]), "10.0.0.1");
    }
}
