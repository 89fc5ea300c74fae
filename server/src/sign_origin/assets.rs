//! The pages of the sign origin and their assets, built by the build script.

use crate::{
    auth::credentials::{CredentialStore, LoginField},
    settings::Settings,
};

/// A file that a page loads, by a name that changes with its content.
pub(crate) struct Asset {
    path: &'static str,
    /// The value of `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Uncompressed.
    pub(crate) bytes: &'static [u8],
    /// Compressed for `Content-Encoding: br`.
    pub(crate) brotli: &'static [u8],
}

mod built {
    use super::Asset;

    include!(concat!(env!("OUT_DIR"), "/built.rs"));
}

/// What a form shows that the browser has posted by itself: a password manager did, or script is off.
const POSTED: &str = "<p class=\"notice\">One more step: check the name, enter your password and press the button. \
    This form is sent by the script of this page, so JavaScript must be allowed.</p>";

/// A page of the sign origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Page {
    /// The signing frame: the only one that another page may embed.
    Frame,
    /// `/sign-in`.
    SignIn,
    /// `/register`.
    Register,
    /// `/recover`.
    Recover,
    /// `/confirm`.
    Confirm,
}

impl Page {
    /// The page. What is filled in comes from the settings and from the application's code.
    pub(crate) fn html(self, settings: &Settings, credentials: &dyn CredentialStore) -> String {
        self.filled(settings, credentials, "", "")
    }

    /// The page as the response to its own form, which the browser has posted without the page's script. `login` is what
    /// was typed; the password is not shown again.
    pub(crate) fn html_after_post(self, settings: &Settings, credentials: &dyn CredentialStore, login: &str) -> String {
        self.filled(settings, credentials, POSTED, login)
    }

    fn filled(self, settings: &Settings, credentials: &dyn CredentialStore, notice: &str, login: &str) -> String {
        let template = match self {
            Self::Frame => built::FRAME,
            Self::SignIn => built::SIGN_IN,
            Self::Register => built::REGISTER,
            Self::Recover => built::RECOVER,
            Self::Confirm => built::CONFIRM,
        };
        let (app, sign) = (&settings.origins.app, &settings.origins.sign);
        let LoginField { label, hint } = credentials.login_field();
        let registration = if credentials.allows_registration() { "" } else { " hidden" };
        template
            .replace("{{app_origin}}", app.as_str())
            .replace("{{app_host}}", app.authority())
            .replace("{{sign_host}}", sign.authority())
            .replace("{{clock_skew}}", &settings.push.clock_skew_ms.to_string())
            .replace("{{replay_window}}", &settings.push.replay_window_ms.to_string())
            .replace("{{notice}}", notice)
            .replace("{{registration}}", registration)
            .replace("{{login_label}}", &escape(label))
            .replace("{{login_hint}}", &escape(hint))
            // Last: what a user typed is not searched for placeholders.
            .replace("{{user}}", &escape(login))
    }

    /// The Content-Security-Policy of the page: only its script, style and endpoints. Text cannot become markup or
    /// script, not even by a bug: no Trusted Types policy may be created.
    pub(crate) fn content_security_policy(self, settings: &Settings) -> String {
        let app = &settings.origins.app;
        let varying = match self {
            Self::Frame => format!("form-action 'none'; frame-ancestors {app}"),
            Self::SignIn | Self::Register | Self::Recover => {
                format!("img-src 'self'; style-src 'self'; form-action 'self' {app}; frame-ancestors 'none'")
            }
            Self::Confirm => "img-src 'self'; style-src 'self'; form-action 'none'; frame-ancestors 'none'".to_owned(),
        };
        format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; {varying}; base-uri 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        )
    }
}

/// Text as HTML text or as the value of an attribute in double quotes.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
        escaped
    })
}

/// The asset at a path.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    built::ASSETS.iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        auth::{accounts::Accounts, passwords::Passwords},
        store::memory::MemoryStore,
    };

    const PAGES: [Page; 5] = [Page::Frame, Page::SignIn, Page::Register, Page::Recover, Page::Confirm];

    /// The budgets of the pages, in bytes as sent with brotli: one name and number per line.
    const BUDGETS: &str = include_str!("../../../scripts/budgets.txt");

    fn accounts() -> Accounts {
        Accounts::new(Arc::new(MemoryStore::new()), Passwords::with_cores(0)).with_registration(|_| Ok(Vec::new()))
    }

    /// The most that a page loads: itself and all its assets.
    fn budget(page: Page) -> usize {
        let name = if page == Page::Frame { "frame " } else { "sign-origin-page " };
        let bytes = BUDGETS.lines().find_map(|line| line.strip_prefix(name)).and_then(|bytes| bytes.parse().ok());
        bytes.expect("a budget")
    }

    fn weight(page: Page) -> usize {
        let (html, own) = match page {
            Page::Frame => (built::FRAME_BROTLI, "/frame-"),
            Page::SignIn => (built::SIGN_IN_BROTLI, "/pages-"),
            Page::Register => (built::REGISTER_BROTLI, "/pages-"),
            Page::Recover => (built::RECOVER_BROTLI, "/pages-"),
            Page::Confirm => (built::CONFIRM_BROTLI, "/confirm-"),
        };
        // All pages but the frame share one style sheet.
        let is_loaded = |asset: &&Asset| {
            if asset.content_type == "text/css" { page != Page::Frame } else { asset.path.starts_with(own) }
        };
        let assets = built::ASSETS.iter().filter(is_loaded);
        html + assets.map(|asset| asset.brotli.len()).sum::<usize>()
    }

    #[test]
    fn pages_are_within_their_budget() {
        for page in PAGES {
            println!("{page:?}: {} bytes", weight(page));
            assert!(weight(page) <= budget(page), "{page:?}: {} bytes", weight(page));
        }
    }

    #[test]
    fn pages_name_their_assets_and_the_application() {
        let settings = Settings::default();
        for page in PAGES {
            let html = page.html(&settings, &accounts());
            let app = format!(r#"<meta name="pan-app-origin" content="{}">"#, settings.origins.app);
            assert!(html.contains(&app), "{page:?}");
            assert!(!html.contains("{{"), "{page:?}");
            let linked = built::ASSETS.iter().filter(|asset| html.contains(asset.path)).count();
            let pinned = if page == Page::Frame { 1 } else { 2 };
            let icon = usize::from(page != Page::Frame);
            assert_eq!(linked, pinned + icon, "{page:?}: script, style and icon; the script loads the module");
            assert_eq!(html.matches("integrity=\"sha384-").count(), pinned);
            for inline in ["style=", "<style", "onclick", "javascript:"] {
                assert!(!html.contains(inline), "{page:?} {inline}");
            }
            assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=").count());
        }
    }

    #[test]
    fn posted_form_keeps_the_user_name_as_text() {
        let html = Page::SignIn.html_after_post(&Settings::default(), &accounts(), "\"><script>{{notice}}");
        assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;{{notice}}\""));
        assert!(html.contains("JavaScript must be allowed"));
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
    fn only_the_frame_can_be_embedded() {
        let settings = Settings::default();
        for page in PAGES {
            let policy = page.content_security_policy(&settings);
            let ancestors = if page == Page::Frame { settings.origins.app.as_str() } else { "'none'" };
            assert!(policy.contains(&format!("; frame-ancestors {ancestors}; ")), "{page:?}: {policy}");
        }
    }
}
