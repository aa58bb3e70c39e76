//! Situations of a site: a script in, a transcript of entries and commands out.
//!
//! Each file of `tests/scenarios` is a script whose lines are followed by what they cause: `+` an
//! entry, `>` a command, `!` an alarm, `=` an order as the ledger has it. Lines with `#` say the
//! rule. `SITEPILOT_BLESS=1 cargo test --test scenarios` writes what happened into the files; read
//! the difference before keeping it.

#![allow(missing_docs)]

#[path = "support/proto.rs"]
mod proto;
#[path = "support/scratch.rs"]
mod scratch;
#[path = "scenario/script.rs"]
mod script;
#[path = "scenario/show.rs"]
mod show;
#[path = "support/small_site.rs"]
mod small_site;
#[path = "scenario/spoken.rs"]
mod spoken;
#[path = "scenario/world.rs"]
mod world;

use std::{collections::BTreeSet, fs, path::Path};

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/scenarios/{name}.txt"));
    let expected = fs::read_to_string(&path).expect("the script");
    let mut world = world::World::new();
    let mut happened = String::new();
    for line in expected.lines().filter(|line| !line.starts_with("    ")) {
        happened.push_str(line);
        happened.push('\n');
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        world.run(line);
        world.check();
        for said in world.transcript.drain(..) {
            happened.push_str(&said);
            happened.push('\n');
        }
    }
    if std::env::var_os("SITEPILOT_BLESS").is_some() {
        fs::write(&path, &happened).expect("the script is written");
    }
    assert!(happened.contains("    "), "{name}: nothing happened");
    assert_eq!(happened, expected, "{name}: what happened is not what is written");
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

#[test]
fn every_script_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = fs::read_dir(folder).expect("the scripts");
    let files: BTreeSet<_> =
        files.map(|file| file.expect("a script").path().with_extension("")).collect();
    let found: BTreeSet<_> = files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    assert_eq!(found, NAMES.iter().copied().collect());
}

scenarios! {
    online_order
    outage_order
    order_of_recording
    pile_reboots_and_reports_later
    pile_reboots_and_never_reports
    pile_clock_ahead_and_never_reports
    new_start_while_open
    too_many_starts
    same_start_twice
    stop_without_start
    order_already_closed
    records_start_anew
    same_key_other_figures
    order_before_boot
    senseless_figures
    boot_refused
    boot_unanswered
    backend_silent
    login_refused
    wrong_and_late_answers
    transaction_id_after_stop
    announcement_unanswered
    backend_numbers_anew
    backend_refuses_orders
    commands_repeated
    remote_start_before_restart
    remote_start_unanswered
    clock_unset
    clock_set_after_restart
    clock_set_and_pile_never_reports
    clock_jumps
    store_full
    tags_unknown
    frozen_whatever_is_configured
    running_orders_after_outage
    history
    history_of_live_orders
    one_record_number
    one_record_number_no_clock
    cards_offline
    passed_to_pile
    passed_to_pile_unanswered
    passed_to_pile_away
    passed_to_pile_before_restart
    passed_to_backend
    v1_0_online_order
    v1_0_outage_order
    v1_0_pile_under_1_10_cloud
    v1_10_pile_under_1_0_cloud
    v1_0_stop_without_start
    v1_0_cloud_silent
    certificate_ends
    metered_order
    meter_hold
    meter_boundaries
    meter_hostile
    meter_silent
    meter_judged
    meter_replaced
    meter_disagrees
    meter_away
    meter_estimates
    meter_config_changes
    meter_clock_unset
    meter_store_full
    meter_telemetry
    meter_announced
    two_uplinks
    told_uplink
    resent_anyway
    resent_cut_off
    orders_that_do_not_fit
    undated_orders_and_ec
    uplink_added
    uplink_removed
    retired_while_others_wait
    required_changes
    rate_limit
    jcpp_and_peaq
    ec_rhythm
    stale_values
    flapping_connector
    news
    gateway_commands
    gateway_without_commands
    gateway_stops_its_own
    gateway_link_lost
    snapshots
    two_gateways
}
