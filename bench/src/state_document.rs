//! The JSON document in a state that the plugin has saved.
//!
//! In a CLAP the framework writes its length before it, eight bytes little-endian.

use anyhow::{Context, Result};
use serde_json::Value;

/// What lies before the document, and it.
///
/// # Errors
/// When there is none.
fn split(state: &[u8]) -> Result<(&[u8], &[u8])> {
    let start = if state.starts_with(b"{") { 0 } else { 8 };
    let parts = state.split_at_checked(start);
    parts.context("the plugin's state: expected a JSON document")
}

/// The document in `state`.
///
/// # Errors
/// When there is none.
pub fn document(state: &[u8]) -> Result<Value> {
    let (_, document) = split(state)?;
    serde_json::from_slice(document).context("the plugin's state: expected a JSON document")
}

/// `state` with another document in it, which may be none at all.
///
/// # Errors
/// When `state` has no document.
pub fn with_document(state: &[u8], document: &str) -> Result<Vec<u8>> {
    let length = (document.len() as u64).to_le_bytes();
    let length = &length[..split(state)?.0.len()];
    Ok([length, document.as_bytes()].concat())
}

/// `state` with the text of the field `name` set to `text`. The framework keeps each field as JSON of its
/// own.
///
/// # Errors
/// When `state` has no such field.
pub fn with_field(state: &[u8], name: &str, text: &str) -> Result<Vec<u8>> {
    let mut document = document(state)?;
    let field = document.pointer_mut(&format!("/fields/{name}"));
    *field.with_context(|| format!("the plugin's state: expected a field {name}"))? = text.into();
    with_document(state, &document.to_string())
}
