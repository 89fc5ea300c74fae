//! Chooses the weights of the risk score by leaving one user out at a time.
//!
//! Each user's paths are judged with weights that were chosen without them: on the other users' paths and on synthetic
//! paths. Of the weights that still raise the synthetic paths, those are chosen that raise the fewest people, by the mean
//! of the worse half of the users. Everything is seeded: the same file always gives the same weights.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use server::risk::{History, Measurements, WEIGHTS, Weights, dataset::RecordedInteraction, measure};

use crate::{
    human_variants::VARIANTS,
    synthetic_paths::{MEASURED, RAISED, RATES},
};

/// Number of variants of people's paths that the weights are chosen on.
const CHOSEN_ON: usize = 4;

/// Number of synthetic paths per kind and rate, and their seed. docs/PROOFS.md measures with another one.
const MANY: usize = 1000;
const SEED: u64 = 2;

/// Minimum number of raised paths per kind, at each rate. A margin above 99 %, because a thousand paths vary.
const MIN_RAISED: [usize; 3] = [992; 3];

/// The same for the first kinds of [`MEASURED`], which are below 99 % at a remote desktop's rate.
const MIN_RAISED_OF_MEASURED: [[usize; 3]; 2] = [[992, 992, 980], [992, 992, 970]];

/// A user's recorded paths, and the measurements of each variant that the weights are chosen on.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) recorded: Vec<RecordedInteraction>,
    variants: Vec<Vec<Measurements>>,
}

/// The users of a file, by name.
pub(crate) fn users(recorded: Vec<RecordedInteraction>) -> Vec<User> {
    let mut by_name = BTreeMap::<String, Vec<RecordedInteraction>>::new();
    for one in recorded {
        by_name.entry(one.user.clone().unwrap_or_default()).or_default().push(one);
    }
    let measured = |recorded: &[RecordedInteraction]| {
        VARIANTS[..CHOSEN_ON]
            .iter()
            .map(|(_, variant)| {
                let mut rng = Rng::with_seed(SEED);
                recorded.iter().map(|one| measure(&variant(one, &mut rng).proof())).collect()
            })
            .collect()
    };
    by_name.into_iter().map(|(name, recorded)| User { variants: measured(&recorded), name, recorded }).collect()
}

/// The mean of the worse half of the users, without the user in the middle of an odd number.
#[expect(clippy::cast_precision_loss, reason = "some users")]
pub(crate) fn worse_half(mut shares: Vec<f64>) -> f64 {
    shares.sort_unstable_by(|one, other| other.total_cmp(one));
    let half = (shares.len() / 2).max(1);
    shares[..half].iter().sum::<f64>() / half as f64
}

/// The weights that can be chosen, most lenient first.
fn candidates() -> Vec<Weights> {
    let mut all = vec![WEIGHTS];
    let mut vary = |change: &[fn(&mut Weights)]| {
        let changed = |weights: &Weights| {
            let weights = *weights;
            change.iter().map(move |change| {
                let mut weights = weights;
                change(&mut weights);
                weights
            })
        };
        all = all.iter().flat_map(changed).collect();
    };
    vary(&[|w| w.min_steps = 6, |w| w.min_steps = 4]);
    vary(&[|w| w.min_distance = 75.0, |w| w.min_distance = 60.0, |w| w.min_distance = 50.0]);
    vary(&[|w| w.ruler_limit = 1.5, |w| w.ruler_limit = 2.0]);
    vary(&[|w| w.near = 50.0, |w| w.near = 60.0]);
    vary(&[|w| w.near_limit = 0.03, |w| w.near_limit = 0.04]);
    vary(&[|w| w.noise = [1.5, 2.5], |w| w.noise = [1.5, 3.0], |w| w.noise = [2.0, 3.0]]);
    vary(&[|w| w.scattered_few = 45.0, |w| w.scattered_few = 50.0, |w| w.scattered_few = 60.0]);
    vary(&[|w| w.scattered = 85.0, |w| w.scattered = 100.0]);
    all
}

/// The selection: candidates, users and synthetic paths.
pub(crate) struct Selection<'a> {
    candidates: Vec<Weights>,
    users: &'a [User],
    /// For each candidate and user, how much the user is raised.
    raised: Vec<Vec<f64>>,
    /// Synthetic paths with the minimum number that must be raised.
    synthetic: Vec<(usize, Vec<Measurements>)>,
    /// Whether a candidate raises the synthetic paths, where that is known.
    is_strict_enough: HashMap<usize, bool>,
}

impl<'a> Selection<'a> {
    pub(crate) fn new(users: &'a [User]) -> Self {
        let candidates = candidates();
        let raised = candidates.iter().map(|weights| users.iter().map(|user| user.raised(weights)).collect()).collect();
        Self { candidates, users, raised, synthetic: synthetic(), is_strict_enough: HashMap::new() }
    }

    /// The weights that are chosen without the user of this index, or on all users.
    pub(crate) fn choose(&mut self, without: Option<usize>) -> Option<Weights> {
        let mut order: Vec<(f64, usize)> = (0..self.candidates.len())
            .map(|at| {
                let others = (0..self.users.len()).filter(|user| Some(*user) != without);
                (worse_half(others.map(|user| self.raised[at][user]).collect()), at)
            })
            .collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let chosen = order.into_iter().map(|(_, at)| at).find(|at| self.is_strict_enough(*at))?;
        Some(self.candidates[chosen])
    }

    fn is_strict_enough(&mut self, at: usize) -> bool {
        let (weights, synthetic) = (self.candidates[at], &self.synthetic);
        *self
            .is_strict_enough
            .entry(at)
            .or_insert_with(|| synthetic.iter().all(|(min, paths)| count(&weights, paths) >= *min))
    }
}

impl User {
    /// How much these weights raise the user: the share of the paths as recorded, and the mean share of all variants.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    fn raised(&self, weights: &Weights) -> f64 {
        let shares: Vec<f64> =
            self.variants.iter().map(|paths| count(weights, paths) as f64 / paths.len() as f64).collect();
        shares[0] + shares.iter().sum::<f64>() / shares.len() as f64
    }
}

/// How many paths are raised, each by itself.
fn count(weights: &Weights, paths: &[Measurements]) -> usize {
    let alone = History::default();
    paths.iter().filter(|path| weights.judge(path, &alone).is_raised()).count()
}

fn synthetic() -> Vec<(usize, Vec<Measurements>)> {
    let measured = MEASURED.iter().zip(MIN_RAISED_OF_MEASURED);
    // The kinds that are hardest to raise come first: they decide soonest.
    let kinds = measured.chain(RAISED.iter().rev().map(|kind| (kind, MIN_RAISED)));
    kinds
        .flat_map(|((_, make), least)| {
            RATES.iter().zip(least).map(move |(rate, least)| {
                let mut rng = Rng::with_seed(SEED);
                (least, (0..MANY).map(|_| measure(&make(&mut rng, *rate).proof())).collect())
            })
        })
        .collect()
}
