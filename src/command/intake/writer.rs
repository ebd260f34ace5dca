//! Counts what was found and writes it to the store, in a thread of its own: reading goes on meanwhile.
//!
//! Whatever is handed over is taken in the order in which it comes, so that the store is the same as if one thread did everything.
//! What waits is bounded; who is too fast waits. What has been counted goes back, to be dropped where it was made: memory that one
//! thread takes and another gives back costs an allocator more than anything else done here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Context, anyhow};

use crate::outcome::Emission;
use crate::store::{Batch, Bookmark, RunCounts, Store};

/// How many things found are handed over at once, and how many such bundles may wait: enough to read on while a batch is written.
const BUNDLE: usize = 1024;
const WAITING: usize = 40;
/// After so many commits nothing was full.
const NEVER: u64 = u64::MAX;

/// What is counted.
pub(super) enum Item {
    /// What the session stage gave out.
    Found(Emission),
    /// A line nobody recognised: its shape, and when it was written.
    Shape(String, i64),
}

/// What is written in one transaction with all that was counted before it.
pub(super) struct Commit {
    /// How far each source was read.
    pub(super) bookmarks: Vec<Bookmark>,
    /// What is open.
    pub(super) sessions: String,
    /// What this run has counted since its last commit.
    pub(super) run: RunCounts,
}

enum Message {
    Count(Vec<Item>),
    Commit(Box<Commit>),
}

/// The other end of the thread.
pub(super) struct Writer<'scope> {
    bundle: Vec<Item>,
    messages: SyncSender<Message>,
    counted: Receiver<Vec<Item>>,
    /// How many commits were handed over.
    commits: u64,
    /// After how many commits there was as much to write again as there may be.
    full_after: Arc<AtomicU64>,
    thread: ScopedJoinHandle<'scope, anyhow::Result<()>>,
}

impl<'scope> Writer<'scope> {
    /// Starts the thread.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        store: &'env mut Store,
        batch: Batch,
    ) -> Self {
        let (messages, inbox) = sync_channel(WAITING);
        let (back, counted) = channel();
        let full_after = Arc::new(AtomicU64::new(NEVER));
        let tell = Arc::clone(&full_after);
        Writer {
            bundle: Vec::with_capacity(BUNDLE),
            messages,
            counted,
            commits: 0,
            full_after,
            thread: scope.spawn(move || write(store, batch, &inbox, (&back, &tell))),
        }
    }

    /// Hands something over to be counted. That the thread has failed is told by the next commit.
    pub(super) fn count(&mut self, item: Item) {
        self.bundle.push(item);
        if self.bundle.len() == BUNDLE {
            let mut next = self.counted.try_recv().unwrap_or_default();
            next.clear();
            next.reserve_exact(BUNDLE);
            let bundle = std::mem::replace(&mut self.bundle, next);
            self.messages.send(Message::Count(bundle)).ok();
        }
    }

    /// Whether what waits takes the memory that is meant for it: it is time to commit.
    pub(super) fn is_full(&self) -> bool {
        self.full_after.load(Ordering::Relaxed) == self.commits
    }

    /// Has all that was counted written. Fails if the thread has failed; [`Writer::finish`] says why.
    pub(super) fn commit(&mut self, commit: Commit) -> anyhow::Result<()> {
        self.commits += 1;
        let bundle = std::mem::take(&mut self.bundle);
        let send = |message| self.messages.send(message);
        send(Message::Count(bundle))
            .and_then(|()| send(Message::Commit(Box::new(commit))))
            .map_err(|_| anyhow!("the store cannot be written"))
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        drop(self.messages);
        match self.thread.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn write(
    store: &mut Store,
    mut batch: Batch,
    inbox: &Receiver<Message>,
    (back, full_after): (&Sender<Vec<Item>>, &AtomicU64),
) -> anyhow::Result<()> {
    let mut commits = 0;
    for message in inbox {
        match message {
            Message::Count(items) => {
                items.iter().for_each(|item| match item {
                    Item::Found(emission) => batch.add(emission),
                    Item::Shape(shape, at) => batch.add_shape(shape, *at),
                });
                back.send(items).ok();
                if batch.is_full() {
                    full_after.store(commits, Ordering::Relaxed);
                }
            }
            Message::Commit(commit) => {
                store
                    .commit(
                        &mut batch,
                        &commit.bookmarks,
                        &commit.sessions,
                        Some(commit.run),
                    )
                    .with_context(|| format!("writing the store {}", store.path()))?;
                commits += 1;
            }
        }
    }
    // What follows takes memory of its own.
    drop(batch);
    store
        .add_up_past()
        .with_context(|| format!("writing the store {}", store.path()))
}
