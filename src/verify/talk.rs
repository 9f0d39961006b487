//! The run itself: everybody connects, writers talk by a schedule, something may break, all is given its time to heal,
//! and the history is judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use client::{Audit, Endpoint, Fault, Member, Recorder, Road, Standing, Tempo};
use history::{Bounds, Event};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::ids::RoomId;
use protocol::message::Seq;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};

use super::canaries::Canaries;
use super::faults;
use super::plan::Plan;
use super::report::{Broken, Report, Run};

/// How long everybody may take to be let in.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// How often the logs are read on.
const AUDIT_PERIOD: Duration = Duration::from_secs(1);

/// Lets them talk.
pub(crate) async fn talk(
    plan: &Plan,
    endpoints: &[Endpoint],
    canaries: &Canaries,
) -> Result<Report, Fault> {
    let doomed = plan
        .faults
        .map(|_| faults::draw_node(&plan.endpoints))
        .transpose()?;
    let bounds = Bounds {
        delivery_millis: plan.within,
    };
    let recorder = Arc::new(Recorder::new(bounds, plan.out.as_deref())?);
    let members = connect(plan, endpoints, canaries, &recorder).await?;
    let reader = canaries.people()[0].token.clone();
    let mut audit = Audit::new(endpoints, reader, canaries.rooms(), Arc::clone(&recorder));

    let start = Instant::now();
    let until = start + Duration::from_secs(plan.seconds);
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = write(plan, &members, canaries, (start, until, Arc::clone(&over)));
    let fault = doomed.map(|node| break_at(start + Duration::from_secs(plan.seconds) / 3, node));
    attend(until, &over, &mut audit).await;
    let broken = match fault {
        Some(fault) => Some(joined(fault).await?),
        None => None,
    };

    let healed_by = Instant::now() + Duration::from_secs(plan.patience);
    let bar = progress(0, "settle");
    let mut unanswered = writers.len();
    while let Ok(Some(_)) = timeout_at(healed_by, writers.join_next()).await {
        unanswered -= 1;
    }
    writers.abort_all();
    let unread = read_to_end(&mut audit, healed_by).await;
    let absent = absent(&members, audit.heads(), healed_by).await;
    bar.finish_and_clear();
    recorder.observe(Event::Settled);
    let (verdict, figures) = recorder.finish()?;
    Ok(Report::new(
        Run {
            addresses: endpoints.len(),
            people: members.len(),
            rooms: canaries.rooms().count(),
            seconds: start.elapsed().as_secs_f64(),
            unanswered,
            absent,
            unread,
            broken,
            history: plan.out.clone(),
        },
        verdict,
        figures,
    ))
}

async fn connect(
    plan: &Plan,
    endpoints: &[Endpoint],
    canaries: &Canaries,
    recorder: &Arc<Recorder>,
) -> Result<Vec<Arc<Member>>, Fault> {
    let rooms = Arc::new(canaries.rooms().collect());
    let start = |(index, person): (usize, &client::Identity)| {
        let road = Road {
            endpoints: plan.road(index, endpoints),
            way: plan.way(index),
            tempo: Tempo::default(),
        };
        let member = Member::start(
            person.clone(),
            road,
            Arc::clone(&rooms),
            Arc::clone(recorder),
        );
        Arc::new(member)
    };
    let members: Vec<_> = canaries.people().iter().enumerate().map(start).collect();
    let deadline = Instant::now() + CONNECT_MAX;
    for (index, member) in members.iter().enumerate() {
        let refused = match timeout_at(deadline, member.settled()).await {
            Ok(Standing::Ready) => continue,
            Ok(Standing::Refused(code)) => code,
            Ok(Standing::Connecting) | Err(_) => "no answer in time".to_owned(),
        };
        let (road, way) = (plan.road(index, endpoints), plan.way(index));
        return Err(Fault(format!(
            "nobody is let in at {} by {way:?}: {refused}",
            road[0]
        )));
    }
    Ok(members)
}

