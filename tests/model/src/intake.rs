//! Intake: what happens to a call, and what its caller is told.

use crate::protection::Protection;
use crate::saga::{Saga, forget_unheard, start};
use crate::state::{Answer, Call, End, Intake, Mode, Place, Record, State, Status};

impl Saga {
    /// The next step of a call whose requests are answered.
    pub(crate) fn serve(&self, state: &mut State, call: usize) {
        let content = self.calls[call].content;
        state.intakes[call] = match state.intakes[call] {
            Intake::Starting => self.start_call(state, call),
            Intake::Waiting(execution) => self.hear_end(state, call, execution),
            Intake::Reading => match &state.tables.record {
                Some(record) => Intake::Told(self.answer_from(record, call)),
                None => Intake::Putting,
            },
            Intake::Putting => self.put(state, call),
            Intake::Queueing => {
                state.overflow[content as usize] = true;
                Intake::Told(Answer::Queued)
            }
            Intake::Told(answer) => Intake::Told(answer),
        };
    }

    fn start_call(&self, state: &mut State, call: usize) -> Intake {
        let waits = self.calls[call].mode == Mode::Wait;
        // A call that does not wait has already written the record, so it starts by id alone.
        let started = start(state, waits.then_some(self.calls[call].content));
        match started {
            Some(at) if waits => {
                if let Some(execution) = &mut state.executions[at] {
                    execution.awaited = true;
                }
                Intake::Waiting(at)
            }
            _ => Intake::Told(Answer::Accepted),
        }
    }

    fn hear_end(&self, state: &mut State, call: usize, at: usize) -> Intake {
        let Some(execution) = &mut state.executions[at] else { return self.without_decision() };
        execution.awaited = false;
        let place = execution.place;
        forget_unheard(state, at);
        match place {
            Place::Ended(End::Decided(status, content)) => {
                let compared = self.has(Protection::FingerprintInAnswer) && content != self.calls[call].content;
                Intake::Told(if compared { Answer::Conflict } else { Answer::Decided(status, content) })
            }
            Place::Ended(End::Conflict) => Intake::Told(Answer::Conflict),
            _ => self.without_decision(),
        }
    }

    /// What intake does when its saga gave no decision.
    pub(crate) fn without_decision(&self) -> Intake {
        if self.has(Protection::LookAfterDeadline) { Intake::Reading } else { Intake::Told(Answer::Accepted) }
    }

    /// Persist's own conditional put, due at once.
    fn put(&self, state: &mut State, call: usize) -> Intake {
        let Call { content, mode } = self.calls[call];
        let stored = &mut state.tables.record;
        match stored {
            Some(record) if self.has(Protection::ConditionOfIntakePut) => Intake::Told(self.answer_from(record, call)),
            _ => {
                *stored = Some(Record::pending(content, true));
                if mode == Mode::RespondAsync { Intake::Starting } else { Intake::Told(Answer::Accepted) }
            }
        }
    }

    pub(crate) fn start_unheard(&self, state: &mut State, call: usize, runs: bool) {
        if runs {
            start(state, Some(self.calls[call].content));
        }
        state.intakes[call] = match self.calls[call].mode {
            Mode::Wait => self.without_decision(),
            // The record is due, so recovery starts it.
            Mode::RespondAsync => Intake::Told(Answer::Accepted),
        };
    }

    /// A request of intake is not answered.
    pub(crate) fn outage(&self, state: &mut State, call: usize, applied: bool) {
        let content = self.calls[call].content;
        state.intakes[call] = match state.intakes[call] {
            Intake::Queueing => {
                state.overflow[content as usize] |= applied;
                Intake::Told(Answer::Unknown)
            }
            at => {
                if applied && at == Intake::Putting {
                    self.put(state, call);
                }
                Intake::Queueing
            }
        };
    }

    /// An eventually consistent read, which may miss the record or the decision on it.
    pub(crate) fn read_stale(&self, state: &mut State, call: usize, missing: bool) {
        state.intakes[call] = match state.tables.record {
            Some(record) if !missing => {
                Intake::Told(self.answer_from(&Record { status: Status::Pending, ..record }, call))
            }
            _ => Intake::Putting,
        };
    }

    /// The answer that a record gives, unless its content is not what the call sent.
    fn answer_from(&self, record: &Record, call: usize) -> Answer {
        match record.status {
            _ if self.has(Protection::FingerprintInIntake) && record.content != self.calls[call].content => {
                Answer::Conflict
            }
            Status::Confirmed | Status::Cancelled | Status::Fulfilling | Status::Fulfilled => {
                Answer::Decided(record.status, record.content)
            }
            Status::Pending | Status::Cancelling => Answer::Accepted,
        }
    }
}
