//! Work that may take as long as it takes: threads of their own, behind everything that somebody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use dothi_kernel::{Error, Result};
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// Threads that get the processor when nobody else wants it (the lowest priority of ordinary ones, `nice 19`; on Linux only).
/// Nothing bounds what waits for them: whoever calls does. They end with the last clone.
#[derive(Clone)]
pub struct Backroom(mpsc::Sender<Work>);

impl Backroom {
    /// So many threads.
    pub fn new(threads: usize) -> Result<Self> {
        let (give, take) = mpsc::channel::<Work>();
        let take = Arc::new(Mutex::new(take));
        for _ in 0..threads {
            let take = take.clone();
            let begun = std::thread::Builder::new().name("backroom".into()).spawn(move || {
                step_back();
                loop {
                    let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(work) = next else { return };
                    work();
                }
            });
            begun.map_err(|e| Error::internal("starting a thread", e))?;
        }
        Ok(Self(give))
    }

    /// What the work gives; none when it panicked. It goes on when nobody waits for it any more.
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let work = Box::new(move || {
            // What is told to nobody is dropped: the caller went away.
            let _gone = catch_unwind(AssertUnwindSafe(work)).map(|done| tell.send(done));
        });
        self.0.send(work).ok()?;
        told.await.ok()
    }
}

#[cfg(target_os = "linux")]
fn step_back() {
    // On Linux this is a thread's own. Without it the work is only less polite.
    if let Err(e) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19) {
        tracing::debug!(error = %e, "a background thread keeps its priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

#[cfg(test)]
mod tests {
    use super::Backroom;

    #[tokio::test]
    async fn a_panic_takes_no_thread_with_it() {
        let room = Backroom::new(1).unwrap();
        assert_eq!(room.work(|| -> i32 { panic!("a broken file") }).await, None);
        assert_eq!(room.work(|| 7).await, Some(7));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn it_stands_behind_what_others_wait_for() {
        let nice = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = nice();
        assert_eq!(Backroom::new(1).unwrap().work(nice).await, Some(19));
        assert_eq!(nice(), before);
    }
}
