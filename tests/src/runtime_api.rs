//! Runs the compiled Lambda binaries as Lambda does, with our own Runtime API.
//!
//! One process serves one function, one invocation at a time, and is reused for the next.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::fmt;
use std::path::Path as FilePath;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use local_aws::{BoxFuture, Call, Layer, Next, Outcome, Services, endpoint};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::process::{Log, executable};

/// How long an invocation or the start of a process may take here. Lambda's own limits are shorter; this one only
/// keeps a test from hanging.
const PATIENCE: Duration = Duration::from_mins(1);

/// The region that everything claims to be in.
const REGION: &str = "us-east-1";

/// A function's failure, as Lambda passes it to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// `errorType` of the body.
    pub error_type: String,
    /// `errorMessage` of the body.
    pub error_message: String,
}

/// A process's requests, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// An AWS API's operation.
    Aws(String),
    /// The next invocation.
    Next,
    /// It answered an invocation.
    Response,
    /// It failed an invocation.
    Error,
    /// It cannot start.
    InitError,
}

/// A running function. It is killed when this is dropped.
#[derive(Debug)]
pub struct LambdaFunction {
    name: String,
    invocations: mpsc::Sender<Invocation>,
    requests: Requests,
    child: Child,
    spawned: Instant,
    log: Log,
    /// What it writes to stdout: its metrics.
    metrics: tokio::sync::Mutex<Lines<BufReader<ChildStdout>>>,
    /// Its servers, which stop with it.
    _servers: JoinSet<()>,
}

/// A function's settings, by environment variable.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

impl LambdaFunction {
    /// Starts the executable of this name in the environment that Lambda sets, with AWS's APIs at `services`.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
    pub async fn start(name: &str, settings: Settings<'_>, services: Services) -> Self {
        Self::start_file(executable(name), name, settings, services).await
    }

    /// Starts this file in the same way.
    pub async fn start_file(file: &FilePath, name: &str, settings: Settings<'_>, services: Services) -> Self {
        let requests = Requests::default();
        let mut servers = JoinSet::new();
        let aws = listen(&mut servers, endpoint(services.with_layer(Arc::new(requests.clone())))).await;
        let (invocations, pending) = mpsc::channel(1);
        let runtime = Runtime {
            pending: Arc::new(tokio::sync::Mutex::new(pending)),
            under_way: Arc::default(),
            requests: requests.clone(),
            arn: format!("arn:aws:lambda:{REGION}:000000000000:function:{name}"),
        };
        let runtime = listen(&mut servers, runtime.router()).await;
        let aws = format!("http://{aws}");
        let mut command = Command::new(file);
        command
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", runtime.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", name),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/test"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0"),
                ("AWS_REGION", REGION),
                ("AWS_DEFAULT_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_SESSION_TOKEN", "test"),
                ("LAMBDA_TASK_ROOT", "/var/task"),
                ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
                ("_HANDLER", "bootstrap"),
                ("LANG", "en_US.UTF-8"),
                ("TZ", ":UTC"),
                ("AWS_ENDPOINT_URL_DYNAMODB", &aws),
                ("AWS_ENDPOINT_URL_SFN", &aws),
                ("AWS_ENDPOINT_URL_SQS", &aws),
            ])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let spawned = Instant::now();
        let mut child = command.spawn().expect("the function can be run");
        let (log, _) = Log::of(child.stderr.take().expect("stderr is piped"), "");
        let stdout = child.stdout.take().expect("stdout is piped");
        let metrics = tokio::sync::Mutex::new(BufReader::new(stdout).lines());
        Self { name: name.to_owned(), invocations, requests, child, spawned, log, metrics, _servers: servers }
    }

    /// The next line that it writes to stdout, in CloudWatch's embedded metric format.
    pub async fn next_line(&self) -> Value {
        let mut lines = self.metrics.lock().await;
        let Ok(line) = timeout(PATIENCE, lines.next_line()).await else {
            panic!("{} wrote no metric; its log: {}", self.name, self.log.text());
        };
        let line = line.expect("stdout can be read").expect("the function is running");
        serde_json::from_str(&line).expect("a metric is JSON")
    }

    /// The next line with this metric. Earlier lines are skipped.
    pub async fn next_metric(&self, name: &str) -> Value {
        loop {
            let line = self.next_line().await;
            if line.get(name).is_some() {
                return line;
            }
        }
    }

    /// Invokes it, after all earlier invocations.
    ///
    /// # Errors
    /// The function's own error.
    pub async fn invoke(&self, payload: &Value) -> Result<Value, FunctionError> {
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation { payload: payload.clone(), answer };
        let invoked = timeout(PATIENCE, async {
            self.invocations.send(invocation).await.ok()?;
            answered.await.ok()
        });
        let Ok(Some(answer)) = invoked.await else {
            panic!("{} did not answer {payload}; its log: {}", self.name, self.log.text());
        };
        answer
    }

    /// When its process was started.
    pub fn spawned(&self) -> Instant {
        self.spawned
    }

    /// The most memory that it has used, in KiB, as Linux counts it.
    ///
    /// # Errors
    /// If this is no Linux.
    pub fn peak_memory_kib(&self) -> std::io::Result<u64> {
        let id = self.child.id().unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak.ok_or(std::io::ErrorKind::InvalidData.into())
    }

    /// Its requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    /// Waits until its process has ended by itself. Returns whether it succeeded, its requests, and its whole log.
    pub async fn ended(mut self) -> (bool, Vec<Request>, String) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the function ends in time");
        self.log.end().await;
        (status.expect("a child can be waited for").success(), self.requests(), self.log.text())
    }
}

