//! A saved state, made fit to load: one bad value never costs the rest.
//!
//! The framework refuses a state as a whole when one value in it is of no use (a number that was
//! not finite is saved as `null`), and takes any number as it is, however far outside of its
//! parameter's range it lies. So the entries of both formats read the host's stream themselves
//! ([`read`]) and hand on what [`mended`] makes of it.

use std::collections::BTreeMap;
use std::io::{self, Read};

use nice_plug::plugin::ParamValue;
use nice_plug::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::params::ToccoParams;

/// Bytes of the largest state that is read: a calibration is the most of it, and far smaller.
pub const LARGEST: u64 = 64 << 20;

/// All of `stream`, which may come in pieces of any size. Allocates.
///
/// # Errors
/// When the stream has an error, or more than [`LARGEST`] bytes.
pub fn read(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let text = format!("expected at most {LARGEST} bytes, found more");
        return Err(io::Error::other(text));
    }
    Ok(bytes)
}

/// What [`mended`] makes of the bytes that were [`read`], for an entry: what is refused is logged.
/// Allocates.
#[must_use]
pub fn mended_or_told(bytes: io::Result<Vec<u8>>) -> Option<Vec<u8>> {
    let refused = match bytes {
        Ok(bytes) => match mended(&bytes) {
            None => format!("{} bytes that are none", bytes.len()),
            mended => return mended,
        },
        Err(error) => error.to_string(),
    };
    nice_error!("the saved state is refused, all stays as it was: {refused}");
    None
}

/// The state in `bytes` as the framework reads it: without the values that cannot be read, and with
/// every number in its parameter's range. `None` if it is no state at all: no JSON object, or one with neither parameters nor fields. Allocates.
#[must_use]
pub fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    fn readable<T: for<'a> Deserialize<'a>>(part: Option<&RawValue>) -> BTreeMap<String, T> {
        let part = part.map(|part| serde_json::from_str(part.get()));
        let values: BTreeMap<String, &RawValue> = part
            .transpose()
            .unwrap_or_else(|error| {
                nice_warn!("a part of the saved state is left as it was: {error}");
                None
            })
            .unwrap_or_default();
        let read = |(name, value): (String, &RawValue)| {
            let read = serde_json::from_str(value.get());
            if let Err(error) = &read {
                nice_warn!("the saved state's {name} is left as it was: {error}");
            }
            Some((name, read.ok()?))
        };
        values.into_iter().filter_map(read).collect()
    }
    let parts: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes).ok()?;
    let part = |name| parts.get(name).copied();
    let (version, params, fields) = (part("version"), part("params"), part("fields"));
    if params.is_none() && fields.is_none() {
        return None;
    }
    let version = version.map(|version| serde_json::from_str(version.get()));
    let mut state = PluginState {
        version: version.and_then(Result::ok).unwrap_or_default(),
        params: readable(params),
        fields: readable(fields),
    };
    clamp(&mut state);
    serde_json::to_vec(&state).ok()
}

/// What would be saved of `params`, as a host would have it. Allocates.
///
/// # Panics
/// Never: text and numbers can be written.
#[must_use]
pub fn of(params: &ToccoParams) -> Vec<u8> {
    let values = params.param_map().into_iter().map(|(id, param, _)| {
        // SAFETY: the parameters live as long as `params`.
        let value = unsafe {
            match param {
                ParamPtr::FloatParam(p) => ParamValue::F32((*p).unmodulated_plain_value()),
                ParamPtr::IntParam(p) => ParamValue::I32((*p).unmodulated_plain_value()),
                ParamPtr::BoolParam(p) => ParamValue::Bool((*p).unmodulated_plain_value()),
                ParamPtr::EnumParam(p) => match (*p).unmodulated_plain_id() {
                    Some(id) => ParamValue::String(id.to_owned()),
                    None => ParamValue::I32((*p).unmodulated_plain_value()),
                },
            }
        };
        (id, value)
    });
    let state = PluginState {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        params: values.collect(),
        fields: params.serialize_fields(),
    };
    serde_json::to_vec(&state).expect("text and numbers can be written")
}

/// Sets `params` to the state in `bytes`, in which one bad value costs itself alone; whether it is a
/// state. Allocates.
#[must_use]
pub fn load(params: &ToccoParams, bytes: &[u8]) -> bool {
    let state = mended(bytes).map(|mended| serde_json::from_slice::<PluginState>(&mended));
    let Some(Ok(state)) = state else {
        return false;
    };
    params.requests.unheard(|| {
        for (id, param, _) in params.param_map() {
            let Some(value) = state.params.get(&id) else {
                continue;
            };
            // SAFETY: the parameters live as long as `params`.
            unsafe {
                let normalized = match (param, value) {
                    (ParamPtr::FloatParam(p), ParamValue::F32(v)) => (*p).preview_normalized(*v),
                    (ParamPtr::IntParam(p), ParamValue::I32(v)) => (*p).preview_normalized(*v),
                    (ParamPtr::BoolParam(p), ParamValue::Bool(v)) => (*p).preview_normalized(*v),
                    (ParamPtr::EnumParam(p), ParamValue::I32(v)) => (*p).preview_normalized(*v),
                    (ParamPtr::EnumParam(p), ParamValue::String(id)) => {
                        (*p).set_from_id(id);
                        continue;
                    }
                    _ => continue,
                };
                param._internal_set_normalized_value(normalized);
            }
        }
        params.deserialize_fields(&state.fields);
    });
    true
}

