//! Statistics for comparing two samples.

/// The quantile: the value below which this share of the values lies.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some thousands"
)]
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// How probably one of these is greater than one of the others, equal ones counted half (Mann-Whitney; the area under
/// the ROC curve): 0.5 tells nothing, 0 and 1 tell them apart every time.
#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub(crate) fn share_greater(these: &[f64], others: &[f64]) -> f64 {
    let mut sorted = others.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let below = |one: &f64| {
        let (less, not_greater) =
            (sorted.partition_point(|other| other < one), sorted.partition_point(|other| other <= one));
        (less + not_greater) as f64 / 2.0
    };
    these.iter().map(below).sum::<f64>() / (these.len() as f64 * sorted.len() as f64)
}
