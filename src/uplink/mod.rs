//! Links to the backends.
