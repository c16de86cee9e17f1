//! Every chore of Tocco.
fn main() {}
