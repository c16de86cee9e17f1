//! Trains, exports and evaluates the model packages.
fn main() {}
