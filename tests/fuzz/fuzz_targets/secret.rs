//! Secret strings, ids and root keys: one canonical form, and nothing else parses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_authority::authority::keys::RootKey;
use token_authority::authority::secret::{SECRET_STRING_BYTES, Secret, TokenId};

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        read(text);
    }
    if let Some((bytes, around)) = input.split_first_chunk::<48>() {
        write(bytes, &String::from_utf8_lossy(around));
    }
});

/// What parses prints as it was.
fn read(text: &str) {
    let parsed = Secret::parse(text);
    if let Ok(secret) = &parsed {
        assert_eq!(text.len(), SECRET_STRING_BYTES);
        assert_eq!(secret.to_secret_string().expose(), text);
        assert!(Secret::parse(&text[1..]).is_err());
    }
    // Where a secret is looked for in a text, it is found if the text is one, and cutting the text loses none that is left whole.
    assert!(parsed.is_err() || Secret::occurs_in(text));
    if let Ok(id) = TokenId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if RootKey::parse(text).is_ok() {
        let digits = text.trim_end_matches(['\r', '\n']);
        assert_eq!(digits.len(), 64);
        assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}

/// What prints parses to the same, wherever it stands.
fn write(bytes: &[u8; 48], around: &str) {
    let mut secret = Secret {
        id: TokenId([0; 16]),
        bytes: [0; 32].into(),
    };
    secret.id.0.copy_from_slice(&bytes[..16]);
    secret.bytes.copy_from_slice(&bytes[16..]);
    let text = secret.to_secret_string();
    let again = Secret::parse(text.expose()).expect("what was printed parses");
    assert!(again.id == secret.id && *again.bytes == *secret.bytes);
    assert!(Secret::occurs_in(&format!(
        "{around}{}{around}",
        text.expose()
    )));
}
