//! The only place that asks for the time.
