//! A switch that leaves erased operations where they are, so that tests can show
//! that they would notice. Compiled in only for this crate's tests and under the
//! feature `test-sabotage`.

#[cfg(any(test, feature = "test-sabotage"))]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static KEEP_ERASED: Cell<bool> = const { Cell::new(false) };
    }

    /// What is broken until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Erasing changes no body.
        pub fn keep_erased() -> Self {
            KEEP_ERASED.set(true);
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            KEEP_ERASED.set(false);
        }
    }

    pub(crate) fn keeps_erased() -> bool {
        KEEP_ERASED.get()
    }
}

#[cfg(not(any(test, feature = "test-sabotage")))]
mod switches {
    pub(crate) const fn keeps_erased() -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-sabotage"))]
pub use switches::Sabotage;
pub(crate) use switches::keeps_erased;
