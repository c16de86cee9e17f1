//! What a folder has of lessons that were saved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::read_profile;
use crate::calibration::profile_name::{self, lesson_name};
use crate::shipped;

/// Files in the folder of lessons that are read: two for each model.
const MOST_LESSONS: usize = 64;

/// What `folder` has of lessons: the texts of the profiles by their names in the host's state, and in
/// words what is refused of it.
///
/// The next hit that is taught is saved over a file: so that nothing is lost a lesson is read from that
/// file alone, and not from a copy under another name. Two models may have the same network amend their
/// answers, each with its own lesson.
pub(super) fn read(folder: &Path) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut profiles, mut refused) = (BTreeMap::new(), Vec::new());
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_profile = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut paths: Vec<PathBuf> = paths.filter(is_profile).collect();
    // Those that are known first: among many foreign files they are found. Of each kind what amends a
    // model comes behind what was taught to models.
    let place = |path: &Path| match lesson_of(path) {
        Some((model, second)) if shipped::find(model).is_some() => usize::from(second),
        Some((_, second)) => 2 + usize::from(second),
        None => 4,
    };
    paths.sort_by_cached_key(|path| (place(path), path.clone()));
    let left_out = paths.split_off(paths.len().min(MOST_LESSONS));
    // What lessons belong to: their names in the host's state by those of their files.
    let built_in = shipped::ALL.map(|model| (model.id.to_owned(), model.id.to_owned()));
    let mut known = BTreeMap::from(built_in);
    for path in &paths {
        let shown = path.display();
        let Some((name, second)) = lesson_of(path) else {
            refused.push(format!(
                "{shown}: no lesson is saved under such a name, and it is not read: move it away, or \
                 name it in load"
            ));
            continue;
        };
        let first = known.get(name).cloned();
        if second && first.is_none() {
            refused.push(format!(
                "{shown}: no lesson {name}.json was read that it belongs to, and it is not read: see \
                 whether that one is there and whole, move this one away, or name it in load"
            ));
            continue;
        }
        let (profile, text) = match read_profile(path) {
            Ok(read) => read,
            Err(error) => {
                refused.push(error);
                continue;
            }
        };
        let model = profile.model;
        if let (true, Some(first)) = (second, &first) {
            profiles.insert(profile_name::second(first, &model), text);
            continue;
        }
        let namesake = profile_name::namesake(&model, &profile.weights);
        let own = [&model, &namesake]
            .into_iter()
            .find(|own| lesson_name(own) == name);
        match own {
            Some(own) => {
                known.insert(name.to_owned(), own.clone());
                profiles.entry(own.clone()).or_insert(text);
            }
            None => refused.push(format!(
                "{shown}: a lesson of the model {model} is saved as {}.json, and this one is not used: \
                 move it away, or name it in load",
                lesson_name(&model)
            )),
        }
    }
    if let (Some(first), Some(last)) = (left_out.first(), left_out.last()) {
        refused.push(format!(
            "{}: {MOST_LESSONS} files are read at most, and {} are left out, from {} to {}: move away \
             what is no lesson",
            folder.display(),
            left_out.len(),
            first.display(),
            last.display()
        ));
    }
    (profiles, refused)
}

