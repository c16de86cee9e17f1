//! Copies of notes as they might have been heard otherwise.
//!
//! [`copies`] makes them; the other modules do one thing each to the sound of a note so that it might be
//! another one: another string, guitar, room, microphone, with another note still ringing, muted with the
//! palm, or played among others ([`rehearsal`]). Each of them works on plain slices of samples and draws
//! its random numbers from the generator it is given, so that a copy depends on its seed alone.
//! [`patch_perturbation`] works on features instead.

pub mod copies;
pub mod equaliser;
pub mod level;
pub mod log_uniform;
pub mod noise;
pub mod palm_damping;
pub mod patch_perturbation;
pub mod rehearsal;
pub mod ringing;
pub mod room;
pub mod slow_attack;
pub mod varispeed;
