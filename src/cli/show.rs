//! The things of the API as people look at them. Fields are named as the options that set them.

use jiff::Timestamp;

use super::output::Shown;
use super::words::Word;
use crate::proto::v1;

/// How much of a description stands for a name in a list, characters: as much as fits beside the rest.
const CALLED_CHARS: usize = 30;

// === impl Shown ===

impl Shown for v1::Library {
    const COLUMNS: &'static [&'static str] = &[
        "library",
        "display-name",
        "state",
        "tokens-enabled",
        "max-lifetime",
    ];
    const MORE: &'static [&'static str] = &[
        "tenant-id",
        "default-lifetime",
        "suggested-lifetime",
        "secret-display",
        "max-tokens-per-user",
        "created",
    ];
    const MOMENTS: &'static [&'static str] = &["created"];
    const NAMED_BY: &'static str = "library";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("library", self.library.clone()),
            ("display-name", self.display_name.clone()),
            ("tenant-id", self.tenant_id.clone()),
            ("state", v1::LibraryState::word(self.state)),
            ("tokens-enabled", self.tokens_enabled().to_string()),
            ("default-lifetime", self.default_lifetime.clone()),
            ("suggested-lifetime", self.suggested_lifetime.clone()),
            ("max-lifetime", self.max_lifetime.clone()),
            ("contact-api", self.contact_apis.join(", ")),
            ("allowed-cidr", self.allowed_cidrs.join(", ")),
            ("max-tokens-per-user", limit(self.max_tokens_per_user)),
            (
                "secret-display",
                v1::SecretDisplay::word(self.secret_display),
            ),
            ("usage-instructions", self.usage_instructions.clone()),
            ("session-idle-timeout", self.session_idle_timeout.clone()),
            ("created", time(self.create_time.as_ref())),
            ("uid", self.uid.clone()),
            ("etag", self.etag.clone()),
        ]
    }
}

impl Shown for v1::UserType {
    const COLUMNS: &'static [&'static str] = &["user-type", "permission"];
    const MORE: &'static [&'static str] = &["created"];
    const MOMENTS: &'static [&'static str] = &["created"];
    const NAMED_BY: &'static str = "user-type";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("user-type", self.user_type.clone()),
            ("library", self.library.clone()),
            ("permission", self.permissions.join(", ")),
            ("created", time(self.create_time.as_ref())),
            ("etag", self.etag.clone()),
        ]
    }
}

impl Shown for v1::User {
    const COLUMNS: &'static [&'static str] = &["user", "display-name", "kind", "state", "assign"];
    const MORE: &'static [&'static str] = &["email", "data-owner", "created"];
    const MOMENTS: &'static [&'static str] = &["created"];
    const NAMED_BY: &'static str = "user";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("user", self.user.clone()),
            ("library", self.library.clone()),
            ("display-name", self.display_name.clone()),
            ("email", self.email.clone()),
            ("kind", v1::UserKind::word(self.kind)),
            ("state", v1::UserState::word(self.state)),
            ("assign", assignments(&self.assignments)),
            ("data-owner", self.data_owner.clone()),
            ("created", time(self.create_time.as_ref())),
            ("uid", self.uid.clone()),
            ("etag", self.etag.clone()),
        ]
    }
}