/// The model that a lesson's file at `path` is named after, as [`lesson_name`] has it, and whether the
/// lesson is of the network that amends its answers. `None` if no lesson is saved under such a name.
fn lesson_of(path: &Path) -> Option<(&str, bool)> {
    let stem = path.file_stem()?.to_str()?;
    let (model, second) = match stem.strip_suffix(".second") {
        Some(model) => (model, true),
        None => (stem, false),
    };
    (lesson_name(model) == model).then_some((model, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;
    use crate::params::ToccoParams;

    /// A lesson of `model` with one example, which says `value`.
    fn lesson(model: &str, value: u32) -> String {
        format!(
            r#"{{"format":1,"model":"{model}","weights":"","labels":["Kick","Tom"],
                "examples":[{{"label":"Kick","embedding":[{value}]}}]}}"#
        )
    }

    /// The profiles that an instance begins with which has `files` in its folder of lessons, and what is
    /// refused.
    fn begun(
        text: &str,
        files: &[(impl AsRef<Path>, String)],
    ) -> (BTreeMap<String, String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        begun_in(text, folder.path())
    }

    fn begun_in(text: &str, lessons: &Path) -> (BTreeMap<String, String>, Vec<String>) {
        let mut read = Configuration::parse(text, Path::new("/udata/tocco.toml"));
        assert_eq!(read.refused, [""; 0]);
        read.lessons = Some(lessons.to_owned());
        let params = ToccoParams::default();
        read.apply(&params);
        (params.calibration.saved().profiles, read.refused)
    }

    #[test]
    fn each_pair_of_networks_has_its_own_lesson() {
        let files = [
            ("tocco.second.json", lesson("tocco-late", 1)),
            ("tocco-sure.second.json", lesson("tocco-late", 2)),
            ("tocco-late.json", lesson("tocco-late", 3)),
        ];
        let names = ["tocco/tocco-late", "tocco-sure/tocco-late", "tocco-late"];
        for text in ["", "model = \"tocco-sure\"", "model = \"c\""] {
            let (profiles, refused) = begun(text, &files);
            assert_eq!(refused, [""; 0]);
            assert_eq!(profiles.len(), files.len());
            for (name, (_, lesson)) in names.into_iter().zip(&files) {
                assert_eq!(&profiles[name], lesson, "{text}: {name}");
            }
        }
    }

    #[test]
    fn the_lesson_of_a_namesake_of_a_built_in_model_lies_beside_that_models() {
        let of_ours = lesson("tocco", 1);
        let weights = "0123456789abcdef";
        let own = |model, value| {
            let text = lesson(model, value);
            text.replace("\"weights\":\"\"", &format!("\"weights\":\"{weights}\""))
        };
        let name = format!("tocco-{weights}");
        let files = [
            ("tocco.json".to_owned(), of_ours.clone()),
            (format!("{name}.json"), own("tocco", 2)),
            (format!("{name}.second.json"), own("mine-late", 3)),
        ];
        let (profiles, refused) = begun("", &files);
        assert_eq!(refused, [""; 0]);
        assert_eq!(profiles["tocco"], of_ours);
        assert_eq!(profiles[&name], files[1].1);
        assert_eq!(profiles[&format!("{name}/mine-late")], files[2].1);
        // Of other weights it is a copy of some lesson.
        let files = [(format!("{name}.json"), of_ours)];
        let (profiles, refused) = begun("", &files);
        assert!(profiles.is_empty() && refused.len() == 1, "{refused:?}");
    }

    #[test]
    fn what_lies_beside_a_profile_that_is_named_is_of_that_pair() {
        let folder = tempfile::tempdir().unwrap();
        for (name, model, value) in [
            ("me.json", "tocco-sure", 1),
            ("me.second.json", "tocco-late", 2),
            ("late.json", "tocco-late", 3),
        ] {
            std::fs::write(folder.path().join(name), lesson(model, value)).unwrap();
        }
        let text = "[lesson]\nload = [\"me.json\", \"late.json\"]\n";
        let mut read = Configuration::parse(text, &folder.path().join("tocco.toml"));
        let params = ToccoParams::default();
        read.apply(&params);
        assert_eq!(read.refused, [""; 0]);
        let profiles = params.calibration.saved().profiles;
        let names: Vec<&String> = profiles.keys().collect();
        assert_eq!(names, ["tocco-late", "tocco-sure", "tocco-sure/tocco-late"]);
        assert_eq!(profiles["tocco-sure/tocco-late"], lesson("tocco-late", 2));
    }

    #[test]
    fn a_copy_of_a_lesson_is_refused_and_the_lesson_is_read() {
        let files = [
            ("tocco.json", lesson("tocco", 1)),
            ("tocco.second.json", lesson("tocco-late", 1)),
            ("tocco (copy).json", lesson("tocco", 2)),
            ("tocco (copy).second.json", lesson("tocco-late", 2)),
            ("tocco-backup.json", lesson("tocco", 3)),
            ("tocco-backup.second.json", lesson("tocco-late", 3)),
        ];
        let [(_, first), (_, second), copies @ ..] = &files;
        let (profiles, refused) = begun("model = \"tocco\"", &files);
        assert_eq!(
            (&profiles["tocco"], &profiles["tocco/tocco-late"]),
            (first, second)
        );
        assert_eq!(refused.len(), copies.len(), "{refused:?}");
        // Without the lesson itself they are none either.
        let (profiles, refused) = begun("", copies);
        assert!(profiles.is_empty(), "{profiles:?}");
        for (name, _) in copies {
            let place = format!("{name}: ");
            let told = refused.iter().filter(|refused| refused.contains(&place));
            assert_eq!(told.count(), 1, "{name}: {refused:?}");
        }
    }

    #[test]
    fn a_lesson_is_found_under_the_name_that_it_is_saved_under() {
        use crate::calibration::{CalibrationSession, Command, Saved};
        use tocco_engines::EngineId;
        use tocco_recognizer::classification::ModelSerial;

        let folder = tempfile::tempdir().unwrap();
        let mut first = shipped::TOCCO.package().unwrap();
        first.manifest.id = "Ann's \u{e9}tude, 2.0".to_owned();
        let second = shipped::TOCCO_LATE.package().unwrap();
        let mut session = CalibrationSession::new(
            first,
            Some(second),
            EngineId::Native,
            ModelSerial(0),
            (&Saved::default(), 0),
            None,
        );
        let mask = Command::Mask {
            class: 6,
            masked: true,
        };
        let params = ToccoParams::default();
        session.obey(mask, &params);
        session.keep(folder.path()).unwrap();
        let (profiles, refused) = begun_in("", folder.path());
        assert_eq!(refused, [""; 0]);
        assert_eq!(profiles, params.calibration.saved().profiles);
        assert_eq!(profiles.len(), 2);
    }

    #[test]
    fn what_is_left_out_of_too_many_lessons_is_told_and_what_is_known_is_not() {
        let many = |name: fn(usize) -> String| -> Vec<(String, String)> {
            let foreign = (0..=MOST_LESSONS).map(|i| (name(i), "{}".to_owned()));
            let lessons = ["tocco", "zz"].map(|id| (format!("{id}.json"), lesson(id, 1)));
            foreign.chain(lessons).collect()
        };
        let ids = |profiles: &BTreeMap<String, String>| -> Vec<String> {
            profiles.keys().cloned().collect()
        };
        // Names that lessons may have.
        let (profiles, refused) = begun("", &many(|i| format!("foreign-{i:02}.json")));
        assert_eq!(ids(&profiles), ["tocco"]);
        assert_eq!(refused.len(), MOST_LESSONS);
        let left_out = refused.last().unwrap();
        assert!(left_out.contains("3 are left out"), "{left_out}");
        assert!(left_out.contains("zz.json"), "{left_out}");
        // Names that none has.
        let (profiles, refused) = begun("", &many(|i| format!("foreign ({i:02}).json")));
        assert_eq!(ids(&profiles), ["tocco", "zz"]);
        let left_out = refused.last().unwrap();
        assert!(left_out.contains("3 are left out"), "{left_out}");
    }
}