/// One task for each writer and room; each ends when its last message is acknowledged.
fn write(
    plan: &Plan,
    members: &[Arc<Member>],
    canaries: &Canaries,
    (start, until, over): (Instant, Instant, Arc<AtomicBool>),
) -> JoinSet<()> {
    let rooms: Vec<RoomId> = canaries.rooms().collect();
    let lanes = plan.writers() * rooms.len();
    let between = Duration::from_secs_f64(lanes as f64 / plan.rate);
    let mut writers = JoinSet::new();
    for (index, member) in members.iter().take(plan.writers()).enumerate() {
        for (number, room) in rooms.iter().copied().enumerate() {
            let (member, over) = (Arc::clone(member), Arc::clone(&over));
            let lane = index * rooms.len() + number;
            let first = start + between.mul_f64(lane as f64 / lanes as f64);
            writers.spawn(async move {
                let mut ticks = interval_at(first, between);
                // After an outage at the old pace: a burst would only meet the rate limits.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for count in 1_u64.. {
                    if ticks.tick().await >= until || over.load(Relaxed) {
                        return;
                    }
                    // A refusal is counted by the recorder; the next message is another one.
                    drop(member.send(room, format!("canary {lane} {count}")).await);
                }
            });
        }
    }
    writers
}

/// Reads the logs on until then, with a bar; an interrupt ends the talk early, and what was said is judged and removed.
async fn attend(until: Instant, over: &AtomicBool, audit: &mut Audit) {
    let total = until.saturating_duration_since(Instant::now()).as_secs();
    let bar = progress(total, "talk");
    while Instant::now() < until {
        // A round that fails is made up for by the next one: the log only must not run away.
        let pause = match timeout(AUDIT_PERIOD * 5, audit.round()).await {
            Ok(Ok(())) => AUDIT_PERIOD,
            _ => AUDIT_PERIOD / 10,
        };
        let left = until.saturating_duration_since(Instant::now());
        bar.set_position(total - left.as_secs().min(total));
        tokio::select! {
            () = sleep(left.min(pause)) => {}
            _ = tokio::signal::ctrl_c() => {
                over.store(true, Relaxed);
                break;
            }
        }
    }
    bar.finish_and_clear();
}

/// Why the logs could not be read to their ends in time, if so.
async fn read_to_end(audit: &mut Audit, deadline: Instant) -> Option<String> {
    loop {
        let why = match timeout_at(deadline, audit.round()).await {
            Ok(Ok(())) => return None,
            Ok(Err(fault)) => fault.0,
            Err(_) => return Some("no answer in time".to_owned()),
        };
        if Instant::now() >= deadline {
            return Some(why);
        }
        sleep(AUDIT_PERIOD / 10).await;
    }
}

/// How many are not connected in the end. Those who are have had their time to take everything in.
async fn absent(
    members: &[Arc<Member>],
    heads: &BTreeMap<RoomId, Seq>,
    deadline: Instant,
) -> usize {
    let mut absent = 0;
    for member in members {
        // Late or not: what a connection lacks is said by the checker.
        drop(timeout_at(deadline, member.reaches(heads)).await);
        let ready = timeout_at(deadline, member.settled()).await;
        absent += usize::from(ready != Ok(Standing::Ready));
    }
    absent
}

fn break_at(at: Instant, node: String) -> JoinSet<Result<Broken, Fault>> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        tokio::time::sleep_until(at).await;
        let began = Instant::now();
        let name = node.clone();
        tokio::task::spawn_blocking(move || faults::restart(&name))
            .await
            .map_err(|error| Fault(error.to_string()))??;
        Ok(Broken {
            what: format!("{node} restarted"),
            seconds: began.elapsed().as_secs_f64(),
        })
    });
    task
}

async fn joined(mut fault: JoinSet<Result<Broken, Fault>>) -> Result<Broken, Fault> {
    match fault.join_next().await {
        Some(Ok(told)) => told,
        _ => Err(Fault("the fault ended without a word".into())),
    }
}

/// A bar on the terminal; nothing when there is none.
fn progress(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    match ProgressStyle::with_template("{msg:8} {wide_bar} {human_pos}/{human_len} s") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
