//! Sealing: ChaCha20-Poly1305 with a random nonce, bound to the place at which the sealed bytes are kept.

use ring::aead::{self, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::KEY_BYTES;
use crate::authority::secret::{self, NoRandomness};

pub(super) fn aead_key(bytes: &[u8; KEY_BYTES]) -> LessSafeKey {
    #[expect(
        clippy::expect_used,
        reason = "ChaCha20-Poly1305 takes any key of 32 bytes"
    )]
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("a key of 32 bytes"))
}

/// Nonces are random: a root key seals a few keys, a sealing key one day's creations, far from the 2^32 that 96 bits allow.
pub(super) fn seal(key: &LessSafeKey, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoRandomness> {
    let nonce = secret::random::<{ aead::NONCE_LEN }>()?;
    let mut sealed = Vec::with_capacity(nonce.len() + plain.len() + CHACHA20_POLY1305.tag_len());
    sealed.extend_from_slice(plain);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place),
            &mut sealed,
        )
        .map_err(|_| NoRandomness)?;
    sealed.extend_from_slice(tag.as_ref());
    sealed.splice(0..0, nonce);
    Ok(sealed)
}

pub(super) fn open(key: &LessSafeKey, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, cipher) = sealed.split_at_checked(aead::NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut plain = Zeroizing::new(cipher.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(place), &mut plain)
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}
