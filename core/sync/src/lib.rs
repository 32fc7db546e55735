//! Sans-IO state machines of both sides of a sync session.
