//! The guarantee on a whole cluster of real processes, through faults: three nodes, auth and mailer behind HAProxy, on a
//! Redis Cluster, RabbitMQ, a MongoDB-wire server and an SMTP sink, with stock clients of all transports and no sticky
//! sessions. A short run of what `make chaos` does for long; `CHATIFY_SEED=7` replays a run's faults.

use std::path::{Path, PathBuf};

use chaos::cluster::{Cluster, Plan};
use chaos::fault::Fault;
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

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_lost_doubled_or_reordered_through_faults_of_every_family() {
    let seed = std::env::var("CHATIFY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let plan = Plan {
        root: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        name: "cluster-test".to_owned(),
        binary: Some(Path::new(env!("CARGO_BIN_EXE_chatify")).to_owned()),
    };
    let course = Course {
        deck: SHORT.to_vec(),
        ..Course::new(seed)
    };
    println!("CHATIFY_SEED={seed}");
    let cluster = Cluster::start(plan.clone()).await.expect("a cluster");
    let report = run(&cluster, &plan, &course, &mut |line| println!("{line}")).await;
    cluster.down().await.expect("an end");
    let report = report.expect("a report");
    println!("{report}");
    assert!(report.holds(), "{:#?}", report.objections());
}
