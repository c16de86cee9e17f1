//! The plugin's state with a calibration profile in it: a project in which the player has taught the
//! model. What was taught is the text of one of its fields: `in_use`, and a profile for each model.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tocco_recognizer::adaptation::Profile;
use tocco_recognizer::adaptation::second_profile;

use crate::state_document::with_field;

/// The field that holds what was taught.
const FIELD: &str = "calibration";

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
    let profiles: serde_json::Map<String, Value> = (profiles.into_iter())
        .map(|(model, text)| (model, Value::String(text)))
        .collect();
    let saved = json!({ "in_use": true, "profiles": profiles });
    with_field(state, FIELD, &saved.to_string())
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
