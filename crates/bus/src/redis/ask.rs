//! Many questions about many names: sorted by server, each server asked with few writes, all within one deadline.
//! A server that says that another one owns the name, or that it does not know a script, is asked again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, ServerError, Value};

use crate::redis::fleet::{Fleet, Station};
use crate::redis::{map, scripts};
use crate::seal::Name;

/// How long everything may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// Questions of one write.
const BATCH_MAX: usize = 1_000;
/// The pause before servers that were not ready are asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// One question about one name.
pub(crate) struct Question {
    pub(crate) name: Name,
    pub(crate) command: Cmd,
}

/// The answers in the order of the questions, or why one of them could not be had.
pub(crate) async fn ask(fleet: &Arc<Fleet>, questions: &[Question]) -> Result<Vec<Value>, String> {
    let mut answers = vec![Value::Nil; questions.len()];
    match tokio::time::timeout(DEADLINE, ask_until(fleet, questions, &mut answers)).await {
        Ok(()) => Ok(answers),
        Err(_) => {
            let trouble = fleet.trouble().map(|trouble| format!("; {trouble}"));
            let seconds = DEADLINE.as_secs();
            let trouble = trouble.unwrap_or_default();
            Err(format!("no answer within {seconds} s{trouble}"))
        }
    }
}

async fn ask_until(fleet: &Arc<Fleet>, questions: &[Question], answers: &mut [Value]) {
    let mut open: Vec<usize> = (0..questions.len()).collect();
    loop {
        let layout = fleet.layout();
        let mut by_station: BTreeMap<u32, (Arc<Station>, Vec<usize>)> = BTreeMap::new();
        let mut still = Vec::new();
        for index in open {
            match layout.owner(&questions[index].name) {
                Some(station) => {
                    let entry = by_station.entry(station.id);
                    let (_, indexes) = entry.or_insert_with(|| (Arc::clone(station), Vec::new()));
                    indexes.push(index);
                }
                None => still.push(index),
            }
        }
        let stations = by_station.into_values();
        let asked = stations.map(|(station, indexes)| ask_one(fleet, station, questions, indexes));
        for (index, answer) in join_all(asked).await.into_iter().flatten() {
            match answer {
                Some(answer) => answers[index] = answer,
                None => still.push(index),
            }
        }
        if still.is_empty() {
            return;
        }
        fleet.doubt.notify_one();
        tokio::time::sleep(AGAIN).await;
        open = still;
    }
}

/// Asks one server; no answer means: ask again.
async fn ask_one(
    fleet: &Arc<Fleet>,
    station: Arc<Station>,
    questions: &[Question],
    indexes: Vec<usize>,
) -> Vec<(usize, Option<Value>)> {
    let mut all = Vec::with_capacity(indexes.len());
    let mut line = station.line.soon().await;
    for batch in indexes.chunks(BATCH_MAX) {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        for index in batch {
            pipeline.add_command(questions[*index].command.clone());
        }
        let answers = match &mut line {
            Some(line) => line.send_packed_commands(&pipeline, 0, batch.len()).await,
            None => Ok(Vec::new()),
        };
        let mut answers = answers.unwrap_or_default().into_iter();
        let mut unknown_script = false;
        for index in batch {
            let answer = match answers.next() {
                Some(Value::ServerError(error)) => {
                    unknown_script |= error.code() == "NOSCRIPT";
                    note(fleet, &station, &error);
                    None
                }
                answer => answer,
            };
            all.push((*index, answer));
        }
        if unknown_script
            && let Some(line) = &mut line
            && let Err(error) = scripts::load(line).await
        {
            tracing::debug!(%error, "scripts were not loaded; asked again");
        }
    }
    all
}

/// Learns from a refusal.
pub(crate) fn note(fleet: &Arc<Fleet>, station: &Station, error: &ServerError) {
    let moved = (error.code() == "MOVED")
        .then(|| map::read_moved(error.details()?, &station.server))
        .flatten();
    match moved {
        Some((slot, server)) => fleet.moved(slot, &server),
        None if error.code() == "NOSCRIPT" => {}
        None => tracing::debug!(server = station.server, %error, "Redis refused a question"),
    }
}
