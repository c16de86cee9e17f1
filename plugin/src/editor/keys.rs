//! Which keys the window takes from the host.
//!
//! Space is the host's: it starts and stops the transport, and presses nothing here, unless a text is
//! being written. On a thing that Tab has reached Enter does what a click does.

use egui::{Context, Event, Key, Plugin, RawInput};
use nice_plug_egui::{Frame, Key as HostKey, KeyCapture};

/// Takes Space out of what the window hears.
pub struct SpaceIsTheHosts;

impl Plugin for SpaceIsTheHosts {
    fn debug_name(&self) -> &'static str {
        "space is the host's"
    }

    fn input_hook(&mut self, context: &Context, input: &mut RawInput) {
        if context.text_edit_focused() {
            return;
        }
        input.events.retain(|event| match event {
            Event::Key { key, .. } => *key != Key::Space,
            Event::Text(text) => text != " ",
            _ => true,
        });
    }
}

/// Tells the host which keys are its own at the moment.
pub fn leave_to_the_host(context: &Context, frame: &mut Frame) {
    frame.set_key_capture(match context.text_edit_focused() {
        true => KeyCapture::CaptureAll,
        false => KeyCapture::IgnoreKeys(vec![HostKey::Character(" ".to_owned())]),
    });
}
