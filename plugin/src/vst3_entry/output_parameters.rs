//! The output parameters as a VST3 host sees them: read-only, behind those of the framework.

use nice_plug::wrapper::vst3::vst3::ComRef;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::kIsReadOnly;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParameterInfo, String128,
    kRootUnitId,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::int32;

use crate::outputs::parameters::{OutputParameter, OutputParameters};

/// What the host is told of `parameter`.
pub(super) fn info(parameter: OutputParameter) -> ParameterInfo {
    let name = text(&parameter.name());
    ParameterInfo {
        id: parameter.id(),
        title: name,
        shortTitle: name,
        units: text(parameter.unit()),
        stepCount: parameter.steps() as int32,
        defaultNormalizedValue: 0.0,
        unitId: kRootUnitId,
        flags: kIsReadOnly as int32,
    }
}

/// A text as the format writes it, cut where there is no more room.
pub(super) fn text(text: &str) -> String128 {
    let mut units: String128 = [0; 128];
    // The last one stays 0.
    for (place, unit) in units.iter_mut().take(127).zip(text.encode_utf16()) {
        *place = unit;
    }
    units
}

/// Gives the host what the block brought. For the audio thread; real-time safe as far as the
/// host's queues are.
///
/// # Safety
/// `changes` must be null or the block's list of changes to be filled.
pub(super) unsafe fn give_out(outputs: &OutputParameters, changes: *mut IParameterChanges) {
    // SAFETY: the caller's promise; a queue is lent until the block is done.
    let changes = unsafe { ComRef::from_raw(changes) };
    outputs.give_out(None, |offset, parameter, value| {
        let Some(changes) = &changes else {
            return;
        };
        let (id, mut index) = (parameter.id(), 0);
        // SAFETY: live variables, and a queue as above.
        unsafe {
            let queue = changes.addParameterData(&id, &mut index);
            if let Some(queue) = ComRef::from_raw(queue) {
                queue.addPoint(offset as int32, f64::from(value), &mut index);
            }
        }
    });
}
