//! The iterations of a Map.

use std::sync::Arc;

use serde_json::Value;

use super::context::Item;
use super::join::{self, Branch};
use super::leave::{Subject, too_large};
use super::work::WorkFailed;
use super::{Entry, Run, Visit, evaluate_whole};
use crate::clock::Clock;
use crate::definition::{MAX_INLINE_CONCURRENCY, Map, exceeds_limit};
use crate::expression::EvaluationError;
use crate::failure::Failure;
use crate::history::EventKind;
use crate::scene::Scene;
use crate::task::TaskRunner;
use crate::template::Template;

impl<R: TaskRunner, C: Clock> Run<'_, R, C> {
    pub(super) async fn attempt_map(
        &self,
        map: &Map,
        visit: &Visit<'_>,
        cursor: &mut u64,
    ) -> Result<Arc<Value>, WorkFailed> {
        let evaluated = self.with_scene(visit, Subject::Entry, |scene| {
            let most = map.max_concurrency.as_ref();
            let most = most.map(|most| evaluate_whole(most, 0, "a whole number from 0 to 99999999", scene));
            Ok((evaluate_items(map.items.as_ref(), visit, scene)?, most.transpose()?))
        });
        let (items, most) =
            evaluated.map_err(|error| WorkFailed::inside(self.evaluation_failed(visit, &error, cursor)))?;
        // 0 means without a limit.
        let limit = most.filter(|most| *most > 0).unwrap_or(MAX_INLINE_CONCURRENCY).min(MAX_INLINE_CONCURRENCY);

        let state = || Arc::clone(&visit.state.name);
        self.record(cursor, || EventKind::MapStateStarted { state: state(), length: items.len() });
        let started = *cursor;
        let iterations = join::all(items.len(), limit as usize, |index, before: Option<&(_, u64)>| {
            let previous = before.map_or(started, |(_, last_event)| *last_event);
            self.iteration(map, visit, items[index].clone(), previous)
        });
        match iterations.await {
            Ok(ended) => {
                *cursor = ended.iter().map(|(_, last_event)| *last_event).max().unwrap_or(*cursor);
                let outputs = ended.into_iter().map(|(output, _)| Arc::unwrap_or_clone(output));
                let result = Arc::new(Value::Array(outputs.collect()));
                if exceeds_limit(&result) {
                    return Err(WorkFailed::inside(too_large(visit, "returned")));
                }
                self.record_leaf(*cursor, || EventKind::MapStateSucceeded { state: state() });
                Ok(result)
            }
            Err(stopped) => {
                let (failure, last_event) = stopped.error;
                *cursor = last_event;
                let failed = stopped.failed;
                self.record_leaf(last_event, || EventKind::MapIterationFailed { state: state(), index: failed });
                self.record_aborted(started, last_event);
                for index in stopped.others {
                    self.record_leaf(last_event, || EventKind::MapIterationAborted { state: state(), index });
                }
                Err(WorkFailed::inside(failure))
            }
        }
    }

    /// One iteration, which begins at once: AWS starts as many as may run before it enters a state of
    /// any. Returns the id of its last event.
    fn iteration<'b>(
        &'b self,
        map: &'b Map,
        visit: &'b Visit<'_>,
        item: Item,
        previous: u64,
    ) -> Branch<'b, (Arc<Value>, u64), (Failure, u64)> {
        let mut cursor = previous;
        let (index, state) = (item.index, || Arc::clone(&visit.state.name));
        self.record(&mut cursor, || EventKind::MapIterationStarted { state: state(), index });
        Box::pin(async move {
            let ended = self.iterate(map, visit, item, &mut cursor).await;
            match ended {
                Ok(output) => {
                    self.record_leaf(cursor, || EventKind::MapIterationSucceeded { state: state(), index });
                    Ok((output, cursor))
                }
                Err(failure) => Err((failure, cursor)),
            }
        })
    }

    async fn iterate(&self, map: &Map, visit: &Visit<'_>, item: Item, cursor: &mut u64) -> Result<Arc<Value>, Failure> {
        let item = Arc::new(item);
        // The selector is the Map's own field, and sees the iteration's item.
        let iteration = Visit { item: Some(&item), ..*visit };
        let input = match &map.selector {
            None => Arc::clone(&item.value),
            Some(selector) => self
                .with_scene(&iteration, Subject::Entry, |scene| selector.evaluate(scene))
                .map_err(|error| self.evaluation_failed(&iteration, &error, cursor))?,
        };
        if exceeds_limit(&input) {
            return Err(too_large(visit, "is passed"));
        }
        let variables = visit.variables.clone();
        self.scope(&map.processor, Entry { input, variables, item: Some(item) }, cursor).await
    }
}

/// The array that the Map iterates over.
///
/// In inline mode an object is not one, according to the guide and to LocalStack's recordings of AWS.
fn evaluate_items(
    items: Option<&Template>,
    visit: &Visit<'_>,
    scene: &Scene<'_>,
) -> Result<Vec<Item>, EvaluationError> {
    let value = match items {
        None => Arc::clone(visit.input),
        Some(items) => items.evaluate(scene)?,
    };
    let Value::Array(values) = &*value else {
        return Err(match items {
            Some(Template::Expression(expression)) => expression.wrong_type("array", &value),
            _ => EvaluationError::not_an_array("Items", &value),
        });
    };
    let values = values.iter().enumerate();
    Ok(values.map(|(index, value)| Item { index, value: Arc::new(value.clone()) }).collect())
}
