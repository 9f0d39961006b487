//! What every backend of the store promises, one sentence a test. A new backend is one more module at the end.
//!
//! Each test gets an empty store of its own. A sentence that is listed nowhere is a warning (it is never
//! used), so that none is forgotten.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

mod audit;
mod facts;
mod fixtures;
mod history;
mod log;
#[path = "../servers/mongod.rs"]
#[allow(dead_code, reason = "shared with tests that kill servers")]
mod mongod;
mod projections;
mod rooms;
mod sessions;
mod users;

macro_rules! sentences {
    ($open:expr, $($chapter:ident: $sentence:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $sentence() {
            crate::$chapter::$sentence($open).await;
        }
    )*};
}

/// Of logs, and of what follows from them.
macro_rules! of_logs {
    ($open:expr) => {
        sentences! { $open,
            log: an_entry_reads_back_as_it_was_written,
            log: of_many_claims_of_one_place_one_succeeds,
            log: a_batch_that_skips_or_repeats_a_place_is_refused_whole,
            log: a_batch_with_a_used_key_is_refused_whole,
            log: a_key_is_one_persons_own_in_one_room,
            log: another_epoch_or_room_is_a_conflict,
            log: a_wrong_count_of_messages_is_a_conflict,
            log: an_empty_batch_is_refused,
            log: lookup_tells_what_became_of_keys,
            log: a_batch_whose_answer_was_lost_is_found_when_it_is_sent_again,
            log: a_page_of_entries_is_dense_and_bounded,
            log: a_page_of_long_texts_is_cut_by_bytes,
            log: pages_of_many_rooms_are_read_as_each_alone,
            log: pages_that_are_too_large_together_are_left_for_later,
            log: heads_leave_out_rooms_that_do_not_exist,
            log: a_deleted_room_takes_nothing_more,
            log: many_rooms_written_at_once_stay_dense,
            log: what_fails_harms_none_of_its_neighbours,
            projections: an_edit_shows_in_every_reading_but_the_log,
            projections: a_deleted_message_leaves_a_tombstone,
            projections: reactions_are_kept_in_their_order,
            projections: a_room_is_opened_with_its_members_and_bans_at_its_head,
            projections: a_ban_ends_when_it_is_lifted_or_its_owner_comes_back,
            projections: settings_follow_the_log,
            projections: a_change_of_an_unknown_message_is_logged_and_shows_nowhere,
            projections: who_has_read_everything_has_read_their_own_message_too,
            projections: mentions_follow_edits_and_deletions,
            projections: a_newcomer_has_nothing_unread,
            history: every_window_is_what_a_list_would_give,
            history: a_window_of_an_unknown_room_is_not_found,
        }
    };
}

/// Of all else.
macro_rules! of_the_rest {
    ($open:expr) => {
        sentences! { $open,
            rooms: a_room_is_made_once_with_one_id,
            rooms: two_people_have_one_dm_whoever_asks_first,
            rooms: a_deleted_dm_may_be_made_again,
            rooms: a_list_of_rooms_shows_the_newest_first_with_what_is_unread,
            rooms: many_lists_are_read_as_each_alone,
            rooms: hundreds_of_lists_are_one_read,
            rooms: a_thousand_rooms_are_one_list,
            rooms: a_room_left_or_deleted_is_in_no_list,
            rooms: a_person_is_told_every_room_that_they_ever_were_in,
            rooms: read_markers_only_grow,
            rooms: a_stranger_has_no_marker_and_sees_no_room,
            rooms: members_are_listed_page_by_page,
            rooms: the_directory_lists_public_rooms_by_size,
            rooms: the_directory_takes_a_text_as_a_text,
            rooms: people_know_each_other_by_a_shared_room,
            users: an_address_has_one_person_whoever_asks_first,
            users: people_are_found_by_address_and_id,
            users: a_search_finds_the_starts_of_words,
            users: a_search_takes_a_text_as_a_text,
            users: a_profile_changes_only_where_it_is_asked_to,
            users: an_erased_person_is_gone_but_for_their_id,
            users: the_address_of_an_erased_person_is_free,
            users: a_seed_is_made_whole_or_not_at_all,
            users: a_closed_store_refuses_everything,
            sessions: of_a_hundred_rotations_one_succeeds,
            sessions: a_rotation_remembers_the_token_before,
            sessions: a_revoked_session_is_not_renewed,
            sessions: devices_are_signed_out_one_or_all_or_all_but_one,
            sessions: revocations_are_told_to_who_was_away,
            sessions: the_last_used_device_comes_first,
            facts: of_a_hundred_uses_of_a_code_one_succeeds,
            facts: no_more_guesses_are_counted_than_allowed,
            facts: a_new_code_voids_the_old_one,
            facts: a_mail_is_pending_until_it_is_queued,
            facts: what_became_of_a_mail_shows_in_its_challenge,
            facts: of_a_hundred_claims_of_a_key_one_goes_ahead,
            facts: a_kept_answer_is_given_to_everybody_for_a_day,
            facts: a_claim_is_given_back_or_lapses,
            facts: a_signing_key_is_never_replaced,
            facts: a_secret_is_made_once,
            facts: a_sweep_forgets_what_has_expired_and_nothing_else,
            audit: notes_are_kept_and_read_newest_first,
            audit: a_note_is_never_replaced,
            audit: a_note_goes_after_396_days_and_no_sooner,
        }
    };
}

mod sqlite {
    of_logs!(store::open("sqlite::memory:").await.unwrap());
    of_the_rest!(store::open("sqlite::memory:").await.unwrap());
}

mod mongo {
    of_logs!(store::open(&crate::mongod::database()).await.unwrap());
    of_the_rest!(store::open(&crate::mongod::database()).await.unwrap());
}

/// As on a server that takes no `bulkWrite`.
mod mongo_in_steps {
    of_logs!({
        let url = crate::mongod::database() + "&chatifyBulkWrite=off";
        store::open(&url).await.unwrap()
    });
}
