//! Switches that turn single checks off, so that tests and the simulator can show
//! that they would notice. Compiled in only for this crate's tests and under the
//! feature `test-sabotage`; elsewhere every check is unconditional.

#[cfg(any(test, feature = "test-sabotage"))]
mod switches {
    use core::cell::Cell;

    std::thread_local! {
        static BROKEN: Cell<Option<Check>> = const { Cell::new(None) };
    }

    /// A check that can be left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Check {
        /// What a node may not sign for anybody counts all the same.
        NeverVouched,
        /// A proposal through an API counts without a policy.
        Policy,
        /// Who was removed goes on.
        Removal,
        /// Where a removal says that what counts ends is passed over: the relay's
        /// order decides.
        CutOff,
        /// Who is in no list that is held here passes for a member.
        Membership,
        /// A change of anybody's actor is taken.
        Actor,
        /// Erasing changes no body.
        Erasure,
        /// Anybody may do what the table allows to somebody.
        Role,
        /// A phone's own clock says whether work was in time.
        Clock,
    }

    /// What is broken until this is dropped, on this thread.
    #[derive(Debug)]
    #[must_use]
    pub struct Sabotage(());

    impl Sabotage {
        /// Leaves one check out.
        pub fn skip(check: Check) -> Self {
            BROKEN.set(Some(check));
            Self(())
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            BROKEN.set(None);
        }
    }

    fn skips(check: Check) -> bool {
        BROKEN.get() == Some(check)
    }
    pub(crate) fn vouches_for_anything() -> bool {
        skips(Check::NeverVouched)
    }
    pub(crate) fn ignores_policy() -> bool {
        skips(Check::Policy)
    }
    pub(crate) fn ignores_removals() -> bool {
        skips(Check::Removal)
    }
    pub(crate) fn ignores_cut_offs() -> bool {
        skips(Check::CutOff)
    }
    pub(crate) fn takes_anybody_for_a_member() -> bool {
        skips(Check::Membership)
    }
    pub(crate) fn takes_any_actor() -> bool {
        skips(Check::Actor)
    }
    pub(crate) fn keeps_erased() -> bool {
        skips(Check::Erasure)
    }
    pub(crate) fn allows_anybody() -> bool {
        skips(Check::Role)
    }
    pub(crate) fn believes_clocks() -> bool {
        skips(Check::Clock)
    }
}

#[cfg(not(any(test, feature = "test-sabotage")))]
mod switches {
    pub(crate) const fn vouches_for_anything() -> bool {
        false
    }
    pub(crate) const fn ignores_policy() -> bool {
        false
    }
    pub(crate) const fn ignores_removals() -> bool {
        false
    }
    pub(crate) const fn ignores_cut_offs() -> bool {
        false
    }
    pub(crate) const fn takes_anybody_for_a_member() -> bool {
        false
    }
    pub(crate) const fn takes_any_actor() -> bool {
        false
    }
    pub(crate) const fn keeps_erased() -> bool {
        false
    }
    pub(crate) const fn allows_anybody() -> bool {
        false
    }
    pub(crate) const fn believes_clocks() -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-sabotage"))]
pub use switches::{Check, Sabotage};
pub(crate) use switches::{
    allows_anybody, believes_clocks, ignores_cut_offs, ignores_policy, ignores_removals,
    keeps_erased, takes_any_actor, takes_anybody_for_a_member, vouches_for_anything,
};
