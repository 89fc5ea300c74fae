//! The two origins.

use protocol::action::Target;

use super::{Environment, sources::Sources};
use crate::origin::Origin;

/// The app origin and the sign origin, which is a subdomain of the app origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins {
    /// The application's origin.
    pub app: Origin,
    /// The signing frame's origin.
    pub sign: Origin,
}

const APP: &str = "origins.app";
const SIGN: &str = "origins.sign";

/// The variable with both origins, and the names of its two items.
const LIST: &str = "ALLOWED_ORIGINS";
const FIRST: &str = "ALLOWED_ORIGINS, first";
const SECOND: &str = "ALLOWED_ORIGINS, second";

impl Origins {
    /// The origin that a request is sent to.
    pub(crate) fn of(&self, target: Target) -> &Origin {
        match target {
            Target::App => &self.app,
            Target::Sign => &self.sign,
        }
    }

    /// Reads the origins. The default sign origin is the subdomain `sign` of the app origin.
    pub(super) fn read(from: &mut Sources) -> Self {
        from.split_list(LIST, ["first", "second"]);
        let app = from.take(APP, Some(FIRST), Origin::development("pan.localhost:3000"));
        if from.is_variable(APP) {
            // The file's sign origin belongs to the file's app origin.
            from.ignore_in_file(SIGN);
        }
        let sign = from.take(SIGN, Some(SECOND), app.subdomain("sign"));
        Self { app, sign }
    }

    /// In development both origins get the server's port, unless `ALLOWED_ORIGINS` is set.
    pub(super) fn follow_port(&mut self, port: u16, environment: Environment, from: &Sources) {
        if environment == Environment::Development && !from.is_variable(APP) {
            *self = Self { app: self.app.with_port(port), sign: self.sign.with_port(port) };
        }
    }

    pub(super) fn check(&self, environment: Environment, from: &mut Sources) {
        let Self { app, sign } = self;
        if !sign.host().strip_suffix(app.host()).is_some_and(|prefix| prefix.len() > 1 && prefix.ends_with('.')) {
            from.contradiction(&[SIGN, APP], "the sign origin must be a subdomain of the app origin");
        }
        if app.is_secure() != sign.is_secure() || app.port() != sign.port() {
            from.contradiction(&[SIGN, APP], "both origins must have the same scheme and port");
        }
        if app.is_secure() {
            return;
        }
        match environment {
            Environment::Production => from.contradiction(&["environment", APP], "production takes https only"),
            Environment::Development if !app.host().ends_with("localhost") => {
                from.contradiction(&[APP], "browsers allow http on *.localhost only");
            }
            Environment::Development => {}
        }
    }
}
