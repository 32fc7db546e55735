//! Switches that turn single checks off, so that tests and the simulator can
//! show that they would notice. Compiled in only for this crate's tests and
//! under the feature `test-sabotage`; elsewhere every check is unconditional.

#[cfg(any(test, feature = "test-sabotage"))]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static SKIP_SIGNATURES: Cell<bool> = const { Cell::new(false) };
        static IGNORE_REVOCATIONS: Cell<bool> = const { Cell::new(false) };
        static SKIP_SEALING: Cell<bool> = const { Cell::new(false) };
        static BELIEVE_UNSIGNED: Cell<bool> = const { Cell::new(false) };
    }

    /// What is broken until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Every signature counts as good.
        pub fn skip_signatures() -> Self {
            SKIP_SIGNATURES.set(true);
            Self(())
        }

        /// Revoked devices count as live.
        pub fn ignore_revocations() -> Self {
            IGNORE_REVOCATIONS.set(true);
            Self(())
        }

        /// Entries without a signature count, whether something covers them or not.
        pub fn believe_unsigned() -> Self {
            BELIEVE_UNSIGNED.set(true);
            Self(())
        }

        /// Parcels carry their content in the clear.
        pub fn skip_sealing() -> Self {
            SKIP_SEALING.set(true);
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            SKIP_SIGNATURES.set(false);
            IGNORE_REVOCATIONS.set(false);
            SKIP_SEALING.set(false);
            BELIEVE_UNSIGNED.set(false);
        }
    }

    pub(crate) fn skips_signatures() -> bool {
        SKIP_SIGNATURES.get()
    }

    pub(crate) fn ignores_revocations() -> bool {
        IGNORE_REVOCATIONS.get()
    }

    pub(crate) fn skips_sealing() -> bool {
        SKIP_SEALING.get()
    }

    pub(crate) fn believes_unsigned() -> bool {
        BELIEVE_UNSIGNED.get()
    }
}

#[cfg(not(any(test, feature = "test-sabotage")))]
mod switches {
    pub(crate) const fn skips_signatures() -> bool {
        false
    }

    pub(crate) const fn ignores_revocations() -> bool {
        false
    }

    pub(crate) const fn skips_sealing() -> bool {
        false
    }

    pub(crate) const fn believes_unsigned() -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-sabotage"))]
pub use switches::Sabotage;
pub(crate) use switches::{
    believes_unsigned, ignores_revocations, skips_sealing, skips_signatures,
};
