//! Feature vectors to probabilities.
