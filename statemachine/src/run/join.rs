//! Waits for the branches of a Parallel.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A branch under way.
pub(super) type Branch<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The results of all branches, in their order, or the first error. On an error the other branches
/// are dropped where they stand, those that wait for a retry too.
pub(super) async fn all<T, E>(mut branches: Vec<Branch<'_, T, E>>) -> Result<Vec<T>, E> {
    let mut results: Vec<Option<T>> = branches.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (branch, result) in branches.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(ended) = branch.as_mut().poll(context)
            {
                match ended {
                    Ok(value) => *result = Some(value),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        if results.iter().all(Option::is_some) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await?;
    Ok(results.into_iter().flatten().collect())
}