/// Brings every number of `state` into its parameter's range, and leaves out those that are none.
fn clamp(state: &mut PluginState) {
    let params = ToccoParams::default();
    for (id, param, _) in params.param_map() {
        let Some(value) = state.params.get_mut(&id) else {
            continue;
        };
        // SAFETY: the parameters outlive the loop.
        let usable = unsafe {
            match (param, &mut *value) {
                (ParamPtr::FloatParam(param), ParamValue::F32(value)) => {
                    *value = value.clamp((*param).preview_plain(0.0), (*param).preview_plain(1.0));
                    true
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
    // JSON has no word for them. One of a parameter that this version does not know is in no range.
    let is_number = |value: &ParamValue| !matches!(value, ParamValue::F32(v) if !v.is_finite());
    state.params.retain(|_, value| is_number(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{ModelChoice, set};
    use crate::velocity_lesson::{Standing, Step};
    use nice_plug::params::persist::PersistentField;

    fn read(text: &str) -> PluginState {
        let bytes = mended(text.as_bytes()).expect("it is a state");
        serde_json::from_slice(&bytes).expect("the framework reads it")
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
        let state = read(r#"{"params":{"reverb":{"f32":1e39},"gate":{"f32":0.25}}}"#);
        assert!(!state.params.contains_key("reverb"));
        assert_eq!(f32_of(&state, "gate"), Some(0.25));
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
            assert_eq!(params.user_package.path(), "/here");
        }
    }

    #[test]
    fn a_bad_part_costs_itself_alone() {
        for bad in ["null", "7", "[]", "\"loud\""] {
            let state = read(&format!(
                r#"{{"params":{bad},"fields":{{"user-package":"\"/here\""}}}}"#
            ));
            assert!(state.params.is_empty(), "{bad}");
            assert_eq!(state.fields["user-package"], "\"/here\"");
            let state = read(&format!(
                r#"{{"params":{{"gate":{{"f32":0.25}}}},"fields":{bad}}}"#
            ));
            assert_eq!(f32_of(&state, "gate"), Some(0.25), "{bad}");
        }
    }

    #[test]
    fn what_is_saved_without_a_host_comes_back() {
        let params = ToccoParams::default();
        set(&params.gate, 0.25);
        set(&params.model, ModelChoice::ToccoSure);
        set(&params.techniques.of_class[2].note, 99);
        set(&params.techniques.of_class[6].used, false);
        set(&params.velocity_lesson, Step::Soft);
        params.user_package.set("/here".to_owned());
        let saved = of(&params);
        assert_eq!(mended(&saved), Some(saved.clone()));
        let other = ToccoParams::default();
        assert!(load(&other, &saved));
        assert_eq!(of(&other), saved);
        assert_eq!(other.masked_bits(), 1 << 6);
        // A state asks for nothing.
        assert_eq!(other.requests.velocity.standing(), Standing::AsSet);
        assert!(!load(&other, b"no state") && of(&other) == saved);
    }

    #[test]
    fn a_state_from_before_there_was_rejection_leaves_it_as_delivered() {
        let params = ToccoParams::default();
        let older: Vec<u8> = {
            let mut state: serde_json::Value = serde_json::from_slice(&of(&params)).unwrap();
            let removed = state["params"].as_object_mut().unwrap().remove("foreign");
            assert!(removed.is_some());
            serde_json::to_vec(&state).unwrap()
        };
        assert!(load(&params, &older));
        assert_eq!(of(&params), of(&ToccoParams::default()));
        set(&params.strictness, 0.0);
        let other = ToccoParams::default();
        assert!(load(&other, &of(&params)));
        assert_eq!(other.settings().strictness, 0.0);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for text in ["", "no state", "[1]", "{}", r#"{"hello":1}"#, "null", "7"] {
            assert_eq!(mended(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_stream_is_read_to_its_bound() {
        let most = super::read(io::repeat(b' ').take(LARGEST)).unwrap();
        assert_eq!(most.len() as u64, LARGEST);
        let error = super::read(io::repeat(b' ')).unwrap_err().to_string();
        assert_eq!(error, "expected at most 67108864 bytes, found more");
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
    }
}
