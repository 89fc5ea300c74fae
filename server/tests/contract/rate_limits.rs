//! The contract of [`RateLimitStore`]: limits hold exactly.

use std::{sync::Arc, time::Duration};

use server::store::{Counted, Counter, Limit, Quota, RateLimitStore};

use super::fixture::*;

/// Makes a test of each rule of [`RateLimitStore`], on the store that `$store` returns.
macro_rules! rate_limit_store {
    ($store:expr) => {
        rules! {
            $store => rate_limits:
                count_returns_quota
                request_counts_in_all_counters_or_none
                concurrent_counts_stay_within_limit
                counter_resets_with_its_window
                clock_set_back_lengthens_no_window
        }
    };
}
pub(crate) use rate_limit_store;

const TEN: Limit = Limit { max: 10, window: Duration::from_secs(60) };

/// Counts one request. Returns the time to wait if it is over the limit.
async fn counted(store: &dyn RateLimitStore, counter: &str, limit: Limit, now: u64) -> Option<Duration> {
    match count_in(store, &[(counter, limit)], now).await {
        Counted::Within(_) => None,
        Counted::Over(quota) => Some(quota.reset),
    }
}

async fn count_in(store: &dyn RateLimitStore, counters: &[(&str, Limit)], now: u64) -> Counted {
    let counter = |&(name, limit): &(&str, Limit)| Counter { name: name.to_owned(), limit };
    store.count(&counters.iter().map(counter).collect::<Vec<_>>(), now).await.expect("the store answers")
}

pub(crate) async fn count_returns_quota(store: Arc<dyn RateLimitStore>) {
    let counter = format!("sign_in:ip:{}", handle());
    let three = Limit { max: 3, ..TEN };
    for at in 0_u8..3 {
        let quota =
            Quota { limit: three, left: 2 - u32::from(at), reset: Duration::from_millis(60_000 - u64::from(at)) };
        let now = *T0 + u64::from(at);
        assert_eq!(count_in(store.as_ref(), &[(&counter, three)], now).await, Counted::Within(quota));
    }
    let over = Quota { limit: three, left: 0, reset: Duration::from_millis(59_990) };
    assert_eq!(count_in(store.as_ref(), &[(&counter, three)], *T0 + 10).await, Counted::Over(over));
}

pub(crate) async fn request_counts_in_all_counters_or_none(store: Arc<dyn RateLimitStore>) {
    let tag = format!("address:{{{}}}", handle());
    let name = |part: &str| format!("{tag}:{part}");
    let (two, three) = (Limit { max: 2, ..TEN }, Limit { max: 3, ..TEN });
    let in_both = async |one: &str| count_in(store.as_ref(), &[(&name(one), two), (&name("all"), three)], *T0).await;
    let quota = |limit, left| Quota { limit, left, reset: TEN.window };
    assert_eq!(in_both("a").await, Counted::Within(quota(two, 1)));
    assert_eq!(in_both("a").await, Counted::Within(quota(two, 0)));
    assert_eq!(in_both("a").await, Counted::Over(quota(two, 0)));
    // The common counter has not counted the rejected request.
    assert_eq!(in_both("b").await, Counted::Within(quota(three, 0)));
    assert_eq!(in_both("b").await, Counted::Over(quota(three, 0)));
    // The first counter has not counted the request that was over the common limit.
    assert_eq!(count_in(store.as_ref(), &[(&name("b"), two)], *T0).await, Counted::Within(quota(two, 0)));
}

pub(crate) async fn concurrent_counts_stay_within_limit(store: Arc<dyn RateLimitStore>) {
    let counter = format!("sign_in:ip:{}", handle());
    let answers = concurrently(100, |_| {
        let (store, counter) = (store.clone(), counter.clone());
        async move { counted(store.as_ref(), &counter, TEN, *T0).await }
    })
    .await;
    assert_eq!(count(&answers, Option::is_none), 10);
    assert_eq!(count(&answers, |answer| *answer == Some(TEN.window)), 90);
    // Another counter is not affected.
    assert_eq!(counted(store.as_ref(), &format!("{counter}:other"), TEN, *T0).await, None);
}

pub(crate) async fn counter_resets_with_its_window(store: Arc<dyn RateLimitStore>) {
    let counter = format!("register:ip:{}", handle());
    let one = Limit { max: 1, ..TEN };
    for (now, left) in [(0, None), (1, Some(59_999)), (59_999, Some(1)), (60_000, None), (60_001, Some(59_999))] {
        let answer = counted(store.as_ref(), &counter, one, *T0 + now).await;
        assert_eq!(answer, left.map(Duration::from_millis), "{now} ms later");
    }
}

pub(crate) async fn clock_set_back_lengthens_no_window(store: Arc<dyn RateLimitStore>) {
    let counter = format!("sign_in:ip:{}", handle());
    let one = Limit { max: 1, ..TEN };
    for now in [*T0, *T0 - 3 * HOUR] {
        assert_eq!(counted(store.as_ref(), &counter, one, now).await, None);
    }
}
