//! Random tokens and filters, and what a filter means, said as plainly as can be.

use crate::authority::directory::Uid;
use crate::authority::index::Sort;
use crate::authority::list::{TokenFilter, Window};
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;
use crate::authority::state::TokenState;
use crate::authority::tests::samples::{
    assignment, demanded, granted, lifetime, name, networks, token,
};
use crate::authority::tests::stage::DAY;
use crate::authority::token::{
    AccessRight, Revocation, RevocationReason, Succession, Suspension, Token,
};

/// What each user has: department, user type and its permissions.
pub(super) type Has = &'static [(&'static str, &'static str, &'static [&'static str])];
pub(super) const USERS: [(&str, Has); 4] = [
    ("jane", &[("", "clerk", &["orders:*"])]),
    (
        "ann",
        &[
            ("north", "clerk", &["orders:*"]),
            ("", "reader", &["*:read"]),
        ],
    ),
    (
        "bob",
        &[
            ("south", "mover", &["stock:move", "orders:read"]),
            ("north", "reader", &["*:read"]),
        ],
    ),
    // Deleted before anybody looks.
    ("gone", &[]),
];
const PERMISSIONS: [&str; 5] = [
    "orders:read",
    "orders:write",
    "stock:move",
    "stock:read",
    "tokens:self",
];
const NAMES: [&str; 4] = ["Till 7", "nightly export", "ÜBER", "a token"];
const ISSUERS: [&str; 3] = ["acme/adam", "acme/tom", "token-authority"];
/// How many fields a filter has.
pub(super) const FIELDS: usize = 12;

/// Random choices, the same in every run.
pub(super) struct Dice(pub(super) u32);

impl Dice {
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(u32::try_from(of.len()).unwrap()) as usize]
    }

    /// So many days around now, more or less.
    fn around(&mut self, now: Moment, days: u32) -> Moment {
        let day = i64::from(self.below(2 * days + 1)) - i64::from(days);
        Moment(now.0 + day * DAY + i64::from(self.below(3)))
    }
}

pub(super) fn any_token(
    dice: &mut Dice,
    number: u16,
    library: Uid,
    users: &[Uid],
    now: Moment,
) -> Token {
    let who = dice.below(4) as usize;
    let (user, has) = USERS[who];
    let mut made = token(0, 0, 0, 0);
    let [high, low] = number.to_be_bytes();
    (made.id.0[0], made.id.0[15], made.id.0[7]) = (low, high, 1);
    (made.library_uid, made.user_uid) = (library, users[who]);
    made.user = name(user);
    made.create_time = Moment(now.0 - i64::from(dice.below(800)) * DAY);
    made.expire_time = dice.around(now, 60);
    if dice.below(4) == 0 {
        made.expire_time = Moment(now.0 + i64::from(720 + dice.below(20)) * DAY);
    }
    made.issued_by = dice.one(&ISSUERS).to_owned();
    made.display_name = dice.one(&NAMES).to_owned();
    made.description = dice.one(&["", "for the till", "über all"]).to_owned();
    if dice.below(4) == 0 {
        made.not_before = Some(dice.around(now, 5));
    }
    if dice.below(5) == 0 {
        made.suspension = Some(Suspension {
            time: now,
            suspended_by: "acme/adam".to_owned(),
            by_administrator: true,
            reason: String::new(),
        });
    }
    match dice.below(8) {
        0 => {
            made.revocation = Some(Revocation {
                time: now,
                reason: RevocationReason::Other,
                revoked_by: "acme/adam".to_owned(),
                comment: String::new(),
            });
        }
        1 => {
            made.succession = Some(Succession {
                superseded_by: TokenId([7; 16]),
                until: dice.around(now, 1),
                rotated_by: "acme/adam".to_owned(),
            });
        }
        _ => {}
    }
    if !has.is_empty() && dice.below(3) == 0 {
        let (department, user_type, _) = dice.one(has);
        made.grant.pin = Some(match department {
            "" => assignment(user_type),
            _ => assignment(&format!("{department}/{user_type}")),
        });
    } else if dice.below(6) == 0 {
        // Of an assignment that was taken away.
        made.grant.pin = Some(assignment("west/clerk"));
    }
    match dice.below(4) {
        0 => made.grant.access_right = AccessRight::ReadOnly,
        1 => {
            made.grant.access_right = AccessRight::Custom;
            made.grant.permissions = granted(&[dice.one(&["orders:read", "*:move", "orders:*"])]);
        }
        _ => {}
    }
    if dice.below(3) == 0 {
        made.grant.allowed_cidrs = networks(&["10.0.0.0/8"]);
    }
    made
}

