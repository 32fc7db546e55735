//! Packs that are the same for many readers, kept in memory: a class that opens its
//! phones for the first time reads the log, and compresses it, once.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use stunity_proto::Hash;
use stunity_sync::relay_store::SharedPack;

/// Memory that kept packs may take, bytes: first syncs of some hundred lanes as they
/// are used. Nothing of it is taken before a pack is kept.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What is kept, the least useful going first.
#[derive(Debug)]
pub(super) struct SharedPacks {
    /// By the erasures before it, and its name: what is older is not found.
    packs: Cache<(u64, Hash), Arc<SharedPack>>,
    erasures: AtomicU64,
}

impl Default for SharedPacks {
    fn default() -> Self {
        Self {
            packs: Cache::builder()
                .max_capacity(MAX_BYTES)
                .weigher(|_, pack: &Arc<SharedPack>| u32::try_from(pack.size()).unwrap_or(u32::MAX))
                .build(),
            erasures: AtomicU64::new(0),
        }
    }
}

impl SharedPacks {
    pub(super) fn find(&self, name: &Hash) -> Option<Arc<SharedPack>> {
        self.packs.get(&(self.erasures(), *name))
    }

    pub(super) fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::SeqCst)
    }

    /// Keeps a pack whose entries were read after so many erasures.
    pub(super) fn keep(&self, name: Hash, erasures: u64, pack: Arc<SharedPack>) {
        self.packs.insert((erasures, name), pack);
        // Looked at afterwards: an erasure before this drops the pack here, and one
        // after it drops all that are kept.
        if self.erasures() != erasures {
            self.packs.invalidate(&(erasures, name));
        }
    }

    /// Something was erased, and the log has it no more.
    pub(super) fn forget(&self) {
        self.erasures.fetch_add(1, Ordering::SeqCst);
        self.packs.invalidate_all();
        // The bytes go now, not when somebody asks again.
        self.packs.run_pending_tasks();
    }

    /// Bytes that are kept.
    pub(super) fn size(&self) -> u64 {
        self.packs.run_pending_tasks();
        self.packs.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use stunity_proto::PackId;
    use stunity_sync::relay_store::Download;

    use super::*;

    fn pack(len: usize) -> Arc<SharedPack> {
        Arc::new(SharedPack {
            download: Download {
                pack: PackId::ZERO,
                bytes: vec![7; len],
                leaves: Vec::new(),
                cursors: Vec::new(),
                base: [0; 8],
            },
            finished: Vec::new(),
        })
    }

    #[test]
    fn a_pack_read_before_an_erasure_is_not_kept_after_it() {
        let packs = SharedPacks::default();
        let read = packs.erasures();
        packs.keep(Hash([1; 32]), read, pack(1000));
        assert!(packs.size() >= 1000);
        packs.forget();
        assert_eq!((packs.find(&Hash([1; 32])), packs.size()), (None, 0));
        packs.keep(Hash([2; 32]), read, pack(1000));
        assert_eq!((packs.find(&Hash([2; 32])), packs.size()), (None, 0));
        packs.keep(Hash([3; 32]), packs.erasures(), pack(1000));
        assert_eq!(packs.find(&Hash([3; 32])), Some(pack(1000)));
    }

    #[test]
    fn kept_packs_take_no_more_than_their_memory() {
        let packs = SharedPacks::default();
        for n in 0..100 {
            packs.keep(Hash([n; 32]), 0, pack(512 * 1024));
        }
        assert!(packs.size() > MAX_BYTES / 2);
        assert!(packs.size() <= MAX_BYTES);
    }
}
