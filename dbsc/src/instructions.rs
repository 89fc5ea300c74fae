//! Session instructions: the JSON by which a server describes a session to the browser.

use serde::Serialize;

use crate::session_id::SessionId;

/// What the browser needs to know about a session, or that it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instructions {
    /// The identifier of the session. The browser sends it in each refresh.
    pub session_identifier: String,
    /// Where to refresh: a URL, absolute or relative to this response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_url: Option<String>,
    /// `Some(false)` ends the session.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continues: Option<bool>,
    /// Which requests the session covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The bound cookies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// Host patterns of the pages outside of the scope whose requests may cause a refresh.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_refresh_initiators: Vec<String>,
}

impl Instructions {
    /// Instructions that end a session.
    ///
    /// The draft wants the identifier only if the session continues; Chromium wants it here, too.
    pub fn end(id: &SessionId) -> Self {
        Self {
            session_identifier: id.to_string(),
            refresh_url: None,
            continues: Some(false),
            scope: None,
            credentials: Vec::new(),
            allowed_refresh_initiators: Vec::new(),
        }
    }

    /// Writes the JSON.
    ///
    /// # Panics
    /// Never: strings and Booleans can always be written.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and Booleans can be written")
    }
}

/// Which requests a session covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// The origin of the session, without a final slash. If absent, it is that of the registration endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether the session covers the whole site. Then the host of `origin` must be the registrable domain.
    pub include_site: bool,
    /// Exceptions. The last rule that matches a request decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope_specification: Vec<ScopeRule>,
}

/// Includes requests into the scope, or excludes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScopeRule {
    /// Whether matching requests are included.
    #[serde(rename = "type")]
    pub kind: RuleKind,
    /// A host pattern: `*`, a host, or `*.` and a domain.
    pub domain: String,
    /// A path. The rule also matches the paths below it.
    pub path: String,
}

/// The effect of a [`ScopeRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Matching requests wait for a refresh.
    Include,
    /// Matching requests do not.
    Exclude,
}

/// A credential of a session. The draft knows only cookies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    attributes: String,
}

impl Credential {
    /// A cookie by its name and attributes. [`crate::BoundCookie::credential`] writes these without mistakes.
    pub fn cookie(name: impl Into<String>, attributes: impl Into<String>) -> Self {
        Self { kind: "cookie", name: name.into(), attributes: attributes.into() }
    }
}

/// The content of `/.well-known/device-bound-sessions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WellKnown {
    /// Origins of subdomains that may register sessions for the whole site.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registering_origins: Vec<String>,
    /// Origins of other sites that may use the keys of this site's sessions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relying_origins: Vec<String>,
    /// The origin whose keys this site uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_origin: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_the_names_of_the_draft() {
        let rule = |kind, domain: &str| ScopeRule { kind, domain: domain.into(), path: "/static".into() };
        let instructions = Instructions {
            session_identifier: "id".into(),
            refresh_url: Some("/refresh".into()),
            continues: None,
            scope: Some(Scope {
                origin: Some("https://example.com".into()),
                include_site: true,
                scope_specification: vec![rule(RuleKind::Exclude, "*"), rule(RuleKind::Include, "a.example.com")],
            }),
            credentials: vec![Credential::cookie("b", "Path=/")],
            allowed_refresh_initiators: vec!["*.example.org".into()],
        };
        let expected = serde_json::json!({
            "session_identifier": "id",
            "refresh_url": "/refresh",
            "scope": {
                "origin": "https://example.com",
                "include_site": true,
                "scope_specification": [
                    { "type": "exclude", "domain": "*", "path": "/static" },
                    { "type": "include", "domain": "a.example.com", "path": "/static" },
                ],
            },
            "credentials": [{ "type": "cookie", "name": "b", "attributes": "Path=/" }],
            "allowed_refresh_initiators": ["*.example.org"],
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&instructions.to_json()).expect("JSON"), expected);
    }

    #[test]
    fn end_has_only_identifier_and_continue() {
        let end = Instructions::end(&SessionId::new("id").expect("valid"));
        assert_eq!(end.to_json(), r#"{"session_identifier":"id","continue":false}"#);
    }
}
