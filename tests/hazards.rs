//! HAZARDS.md, row by row: what can go wrong with a chat server, tried on the real binary over real
//! sockets.
//!
//! Nothing here depends on how fast the machine is: progress is compared with progress, a pause of
//! the server (SIGSTOP) makes what happens meanwhile happen at once, and where processor time or
//! memory is measured the bounds are generous. What only Linux tells or can do is tried there
//! alone.
//!
//! | hazard | test | |
//! |---|---|---|
//! | 1 | `reading::a_megabyte_in_one_write_arrives_whole_although_nothing_follows` |  |
//! | 2 | `reading::a_flooder_leaves_a_hundred_talkers_their_turn` |  |
//! | 3 | `coming::two_thousand_who_come_at_once_are_all_greeted` |  |
//! | 4 | `descriptors::with_few_descriptors_those_inside_chat_on_and_the_next_get_in_when_some_leave` |  |
//! |  | `descriptors::out_of_descriptors_those_who_come_are_closed_and_those_inside_chat_on` |  |
//! |  | `descriptors::out_of_descriptors_nothing_is_tried_in_vain` |  |
//! |  | `descriptors::without_any_descriptor_those_who_come_wait_until_there_are_some` |  |
//! | 5, 6 | `coming::ten_thousand_who_come_and_reset_keep_nobody_out` | accepting or preparing such a connection fails on Windows and macOS only |
//! | 7 | `coming::thousands_fit_into_the_queue_before_the_door` |  |
//! | 8 | `coming::in_a_churn_of_sockets_no_line_is_under_a_wrong_name_and_no_fresh_socket_is_closed` |  |
//! | 9 | `reading::a_half_closed_client_gets_all_that_it_asked_for` |  |
//! | 10 | `reading::readers_that_pause_have_everything_when_they_go_on_and_then_the_server_rests` | standing interest spins on Windows only: `idle.rs` |
//! | 11 | `reading::the_reason_comes_before_the_end_although_a_megabyte_is_unread` |  |
//! | 12 | `readers::a_reader_that_never_reads_costs_nobody_a_line_and_the_server_no_memory` |  |
//! | 13 | `readers::a_thousand_readers_that_never_read_cost_one_backlog` |  |
//! |  | `readers::newcomers_that_never_read_cost_one_history` |  |
//! | 14 | `readers::when_thousands_are_gone_at_once_the_rest_stay_and_hear_it_in_few_words` |  |
//! | 15 | `readers::a_hundred_readers_that_are_too_slow_at_once_leave_once_each` |  |
//! | 16 | `time::whoever_trickles_and_gives_no_name_is_cut_on_time_at_every_door` |  |
//! | 17 | `time::a_deadline_needs_nothing_else_to_happen` |  |
//! |  | `time::whoever_does_not_go_after_goodbye_is_cut_off` |  |
//! | 18 | `time::the_wall_clock_is_asked_in_one_place_and_only_for_times_to_show` | reads the source: no test can set the clock |
//! | 19 | `text::an_emoji_in_pieces_arrives_whole_at_every_door` |  |
//! | 20 | `text::what_is_not_utf8_is_refused_at_every_door_and_reaches_nobody` |  |
//! | 21, 22, 23 | `text::nothing_steers_a_terminal_or_breaks_or_turns_a_line_at_any_door` |  |
//! | 56 | `text::no_line_has_a_gap_that_fills_a_row_nor_a_pile_of_marks_at_any_door` |  |
//! | 21, 22 | `text::nobody_is_called_by_what_steers_a_terminal_or_turns_a_line` |  |
//! | 24 | `text::telnet_may_interrupt_anything_anywhere` |  |
//! | 25 | `text::a_browser_or_a_tls_client_is_closed_at_every_door_and_nothing_of_it_is_chat` |  |
//! | 26 | `datagrams::junk_over_udp_is_met_with_silence_and_the_door_stays_open` |  |
//! |  | `datagrams::a_server_or_a_service_of_the_system_is_no_peer` | error 10054 comes on Windows only |
//! | 27 | `datagrams::an_address_gets_no_more_peers_over_udp_than_its_share_and_they_expire` |  |
//! |  | `datagrams::the_machine_itself_gets_half_of_all_places_over_udp` |  |
//! | 28 | `process::a_server_whose_outputs_are_gone_serves_on` |  |
//! |  | `process::a_server_whose_outputs_nobody_reads_serves_on` |  |
//! | 19, 29 | `text::unframed_messages_that_meet_are_two_and_one_that_is_cut_is_one` |  |
//! | 30 | `coming::of_many_who_claim_a_name_at_once_one_gets_it` | keepalive: `limits.rs` |
//! | 31 | `process::random_bytes_at_every_door_end_nobodys_chat` |  |
//! | 32 | `coming::after_a_kill_the_same_port_is_free_at_once` | not on Windows, where there is nothing to do |
//! | 57 | `time::what_came_in_time_is_heard_although_the_process_was_stopped_until_later` |  |
//! |  | `time::all_that_came_in_time_is_heard_before_a_deadline` |  |
//! |  | `time::what_could_be_said_in_time_is_heard_before_a_deadline` |  |
//!
//! Other angles of many of them are in `limits.rs`, `lines.rs` and `dialects.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

#[path = "hazards/coming.rs"]
mod coming;
#[path = "hazards/crowd.rs"]
mod crowd;
#[path = "hazards/datagrams.rs"]
mod datagrams;
#[cfg(target_os = "linux")]
#[path = "hazards/descriptors.rs"]
mod descriptors;
#[path = "hazards/process.rs"]
mod process;
#[path = "hazards/readers.rs"]
mod readers;
#[path = "hazards/reading.rs"]
mod reading;
#[cfg(target_os = "linux")]
#[path = "hazards/system.rs"]
mod system;
#[path = "hazards/text.rs"]
mod text;
#[path = "hazards/time.rs"]
mod time;
