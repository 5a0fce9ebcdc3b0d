//! The static files of a deployment: one folder, mounted at a path (`static = "public"` in the manifest).
//!
//! tower-http does the HTTP part: GET and HEAD, content types, ranges, Last-Modified, ETag and their conditions. This
//! file adds the mount point, `Cache-Control`, and a file system that never leaves the folder, nor through links.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use tower::ServiceExt;
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, DefaultServeDirFallback, TokioBackend, TokioFile};

use super::http::{Body, body};

/// A folder and where it is mounted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StaticFiles {
    /// Without the final slash, so empty for `/`.
    at: String,
    files: ServeDir<DefaultServeDirFallback, Beneath>,
}

impl StaticFiles {
    /// Serve `folder` at the path `at`, which begins with a slash. Nothing is read before the first request.
    #[must_use]
    pub fn new(folder: &Path, at: &str) -> Self {
        let at = at.trim_end_matches('/').to_owned();
        // tower-http asks the file system for paths below its base; with this base they are relative to the folder.
        let files = ServeDir::with_backend("", Beneath { folder: folder.to_owned() })
            .redirect_path_prefix(at.clone())
            .ignore_multi_range_requests(true);
        Self { at, files }
    }

    /// Answer a request below the mount point, with 404 when there is no such file; none for any other path.
    pub async fn respond(&self, parts: &Parts) -> Option<Response<Body>> {
        let path = parts.uri.path().strip_prefix(&self.at)?;
        if path.is_empty() {
            return Some(redirect(&format!("{}/", self.at)));
        }
        if !path.starts_with('/') {
            return None;
        }
        // `//name/` in a redirect would be another host.
        if path.starts_with("//") {
            return Some(not_found());
        }
        let request = self.request(parts, path)?;
        let Ok(response) = self.files.clone().oneshot(request).await;
        let mut response = if response.status() == StatusCode::NOT_FOUND {
            not_found()
        } else {
            response.map(|body| body.boxed_unsync())
        };
        say_charset(response.headers_mut());
        // Ask each time whether a file is still the same: a new revision shows at once, and the answer is mostly 304.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Some(response)
    }

    /// The request as seen from within the mount point.
    fn request(&self, parts: &Parts, path: &str) -> Option<Request<Empty<bytes::Bytes>>> {
        let target = parts.uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut request = Request::new(Empty::new());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = Uri::from(PathAndQuery::try_from(target).ok()?);
        *request.headers_mut() = parts.headers.clone();
        Some(request)
    }
}

/// Text is UTF-8; without a charset a browser would guess.
fn say_charset(headers: &mut HeaderMap) {
    if let Some(kind) = headers.get_mut(CONTENT_TYPE)
        && let Ok(text) = kind.to_str()
        && text.starts_with("text/")
        && !text.contains(';')
        && let Ok(with_charset) = HeaderValue::try_from(format!("{text}; charset=utf-8"))
    {
        *kind = with_charset;
    }
}

fn not_found() -> Response<Body> {
    crate::handshake::Refusal::not_found().into_response().map(body)
}

fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(body(""));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A file system that shows only what lies in the folder after all links are followed, and only files and folders: a
/// pipe or a device could hold a thread for ever.
#[derive(Debug, Clone)]
struct Beneath {
    folder: PathBuf,
}

impl Beneath {
    async fn resolve(self, path: PathBuf) -> io::Result<PathBuf> {
        let folder = tokio::fs::canonicalize(&self.folder).await?;
        let resolved = tokio::fs::canonicalize(folder.join(path)).await?;
        let kind = tokio::fs::metadata(&resolved).await?.file_type();
        if !resolved.starts_with(&folder) || !(kind.is_file() || kind.is_dir()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(resolved)
    }
}

impl Backend for Beneath {
    type File = TokioFile;
    type Metadata = std::fs::Metadata;
    type OpenFuture = Pin<Box<dyn Future<Output = io::Result<TokioFile>> + Send>>;
    type MetadataFuture = Pin<Box<dyn Future<Output = io::Result<std::fs::Metadata>> + Send>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let resolving = self.clone().resolve(path);
        Box::pin(async move { TokioBackend.open(resolving.await?).await })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let resolving = self.clone().resolve(path);
        Box::pin(async move { TokioBackend.metadata(resolving.await?).await })
    }
}

#[cfg(test)]
mod tests;