async fn listen(servers: &mut JoinSet<()>, router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address").to_string();
    servers.spawn(async move {
        axum::serve(listener, router).await.expect("a listener on loopback does not fail");
    });
    address
}

#[derive(Debug)]
struct Invocation {
    payload: Value,
    answer: oneshot::Sender<Result<Value, FunctionError>>,
}

/// The Runtime API of one process.
#[derive(Debug, Clone)]
struct Runtime {
    pending: Arc<tokio::sync::Mutex<mpsc::Receiver<Invocation>>>,
    under_way: Arc<Mutex<Option<(String, Invocation)>>>,
    requests: Requests,
    arn: String,
}

impl Runtime {
    fn router(self) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(Self::next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(|State(runtime): State<Self>, Path(id): Path<String>, body: Bytes| async move {
                    runtime.response(&id, &body)
                }),
            )
            .route(
                "/2018-06-01/runtime/invocation/{id}/error",
                post(|State(runtime): State<Self>, Path(id): Path<String>, body: Bytes| async move {
                    runtime.error(&id, &body)
                }),
            )
            .route(
                "/2018-06-01/runtime/init/error",
                post(|State(runtime): State<Self>| async move {
                    runtime.requests.note(Request::InitError);
                    StatusCode::ACCEPTED
                }),
            )
            .with_state(self)
    }

    async fn next(State(runtime): State<Self>) -> Response {
        let number = runtime.requests.note(Request::Next);
        let Some(invocation) = runtime.pending.lock().await.recv().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let deadline = SystemTime::now() + PATIENCE;
        let deadline = deadline.duration_since(UNIX_EPOCH).expect("the epoch is over").as_millis().to_string();
        let headers = [
            ("content-type", "application/json"),
            ("lambda-runtime-aws-request-id", &id),
            ("lambda-runtime-deadline-ms", &deadline),
            ("lambda-runtime-invoked-function-arn", &runtime.arn),
            ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"),
        ];
        let answer = (headers, invocation.payload.to_string()).into_response();
        *runtime.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some((id, invocation));
        answer
    }

    fn response(&self, id: &str, body: &[u8]) -> Response {
        self.requests.note(Request::Response);
        match serde_json::from_slice(body) {
            Ok(payload) => self.answer(id, Ok(payload)),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        }
    }

    fn error(&self, id: &str, body: &[u8]) -> Response {
        self.requests.note(Request::Error);
        let error: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let error = FunctionError {
            error_type: text(error["errorType"].as_str()),
            error_message: text(error["errorMessage"].as_str()),
        };
        self.answer(id, Err(error))
    }

    /// Lambda accepts an answer to the current invocation only.
    fn answer(&self, id: &str, answer: Result<Value, FunctionError>) -> Response {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.take_if(|(under_way, _)| under_way == id) {
            Some((_, invocation)) => {
                // The caller may have given up.
                let _ = invocation.answer.send(answer);
                (StatusCode::ACCEPTED, json!({ "status": "OK" }).to_string()).into_response()
            }
            None => StatusCode::BAD_REQUEST.into_response(),
        }
    }
}

/// The log of a process's requests. As a layer, it records the requests to AWS.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<Request>>>);

impl Requests {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the request's number.
    fn note(&self, request: Request) -> usize {
        let mut requests = self.lock();
        requests.push(request);
        requests.len()
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter()).finish()
    }
}

impl Layer for Requests {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        self.note(Request::Aws(call.operation.clone()));
        Box::pin(async move { next.apply(&call).await })
    }
}
