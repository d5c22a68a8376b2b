//! The saga's protections, each of which a test can leave out.

/// A protection that can be disabled in the model. Its mutant is the model without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// An action takes effect only where there is no fence.
    FenceCondition,
    /// A compensation that finds no fence leaves a tombstone.
    Tombstone,
    /// The tombstone is written only if there still is no fence.
    TombstoneCondition,
    /// The undo is in the same write as the fence. Its mutant sets the fence, then undoes.
    UndoNotAfterFence,
    /// The undo is in the same write as the fence. Its mutant undoes, then sets the fence.
    UndoNotBeforeFence,
    /// The fence is read before a refusal: stock that looks short because this order holds it is no reason to refuse
    /// it.
    FenceBeforeRefusal,
    /// `ConfirmOrder` loses to a cancellation that came first.
    DecisionCompareAndSet,
    /// `CancelOrder` cancels only an order of its own content. Its mutant drops the fingerprint from
    /// the condition and does not compare it either.
    FingerprintInCancel,
    /// `CancelOrder` compares the fingerprint before it adopts a decision. Its mutant keeps the
    /// fingerprint in the condition.
    FingerprintBeforeAdoption,
    /// `PersistOrder` compares the fingerprint of the record that it finds.
    FingerprintInPersist,
    /// The step that failed is also compensated.
    CompensationOfFailingStep,
    /// A branch of the roll-back catches its own error.
    BranchCatch,
    /// Only an order whose every step is undone is closed.
    CheckRollBack,
    /// A mere failure cannot cancel a confirmed order.
    FinalityOfConfirmed,
    /// A cancelled order cannot be confirmed.
    FinalityOfCancelled,
    /// An order that is handed over can no longer be cancelled by its customer.
    FinalityOfFulfilling,
    /// Only a confirmed order is handed over.
    FulfilmentOfConfirmed,
    /// A consumption takes stock off the books only if the reservation stands.
    ConsumptionCondition,
    /// A consumption is in the same write as the fence. Its mutant takes the stock, then sets the fence.
    ConsumptionInOneWrite,
    /// An action that finds its effect consumed has had its effect, and takes no other.
    FenceConditionOnceConsumed,
    /// A transient error whose retries ran out leaves the order open.
    TransientLeavesOpen,
    /// Counting an attempt moves `due_ms` beyond the life of the execution that it starts.
    DueMove,
    /// Recovery writes only if status and `due_ms` are still those that it read.
    RecoveryCompareAndSet,
    /// An order that enters an open status has its attempts set to 0.
    AttemptsReset,
    /// Recovery looks after the orders that are left open.
    Recovery,
    /// The message about a parked order is sent before the order is flagged.
    MessageBeforeFlag,
    /// Intake reads the record when its saga gave no decision. Its mutant answers 202.
    LookAfterDeadline,
    /// That read is strongly consistent. Its mutant may see an earlier state of the record.
    StrongRead,
    /// Intake compares fingerprints before it answers with a record that it has read or collided with.
    FingerprintInIntake,
    /// Intake compares fingerprints before it answers with the record that its saga returns.
    FingerprintInAnswer,
    /// Intake writes an absent record only if it is still absent.
    ConditionOfIntakePut,
    /// A message of the overflow queue is done only once the record is known to exist.
    RecordBeforeDone,
}
