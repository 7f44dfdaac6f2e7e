//! How the imported tokens of a library are found.

use prost::Message;

use crate::authority::import::{Cut, Cuts};
use crate::authority::keyspace::{self, Stored};
use crate::proto::store;
use crate::store::Key;

impl Stored for Cuts {
    fn key(&self) -> Key {
        keyspace::imports(self.library)
    }

    fn to_record(&self) -> Vec<u8> {
        let Cuts { library: _, in_use } = self;
        store::ImportsRecord {
            cuts: in_use.iter().map(|cut| cut.code().into()).collect(),
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::ImportsRecord::decode(bytes).ok()?;
        let cut = |code: &u32| Cut::of_code(u8::try_from(*code).ok()?);
        Some(Cuts {
            library: keyspace::imports_library(key)?,
            in_use: r.cuts.iter().map(cut).collect::<Option<_>>()?,
        })
    }
}
