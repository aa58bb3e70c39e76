//! Config, the loop, supervision.
