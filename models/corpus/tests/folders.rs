//! Folders of recordings, right and wrong ones.

use std::fs;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::TempDir;
use tocco_corpus::{Corpus, Technique};

/// A second of silence at 8 kHz.
fn write_wav(path: &Path) {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    (0..8_000).for_each(|_| writer.write_sample(0_i16).unwrap());
    writer.finalize().unwrap();
}

fn folder(wavs: &[&str], texts: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in wavs {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_wav(&path);
    }
    for (name, text) in texts {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn refusal(folder: &TempDir) -> String {
    Corpus::scan(folder.path()).unwrap_err().to_string()
}

#[test]
fn names_and_tables_describe_recordings_in_folders_of_folders() {
    let folder = folder(
        &[
            "deep/er/guitar_thumb_p_AnnAri2_20240102.wav",
            "song.WAV",
            "._song.wav",
        ],
        &[
            ("deep/er/guitar_thumb_p_AnnAri2_20240102.txt", "0.25\n0.5\n"),
            (
                "labels.csv",
                "file,time_s,technique,player\nsong.WAV,0.75,kick,Bea\nsong.WAV,0.5,Palm mute,Bea\n",
            ),
        ],
    );
    let corpus = Corpus::scan(folder.path()).unwrap();
    assert_eq!(corpus.players(), ["AnnAri", "Bea"]);
    let [named, described] = corpus.takes.as_slice() else {
        panic!("two takes: {corpus:?}");
    };
    assert_eq!(named.session, "AnnAri2_20240102");
    assert_eq!(named.labels.len(), 2);
    assert_eq!(named.labels[1].technique, Technique::Tom);
    assert_eq!(described.name, "song");
    let techniques: Vec<Technique> = described.labels.iter().map(|l| l.technique).collect();
    assert_eq!(techniques, [Technique::PalmMute, Technique::Kick]);
}

#[test]
fn a_table_says_each_note_once_and_knows_pieces_of_a_take() {
    let table = "file,time_s,technique\na.wav,0.5,kick\na.wav,0.25,kick\na.wav,0.5,tom\n";
    let message = refusal(&folder(&["a.wav"], &[("labels.csv", table)]));
    assert!(message.contains("each note once"), "{message}");
    assert!(message.contains("0.5 s twice"), "{message}");
    let table = "file,time_s,technique\nsong_crop1.wav,0.5,kick\nsong_rest1.wav,0.5,kick\n";
    let folder = folder(
        &["song_crop1.wav", "song_rest1.wav"],
        &[("labels.csv", table)],
    );
    assert_eq!(Corpus::scan(folder.path()).unwrap().wholes(), [0, 0]);
}

#[test]
fn recordings_of_the_same_name_in_two_tables_are_two_takes() {
    let table = "file,time_s,technique,player\ntake1.wav,0.5,kick,Ann\n";
    let folder = folder(
        &["monday/take1.wav", "tuesday/take1.wav"],
        &[("monday/labels.csv", table), ("tuesday/labels.csv", table)],
    );
    assert_eq!(Corpus::scan(folder.path()).unwrap().wholes(), [0, 1]);
}

#[test]
fn a_player_has_one_name() {
    let named = ["wav", "txt"].map(|ending| format!("guitar_kick_mf_J\u{fc}rg_20240102.{ending}"));
    let [wav, text] = named.each_ref().map(String::as_str);
    let described = "file,time_s,technique,player\nsong.wav,0.5,kick,J\u{dc}RG\n";
    let folder = folder(
        &[wav, "song.wav"],
        &[(text, "0.5\n"), ("labels.csv", described)],
    );
    let message = refusal(&folder);
    for part in [
        "song.wav: player",
        "expected \"J\u{fc}rg\"",
        "found \"J\u{dc}RG\"",
        "in one way",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn several_folders_are_one_corpus_and_pieces_of_a_take_are_one_take() {
    let name = |rest: &str| format!("guitar_kick_mf_AnnAri_20240102{rest}");
    let wavs = |rests: &[&str]| -> TempDir {
        let files = |ending: &str| -> Vec<String> {
            let names = rests.iter().map(|rest| name(rest) + ending);
            names.collect()
        };
        let (wavs, texts) = (files(".wav"), files(".txt"));
        let wavs: Vec<&str> = wavs.iter().map(String::as_str).collect();
        let texts: Vec<(&str, &str)> = texts.iter().map(|text| (text.as_str(), "0.5\n")).collect();
        folder(&wavs, &texts)
    };
    let folders = [wavs(&["_crop7", "_p"]), wavs(&["_rest1", "_rest2"])];
    let paths = [folders[0].path(), folders[1].path()];
    let corpus = Corpus::scan_all(&paths).unwrap();
    assert_eq!(corpus.folders, paths);
    let takes: Vec<(&str, usize)> = (corpus.takes.iter())
        .map(|take| {
            (
                take.name.trim_start_matches("guitar_kick_mf_AnnAri_"),
                take.folder,
            )
        })
        .collect();
    let expected = [
        ("20240102_crop7", 0),
        ("20240102_rest1", 1),
        ("20240102_rest2", 1),
        ("20240102_p", 0),
    ];
    assert_eq!(takes, expected);
    assert_eq!(corpus.wholes(), [0, 0, 0, 3]);

    // The same recordings twice would be in training and in the test.
    let message = Corpus::scan_all(&[paths[0], paths[0]]).unwrap_err();
    let message = message.to_string();
    assert!(
        message.contains("expected each recording once"),
        "{message}"
    );
    let empty = TempDir::new().unwrap();
    let message = Corpus::scan_all(&[paths[0], empty.path()]).unwrap_err();
    let place = empty.path().display().to_string();
    assert!(message.to_string().starts_with(&place), "{message}");
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    assert!(refusal(&folder(&[], &[])).contains("expected WAV files with labels, found none"));

    let message = refusal(&folder(&["guitar_kick_mf_AnnAri_20240102.wav"], &[]));
    assert!(
        message.contains("guitar_kick_mf_AnnAri_20240102.txt"),
        "{message}"
    );

    let message = refusal(&folder(&["song.wav"], &[]));
    assert!(message.contains("labels.csv"), "{message}");

    let table = "file,time_s,technique\nother.wav,0.5,kick\n";
    let message = refusal(&folder(&[], &[("labels.csv", table)]));
    assert!(
        message.contains("other.wav, which is not there"),
        "{message}"
    );

    let table = "file,time_s,technique,player\na.wav,0.5,kick,Ann\na.wav,0.6,kick,Bea\n";
    let message = refusal(&folder(&["a.wav"], &[("labels.csv", table)]));
    assert!(
        message.contains("one recording has one player"),
        "{message}"
    );

    let missing = Corpus::scan(Path::new("no/such/folder"))
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("no/such/folder: cannot be read"),
        "{missing}"
    );
}

#[test]
fn a_label_behind_the_end_is_refused() {
    let folder = folder(
        &["guitar_kick_mf_AnnAri_20240102.wav"],
        &[("guitar_kick_mf_AnnAri_20240102.txt", "0.5\n1.5\n")],
    );
    let corpus = Corpus::scan(folder.path()).unwrap();
    let listener = tocco_corpus::Listener {
        method: tocco_dsp::OnsetMethod::Mkl,
        onset: tocco_dsp::OnsetConfig::default(),
        preset: tocco_dsp::features::Preset::Timbreid,
        features: vec!["zeroCrossing".to_owned()],
        post_onset_hops: 5,
    };
    let message = corpus.takes[0].hear(&listener).unwrap_err().to_string();
    assert!(
        message.contains("expected times within its 1.000 s, found 1.5 s"),
        "{message}"
    );
}

#[test]
fn names_are_found_however_unicode_writes_them() {
    let (composed, decomposed) = ("B\u{e9}la.wav", "Be\u{301}la.wav");
    let table = |file: &str| format!("file,time_s,technique,player\n{file},0.5,kick,Bea\n");
    for (file, row) in [(composed, decomposed), (decomposed, composed)] {
        let folder = folder(&[file], &[("labels.csv", &table(row))]);
        let corpus = Corpus::scan(folder.path()).unwrap();
        assert_eq!(corpus.takes[0].name, "B\u{e9}la");
        assert_eq!(corpus.takes[0].path, folder.path().join(file));
    }

    // A player is one, and the labels are found, though two systems wrote the names.
    let folder = folder(
        &[
            "guitar_kick_mf_J\u{fc}r_20240101.wav",
            "guitar_thumb_mf_Ju\u{308}r_20240102.wav",
        ],
        &[
            ("guitar_kick_mf_Ju\u{308}r_20240101.txt", "0.5\n"),
            ("guitar_thumb_mf_Ju\u{308}r_20240102.txt", "0.5\n"),
        ],
    );
    let corpus = Corpus::scan(folder.path()).unwrap();
    assert_eq!(corpus.players(), ["J\u{fc}r"]);
    assert_eq!(corpus.takes.len(), 2);
}

#[test]
fn labels_of_a_recording_that_is_no_wav_file_are_not_passed_over() {
    let name = "guitar_kick_mf_AnnAri_20240102";
    let labels = format!("{name}.txt");
    for ending in ["flac", "MP3", "aiff"] {
        let sound = format!("{name}.{ending}");
        let folder = folder(&[], &[(&sound, ""), (&labels, "0.5\n")]);
        let message = refusal(&folder);
        assert!(message.contains(&sound), "{message}");
        assert!(message.contains("convert it: ffmpeg -i"), "{message}");
    }
    let table = "file,time_s,technique,player\na.flac,0.5,kick,Ann\n";
    let message = refusal(&folder(&[], &[("a.flac", ""), ("labels.csv", table)]));
    assert!(message.contains("convert it: ffmpeg -i"), "{message}");
    // The original beside what was made of it is nobody's concern.
    let wav = format!("{name}.wav");
    let flac = format!("{name}.flac");
    let folder = folder(&[&wav], &[(&flac, ""), (&labels, "0.5\n")]);
    assert_eq!(Corpus::scan(folder.path()).unwrap().takes.len(), 1);
}
