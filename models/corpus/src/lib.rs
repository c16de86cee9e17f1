//! Labelled recordings to labelled notes.
