//! What one of everything costs: as shipped, from a file of one's own, or from results of runs.

use std::path::Path;

use serde::Deserialize;

use crate::Failure;
use crate::report::Report;

const SHIPPED: &str = include_str!("../../costs.toml");

/// What one thing costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    pub(super) value: f64,
    pub(super) unit: String,
    pub(super) source: String,
}

/// All of them; `costs.toml` says what each is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Costs {
    pub(super) connection_bytes: Cost,
    pub(super) connection_kernel_bytes: Cost,
    pub(super) heartbeat_cpu: Cost,
    pub(super) connect_cpu: Cost,
    pub(super) message_cpu: Cost,
    pub(super) delivery_cpu: Cost,
    pub(super) hint_cpu: Cost,
    pub(super) redis_publish_cpu: Cost,
    pub(super) redis_receive_cpu: Cost,
    pub(super) mongodb_appends: Cost,
    pub(super) stored_bytes: Cost,
    pub(super) frame_bytes: Cost,
}

impl Costs {
    /// Those of a file, or those that are shipped.
    pub(super) fn read(path: Option<&Path>) -> Result<Costs, Failure> {
        let Some(path) = path else {
            return Ok(toml::from_str(SHIPPED)?);
        };
        let wrong = |why: String| Failure(format!("{} (`--costs`): {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))
    }

    /// Takes over what results of runs say; `server` is the label they are read by, or `all`.
    pub(super) fn take_measured(&mut self, reports: &[Report]) -> Result<(), Failure> {
        let set = |cost: &mut Cost, value: f64, report: &Report| {
            cost.value = value;
            cost.source = format!(
                "measured: {} at {}",
                report.scenario,
                report.targets.join(", ")
            );
        };
        let value = |report: &Report, name: &str| {
            ["all", "server"]
                .iter()
                .find_map(|label| report.value(&format!("{label}: {name}")))
        };
        let mut talks = Vec::new();
        for report in reports {
            if !report.in_order {
                return Err(Failure(format!(
                    "`--measured`: the run of `{}` was not in order",
                    report.scenario
                )));
            }
            if let Some(micros) = value(report, "CPU a connect") {
                set(&mut self.connect_cpu, micros, report);
            }
            if let Some(bytes) = value(report, "RSS a connection") {
                set(&mut self.connection_bytes, bytes, report);
                let share = value(report, "CPU").zip(report.value("connections"));
                if let Some((percent, connections)) = share {
                    set(
                        &mut self.heartbeat_cpu,
                        percent * 1e4 / connections.max(1.0),
                        report,
                    );
                }
            }
            let rates = report
                .value("deliveries")
                .zip(report.value("messages acknowledged"));
            if let (Some(micros), Some((deliveries, messages))) =
                (value(report, "CPU a message"), rates)
            {
                talks.push((deliveries / messages.max(1e-9), micros, report));
            }
            if let Some(bytes) = report.value("received: bytes a delivery") {
                let text = report
                    .plan
                    .talk
                    .as_ref()
                    .map_or(0.0, |talk| talk.bytes.into());
                set(&mut self.frame_bytes, bytes - text, report);
            }
        }
        talks.sort_by(|a, b| a.0.total_cmp(&b.0));
        match (talks.first(), talks.last()) {
            (Some((small, less, _)), Some((large, more, report))) if large > &(small * 2.0) => {
                let delivery = (more - less) / (large - small);
                set(&mut self.delivery_cpu, delivery.max(0.0), report);
                set(&mut self.message_cpu, (less - small * delivery).max(0.0), report);
                Ok(())
            }
            (None, _) => Ok(()),
            _ => Err(Failure("`--measured`: message and delivery are told apart by two runs with talk, one with rooms at least twice as large".to_owned())),
        }
    }

    /// Each with its name.
    pub(super) fn list(&self) -> [(&'static str, &Cost); 12] {
        [
            ("connection-bytes", &self.connection_bytes),
            ("connection-kernel-bytes", &self.connection_kernel_bytes),
            ("heartbeat-cpu", &self.heartbeat_cpu),
            ("connect-cpu", &self.connect_cpu),
            ("message-cpu", &self.message_cpu),
            ("delivery-cpu", &self.delivery_cpu),
            ("hint-cpu", &self.hint_cpu),
            ("redis-publish-cpu", &self.redis_publish_cpu),
            ("redis-receive-cpu", &self.redis_receive_cpu),
            ("mongodb-appends", &self.mongodb_appends),
            ("stored-bytes", &self.stored_bytes),
            ("frame-bytes", &self.frame_bytes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_measured_runs_tell_message_and_delivery_apart() {
        let talk = |fan_out: f64, micros: f64| {
            let mut report = crate::report::tests::report();
            report.row("deliveries", 100.0 * fan_out, "1/s");
            report.row("messages acknowledged", 100.0, "1/s");
            report.row("server: CPU a message", micros, "µs");
            report
        };
        let mut costs = Costs::read(None).unwrap_or_else(|Failure(why)| panic!("{why}"));
        let result = costs.take_measured(&[talk(1_000.0, 5_100.0), talk(10.0, 150.0)]);
        assert!(result.is_ok());
        assert!(
            (costs.delivery_cpu.value - 5.0).abs() < 1e-9
                && (costs.message_cpu.value - 100.0).abs() < 1e-9
        );
        assert!(costs.take_measured(&[talk(10.0, 1.0)]).is_err());
    }
}
