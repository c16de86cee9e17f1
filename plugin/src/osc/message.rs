//! What is told of a note by OSC.

use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType};

use super::Form;
use tocco_recognizer::classification::{Classification, Decision};

/// Address of the paper's plugin, which its authors' programs for the stage listen to.
const CLASS: &str = "/guitarClassifier/class";

/// The time tag that says: now.
const NOW: OscTime = OscTime {
    seconds: 0,
    fractional: 1,
};

/// The packet about `result` in a stream of `host_rate` Hz, with the name of its technique; nothing if
/// the form has none. The paper's forms say something once for each note that is played: a second
/// decision and a note under the gate are not in them. Allocates.
#[must_use]
pub fn packet(
    form: Form,
    result: &Classification,
    host_rate: f64,
    technique: &str,
) -> Option<OscPacket> {
    let probabilities = &result.probabilities[..result.n_classes];
    let floats = || probabilities.iter().map(|p| OscType::Float(*p)).collect();
    let class = OscType::Int(result.class as i32);
    if form != Form::Bundle && (result.is_second() || result.gated) {
        return None;
    }
    match form {
        Form::Best => Some(message(
            CLASS,
            vec![class, OscType::Float(result.probability())],
        )),
        Form::All => Some(message(CLASS, floats())),
        Form::Bundle => {
            let decision = match result.decision {
                Decision::First => 1,
                Decision::Second { .. } => 2,
            };
            let latency_ms = result.latency() as f64 * 1000.0 / host_rate;
            let onset = result.note.position as f64 / host_rate;
            let id = (result.note.onset_id & 0x7fff_ffff) as i32;
            let content = vec![
                message("/tocco/id", vec![OscType::Int(id)]),
                message("/tocco/decision", vec![OscType::Int(decision)]),
                message("/tocco/onset", vec![OscType::Double(onset)]),
                message(
                    "/tocco/technique",
                    vec![OscType::String(technique.to_owned()), class],
                ),
                message("/tocco/probabilities", floats()),
                message("/tocco/latency", vec![OscType::Float(latency_ms as f32)]),
                message("/tocco/gated", vec![OscType::Int(i32::from(result.gated))]),
            ];
            Some(OscPacket::Bundle(OscBundle {
                timetag: NOW,
                content,
            }))
        }
    }
}

fn message(addr: &str, args: Vec<OscType>) -> OscPacket {
    OscPacket::Message(OscMessage {
        addr: addr.to_owned(),
        args,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_forms_have_its_types() {
        let note = Classification {
            gated: false,
            n_classes: 8,
            ..Classification::numbered(2)
        };
        let types = |form| match packet(form, &note, 48_000.0, "Tom") {
            Some(OscPacket::Message(message)) => {
                assert_eq!(message.addr, CLASS);
                let tag = |argument: &OscType| match argument {
                    OscType::Int(_) => 'i',
                    OscType::Float(_) => 'f',
                    other => panic!("{other:?}"),
                };
                message.args.iter().map(tag).collect::<String>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(types(Form::Best), "if");
        assert_eq!(types(Form::All), "ffffffff");
        let gated = Classification {
            gated: true,
            ..note
        };
        let second = Classification {
            decision: Decision::Second {
                was: 0,
                was_gated: false,
            },
            ..note
        };
        for silent in [gated, second] {
            assert_eq!(packet(Form::Best, &silent, 48_000.0, ""), None);
            assert_eq!(packet(Form::All, &silent, 48_000.0, ""), None);
            assert!(packet(Form::Bundle, &silent, 48_000.0, "").is_some());
        }
    }
}
