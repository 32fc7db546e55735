//! A switch that makes of this relay one whose operator lies: it takes whatever it is
//! given. So the simulator shows that devices judge for themselves. Compiled in only
//! under the feature `test-sabotage`.

#[cfg(feature = "test-sabotage")]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static JUDGE_NOTHING: Cell<bool> = const { Cell::new(false) };
    }

    /// What is broken until this is dropped, for logs driven by this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Every entry counts as good and allowed, whoever signed it.
        pub fn judge_nothing() -> Self {
            JUDGE_NOTHING.set(true);
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            JUDGE_NOTHING.set(false);
        }
    }

    pub(crate) fn judges_nothing() -> bool {
        JUDGE_NOTHING.get()
    }
}

#[cfg(not(feature = "test-sabotage"))]
mod switches {
    pub(crate) const fn judges_nothing() -> bool {
        false
    }
}

#[cfg(feature = "test-sabotage")]
pub use switches::Sabotage;
pub(crate) use switches::judges_nothing;
