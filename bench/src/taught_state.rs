//! The plugin's state, as a CLAP host saves it, with a calibration profile in it: a project in which
//! the player has taught the model.
//!
//! The state is the length of a JSON document, eight bytes little-endian, and the document. What was
//! taught is the text of one of its fields: `in_use`, and a profile for each model.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tocco_recognizer::adaptation::Profile;
use tocco_recognizer::adaptation::second_profile;

/// Bytes of the length before the document.
const LENGTH: usize = 8;
/// The field that holds what was taught.
const FIELD: &str = "/fields/calibration";

/// `state` with the profile in the file `profile` of the model `model`, and, if there is one, that of the
/// second model beside it.
///
/// # Errors
/// When the profile cannot be read or is of another model, or the state is not the plugin's.
pub fn taught_state(state: &[u8], model: &str, profile: &Path) -> Result<Vec<u8>> {
    let (first, text) = read(profile)?;
    ensure!(
        first.model.eq_ignore_ascii_case(model),
        "{}: expected a profile of the model {model}, found one of {}; choose it with --model {}",
        profile.display(),
        first.model,
        first.model
    );
    let mut profiles = vec![(first.model, text)];
    let beside = second_profile(profile);
    if beside.exists() {
        let (second, text) = read(&beside)?;
        profiles.push((second.model, text));
    }
    let foreign = "the plugin's state: expected a JSON document with what was taught";
    let document = state.get(LENGTH..).context(foreign)?;
    let mut document: Value = serde_json::from_slice(document).context(foreign)?;
    let taught = document.pointer_mut(FIELD).context(foreign)?;
    let profiles: serde_json::Map<String, Value> = (profiles.into_iter())
        .map(|(model, text)| (model, Value::String(text)))
        .collect();
    let saved = json!({ "in_use": true, "profiles": profiles });
    *taught = Value::String(saved.to_string());
    let document = serde_json::to_vec(&document)?;
    let length = (document.len() as u64).to_le_bytes();
    Ok([&length[..], &document].concat())
}

fn read(path: &Path) -> Result<(Profile, String)> {
    let cannot = || {
        format!(
            "{}: cannot be read; give a profile that was saved by a calibration",
            path.display()
        )
    };
    let text = fs::read_to_string(path).with_context(cannot)?;
    let profile = Profile::parse(&text, &path.display().to_string())?;
    Ok((profile, text))
}
