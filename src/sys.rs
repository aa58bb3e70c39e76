//! The few system calls no safe crate offers; the only room where `unsafe` is allowed.
