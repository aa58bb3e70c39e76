use proptest::prelude::*;

use super::*;

fn ip(last: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + last).to_be_bytes())
}

fn who<'a>(name: &'a str, client_id: &'a str, address: u32) -> Who<'a> {
    Who { name, client_id, address: ip(address) }
}

fn guard() -> Guard {
    Guard::new(GuardRates::default())
}

/// One attempt with a wrong password; whether it was looked at.
fn guess(guard: &mut Guard, who: &Who<'_>, now: Mono) -> bool {
    let looked_at = guard.may_try(who, now);
    if looked_at {
        guard.failed(who, now);
    }
    looked_at
}

#[test]
fn a_guesser_is_slowed_down() {
    let mut guard = guard();
    let tries = (0..60_000).filter(|ms| guess(&mut guard, &who("P1", "x", 1), Mono(*ms))).count();
    assert_eq!(tries, 11, "ten at once, and two a minute less the first moment");
    let names: Vec<String> = (0..60_000).map(|number| format!("N{number}")).collect();
    let spray = (0..).zip(&names);
    let tries = spray.filter(|(ms, name)| guess(&mut guard, &who(name, "x", 2), Mono(*ms))).count();
    assert_eq!(tries, 359, "many names from one address: three hundred, and one a second");
}

#[test]
fn many_addresses_share_the_tries_of_a_name() {
    let mut guard = guard();
    let looked_at = (0..60_000_u32)
        .filter(|ms| guess(&mut guard, &who("P1", "x", ms % 100), Mono(u64::from(*ms))))
        .count();
    // One of each address, which could be the pile itself, and then the name's own.
    assert!((100..=100 + 20 + 12).contains(&looked_at), "{looked_at}");
    assert!(guard.may_try(&who("P1", "pile", 1_000), Mono(60_000)), "the pile has moved");
    assert!(guard.may_try(&who("P2", "pile", 1), Mono(60_000)), "another pile behind a guesser");
}

#[test]
fn a_mistyped_pile_leaves_its_neighbours_behind_the_router_alone() {
    let mut guard = guard();
    for second in 0..3_600 {
        for mistyped in 0..20 {
            guess(&mut guard, &who(&format!("bad{mistyped}"), "x", 1), Mono(second * 1_000));
        }
        let rightful = format!("good{second}");
        assert!(guard.may_try(&who(&rightful, "y", 1), Mono(second * 1_000)), "second {second}");
    }
}

#[test]
fn success_with_an_own_account_buys_no_tries() {
    let mut guard = guard();
    let (own, other) = (who("mine", "x", 1), who("P1", "x", 1));
    let tries = (0..1_000).filter(|_| {
        guard.succeeded(&own, Mono(0));
        guess(&mut guard, &other, Mono(0))
    });
    assert_eq!(tries.count(), 10);
}

#[test]
fn filling_the_tables_washes_nobody_clean() {
    let mut guard = guard();
    let guesser = who("P1", "x", 1);
    while guess(&mut guard, &guesser, Mono(0)) {}
    let mut free = 0;
    for address in 2..20_000 {
        let name = format!("N{address}");
        free += usize::from(guess(&mut guard, &who(&name, "x", address), Mono(1)));
        assert!(!guess(&mut guard, &guesser, Mono(1)));
    }
    assert!(free <= 2 * MAX_ROWS, "{free} of 20,000 were looked at");
    for rows in [guard.pairs.rows.len(), guard.addresses.rows.len(), guard.names.rows.len()] {
        assert!(rows <= MAX_ROWS, "{rows} rows");
    }
    let later = Mono(10 * 60_000);
    assert!(guess(&mut guard, &who("P2", "x", 1_000_000), later), "room again when all is quiet");
}

