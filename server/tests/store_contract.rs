//! What every store must do. A new store is one function and one line of `contract!` below.
//!
//! The rules are in `contract/`, as functions over [`SharedStore`]; `contract!` makes each one a test of each store.
//! Time is passed in and never waited for. What only one of the stores must do is in `store_specific/`.

mod contract {
    pub(crate) mod audit;
    pub(crate) mod binding;
    pub(crate) mod entering;
    pub(crate) mod event_log;
    pub(crate) mod fixture;
    pub(crate) mod interaction_history;
    pub(crate) mod limits;
    pub(crate) mod nonces;
    pub(crate) mod records;
    pub(crate) mod sessions;
}
mod store_specific {
    mod memory;
    mod redis;
    mod redis_at_most_once;
    mod redis_auth;
    mod redis_cluster;
}
mod support {
    pub(crate) mod redis_cluster;
    pub(crate) mod redis_server;
}

use std::sync::{Arc, LazyLock};

use server::{
    settings::RedisSettings,
    store::{SharedStore, memory::MemoryStore, redis::RedisStore},
};

use support::{redis_cluster::RedisCluster, redis_server::RedisServer};

macro_rules! contract {
    ($($rules:ident: $($rule:ident)+;)+) => {
        contract!(@store memory $($($rules::$rule)+)+);
        contract!(@store redis $($($rules::$rule)+)+);
        contract!(@store redis_with_password_over_tls $($($rules::$rule)+)+);
        contract!(@store redis_cluster_with_password_over_tls $($($rules::$rule)+)+);
    };
    (@store $store:ident $($rules:ident::$rule:ident)+) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    super::contract::$rules::$rule(super::$store().await).await;
                }
            )+
        }
    };
}

async fn memory() -> SharedStore {
    Arc::new(MemoryStore::new())
}

// Each server is started once and ends with the tests.

async fn redis() -> SharedStore {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
    connect(&SERVER.settings()).await
}

async fn redis_with_password_over_tls() -> SharedStore {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::secured);
    connect(&SERVER.settings()).await
}

async fn redis_cluster_with_password_over_tls() -> SharedStore {
    static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::secured);
    connect(&CLUSTER.settings()).await
}

async fn connect(settings: &RedisSettings) -> SharedStore {
    Arc::new(RedisStore::connect(settings).await.expect("a connection to Redis"))
}

contract! {
    binding:
        first_frame_key_is_bound_of_many_concurrent
        same_frame_key_again_gets_nonces
        another_frame_key_is_pending_and_replaces_an_earlier
        wrong_secret_binds_nothing
        confirmation_key_is_no_frame_key
        over_sessions_bind_nothing
        pending_key_replaces_the_frame_key_once;
    entering:
        challenge_is_taken_once_of_many_concurrent
        challenge_expires
        unknown_challenge_is_not_taken
        entered_session_is_what_was_opened
        session_is_entered_once_of_many_concurrent
        time_to_enter_ends
        unentered_session_can_do_nothing;
    sessions:
        idle_and_absolute_expiry_end_a_session
        use_keeps_a_session_from_idling
        what_is_no_use_lets_a_session_idle
        seen_never_moves_back
        an_ended_session_is_gone
        an_ended_session_is_not_resurrected_by_requests_in_flight
        unentered_session_can_be_ended
        an_ended_session_says_why_until_it_would_have_expired
        at_the_cap_the_oldest_session_ends
        at_the_cap_the_new_session_can_be_refused
        what_is_over_does_not_count_towards_the_cap
        the_cap_holds_however_many_sign_in_at_once
        a_user_has_their_own_sessions_and_nobody_elses
        handles_include_unentered_sessions
        a_theft_is_remembered_and_counted;
    audit:
        the_audit_log_is_appended_to_read_and_kept_short
        many_servers_append_to_one_log_and_lose_nothing;
    event_log:
        events_are_read_in_order_from_any_place
        a_place_that_is_not_in_the_log_is_gone
        who_waits_for_events_hears_them
        many_publish_at_once_and_nothing_is_lost;
    interaction_history:
        a_session_remembers_what_it_was_shown
        the_oldest_fingerprint_is_forgotten
        sessions_do_not_share_what_they_remember;
    nonces:
        a_nonce_is_spent_once
        a_refused_nonce_comes_with_the_session_that_it_was_refused_in
        a_thousand_concurrent_admits_of_one_nonce_pass_once
        the_next_nonce_is_good_for_the_next_request
        a_nonce_of_another_session_is_refused
        a_nonce_dies_of_age
        a_bad_nonce_changes_nothing
        at_most_32_nonces_live
        the_oldest_nonce_is_dropped_even_when_requests_overtake_each_other
        an_invented_nonce_refills_once
        an_invented_nonce_admits_nothing
        a_refill_needs_a_living_session
        an_idle_session_is_not_refilled
        a_refill_is_not_repeated_whatever_the_clock_does
        a_clock_set_back_locks_nobody_out;
    limits:
        what_is_left_of_a_limit_is_told
        a_limited_request_keeps_its_nonce
        limits_hold_exactly_under_concurrency
        changes_and_reads_are_counted_apart
        a_session_limit_ends_with_its_window
        a_count_holds_exactly_under_concurrency
        a_count_ends_with_its_window
        a_clock_set_back_lengthens_no_window;
    records:
        a_record_begins_at_version_1
        records_are_read_in_the_order_asked
        records_are_written_all_or_none
        a_record_is_never_overwritten_unseen
        a_record_cannot_be_written_twice_at_once
        nothing_is_read_and_written_as_nothing;
}
