//! Random records and demands.

use super::naive::{OWNER, PATTERNS, WANTED};
use crate::authority::tests::dice::Dice;
use crate::authority::tests::naive::{NETWORKS, Plain};

impl Dice {
    pub(super) fn case(&mut self) -> Plain {
        const PAIRS: [(&str, &str); 5] = [
            ("", "a"),
            ("north", "a"),
            ("north", "b"),
            ("south", "b"),
            ("", "c"),
        ];
        let departments = ["north", "", "south", "west"];
        let apis = ["orders", "", "stock", "bills"];
        Plain {
            revoked_from: self.mostly(&[None, Some(0), Some(100), Some(101)]),
            suspended: self.mostly(&[false, true]),
            not_before: self.mostly(&[0, 100, 101, i64::MAX]),
            expire_time: self.mostly(&[200, 101, 100, 0, i64::MIN]),
            now: self.mostly(&[100, 0, 200, i64::MAX]),
            kind: self.one(&["API", "SESSION"]),
            active: self.mostly(&[
                100,
                100 - 360_000,
                101 - 360_000,
                -10_000_000,
                i64::MIN,
                i64::MAX,
            ]),
            idle_minutes: self.one(&[0, 5, 30]),
            library: self.one(&["acme", "acme", "system"]),
            library_state: self.mostly(&["ACTIVE", "DISABLED", "DELETED"]),
            library_networks: match self.roll() % 4 {
                0 => self.some(&NETWORKS.map(|(network, _)| network), 2),
                _ => Vec::new(),
            },
            user_state: self.mostly(&["ACTIVE", "DISABLED", "DELETED"]),
            user_kind: self.one(&["STANDARD", "API_ONLY", "CONTACT"]),
            owner: OWNER,
            assigned: self.some(&PAIRS, 3),
            types: ["a", "b", "c"].map(|t| (t, self.some(&PATTERNS, 3))).into(),
            pin: self.one(&[None, None, Some(PAIRS[0]), Some(PAIRS[1]), Some(PAIRS[3])]),
            right: self.one(&["FULL", "READ_ONLY", "CUSTOM"]),
            listed: self.some(&PATTERNS, 3),
            apis: self.some(
                &apis.map(|api| if api.is_empty() { "orders" } else { api }),
                2,
            ),
            networks: match self.roll() % 3 {
                0 => self.some(&NETWORKS.map(|(network, _)| network), 2),
                _ => Vec::new(),
            },
            wanted_library: self.one(&["", "acme", "acme", "system", "globex"]),
            wanted: self.some(&WANTED, 2),
            wanted_department: self.one(&departments),
            wanted_api: self.one(&apis),
            wanted_owner: self.one(&["", OWNER, OWNER, "globex"]),
            ip: self.one(&[
                "10.0.0.5",
                "::ffff:10.0.0.5",
                "2001:db8::1",
                "203.0.113.9",
                "",
            ]),
            promises_owner: self.one(&[false, true]),
            promises_department: self.one(&[false, true]),
        }
    }
}
