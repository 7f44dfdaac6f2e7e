//! Hexadecimal digits, two a byte.

/// The text of these bytes. It is made at its length at once, so that a secret leaves no copy behind.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

/// The inverse of [`text`], which takes capital letters too.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks(2) {
        bytes.push(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_text() {
        assert_eq!(text(&[0, 0x1f, 0xa0]), "001fa0");
        assert_eq!(parse("001FA0"), Some(vec![0, 0x1f, 0xa0]));
        for bad in ["0", "0g", "é", "+1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
