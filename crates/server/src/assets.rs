//! The web, built into the binary. Unknown paths under a face get the face's page (the router runs in the browser).

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::Error;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Web;

/// Paths that programs ask for: an unknown one is a problem document, never a page.
const MACHINE: [&str; 6] = ["api/", "ngsi-ld/", "sensorthings/", "open311/", "ogc/", "cap/"];

/// What the browser may do on our pages; maps need workers from blobs, nothing comes from other hosts.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'";

/// Serves a file of the web, or the page.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if MACHINE.iter().any(|m| path.starts_with(m)) {
        return Error::not_found("route.unknown", "There is no such address.").into_response();
    }
    let wants_page = path.is_empty() || !path.rsplit('/').next().unwrap_or(path).contains('.');
    let name = if wants_page { "index.html" } else { path };
    let Some(file) = Web::get(name) else {
        let text = if wants_page { "The web interface is not built into this binary. Run `make web` and build again.\n" } else { "Not found\n" };
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let etag = format!("\"{}\"", file.metadata.sha256_hash().iter().take(12).map(|b| format!("{b:02x}")).collect::<String>());
    // Built assets carry a hash in their name; everything else is asked for again.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (header::CACHE_CONTROL, cache),
        (header::ETAG, etag.as_str()),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, file.metadata.mimetype())], Body::from(file.data)).into_response()
}

/// Whether the web was built in.
pub fn present() -> bool {
    Web::get("index.html").is_some()
}
