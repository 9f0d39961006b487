//! The capacity planner: measured unit costs and a wish give nodes, shards and bandwidth, each by a line of arithmetic
//! that can be checked by hand. Pure, but for reading its files.

mod costs;

use std::path::PathBuf;

use clap::Args;

use crate::Failure;
use crate::report::{Report, figure};
use costs::Costs;

/// Flags of `plan`.
#[derive(Args)]
pub(crate) struct Plan {
    /// People connected at the same time, at the peak.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) users: u64,
    /// Rooms in which something is said within an hour.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) rooms: u64,
    /// Messages a second over all rooms, at the peak.
    #[arg(long)]
    pub(crate) rate: f64,
    /// Members of a room who are connected when something is said there; else users ÷ rooms × rooms-per-user.
    #[arg(long)]
    pub(crate) members: Option<f64>,
    /// Rooms that a person is in.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) rooms_per_user: f64,
    /// Bytes of a text.
    #[arg(long, default_value_t = 128.0)]
    pub(crate) bytes: f64,
    /// Cores of a node.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) node_cores: f64,
    /// Memory of a node, GiB.
    #[arg(long, default_value_t = 4.0)]
    pub(crate) node_memory: f64,
    /// Connections that a node may hold.
    #[arg(long, default_value_t = 100_000.0)]
    pub(crate) node_connections: f64,
    /// The share of anything that may be in use at the peak; the rest is headroom.
    #[arg(long, default_value_t = 0.6)]
    pub(crate) use_at_most: f64,
    /// Nodes that may fail while all this holds.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) spare: f64,
    /// Seconds in which all may come back after a failure of the network.
    #[arg(long, default_value_t = 120.0)]
    pub(crate) return_in: f64,
    /// Unit costs other than those that are shipped.
    #[arg(long)]
    pub(crate) costs: Option<PathBuf>,
    /// Results of `run --json` (`idle`, and two with talk and rooms of different sizes) instead of shipped costs.
    #[arg(long, value_delimiter = ',')]
    pub(crate) measured: Vec<PathBuf>,
}

/// The lines, as they are added.
struct Sheet(String);

impl Sheet {
    fn title(&mut self, title: &str) {
        self.0.push_str(&format!("\n### {title}\n\n"));
    }

    /// `name = arithmetic = value unit`; gives the value.
    fn line(&mut self, name: &str, arithmetic: &str, value: f64, unit: &str) -> f64 {
        let line = format!("- {name} = {arithmetic} = **{}** {unit}", number(value));
        self.0.push_str(line.trim_end());
        self.0.push('\n');
        value
    }
}

/// Works it out.
pub(crate) fn plan(wish: &Plan) -> Result<String, Failure> {
    check(wish)?;
    let mut costs = Costs::read(wish.costs.as_deref())?;
    let reports = wish.measured.iter().map(|path| Report::read(path));
    costs.take_measured(&reports.collect::<Result<Vec<_>, _>>()?)?;
    let mut sheet = Sheet("## Capacity\n".to_owned());
    let (nodes, redis, mongodb) = work_out(wish, &costs, &mut sheet);
    let mut out = sheet.0;
    out.push_str(&format!("\n### Answer\n\n**{nodes} nodes** of {} cores and {} GiB, **{redis} Redis shards**, **{mongodb} MongoDB shards** (each with its replicas).\n", figure(wish.node_cores), figure(wish.node_memory)));
    out.push_str("\n### Unit costs\n\n| cost | value | unit | from |\n|:--|--:|:--|:--|\n");
    for (name, cost) in costs.list() {
        out.push_str(&format!(
            "| {name} | {} | {} | {} |\n",
            figure(cost.value),
            cost.unit,
            cost.source
        ));
    }
    Ok(out)
}

fn check(wish: &Plan) -> Result<(), Failure> {
    let positive = [
        ("--rate", wish.rate),
        ("--members", wish.members.unwrap_or(1.0)),
        ("--rooms-per-user", wish.rooms_per_user),
        ("--bytes", wish.bytes),
        ("--node-cores", wish.node_cores),
        ("--node-memory", wish.node_memory),
        ("--node-connections", wish.node_connections),
        ("--return-in", wish.return_in),
    ];
    if let Some((flag, value)) = positive
        .into_iter()
        .find(|(_, value)| !(value.is_finite() && *value > 0.0))
    {
        return Err(Failure(format!("`{flag}` must be above 0, not {value}")));
    }
    if !(0.05..=1.0).contains(&wish.use_at_most) {
        return Err(Failure(format!(
            "`--use-at-most` must be in 0.05..=1, not {}",
            wish.use_at_most
        )));
    }
    if !(0.0..=1_000.0).contains(&wish.spare) {
        return Err(Failure(format!(
            "`--spare` must be in 0..=1000, not {}",
            wish.spare
        )));
    }
    Ok(())
}

