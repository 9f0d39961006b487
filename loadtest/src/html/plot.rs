//! Line plots as SVG: axes with round numbers, lines that break where nothing was measured, and a word under the pointer
//! for every slot. Colours are classes of the page's style, so that a dark page is dark here too.

use crate::report::figure;

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

/// A named line; `None` breaks it.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, Option<f64>)>,
}

/// What lies along the horizontal axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Seconds; what is before 0 is the warm-up.
    Seconds,
    /// Nines: x is −log₁₀(1 − quantile).
    Nines,
}

/// A plot.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) axis: Axis,
    pub(crate) lines: Vec<Line>,
}

impl Plot {
    /// A figure of HTML; nothing when there is nothing to draw.
    pub(crate) fn html(&self) -> String {
        let known = || {
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .filter_map(|(x, y)| Some((*x, (*y)?)))
        };
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        // All plots over time have one axis, also where nothing was measured before.
        let all = self.lines.iter().flat_map(|line| &line.points);
        all.for_each(|(x, _)| (low, high) = (low.min(*x), high.max(*x)));
        let top = known().map(|(_, y)| y).fold(0.0, f64::max);
        if known().next().is_none() {
            return String::new();
        }
        if high - low < 1e-9 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let steps = steps(0.0, if top > 0.0 { top * 1.02 } else { 1.0 }, 5);
        let ceiling = steps.last().copied().unwrap_or(1.0);
        let x = |at: f64| LEFT + (at - low) / (high - low) * (WIDTH - LEFT - RIGHT);
        let y = |at: f64| HEIGHT - BOTTOM - at / ceiling * (HEIGHT - TOP - BOTTOM);
        let (floor, right) = (y(0.0), WIDTH - RIGHT);
        let mut out = format!(
            "<figure><figcaption>{}<span class=\"unit\">{}</span></figcaption>",
            escape(&self.title),
            escape(&self.unit)
        );
        if self.lines.len() > 1 {
            out.push_str("<ul class=\"legend\">");
            for (index, line) in self.lines.iter().enumerate() {
                out.push_str(&format!(
                    "<li><i class=\"c{index}\"></i>{}</li>",
                    escape(&line.name)
                ));
            }
            out.push_str("</ul>");
        }
        out.push_str(&format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.title)
        ));
        if self.axis == Axis::Seconds && low < 0.0 {
            let width = x(0.0_f64.min(high)) - LEFT;
            out.push_str(&format!("<rect class=\"before\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"/>", floor - TOP));
            if width > 60.0 {
                out.push_str(&format!(
                    "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">before</text>",
                    LEFT + 6.0,
                    TOP + 14.0
                ));
            }
        }
        for step in &steps {
            let at = y(*step);
            out.push_str(&format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ));
            out.push_str(&format!(
                "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                short(*step)
            ));
        }
        for (at, label) in self.marks(low, high) {
            let anchor = if x(at) > right - 24.0 {
                "end"
            } else {
                "middle"
            };
            let (at, bottom) = (x(at).min(right), HEIGHT - 12.0);
            out.push_str(&format!(
                "<text class=\"tick {anchor}\" x=\"{at:.1}\" y=\"{bottom:.1}\">{label}</text>"
            ));
        }
        for (index, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            let mut pen = 'M';
            for (at, value) in &line.points {
                match value {
                    Some(value) => {
                        path.push_str(&format!("{pen}{:.1} {:.1}", x(*at), y(*value)));
                        pen = 'L';
                    }
                    None => pen = 'M',
                }
            }
            out.push_str(&format!("<path class=\"l{index}\" d=\"{path}\"/>"));
        }
        out.push_str(&self.words(&x));
        out + "</svg></figure>"
    }

    /// Invisible strips that show the numbers of a slot under the pointer.
    fn words(&self, x: &dyn Fn(f64) -> f64) -> String {
        let points = self
            .lines
            .iter()
            .map(|line| line.points.len())
            .max()
            .unwrap_or(0);
        let width = ((WIDTH - LEFT - RIGHT) / points.max(1) as f64).max(2.0);
        let mut out = String::new();
        for index in 0..points {
            let Some((at, _)) = self.lines.iter().find_map(|line| line.points.get(index)) else {
                continue;
            };
            let mut words = self.name(*at);
            for line in &self.lines {
                if let Some((_, Some(value))) = line.points.get(index) {
                    words.push_str(&format!(
                        "\n{}: {} {}",
                        line.name,
                        figure(*value),
                        self.unit
                    ));
                }
            }
            out.push_str(&format!(
                "<rect class=\"hit\" x=\"{:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                x(*at) - width / 2.0,
                HEIGHT - TOP - BOTTOM,
                escape(&words)
            ));
        }
        out
    }

    fn name(&self, at: f64) -> String {
        match self.axis {
            Axis::Seconds => format!("{at:.1} s"),
            Axis::Nines => format!("{:.4} %", (1.0 - 10_f64.powf(-at)) * 100.0),
        }
    }

    fn marks(&self, low: f64, high: f64) -> Vec<(f64, String)> {
        match self.axis {
            Axis::Seconds => {
                let all = steps(low, high, 7)
                    .into_iter()
                    .filter(|at| (low..=high).contains(at));
                all.map(|at| (at, format!("{} s", short(at)))).collect()
            }
            Axis::Nines => {
                let all = [
                    (0.0, "0"),
                    (std::f64::consts::LOG10_2, "50 %"),
                    (1.0, "90 %"),
                    (2.0, "99 %"),
                    (3.0, "99.9 %"),
                    (4.0, "99.99 %"),
                    (5.0, "99.999 %"),
                ];
                let all = all
                    .into_iter()
                    .filter(|(at, _)| (low..=high + 1e-9).contains(at));
                all.map(|(at, label)| (at, label.to_owned())).collect()
            }
        }
    }
}

/// Round numbers from at or below `low` to at or above `high`, about `count` of them.
pub(crate) fn steps(low: f64, high: f64, count: usize) -> Vec<f64> {
    let raw = ((high - low) / count as f64).max(1e-9);
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(power * 10.0);
    let first = (low / step).floor() as i64;
    let last = (high / step - 1e-9).ceil() as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

/// A number for an axis: 1500 is 1.5k.
fn short(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        large if large >= 1e6 => (value / 1e6, "M"),
        large if large >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{suffix}", if text == "-0" { "0" } else { text })
}

/// Text inside of HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers_that_hold_everything() {
        assert_eq!(steps(0.0, 97.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(
            steps(-5.0, 30.0, 7),
            [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
        );
        assert_eq!(
            (short(1_500.0), short(0.25), short(-0.0)),
            ("1.5k".into(), "0.25".into(), "0".into())
        );
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let plot = Plot {
            title: "a <b>".into(),
            unit: "ms".into(),
            axis: Axis::Seconds,
            lines: vec![Line {
                name: "p50".into(),
                points: vec![
                    (0.0, Some(1.0)),
                    (1.0, None),
                    (2.0, Some(2.0)),
                    (3.0, Some(1.0)),
                ],
            }],
        };
        let html = plot.html();
        assert_eq!(html.matches('M').count(), 2, "{html}");
        assert!(html.contains("a &lt;b&gt;"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let plot = Plot {
            title: String::new(),
            unit: String::new(),
            axis: Axis::Nines,
            lines: Vec::new(),
        };
        assert_eq!(plot.html(), "");
    }
}
