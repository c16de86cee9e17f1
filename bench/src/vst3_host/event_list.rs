//! The list in which a block's events come from the plugin.

use std::cell::RefCell;

use vst3::Class;
use vst3::Steinberg::Vst::{Event, IEventList, IEventListTrait};
use vst3::Steinberg::{int32, kInvalidArgument, kResultFalse, kResultOk, tresult};

/// Events of one block, of fixed size: what has no room is refused.
pub(super) struct EventList {
    events: RefCell<Vec<Event>>,
}

impl EventList {
    /// Room for `capacity` events a block.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            events: RefCell::new(Vec::with_capacity(capacity)),
        }
    }

    pub(super) fn clear(&self) {
        self.events.borrow_mut().clear();
    }

    pub(super) fn for_each(&self, visit: impl FnMut(&Event)) {
        self.events.borrow().iter().for_each(visit);
    }
}

impl Class for EventList {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for EventList {
    unsafe fn getEventCount(&self) -> int32 {
        self.events.borrow().len() as int32
    }

    unsafe fn getEvent(&self, index: int32, event: *mut Event) -> tresult {
        match self.events.borrow().get(index as usize) {
            Some(found) => {
                // SAFETY: the caller hands in a place for an event.
                unsafe { event.write(*found) };
                kResultOk
            }
            None => kInvalidArgument,
        }
    }

    unsafe fn addEvent(&self, event: *mut Event) -> tresult {
        let mut events = self.events.borrow_mut();
        if events.len() == events.capacity() {
            return kResultFalse;
        }
        // SAFETY: the caller hands in a valid event.
        events.push(unsafe { event.read() });
        kResultOk
    }
}
