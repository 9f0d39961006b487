//! The guarantee on a whole cluster of real processes, through faults: three nodes, auth and mailer behind HAProxy, on a
//! Redis Cluster, RabbitMQ, a MongoDB-wire server and an SMTP sink, with stock clients of all transports and no sticky
//! sessions. A short run of what `make chaos` does for long; `CHATIFY_SEED=7` replays a run's faults. It wants the machine for
//! itself: `make test` runs it last, by its name.

use std::path::{Path, PathBuf};

use chaos::cluster::{Cluster, Plan};
use chaos::fault::Fault;
use chaos::otp::race;
use chaos::run::{Course, run};

/// One of each family, in an order that the seed draws: about two minutes.
const SHORT: [Fault; 10] = [
    Fault::NodeKilled,
    Fault::NodeDrained,
    Fault::NodeBlackhole,
    Fault::NodeCutMidway,
    Fault::ClientsCut,
    Fault::RedisMasterKilled,
    Fault::RedisFailover,
    Fault::RedisParted,
    Fault::StoreKilled,
    Fault::BrokerKilled,
];

/// Codes that are raced for; `make chaos OTP_RACES=1000` takes more.
const RACES: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_lost_doubled_or_reordered_through_faults_of_every_family() {
    let seed = std::env::var("CHATIFY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("CHATIFY_SEED={seed}");
    let plan = Plan {
        root: std::env::current_dir().expect("the repository"),
        name: "cluster-test".to_owned(),
        binary: Some(Path::new(env!("CARGO_BIN_EXE_chatify")).to_owned()),
    };
    let course = Course {
        deck: SHORT.to_vec(),
        ..Course::new(seed)
    };
    let cluster = Cluster::start(plan.clone()).await.expect("a cluster");
    let report = run(&cluster, &plan, &course, &mut |line| println!("{line}")).await;
    let races = race(&cluster, &plan.root, (RACES, seed)).await;
    cluster.down().await.expect("an end");
    let (report, races) = (report.expect("a report"), races.expect("races"));
    println!("{report}{races}");
    assert!(report.holds(), "{:#?}", report.objections());
    assert!(races.holds(), "a code was not used once: {races}");
}
