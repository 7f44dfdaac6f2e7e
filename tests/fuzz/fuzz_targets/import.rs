//! What other systems hand over: strings, cuts, digests and Argon2 hashes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_authority::authority::import::{Cut, ForeignString};
use token_authority::authority::keys::Digest;
use token_authority::authority::password::{Password, SlowHash};
use token_authority::authority::secret::Secret;

/// The cheapest hash that there is: others may take a second, which finds nothing more.
const CHEAP: &str = "$m=8,t=1,p=1$";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(hash) = SlowHash::foreign(text) {
        assert_eq!(hash.to_string(), text);
        assert_eq!(SlowHash::foreign(&hash.to_string()), Ok(hash.clone()));
        if text.contains(CHEAP) {
            assert!(!hash.matches(b"what nobody hashed"));
        }
    }
    if let Some(hash) = SlowHash::parse(text) {
        assert_eq!(SlowHash::parse(&hash.to_string()), Some(hash));
    }
    if let Ok(string) = ForeignString::parse(text.to_owned()) {
        assert_eq!(string.expose(), text);
        assert!(ForeignString::has_form(text) && Secret::parse(text).is_err());
    }
    let _ = (Digest::parse(text), Password::chosen(text.to_owned()));
    if let Some(cut) = input.first().copied().and_then(Cut::of_code) {
        assert_eq!(Some(cut.code()), input.first().copied());
        divide(cut, text);
    }
    let mut characters = text.chars();
    if let Some(Ok(cut)) = characters
        .next()
        .map(|mark| Cut::separator(mark.encode_utf8(&mut [0; 4])))
    {
        divide(cut, characters.as_str());
    }
    for length in 0..=65 {
        if let Ok(cut) = Cut::prefix(length) {
            assert_eq!(Cut::of_code(cut.code()), Some(cut));
            divide(cut, text);
        }
    }
});

/// What a cut yields is a part of the string, and what it may yield.
fn divide(cut: Cut, text: &str) {
    let Some((locator, rest)) = cut.split(text) else {
        return;
    };
    assert!(text.starts_with(locator) && text.ends_with(rest));
    assert_eq!(cut.locator(text), Some(locator));
    assert!(!ForeignString::has_form(text) || cut.may_yield(locator));
}
