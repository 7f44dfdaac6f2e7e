//! All that is wrong with a configuration, at once.

use std::fmt;

use super::SETTINGS;

/// How different a name may be from a setting's to be taken for a slip of the fingers.
const SLIP: usize = 3;

/// Longest name that is repeated whole, characters: none of a setting is longer, its environment variable included, but a
/// token is, and one may have got where a name should stand.
const LONGEST_SHOWN: usize = 48;
/// What is repeated of a longer one, characters: enough to find it by, and of a token not more than its public id.
const SHOWN: usize = 24;

/// Everything that is wrong with the configuration; never a value of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ConfigFaults(Vec<String>);

// === impl ConfigFaults ===

impl ConfigFaults {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, name: &str, fault: impl fmt::Display) {
        self.0.push(format!("{name} {fault}"));
    }

    /// A name that is no setting's; `name` is the part that should be one.
    pub(super) fn add_unknown(&mut self, shown: &str, name: &str) {
        let nearest = SETTINGS
            .iter()
            .map(|setting| (distance(setting.name, name), setting.name))
            .min()
            .filter(|(distance, _)| *distance <= SLIP);
        let mut repeated: String = shown.escape_debug().collect();
        if shown.chars().count() > LONGEST_SHOWN {
            repeated = shown
                .chars()
                .take(SHOWN)
                .flat_map(char::escape_debug)
                .collect();
            repeated += "...";
        }
        let meant = nearest.map(|(_, nearest)| format!("; did you mean {nearest}?"));
        self.add(
            &repeated,
            format!("is no setting{}", meant.unwrap_or_default()),
        );
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not right:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for ConfigFaults {}

/// Levenshtein's distance: letters to insert, remove or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
