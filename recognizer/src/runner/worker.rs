//! The classifier thread.

use std::sync::mpsc;
use std::time::Duration;

use tocco_dsp::denormals;
use tocco_engines::{Classifier, InferError};

use super::Said;
use super::queue::{Answer, ThreadRunner, Work, queues};
use super::scheduling::{self, Scheduling};
use super::wake::{self, Waiter, Wake};
use crate::ticks::{self, Ticks};

/// Why there is no classifier thread.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The system gave no thread.
    #[error("the classifier thread cannot be started: {0}; close other programs and try again")]
    Spawn(#[from] std::io::Error),
    /// The engine failed in its first inferences.
    #[error("the engine failed when it was primed: {0}; choose another engine")]
    Prime(#[from] InferError),
    /// The thread ended before it was ready.
    #[error("the classifier thread ended before it was ready; choose another engine")]
    Died,
}

/// How a classifier thread is to run.
#[derive(Debug, Clone, Copy)]
pub struct WorkerConfig {
    /// How it is woken.
    pub wake: Wake,
    /// How long features may take after their onset before the onset counts as dropped.
    pub patience: Duration,
}

/// Starts a classifier thread and returns when it is primed, with the audio thread's side of the
/// queues and the priority it got. Not for the audio thread.
///
/// # Errors
/// When there is no thread to be had or the engine fails.
pub fn start(
    classifier: Classifier,
    config: WorkerConfig,
) -> Result<(ThreadRunner, Scheduling), WorkerError> {
    let (mut remote, work) = queues(classifier.n_features());
    let (ready_in, ready_out) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("tocco-classify".to_owned())
        .spawn(move || denormals::flush(|| run(classifier, work, config, &ready_in)))?;
    remote.attach(thread);
    // On an error the remote is dropped here, which ends the thread.
    let scheduling = ready_out.recv().map_err(|_| WorkerError::Died)??;
    Ok((remote, scheduling))
}

fn run(
    mut classifier: Classifier,
    mut work: Work,
    config: WorkerConfig,
    ready: &mpsc::Sender<Result<Scheduling, InferError>>,
) -> Classifier {
    // Once it is pinned it sees its own core alone.
    let one_core = wake::is_one_core();
    // For as long as this thread runs.
    let raised = scheduling::raise_this_thread();
    if let Some(pinning) = scheduling::pin_this_thread() {
        tracing::info!("classifier thread: {pinning}");
    }
    let signal = std::sync::Arc::clone(&work.signal);
    let mut waiter = Waiter::new(config.wake, config.patience, one_core, &signal);
    let mut features = vec![0.0; classifier.n_features()];
    let counter = Ticks::calibrated();
    let primed = classifier.prime().map(|()| raised.scheduling.clone());
    // Nobody waits any more if the plugin is being closed.
    let _ = ready.send(primed);

    let mut epoch = None;
    while !signal.stopped() {
        match work.take(&mut features) {
            Some(request) => {
                // The first note of another stream: a network with memory begins anew, as inline.
                if epoch.replace(request.note.epoch) != Some(request.note.epoch) {
                    classifier.reset();
                }
                let start = ticks::now(counter);
                let said = Said::by(&mut classifier, &features).ok();
                work.answer(Answer {
                    note: request.note,
                    said,
                    wake: ticks::between(counter, request.ready, start),
                    inference: ticks::between(counter, start, ticks::now(counter)),
                });
                waiter.done(&signal);
            }
            None => waiter.wait(&signal, || work.waits()),
        }
    }
    // Freed by the one who joins.
    classifier
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::Note;
    use crate::model::tests::shipped;
    use crate::runner::queue::CAPACITY;
    use crate::runner::queue::tests::note;
    use tocco_engines::{Engine, EngineId};

    /// A network with memory: its outputs are how many steps it has made.
    struct Steps {
        n_features: usize,
        made: f32,
    }

    impl Engine for Steps {
        fn name(&self) -> &'static str {
            "steps"
        }

        fn n_features(&self) -> usize {
            self.n_features
        }

        fn n_classes(&self) -> usize {
            8
        }

        fn infer(&mut self, _: &[f32], probabilities: &mut [f32]) -> Result<(), InferError> {
            self.made += 1.0;
            probabilities.fill(self.made);
            Ok(())
        }

        fn reset(&mut self) {
            self.made = 0.0;
        }
    }

    #[test]
    fn a_network_with_memory_begins_anew_with_each_stream() {
        let package = shipped("c");
        let n_features = package.manifest.input.features.len();
        let engine = Box::new(Steps {
            n_features,
            made: 0.0,
        });
        let classifier = Classifier::with_engine(&package, engine).unwrap();
        let config = WorkerConfig {
            wake: Wake::Armed,
            patience: Duration::ZERO,
        };
        let (mut remote, _) = start(classifier, config).unwrap();
        let epochs = [0, 0, 0, 1, 1, 2, 0, 0];
        for (id, epoch) in (0..).zip(epochs) {
            let note = Note { epoch, ..note(id) };
            remote.submit(note, &vec![0.0; n_features], 0).unwrap();
        }
        let mut made = Vec::new();
        while made.len() < epochs.len() {
            match remote.poll() {
                Some(answer) => made.push(answer.said.unwrap().probabilities[0]),
                None => std::thread::yield_now(),
            }
        }
        assert_eq!(made, [1.0, 2.0, 3.0, 1.0, 2.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn every_way_of_waking_answers_every_note_in_order() {
        let package = shipped("c");
        let mut expected = Classifier::new(&package, EngineId::Native).unwrap();
        for wake in Wake::ALL {
            let classifier = Classifier::new(&package, EngineId::Native).unwrap();
            let n_features = classifier.n_features();
            let config = WorkerConfig {
                wake: *wake,
                patience: Duration::from_millis(10),
            };
            let (mut remote, _) = start(classifier, config).unwrap();
            let mut answered = 0;
            for id in 0..3 * CAPACITY as u64 {
                remote.arm();
                let features = vec![id as f32 / 100.0; n_features];
                remote.submit(note(id), &features, 0).unwrap();
                let pause = [0, 0, 300, 3_000][id as usize % 4];
                std::thread::sleep(Duration::from_micros(pause));
                while remote.under_way() == CAPACITY || (pause > 0 && remote.under_way() > 0) {
                    let Some(answer) = remote.poll() else {
                        std::thread::yield_now();
                        continue;
                    };
                    assert_eq!(answer.note, note(answered));
                    let features = vec![answered as f32 / 100.0; n_features];
                    // The thread flushes denormals, so the reference must, too.
                    let expected = denormals::flush(|| Said::by(&mut expected, &features));
                    assert_eq!(answer.said, expected.ok());
                    answered += 1;
                }
            }
            assert_eq!(answered, 3 * CAPACITY as u64, "{wake}");
        }
    }

    #[test]
    fn an_idle_thread_ends_when_its_queues_are_dropped() {
        for wake in Wake::ALL {
            let package = shipped("c");
            let classifier = Classifier::new(&package, EngineId::Native).unwrap();
            let config = WorkerConfig {
                wake: *wake,
                patience: Duration::ZERO,
            };
            let (remote, _) = start(classifier, config).unwrap();
            drop(remote); // would hang
        }
    }
}
