//! Finds the declarations in the folders of the functions and of the tables' owners, rejects invalid ones,
//! and generates the code that embeds them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/schema.rs"]
#[allow(dead_code)]
mod schema;

fn main() {
    // Read when it runs: a build that was copied with its target folder belongs to the copy.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&manifest).join("../..");
    let root = root.canonicalize().expect("the workspace is there");
    println!("cargo::rerun-if-changed=src/schema.rs");
    let functions = declared(&root, &["functions"], "function.json");
    let tables = declared(&root, &["crates", "functions"], "table.json");
    let mut problems = Vec::new();
    for path in &functions {
        problems.extend(wrong::<schema::Function>(&root, path));
    }
    for path in &tables {
        problems.extend(wrong::<schema::Table>(&root, path));
    }
    problems.extend(undeclared(&root));
    assert!(problems.is_empty(), "\n\n{}\n", problems.join("\n"));

    let mut code = String::new();
    write(&mut code, "FUNCTIONS", &functions);
    write(&mut code, "TABLES", &tables);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("embedded.rs"), code).expect("the output folder can be written");
}

/// The files of this name in the folders within `places`, sorted by folder.
fn declared(root: &Path, places: &[&str], file: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in places {
        let place = root.join(place);
        // A folder's modification time changes when a subfolder is added or removed.
        println!("cargo::rerun-if-changed={}", place.display());
        for folder in folders(&place) {
            println!("cargo::rerun-if-changed={}", folder.display());
            let path = folder.join(file);
            if path.is_file() {
                println!("cargo::rerun-if-changed={}", path.display());
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn folders(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn wrong<T: serde::de::DeserializeOwned>(root: &Path, path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).expect("the declaration can be read");
    let error = serde_json::from_str::<T>(&text).err()?;
    Some(format!("{}: {error}", relative(root, path)))
}

/// Functions without a declaration: they would not be deployed.
fn undeclared(root: &Path) -> Vec<String> {
    let folders = folders(&root.join("functions")).into_iter();
    let undeclared =
        folders.filter(|folder| folder.join("Cargo.toml").is_file() && !folder.join("function.json").is_file());
    undeclared.map(|folder| format!("{}: the function has no function.json", relative(root, &folder))).collect()
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn write(code: &mut String, name: &str, paths: &[PathBuf]) {
    writeln!(code, "const {name}: &[(&str, &str)] = &[").expect("writing to a String cannot fail");
    for path in paths {
        let folder = path.parent().and_then(Path::file_name).expect("a declaration lies in a folder").to_string_lossy();
        writeln!(code, "    ({folder:?}, include_str!({:?})),", path.display().to_string())
            .expect("writing to a String cannot fail");
    }
    writeln!(code, "];").expect("writing to a String cannot fail");
}
