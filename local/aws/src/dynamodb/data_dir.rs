//! The directory of a store, and which process holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use dynoxide::{Database, DynoxideError};

/// The SQLite file; its write-ahead log is next to it.
const DATABASE_FILE: &str = "dynamodb.sqlite";
/// Locked by the process that has the store open. The operating system releases the lock when that process
/// ends, however it ends, so nobody has to remove the file.
const LOCK_FILE: &str = "lock";

/// Why a store could not be opened, or refused what the local stack needs.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the directory.
    #[error(
        "the data directory {} is in use by another process; if that is `order-saga serve`, \
         use its GET /_local/audit and POST /_local/recover instead, or stop it first",
        dir.display()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory contains no store.
    #[error("the data directory {} contains no store", dir.display())]
    Absent {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory or its lock file could not be created or opened.
    #[error("the data directory {} could not be created or opened", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// SQLite or dynoxide could not open the file.
    #[error("the store {} could not be opened", file.display())]
    Open {
        /// The SQLite file.
        file: PathBuf,
        /// dynoxide's error.
        source: DynoxideError,
    },
    /// No store could be created in memory.
    #[error("no store could be created in memory")]
    Memory {
        /// dynoxide's error.
        source: DynoxideError,
    },
    /// The store refused something that the local stack itself needs.
    #[error("the store refused {operation}")]
    Refused {
        /// The operation.
        operation: String,
        /// dynoxide's error.
        source: DynoxideError,
    },
}

/// A data directory that this process holds until this value is dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    dir: PathBuf,
    /// Holds the lock as long as it is open.
    _lock: File,
}

impl DataDir {
    /// Takes `dir`, and creates it first if it is missing.
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|source| StoreError::Directory { dir: dir.to_owned(), source })?;
        Self::hold(dir)
    }

    /// Takes `dir` if it contains a store.
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
