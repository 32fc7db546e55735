//! A switch that mixes up where shared packs begin, so that tests show that it would be
//! noticed. Compiled in only under the feature `test-sabotage`.

#[cfg(feature = "test-sabotage")]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static FORGET_POSITIONS: Cell<bool> = const { Cell::new(false) };
    }

    /// What is broken until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// The first pack of a session is kept for all who read its targets, wherever
        /// they begin.
        pub fn forget_positions() -> Self {
            FORGET_POSITIONS.set(true);
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            FORGET_POSITIONS.set(false);
        }
    }

    pub(crate) fn forgets_positions() -> bool {
        FORGET_POSITIONS.get()
    }
}

#[cfg(not(feature = "test-sabotage"))]
mod switches {
    pub(crate) const fn forgets_positions() -> bool {
        false
    }
}

#[cfg(feature = "test-sabotage")]
pub use switches::Sabotage;
pub(crate) use switches::forgets_positions;
