//! Compares `openapi.yaml` with the README's table of requests.

use std::collections::BTreeSet;

use system_tests::openapi::description;

use crate::{operations, statuses};

const README: &str = include_str!("../../../README.md");

/// The statuses that any operation can answer with. 504 is API Gateway's timeout; the text below the table explains
/// the others.
const OF_ALL: [u16; 4] = [401, 403, 429, 504];

/// The rows of the table: the operations that each is about, and the statuses that it names.
fn rows() -> Vec<(Vec<String>, BTreeSet<u16>)> {
    let (_, table) = README.split_once("\n| request | answers |\n|---|---|\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().map(|row| {
        let (requests, answers) = row.strip_prefix("| ").unwrap().split_once(" | ").unwrap();
        (requested(requests), named(answers))
    });
    rows.collect()
}

/// The operations in a cell such as "`GET /a`, `/b?c=d`". A path without a method has the previous one.
fn requested(cell: &str) -> Vec<String> {
    let (mut method, mut operations) = ("", Vec::new());
    for code in cell.split('`').skip(1).step_by(2) {
        let Some((before, path)) = code.find('/').map(|at| code.split_at(at)) else { continue };
        if !before.is_empty() {
            method = before.trim();
        }
        operations.push(format!("{method} {}", path.split('?').next().unwrap()));
    }
    operations
}

/// The statuses of a cell.
fn named(cell: &str) -> BTreeSet<u16> {
    let words = cell.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| word.len() == 3).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn readme_names_every_operation_with_its_statuses_and_no_other() {
    let api = description().unwrap();
    let rows = rows();
    let requested: BTreeSet<&String> = rows.iter().flat_map(|(operations, _)| operations).collect();
    let described: Vec<String> = operations(&api).collect();
    assert_eq!(requested, described.iter().collect());
    for (operations, named) in &rows {
        for operation in operations {
            let mut answered = statuses(&api, operation);
            for status in OF_ALL {
                assert!(answered.remove(&status), "{operation} does not answer {status}");
            }
            assert_eq!(*named, answered, "{operation}");
        }
    }
}

#[test]
fn a_row_of_the_readme_is_read_as_it_is_meant() {
    assert_eq!(requested("`GET /a`, `/b?c=d` or `E`"), ["GET /a", "GET /b"]);
    assert_eq!(named("200, 201 set \u{b7} 404 of 1000"), BTreeSet::from([200, 201, 404]));
}
