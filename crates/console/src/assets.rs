//! The style sheet, the script and the pictures, in the binary. Their names carry a digest of their content, so browsers
//! may keep them for ever and a new release is seen at once.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

struct Asset {
    /// As it is asked for.
    name: String,
    media: &'static str,
    bytes: &'static [u8],
    /// The same, packed.
    packed: Bytes,
}

fn asset(stem: &str, ending: &str, media: &'static str, bytes: &'static [u8]) -> Asset {
    let digest = Sha256::digest(bytes);
    let digest: String = digest[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Asset {
        name: format!("{stem}.{digest}.{ending}"),
        media,
        bytes,
        packed: pack(bytes),
    }
}

/// Empty when it cannot be packed, which cannot happen in memory.
fn pack(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.unwrap_or_default().into()
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/console.css");
    asset("console", "css", "text/css; charset=utf-8", bytes)
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/console.js");
    asset("console", "js", "text/javascript; charset=utf-8", bytes)
});
static CHARTS: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/charts.js");
    asset("charts", "js", "text/javascript; charset=utf-8", bytes)
});
static UPLOT: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/uplot/uPlot.iife.min.js");
    asset("uplot", "js", "text/javascript; charset=utf-8", bytes)
});
static UPLOT_STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/uplot/uPlot.min.css");
    asset("uplot", "css", "text/css; charset=utf-8", bytes)
});
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let bytes = include_bytes!("../assets/icon.svg");
    asset("icon", "svg", "image/svg+xml", bytes)
});

pub(crate) fn style() -> String {
    path(&STYLE)
}

pub(crate) fn script() -> String {
    path(&SCRIPT)
}

/// What draws charts over the pictures of a page, in the order in which it is loaded: only pages that have some say so.
pub(crate) fn charts() -> String {
    [&UPLOT_STYLE, &UPLOT, &CHARTS]
        .map(|one| path(one))
        .join(" ")
}

pub(crate) fn icon() -> String {
    path(&ICON)
}

fn path(asset: &Asset) -> String {
    format!("/console/assets/{}", asset.name)
}

pub(crate) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let all = [&*STYLE, &*SCRIPT, &*CHARTS, &*UPLOT, &*UPLOT_STYLE, &*ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepted = headers.get(header::ACCEPT_ENCODING);
    let is_packed = accepted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let headers = [
        (header::CONTENT_TYPE, asset.media),
        (header::VARY, "accept-encoding"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    if is_packed && !asset.packed.is_empty() {
        let packed = [(header::CONTENT_ENCODING, "gzip")];
        return (headers, packed, asset.packed.clone()).into_response();
    }
    (headers, asset.bytes).into_response()
}
