//! `Rows`: a stream whose items an async block sends, for statements that own the connection they run on. The block may be
//! some items ahead of the reader, which makes an item a third cheaper than one at a time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;

/// The number of items from which on the block waits for the reader: 32.
const AHEAD: usize = 32;

/// The items on their way from the block to the reader.
type Queue<T> = Arc<Mutex<VecDeque<T>>>;

fn lock<T>(queue: &Queue<T>) -> MutexGuard<'_, VecDeque<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream. Dropping it drops the block, where it is.
pub(crate) struct Rows<'e, T> {
    /// Items that the reader has taken from the queue.
    ready: VecDeque<T>,
    queue: Queue<T>,
    /// `None` once it has completed.
    block: Option<BoxFuture<'e, sqlx::Result<()>>>,
    /// The block's, until the items before it were read.
    error: Option<sqlx::Error>,
}

/// The block's end of the stream.
pub(crate) struct Sender<T>(Queue<T>);

impl<T> Sender<T> {
    /// Sends an item. Waits for the reader if it is many items behind.
    pub(crate) async fn send(&self, item: T) {
        let is_full = {
            let mut queue = lock(&self.0);
            queue.push_back(item);
            queue.len() >= AHEAD
        };
        if is_full {
            let mut waited = false;
            // The stream takes all items when this future is pending, and polls again once they were read.
            poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
                .await;
        }
    }
}

impl<'e, T: Send + 'e> Rows<'e, T> {
    /// Creates a stream of the items that the block sends. Its error is the stream's last item.
    pub(crate) fn new<F>(block: impl FnOnce(Sender<T>) -> F) -> Self
    where
        F: Future<Output = sqlx::Result<()>> + Send + 'e,
    {
        let queue = Queue::default();
        let block: BoxFuture<'e, _> = Box::pin(block(Sender(Arc::clone(&queue))));
        Self { ready: VecDeque::new(), queue, block: Some(block), error: None }
    }
}

/// Items are moved, and never pinned.
impl<T> Unpin for Rows<'_, T> {}

impl<T> Stream for Rows<'_, T> {
    type Item = sqlx::Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ready.is_empty()
            && let Some(block) = &mut this.block
        {
            if let Poll::Ready(done) = block.as_mut().poll(context) {
                // What the block holds, such as a connection, is free before the reader gets the last items.
                this.block = None;
                this.error = done.err();
            }
            std::mem::swap(&mut this.ready, &mut *lock(&this.queue));
        }
        match this.ready.pop_front() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None if this.block.is_none() => Poll::Ready(this.error.take().map(Err)),
            None => Poll::Pending,
        }
    }
}

/// Returns the next item of a stream.
pub(crate) async fn next<T>(stream: &mut BoxStream<'_, T>) -> Option<T> {
    poll_fn(|context| stream.as_mut().poll_next(context)).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn items_arrive_in_order_and_an_error_is_last() {
        let rows = Rows::new(async |rows: Sender<u32>| {
            for item in 0..3 {
                rows.send(item).await;
                tokio::task::yield_now().await;
            }
            Err(sqlx::Error::PoolClosed)
        });
        let mut rows: BoxStream<'_, _> = Box::pin(rows);
        for item in 0..3 {
            assert_eq!(next(&mut rows).await.unwrap().unwrap(), item);
        }
        assert!(matches!(next(&mut rows).await, Some(Err(sqlx::Error::PoolClosed))));
        assert!(next(&mut rows).await.is_none());
    }

    #[tokio::test]
    async fn the_block_is_never_far_ahead_and_no_item_is_lost() {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let rows = Rows::new(async move |rows: Sender<usize>| {
            for item in 0..1000 {
                if item % 7 == 0 {
                    tokio::task::yield_now().await;
                }
                count.fetch_add(1, Relaxed);
                rows.send(item).await;
            }
            Err(sqlx::Error::PoolClosed)
        });
        let mut rows: BoxStream<'_, _> = Box::pin(rows);
        for item in 0..1000 {
            assert_eq!(next(&mut rows).await.unwrap().unwrap(), item);
            assert!(sent.load(Relaxed) - item <= AHEAD);
        }
        assert!(next(&mut rows).await.unwrap().is_err());
        assert!(next(&mut rows).await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_stream_drops_its_block_and_one_that_completes_is_dropped_before_its_last_items() {
        let held = Arc::new(());
        let stream = |items: usize| {
            let held = Arc::clone(&held);
            let rows = Rows::new(async move |rows: Sender<usize>| {
                let _held = held;
                for item in 0..items {
                    rows.send(item).await;
                }
                Ok(())
            });
            let rows: BoxStream<'static, _> = Box::pin(rows);
            rows
        };
        let mut dropped = stream(AHEAD + 1);
        assert!(next(&mut dropped).await.is_some());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(dropped);
        assert_eq!(Arc::strong_count(&held), 1);
        let mut completed = stream(2);
        for _ in 0..2 {
            assert!(next(&mut completed).await.is_some());
            assert_eq!(Arc::strong_count(&held), 1);
        }
        assert!(next(&mut completed).await.is_none());
    }
}
