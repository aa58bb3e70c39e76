//! Buses of meters: RS-485 ports and TCP converters, each driven by a thread of its own.
