//! Executables of this workspace, run as separate processes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::Client;

pub use rustix::process::Signal;

/// How long a process may take to start or end, and a command to do its work. The demo takes ten seconds; the rest is
/// for busy machines.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often to poll something that does not report changes.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// The path of an executable of this workspace.
///
/// Cargo builds only the executables of a test's own package. So they are built here, in the test's target directory
/// and profile, and together with the running test: without one, cargo would choose other features, and compile the
/// whole workspace again.
pub fn executable(name: &str) -> &'static Path {
    static EXECUTABLES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    EXECUTABLES.get_or_init(build).get(name).unwrap_or_else(|| panic!("the workspace has no executable {name}"))
}

fn build() -> BTreeMap<String, PathBuf> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--workspace", "--bins", "--quiet", "--message-format=json-render-diagnostics"]);
    cargo.args(["--test", &running_test()]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs, as it has built this test");
    assert!(output.status.success(), "the executables do not build");
    serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter::<Value>()
        .filter_map(|message| {
            let message = message.expect("cargo writes JSON");
            Some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect()
}

/// The name of the running test, from its file: `target/debug/deps/NAME-HASH`.
fn running_test() -> String {
    let file = std::env::current_exe().expect("a running test has a file");
    let name = file.file_stem().and_then(OsStr::to_str).and_then(|name| name.rsplit_once('-'));
    name.expect("cargo names a test's file after the test").0.to_owned()
}

/// The `order-saga` command, to be run.
pub fn order_saga<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(executable("order-saga"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    // Removes what a developer may have set and a pipe does not have.
    for variable in ["RUST_LOG", "CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR", "COLUMNS"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the `order-saga` command to its end.
pub async fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let output = order_saga(arguments).output();
    timeout(PATIENCE, output).await.expect("the command ends in time").expect("the command can be run")
}

/// What a command wrote to stdout, as text.
pub fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("the command writes UTF-8")
}

/// What a command wrote to stderr, as text.
pub fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("the command writes UTF-8")
}

/// A running `order-saga serve`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Serve {
    child: Child,
    /// Its address.
    pub url: String,
    log: Log,
}

impl Serve {
    /// Starts `order-saga serve` on a free port, and waits until it listens.
    pub async fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = order_saga(["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stderr(Stdio::piped()).spawn().expect("the command can be run");
        let (mut log, listening) = Log::of(child.stderr.take().expect("stderr is piped"), "listens on ");
        let Ok(line) = timeout(PATIENCE, listening).await.expect("serve listens in time") else {
            log.end().await;
            panic!("serve ended before it listened: {}", log.text());
        };
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        Self { child, url: url.expect("serve says where it listens").to_owned(), log }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it has not ended"), signal).expect("a child takes signals");
    }

    /// Sends it a signal repeatedly until it has ended (two unhandled signals count as one), and returns its whole
    /// log.
    pub async fn ended_by(mut self, signal: Signal) -> (ExitStatus, String) {
        let started = Instant::now();
        while self.child.try_wait().expect("a child can be waited for").is_none() {
            assert!(started.elapsed() < PATIENCE, "{signal:?} did not end it: {}", self.log.text());
            self.signal(signal);
            // Ended or not, the next look shows.
            let _ = timeout(POLL_EVERY, self.child.wait()).await;
        }
        self.ended().await
    }

    /// Waits until it has ended, and returns its status and its whole log.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("serve ends in time");
        self.log.end().await;
        (status.expect("a child can be waited for"), self.log.text())
    }
}

/// A process's log, line by line.
#[derive(Debug)]
pub struct Log {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Log {
    /// Reads `stderr` to its end, and reports the first line that contains `wanted`.
    pub fn of(stderr: ChildStderr, wanted: &'static str) -> (Self, oneshot::Receiver<String>) {
        let (announce, announced) = oneshot::channel();
        let text = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut announce = Some(announce);
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                {
                    let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
                    written.push_str(&line);
                    written.push('\n');
                }
                if line.contains(wanted)
                    && let Some(announce) = announce.take()
                {
                    // The receiver may be gone.
                    let _ = announce.send(line);
                }
            }
        });
        (Self { text, reader }, announced)
    }

    /// Waits until the process has written everything.
    pub async fn end(&mut self) {
        (&mut self.reader).await.expect("reading a log does not panic");
    }

    /// The log so far.
    pub fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
