//! The places that connections take: so many in all, and so many for one peer, so that none of them can take all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The part of an IPv6 address that names a site: whoever has one address has all of its 2^64 neighbours.
const SITE_BITS: u32 = 64;

/// All places.
#[derive(Debug, Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    crowded: Crowded,
    per_peer: usize,
    taken: Taken,
}

/// A place under the cap, for a connection that is still to come.
pub(super) type Free = OwnedSemaphorePermit;

/// A place of one connection; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _free: Free,
    peer: IpAddr,
    taken: Taken,
}

/// Whether no place is free, so that connections which nobody uses stand in the way of others.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowded(Arc<AtomicBool>);

/// How many places each peer has taken.
#[derive(Debug, Clone, Default)]
struct Taken(Arc<Mutex<HashMap<IpAddr, usize>>>);

// === impl Places ===

impl Places {
    /// So many in all, and so many for each peer.
    pub(super) fn new(cap: usize, per_peer: usize) -> Places {
        Places {
            free: Arc::new(Semaphore::new(cap.min(Semaphore::MAX_PERMITS))),
            crowded: Crowded::default(),
            per_peer,
            taken: Taken::default(),
        }
    }

    /// Waits for a free place. `None` if there will never be one.
    pub(super) async fn free(&self) -> Option<Free> {
        if let Ok(free) = self.free.clone().try_acquire_owned() {
            return Some(free);
        }
        self.crowded.0.store(true, Ordering::Relaxed);
        let free = self.free.clone().acquire_owned().await;
        self.crowded.0.store(false, Ordering::Relaxed);
        free.ok()
    }

    /// Gives the place to this peer. `None` if it has as many as one may have.
    pub(super) fn take(&self, free: Free, peer: IpAddr) -> Option<Place> {
        let peer = site(peer);
        let mut taken = self.taken.lock();
        let count = taken.entry(peer).or_default();
        if *count >= self.per_peer {
            return None;
        }
        *count += 1;
        Some(Place {
            _free: free,
            peer,
            taken: self.taken.clone(),
        })
    }

    /// Tells whether there is a free place, at any later time.
    pub(super) fn crowded(&self) -> Crowded {
        self.crowded.clone()
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.taken.lock().entry(self.peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

// === impl Crowded ===

impl Crowded {
    pub(super) fn now(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Taken ===

impl Taken {
    /// A count is whole whatever became of the thread that held it.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted as one peer.
fn site(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (Ipv6Addr::BITS - SITE_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(places: &Places, peer: &str) -> Option<Place> {
        let free = places.free().await.unwrap();
        places.take(free, peer.parse().unwrap())
    }

    #[tokio::test]
    async fn a_peer_takes_no_more_than_its_part_and_gets_back_what_it_leaves() {
        let places = Places::new(10, 2);
        let first = take(&places, "192.0.2.1").await.unwrap();
        let _second = take(&places, "::ffff:192.0.2.1").await.unwrap();
        assert!(take(&places, "192.0.2.1").await.is_none());
        let _other = take(&places, "192.0.2.2").await.unwrap();
        assert_eq!(places.free.available_permits(), 7);
        drop(first);
        let _again = take(&places, "192.0.2.1").await.unwrap();
        assert!(take(&places, "192.0.2.1").await.is_none());
    }

    #[tokio::test]
    async fn the_addresses_of_an_ipv6_site_are_one_peer() {
        let places = Places::new(10, 1);
        let _one = take(&places, "2001:db8:0:1::1").await.unwrap();
        assert!(take(&places, "2001:db8:0:1:ffff::2").await.is_none());
        assert!(take(&places, "2001:db8:0:2::1").await.is_some());
    }

    #[tokio::test]
    async fn what_nobody_uses_any_more_is_not_remembered() {
        let places = Places::new(2, 2);
        let peers = ["192.0.2.1", "192.0.2.2"];
        for peer in peers {
            drop(take(&places, peer).await.unwrap());
        }
        assert!(places.taken.lock().is_empty());
    }

    #[tokio::test]
    async fn it_is_crowded_while_somebody_waits() {
        let places = Places::new(1, 1);
        let one = take(&places, "192.0.2.1").await.unwrap();
        assert!(!places.crowded().now());
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.free().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(places.crowded().now());
        drop(one);
        assert!(waiting.await.unwrap());
        assert!(!places.crowded().now());
    }
}
