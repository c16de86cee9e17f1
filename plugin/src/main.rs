//! Tocco as a program of its own, on ALSA or JACK.

fn main() {
    nice_plug::nice_export_standalone::<tocco::Tocco>();
}
