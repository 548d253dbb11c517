//! The `Accept` header, for the choice between a page and JSON (RFC 9110, section 12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Returns whether a page is preferred to JSON. If both have the same weight, only a client that names `text/html`
/// gets it: `*/*`, or no header at all, comes from programs.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> = values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
    let html = quality(&ranges, "text", "html");
    let json = quality(&ranges, "application", "problem+json").max(quality(&ranges, "application", "json"));
    html > json || (html > 0 && html == json && ranges.iter().any(|range| range.is("text", "html")))
}

/// A media range with its weight in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    /// Returns `None` for text that is not a media range, such as an empty element of the list.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        // An invalid weight excludes nothing.
        let weight = weight.and_then(|weight| weight.parse::<f32>().ok()).filter(|w| (0.0..=1.0).contains(w));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        let quality = (weight.unwrap_or(1.0) * 1000.0).round() as u16;
        Some(Self { kind, subtype, quality })
    }

    fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

/// Returns the weight of a media type: that of the most specific range that contains it.
fn quality(ranges: &[Range<'_>], kind: &str, subtype: &str) -> u16 {
    let of = |kind: &str, subtype: &str| {
        ranges.iter().filter(|range| range.is(kind, subtype)).map(|range| range.quality).max()
    };
    of(kind, subtype).or_else(|| of(kind, "*")).or_else(|| of("*", "*")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(values: &[&str]) -> bool {
        prefers_html(&values.iter().map(|value| (ACCEPT, value.parse().unwrap())).collect())
    }

    #[test]
    fn weights_decide() {
        for page in [
            "text/html",
            "TEXT/HTML;charset=utf-8",
            "text/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html, application/json",
            "application/json;q=0.4, text/html;q=0.5",
            "*/*;q=0.1, text/html",
            "*/*, application/json;q=0, application/problem+json;q=0",
            "text/html;q=nonsense",
        ] {
            assert!(prefers(&[page]), "{page}");
        }
        for json in [
            "",
            "*/*",
            "application/json",
            "application/problem+json, text/html;q=0.9",
            "application/json, text/html;q=0.001",
            "text/html;q=0",
            "text/html;q=0.0, */*",
            "text/html;Q=0 , text/*",
            "nonsense/text/html",
        ] {
            assert!(!prefers(&[json]), "{json}");
        }
        assert!(prefers(&["application/json;q=0.5", "text/html"]));
        assert!(!prefers(&[]));
    }
}
