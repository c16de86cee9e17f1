//! A saved state, made fit to load: one bad value never costs the rest.
//!
//! The framework refuses a state as a whole when one value in it is of no use (a number that was
//! not finite is saved as `null`), and takes any number as it is, however far outside of its
//! parameter's range it lies. So the entries of both formats read the host's stream themselves
//! ([`read`]) and hand on what [`mended`] makes of it.
//!
//! A state says which version saved it. An older one is loaded. A newer one is refused, in words: what it
//! means by what it says nobody here can know.

use std::collections::BTreeMap;
use std::io::{self, Read};

use nice_plug::plugin::ParamValue;
use nice_plug::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::params::ToccoParams;
use crate::service::{Action, Shared};

/// This version: the newest whose states are loaded.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Why a state is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The host does not hand it out.
    #[error("{0}")]
    Stream(String),
    /// It is no state: no JSON object, or one with neither parameters nor fields.
    #[error("expected a state that Tocco saved, found {bytes} bytes that are none")]
    Malformed {
        /// How many there are.
        bytes: usize,
    },
    /// A newer version saved it.
    #[error(
        "version: expected at most {OWN}, found {found}: a newer Tocco saved it; update Tocco to load it, \
         and save nothing in its place before"
    )]
    Newer {
        /// That version.
        found: String,
    },
}

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

/// What [`mended`] makes of the bytes that were [`read`], for an entry. Why a state is refused stands in
/// the log, and in the window until another one is loaded. Allocates and takes a lock.
pub(crate) fn mended_or_told(bytes: io::Result<Vec<u8>>, shared: &Shared) -> Option<Vec<u8>> {
    let bytes = bytes.map_err(|error| StateError::Stream(error.to_string()));
    let mended = bytes.and_then(|bytes| mended(&bytes));
    let told = mended
        .map_err(|refused| format!("the saved state is refused, all stays as it was: {refused}"));
    shared.tell(Action::LoadState, told)
}

/// The state in `bytes` as the framework reads it: without the values that cannot be read, and with
/// every number in its parameter's range. Allocates.
///
/// # Errors
/// When it is no state at all, or one of a newer version.
pub fn mended(bytes: &[u8]) -> Result<Vec<u8>, StateError> {
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
    let malformed = StateError::Malformed { bytes: bytes.len() };
    let Ok(parts) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(bytes) else {
        return Err(malformed);
    };
    let part = |name| parts.get(name).copied();
    let (version, params, fields) = (part("version"), part("params"), part("fields"));
    let version = version.map(|version| serde_json::from_str::<String>(version.get()));
    let version = version.and_then(Result::ok).unwrap_or_default();
    // Before all else: a newer one may have other parts.
    if is_newer(&version) {
        return Err(StateError::Newer { found: version });
    }
    if params.is_none() && fields.is_none() {
        return Err(malformed);
    }
    let mut state = PluginState {
        version,
        params: readable(params),
        fields: readable(fields),
    };
    clamp(&mut state);
    serde_json::to_vec(&state).map_err(|_| malformed)
}

/// Whether `version` is one after this whose states may have other parts: the last of its numbers counts
/// mends, which change none. What is no version, as very old states have it, is not.
fn is_newer(version: &str) -> bool {
    numbers(version).is_some_and(|found| numbers(OWN).is_some_and(|own| found > own))
}

/// The first two of the three numbers of a version.
fn numbers(version: &str) -> Option<[u64; 2]> {
    let release = version.split(['-', '+']).next()?;
    let mut parts = release.split('.').map(|part| part.parse::<u64>().ok());
    let numbers = [parts.next()??, parts.next()??];
    let _mends = parts.next()??;
    parts.next().is_none().then_some(numbers)
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
        version: OWN.to_owned(),
        params: values.collect(),
        fields: params.serialize_fields(),
    };
    serde_json::to_vec(&state).expect("text and numbers can be written")
}

