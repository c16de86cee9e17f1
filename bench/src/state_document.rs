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
    // A length may begin with the byte of a brace, and no document is as long as its first eight bytes say.
    let has_length = state
        .split_first_chunk()
        .is_some_and(|(length, rest)| u64::from_le_bytes(*length) == rest.len() as u64);
    let start = if has_length { 8 } else { 0 };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_found_and_replaced_whatever_its_length_and_format() {
        for length in 0..600 {
            let fields = json!({ "fields": { "sounds": "x".repeat(length) } });
            let text = fields.to_string();
            let prefix = (text.len() as u64).to_le_bytes();
            for before in [&[][..], &prefix] {
                let state = [before, text.as_bytes()].concat();
                assert_eq!(document(&state).unwrap(), fields);
                let other = with_field(&state, "sounds", "y").unwrap();
                assert_eq!(other.len() - before.len(), text.len() - length + 1);
                assert_eq!(document(&other).unwrap()["fields"]["sounds"], "y");
            }
        }
        assert!(document(b"").is_err() && document(b"nonsense").is_err());
        assert!(with_field(b"{}", "sounds", "y").is_err());
    }
}
