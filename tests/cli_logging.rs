//! What the controller writes into its log: the life of an order, and no secret of anybody.

#![expect(clippy::unwrap_used, reason = "tests")]

use sitepilot::peers::{
    backend::{Backend, BackendConfig},
    handle::Handle,
    mqtt::{self, Broker},
    pile::{Pile, PileConfig, Registration},
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;

use bench::{Bench, INSTALL_CODE, NEW_PILE, PILE, begin, clock, host, recorded, states};

const CARD: &str = "6217001234567890";
const OTHER_CARD: &str = "6228480011223344";

/// A pile at the doors of a bench.
fn come(bench: &Bench, config: PileConfig, tasks: &mut JoinSet<()>) -> Handle<Pile> {
    let pile = Handle::new(Pile::new(config), clock());
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.back_off_ms = (100, 500);
    tasks.spawn(mqtt::run(pile.clone(), doors));
    pile
}

/// A pile that registers first.
fn newcomer() -> PileConfig {
    let mut config = PileConfig::new("", "ZD-2", "", 8);
    config.connectors = 1;
    config.registration = Some(Registration {
        username: "register".to_owned(),
        password: "default secret".to_owned(),
        code: INSTALL_CODE.to_owned(),
    });
    config
}

async fn charge_with(bench: &Bench, pile: &Handle<Pile>, card: &str) {
    let before = recorded(bench);
    begin(bench, pile, 1, card).await;
    assert!(pile.with(|pile, now| pile.stop(1, now)));
    bench.until("it is recorded", |bench| recorded(bench) > before).await;
}

fn all_settled(bench: &Bench) -> bool {
    states(bench).iter().all(|state| state == "settled")
}

#[tokio::test]
async fn a_log_of_everything_has_no_secret_and_no_card_and_tells_the_life_of_orders() {
    let mut bench = Bench::new();
    bench.let_register(false, "1.10");
    bench.append("[log]\nlevel = \"trace\"\n");
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    let mut piles = JoinSet::new();
    let pile = come(&bench, PileConfig::new(PILE, "ZD1", "pile secret", 7), &mut piles);
    let new_pile = come(&bench, newcomer(), &mut piles);
    let _wrong = come(&bench, PileConfig::new(PILE, "ZD1", "wrong guess", 9), &mut piles);
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    charge_with(&bench, &pile, CARD).await;
    charge_with(&bench, &new_pile, OTHER_CARD).await;
    pile.with(|pile, now| pile.dispute_last_order(now));
    bench.until("settled", all_settled).await;
    bench.until("refused", |bench| bench.log().contains("login refused")).await;
    bench.until("disputed", |bench| bench.log().contains("order disputed")).await;
    let account = new_pile.with(|pile, _| pile.account().map(|(_, _, secret)| secret.to_owned()));
    let issued = backend.with(|backend, _| backend.accounts().clone());
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());

    let log = bench.log();
    let mut secrets = vec!["pile secret", "SIMCODE", "default secret", INSTALL_CODE, "wrong guess"];
    secrets.extend([CARD, OTHER_CARD]);
    secrets.extend(account.as_deref());
    secrets.extend(issued.values().map(|account| account.password.as_str()));
    assert_eq!(secrets.len(), 9, "those that were issued are among them");
    for secret in secrets {
        assert!(!secret.is_empty() && !log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
    assert!(!log.contains('\x1b'), "no colours in a file");
    // The router of the doors opens spans, at level ERROR, for every packet.
    assert!(!log.contains("incoming") && !log.contains("[>]"), "{log}");

    for (code, card) in [(PILE, "7890"), (NEW_PILE, "3344")] {
        let orders = bench.json(&["orders", "list", "--pile", code]);
        let id = orders[0]["id"].as_str().unwrap();
        let about = format!("order={id} pile={code} ");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&about)).collect();
        let place = |text: &str| {
            let found = lines.iter().position(|line| line.contains(text));
            found.unwrap_or_else(|| panic!("no {text:?} in {lines:#?}"))
        };
        let life = ["INFO order started", "INFO order recorded", "INFO order settled"].map(place);
        assert!(life.is_sorted(), "{lines:#?}");
        assert!(lines[life[0]].ends_with(&format!(" card={card}")), "{}", lines[life[0]]);
        assert!(lines[life[1]].contains("energy_wh="), "{}", lines[life[1]]);
        assert!(lines[place("DEBUG order confirmed")].contains("uplink=cloud"));
        let news = lines.iter().filter(|line| line.contains(" INFO "));
        assert_eq!(news.count(), 3, "{lines:#?}");
    }
}
