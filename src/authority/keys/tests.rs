//! Keys and what they prove.

use super::*;
use crate::authority::directory::Uid;
use crate::authority::password::Password;
use crate::store::Revision;

fn keys() -> HmacKeys {
    let mut keys = HmacKeys::none();
    // In whatever order they come.
    for (version, byte) in [(2, 2), (1, 1)] {
        keys.put(version, Revision(1), &[byte; 32]);
    }
    keys
}

#[test]
fn only_the_right_secret_proves_a_tag() {
    let keys = keys();
    let (secret, other) = (Secret::mint().unwrap(), Secret::mint().unwrap());
    let tag = keys.tag(&secret);
    assert_eq!(tag.key_version, 2);
    assert!(keys.proves(&secret, Some((tag.short(), 2))));
    assert!(
        !keys.proves(&secret, Some((tag.short(), 1))),
        "the key's version counts"
    );
    assert!(
        !keys.proves(&secret, Some((tag.short(), 3))),
        "an unknown version proves nothing"
    );
    assert!(!keys.proves(&other, Some((tag.short(), 2))));
    assert!(!keys.proves(&secret, None));
    let renamed = Secret {
        id: other.id,
        bytes: secret.bytes.clone(),
    };
    assert!(
        !keys.proves(&renamed, Some((tag.short(), 2))),
        "the id is part of the proof"
    );
}

#[test]
fn a_tag_presented_as_a_secret_proves_nothing() {
    let keys = keys();
    let secret = Secret::mint().unwrap();
    let tag = keys.tag(&secret);
    let hash = Secret {
        id: secret.id,
        bytes: Zeroizing::new(tag.bytes),
    };
    assert!(!keys.proves(&hash, Some((tag.short(), 2))));
}

#[test]
fn what_is_wrapped_opens_in_its_place_and_under_its_key_alone() {
    let (root, text) = RootKey::mint().unwrap();
    let wrapped = root.wrap(b"place", &[7; 32]).unwrap();
    assert_eq!(*root.unwrap(b"place", &wrapped).unwrap(), [7; 32]);
    assert_eq!(
        *RootKey::parse(&text)
            .unwrap()
            .unwrap(b"place", &wrapped)
            .unwrap(),
        [7; 32]
    );
    assert!(root.unwrap(b"other", &wrapped).is_none());
    assert!(
        RootKey::mint()
            .unwrap()
            .0
            .unwrap(b"place", &wrapped)
            .is_none()
    );
    for i in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[i] ^= 1;
        assert!(root.unwrap(b"place", &changed).is_none());
        assert!(root.unwrap(b"place", &wrapped[..i]).is_none());
    }
}

#[test]
fn what_is_sealed_opens_until_its_day_is_forgotten() {
    let keys = Keys::new(&[1; 32], &[2; 32]);
    assert!(keys.seal(5, b"place", "text").is_none());
    keys.add_sealing(5, &[9; 32]);
    let sealed = keys.seal(5, b"place", "text").unwrap();
    assert_eq!(
        keys.unseal(5, b"place", &sealed).unwrap().as_slice(),
        b"text"
    );
    assert!(keys.unseal(5, b"other", &sealed).is_none());
    keys.drop_sealing_before(6);
    assert!(keys.unseal(5, b"place", &sealed).is_none());
}

#[test]
fn a_root_key_file_holds_64_hexadecimal_digits() {
    for bad in [
        "",
        "00",
        &"0".repeat(63),
        &"0".repeat(65),
        &"g".repeat(64),
        &format!(" {}", "0".repeat(63)),
    ] {
        assert!(RootKey::parse(bad).is_err());
    }
    assert!(RootKey::parse(&format!("{}\n", "0".repeat(64))).is_ok());
}

#[test]
fn a_password_is_hashed_in_another_form_for_every_user_and_every_key() {
    let keys = keys();
    let password = |text: &str| Password::chosen(text.to_owned()).unwrap();
    let pepper = |version, user, text: &str| {
        keys.pepper(version, Uid([user; 16]), &password(text))
            .map(|made| *made)
    };
    let made = pepper(2, 1, "correct horse");
    assert!(made.is_some());
    assert_eq!(made, pepper(2, 1, "correct horse"));
    assert_ne!(made, pepper(1, 1, "correct horse"), "the key counts");
    assert_ne!(made, pepper(2, 2, "correct horse"), "the user counts");
    assert_ne!(made, pepper(2, 1, "correct horsf"));
    assert_eq!(pepper(3, 1, "correct horse"), None);
    assert_eq!(keys.newest(), 2);
}
