//! Searches bytes for secrets, in every form that they could have been written in.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use token_authority::authority::secret::Secret;

/// Bytes of a needle that are looked up; none is shorter.
const HEAD: usize = 8;

/// What is searched for.
pub(crate) struct Search {
    /// Which first two bytes any needle has: most places are passed over by these alone.
    starts: Vec<bool>,
    /// By their first bytes: the rest, and what it is.
    needles: HashMap<[u8; HEAD], Vec<(Vec<u8>, String)>>,
    /// Bytes searched so far.
    pub(crate) searched: usize,
    /// What was found, and where. Never the secret itself.
    pub(crate) found: Vec<String>,
}

// === impl Search ===

impl Default for Search {
    fn default() -> Search {
        Search {
            starts: vec![false; 1 << 16],
            needles: HashMap::new(),
            searched: 0,
            found: Vec::new(),
        }
    }
}

impl Search {
    /// Also for this token: the part of its string that is secret, the bytes behind it, and both in base64 and hex.
    pub(crate) fn add_token(&mut self, name: &str, token: &str) {
        let secret = Secret::parse(token).expect("a token");
        self.add(&format!("{name}'s secret"), &token.as_bytes()[27..70]);
        self.add(&format!("{name}'s secret bytes"), &secret.bytes[..]);
    }

    /// Also for these bytes, as they are and in base64 and hex.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.add_needle(name.to_owned(), bytes.to_vec());
        for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
            let hex = bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15].map(|nibble| digits[usize::from(nibble)]));
            self.add_needle(format!("{name} in hex"), hex.collect());
        }
        for (last, offset) in [
            (b"+/", 0),
            (b"+/", 1),
            (b"+/", 2),
            (b"-_", 0),
            (b"-_", 1),
            (b"-_", 2),
        ] {
            self.add_needle(
                format!("{name} in base64"),
                base64_inside(bytes, offset, *last),
            );
        }
    }

    fn add_needle(&mut self, name: String, bytes: Vec<u8>) {
        let head: [u8; HEAD] = bytes[..HEAD].try_into().expect("long enough");
        self.starts[start(&head)] = true;
        self.needles.entry(head).or_default().push((bytes, name));
    }

    /// Looks for all of it in these bytes.
    pub(crate) fn look(&mut self, place: &str, bytes: &[u8]) {
        self.searched += bytes.len();
        for (at, head) in bytes.windows(HEAD).enumerate() {
            if !self.starts[start(head)] {
                continue;
            }
            let head: &[u8; HEAD] = head.try_into().expect("a window");
            let hits = self.needles.get(head).into_iter().flatten();
            for (needle, name) in hits {
                if bytes[at..].starts_with(needle) {
                    self.found.push(format!("{name} in {place}, at byte {at}"));
                }
            }
        }
    }

    /// Looks in every file below a folder but those of this name.
    pub(crate) fn look_below(&mut self, folder: &Path, except: &str) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.look_below(&path, except);
            } else if !path.ends_with(except) {
                let bytes = fs::read(&path).expect("a file");
                self.look(&path.display().to_string(), &bytes);
            }
        }
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// The base64 digits that these bytes have wherever they stand `offset` bytes behind a multiple of three: those that other
/// bytes have a part in are left out.
fn base64_inside(bytes: &[u8], offset: usize, last: [u8; 2]) -> Vec<u8> {
    let mut digits = Vec::new();
    digits.extend(b'A'..=b'Z');
    digits.extend(b'a'..=b'z');
    digits.extend(b'0'..=b'9');
    digits.extend(last);
    let inside = &bytes[(3 - offset) % 3..];
    inside
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| digits[((bits >> shift) & 63) as usize])
        })
        .collect()
}

#[test]
fn a_planted_secret_is_found_in_every_form_and_in_the_file_it_stands_in() {
    let mut search = Search::default();
    search.add_token("a token", crate::token::UNKNOWN);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(
        folder.path().join("deep/file"),
        ["....", crate::token::UNKNOWN, "...."].concat(),
    )
    .unwrap();
    fs::write(folder.path().join("operator.token"), crate::token::UNKNOWN).unwrap();
    search.look_below(folder.path(), "operator.token");
    assert_eq!(search.found.len(), 1, "{:?}", search.found);
    assert!(search.found[0].contains("deep/file"));

    // Written by another program.
    for (bytes, written) in [
        (
            &b"a secret of 23 letters."[..],
            "xxYSBzZWNyZXQgb2YgMjMgbGV0dGVycy4=",
        ),
        (
            b"a secret of 23 letters.",
            "eWEgc2VjcmV0IG9mIDIzIGxldHRlcnMu",
        ),
        (
            b"a secret of 23 letters.",
            "eXlhIHNlY3JldCBvZiAyMyBsZXR0ZXJzLg==",
        ),
        (
            b"a secret of 23 letters.",
            "..6120736563726574206f66203233206c6574746572732e..",
        ),
        (b"\xfb\xff\xfe\xfb\xff\xfe\xfb\xff\xfe", "-__--__--__-"),
        (b"\xfb\xff\xfe\xfb\xff\xfe\xfb\xff\xfe", "+//++//++//+"),
    ] {
        let mut search = Search::default();
        search.add("it", bytes);
        search.look("a text", written.as_bytes());
        assert!(!search.found.is_empty(), "{written}");
    }
}
