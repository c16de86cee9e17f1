//! Reads SFZ: which recording answers which keys and velocities.
//!
//! The format is described at <https://sfzformat.com>. What is read: the headers `control`, `global`,
//! `master`, `group` and `region`, `#define`, and the opcodes `sample`, `default_path`, `note_offset`,
//! `key`, `lokey`, `hikey`, `lovel`, `hivel`, `seq_length`, `seq_position`, `lorand`, `hirand`,
//! `volume`, `amp_veltrack` and `trigger`. All others are left alone, as by most players.

use std::collections::BTreeMap;

use super::bank::{MOST_ZONES, Turn};

/// A recording and the notes that play it.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Path of the recording, from the file's folder, parted by slashes.
    pub sample: String,
    /// Lowest and highest MIDI note.
    pub keys: (u8, u8),
    /// Lowest and highest velocity, 1 to 127.
    pub velocities: (u8, u8),
    /// Which of the notes, if not each.
    pub turn: Option<Turn>,
    /// Factor of the recording.
    pub gain: f32,
    /// How far the loudness follows the velocity, 0 to 1.
    pub velocity_tracking: f32,
}

/// What is wrong with a file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct SfzError {
    /// From 1 on.
    pub line: usize,
    /// What should be there.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

type Opcodes = BTreeMap<String, String>;

/// The headers that hand their opcodes down, the widest first.
const LEVELS: [&str; 4] = ["global", "master", "group", "region"];

/// Most bytes of a line, also with what is defined put in: paths are shorter.
const LONGEST_LINE: usize = 16 << 10;

/// Most bytes of what a name stands for.
const LONGEST_VALUE: usize = 256;

/// Most regions, one more than a bank has zones: what comes after them is not read.
const MOST_REGIONS: usize = MOST_ZONES + 1;

/// The regions of a file that sound when a note begins. Allocates.
///
/// # Errors
/// When a value that is read is none, or the file includes another one.
pub fn parse(text: &str) -> Result<Vec<Region>, SfzError> {
    let mut reader = Reader::default();
    let mut comment = false;
    // What an editor of Windows puts first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        reader.line = index + 1;
        let line = without_comments(line, &mut comment);
        let line = line.trim();
        if let Some(define) = line.strip_prefix("#define") {
            let mut words = define.split_whitespace();
            if let (Some(name), Some(value)) = (words.next(), words.next()) {
                if value.len() > LONGEST_VALUE {
                    return Err(reader.error("a value of at most 256 bytes", value));
                }
                reader.defined.retain(|(before, _)| before != name);
                reader.defined.push((name.to_owned(), value.to_owned()));
                // `$KEY` must not be read as `$K` and `EY`.
                reader
                    .defined
                    .sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
            }
        } else if line.starts_with("#include") {
            return Err(reader.error("one file without #include", line));
        } else {
            let mut line = line.to_owned();
            for (name, value) in &reader.defined {
                if line.len() <= LONGEST_LINE {
                    line = line.replace(name, value);
                }
            }
            if line.len() > LONGEST_LINE {
                return Err(reader.error("a line of at most 16 KiB", &line));
            }
            reader.read(&line)?;
        }
    }
    reader.end_region()?;
    Ok(reader.regions)
}

/// A line without what is commented out; `inside` says whether a comment goes on.
fn without_comments(line: &str, inside: &mut bool) -> String {
    let mut kept = String::new();
    let mut rest = line;
    loop {
        if *inside {
            let Some((_, after)) = rest.split_once("*/") else {
                return kept;
            };
            (*inside, rest) = (false, after);
        }
        let (long, short) = (rest.find("/*"), rest.find("//"));
        match (long, short) {
            (Some(at), short) if short.is_none_or(|short| at < short) => {
                kept.push_str(&rest[..at]);
                (*inside, rest) = (true, &rest[at + 2..]);
            }
            (_, Some(at)) => return kept + &rest[..at],
            _ => return kept + rest,
        }
    }
}

#[derive(Default)]
struct Reader {
    line: usize,
    /// Where the region that is read began.
    region_line: usize,
    defined: Vec<(String, String)>,
    control: Opcodes,
    levels: [Opcodes; LEVELS.len()],
    /// Index in [`LEVELS`] of the header that is read, or none of a header that is left alone.
    level: Option<usize>,
    in_control: bool,
    regions: Vec<Region>,
}

