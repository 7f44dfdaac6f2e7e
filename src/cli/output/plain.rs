//! Stored text, made harmless.

/// Text that a terminal only shows: a stored name can't move the cursor, set a colour, or turn the direction of a line.
pub(in crate::cli) fn plain(text: &str) -> String {
    let is_tag = |c: char| ('\u{e0000}'..='\u{e007f}').contains(&c);
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| {
            if c.is_control() || turns(c) || is_tag(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_can_not_steer_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[31mb\r\n\u{9b}c"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c"
        );
        assert_eq!(plain("\u{e0061}a"), "\u{fffd}a");
        assert_eq!(plain("user\u{202e}nimda"), "user\u{fffd}nimda");
        assert_eq!(plain("\u{5d0}\u{5d1}"), "\u{5d0}\u{5d1}");
    }
}
