//! What goes over a wire or into a file: ids, entries, packs, frames, limits.
