//! The `order-saga` command, as people and scripts use it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use serde_json::{Value, json};
use system_tests::process::{run, stderr, stdout};
use tempfile::NamedTempFile;

const NO_ARGUMENTS: [&str; 0] = [];

/// The traces of two executions of one order depend on which comes first where. Everything else in the demo is always
/// the same, except for times.
const RACE: (&str, &str) = ("execution 1:\n", "   HTTP 201");

#[tokio::test]
async fn without_arguments_it_runs_the_demo() {
    let output = run(NO_ARGUMENTS).await;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
    assert!(!text.contains('\u{1b}') && !stderr(&output).contains('\u{1b}'), "a pipe gets no colours:\n{text}");

    let (before, race) = text.split_once(RACE.0).unwrap();
    let (race, after) = race.split_once(RACE.1).unwrap();
    assert!(race.contains("OrderConfirmed"), "{race}");
    insta::with_settings!({ filters => [(r" +\d+ ms", " [time]"), (r" +\d+\.\d s", " [time]")] }, {
        insta::assert_snapshot!("demo", format!("{before}{}…\n{}{after}", RACE.0, RACE.1));
    });
}

#[tokio::test]
async fn the_demo_can_print_json() {
    let output = run(["demo", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let demo: Value = serde_json::from_str(stdout(&output)).unwrap();
    let orders = demo["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 8);
    for order in orders {
        assert_eq!(order["asExpected"], true, "{order}");
        assert!(!order["executions"].as_array().unwrap().is_empty(), "{order}");
    }
    let outcomes: Vec<_> = orders
        .iter()
        .flat_map(|order| order["answers"].as_array().unwrap())
        .map(|answer| (answer["httpStatus"].as_u64().unwrap(), answer["reason"].as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (201, None),
            (201, None),
            (409, Some("OUT_OF_STOCK")),
            (409, Some("CREDIT_LIMIT_EXCEEDED")),
            (409, Some("STEP_FAILED")),
            (201, None),
            (201, None),
            (201, None),
            (409, Some("PAYMENT_DECLINED")),
        ]
    );
    assert_eq!(orders[4]["lateLandings"], json!(["SagaCancelled", "SagaCancelled"]));
    let twice = &orders[5]["answers"];
    assert_eq!(twice[0]["orderId"], twice[1]["orderId"]);
    assert_eq!(demo["audit"]["holds"], true, "{demo}");
    assert_eq!(demo["audit"]["orders"]["CONFIRMED"], 4);
    assert_eq!(demo["audit"]["orders"]["CANCELLED"], 4);
}

#[tokio::test]
async fn help_describes_every_command() {
    let all = stdout(&run(["--help"]).await).to_owned();
    let (_, commands) = all.split_once("Commands:\n").unwrap();
    let commands = commands.lines().map_while(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut shown = format!("$ order-saga --help\n{all}");
    for command in commands {
        let output = run([command, "--help"]).await;
        assert_eq!(output.status.code(), Some(0), "{command}");
        shown.extend(["\n$ order-saga ", command, " --help\n", stdout(&output)]);
    }
    insta::assert_snapshot!("help", shown);
}

#[tokio::test]
async fn unknown_arguments_are_usage_errors() {
    for (arguments, named) in [
        (&["destroy"] as &[_], "'destroy'"),
        (&["serve", "--prot", "1"], "'--prot'"),
        (&["serve", "--listen", "nowhere"], "'nowhere'"),
        (&["audit"], "--data <DIR>"),
    ] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(named), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn an_error_in_the_stock_file_is_reported_with_its_place() {
    let file = NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (text, place) in [
        ("", "line 1 column 0"),
        ("stock: []", "line 1 column 1"),
        (r#"{"stocks":[]}"#, "unknown field `stocks`"),
        (r#"{"stock":[{"storeId":"main","sku":"A"}]}"#, "missing field `onHand`"),
        (r#"{"stock":[{"storeId":"main","sku":"A","onHand":1.5}]}"#, "line 1 column 50"),
        (r#"{"stock":[{"storeId":"main","sku":"a b","onHand":1}]}"#, "must be 1 to 64 characters"),
        (r#"{"stock":[{"storeId":"main","sku":"A","onHand":-1}]}"#, "stock[0].onHand must be 0 to"),
        (
            r#"{"accounts":[{"customerId":"a","creditLimit":1,"currency":"USD"},
                            {"customerId":"b","creditLimit":0.001,"currency":"USD"}]}"#,
            "accounts[1].creditLimit",
        ),
        (r#"{"accounts":[{"customerId":"a","creditLimit":1,"currency":"EURO"}]}"#, "ISO 4217"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = run(["serve", "--listen", "127.0.0.1:0", "--stock", path]).await;
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {error}");
        assert!(error.starts_with("error: ") && error.contains(place), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{text}: {error}");
    }
    let output = run(["serve", "--listen", "127.0.0.1:0", "--stock", "/nowhere/stock.json"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("error: cannot read the stock file /nowhere/stock.json"),
        "{}",
        stderr(&output)
    );
}
