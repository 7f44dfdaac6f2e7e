//! The API as its descriptors tell it, and a sound request for every method: one that is new and has none fails here.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use token_authority::proto::FILE_DESCRIPTOR_SET;

/// A sound request for every method, as JSON. `$TOKEN` is a token's id, `$SECRET` its secret, `$NEW` a name that is not taken;
/// the user `subject` has the password [`PASSWORD`].
const SOUND: [(&str, &str); 39] = [
    ("Keys/GetKeyStatus", "{}"),
    ("Keys/RotateKey", "{}"),
    ("Keys/RetireKey", r#"{"version": 1}"#),
    ("Directory/CreateLibrary", r#"{"library": "$NEW"}"#),
    ("Directory/GetLibrary", r#"{"library": "acme"}"#),
    ("Directory/ListLibraries", "{}"),
    (
        "Directory/UpdateLibrary",
        r#"{"library": "acme", "suggestedLifetime": "6mo"}"#,
    ),
    ("Directory/DeleteLibrary", r#"{"library": "acme"}"#),
    (
        "Directory/CreateUserType",
        r#"{"library": "acme", "userType": "$NEW", "permissions": ["orders:read"]}"#,
    ),
    (
        "Directory/GetUserType",
        r#"{"library": "acme", "userType": "subject"}"#,
    ),
    ("Directory/ListUserTypes", r#"{"library": "acme"}"#),
    (
        "Directory/UpdateUserType",
        r#"{"library": "acme", "userType": "subject", "permissions": ["orders:read"]}"#,
    ),
    (
        "Directory/DeleteUserType",
        r#"{"library": "acme", "userType": "subject"}"#,
    ),
    (
        "Directory/CreateUser",
        r#"{"library": "acme", "user": "$NEW", "assignments": [{"userType": "subject"}]}"#,
    ),
    (
        "Directory/GetUser",
        r#"{"library": "acme", "user": "subject"}"#,
    ),
    ("Directory/ListUsers", r#"{"library": "acme"}"#),
    (
        "Directory/UpdateUser",
        r#"{"library": "acme", "user": "subject", "displayName": "Sound"}"#,
    ),
    (
        "Directory/DeleteUser",
        r#"{"library": "acme", "user": "$VICTIM"}"#,
    ),
    (
        "TokenAdmin/CreateToken",
        r#"{"library": "acme", "user": "subject", "displayName": "sound"}"#,
    ),
    ("TokenAdmin/WhoAmI", "{}"),
    ("TokenAdmin/GetToken", r#"{"tokenId": "$TOKEN"}"#),
    (
        "TokenAdmin/ListTokens",
        r#"{"library": "acme", "user": "subject"}"#,
    ),
    (
        "TokenAdmin/UpdateToken",
        r#"{"tokenId": "$TOKEN", "displayName": "sound"}"#,
    ),
    (
        "TokenAdmin/ExtendToken",
        r#"{"tokenId": "$TOKEN", "extendBy": "1d"}"#,
    ),
    ("TokenAdmin/SuspendToken", r#"{"tokenId": "$TOKEN"}"#),
    ("TokenAdmin/ResumeToken", r#"{"tokenId": "$TOKEN"}"#),
    (
        "TokenAdmin/RotateToken",
        r#"{"tokenId": "$TOKEN", "overlap": "1h"}"#,
    ),
    ("TokenAdmin/RevokeToken", r#"{"tokenId": "$REVOCABLE"}"#),
    ("TokenAdmin/RevealToken", r#"{"tokenId": "$TOKEN"}"#),
    (
        "TokenAdmin/RevokeTokens",
        r#"{"all": {"library": "acme", "user": "subject", "createdBefore": "2020-01-01T00:00:00Z"}}"#,
    ),
    ("TokenAdmin/ApplyPolicy", r#"{"library": "acme"}"#),
    (
        "TokenAdmin/ImportTokens",
        r#"{"library": "acme", "items": [{"user": "subject", "displayName": "sound", "plaintext": "$NEW/Zq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2Ue"}]}"#,
    ),
    (
        "TokenAdmin/OpenSession",
        r#"{"library": "acme", "user": "subject", "password": "correct horse battery staple", "deviceName": "sound"}"#,
    ),
    (
        "TokenAdmin/SetPassword",
        r#"{"library": "acme", "user": "subject", "password": "correct horse battery staple"}"#,
    ),
    ("TokenAdmin/ListAuditEvents", r#"{"library": "acme"}"#),
    ("TokenAdmin/ReviewTokens", r#"{"library": "acme"}"#),
    ("TokenAdmin/WatchEvents", r#"{"library": "acme"}"#),
    (
        "TokenVerify/Verify",
        r#"{"token": "$SECRET", "library": "acme", "permissions": ["orders:read"]}"#,
    ),
    (
        "TokenVerify/VerifyBatch",
        r#"{"requests": [{"token": "$SECRET", "library": "acme"}]}"#,
    ),
];

/// The password of the user that sound requests are about.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Every method of this API.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let services: Vec<_> = pool.services().collect();
    services
        .iter()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

/// As `Service/Method`.
pub(crate) fn short(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().name(), method.name())
}

/// As the path of a call.
pub(crate) fn path(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    format!("/{}/{}", service.full_name(), method.name())
}

/// The sound request for a method, with these words put in.
pub(crate) fn sound(method: &MethodDescriptor, words: &[(&str, &str)]) -> DynamicMessage {
    let name = short(method);
    let (_, json) = SOUND
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("{name} has no sound request"));
    let json = words.iter().fold((*json).to_owned(), |json, (word, text)| {
        json.replace(word, text)
    });
    assert!(!json.contains('$'), "{json}");
    let mut reader = serde_json::Deserializer::from_str(&json);
    DynamicMessage::deserialize(method.input(), &mut reader)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A message as bytes.
pub(crate) fn bytes(message: &DynamicMessage) -> Vec<u8> {
    message.encode_to_vec()
}

#[test]
fn every_method_has_a_sound_request_and_no_other_has() {
    let mut served: Vec<String> = methods().iter().map(short).collect();
    let mut known: Vec<&str> = SOUND.iter().map(|(name, _)| *name).collect();
    served.sort_unstable();
    known.sort_unstable();
    assert_eq!(served, known);
}