/// Narrows a filter by one more field.
pub(super) fn narrow(filter: &mut TokenFilter, field: usize, dice: &mut Dice, now: Moment) {
    let mut window = |days| {
        let bounds = dice.below(3);
        Window {
            from: (bounds != 0).then(|| dice.around(now, days)),
            to: (bounds != 1).then(|| dice.around(now, days)),
        }
    };
    match field {
        0 => filter.states = vec![dice.one(&TokenState::ALL), dice.one(&TokenState::ALL)],
        1 => filter.user = Some(name(dice.one(&["jane", "ann", "bob", "adam"]))),
        2 => filter.department = Some(name(dice.one(&["north", "south", "west", "east"]))),
        3 => filter.user_type = Some(name(dice.one(&["clerk", "reader", "mover", "admin"]))),
        4 => filter.created = window(700),
        5 => filter.expires = window(50),
        6 => filter.expires_within = Some(lifetime(dice.one(&["1d", "30d", "1y"]))),
        7 => filter.issued_by = Some(dice.one(&["acme/adam", "token-authority"]).to_owned()),
        8 => {
            let text = dice.one(&["TILL", "über", "export", "Token", "none"]);
            filter.name_contains = Some(text.to_owned());
        }
        9 => filter.permission = Some(demanded(dice.one(&PERMISSIONS))),
        10 => filter.restricted_by_ip = Some(dice.below(2) == 0),
        _ => filter.longer_than_policy = true,
    }
}

/// What a filter leaves, found by looking at everything.
pub(super) fn naively(filter: &TokenFilter, tokens: &[Token], now: Moment) -> Vec<TokenId> {
    let mut left: Vec<&Token> = tokens.iter().filter(|t| wanted(filter, t, now)).collect();
    match filter.sort {
        Sort::Created => left.sort_by_key(|t| (std::cmp::Reverse(t.create_time), t.id)),
        Sort::Expires => left.sort_by_key(|t| (t.expire_time, t.id)),
    }
    left.into_iter().map(|t| t.id).collect()
}

fn wanted(filter: &TokenFilter, token: &Token, now: Moment) -> bool {
    let in_window = |window: Window, time: Moment| {
        !(window.from.is_some_and(|from| time < from) || window.to.is_some_and(|to| time >= to))
    };
    let pin = token.grant.pin.as_ref();
    let texts = [&token.display_name, &token.description].map(|text| text.to_lowercase());
    let until = |text: &str| now.checked_add(&lifetime(text)).unwrap();
    let longest = now.checked_add(&lifetime("24mo")).unwrap();
    let checks = [
        filter.states.contains(&state(token, now)),
        filter.user.as_ref().is_none_or(|user| token.user == *user),
        filter
            .department
            .as_ref()
            .is_none_or(|d| pin.is_some_and(|pin| pin.department.as_ref() == Some(d))),
        filter
            .user_type
            .as_ref()
            .is_none_or(|t| pin.is_some_and(|pin| pin.user_type == *t)),
        in_window(filter.created, token.create_time),
        in_window(filter.expires, token.expire_time),
        filter.expires_within.as_ref().is_none_or(|within| {
            token.expire_time >= now && token.expire_time < until(within.as_str())
        }),
        filter
            .issued_by
            .as_ref()
            .is_none_or(|by| token.issued_by == *by),
        filter
            .name_contains
            .as_ref()
            .is_none_or(|part| texts.iter().any(|t| t.contains(&part.to_lowercase()))),
        filter
            .permission
            .as_ref()
            .is_none_or(|p| has(token, p.as_str())),
        filter
            .restricted_by_ip
            .is_none_or(|is| is != token.grant.allowed_cidrs.is_empty()),
        !filter.longer_than_policy || token.expire_time > longest,
    ];
    checks.into_iter().all(|holds| holds)
}

pub(super) fn state(token: &Token, now: Moment) -> TokenState {
    let superseded = token.succession.as_ref().is_some_and(|s| s.until <= now);
    if token.revocation.is_some() || superseded {
        TokenState::Revoked
    } else if token.user == name("gone") {
        TokenState::OwnerDeleted
    } else if token.suspension.is_some() {
        TokenState::Suspended
    } else if token.not_before.is_some_and(|start| start > now) {
        TokenState::NotYetValid
    } else if token.expire_time <= now {
        TokenState::Expired
    } else {
        TokenState::Active
    }
}

fn has(token: &Token, wanted: &str) -> bool {
    let matches = |pattern: &str| {
        let ((p, q), (r, s)) = (
            pattern.split_once(':').unwrap(),
            wanted.split_once(':').unwrap(),
        );
        r != "tokens" && (p == "*" || p == r) && (q == "*" || q == s)
    };
    let of_user = USERS.iter().find(|(user, _)| name(user) == token.user);
    let user_has = of_user.is_some_and(|(user, has)| {
        *user != "gone"
            && has.iter().any(|(department, user_type, permissions)| {
                let counts = token.grant.pin.as_ref().is_none_or(|pin| {
                    pin.user_type == name(user_type)
                        && pin.department.as_ref().map_or("", |d| d.as_str()) == *department
                });
                counts && permissions.iter().any(|p| matches(p))
            })
    });
    let kept = match token.grant.access_right {
        AccessRight::Full => true,
        AccessRight::ReadOnly => wanted.ends_with(":read"),
        AccessRight::Custom => token.grant.permissions.texts().any(matches),
    };
    // Nobody here holds tokens:self but those who administer.
    let administers = ["adam", "tom"].contains(&token.user.as_str());
    (user_has && kept) || (wanted == "tokens:self" && administers)
}
