//! What may be asked by OSC.
//!
//! A packet comes from anybody on this machine. It is refused in words if it is not one of these; what
//! it holds beside is not looked at.

use nice_plug::prelude::Enum;
use rosc::{OscMessage, OscPacket, OscType};
use tocco_dsp::Technique;

use crate::params::ModelChoice;

/// Largest packet that is read, bytes. The decoder calls itself for a bundle in a bundle: so few
/// bytes hold too few of them to end the stack.
pub const LARGEST: usize = 2048;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// From now on every note is an example of this class; `None`: of none.
    Teach(Option<usize>),
    /// Forget the last example.
    Undo,
    /// Forget all examples.
    ForgetAll,
    /// Whether the player uses a class at all.
    Use {
        /// The class.
        class: usize,
        /// Whether it is used.
        used: bool,
    },
    /// Another model.
    Model(ModelChoice),
}

/// Why a packet is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is larger than [`LARGEST`].
    #[error("expected at most {LARGEST} bytes, found more")]
    TooLarge,
    /// It is no OSC.
    #[error("it is no OSC packet: {0}")]
    NotOsc(String),
    /// A bundle lies in a bundle.
    #[error("a bundle in a bundle: send the messages alone")]
    Nested,
    /// There is no such address.
    #[error("{0}: there are /tocco/teach, /tocco/undo, /tocco/forget, /tocco/use and /tocco/model")]
    Address(String),
    /// The arguments are others than the address takes.
    #[error("{address}: expected {expected}, found {found}")]
    Arguments {
        /// The address.
        address: String,
        /// What it takes.
        expected: &'static str,
        /// What there is.
        found: String,
    },
}

/// The commands in a packet, all of them or none.
///
/// # Errors
/// When one of them is none.
pub fn parse(packet: &[u8]) -> Result<Vec<Asked>, Refusal> {
    if packet.len() > LARGEST {
        return Err(Refusal::TooLarge);
    }
    let (_, packet) = rosc::decoder::decode_udp(packet)
        .map_err(|error| Refusal::NotOsc(shortened(&error.to_string())))?;
    match packet {
        OscPacket::Message(message) => Ok(vec![command(&message)?]),
        OscPacket::Bundle(bundle) => {
            let messages = bundle.content.iter().map(|packet| match packet {
                OscPacket::Message(message) => command(message),
                OscPacket::Bundle(_) => Err(Refusal::Nested),
            });
            messages.collect()
        }
    }
}

fn command(message: &OscMessage) -> Result<Asked, Refusal> {
    let refused = |expected| Refusal::Arguments {
        address: shortened(&message.addr),
        expected,
        found: shortened(&format!("{:?}", message.args)),
    };
    match (message.addr.as_str(), message.args.as_slice()) {
        ("/tocco/teach", [technique]) => {
            let off = match technique {
                OscType::String(name) => name.eq_ignore_ascii_case("off"),
                OscType::Int(number) => *number == -1,
                _ => false,
            };
            let class = if off { None } else { class(technique) };
            if class.is_none() && !off {
                return Err(refused(
                    "the name or number (0 to 7) of a technique, or \"off\" or -1",
                ));
            }
            Ok(Asked::Teach(class))
        }
        ("/tocco/teach", _) => Err(refused("one argument")),
        // Some controllers send a value with every button; 0 is its release.
        ("/tocco/undo", []) => Ok(Asked::Undo),
        ("/tocco/forget", []) => Ok(Asked::ForgetAll),
        ("/tocco/undo" | "/tocco/forget", _) => Err(refused("no argument")),
        ("/tocco/use", [technique, used]) => match (class(technique), truth(used)) {
            (Some(class), Some(used)) => Ok(Asked::Use { class, used }),
            _ => Err(refused("a technique, and true or false or 1 or 0")),
        },
        ("/tocco/use", _) => Err(refused("two arguments")),
        ("/tocco/model", [OscType::String(id)]) => {
            let ids = ModelChoice::ids().unwrap_or_default();
            let index = ids.iter().position(|known| known == id);
            let choice = index.map(ModelChoice::from_index);
            choice.map(Asked::Model).ok_or_else(|| {
                refused(
                    "\"a\", \"b\", \"c\", \"tocco\", \"tocco-sure\", \"tocco-late\" or \"user\"",
                )
            })
        }
        ("/tocco/model", _) => Err(refused("one string")),
        _ => Err(Refusal::Address(shortened(&message.addr))),
    }
}

/// A class by the name of its technique or its number.
fn class(argument: &OscType) -> Option<usize> {
    match argument {
        OscType::String(name) => {
            let named = |technique: &Technique| technique.label().eq_ignore_ascii_case(name);
            Technique::ALL.iter().position(named)
        }
        OscType::Int(number) => {
            let class = usize::try_from(*number).ok()?;
            (class < Technique::ALL.len()).then_some(class)
        }
        _ => None,
    }
}

fn truth(argument: &OscType) -> Option<bool> {
    match argument {
        OscType::Bool(truth) => Some(*truth),
        OscType::Int(0) => Some(false),
        OscType::Int(1) => Some(true),
        _ => None,
    }
}

