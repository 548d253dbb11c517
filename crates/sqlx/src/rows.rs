//! `Rows`: a stream whose items an async block sends, for statements that own the connection they run on.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;

/// The item on its way from the block to the reader.
type Slot<T> = Arc<Mutex<Option<T>>>;

fn lock<T>(slot: &Slot<T>) -> MutexGuard<'_, Option<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream. Dropping it drops the block, where it is.
pub(crate) struct Rows<'e, T> {
    slot: Slot<T>,
    /// `None` once it has completed.
    block: Option<BoxFuture<'e, sqlx::Result<()>>>,
}

/// The block's end of the stream.
pub(crate) struct Sender<T>(Slot<T>);

impl<T> Sender<T> {
    /// Sends an item, and waits until the reader wants the next.
    pub(crate) async fn send(&self, item: T) {
        *lock(&self.0) = Some(item);
        let mut sent = false;
        // The stream takes the item when this future is pending, and polls again for the next one.
        poll_fn(|_| if std::mem::replace(&mut sent, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl<'e, T: Send + 'e> Rows<'e, T> {
    /// Creates a stream of the items that the block sends. Its error is the stream's last item.
    pub(crate) fn new<F>(block: impl FnOnce(Sender<T>) -> F) -> Self
    where
        F: Future<Output = sqlx::Result<()>> + Send + 'e,
    {
        let slot = Slot::default();
        let block: BoxFuture<'e, _> = Box::pin(block(Sender(Arc::clone(&slot))));
        Self { slot, block: Some(block) }
    }
}

impl<T> Stream for Rows<'_, T> {
    type Item = sqlx::Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(block) = &mut self.block else { return Poll::Ready(None) };
        match block.as_mut().poll(context) {
            Poll::Ready(done) => {
                // What the block holds, such as a connection, is free before the reader sees the end.
                self.block = None;
                Poll::Ready(done.err().map(Err))
            }
            Poll::Pending => match lock(&self.slot).take() {
                Some(item) => Poll::Ready(Some(Ok(item))),
                None => Poll::Pending,
            },
        }
    }
}

/// Returns the next item of a stream.
pub(crate) async fn next<T>(stream: &mut BoxStream<'_, T>) -> Option<T> {
    poll_fn(|context| stream.as_mut().poll_next(context)).await
}

#[cfg(test)]
mod tests {
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
    async fn a_dropped_stream_drops_its_block_and_an_ended_one_at_its_end() {
        let held = Arc::new(());
        let stream = |items: u32| {
            let held = Arc::clone(&held);
            let rows = Rows::new(async move |rows: Sender<u32>| {
                let _held = held;
                for item in 0..items {
                    rows.send(item).await;
                }
                Ok(())
            });
            let rows: BoxStream<'static, _> = Box::pin(rows);
            rows
        };
        let mut dropped = stream(2);
        assert!(next(&mut dropped).await.is_some());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(dropped);
        assert_eq!(Arc::strong_count(&held), 1);
        let mut ended = stream(1);
        assert!(next(&mut ended).await.is_some());
        assert!(next(&mut ended).await.is_none());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
