//! The console: the files of `console/`, embedded.
//!
//! Its pages are modules that the browser loads as they are in the repository. An address below [`PAGE`] that is no file
//! is a view of the page, so it can be sent to a colleague.

use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::front::route_not_found;
use crate::origin;

/// The path of the console.
pub const PAGE: &str = "/console";

/// The page of every view.
const INDEX: &str = "index.html";

/// What the pages may load and send: files and requests of their own origin. The one inline element is the import map,
/// which must be inline, so its digest is here. The API's description is framed.
/// <https://www.w3.org/TR/CSP3/>
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' \
    'sha256-4BepXWcTUN6Hr9c6CaSc14Iz2xS+HJjSWH+sjPIalvg='; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The console's files. A debug build reads them when they are asked for, so a change shows after a reload.
#[derive(RustEmbed)]
#[folder = "../../console"]
struct Files;

/// The console.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(PAGE, get(index))
        .route("/console/{*path}", get(file))
        .layer(middleware::from_fn(origin::only_own))
}

/// Whether a path belongs to the console.
pub fn has(path: &str) -> bool {
    path.strip_prefix(PAGE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn index(headers: HeaderMap) -> Response {
    answer(INDEX, &headers).await
}

async fn file(Path(path): Path<String>, request: Request) -> Response {
    // An id has no dot, and every file has one.
    let is_view = path.rsplit('/').next().is_some_and(|name| !name.contains('.'));
    answer(if is_view { INDEX } else { &path }, request.headers()).await
}

async fn answer(path: &str, asked: &HeaderMap) -> Response {
    let Some(EmbeddedFile { data, metadata }) = Files::get(path) else { return route_not_found().await };
    let etag = format!("\"{}\"", hex::encode(metadata.sha256_hash()));
    // A file whose path has a version never changes.
    let cache_control = if path.starts_with("vendor/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(path))),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache_control)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let (status, body) =
        if is_known { (StatusCode::NOT_MODIFIED, Vec::new()) } else { (StatusCode::OK, data.into_owned()) };
    (status, headers, [(header::ETAG, etag)], body).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    const CONSOLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console");

    #[test]
    fn the_policy_has_the_digest_of_the_import_map() {
        let page = fs::read_to_string(Path::new(CONSOLE).join(INDEX)).unwrap();
        let (_, rest) = page.split_once("<script type=\"importmap\">").unwrap();
        let (map, _) = rest.split_once("</script>").unwrap();
        let digest = BASE64_STANDARD.encode(Sha256::digest(map));
        assert!(CONTENT_SECURITY_POLICY.contains(&format!("'sha256-{digest}'")), "the digest is {digest}");
    }

    #[test]
    fn vendored_files_are_as_they_were_published() {
        for folder in fs::read_dir(Path::new(CONSOLE).join("vendor")).unwrap() {
            let folder = folder.unwrap().path();
            let readme = fs::read_to_string(folder.join("README.md")).unwrap();
            let rows =
                readme.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
            let named: BTreeMap<String, String> =
                rows.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
            let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
            let present: BTreeMap<String, String> = files
                .map(|file| {
                    let digest = Sha256::digest(fs::read(&file).unwrap());
                    (file.file_name().unwrap().to_str().unwrap().to_owned(), hex::encode(digest))
                })
                .filter(|(name, _)| name != "README.md")
                .collect();
            assert_eq!(present, named, "{}", folder.display());
        }
    }
}
