//! What the model keeps: plain records in plain lists, which nothing is ever removed from.

use super::uses::Used;

/// A text from the lists that everything is chosen from.
pub(super) type Text = &'static str;
/// A department, empty for the whole library, and a user type.
pub(super) type Pair = (Text, Text);

/// All that there is.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Unix milliseconds.
    pub(super) now: i64,
    pub(super) libraries: Vec<Library>,
    pub(super) user_types: Vec<UserType>,
    pub(super) users: Vec<User>,
    pub(super) tokens: Vec<Token>,
    pub(super) watermarks: Vec<Watermark>,
    pub(super) events: Vec<Event>,
    pub(super) kept: Vec<Kept>,
    /// Whether all tokens are loaded, and what they were used for.
    pub(super) complete: bool,
    /// All that expired, or came near it, before this time was told.
    pub(super) due: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Library {
    pub(super) name: Text,
    pub(super) alive: bool,
    pub(super) disabled: bool,
    pub(super) tokens_enabled: bool,
    pub(super) tenant: Text,
    pub(super) default: Text,
    pub(super) suggested: Text,
    pub(super) longest: Text,
    pub(super) contact_apis: Vec<Text>,
    pub(super) networks: Vec<Text>,
    /// How many live API tokens a user may have; 0 for any number.
    pub(super) limit: u32,
    /// For how long a session may lie idle; empty for any time.
    pub(super) idle: Text,
    /// Which key seals its secrets, if it shows them again.
    pub(super) reveal_key: Option<u64>,
    /// The revision of its last change.
    pub(super) revision: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct UserType {
    pub(super) library: usize,
    pub(super) name: Text,
    pub(super) alive: bool,
    pub(super) permissions: Vec<Text>,
    pub(super) revision: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct User {
    pub(super) library: usize,
    pub(super) name: Text,
    pub(super) alive: bool,
    pub(super) kind: Text,
    pub(super) disabled: bool,
    /// Sorted, each once.
    pub(super) assigned: Vec<Pair>,
    pub(super) owner: Text,
    pub(super) password: Option<Text>,
    pub(super) revision: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) session: bool,
    pub(super) library: usize,
    pub(super) user: usize,
    pub(super) issued_by: String,
    pub(super) display_name: Text,
    pub(super) description: Text,
    pub(super) created: i64,
    /// The revision that made it.
    pub(super) created_at: u64,
    pub(super) not_before: Option<i64>,
    pub(super) expires: i64,
    pub(super) suspended: Option<Suspended>,
    pub(super) revoked: Option<Revoked>,
    pub(super) rotated_from: Option<usize>,
    /// By which token, until when both are good, and who did it.
    pub(super) superseded: Option<(usize, i64, String)>,
    pub(super) grant: Grant,
    /// The key that its secret is sealed under.
    pub(super) sealed_under: Option<u64>,
    pub(super) used: Used,
    pub(super) imported: Option<Imported>,
    pub(super) revision: u64,
}

/// How a token came from another system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Imported {
    pub(super) strong: bool,
    /// By what it is found: the whole string or its locator.
    pub(super) found_by: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Suspended {
    pub(super) by: String,
    pub(super) by_administrator: bool,
    pub(super) reason: Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Revoked {
    pub(super) time: i64,
    pub(super) by: String,
    pub(super) reason: Text,
    pub(super) comment: Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grant {
    pub(super) pin: Option<Pair>,
    pub(super) right: Text,
    /// Sorted, each once.
    pub(super) listed: Vec<Text>,
    pub(super) apis: Vec<Text>,
    pub(super) networks: Vec<Text>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watermark {
    pub(super) library: usize,
    /// This user's tokens alone.
    pub(super) user: Option<usize>,
    pub(super) sessions_only: bool,
    pub(super) created_before: Option<i64>,
    pub(super) revoked: Revoked,
    pub(super) revision: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    /// In whose log it stands.
    pub(super) log: usize,
    pub(super) time: i64,
    pub(super) action: Text,
    pub(super) actor: String,
    pub(super) acting_for: String,
    /// The token presented; none if the authority itself did it.
    pub(super) presented: Option<usize>,
    pub(super) library: Text,
    pub(super) token: Option<usize>,
    pub(super) user: Text,
    pub(super) user_type: Text,
    pub(super) fields: Vec<Text>,
    pub(super) comment: Comment,
    pub(super) revision: u64,
}

/// The comment of an event.
#[derive(Debug, Clone)]
pub(super) enum Comment {
    Text(Text),
    Told(String),
    /// That this token took the other's place.
    TakesPlace(usize),
    /// The uid of this library, which was deleted.
    UidOf(usize),
}

/// What a call with a request id was answered.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The user presented and the user acted for, the action and the id.
    pub(super) key: (usize, usize, Text, u8),
    pub(super) payload: u8,
    pub(super) time: i64,
    pub(super) answer: Answer,
}

/// What a call that is carried out tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) subject: Subject,
    /// The token whose secret it tells.
    pub(super) secret: Option<usize>,
    /// The first words of each warning.
    pub(super) warnings: Vec<Text>,
    pub(super) clamped: bool,
}

/// The record that an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Subject {
    #[default]
    Nothing,
    Library(usize),
    UserType(usize),
    User(usize),
    Token(usize),
    Watermark,
}

/// What a change writes: records in their places, which for a new one is the end of its list.
#[derive(Debug, Clone, Default)]
pub(super) struct Effect {
    pub(super) libraries: Vec<(usize, Library)>,
    pub(super) user_types: Vec<(usize, UserType)>,
    pub(super) users: Vec<(usize, User)>,
    pub(super) tokens: Vec<(usize, Token)>,
    pub(super) watermarks: Vec<Watermark>,
    /// `None` if nothing changes.
    pub(super) event: Option<Event>,
    pub(super) answer: Answer,
}

// === impl Comment ===

impl Default for Comment {
    fn default() -> Comment {
        Comment::Text("")
    }
}

// === impl Model ===

impl Model {
    /// Carries out what a commit of this revision wrote.
    pub(super) fn apply(&mut self, effect: Effect, revision: u64) {
        for (at, library) in effect.libraries {
            put(
                &mut self.libraries,
                at,
                Library {
                    revision,
                    ..library
                },
            );
        }
        for (at, user_type) in effect.user_types {
            put(
                &mut self.user_types,
                at,
                UserType {
                    revision,
                    ..user_type
                },
            );
        }
        for (at, user) in effect.users {
            put(&mut self.users, at, User { revision, ..user });
        }
        for (at, mut token) in effect.tokens {
            // What it is used for is no part of a change.
            if let Some(now) = self.tokens.get(at) {
                token.used = now.used.clone();
            } else {
                (token.created_at, token.used) = (revision, Used::default());
            }
            put(&mut self.tokens, at, Token { revision, ..token });
        }
        let marks = effect.watermarks.into_iter();
        self.watermarks
            .extend(marks.map(|mark| Watermark { revision, ..mark }));
        self.events
            .extend(effect.event.map(|event| Event { revision, ..event }));
    }

    pub(super) fn library(&self, name: &str) -> Option<usize> {
        self.libraries
            .iter()
            .position(|l| l.alive && l.name == name)
    }

    pub(super) fn user(&self, library: usize, name: &str) -> Option<usize> {
        self.users
            .iter()
            .position(|u| u.alive && u.library == library && u.name == name)
    }

    pub(super) fn user_type(&self, library: usize, name: &str) -> Option<usize> {
        self.user_types
            .iter()
            .position(|t| t.alive && t.library == library && t.name == name)
    }

    /// Whether the library and the user of a token are still there.
    pub(super) fn is_owned(&self, token: &Token) -> bool {
        self.libraries[token.library].alive && self.users[token.user].alive
    }

    /// The watermarks that kill a token.
    pub(super) fn killing(&self, token: &Token) -> impl Iterator<Item = &Watermark> {
        self.watermarks.iter().filter(|mark| {
            mark.library == token.library
                && mark.user.is_none_or(|user| user == token.user)
                && (token.session || !mark.sessions_only)
                && match mark.created_before {
                    Some(time) => token.created < time,
                    None => token.created_at < mark.revision,
                }
        })
    }

    pub(super) fn is_revoked(&self, token: &Token) -> bool {
        let superseded = token.superseded.as_ref();
        token.revoked.is_some()
            || self.killing(token).next().is_some()
            || superseded.is_some_and(|(_, until, _)| *until <= self.now)
    }

    /// The state that lists tell.
    pub(super) fn state(&self, token: &Token) -> Text {
        if self.is_revoked(token) {
            "REVOKED"
        } else if !self.is_owned(token) {
            "OWNER_DELETED"
        } else if token.suspended.is_some() {
            "SUSPENDED"
        } else if token.not_before.is_some_and(|start| self.now < start) {
            "NOT_YET_VALID"
        } else if token.expires <= self.now || self.lies_idle(token) {
            "EXPIRED"
        } else {
            "ACTIVE"
        }
    }
}

fn put<T>(list: &mut Vec<T>, at: usize, record: T) {
    if at == list.len() {
        list.push(record);
    } else {
        list[at] = record;
    }
}
