//! DynamoDB on `dynoxide` (SQLite), in memory or in a directory.

mod data_dir;
mod dispatch;
mod snapshot;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use dynoxide::{Database, DynoxideError};
use http::StatusCode;
use serde_json::Value;

pub use self::data_dir::StoreError;
pub use self::snapshot::{Item, SnapshotError};

use self::data_dir::DataDir;
use super::service::{Api, BoxFuture, Service, ServiceAnswer};
use super::wire_error::WireError;

/// The DynamoDB of one local stack. Clones share the data.
///
/// On disk, a write is answered once SQLite has synced it (write-ahead log, `synchronous = FULL`, the
/// defaults of dynoxide and SQLite). Neither `kill -9` nor a power cut loses what was acknowledged. A sync
/// takes milliseconds, so calls on disk run on tokio's blocking threads; a call in memory takes microseconds
/// and runs in place.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    /// Read-locked for each call; write-locked for a snapshot, which reads many pages and must see a single
    /// moment. Never held across an await.
    moment: Arc<RwLock<()>>,
    data_dir: Option<Arc<DataDir>>,
}

impl DynamoDb {
    /// An empty store that is dropped with its last clone.
    pub fn in_memory() -> Result<Self, StoreError> {
        let database = Database::memory().map_err(|source| StoreError::Memory { source })?;
        Ok(Self::on(database, None))
    }

    /// A store in memory with what [`save`](Self::save) wrote to `file`.
    ///
    /// # Errors
    /// [`StoreError::Open`].
    pub fn in_memory_like(file: &Path) -> Result<Self, StoreError> {
        let store = Self::in_memory()?;
        let opened = store.database.restore_from(&file.to_string_lossy());
        opened.map_err(|source| StoreError::Open { file: file.to_owned(), source })?;
        Ok(store)
    }

    /// Writes the whole store to a file that does not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub fn save(&self, file: &Path) -> Result<(), StoreError> {
        let saved = self.database.vacuum_into(&file.to_string_lossy());
        saved.map_err(|source| StoreError::Refused { operation: format!("to be saved to {}", file.display()), source })
    }

    /// Opens the store in `dir`, which is created if missing, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Held`] while another process has it open.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_dir(DataDir::create(dir)?)
    }

    /// Opens the store in `dir`, which must contain one, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Absent`] if it contains none: a mistyped directory must not pass for an empty store in
    /// which nothing is wrong. [`StoreError::Held`] while another process has it open.
    pub fn open_existing(dir: &Path) -> Result<Self, StoreError> {
        Self::open_dir(DataDir::existing(dir)?)
    }

    /// Deletes the items whose time to live has passed, as DynamoDB does from time to time, and returns how
    /// many. Blocks, one page at a time.
    pub fn sweep_expired(&self) -> Result<usize, StoreError> {
        let _moment = self.moment.read().unwrap_or_else(PoisonError::into_inner);
        self.database
            .sweep_ttl()
            .map_err(|source| StoreError::Refused { operation: "the sweep of expired items".to_owned(), source })
    }

    /// Applies one operation for the local stack itself. Blocks.
    pub(super) fn apply(&self, operation: &str, body: &Value) -> Result<Value, StoreError> {
        let refused = |source| StoreError::Refused { operation: operation.to_owned(), source };
        let answer = self
            .dispatch(operation, &body.to_string())
            .unwrap_or_else(|| {
                let message = format!("{operation} is not an operation of the local DynamoDB");
                Err(DynoxideError::InternalServerError(message))
            })
            .map_err(refused)?;
        serde_json::from_str(&answer).map_err(|error| refused(DynoxideError::InternalServerError(error.to_string())))
    }

    /// Reads an item in wire format for the local stack itself. Blocks.
    pub fn item(&self, table: &Value, key: &Value) -> Option<Value> {
        let get = serde_json::json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        self.apply("GetItem", &get).ok()?.get("Item").cloned()
    }

    /// Whether there is such a table. Blocks.
    pub fn has_table(&self, table: &str) -> bool {
        !self.key_attributes(table).is_empty()
    }

    /// The names of a table's key attributes, partition key first; empty if there is no such table.
    pub(super) fn key_attributes(&self, table: &str) -> Vec<String> {
        let describe = serde_json::json!({ "TableName": table });
        let Ok(answer) = self.apply("DescribeTable", &describe) else {
            return Vec::new();
        };
        let schema = answer["Table"]["KeySchema"].as_array();
        schema.into_iter().flatten().filter_map(|key| key["AttributeName"].as_str().map(str::to_owned)).collect()
    }

    /// Runs `work`, which uses this store, where it may block.
    pub(super) async fn unblocked<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        if !self.is_on_disk() {
            return work();
        }
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down. It accepts no more work, and will not poll this again.
                Err(_cancelled) => std::future::pending().await,
            },
        }
    }

    fn is_on_disk(&self) -> bool {
        self.data_dir.is_some()
    }

    fn open_dir(data_dir: DataDir) -> Result<Self, StoreError> {
        let database = data_dir.open_database()?;
        Ok(Self::on(database, Some(Arc::new(data_dir))))
    }

    fn on(database: Database, data_dir: Option<Arc<DataDir>>) -> Self {
        Self { database, moment: Arc::new(RwLock::new(())), data_dir }
    }

    /// `None` if there is no such operation.
    fn dispatch(&self, operation: &str, body: &str) -> Option<Result<String, DynoxideError>> {
        let _moment = self.moment.read().unwrap_or_else(PoisonError::into_inner);
        dispatch::dispatch(&self.database, operation, body)
    }

    fn answer(&self, operation: &str, body: &[u8]) -> ServiceAnswer {
        let Ok(body) = str::from_utf8(body) else {
            return WireError::unreadable_body(Api::DynamoDb).into();
        };
        match self.dispatch(operation, body) {
            Some(Ok(body)) => ServiceAnswer::new(StatusCode::OK, body.into_bytes()),
            Some(Err(error)) => {
                let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                ServiceAnswer::new(status, error.to_json().into_bytes())
            }
            None => WireError::unknown_operation(operation).into(),
        }
    }
}

impl Service for DynamoDb {
    fn call<'a>(&'a self, operation: &'a str, body: &'a [u8]) -> BoxFuture<'a, ServiceAnswer> {
        if !self.is_on_disk() {
            return Box::pin(async move { self.answer(operation, body) });
        }
        let (store, operation, body) = (self.clone(), operation.to_owned(), body.to_owned());
        Box::pin(self.unblocked(move || store.answer(&operation, &body)))
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}