/// Sets `params` to the state in `bytes`, in which one bad value costs itself alone. Allocates.
///
/// # Errors
/// When it is no state at all, or one of a newer version; nothing has changed then.
pub fn load(params: &ToccoParams, bytes: &[u8]) -> Result<(), StateError> {
    let malformed = |_| StateError::Malformed { bytes: bytes.len() };
    let state: PluginState = serde_json::from_slice(&mended(bytes)?).map_err(malformed)?;
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
    Ok(())
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
        assert_eq!(mended(&saved), Ok(saved.clone()));
        let other = ToccoParams::default();
        assert_eq!(load(&other, &saved), Ok(()));
        assert_eq!(of(&other), saved);
        assert_eq!(other.masked_bits(), 1 << 6);
        // A state asks for nothing.
        assert_eq!(other.requests.velocity.standing(), Standing::AsSet);
        assert!(load(&other, b"no state").is_err() && of(&other) == saved);
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
        assert_eq!(load(&params, &older), Ok(()));
        assert_eq!(of(&params), of(&ToccoParams::default()));
        set(&params.strictness, 0.0);
        let other = ToccoParams::default();
        assert_eq!(load(&other, &of(&params)), Ok(()));
        assert_eq!(other.settings().strictness, 0.0);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for text in ["", "no state", "[1]", "{}", r#"{"hello":1}"#, "null", "7"] {
            let bytes = text.len();
            let refused = Err(StateError::Malformed { bytes });
            assert_eq!(mended(text.as_bytes()), refused, "{text}");
        }
    }

    /// What is saved of `params`, as if `version` had saved it.
    fn saved_by(params: &ToccoParams, version: &str) -> Vec<u8> {
        let mut state: PluginState = serde_json::from_slice(&of(params)).unwrap();
        version.clone_into(&mut state.version);
        serde_json::to_vec(&state).unwrap()
    }

    #[test]
    fn an_older_state_is_loaded_and_a_newer_one_refused_in_words() {
        let params = ToccoParams::default();
        set(&params.gate, 0.25);
        let [major, minor] = numbers(OWN).expect("ours is a version");
        let next_patch = format!("{major}.{minor}.999");
        let next_minor = format!("{major}.{}.0-rc.1", minor + 1);
        let next_major = format!("{}.0.0", major + 1);
        for newer in [&*next_minor, &next_major, "999.0.0+build"] {
            let other = ToccoParams::default();
            let refused = load(&other, &saved_by(&params, newer)).unwrap_err();
            let expected = format!("expected at most {OWN}, found {newer}: a newer Tocco saved it");
            assert!(refused.to_string().contains(&expected), "{refused}");
            assert_eq!(of(&other), of(&ToccoParams::default()), "{newer}");
        }
        // It may have other parts than ours.
        let other_parts = mended(br#"{"version":"999.0.0","things":[]}"#);
        assert!(matches!(other_parts, Err(StateError::Newer { .. })));
        for known in [
            OWN,
            &next_patch,
            "0.0.9",
            "0.0.0",
            "",
            "1",
            "next",
            "9.9",
            "9.9.9.9",
        ] {
            let other = ToccoParams::default();
            assert_eq!(load(&other, &saved_by(&params, known)), Ok(()), "{known}");
            assert_eq!(other.gate.value(), 0.25, "{known}");
        }
    }

    #[test]
    fn why_a_state_is_refused_is_told_until_another_one_is_loaded() {
        use std::sync::Arc;

        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let told = || shared.status().failed.get(&Action::LoadState).cloned();
        let newer = saved_by(&shared.params, "999.0.0");
        assert_eq!(mended_or_told(Ok(newer), &shared), None);
        let refused = told().unwrap();
        assert!(
            refused.contains("found 999.0.0: a newer Tocco"),
            "{refused}"
        );
        let own = of(&shared.params);
        assert_eq!(mended_or_told(Ok(own.clone()), &shared), Some(own.clone()));
        assert_eq!(told(), None);
        let broken = io::Error::other("the host's stream answers -1");
        assert_eq!(mended_or_told(Err(broken), &shared), None);
        assert!(told().unwrap().ends_with("the host's stream answers -1"));
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
            version: OWN.to_owned(),
            params: values.collect(),
            fields: params.serialize_fields(),
        };
        let written = serde_json::to_vec(&state).unwrap();
        assert_eq!(mended(&written), Ok(written.clone()));
    }
}
