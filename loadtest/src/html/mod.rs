//! The report as one page: the verdict, what matters in large, plots, every number, and how to get them again.
//! It needs nothing from anywhere: no script, no font, no image.

mod plot;

use plot::{Axis, Line, Plot, escape};

use crate::Failure;
use crate::report::{Report, Series, figure};

const STYLE: &str = include_str!("style.css");

/// Shown in large, when they were measured: the row's name and what it is called there.
const TILES: [(&str, &str); 10] = [
    ("connections", "connections"),
    ("messages acknowledged", "messages a second"),
    ("deliveries", "deliveries a second"),
    ("delivery, p50", "delivery, median"),
    ("delivery, p99", "delivery, p99"),
    ("authenticated connects", "connects a second"),
    ("server: CPU a delivery", "CPU a delivery"),
    ("server: own memory a connection", "own memory a connection"),
    ("nobody misses anything after", "healed after"),
    ("server: CPU", "server CPU"),
];

/// The whole page.
pub(crate) fn page(report: &Report) -> Result<String, Failure> {
    let name = escape(&report.scenario);
    let class = if report.in_order { "good" } else { "bad" };
    let about = escape(&report.plan.about);
    let kind = format!("{:?}", report.kind).to_lowercase();
    let targets = escape(&report.targets.join(", "));
    let plan = escape(&toml::to_string_pretty(&report.plan)?);
    let notes: String = report
        .notes
        .iter()
        .map(|note| format!("<p class=\"note\">{}.</p>", escape(note)))
        .collect();
    let plots: String = plots(report).iter().map(Plot::html).collect();
    let word = if report.in_order {
        "In order"
    } else {
        "Not in order"
    };
    let verdict = verdict(report);
    let (tiles, table, machine, version) = (
        tiles(report),
        table(report),
        escape(&report.machine),
        &report.version,
    );
    Ok(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\"><title>{name}: {word}</title><style>{STYLE}</style></head><body><main>\
<header><h1>{name}</h1><p>{about}</p></header>\
<section class=\"verdict {class}\"><strong>{word}</strong><span>{verdict}</span></section>\
<section class=\"tiles\">{tiles}</section>{notes}\
<section class=\"plots\">{plots}</section>\
<section><h2>Every number</h2><table><thead><tr><th>measured</th><th>value</th><th>unit</th></tr></thead><tbody>{table}</tbody></table></section>\
<section class=\"foot\"><div><h2>Where</h2><dl><dt>kind</dt><dd>{kind}</dd><dt>target</dt><dd>{targets}</dd><dt>generator on</dt><dd>{machine}</dd>\
<dt>chatify-loadtest</dt><dd>{version}</dd></dl><p class=\"note\">Latency runs from the time at which the schedule meant a message to be sent. \
TCP memory is that of the whole machine.</p></div><div><h2>Scenario, as it was run</h2><pre>{plan}</pre></div></section>\
</main></body></html>\n"
    ))
}

fn verdict(report: &Report) -> String {
    if report.in_order {
        let acked = report.value("sends acknowledged in all").unwrap_or(0.0);
        return format!(
            "{} messages acknowledged; nothing was lost, doubled, reordered or left out.",
            figure(acked)
        );
    }
    let found = report.findings.iter().filter(|(_, count)| **count > 0);
    let found: Vec<_> = found
        .map(|(name, count)| format!("{}: {count}", escape(name)))
        .collect();
    found.join(" · ")
}

fn tiles(report: &Report) -> String {
    let known = TILES
        .iter()
        .filter_map(|(row, name)| Some((name, report.values.get(*row)?)));
    known
        .take(8)
        .map(|(name, measured)| {
            let unit = if measured.unit == "1/s" {
                ""
            } else {
                &measured.unit
            };
            format!(
                "<div><b>{}<small> {unit}</small></b><span>{name}</span></div>",
                thousands(measured.value)
            )
        })
        .collect()
}

fn table(report: &Report) -> String {
    let row = |name: &str, value: f64, unit: &str, class: &str| {
        format!(
            "<tr{class}><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            thousands(value),
            escape(unit)
        )
    };
    let mut out: String = report
        .rows()
        .map(|(name, value, unit)| row(name, value, unit, ""))
        .collect();
    for (name, count) in &report.findings {
        let class = if *count > 0 { " class=\"fault\"" } else { "" };
        out.push_str(&row(name, *count as f64, "", class));
    }
    for (code, count) in &report.refused {
        out.push_str(&row(&format!("refused: {code}"), *count as f64, "", ""));
    }
    out
}

