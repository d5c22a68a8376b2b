//! What the documents say about the repository is true: every link leads somewhere, and everything is where the
//! README says.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

const DOCUMENTS: [&str; 10] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "crates/engine/README.md",
    "docs/runbook.md",
    "docs/threat-model.md",
    "examples/README.md",
    "terraform/README.md",
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The relative links of a document, without their anchors.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    paths.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

#[test]
fn every_link_leads_to_a_file_or_a_folder() {
    for document in DOCUMENTS {
        let path = PathBuf::from(ROOT).join(document);
        let text = read(&path);
        for link in links(&text) {
            assert!(path.with_file_name(link).exists(), "{document} links to {link}, which does not exist");
        }
    }
}

#[test]
fn everything_is_where_the_readme_says() {
    let readme = read(&Path::new(ROOT).join("README.md"));
    let (_, section) = readme.split_once("## Where things are").unwrap();
    for (question, found) in [
        ("Where is an order validated?", "pub fn parse("),
        ("Where is stock reserved and released?", "writes.give_back("),
        ("Where is the stock of a hot article spread?", "Only a whole root says"),
        ("Where is the orders table read and written?", "pub async fn read("),
        ("Where is a function's policy written?", "\"operations\""),
        ("Where is a token checked?", "pub async fn verify("),
        ("Where is a route declared?", "\"GET /orders/{orderId}\""),
        ("Where is a lost answer injected?", "FaultKind::StoreAnswerLost =>"),
        ("Where is an alarm defined?", "resource \"aws_cloudwatch_metric_alarm\""),
        ("Where is a retry count chosen?", "\"MaxAttempts\""),
    ] {
        let row = section.lines().find(|line| line.contains(question)).unwrap_or_else(|| panic!("{question}"));
        let place = links(row)[0];
        assert!(read(&Path::new(ROOT).join(place)).contains(found), "{question} {place} does not have {found:?}");
    }
}

/// That every alarm has a section is checked on the plan: `tests/terraform/check_plan.py`.
#[test]
fn every_section_of_the_runbook_is_about_an_alarm() {
    let runbook = read(&Path::new(ROOT).join("docs/runbook.md"));
    let alarms =
        ["alarms.tf", "log_metrics.tf"].map(|file| read(&Path::new(ROOT).join("terraform").join(file))).concat();
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(sections.len() > 20, "{sections:?}");
    for section in sections.iter().filter(|section| **section != "Restore from a backup") {
        let of_status = section.strip_prefix("api-").is_some_and(|status| alarms.contains(&format!("\"{status}\" = ")));
        let is_fixed = alarms.contains(&format!(" {section} = {{")) || alarms.contains(&format!("\"{section}\""));
        assert!(of_status || is_fixed, "docs/runbook.md has the section {section}, but no alarm leads to it");
        assert!(runbook.contains(&format!("(#{section})")), "the table of docs/runbook.md lacks {section}");
    }
}

#[test]
fn every_example_is_in_its_readme_and_says_what_it_does() {
    let folder = Path::new(ROOT).join("examples");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
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
