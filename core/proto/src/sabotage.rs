//! A switch that leaves packs uncompressed, so that tests can look for readable
//! bytes in them. Compiled in only for this crate's tests and under the feature
//! `test-sabotage`.

#[cfg(any(test, feature = "test-sabotage"))]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static SKIP_COMPRESSION: Cell<bool> = const { Cell::new(false) };
    }

    /// What is switched off until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Packs are written uncompressed, which every reader takes.
        pub fn skip_compression() -> Self {
            SKIP_COMPRESSION.set(true);
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            SKIP_COMPRESSION.set(false);
        }
    }

    pub(crate) fn skips_compression() -> bool {
        SKIP_COMPRESSION.get()
    }
}

#[cfg(not(any(test, feature = "test-sabotage")))]
mod switches {
    pub(crate) const fn skips_compression() -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-sabotage"))]
pub use switches::Sabotage;
pub(crate) use switches::skips_compression;
