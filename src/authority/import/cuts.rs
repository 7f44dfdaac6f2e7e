//! How the imported tokens of a library are found: what Verify must know before it looks for one, and so before any is loaded.

use super::string::Cut;
use crate::authority::directory::Uid;
use crate::authority::error::Error;

/// Most cuts in use in a library: Verify tries each.
const MAX_CUTS: usize = 8;

/// The cuts by which the weak imported tokens of a library are found. There is a record of it once there is an imported token,
/// a weak one or not.
///
/// It only grows: a cut stays though its tokens were all purged since, and so do the cuts of a library that was deleted, for
/// its tokens answer on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuts {
    /// The library.
    pub library: Uid,
    /// Each cut once, in the order in which they came into use.
    pub in_use: Vec<Cut>,
}

// === impl Cuts ===

impl Cuts {
    /// Those of a library without imported tokens.
    #[must_use]
    pub fn none(library: Uid) -> Cuts {
        Cuts {
            library,
            in_use: Vec::new(),
        }
    }

    /// Together with that of one more token, if it has one.
    ///
    /// # Errors
    /// [`Reason::InvalidFields`](crate::authority::error::Reason::InvalidFields) if that would be too many.
    pub fn with(mut self, cut: Option<Cut>) -> Result<Cuts, Error> {
        let Some(cut) = cut.filter(|cut| !self.in_use.contains(cut)) else {
            return Ok(self);
        };
        if self.in_use.len() < MAX_CUTS {
            self.in_use.push(cut);
            return Ok(self);
        }
        let named: Vec<String> = self.in_use.iter().map(ToString::to_string).collect();
        Err(Error::invalid(
            "locator",
            format!(
                "must be cut in one of the {MAX_CUTS} ways that the library uses: {}",
                named.join(", ")
            ),
        ))
    }
}
