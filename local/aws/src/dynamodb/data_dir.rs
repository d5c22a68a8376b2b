//! The directory that a store lives in, and who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use dynoxide::{Database, DynoxideError};

/// The SQLite file; its write-ahead log stands beside it.
const DATABASE_FILE: &str = "dynamodb.sqlite";
/// Locked by the process that has the store open. The operating system lets go of it when that
/// process ends, however it ends, so it never has to be removed by hand.
const LOCK_FILE: &str = "lock";

/// Why a store cannot be opened, or did not do what the local stack itself asked of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the directory.
    #[error(
        "the data directory {} is in use by another process; if that is `order-saga serve`, \
         ask it for its audit instead: GET /_local/audit",
        dir.display()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
    },
    /// There is no store in the directory.
    #[error("the data directory {} holds no store", dir.display())]
    Absent {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory or its lock file cannot be created or opened.
    #[error("the data directory {} cannot be used", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// SQLite or dynoxide does not open the file.
    #[error("the store {} cannot be opened", file.display())]
    Open {
        /// The SQLite file.
        file: PathBuf,
        /// What dynoxide says.
        source: DynoxideError,
    },
    /// No store can be set up in memory.
    #[error("no store can be set up in memory")]
    Memory {
        /// What dynoxide says.
        source: DynoxideError,
    },
    /// The store refused something that the local stack itself needs.
    #[error("the store refused {operation}")]
    Refused {
        /// The operation.
        operation: String,
        /// What dynoxide says.
        source: DynoxideError,
    },
}

/// A data directory that this process holds until this value is dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    dir: PathBuf,
    /// Holds the lock by being open.
    _lock: File,
}

impl DataDir {
    /// Holds `dir`, and creates it first if it is missing.
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|source| StoreError::Directory { dir: dir.to_owned(), source })?;
        Self::hold(dir)
    }

    /// Holds `dir` if a store is in it.
    pub(super) fn existing(dir: &Path) -> Result<Self, StoreError> {
        if dir.join(DATABASE_FILE).is_file() {
            Self::hold(dir)
        } else {
            Err(StoreError::Absent { dir: dir.to_owned() })
        }
    }

    pub(super) fn open_database(&self) -> Result<Database, StoreError> {
        let file = self.dir.join(DATABASE_FILE);
        let Some(path) = file.to_str() else {
            // dynoxide takes the path as a string.
            return Err(StoreError::Directory {
                dir: self.dir.clone(),
                source: io::Error::new(io::ErrorKind::InvalidFilename, "its path is not Unicode"),
            });
        };
        Database::new(path).map_err(|source| StoreError::Open { file: file.clone(), source })
    }

    fn hold(dir: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Directory { dir: dir.to_owned(), source };
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(LOCK_FILE)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Held { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}
