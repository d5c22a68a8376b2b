//! Runs the scripts of `examples/` on the local stack. They need bash, curl and jq.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use system_tests::process::{Serve, stderr, stdout};
use tokio::process::Command;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

async fn run(url: &str, script: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(folder().join(script));
    command.args(arguments).env("BASE_URL", url).env_remove("API_KEY").kill_on_drop(true);
    command.output().await.unwrap_or_else(|error| panic!("{script} cannot be run: {error}"))
}

async fn printed(serve: &Serve, script: &str, arguments: &[&str]) -> String {
    let output = run(&serve.url, script, arguments).await;
    assert!(output.status.success(), "{script} {arguments:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output).to_owned()
}

async fn order(serve: &Serve, script: &str, arguments: &[&str]) -> Value {
    let text = printed(serve, script, arguments).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{script} {arguments:?}: {error} in {text:?}"))
}

#[tokio::test]
async fn an_order_is_placed_read_cancelled_and_listed_from_a_shell() {
    let serve = Serve::start([""; 0]).await;
    let placed = order(&serve, "place.sh", &["key-1"]).await;
    assert_eq!(placed["status"], "CONFIRMED");
    assert_eq!(order(&serve, "place.sh", &["key-1"]).await, placed, "with the same key it is the same order");
    assert_eq!(order(&serve, "retry.sh", &["key-1"]).await, placed);
    let waited = order(&serve, "wait.sh", &["key-2"]).await;
    assert_eq!(waited["status"], "CONFIRMED");
    let id = placed["orderId"].as_str().unwrap();

    let read = run(&serve.url, "read.sh", &[id]).await;
    assert_eq!(serde_json::from_str::<Value>(stdout(&read)).unwrap(), placed);
    assert_eq!(stderr(&read), "the same version again: 304\n");
    let cancelled = order(&serve, "cancel.sh", &[id]).await;
    assert_eq!(cancelled["status"], "CANCELLED");
    let refused = run(&serve.url, "place.sh", &["key-1"]).await;
    assert!(!refused.status.success());
    assert!(stdout(&refused).contains("cancelled-by-customer"), "{refused:?}");

    // One keyless order, so that there are three, on two pages.
    let third = order(&serve, "place.sh", &[]).await;
    assert_eq!(order(&serve, "fulfil.sh", &[third["orderId"].as_str().unwrap()]).await["status"], "FULFILLED");
    let list = printed(&serve, "list.sh", &["demo123", "2"]).await;
    let statuses: Vec<_> = list.lines().map(|line| line.split('\t').nth(2).unwrap()).collect();
    assert_eq!(statuses, ["FULFILLED", "CONFIRMED", "CANCELLED"], "{list}");
}

#[tokio::test]
async fn an_outage_is_waited_out_from_a_shell() {
    // Half of the requests exceed the limit.
    let serve = Serve::start(["--requests-per-second", "1"]).await;
    for _ in 0..3 {
        assert_eq!(order(&serve, "retry.sh", &["key-1"]).await["status"], "CONFIRMED");
    }
}

#[tokio::test]
async fn every_script_is_described_and_prints_its_usage() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "sh") || name == "lib.sh" {
            continue;
        }
        assert!(readme.contains(&format!("`{name}")), "{name} is not in the README");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("# ")), "{name} does not say what it does");
    }
}