#[test]
fn whoever_fills_the_tables_with_names_keeps_no_other_address_out() {
    let mut guard = guard();
    let names: Vec<String> = (0..2 * MAX_ROWS).map(|number| format!("N{number}")).collect();
    for (address, name) in (0..).zip(&names) {
        guess(&mut guard, &who(name, "x", address % 40), Mono(0));
    }
    assert_eq!(guard.pairs.rows.len(), MAX_ROWS);
    let looked_at = (0..20).filter(|_| guess(&mut guard, &who("P1", "x", 1_000), Mono(0))).count();
    assert!((1..=10).contains(&looked_at), "{looked_at}");
    assert!(guard.may_try(&who("P1", "pile", 1_001), Mono(0)), "a pile nobody knows yet");
}

#[test]
fn connections_of_one_address_are_counted_but_not_the_machines_own() {
    let mut guard = guard();
    let second = |n: u32| Mono(u64::from(n) * 6);
    let came = (0..10_000).filter(|n| guard.may_connect(ip(1), second(*n))).count();
    assert_eq!(came, 1024 + 2999, "of 10,000 in a minute");
    assert!(guard.may_connect(ip(2), Mono(59_999)));
    let own = IpAddr::from([127, 0, 0, 1]);
    assert!((0..10_000).all(|_| guard.may_connect(own, Mono(0))));
}

#[test]
fn addresses_are_told_apart_as_far_as_their_holder_cannot_choose() {
    let of = |text: &str| net(text.parse().expect("an address"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
    assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
}

#[test]
fn only_those_who_were_let_in_replace_what_is_known_of_old() {
    let mut guard = guard();
    for number in 0..3 * MAX_NAMES {
        let now = Mono(u64::try_from(number).expect("small"));
        guard.succeeded(&who(&format!("P{number}"), "x", 1), now);
    }
    assert_eq!(guard.usual.len(), MAX_NAMES);
    assert!(guard.usual.contains_key(&short(&format!("P{}", 3 * MAX_NAMES - 1))));
    for address in 0..10 {
        guard.succeeded(&who("moves", "x", address), Mono(1_000_000 + u64::from(address)));
    }
    let known: Vec<_> = guard.usual[&short("moves")].iter().map(|place| place.address).collect();
    assert_eq!(known.len(), MAX_PLACES);
    assert!(known.contains(&ip(9)));
}

proptest! {
    /// Whatever others try, with whatever names, from wherever, even from behind the same router:
    /// who was let in before is heard when it comes back as it was.
    #[test]
    fn nobody_keeps_the_usual_out(
        attempts in prop::collection::vec((0..4_u8, 0..3_u8, 0..50_u32, 0..20_u64), 0..3_000),
    ) {
        let mut guard = guard();
        let pile = who("P1", "pile", 7);
        guard.succeeded(&pile, Mono(0));
        let mut now = Mono(0);
        for (name, client, address, pause_ms) in attempts {
            now = now.plus_ms(pause_ms);
            let name = format!("P{name}");
            guess(&mut guard, &who(&name, ["x", "y", ""][usize::from(client)], address), now);
            prop_assert!(guard.may_try(&pile, now));
        }
    }

    /// Nobody gets more looks than the rates give, in any rhythm.
    #[test]
    fn no_rhythm_beats_the_rates(
        pauses in prop::collection::vec(0..5_000_u64, 1..400),
        names in 1..30_u32,
    ) {
        let mut guard = guard();
        let rates = GuardRates::default();
        let (mut now, mut all) = (Mono(0), 0);
        let mut of_name = BTreeMap::<u32, u64>::new();
        for (turn, pause_ms) in (0..).zip(pauses) {
            now = now.plus_ms(pause_ms);
            let number = turn % names;
            if guess(&mut guard, &who(&format!("P{number}"), "x", 1), now) {
                all += 1;
                *of_name.entry(number).or_default() += 1;
            }
        }
        let most = |rate: Rate| u64::from(rate.burst) + now.0 * u64::from(rate.per_minute) / 60_000;
        prop_assert!(all <= most(rates.address));
        for looks in of_name.values() {
            prop_assert!(*looks <= most(rates.pair));
        }
    }
}
