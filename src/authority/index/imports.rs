//! What Verify needs to know of a library's imported tokens, before it looks for one.

use crate::authority::error::{Error, Reason};
use crate::authority::import::{Cut, Cuts};
use crate::authority::keyspace::Versioned;

/// How the imported tokens of a library are found that has some, or had.
#[derive(Debug)]
pub enum Imports {
    /// By the whole string, or by these cuts.
    Known(Versioned<Cuts>),
    /// It is not known how: the record can't be read.
    Unreadable,
}

// === impl Imports ===

impl Imports {
    /// The cuts in use, as far as they are known.
    #[must_use]
    pub fn cuts(&self) -> &[Cut] {
        match self {
            Imports::Known(cuts) => &cuts.value.in_use,
            Imports::Unreadable => &[],
        }
    }

    /// All that is known.
    ///
    /// # Errors
    /// [`Reason::RecordDamaged`] if the record can't be read.
    pub fn readable(&self) -> Result<&Versioned<Cuts>, Error> {
        match self {
            Imports::Known(cuts) => Ok(cuts),
            Imports::Unreadable => Err(Error::new(
                Reason::RecordDamaged,
                "the record of how imported tokens are found can't be read; an operator finds its key in the log",
            )),
        }
    }
}