/// No more of what others sent than a line of a log takes.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_default().to_string().replace("\\u{2026}", "…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rosc::{OscBundle, OscTime};

    fn message(addr: &str, args: Vec<OscType>) -> OscPacket {
        OscPacket::Message(OscMessage {
            addr: addr.to_owned(),
            args,
        })
    }

    fn bundle(content: Vec<OscPacket>) -> OscPacket {
        OscPacket::Bundle(OscBundle {
            timetag: OscTime::from((0, 1)),
            content,
        })
    }

    fn parsed(packet: &OscPacket) -> Result<Vec<Asked>, Refusal> {
        parse(&rosc::encoder::encode(packet).unwrap())
    }

    #[test]
    fn every_command_is_understood() {
        let text = |text: &str| OscType::String(text.to_owned());
        let cases = [
            ("/tocco/teach", vec![text("Snare 1")], Asked::Teach(Some(1))),
            (
                "/tocco/teach",
                vec![text("palm mute")],
                Asked::Teach(Some(5)),
            ),
            ("/tocco/teach", vec![OscType::Int(7)], Asked::Teach(Some(7))),
            ("/tocco/teach", vec![text("off")], Asked::Teach(None)),
            ("/tocco/teach", vec![OscType::Int(-1)], Asked::Teach(None)),
            ("/tocco/undo", vec![], Asked::Undo),
            ("/tocco/forget", vec![], Asked::ForgetAll),
            (
                "/tocco/use",
                vec![text("Tom"), OscType::Bool(false)],
                Asked::Use {
                    class: 2,
                    used: false,
                },
            ),
            (
                "/tocco/use",
                vec![OscType::Int(0), OscType::Int(1)],
                Asked::Use {
                    class: 0,
                    used: true,
                },
            ),
            (
                "/tocco/model",
                vec![text("tocco-late")],
                Asked::Model(ModelChoice::ToccoLate),
            ),
            (
                "/tocco/model",
                vec![text("tocco-sure")],
                Asked::Model(ModelChoice::ToccoSure),
            ),
        ];
        let mut all = Vec::new();
        for (address, arguments, expected) in cases {
            let packet = message(address, arguments);
            assert_eq!(parsed(&packet), Ok(vec![expected]), "{packet:?}");
            all.push((packet, expected));
        }
        let (packets, expected): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        assert_eq!(parsed(&bundle(packets)), Ok(expected));
    }

    #[test]
    fn what_is_no_command_is_refused_in_words() {
        let text = |text: &str| OscType::String(text.to_owned());
        for (address, arguments, words) in [
            ("/tocco/teach", vec![text("Slap")], "expected the name"),
            ("/tocco/teach", vec![OscType::Int(8)], "expected the name"),
            ("/tocco/teach", vec![], "expected one argument"),
            ("/tocco/undo", vec![OscType::Int(0)], "expected no argument"),
            ("/tocco/use", vec![text("Tom")], "expected two arguments"),
            ("/tocco/use", vec![text("Tom"), OscType::Int(2)], "1 or 0"),
            ("/tocco/model", vec![text("../secret")], "\"tocco\""),
            ("/tocco/model", vec![OscType::Int(1)], "one string"),
            ("/tocco", vec![], "there are /tocco/teach"),
        ] {
            let refusal = parsed(&message(address, arguments))
                .unwrap_err()
                .to_string();
            assert!(refusal.contains(words), "{refusal}");
        }
        // One that is none costs the bundle.
        let mixed = bundle(vec![message("/tocco/undo", vec![]), message("/x", vec![])]);
        assert!(matches!(parsed(&mixed), Err(Refusal::Address(_))));
        let long = message(&format!("/{}", "x\n".repeat(500)), vec![]);
        let refusal = parsed(&long).unwrap_err().to_string();
        assert!(refusal.len() < 400 && !refusal.contains('\n'), "{refusal}");
        assert_eq!(parse(&[0; LARGEST + 1]), Err(Refusal::TooLarge));
    }

    /// On a thread with the stack of those that are started by default.
    #[test]
    fn bundles_in_bundles_do_not_end_the_stack() {
        let mut packet = bundle(vec![message("/tocco/undo", vec![])]);
        let mut bytes = Vec::new();
        loop {
            let next = rosc::encoder::encode(&packet).unwrap();
            if next.len() > LARGEST {
                break;
            }
            bytes = next;
            packet = bundle(vec![packet]);
        }
        assert!(bytes.len() > LARGEST - 20);
        let parsed = std::thread::spawn(move || parse(&bytes)).join().unwrap();
        assert_eq!(parsed, Err(Refusal::Nested));
    }

    fn argument() -> impl Strategy<Value = OscType> {
        prop_oneof![
            any::<i32>().prop_map(OscType::Int),
            any::<f32>().prop_map(OscType::Float),
            "[a-zA-Z0-9 ]{0,12}".prop_map(OscType::String),
            any::<bool>().prop_map(OscType::Bool),
            proptest::collection::vec(any::<u8>(), 0..16).prop_map(OscType::Blob),
            Just(OscType::Nil),
        ]
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..LARGEST + 8)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn messages_that_were_damaged_do_no_harm(
            address in prop_oneof![
                Just("/tocco/teach"), Just("/tocco/undo"), Just("/tocco/use"), Just("/tocco/model"),
                Just("#bundle"), Just("/")
            ],
            arguments in proptest::collection::vec(argument(), 0..5),
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<proptest::sample::Index>(),
        ) {
            let whole = rosc::encoder::encode(&message(address, arguments)).unwrap();
            let known = parse(&whole);
            let classes = |asked: &Asked| match asked {
                Asked::Teach(class) => class.is_none_or(|class| class < 8),
                Asked::Use { class, .. } => *class < 8,
                _ => true,
            };
            prop_assert!(known.iter().flatten().all(classes));
            let mut bytes = whole[..cut.index(whole.len() + 1)].to_vec();
            for (place, byte) in damage {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            prop_assert!(parse(&bytes).iter().flatten().all(classes));
        }
    }
}