fn work_out(wish: &Plan, costs: &Costs, sheet: &mut Sheet) -> (f64, f64, f64) {
    let (users, rate, most) = (wish.users as f64, wish.rate, wish.use_at_most);
    sheet.title("What happens in a second");
    let members = match wish.members {
        Some(members) => sheet.line("members who hear a message", "as asked for", members, ""),
        None => {
            let rooms = wish.rooms as f64;
            let arithmetic = format!(
                "{} users × {} rooms each ÷ {} rooms",
                number(users),
                number(wish.rooms_per_user),
                number(rooms)
            );
            sheet.line(
                "members who hear a message",
                &arithmetic,
                (users * wish.rooms_per_user / rooms).clamp(1.0, users),
                "",
            )
        }
    };
    let deliveries = sheet.line(
        "deliveries",
        &format!("{} messages × {} members", number(rate), number(members)),
        rate * members,
        "1/s",
    );
    let returns = sheet.line(
        "connects when all come back",
        &format!("{} users ÷ {} s", number(users), number(wish.return_in)),
        users / wish.return_in,
        "1/s",
    );

    sheet.title("Nodes");
    let mut cpu = 0.0;
    for (name, count, cost) in [
        ("heartbeats", users, &costs.heartbeat_cpu),
        ("messages", rate, &costs.message_cpu),
        ("deliveries", deliveries, &costs.delivery_cpu),
        ("connects", returns, &costs.connect_cpu),
    ] {
        let arithmetic = format!("{} × {} µs", number(count), figure(cost.value));
        cpu += sheet.line(
            &format!("CPU for {name}"),
            &arithmetic,
            count * cost.value / 1e6,
            "cores",
        );
    }
    // Each node that has members of the room hears of the message; how many depends on how many there are.
    let mut nodes = 1.0;
    let (memory, per_connection) = {
        let each = costs.connection_bytes.value + costs.connection_kernel_bytes.value;
        (users * each / 1_073_741_824.0, each)
    };
    let cores_of = wish.node_cores * most;
    let by = |nodes: f64| {
        let hints = rate * (nodes.min(members) - 1.0).max(0.0) * costs.hint_cpu.value / 1e6;
        let by_cpu = ((cpu + hints) / cores_of).ceil();
        let by_memory = (memory / (wish.node_memory * most)).ceil();
        let by_connections = (users / (wish.node_connections * most)).ceil();
        (hints, by_cpu, by_memory, by_connections)
    };
    // It grows only, and hints stop growing at one for every member.
    for _ in 0..64 {
        let (_, by_cpu, by_memory, by_connections) = by(nodes);
        let next = by_cpu.max(by_memory).max(by_connections).max(1.0);
        if next <= nodes {
            break;
        }
        nodes = next;
    }
    let (hints, by_cpu, by_memory, by_connections) = by(nodes);
    let arithmetic = format!(
        "{} messages × {} other nodes × {} µs",
        number(rate),
        number((nodes.min(members) - 1.0).max(0.0)),
        figure(costs.hint_cpu.value)
    );
    sheet.line("CPU for hints between nodes", &arithmetic, hints, "cores");
    let arithmetic = format!(
        "{} cores ÷ ({} cores × {most})",
        figure(cpu + hints),
        figure(wish.node_cores)
    );
    sheet.line("nodes by CPU", &arithmetic, by_cpu, "");
    sheet.line(
        "memory of connections",
        &format!("{} × {} bytes", number(users), number(per_connection)),
        memory,
        "GiB",
    );
    sheet.line(
        "nodes by memory",
        &format!(
            "{} GiB ÷ ({} GiB × {most})",
            figure(memory),
            figure(wish.node_memory)
        ),
        by_memory,
        "",
    );
    let arithmetic = format!(
        "{} users ÷ ({} × {most})",
        number(users),
        number(wish.node_connections)
    );
    sheet.line("nodes by connections", &arithmetic, by_connections, "");
    let all = sheet.line(
        "nodes",
        &format!(
            "the largest of these, {}, and {} to spare",
            number(nodes),
            number(wish.spare)
        ),
        nodes + wish.spare,
        "",
    );

    sheet.title("Redis");
    let hearers = nodes.min(members).max(1.0);
    let (publish, receive) = (costs.redis_publish_cpu.value, costs.redis_receive_cpu.value);
    let arithmetic = format!(
        "{} messages × ({} µs + {} nodes × {} µs)",
        number(rate),
        figure(publish),
        number(hearers),
        figure(receive)
    );
    let used = sheet.line(
        "CPU",
        &arithmetic,
        rate * (publish + hearers * receive) / 1e6,
        "cores",
    );
    let redis = sheet.line(
        "shards",
        &format!("{} cores ÷ (1 core × {most})", figure(used)),
        (used / most).ceil().max(1.0),
        "",
    );

    sheet.title("MongoDB");
    let appends = costs.mongodb_appends.value;
    let arithmetic = format!(
        "{} messages ÷ ({} appends × {most})",
        number(rate),
        number(appends)
    );
    let mongodb = sheet.line(
        "shards",
        &arithmetic,
        (rate / (appends * most)).ceil().max(1.0),
        "",
    );
    let each = costs.stored_bytes.value + wish.bytes;
    sheet.line(
        "log at this rate all day",
        &format!("{} × 86,400 s × {} bytes", number(rate), number(each)),
        rate * 86_400.0 * each / 1e9,
        "GB a day and replica",
    );

    sheet.title("Bandwidth");
    let frame = costs.frame_bytes.value + wish.bytes;
    let out = sheet.line(
        "to the clients",
        &format!(
            "{} deliveries × {} bytes × 8",
            number(deliveries),
            number(frame)
        ),
        deliveries * frame * 8.0 / 1e6,
        "Mbit/s",
    );
    sheet.line(
        "a node",
        &format!("{} Mbit/s ÷ {} nodes", figure(out), number(nodes)),
        out / nodes,
        "Mbit/s",
    );
    let arithmetic = format!(
        "{} × (1 + {} nodes) × {} bytes × 8",
        number(rate),
        number(hearers),
        number(frame)
    );
    sheet.line(
        "through Redis",
        &arithmetic,
        rate * (1.0 + hearers) * frame * 8.0 / 1e6,
        "Mbit/s",
    );
    (all, redis, mongodb)
}

