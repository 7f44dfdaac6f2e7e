//! The watermarks of the index: at most four of each owner.

use crate::authority::keyspace::Versioned;
use crate::authority::moment::Moment;
use crate::authority::token::TokenKind;
use crate::authority::watermark::Watermark;
use crate::store::Revision;

/// The watermarks of a library or a user; most have none.
#[derive(Debug, Default)]
pub struct Watermarks(Vec<Versioned<Watermark>>);

// === impl Watermarks ===

impl Watermarks {
    /// One was set, or set anew.
    pub(super) fn put(&mut self, watermark: Versioned<Watermark>) {
        self.0
            .retain(|known| !same_place(&known.value, &watermark.value));
        self.0.push(watermark);
    }

    /// The one that revokes a token of this kind that was created then.
    #[must_use]
    pub fn over(
        &self,
        kind: TokenKind,
        created_at: Revision,
        create_time: Moment,
    ) -> Option<&Watermark> {
        let over = self.0.iter().find(|watermark| {
            let Versioned { value, revision } = watermark;
            let concerned = match kind {
                TokenKind::Api => !value.sessions_only,
                TokenKind::Session => true,
            };
            let before = match value.created_before {
                None => created_at < *revision,
                Some(time) => create_time < time,
            };
            concerned && before
        });
        over.map(|watermark| &watermark.value)
    }
}

fn same_place(one: &Watermark, other: &Watermark) -> bool {
    one.sessions_only == other.sessions_only
        && one.created_before.is_some() == other.created_before.is_some()
}