impl Reader {
    fn error(&self, expected: &'static str, found: &str) -> SfzError {
        SfzError {
            line: self.line,
            expected,
            found: found.chars().take(60).collect(),
        }
    }

    /// Headers and opcodes of one line. A value goes to the next opcode: paths have spaces in them.
    fn read(&mut self, line: &str) -> Result<(), SfzError> {
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            if let Some(header) = rest.strip_prefix('<') {
                let Some((name, after)) = header.split_once('>') else {
                    return Err(self.error("a header that ends in >", rest));
                };
                self.begin(name)?;
                rest = after.trim_start();
                continue;
            }
            let Some((name, after)) = rest.split_once('=') else {
                return Err(self.error("opcode=value", rest));
            };
            let end = value_end(after);
            self.set(name.trim(), after[..end].trim());
            rest = after[end..].trim_start();
        }
        Ok(())
    }

    fn begin(&mut self, header: &str) -> Result<(), SfzError> {
        self.end_region()?;
        self.in_control = header == "control";
        self.region_line = self.line;
        self.level = LEVELS.iter().position(|level| *level == header);
        if let Some(level) = self.level {
            self.levels[level..].iter_mut().for_each(Opcodes::clear);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) {
        let opcodes = match self.level {
            _ if self.in_control => &mut self.control,
            Some(level) => &mut self.levels[level],
            None => return,
        };
        // It is both ends, of which the later opcode counts.
        if name == "key" {
            opcodes.remove("lokey");
            opcodes.remove("hikey");
        }
        opcodes.insert(name.to_owned(), value.to_owned());
    }

    fn find(&self, name: &str) -> Option<&str> {
        let levels = self.levels.iter().rev();
        levels
            .filter_map(|level| level.get(name))
            .next()
            .map(String::as_str)
    }

    /// The first of `names` in the innermost header that has one of them, or the first of all.
    fn innermost(&self, names: [&'static str; 2]) -> &'static str {
        let mut levels = self.levels.iter().rev();
        let of = |level: &Opcodes| names.into_iter().find(|name| level.contains_key(*name));
        levels.find_map(of).unwrap_or(names[0])
    }

    /// The value of an opcode as `read` reads it, if it is there.
    fn value<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SfzError> {
        let Some(text) = self.find(name) else {
            return Ok(None);
        };
        read(text).map(Some).ok_or_else(|| SfzError {
            line: self.region_line,
            ..self.error(expected, &format!("{name}={text}"))
        })
    }

    fn end_region(&mut self) -> Result<(), SfzError> {
        if self.level != Some(LEVELS.len() - 1) {
            return Ok(());
        }
        self.level = None;
        if self.regions.len() == MOST_REGIONS {
            return Ok(());
        }
        let begins = |trigger: &str| matches!(trigger, "attack" | "first");
        let Some(sample) = self.find("sample") else {
            return Ok(());
        };
        // A star begins the name of a wave that a player makes itself.
        if sample.starts_with('*') || !self.find("trigger").is_none_or(begins) {
            return Ok(());
        }
        let folder = self.control.get("default_path").map_or("", String::as_str);
        let sample = format!("{folder}{sample}").replace('\\', "/");

        let offset = self.control.get("note_offset");
        let offset: i32 = offset.and_then(|text| text.parse().ok()).unwrap_or(0);
        let key = |end| {
            let name = self.innermost([end, "key"]);
            self.value(name, "a key from 0 to 127, or a name like c#4", read_key)
        };
        let moved = |key: i32| key.saturating_add(offset);
        let lowest = key("lokey")?;
        let highest = key("hikey")?;
        // Below 0 stands for "no key".
        if highest.is_some_and(|key| key < 0) {
            return Ok(());
        }
        let keys = (
            lowest.map_or(0, |key| moved(key.max(0))),
            highest.map_or(127, moved),
        );
        let on_keyboard = |key: i32| key.clamp(0, 127) as u8;
        if keys.0 > 127 || keys.1 < 0 {
            return Ok(());
        }
        let velocity = |name| {
            self.value(name, "a velocity from 0 to 127", |text| {
                text.parse::<u8>().ok()
            })
        };
        let number = |name| {
            self.value(name, "a number", |text| {
                text.parse::<f32>().ok().filter(|number| number.is_finite())
            })
        };
        let region = Region {
            sample,
            keys: (on_keyboard(keys.0), on_keyboard(keys.1)),
            velocities: (
                velocity("lovel")?.unwrap_or(1).max(1),
                velocity("hivel")?.unwrap_or(127).min(127),
            ),
            turn: self.turn(number)?,
            gain: 10f32.powf(number("volume")?.unwrap_or(0.0).clamp(-144.0, 24.0) / 20.0),
            velocity_tracking: number("amp_veltrack")?.unwrap_or(100.0).clamp(0.0, 100.0) / 100.0,
        };
        self.regions.push(region);
        Ok(())
    }

    /// One of several in order, or one of several by chance, which take turns here: a rendering is the
    /// same every time.
    fn turn(
        &self,
        number: impl Fn(&'static str) -> Result<Option<f32>, SfzError>,
    ) -> Result<Option<Turn>, SfzError> {
        let count = |name| {
            self.value(name, "a number from 1 on", |text| {
                text.parse::<u32>().ok().filter(|n| *n > 0)
            })
        };
        if let Some(length) = count("seq_length")? {
            let position = (count("seq_position")?.unwrap_or(1) - 1) % length;
            return Ok(Some(Turn { position, length }));
        }
        let (lowest, highest) = (
            number("lorand")?.unwrap_or(0.0),
            number("hirand")?.unwrap_or(1.0),
        );
        let share = highest - lowest;
        if !(0.001..0.999).contains(&share) {
            return Ok(None);
        }
        let length = (1.0 / share).round().max(1.0) as u32;
        let position = ((lowest / share).round().max(0.0) as u32).min(length - 1);
        Ok(Some(Turn { position, length }))
    }
}

/// Where the value at the start of `text` ends: before the next header, or before the name of the next
/// opcode.
fn value_end(text: &str) -> usize {
    let header = text.find('<').unwrap_or(text.len());
    let name = match text[..header].find('=') {
        Some(at) => text[..at].rfind(char::is_whitespace).unwrap_or(at),
        None => header,
    };
    name.min(header)
}

/// A number, or a name whose c4 is 60.
fn read_key(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (-1..=127).contains(&number).then_some(number);
    }
    let mut letters = text.chars();
    let tone = match letters.next()?.to_ascii_lowercase() {
        'c' => 0,
        'd' => 2,
        'e' => 4,
        'f' => 5,
        'g' => 7,
        'a' => 9,
        'b' => 11,
        _ => return None,
    };
    let rest = letters.as_str();
    let (shift, octave) = match rest.chars().next()? {
        '#' => (1, &rest[1..]),
        'b' => (-1, &rest[1..]),
        _ => (0, rest),
    };
    let octave: i32 = octave.parse().ok()?;
    let key = octave.checked_add(1)?.checked_mul(12)? + tone + shift;
    (0..=127).contains(&key).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_kit_is_read_with_what_its_groups_hand_down() {
        let text = "// a kit\n<control> default_path=drums\\ note_offset=0\n#define $KICK 36\n\
            <global> volume=-6 /* all\n of it */ amp_veltrack=50\n\
            <group> key=$KICK seq_length=2\n\
            <region> seq_position=1 sample=my kick 1.wav hivel=63\n\
            <region> seq_position=2 sample=my kick 2.wav lovel=64\n\
            <group> lokey=c#2 hikey=40 volume=0\n\
            <region>sample=snare.wav lorand=0.5 hirand=1.0\n\
            <region> trigger=release sample=no.wav\n<region> sample=*sine\n<region> key=36\n\
            <curve> curve_index=7\n<group> hikey=-1 <region> sample=never.wav";
        let regions = parse(text).unwrap();
        let samples: Vec<&str> = regions.iter().map(|r| r.sample.as_str()).collect();
        assert_eq!(
            samples,
            [
                "drums/my kick 1.wav",
                "drums/my kick 2.wav",
                "drums/snare.wav"
            ]
        );
        assert_eq!(regions[0].keys, (36, 36));
        assert_eq!(
            (regions[0].velocities, regions[1].velocities),
            ((1, 63), (64, 127))
        );
        assert_eq!(
            regions[1].turn,
            Some(Turn {
                position: 1,
                length: 2
            })
        );
        assert!((regions[0].gain - 0.501).abs() < 1e-3);
        assert_eq!(regions[0].velocity_tracking, 0.5);
        assert_eq!((regions[2].keys, regions[2].gain), ((37, 40), 1.0));
        assert_eq!(
            regions[2].turn,
            Some(Turn {
                position: 1,
                length: 2
            })
        );
    }

    #[test]
    fn a_byte_order_mark_says_nothing_and_the_last_definition_counts() {
        let text =
            "\u{feff}// a kit\n#define $KEY 36\n#define $KEY 38\n<region> key=$KEY sample=a.wav";
        assert_eq!(parse(text).unwrap()[0].keys, (38, 38));
        let text = "\u{feff}<region> key=40 sample=a.wav";
        assert_eq!(parse(text).unwrap()[0].keys, (40, 40));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        for (text, expected) in [
            (
                "\n<region> sample=a.wav\nkey=h4\n\n<region>",
                "line 2: expected a key from 0 to 127, or a name like c#4, found key=h4",
            ),
            ("<region> sample=a.wav\nlovel=900", "expected a velocity"),
            (
                "\n#include \"other.sfz\"",
                "line 2: expected one file without #include",
            ),
            ("<region sample=a.wav", "a header that ends in >"),
            ("<region> sample=a.wav volume=loud", "a number"),
            ("<region> sample=a.wav seq_length=0", "from 1 on"),
            ("a kick", "opcode=value"),
            (
                &format!("#define $A {}", "a".repeat(300)),
                "at most 256 bytes",
            ),
            (
                &format!("#define $A {}\n{}", "a".repeat(200), "$A".repeat(100)),
                "16 KiB",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_key_is_both_ends_of_what_it_inherits_and_of_two_opcodes_the_later_counts() {
        for (text, expected) in [
            (
                "<group> lokey=35 hikey=40 <region> key=36 sample=a <region> key=38 sample=a",
                &[(36, 36), (38, 38)][..],
            ),
            ("<group> hikey=-1 <region> key=36 sample=a", &[(36, 36)]),
            ("<group> key=36 <region> lokey=30 sample=a", &[(30, 36)]),
            ("<region> lokey=70 key=72 sample=a", &[(72, 72)]),
            ("<region> key=72 lokey=70 sample=a", &[(70, 72)]),
            ("<region> key=72 hikey=75 sample=a", &[(72, 75)]),
        ] {
            let regions = parse(text).unwrap();
            let keys: Vec<_> = regions.iter().map(|region| region.keys).collect();
            assert_eq!(keys, expected, "{text}");
        }
    }

    #[test]
    fn keys_are_moved_and_stay_on_the_keyboard() {
        for (text, expected) in [
            ("note_offset=-12 <region> sample=a", Some((0, 127))),
            ("note_offset=-12 <region> sample=a key=48", Some((36, 36))),
            ("note_offset=-12 <region> sample=a hikey=48", Some((0, 36))),
            (
                "note_offset=-12 <region> sample=a lokey=5 hikey=20",
                Some((0, 8)),
            ),
            (
                "note_offset=12 <region> sample=a lokey=110 hikey=120",
                Some((122, 127)),
            ),
            ("note_offset=-12 <region> sample=a key=5", None),
            ("note_offset=2147483647 <region> sample=a key=5", None),
        ] {
            let regions = parse(&format!("<control> {text}")).unwrap();
            assert_eq!(
                regions.first().map(|region| region.keys),
                expected,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "(<[a-z]{0,7}>|[a-z_]{1,8}=|[#$a-z0-9*/. -]{0,6}|\n){0,40}") {
            for region in parse(&text).into_iter().flatten() {
                prop_assert!(region.keys.1 <= 127 && region.gain.is_finite());
                prop_assert!(region.turn.is_none_or(|turn| turn.position < turn.length));
            }
        }
    }
}
