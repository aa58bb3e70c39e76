//! The order ledger in SQLite.
