//! The domain as one deterministic machine: no I/O, no clock, no chance.