/// As [`figure`], with thousands set apart.
fn number(value: f64) -> String {
    crate::html::thousands(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        plan: Plan,
    }

    fn told(flags: &str) -> Result<String, String> {
        let flags = format!("x {flags}");
        plan(
            &Only::try_parse_from(flags.split(' '))
                .map_err(|error| error.to_string())?
                .plan,
        )
        .map_err(|Failure(why)| why)
    }

    #[test]
    fn every_line_shows_its_arithmetic_and_the_answer_follows_from_it() {
        let told = told("--users 100000 --rooms 100000 --rate 2000 --members 10").unwrap();
        for line in [
            "deliveries = 2,000 messages × 10 members = **20,000** 1/s",
            "CPU for deliveries = 20,000 × 7.30 µs = **0.15** cores",
            "CPU for messages = 2,000 × 430 µs = **0.86** cores",
            // 0.065 + 0.86 + 0.146 + 0.092, and a hint to one other node: 0.06
            "nodes by CPU = 1.22 cores ÷ (2 cores × 0.6) = **2**",
            "nodes by connections = 100,000 users ÷ (100,000 × 0.6) = **2**",
            "nodes = the largest of these, 2, and 1 to spare = **3**",
            "shards = 2,000 messages ÷ (4,000 appends × 0.6) = **1**",
            "to the clients = 20,000 deliveries × 605 bytes × 8 = **96.80** Mbit/s",
            "**3 nodes** of 2 cores",
        ] {
            assert!(told.contains(line), "{line}\nis not in\n{told}");
        }
    }

    #[test]
    fn twice_the_load_never_needs_fewer_of_anything() {
        let answer = |rate: u32| {
            let told = told(&format!("--users 50000 --rooms 5000 --rate {rate}")).unwrap();
            let counts = told.split("**").filter_map(|part| {
                part.split_once(" nodes")
                    .or(part.split_once(" Redis"))?
                    .0
                    .parse::<u32>()
                    .ok()
            });
            counts.collect::<Vec<_>>()
        };
        let (less, more) = (answer(5_000), answer(10_000));
        assert!(
            less.len() == 2 && less.iter().zip(&more).all(|(less, more)| less <= more),
            "{less:?} {more:?}"
        );
    }

    #[test]
    fn a_wish_out_of_bounds_is_refused_by_its_flag() {
        assert!(told("--users 10 --rooms 1 --rate -1").is_err());
        assert!(
            told("--users 10 --rooms 1 --rate 0")
                .unwrap_err()
                .contains("--rate")
        );
        assert!(
            told("--users 10 --rooms 1 --rate 1 --use-at-most 2")
                .unwrap_err()
                .contains("--use-at-most")
        );
    }
}
