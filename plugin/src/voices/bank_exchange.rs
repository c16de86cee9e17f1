//! Where banks are made and given back, so that the audio thread neither makes nor frees one.
//!
//! One bank is on its way in, one on its way back. The audio thread takes a new one only when the
//! place for its old one is empty.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use tocco_recognizer::mailbox::{Receiver, Sender, mailbox};

use super::bank::Bank;

/// Of one instance.
pub struct BankExchange {
    new: (Sender<Bank>, Receiver<Bank>),
    old: (Sender<Bank>, Receiver<Bank>),
    /// Bits of the host's rate, Hz.
    wanted: AtomicU64,
    /// Bits of the rate for which there is a bank.
    made: AtomicU64,
    /// How often the user had chosen sounds when it was made.
    made_of: AtomicU32,
}

impl Default for BankExchange {
    fn default() -> Self {
        Self {
            new: mailbox(),
            old: mailbox(),
            wanted: AtomicU64::new(0),
            made: AtomicU64::new(0),
            made_of: AtomicU32::new(0),
        }
    }
}

impl BankExchange {
    /// A stream at `rate` Hz begins, whose audio thread has a bank for `has` Hz or none. Not for the
    /// audio thread.
    pub(crate) fn open(&self, rate: f64, has: Option<f64>) {
        self.wanted.store(rate.to_bits(), Release);
        self.made.store(has.map_or(0, f64::to_bits), Release);
    }

    /// Whether there is one that [`fetch`](Self::fetch) would take, or give back. For the audio thread;
    /// real-time safe.
    pub(crate) fn has_new(&self) -> bool {
        !self.new.1.is_empty() && self.old.1.is_empty()
    }

    /// Takes a bank for `rate` Hz if there is a new one, and says whether it did. For the audio thread;
    /// real-time safe.
    pub(crate) fn fetch(&self, bank: &mut Option<Box<Bank>>, rate: f64) -> bool {
        if !self.has_new() {
            return false;
        }
        let Some(new) = self.new.1.take() else {
            return false;
        };
        // It may have been made before the rate changed.
        let fits = new.rate == rate;
        let retired = match fits {
            true => bank.replace(new),
            false => Some(new),
        };
        if let Some(retired) = retired {
            // The place is empty: nobody else puts anything there.
            let none = self.old.0.put(retired);
            debug_assert!(none.is_none());
            std::mem::forget(none);
        }
        fits
    }

    /// Whether there is what is to sound, if something `is_on` and the user has chosen sounds `choices`
    /// times. Real-time safe.
    #[must_use]
    pub fn is_settled(&self, is_on: bool, choices: u32) -> bool {
        let made = || self.made.load(Acquire) == self.wanted.load(Acquire);
        !is_on || made() && self.made_of.load(Acquire) == choices
    }

    /// Frees what came back, and says for what rate in Hz a bank is to be made: if something `is_on` and
    /// there is none of the sounds that the user chose last. For the service thread.
    pub(crate) fn order(&self, is_on: bool, choices: u32) -> Option<f64> {
        drop(self.old.1.take());
        let wanted = self.wanted.load(Acquire);
        (wanted != 0 && !self.is_settled(is_on, choices)).then(|| f64::from_bits(wanted))
    }

    /// Whether there is no bank at all for the rate that is wanted. For the service thread.
    pub(crate) fn is_empty(&self) -> bool {
        self.made.load(Acquire) != self.wanted.load(Acquire)
    }

    /// Sends a bank to be heard until the one that was ordered is there, of the last of so many `choices`.
    /// For the service thread.
    pub(crate) fn lend(&self, bank: Bank, choices: u32) {
        // As if it were of an earlier choice.
        self.deliver(bank, choices.wrapping_sub(1));
    }

    /// Sends the bank that was ordered, of the last of so many `choices`. For the service thread.
    pub(crate) fn deliver(&self, bank: Bank, choices: u32) {
        let made = bank.rate.to_bits();
        drop(self.new.0.put(Box::new(bank)));
        self.made_of.store(choices, Release);
        self.made.store(made, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(rate: f64) -> Bank {
        Bank {
            rate,
            shots: Vec::new(),
            zones: Vec::new(),
        }
    }

    /// Makes what is ordered; for which rate.
    fn follow(exchange: &BankExchange, is_on: bool, choices: u32) -> Option<f64> {
        let rate = exchange.order(is_on, choices)?;
        exchange.deliver(bank(rate), choices);
        Some(rate)
    }

    #[test]
    fn a_bank_is_made_once_for_each_rate_and_choice_and_only_when_it_is_wanted() {
        let exchange = BankExchange::default();
        let mut held = None;
        assert_eq!(follow(&exchange, true, 0), None, "before a stream");
        exchange.open(48_000.0, None);
        assert_eq!(follow(&exchange, false, 0), None, "nobody wants it");
        assert!(exchange.is_settled(false, 0) && !exchange.is_settled(true, 0));
        assert_eq!(follow(&exchange, true, 0), Some(48_000.0));
        assert!(exchange.is_settled(true, 0));
        assert_eq!(follow(&exchange, true, 0), None, "once more");
        assert!(exchange.fetch(&mut held, 48_000.0));
        assert_eq!(held.as_ref().unwrap().rate, 48_000.0);
        exchange.open(44_100.0, None);
        follow(&exchange, true, 0);
        exchange.fetch(&mut held, 44_100.0);
        assert_eq!(held.as_ref().unwrap().rate, 44_100.0);
        // The old one is not fetched yet: the next one waits.
        exchange.open(96_000.0, None);
        exchange.new.0.put(Box::new(bank(96_000.0)));
        assert!(!exchange.fetch(&mut held, 96_000.0));
        assert_eq!(held.as_ref().unwrap().rate, 44_100.0);
        follow(&exchange, false, 0);
        exchange.fetch(&mut held, 96_000.0);
        assert_eq!(held.as_ref().unwrap().rate, 96_000.0);
        // One for another rate comes back at once.
        follow(&exchange, false, 0);
        exchange.new.0.put(Box::new(bank(8_000.0)));
        assert!(!exchange.fetch(&mut held, 96_000.0));
        assert_eq!(held.as_ref().unwrap().rate, 96_000.0);
        assert_eq!(exchange.old.1.take().unwrap().rate, 8_000.0);
        exchange.open(96_000.0, Some(96_000.0));
        assert!(exchange.is_settled(true, 0));
        // Other sounds are chosen.
        assert!(!exchange.is_settled(true, 1) && exchange.is_settled(false, 1));
        assert_eq!(follow(&exchange, true, 1), Some(96_000.0));
        assert!(exchange.is_settled(true, 1));
        assert!(exchange.fetch(&mut held, 96_000.0));
        assert!(!exchange.fetch(&mut held, 96_000.0));
        // What was made for a rate that is wanted no more is no answer.
        exchange.open(48_000.0, None);
        exchange.deliver(bank(96_000.0), 1);
        assert_eq!(follow(&exchange, true, 1), Some(48_000.0));
    }

    #[test]
    fn what_is_lent_is_heard_and_settles_nothing() {
        let (exchange, mut held) = (BankExchange::default(), None);
        exchange.open(48_000.0, None);
        assert!(exchange.is_empty());
        exchange.lend(bank(48_000.0), 0);
        assert!(exchange.fetch(&mut held, 48_000.0) && !exchange.is_empty());
        assert!(!exchange.is_settled(true, 0));
        assert_eq!(follow(&exchange, true, 0), Some(48_000.0));
        assert!(exchange.fetch(&mut held, 48_000.0));
        assert!(exchange.is_settled(true, 0));
    }
}
