//! Waits for the branches of a Parallel, and for the iterations of a Map.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A running branch or iteration.
pub(super) type Branch<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// A branch that failed, by its index, and the branches that were stopped because of it.
pub(super) struct Stopped<E> {
    pub(super) failed: usize,
    pub(super) error: E,
    pub(super) others: Vec<usize>,
}

/// The results of `count` branches, in their order, or the first error. At most `limit` run at a time:
/// when one ends, `start` gets its result and the index of the next.
///
/// On an error the other branches are dropped at once, including those that wait for a retry.
pub(super) async fn all<'a, T, E>(
    count: usize,
    limit: usize,
    mut start: impl FnMut(usize, Option<&T>) -> Branch<'a, T, E>,
) -> Result<Vec<T>, Stopped<E>> {
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let mut next = count.min(limit.max(1));
    let mut open: Vec<(usize, Branch<'a, T, E>)> = (0..next).map(|index| (index, start(index, None))).collect();
    poll_fn(|context| {
        let mut position = 0;
        while position < open.len() {
            let Poll::Ready(ended) = poll(&mut open[position].1, context) else {
                position += 1;
                continue;
            };
            let index = open[position].0;
            match ended {
                Err(error) => {
                    let others = open.drain(..).map(|(other, _)| other).filter(|other| *other != index).collect();
                    return Poll::Ready(Err(Stopped { failed: index, error, others }));
                }
                // The next one takes its place, and is polled at once.
                Ok(value) if next < count => {
                    open[position] = (next, start(next, Some(&value)));
                    results[index] = Some(value);
                    next += 1;
                }
                Ok(value) => {
                    results[index] = Some(value);
                    drop(open.remove(position));
                }
            }
        }
        if open.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await?;
    Ok(results.into_iter().flatten().collect())
}

fn poll<T, E>(branch: &mut Branch<'_, T, E>, context: &mut Context<'_>) -> Poll<Result<T, E>> {
    branch.as_mut().poll(context)
}