fn plots(report: &Report) -> Vec<Plot> {
    let series = &report.series;
    let over_time = |title: &str, unit: &str, lines| Plot {
        title: title.to_owned(),
        unit: unit.to_owned(),
        axis: Axis::Seconds,
        lines,
    };
    let several = |of: &std::collections::BTreeMap<String, Vec<f64>>| {
        of.iter()
            .map(|(label, values)| line(label, series, values))
            .collect()
    };
    let mut all = vec![
        over_time(
            "Delivery latency over time",
            "ms",
            vec![
                broken("p50", series, &series.p50),
                broken("p99", series, &series.p99),
                broken("p99.9", series, &series.p999),
            ],
        ),
        Plot {
            title: "Latency by percentile".to_owned(),
            unit: "ms".to_owned(),
            axis: Axis::Nines,
            lines: report
                .curves
                .iter()
                .map(|(name, curve)| by_nines(name, curve))
                .collect(),
        },
    ];
    if series.deliveries_per_second.iter().any(|rate| *rate > 0.0) {
        all.push(over_time(
            "Deliveries a second",
            "1/s",
            vec![line("deliveries", series, &series.deliveries_per_second)],
        ));
        all.push(over_time(
            "Messages sent a second",
            "1/s",
            vec![line("sends", series, &series.sends_per_second)],
        ));
    }
    all.push(over_time(
        "Connected",
        "people",
        vec![line("connected", series, &series.connected)],
    ));
    all.push(over_time("CPU", "% of a core", several(&series.cpu)));
    all.push(over_time("Resident memory", "MiB", several(&series.rss)));
    all.push(over_time(
        "TCP memory of the machine",
        "MiB",
        vec![line("kernel", series, &series.sockets)],
    ));
    all
}

fn line(name: &str, series: &Series, values: &[f64]) -> Line {
    let values: Vec<_> = values.iter().copied().map(Some).collect();
    broken(name, series, &values)
}

fn broken(name: &str, series: &Series, values: &[Option<f64>]) -> Line {
    Line {
        name: name.to_owned(),
        points: series
            .seconds
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect(),
    }
}

fn by_nines(name: &str, curve: &[(f64, f64)]) -> Line {
    let points = curve.iter().filter(|(quantile, _)| *quantile < 1.0);
    Line {
        name: name.to_owned(),
        points: points
            .map(|(quantile, millis)| (-(1.0 - quantile).log10(), Some(*millis)))
            .collect(),
    }
}

/// 1234567.0 is 1,234,567.
pub(crate) fn thousands(value: f64) -> String {
    let text = figure(value);
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::Faults;
    use crate::report::tests::report;

    #[test]
    fn a_page_is_well_formed_needs_nothing_from_outside_and_says_the_verdict() {
        let mut report = report();
        report.row("deliveries", 1_234_567.0, "1/s");
        report
            .curves
            .insert("ack".into(), vec![(0.0, 1.0), (0.5, 2.0), (1.0, 3.0)]);
        report.series.seconds = vec![-0.5, 0.5];
        report.series.connected = vec![3.0, 4.0];
        report.series.p50 = vec![None, Some(2.0)];
        let faults = Faults {
            lost: 2,
            ..Faults::default()
        };
        report.verdict(faults, 0, 0, BTreeMap::new());
        report.refused.insert("<script>".into(), 1);
        let page = page(&report).unwrap_or_default();
        assert!(
            page.contains("Not in order") && page.contains("lost: 2") && page.contains("1,234,567")
        );
        for outside in ["http://", "https://", "url(", "@import", "<script", "src="] {
            let own = page.matches(outside).count();
            assert_eq!(own, 0, "{outside}");
        }
        assert_balanced(&page);
    }

    /// Every element that is opened is closed, in order.
    fn assert_balanced(page: &str) {
        let mut open: Vec<&str> = Vec::new();
        for tag in page
            .split('<')
            .skip(1)
            .filter_map(|tag| tag.split('>').next())
        {
            let name = tag
                .split([' ', '/'])
                .find(|name| !name.is_empty())
                .unwrap_or_default();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "</{name}>");
            } else if !tag.ends_with('/') && !tag.starts_with('!') && name != "meta" {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [
                thousands(999.0),
                thousands(1_000.0),
                thousands(-1_234_567.0),
                thousands(0.5)
            ],
            ["999", "1,000", "-1,234,567", "0.50"]
        );
    }
}
