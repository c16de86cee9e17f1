//! Changes of parameters in one block, both ways.

use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

use vst3::Steinberg::Vst::{
    IParamValueQueue, IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID,
    ParamValue,
};
use vst3::Steinberg::{int32, kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComWrapper};

/// More changes of one parameter than a block of the largest size can bring.
const POINTS: usize = 128;

/// The changes of one parameter, in order of time: sample offset and normalised value.
pub(super) struct Queue {
    id: Cell<ParamID>,
    points: RefCell<Vec<(int32, ParamValue)>>,
}

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        self.id.get()
    }

    unsafe fn getPointCount(&self) -> int32 {
        self.points.borrow().len() as int32
    }

    unsafe fn getPoint(&self, index: int32, offset: *mut int32, value: *mut ParamValue) -> tresult {
        let points = self.points.borrow();
        let Some(point) = usize::try_from(index).ok().and_then(|i| points.get(i)) else {
            return kInvalidArgument;
        };
        // SAFETY: the caller hands in places for both.
        unsafe {
            offset.write(point.0);
            value.write(point.1);
        }
        kResultOk
    }

    unsafe fn addPoint(&self, offset: int32, value: ParamValue, index: *mut int32) -> tresult {
        let mut points = self.points.borrow_mut();
        if points.len() == points.capacity() {
            return kResultFalse;
        }
        // A second one at the same place takes the place of the first, as in the SDK's host.
        let place = points.partition_point(|point| point.0 < offset);
        match points.get_mut(place) {
            Some(point) if point.0 == offset => point.1 = value,
            _ => points.insert(place, (offset, value)),
        }
        if !index.is_null() {
            // SAFETY: not null, so it is the caller's variable.
            unsafe { index.write(place as int32) };
        }
        kResultOk
    }
}

/// A queue for each parameter that changes in a block.
pub(super) struct ParameterChanges {
    /// Those in use come first.
    queues: Vec<ComWrapper<Queue>>,
    used: Cell<usize>,
}

impl ParameterChanges {
    /// Room for changes of `parameters` parameters a block.
    pub(super) fn new(parameters: usize) -> Self {
        let queue = || {
            ComWrapper::new(Queue {
                id: Cell::new(0),
                points: RefCell::new(Vec::with_capacity(POINTS)),
            })
        };
        Self {
            queues: (0..parameters).map(|_| queue()).collect(),
            used: Cell::new(0),
        }
    }

    pub(super) fn clear(&self) {
        for queue in &self.queues[..self.used.get()] {
            queue.points.borrow_mut().clear();
        }
        self.used.set(0);
    }

    /// Adds a change; nothing if there is no room.
    pub(super) fn add(&self, id: ParamID, offset: int32, value: ParamValue) {
        // SAFETY: live variables, and a queue of ours.
        unsafe {
            if let Some(queue) = self.queue(id) {
                queue.addPoint(offset, value, null_mut());
            }
        }
    }

    /// Every change: parameter, sample offset, normalised value.
    pub(super) fn for_each(&self, mut visit: impl FnMut(ParamID, int32, ParamValue)) {
        for queue in &self.queues[..self.used.get()] {
            for (offset, value) in queue.points.borrow().iter() {
                visit(queue.id.get(), *offset, *value);
            }
        }
    }

    /// The last change of each parameter: parameter and normalised value.
    pub(super) fn for_each_last(&self, mut visit: impl FnMut(ParamID, ParamValue)) {
        for queue in &self.queues[..self.used.get()] {
            if let Some((_, value)) = queue.points.borrow().last() {
                visit(queue.id.get(), *value);
            }
        }
    }

    /// The queue of `id`, which is the next free one if there is none yet.
    fn queue(&self, id: ParamID) -> Option<&ComWrapper<Queue>> {
        let used = self.used.get();
        let known = self.queues[..used].iter().find(|q| q.id.get() == id);
        known.or_else(|| {
            let new = self.queues.get(used)?;
            new.id.set(id);
            self.used.set(used + 1);
            Some(new)
        })
    }
}

/// The queue as the plugin gets it: lent, not given.
fn lend(queue: Option<&ComWrapper<Queue>>) -> *mut IParamValueQueue {
    let interface = queue.and_then(|queue| queue.as_com_ref::<IParamValueQueue>());
    interface.map_or(null_mut(), |interface| interface.as_ptr())
}

impl Class for ParameterChanges {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for ParameterChanges {
    unsafe fn getParameterCount(&self) -> int32 {
        self.used.get() as int32
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        let used = &self.queues[..self.used.get()];
        lend(usize::try_from(index).ok().and_then(|i| used.get(i)))
    }

    unsafe fn addParameterData(
        &self,
        id: *const ParamID,
        index: *mut int32,
    ) -> *mut IParamValueQueue {
        // SAFETY: the caller hands in a parameter's id, and `index` is null or a variable.
        unsafe {
            let queue = self.queue(*id);
            if !index.is_null() {
                index.write(self.used.get() as int32 - 1);
            }
            lend(queue)
        }
    }
}

/// Parameters that are set all at once, as Sushi hands them over: one queue that stands for each
/// parameter in turn, with one value at the block's start, and nothing can be added.
pub(super) struct StateChanges {
    values: Vec<(ParamID, ParamValue)>,
    queue: ComWrapper<Queue>,
}

impl StateChanges {
    pub(super) fn new(values: Vec<(ParamID, ParamValue)>) -> Self {
        Self {
            values,
            queue: ComWrapper::new(Queue {
                id: Cell::new(0),
                points: RefCell::new(vec![(0, 0.0)]),
            }),
        }
    }
}

impl Class for StateChanges {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for StateChanges {
    unsafe fn getParameterCount(&self) -> int32 {
        self.values.len() as int32
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        let values = &self.values;
        let Some((id, value)) = usize::try_from(index).ok().and_then(|i| values.get(i)) else {
            return null_mut();
        };
        self.queue.id.set(*id);
        self.queue.points.borrow_mut()[0] = (0, *value);
        lend(Some(&self.queue))
    }

    unsafe fn addParameterData(&self, _: *const ParamID, _: *mut int32) -> *mut IParamValueQueue {
        null_mut()
    }
}
