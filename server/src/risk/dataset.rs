//! Recorded pointer paths from a file, scored as interaction proofs of a browser: `server proofs`.
//!
//! A file has one JSON object per line: `{"user": "…", "path": [[x, y, ms], …], "hold_ms": 94}`. The path is in px and
//! ms, from its first point to the press. Each user is one session with its own history. Lines without `user` form one
//! more session, so that repeated paths are found there too.

use std::collections::HashMap;

use protocol::proof::{Kind, MAX_PATH, Proof, Recorder};
use serde::Deserialize;

use super::{Fingerprint, History, MAX_FINGERPRINTS, Risk, WEIGHTS, Weights, measure, sample};

/// The assumed size of the control: px.
const CONTROL: [i32; 2] = [80, 30];

/// One line of a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedInteraction {
    /// The user. All lines without a user are one session.
    #[serde(default)]
    pub user: Option<String>,
    /// `[x, y, ms]`, oldest first.
    pub path: Vec<[f64; 3]>,
    /// From press to release: ms.
    pub hold_ms: f64,
}

/// An error of a line that is not a recorded interaction.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// The line is not the expected JSON.
    #[error("it is not {{\"path\": [[x, y, ms], …], \"hold_ms\": …}}: {0}")]
    Json(#[from] serde_json::Error),
    /// The numbers are impossible in a browser.
    #[error("{0}")]
    Numbers(&'static str),
}

impl RecordedInteraction {
    /// Reads a line.
    ///
    /// # Errors
    /// [`NotRecorded`] with the defect.
    pub fn parse(line: &str) -> Result<Self, NotRecorded> {
        let recorded: Self = serde_json::from_str(line)?;
        let is_number = |number: &f64| number.is_finite() && number.abs() < 1e6;
        if recorded.path.is_empty() {
            return Err(NotRecorded::Numbers("the path has no point"));
        }
        if !recorded.path.iter().flatten().chain([&recorded.hold_ms]).all(is_number) || recorded.hold_ms < 0.0 {
            return Err(NotRecorded::Numbers("a number is negative or too large"));
        }
        if recorded.path.windows(2).any(|pair| pair[1][2] < pair[0][2]) {
            return Err(NotRecorded::Numbers("the path goes back in time"));
        }
        Ok(recorded)
    }

    /// The proof that a browser would record of this interaction.
    pub fn proof(&self) -> Proof {
        let latest = &self.path[self.path.len().saturating_sub(MAX_PATH)..];
        let points: Vec<[i32; 3]> = latest.iter().map(|point| point.map(whole)).collect();
        let mut path: Vec<[i32; 3]> = points.first().map(|&[x, y, _]| [x, y, 0]).into_iter().collect();
        path.extend(points.windows(2).map(|pair| std::array::from_fn(|at| pair[1][at] - pair[0][at])));
        let [x, y, _] = points.last().copied().unwrap_or_default();
        Proof {
            v: 1,
            by: Recorder::App,
            action: "title".to_owned(),
            kind: Kind::Pointer,
            at: 0,
            hold: whole(self.hold_ms).unsigned_abs(),
            path,
            target: [x - CONTROL[0] / 2, y - CONTROL[1] / 2, CONTROL[0], CONTROL[1]],
            hit: [x, y],
            dwell: None,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below a million")]
fn whole(number: f64) -> i32 {
    number.round() as i32
}

/// Judges recorded interactions in order, each in its user's session.
pub struct Sessions {
    weights: Weights,
    users: HashMap<Option<String>, (History, Vec<Fingerprint>)>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::with_weights(WEIGHTS)
    }
}

impl Sessions {
    /// Sessions that are judged with other weights than the server's.
    pub fn with_weights(weights: Weights) -> Self {
        Self { weights, users: HashMap::new() }
    }

    /// Judges the next interaction.
    pub fn judge(&mut self, recorded: &RecordedInteraction) -> Risk {
        let proof = recorded.proof();
        let (history, known) = self.users.entry(recorded.user.clone()).or_default();
        let (measured, sample) = (measure(&proof), sample(&proof));
        let fingerprint = sample.as_ref().and_then(|sample| sample.fingerprint);
        history.repeated = fingerprint.is_some_and(|fingerprint| known.contains(&fingerprint));
        let risk = self.weights.judge(&measured, history);
        // As on the server: a proof that is raised by itself does not enter the session's history.
        if let Some(sample) = sample.filter(|_| !self.weights.judge(&measured, &History::default()).is_raised()) {
            history.running.add(&sample.features);
            known.extend(fingerprint.filter(|_| !history.repeated));
            known.drain(..known.len().saturating_sub(MAX_FINGERPRINTS));
        }
        risk
    }
}
