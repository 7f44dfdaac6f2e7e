//! Where tokens lie, by slots.

use super::Packed;

/// Entries in chunks, so that growing never copies what is there.
#[derive(Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Packed>>,
    free: Vec<u32>,
}

/// Entries of a chunk.
const CHUNK: usize = 4096;

// === impl Slab ===

impl Slab {
    pub(super) fn get(&self, slot: u32) -> &Packed {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// Some slot that was used, the same for the same number, be it free now or not; `None` if there was never one. Each is as
    /// likely as any other where numbers are (Lemire, "Fast random integer generation in an interval", 2019).
    pub(super) fn any(&self, number: u64) -> Option<u32> {
        let last = self.chunks.last()?.len();
        let slots = (self.chunks.len() - 1) * CHUNK + last;
        let slot = (u128::from(number) * u128::try_from(slots).ok()?) >> 64;
        u32::try_from(slot).ok()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Packed {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    pub(super) fn insert(&mut self, packed: Packed) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.get_mut(slot) = packed;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].push(packed);
        // 2^32 tokens would take 340 GB: memory ends long before the slot numbers do.
        u32::try_from(last * CHUNK + self.chunks[last].len() - 1).unwrap_or(u32::MAX)
    }

    /// A slot is empty again.
    pub(super) fn free(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Packed>()
    }
}
