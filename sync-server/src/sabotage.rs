//! Switches that make of this relay one whose operator lies, taking whatever it is
//! given, or one that promises what its disk does not hold. So the simulator shows that
//! devices judge for themselves, and that it would notice. Compiled in only under the
//! feature `test-sabotage`.

#[cfg(feature = "test-sabotage")]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static JUDGE_NOTHING: Cell<bool> = const { Cell::new(false) };
        static KEEP_PACKS: Cell<bool> = const { Cell::new(false) };
        static SYNC_NOTHING: Cell<bool> = const { Cell::new(false) };
    }

    /// What is broken until this is dropped, for logs driven by this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// This relay's operator lies: every entry counts as good and allowed, whoever
        /// signed it. So devices are seen to judge for themselves.
        pub fn judge_nothing() -> Self {
            JUDGE_NOTHING.set(true);
            Self(())
        }

        /// Packs that hold what is erased stay at hand.
        pub fn keep_packs() -> Self {
            KEEP_PACKS.set(true);
            Self(())
        }

        /// What is acknowledged may still be lost with the power, in databases opened
        /// from now on.
        pub fn never_sync() -> Self {
            SYNC_NOTHING.set(true);
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            JUDGE_NOTHING.set(false);
            KEEP_PACKS.set(false);
            SYNC_NOTHING.set(false);
        }
    }

    pub(crate) fn judges_nothing() -> bool {
        JUDGE_NOTHING.get()
    }
    pub(crate) fn keeps_packs() -> bool {
        KEEP_PACKS.get()
    }
    pub(crate) fn syncs_nothing() -> bool {
        SYNC_NOTHING.get()
    }
}

#[cfg(not(feature = "test-sabotage"))]
mod switches {
    pub(crate) const fn judges_nothing() -> bool {
        false
    }
    pub(crate) const fn keeps_packs() -> bool {
        false
    }
    pub(crate) const fn syncs_nothing() -> bool {
        false
    }
}

#[cfg(feature = "test-sabotage")]
pub use switches::Sabotage;
pub(crate) use switches::{judges_nothing, keeps_packs, syncs_nothing};
