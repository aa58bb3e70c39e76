//! The decisions; pure.
