//! Simulated peers: piles and backend.
