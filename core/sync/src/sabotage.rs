//! Switches that leave out single steps of the relay's side, so that tests and the
//! simulator can show that they would notice. Compiled in only for this crate's tests
//! and under the feature `test-sabotage`; elsewhere no step is left out.

#[cfg(any(test, feature = "test-sabotage"))]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static LEFT_OUT: Cell<Option<Step>> = const { Cell::new(None) };
    }

    /// A step that can be left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Step {
        /// Comparing a cursor's running hash with the log's.
        RunningHash,
        /// Saying that all is sent.
        Done,
        /// Telling apart where the first pack of a session begins: it is kept for all
        /// who read its targets.
        Positions,
        /// Naming by numbers nothing that the client may lack: what is newer in `all`,
        /// what it hears the results of only now, what was refused.
        Lacking,
    }

    /// What is left out until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Leaves one step out.
        pub fn skip(step: Step) -> Self {
            LEFT_OUT.set(Some(step));
            Self(())
        }

        /// The first pack of a session is kept for all who read its targets, wherever
        /// they begin.
        pub fn forget_positions() -> Self {
            Self::skip(Step::Positions)
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            LEFT_OUT.set(None);
        }
    }

    pub(crate) fn believes_cursors() -> bool {
        LEFT_OUT.get() == Some(Step::RunningHash)
    }
    pub(crate) fn never_says_done() -> bool {
        LEFT_OUT.get() == Some(Step::Done)
    }
    pub(crate) fn forgets_positions() -> bool {
        LEFT_OUT.get() == Some(Step::Positions)
    }
    pub(crate) fn goes_by_what_is_lacking() -> bool {
        LEFT_OUT.get() == Some(Step::Lacking)
    }
}

#[cfg(not(any(test, feature = "test-sabotage")))]
mod switches {
    pub(crate) const fn believes_cursors() -> bool {
        false
    }
    pub(crate) const fn never_says_done() -> bool {
        false
    }
    pub(crate) const fn forgets_positions() -> bool {
        false
    }
    pub(crate) const fn goes_by_what_is_lacking() -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-sabotage"))]
pub use switches::{Sabotage, Step};
pub(crate) use switches::{
    believes_cursors, forgets_positions, goes_by_what_is_lacking, never_says_done,
};
