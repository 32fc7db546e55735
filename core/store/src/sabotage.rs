//! Switches that break single promises of the store, so that tests and the simulator
//! can show that they would notice. Compiled in only for this crate's tests and under
//! the feature `test-sabotage`; elsewhere every promise is kept unconditionally.

#[cfg(any(test, feature = "test-sabotage"))]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static BROKEN: Cell<Option<Promise>> = const { Cell::new(None) };
    }

    /// A promise that can be broken.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Promise {
        /// What is promised is on the disk.
        Durable,
        /// What another copy of the device has sent is not sent again.
        Once,
        /// Folds do not depend on the order of arrival.
        AnyOrder,
        /// What a relay has answered is not sent again.
        Settled,
        /// What a relay refuses stays with its author.
        Kept,
    }

    /// What is broken until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Breaks one promise.
        pub fn break_promise(promise: Promise) -> Self {
            BROKEN.set(Some(promise));
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            BROKEN.set(None);
        }
    }

    fn breaks(promise: Promise) -> bool {
        BROKEN.get() == Some(promise)
    }
    pub(crate) fn syncs_nothing() -> bool {
        breaks(Promise::Durable)
    }
    pub(crate) fn sends_twice() -> bool {
        breaks(Promise::Once)
    }
    pub(crate) fn folds_by_arrival() -> bool {
        breaks(Promise::AnyOrder)
    }
    pub(crate) fn hears_no_results() -> bool {
        breaks(Promise::Settled)
    }
    pub(crate) fn drops_refused() -> bool {
        breaks(Promise::Kept)
    }
}

#[cfg(not(any(test, feature = "test-sabotage")))]
mod switches {
    pub(crate) const fn syncs_nothing() -> bool {
        false
    }
    pub(crate) const fn sends_twice() -> bool {
        false
    }
    pub(crate) const fn folds_by_arrival() -> bool {
        false
    }
    pub(crate) const fn hears_no_results() -> bool {
        false
    }
    pub(crate) const fn drops_refused() -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-sabotage"))]
pub use switches::{Promise, Sabotage};
pub(crate) use switches::{
    drops_refused, folds_by_arrival, hears_no_results, sends_twice, syncs_nothing,
};
