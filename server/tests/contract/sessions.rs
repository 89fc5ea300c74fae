//! The contract of [`SessionStore`](server::store::SessionStore).

mod binding;
mod device;
mod entering;
mod interaction_history;
mod lifecycle;
mod limits;
mod nonces;
mod outcomes;

pub(crate) use binding::*;
pub(crate) use device::*;
pub(crate) use entering::*;
pub(crate) use interaction_history::*;
pub(crate) use lifecycle::*;
pub(crate) use limits::*;
pub(crate) use nonces::*;
pub(crate) use outcomes::*;

/// Makes a test of each rule of [`SessionStore`](server::store::SessionStore), on the store that `$store` returns.
macro_rules! session_store {
    ($store:expr) => {
        rules! {
            $store => sessions:
                session_ends_at_idle_timeout_and_expiry
                use_resets_the_idle_timeout
                background_requests_do_not_reset_idle_timeout
                seen_never_moves_back
                ended_session_is_gone
                requests_in_flight_do_not_revive_ended_session
                unentered_session_can_be_ended
                end_reason_is_kept_until_expiry
                entering_at_cap_ends_oldest_session
                entering_at_cap_can_be_rejected
                expired_sessions_do_not_count_towards_cap
                concurrent_entries_stay_within_cap
                list_has_only_the_users_sessions
                handles_include_unentered_sessions
                thefts_are_recorded_and_counted
        }
        rules! {
            $store => sessions:
                entered_session_has_all_created_fields
                concurrent_entries_enter_once
                session_is_entered_again_until_bound
                session_is_not_entered_after_deadline
                unentered_session_is_rejected_everywhere
        }
        rules! {
            $store => sessions:
                concurrent_binds_bind_only_the_first_key
                same_frame_key_again_gets_nonces
                second_frame_key_replaces_pending_key
                wrong_secret_binds_nothing
                confirmation_key_is_rejected_as_frame_key
                ended_session_binds_nothing
                pending_key_replaces_frame_key_once
        }
        rules! {
            $store => sessions:
                nonce_is_spent_once
                rejected_nonce_returns_the_session
                thousand_concurrent_uses_of_nonce_pass_once
                next_nonce_is_live_for_next_request
                nonce_of_another_session_is_rejected
                nonce_expires
                bad_nonce_changes_nothing
                at_most_32_nonces_are_live
                late_issue_drops_the_oldest_nonce
                invented_nonce_gets_nonces_once
                invented_nonce_authorizes_nothing
                nonces_are_issued_only_to_live_session
                idle_session_gets_no_nonces
                nonces_are_issued_once_if_clock_is_set_back
                session_survives_clock_set_back
        }
        rules! {
            $store => sessions:
                authorized_request_returns_quota
                limited_request_keeps_its_nonce
                concurrent_requests_stay_within_limit
                changes_and_reads_are_counted_separately
                session_limit_resets_with_its_window
        }
        rules! {
            $store => sessions:
                offered_device_is_bound_by_first_proof
                bound_session_needs_its_device
                tier_is_required_before_the_nonce_is_spent
                only_live_sessions_get_a_device
        }
        rules! {
            $store => sessions:
                outcome_of_spent_nonce_is_recorded
                settling_voids_a_live_nonce
        }
        rules! {
            $store => sessions:
                samples_update_session_statistics
                oldest_fingerprint_is_forgotten
                sessions_do_not_share_statistics
        }
    };
}
pub(crate) use session_store;
