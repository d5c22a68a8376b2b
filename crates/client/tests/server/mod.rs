//! A server that follows a script, request by request, and records the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Step {
    /// It answers with these bytes.
    Answer(String),
    /// It closes the connection without an answer.
    Drop,
    /// It closes the connection in the middle of the answer.
    Half,
    /// It never answers and keeps the connection open.
    Silence,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    /// A header's value; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub async fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::default();
        let steps: Arc<Mutex<VecDeque<Step>>> = Arc::new(Mutex::new(steps.into_iter().collect()));
        let accepting = tokio::spawn(accept(listener, steps, Arc::clone(&seen)));
        Self { url, seen, accepting }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, steps: Arc<Mutex<VecDeque<Step>>>, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&steps), Arc::clone(&seen)));
    }
}

async fn serve(stream: TcpStream, steps: Arc<Mutex<VecDeque<Step>>>, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        seen.lock().unwrap().push(request);
        let step = steps.lock().unwrap().pop_front().expect("the script has a step for every request");
        match step {
            Step::Answer(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Step::Drop => return,
            Step::Half => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half").await.unwrap();
                return;
            }
            Step::Silence => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let split = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let mut request = Seen { line, headers: lines.iter().filter_map(split).collect(), body: String::new() };
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// An answer with these header lines.
pub fn answer(status: u16, headers: &str, body: &str) -> Step {
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let length = if status == 304 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    Step::Answer(format!("HTTP/1.1 {status} Scripted\r\n{headers}{length}\r\n{body}"))
}

/// A problem document.
pub fn problem(name: &str) -> String {
    format!(r#"{{"type":"urn:order-saga:problem:{name}","title":"A problem","status":400,"new":true}}"#)
}

/// An order with this status.
pub fn order(status: &str) -> String {
    format!(
        r#"{{"orderId":"0123456789abcdef0123456789abcdef","status":"{status}","customerId":"demo123","storeId":"main",
        "paymentTerms":"PREPAID","currency":"USD","items":[{{"productId":"LAPTOP001","quantity":1,"price":1299.99}}],
        "totalAmount":1299.99,"createdAt":"2026-01-31T08:00:00Z","updatedAt":"2026-01-31T08:00:00.5Z",
        "timeline":[{{"event":"PLACED","at":"2026-01-31T08:00:00Z"}}],"new":true}}"#
    )
}

/// A page with this number of orders.
pub fn page(orders: usize, next_cursor: Option<&str>) -> String {
    let orders = vec![order("CONFIRMED"); orders].join(",");
    let next = next_cursor.map(|cursor| format!(r#","nextCursor":"{cursor}""#)).unwrap_or_default();
    format!(r#"{{"orders":[{orders}]{next}}}"#)
}
