//! Several trainings at a time.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

/// As many threads as there are processors.
pub fn available() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Does `work` on each of `jobs` on at most `threads` threads; the results are in the order of
/// the jobs, and do not depend on the number of threads if `work` has no memory.
pub fn map<Job: Send, Done: Send>(
    jobs: Vec<Job>,
    threads: NonZeroUsize,
    work: impl Fn(Job) -> Done + Sync,
) -> Vec<Done> {
    let n_jobs = jobs.len();
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let done = Mutex::new(Vec::with_capacity(n_jobs));
    thread::scope(|scope| {
        for _ in 0..threads.get().min(n_jobs) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no work is done under the lock").next();
                    let Some((index, job)) = next else { return };
                    let result = work(job);
                    let mut done = done.lock().expect("no work is done under the lock");
                    done.push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no work is done under the lock");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..20).collect();
        for threads in 1..4 {
            let threads = NonZeroUsize::new(threads).unwrap();
            let done = map(jobs.clone(), threads, |job| {
                thread::sleep(std::time::Duration::from_millis((20 - job) % 3));
                job * job
            });
            assert_eq!(done, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        }
        let none: Vec<u8> = map(Vec::<u8>::new(), NonZeroUsize::MIN, |job| job);
        assert!(none.is_empty());
    }
}