impl Shown for v1::Token {
    const COLUMNS: &'static [&'static str] = &[
        "token-id",
        "kind",
        "user",
        "name",
        "state",
        "expires",
        "last-used",
    ];
    const MORE: &'static [&'static str] = &[
        "department",
        "user-type",
        "access-right",
        "permission",
        "api",
        "allowed-cidr",
        "last-used-from",
        "issued-by",
        "not-before",
        "created",
    ];
    const MOMENTS: &'static [&'static str] = &[
        "superseded-until",
        "not-before",
        "expires",
        "last-used",
        "created",
    ];
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let last = self.last_use.clone().unwrap_or_default();
        vec![
            ("token-id", self.token_id.clone()),
            ("kind", v1::TokenKind::word(self.kind)),
            ("library", self.library.clone()),
            ("user", self.user.clone()),
            ("display-name", self.display_name.clone()),
            ("description", self.description.clone()),
            ("device", self.device_name.clone()),
            ("imported", v1::ImportStrength::word(self.imported)),
            ("state", v1::TokenState::word(self.state)),
            (
                "suspended",
                self.suspension.as_ref().map(suspended).unwrap_or_default(),
            ),
            (
                "revoked",
                self.revocation.as_ref().map(revoked).unwrap_or_default(),
            ),
            ("rotated-from", self.rotated_from.clone()),
            ("superseded-by", self.superseded_by.clone()),
            ("superseded-until", time(self.superseded_until.as_ref())),
            ("not-before", time(self.not_before.as_ref())),
            ("expires", time(self.expire_time.as_ref())),
            ("last-used", time(last.time.as_ref())),
            ("last-used-from", last.client_ip.clone()),
            ("last-used-by", last.used_by.clone()),
            ("used-for", used_for(&last)),
            ("refused", refused(&self.refused_uses)),
            ("department", self.department.clone()),
            ("user-type", self.user_type.clone()),
            ("access-right", v1::AccessRight::word(self.access_right)),
            ("permission", self.permissions.join(", ")),
            ("api", self.apis.join(", ")),
            ("allowed-cidr", self.allowed_cidrs.join(", ")),
            ("created", time(self.create_time.as_ref())),
            ("issued-by", self.issued_by.clone()),
            ("etag", self.etag.clone()),
        ]
    }

    fn abridged(&self) -> Vec<(&'static str, String)> {
        vec![("name", called(self))]
    }
}

/// A token together with its user.
impl Shown for v1::GetTokenResponse {
    const COLUMNS: &'static [&'static str] = v1::Token::COLUMNS;
    const MOMENTS: &'static [&'static str] = v1::Token::MOMENTS;
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let token = self.token.as_ref().map(Shown::fields).unwrap_or_default();
        let user = self.user.clone().unwrap_or_default();
        let of_user = vec![
            ("user-name", user.display_name),
            ("email", user.email),
            ("user-kind", v1::UserKind::word(user.kind)),
            ("user-state", v1::UserState::word(user.state)),
            ("assign", assignments(&user.assignments)),
        ];
        let (mut fields, rest): (Vec<_>, Vec<_>) = token
            .into_iter()
            .partition(|(name, _)| ["token-id", "kind", "library", "user"].contains(name));
        fields.push(("tenant-id", self.tenant_id.clone()));
        fields.extend(of_user);
        fields.extend(rest);
        fields
    }

    fn abridged(&self) -> Vec<(&'static str, String)> {
        self.token.as_ref().map(Shown::abridged).unwrap_or_default()
    }
}

impl Shown for v1::RevokeTokensResult {
    const COLUMNS: &'static [&'static str] = &["token-id", "outcome"];
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let outcome = self.error.as_ref().map(|error| error.message.as_str());
        vec![
            ("token-id", self.token_id.clone()),
            ("outcome", outcome.unwrap_or("revoked").to_owned()),
        ]
    }
}

impl Shown for v1::PolicyChange {
    const COLUMNS: &'static [&'static str] =
        &["token-id", "user", "outcome", "old-expiry", "new-expiry"];
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let outcome = match &self.error {
            Some(error) => error.message.clone(),
            None => self
                .fields
                .iter()
                .map(|field| outcome(field))
                .collect::<Vec<_>>()
                .join(", "),
        };
        vec![
            ("token-id", self.token_id.clone()),
            ("user", self.user.clone()),
            ("outcome", outcome),
            ("old-expiry", time(self.old_expire_time.as_ref())),
            ("new-expiry", time(self.new_expire_time.as_ref())),
        ]
    }
}

impl Shown for v1::AuditEvent {
    const COLUMNS: &'static [&'static str] =
        &["time", "actor", "action", "target", "fields", "comment"];
    const MORE: &'static [&'static str] = &["acting-for", "revision"];
    const MOMENTS: &'static [&'static str] = &["time"];
    const NAMED_BY: &'static str = "revision";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let target = [
            ("user-type", &self.user_type),
            ("user", &self.user),
            ("token", &self.token_id),
        ];
        let mut target: Vec<_> = target
            .iter()
            .filter(|(_, id)| !id.is_empty())
            .map(|(kind, id)| format!("{kind} {id}"))
            .collect();
        if target.is_empty() {
            target.push(format!("library {}", self.library));
        }
        vec![
            ("time", time(self.time.as_ref())),
            ("actor", self.actor.clone()),
            ("acting-for", self.acting_for.clone()),
            ("action", self.action.clone()),
            ("target", target.join(", ")),
            ("fields", self.fields.join(", ")),
            ("comment", self.comment.clone()),
            ("revision", self.revision.clone()),
        ]
    }
}

