//! Tocco with an output for each technique, as drum samplers have them: a second plugin of the same bundle.
//!
//! It hears, answers, looks and saves like [`Tocco`]; only the voices go elsewhere. The main output has the
//! guitar alone, each technique's voice is in a stereo output of its own. It is a plugin by itself because
//! many hosts take an effect with one input and one output only, and those get [`Tocco`].

use std::sync::Arc;

use nice_plug::prelude::*;
use tocco_dsp::Technique;
use tocco_recognizer::classification::MAX_CLASSES;

use crate::Tocco;
#[cfg(feature = "editor")]
use crate::editor;

/// What the outputs of the voices are called, in the order of the classes.
const OUTPUT_NAMES: [&str; MAX_CLASSES] = {
    let mut names = [""; MAX_CLASSES];
    let mut class = 0;
    while class < MAX_CLASSES {
        names[class] = Technique::ALL[class].label();
        class += 1;
    }
    names
};

/// The plugin with eight more outputs.
#[derive(Default)]
pub struct MultiOutput(Tocco);

impl Plugin for MultiOutput {
    const NAME: &'static str = "Tocco (8 outputs)";
    const VENDOR: &'static str = Tocco::VENDOR;
    const URL: &'static str = Tocco::URL;
    const EMAIL: &'static str = Tocco::EMAIL;
    const VERSION: &'static str = Tocco::VERSION;

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[AudioIOLayout {
        main_input_channels: NonZeroU32::new(2),
        main_output_channels: NonZeroU32::new(2),
        aux_input_ports: &[],
        aux_output_ports: &[new_nonzero_u32(2); MAX_CLASSES],
        names: PortNames {
            layout: Some("An output for each technique"),
            // The framework calls the main output as the main input, where that has a name.
            main_input: None,
            main_output: None,
            aux_inputs: &[],
            aux_outputs: &OUTPUT_NAMES,
        },
    }];

    const MIDI_OUTPUT: MidiConfig = Tocco::MIDI_OUTPUT;

    type Editor = <Tocco as Plugin>::Editor;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn setup_logger() -> Option<bool> {
        Tocco::setup_logger()
    }

    fn params(&self) -> Arc<dyn Params> {
        self.0.params()
    }

    #[cfg(feature = "editor")]
    fn editor(&mut self, _executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::create(Arc::clone(self.0.shared()))
    }

    fn activate(
        &mut self,
        _layout: &AudioIOLayout,
        buffers: &BufferConfig,
        _context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.0.begin(buffers)
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        // The framework has silenced them.
        self.0.listen(buffer, aux.outputs, |event| {
            context.try_send_event(event).is_ok()
        })
    }

    fn deactivate(&mut self) {
        self.0.deactivate();
    }
}

impl ClapPlugin for MultiOutput {
    const CLAP_ID: &'static str = "org.tocco.tocco-outputs";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Tocco with the voice of each technique in an output of its own");
    const CLAP_MANUAL_URL: Option<&'static str> = Tocco::CLAP_MANUAL_URL;
    const CLAP_SUPPORT_URL: Option<&'static str> = Tocco::CLAP_SUPPORT_URL;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::NoteDetector,
        ClapFeature::Analyzer,
        ClapFeature::Stereo,
    ];
}

impl Vst3Plugin for MultiOutput {
    const VST3_CLASS_ID: [u8; 16] = *b"ToccoGuitar8Outs";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = Tocco::VST3_SUBCATEGORIES;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_technique_has_its_output() {
        let [layout] = MultiOutput::AUDIO_IO_LAYOUTS else {
            panic!("there is one layout");
        };
        assert_eq!(layout.aux_output_ports.len(), Technique::ALL.len());
        for technique in Technique::ALL {
            let name = layout.aux_output_name(technique.class());
            assert_eq!(name.as_deref(), Some(technique.label()));
        }
    }

    #[test]
    fn hosts_tell_it_from_the_main_plugin() {
        assert_ne!(MultiOutput::NAME, Tocco::NAME);
        assert_ne!(MultiOutput::CLAP_ID, Tocco::CLAP_ID);
        assert_ne!(MultiOutput::VST3_CLASS_ID, Tocco::VST3_CLASS_ID);
    }
}
