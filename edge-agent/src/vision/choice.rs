//! Which model plays a part.
