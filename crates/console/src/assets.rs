//! The style sheet, the script and the pictures, in the binary. Their names carry a digest of their content, so browsers
//! may keep them for ever and a new release is seen at once.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

struct Asset {
    /// As it is asked for.
    name: String,
    media: &'static str,
    bytes: &'static [u8],
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
    }
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

pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let all = [&*STYLE, &*SCRIPT, &*CHARTS, &*UPLOT, &*UPLOT_STYLE, &*ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.bytes).into_response()
}
