//! chatify.
fn main() {}
