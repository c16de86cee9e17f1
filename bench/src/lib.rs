//! Hosts, comparison and audit.
