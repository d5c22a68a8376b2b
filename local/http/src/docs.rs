//! The API's description, and the page that shows it and tries it.
//!
//! The page is [Swagger UI](https://github.com/swagger-api/swagger-ui), embedded with everything that it needs: the
//! browser loads nothing from another origin, and [`CONTENT_SECURITY_POLICY`] enforces that. `assets/` has our own
//! files, and Swagger UI as it was published.

use std::sync::LazyLock;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderName, header};

/// The API's description as it is in the repository.
pub const OPENAPI: &str = include_str!("../../../openapi.yaml");

/// The path of the page.
pub const PAGE: &str = "/docs";

/// The path of the description.
const DESCRIPTION: &str = "/openapi.yaml";

/// The server in [`OPENAPI`]: `order-saga serve` at its default address.
const DEFAULT_SERVER: &str = "url: http://127.0.0.1:8080";

/// [`OPENAPI`] with a server that is relative to the description's own address. So a client that reads the description
/// from here sends its requests here, whatever the address is.
static SERVED: LazyLock<String> = LazyLock::new(|| OPENAPI.replacen(DEFAULT_SERVER, "url: /", 1));

/// What the page may load: files of its own origin, and the images that Swagger UI's stylesheet contains. It may
/// only be framed by the console, not submit forms or set a base URL.
/// <https://www.w3.org/TR/CSP3/>
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
                                           base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// For a file whose path has a version: its content never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// For a file that another version of this program serves at the same path.
const NO_CACHE: &str = "no-cache";

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    cache_control: &'static str,
    content: &'static str,
}

macro_rules! own {
    ($name:literal, $content_type:expr) => {
        File {
            path: concat!("/docs/", $name),
            content_type: $content_type,
            cache_control: NO_CACHE,
            content: include_str!(concat!("../assets/", $name)),
        }
    };
}

macro_rules! swagger_ui {
    ($name:literal, $content_type:expr) => {
        File {
            path: concat!("/docs/swagger-ui-5.35.0/", $name),
            content_type: $content_type,
            cache_control: IMMUTABLE,
            content: include_str!(concat!("../assets/swagger-ui-5.35.0/", $name)),
        }
    };
}

const FILES: [File; 9] = [
    File { path: PAGE, ..own!("docs.html", "text/html; charset=utf-8") },
    own!("docs.js", JAVASCRIPT),
    own!("docs.css", CSS),
    own!("icon.svg", "image/svg+xml"),
    swagger_ui!("swagger-ui-bundle.js", JAVASCRIPT),
    swagger_ui!("swagger-ui.css", CSS),
    // Every copy must come with its licences, and the binary is a copy.
    swagger_ui!("LICENSE", TEXT),
    swagger_ui!("NOTICE", TEXT),
    swagger_ui!("swagger-ui-bundle.js.LICENSE.txt", TEXT),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The description and the page.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // https://www.rfc-editor.org/rfc/rfc9512
    let description = async || answer("application/yaml", NO_CACHE, &SERVED);
    FILES.into_iter().fold(Router::new().route(DESCRIPTION, get(description)), |router, file| {
        router.route(file.path, get(async move || answer(file.content_type, file.cache_control, file.content)))
    })
}

fn answer(content_type: &'static str, cache_control: &'static str, content: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache_control),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content)
}

/// Whether a path belongs to the description or the page.
pub fn has(path: &str) -> bool {
    path == DESCRIPTION || FILES.iter().any(|file| file.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use sha2::{Digest, Sha256};

    const SWAGGER_UI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/swagger-ui-5.35.0");

    #[test]
    fn swagger_ui_is_as_it_was_published() {
        let readme = fs::read_to_string(Path::new(SWAGGER_UI).join("README.md")).unwrap();
        let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
        let named: BTreeMap<String, String> = rows.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
        let files = fs::read_dir(SWAGGER_UI).unwrap().map(|file| file.unwrap().path());
        let present: BTreeMap<String, String> = files
            .map(|file| {
                let digest = Sha256::digest(fs::read(&file).unwrap());
                (file.file_name().unwrap().to_str().unwrap().to_owned(), hex::encode(digest))
            })
            .filter(|(name, _)| name != "README.md")
            .collect();
        assert_eq!(present, named);
    }
}