impl Shown for v1::VerifyResponse {
    const COLUMNS: &'static [&'static str] = &["verdict", "message"];
    const MOMENTS: &'static [&'static str] = &["expires", "superseded-until"];
    const NAMED_BY: &'static str = "token-id";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("verdict", v1::Verdict::word(self.verdict)),
            ("message", self.message.clone()),
            ("token-id", self.token_id.clone()),
            ("kind", v1::TokenKind::word(self.kind)),
            ("library", self.library.clone()),
            ("tenant-id", self.tenant_id.clone()),
            ("user", self.user.clone()),
            ("user-kind", v1::UserKind::word(self.user_kind)),
            ("expires", time(self.expire_time.as_ref())),
            ("assign", assignments(&self.assignments)),
            ("permission", self.permissions.join(", ")),
            ("data-owner", self.data_owner.clone()),
            ("superseded-by", self.superseded_by.clone()),
            ("superseded-until", time(self.superseded_until.as_ref())),
            ("revision", self.revision.clone()),
        ]
    }
}

/// What a token is called in a list: its name, or the beginning of its description.
pub(super) fn called(token: &v1::Token) -> String {
    if !token.display_name.is_empty() {
        return token.display_name.clone();
    }
    let mut called: String = token.description.chars().take(CALLED_CHARS).collect();
    if called.len() < token.description.len() {
        called.push('…');
    }
    called
}

/// What a policy does to a token, by the field that it changes.
fn outcome(field: &str) -> &str {
    match field {
        "expire_time" => "ends sooner",
        "apis" => "fewer APIs",
        "state" => "suspended",
        other => other,
    }
}

/// A limit; empty for none.
fn limit(limit: u32) -> String {
    match limit {
        0 => String::new(),
        limit => limit.to_string(),
    }
}

/// RFC 3339, in UTC, to the second.
pub(super) fn time(time: Option<&prost_types::Timestamp>) -> String {
    let time = time.and_then(|time| Timestamp::from_second(time.seconds).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// As `--assign` takes them.
fn assignments(assignments: &[v1::Assignment]) -> String {
    let word = |assignment: &v1::Assignment| match assignment.department.as_str() {
        "" => assignment.user_type.clone(),
        department => format!("{department}:{}", assignment.user_type),
    };
    assignments.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The permissions that were demanded, as far as they are kept.
fn used_for(last: &v1::LastUse) -> String {
    let more = last.more_permissions.then_some("and more");
    let mut listed: Vec<&str> = last.permissions.iter().map(String::as_str).collect();
    listed.extend(more);
    listed.join(", ")
}

fn refused(refused: &[v1::RefusedUse]) -> String {
    let word = |refused: &v1::RefusedUse| {
        let verdict = v1::Verdict::word(refused.verdict);
        let last = time(refused.last_time.as_ref());
        format!("{verdict}: {}, last {last}", refused.count)
    };
    refused.iter().map(word).collect::<Vec<_>>().join("; ")
}

fn suspended(suspension: &v1::Suspension) -> String {
    ended(
        suspension.time.as_ref(),
        &suspension.suspended_by,
        &[&suspension.reason],
    )
}

fn revoked(revocation: &v1::Revocation) -> String {
    let reason = v1::RevocationReason::word(revocation.reason);
    ended(
        revocation.time.as_ref(),
        &revocation.revoked_by,
        &[&reason, &revocation.comment],
    )
}

fn ended(at: Option<&prost_types::Timestamp>, by: &str, why: &[&str]) -> String {
    let why: Vec<_> = why.iter().copied().filter(|why| !why.is_empty()).collect();
    let colon = if why.is_empty() { "" } else { ": " };
    format!("{} by {by}{colon}{}", time(at), why.join(", "))
}
