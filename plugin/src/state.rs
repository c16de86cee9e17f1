//! A saved state, made fit to load: one bad value never costs the rest.
//!
//! The framework refuses a state as a whole when one value in it is of no use (a number that was
//! not finite is saved as `null`), and takes any number as it is, however far outside of its
//! parameter's range it lies. [`mended`] leaves out what cannot be read, for the entries of both
//! formats to call; [`clamp`] brings the rest into range, for the framework's own hook.

use std::collections::BTreeMap;

use nice_plug::plugin::ParamValue;
use nice_plug::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::params::ToccoParams;

/// A state of which each value is still to be read.
#[derive(Deserialize)]
struct Unread<'a> {
    #[serde(borrow, default)]
    version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    fields: BTreeMap<String, &'a RawValue>,
}

/// The state in `bytes` without the values that cannot be read, as the framework reads it. `None`
/// if it is no state at all. Allocates.
#[must_use]
pub fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    fn readable<T: for<'a> Deserialize<'a>>(
        values: BTreeMap<String, &RawValue>,
    ) -> BTreeMap<String, T> {
        let read = |(name, value): (String, &RawValue)| {
            let read = serde_json::from_str(value.get());
            if let Err(error) = &read {
                nice_warn!("the saved state's {name} is left as it was: {error}");
            }
            Some((name, read.ok()?))
        };
        values.into_iter().filter_map(read).collect()
    }
    let unread: Unread<'_> = serde_json::from_slice(bytes).ok()?;
    let version = unread
        .version
        .map(|version| serde_json::from_str(version.get()));
    let state = PluginState {
        version: version.and_then(Result::ok).unwrap_or_default(),
        params: readable(unread.params),
        fields: readable(unread.fields),
    };
    serde_json::to_vec(&state).ok()
}

/// Brings every number of `state` into its parameter's range, and leaves out those that are none.
/// Allocates.
pub fn clamp(state: &mut PluginState) {
    let params = ToccoParams::default();
    for (id, param, _) in params.param_map() {
        let Some(value) = state.params.get_mut(&id) else {
            continue;
        };
        // SAFETY: the parameters outlive the loop.
        let usable = unsafe {
            match (param, &mut *value) {
                (ParamPtr::FloatParam(param), ParamValue::F32(value)) => {
                    let usable = !value.is_nan();
                    *value = value.clamp((*param).preview_plain(0.0), (*param).preview_plain(1.0));
                    usable
                }
                (ParamPtr::IntParam(param), ParamValue::I32(value)) => {
                    *value =
                        (*value).clamp((*param).preview_plain(0.0), (*param).preview_plain(1.0));
                    true
                }
                // An index of a choice that there is not is no choice near another one.
                (ParamPtr::EnumParam(param), ParamValue::I32(value)) => {
                    let last = (*param).step_count().unwrap_or(0);
                    usize::try_from(*value).is_ok_and(|index| index <= last)
                }
                _ => true,
            }
        };
        if !usable {
            state.params.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ModelChoice;

    fn read(text: &str) -> PluginState {
        let bytes = mended(text.as_bytes()).expect("it is a state");
        let mut state: PluginState =
            serde_json::from_slice(&bytes).expect("the framework reads it");
        clamp(&mut state);
        state
    }

    fn f32_of(state: &PluginState, id: &str) -> Option<f32> {
        match state.params.get(id)? {
            ParamValue::F32(value) => Some(*value),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_outside_of_their_range_are_brought_into_it() {
        for (written, expected) in [
            ("1e39", 100.0),
            ("-1e39", 0.0),
            ("1e6", 100.0),
            ("42.5", 42.5),
        ] {
            let state = read(&format!(
                r#"{{"version":"1","params":{{"sensitivity":{{"f32":{written}}}}},"fields":{{}}}}"#
            ));
            assert_eq!(f32_of(&state, "sensitivity"), Some(expected), "{written}");
        }
        let state =
            read(r#"{"params":{"note_1":{"i32":999},"note_2":{"i32":-5},"model":{"i32":77}}}"#);
        assert!(matches!(state.params["note_1"], ParamValue::I32(127)));
        assert!(matches!(state.params["note_2"], ParamValue::I32(0)));
        assert!(!state.params.contains_key("model"));
    }

    #[test]
    fn a_bad_value_costs_itself_alone() {
        for bad in [
            "null",
            r#"{"f32":null}"#,
            r#"{"f32":1e400}"#,
            r#"{"f32":"loud"}"#,
            r#"{"f64":1}"#,
            "[]",
            "7",
            r#"{"i32":99999999999}"#,
            r#"{"f32":1,"i32":2}"#,
        ] {
            let state = read(&format!(
                r#"{{"version":3,"params":{{"sensitivity":{bad},"gate":{{"f32":0.25}}}},
                    "fields":{{"calibration":{bad},"user-package":"\"/here\""}}}}"#
            ));
            assert_eq!(f32_of(&state, "gate"), Some(0.25), "{bad}");
            assert_eq!(f32_of(&state, "sensitivity"), None, "{bad}");
            assert_eq!(state.fields["user-package"], "\"/here\"");
            let params = ToccoParams::default();
            params.deserialize_fields(&state.fields);
            assert_eq!(params.user_package.folder(), "/here");
        }
        assert!(mended(b"no state").is_none() && mended(b"").is_none() && mended(b"[1]").is_none());
    }

    #[test]
    fn a_sound_state_stays_as_it_is() {
        let params = ToccoParams::default();
        let values = params.param_map().into_iter().map(|(id, param, _)| {
            // SAFETY: the parameters outlive the closure.
            let value = unsafe {
                match param {
                    ParamPtr::FloatParam(p) => ParamValue::F32((*p).value()),
                    ParamPtr::IntParam(p) => ParamValue::I32((*p).value()),
                    ParamPtr::BoolParam(p) => ParamValue::Bool((*p).value()),
                    ParamPtr::EnumParam(_) => ParamValue::I32(ModelChoice::C.to_index() as i32),
                }
            };
            (id, value)
        });
        let state = PluginState {
            version: "0.1.0".to_owned(),
            params: values.collect(),
            fields: params.serialize_fields(),
        };
        let written = serde_json::to_vec(&state).unwrap();
        assert_eq!(mended(&written), Some(written.clone()));
        let mut clamped = state;
        clamp(&mut clamped);
        assert_eq!(serde_json::to_vec(&clamped).unwrap(), written);
    }
}
