//! The signing frame's page and what it loads, as the build script made them.

use crate::settings::PushSettings;

/// A file that the frame's page loads, by a name that changes with its content.
pub(crate) struct Asset {
    path: &'static str,
    /// The value of `Content-Type`.
    pub(crate) content_type: &'static str,
    /// As it is.
    pub(crate) bytes: &'static [u8],
    /// Compressed for `Content-Encoding: br`.
    pub(crate) brotli: &'static [u8],
}

mod built {
    use super::Asset;

    include!(concat!(env!("OUT_DIR"), "/frame.rs"));
}

/// The frame's page. What is put in comes from the settings, which hold nothing but an origin and numbers there.
pub(crate) fn page(app_origin: &str, push: &PushSettings) -> String {
    built::PAGE
        .replace("{{app_origin}}", app_origin)
        .replace("{{clock_skew}}", &push.clock_skew_ms.to_string())
        .replace("{{replay_window}}", &push.replay_window_ms.to_string())
}

/// The asset at a path.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    built::ASSETS.iter().find(|asset| asset.path == path)
}

/// The Content-Security-Policy of the frame's page: its own script, style and endpoints, inside the app's page only. Text
/// can never become markup or script there, not even by mistake: no Trusted Types policy may be made.
pub(crate) fn content_security_policy(app_origin: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
         frame-ancestors {app_origin}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example";

    /// What a browser may download, in bytes of brotli: a name and a number a line.
    const BUDGETS: &str = include_str!("../../scripts/budgets.txt");

    #[test]
    fn all_that_the_frame_loads_is_small() {
        let loaded = built::PAGE_BROTLI + built::ASSETS.iter().map(|asset| asset.brotli.len()).sum::<usize>();
        let budget = BUDGETS.lines().find_map(|line| line.strip_prefix("frame ")).and_then(|bytes| bytes.parse().ok());
        assert!(budget.is_some_and(|budget: usize| loaded <= budget), "{loaded} bytes of {budget:?}");
    }

    #[test]
    fn the_page_names_its_assets_and_the_application() {
        let page = page(APP, &PushSettings { clock_skew_ms: 7, ..PushSettings::default() });
        for (name, content) in [("pan-app-origin", APP), ("pan-clock-skew", "7"), ("pan-replay-window", "10000")] {
            assert!(page.contains(&format!(r#"<meta name="{name}" content="{content}">"#)), "{name}");
        }
        assert!(!page.contains("{{"));
        let linked = built::ASSETS.iter().filter(|asset| page.contains(asset.path)).count();
        assert_eq!(linked, 2, "script and style; the script loads the module");
        assert_eq!(page.matches("integrity=\"sha384-").count(), 2);
        for inline in ["style=", "<style", "onclick", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
    }

    #[test]
    fn assets_are_found_by_their_exact_path() {
        for asset in &built::ASSETS {
            assert!(find(asset.path).is_some_and(|found| found.bytes == asset.bytes));
        }
        assert!(find("/frame.js").is_none());
        assert!(find("/").is_none());
    }

    #[test]
    fn only_the_application_may_embed_the_frame() {
        assert!(content_security_policy(APP).contains("; frame-ancestors https://app.example; "));
    }
}
