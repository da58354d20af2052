//! Lines in a frame, as inline SVG: axes that fit, ticks on round values, a legend. Knows no benchmark.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// A decade as long as the next; what is not above 0 lies at the start.
    Log,
    /// Shares from 0 to 1, with as much room for the last hundredth as for the last tenth.
    Tail,
}

/// What is drawn.
pub(super) struct Plot {
    /// Unit and scale.
    pub(super) x: (&'static str, Scale),
    /// Unit and scale.
    pub(super) y: (&'static str, Scale),
    /// Empty ones are left out.
    pub(super) lines: Vec<Line>,
}

/// One line.
pub(super) struct Line {
    /// In the legend.
    pub(super) name: String,
    /// Which of the page's colours.
    pub(super) colour: usize,
    /// From left to right.
    pub(super) points: Vec<(f64, f64)>,
}

const COLOURS: usize = 6;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
/// Room for ticks and units: left, right, top, bottom.
const ROOM: (f64, f64, f64, f64) = (78.0, 26.0, 12.0, 44.0);

/// An axis with its ends, in its own coordinates.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let most = values.clone().fold(f64::MIN, f64::max);
        let least = values.clone().fold(f64::MAX, f64::min);
        match scale {
            Scale::Linear => {
                let step = step((most.max(0.0) - least.min(0.0)).max(1e-9) / 5.0);
                let (first, last) = ((least.min(0.0) / step).floor() as i64, (most.max(0.0) / step).ceil() as i64);
                let ticks: Vec<f64> = (first..=last.max(first + 1)).map(|at| at as f64 * step).collect();
                Self { scale, low: ticks[0], high: ticks[ticks.len() - 1], ticks }
            }
            Scale::Log => {
                let positive = values.filter(|value| *value > 0.0).fold(f64::MAX, f64::min);
                let least = if positive < f64::MAX { positive.max(0.1) } else { 1.0 };
                let (low, high) = (least.log10().floor(), most.max(1.0).log10().ceil());
                let decades = |times: &'static [f64]| {
                    let powers = (low as i32..=high.max(low + 1.0) as i32).map(|at| 10f64.powi(at));
                    powers.flat_map(|power| times.iter().map(move |time| power * time)).collect::<Vec<f64>>()
                };
                // less than two decades are divided more finely, and end where the values do
                let mut ticks = decades(if most / least < 50.0 { &[1.0, 2.0, 5.0] } else { &[1.0] });
                let last = ticks.iter().position(|tick| *tick >= most).unwrap_or(ticks.len() - 1);
                ticks.truncate(last.max(1) + 1);
                let first = ticks.iter().rposition(|tick| *tick <= least).unwrap_or(0);
                ticks.drain(..first.min(ticks.len() - 2));
                Self { scale, low: ticks[0].log10(), high: ticks[ticks.len() - 1].log10(), ticks }
            }
            Scale::Tail => Self { scale, low: 0.0, high: 4.0, ticks: vec![0.5, 0.9, 0.99, 0.999, 0.9999] },
        }
    }

    /// Where a value lies, from 0 to 1.
    fn at(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
            Scale::Tail => -(1.0 - value).max(1e-4).log10(),
        };
        ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn label(&self, tick: f64) -> String {
        match self.scale {
            Scale::Tail => format!("{}%", (tick * 1e4).round() / 100.0),
            _ if tick.abs() >= 1e6 => format!("{}M", round(tick / 1e6)),
            _ if tick.abs() >= 1e3 => format!("{}k", round(tick / 1e3)),
            _ => round(tick),
        }
    }
}

fn round(value: f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}

/// 1, 2 or 5 times a power of ten, not less than this.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

impl Plot {
    /// The drawing with its legend; it has at least one point.
    pub(super) fn svg(&self, title: &str) -> Markup {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| !line.points.is_empty()).collect();
        let points = || lines.iter().flat_map(|line| line.points.iter());
        let x = Axis::new(self.x.1, points().map(|point| point.0));
        let y = Axis::new(self.y.1, points().map(|point| point.1));
        let (left, right, top, bottom) = ROOM;
        let across = |value| left + x.at(value) * (WIDTH - left - right);
        let down = |value| HEIGHT - bottom - y.at(value) * (HEIGHT - top - bottom);
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                @for tick in &x.ticks {
                    line.grid x1=(px(across(*tick))) x2=(px(across(*tick))) y1=(px(top)) y2=(px(HEIGHT - bottom)) {}
                    text.tick x=(px(across(*tick))) y=(px(HEIGHT - bottom + 17.0)) text-anchor="middle" { (x.label(*tick)) }
                }
                @for tick in &y.ticks {
                    line.grid x1=(px(left)) x2=(px(WIDTH - right)) y1=(px(down(*tick))) y2=(px(down(*tick))) {}
                    text.tick x=(px(left - 7.0)) y=(px(down(*tick) + 4.0)) text-anchor="end" { (y.label(*tick)) }
                }
                text.unit x=(px(WIDTH - right)) y=(px(HEIGHT - 6.0)) text-anchor="end" { (self.x.0) }
                @if self.y.1 != Scale::Tail { text.unit x=(px(left + 5.0)) y=(px(top + 12.0)) { (self.y.0) } }
                @for line in &lines {
                    path.line.{ "c" (line.colour % COLOURS) } d=(path(&line.points, across, down)) {}
                    @if line.points.len() < 20 { (dots(line, across, down)) }
                }
            }
            ul.legend { @for line in &lines { li.{ "c" (line.colour % COLOURS) } { (line.name) } } }
        }
    }
}

fn path(points: &[(f64, f64)], across: impl Fn(f64) -> f64, down: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{} {}", if at == 0 { "M" } else { "L" }, px(across(*x)), px(down(*y)));
    }
    path
}

fn dots(line: &Line, across: impl Fn(f64) -> f64, down: impl Fn(f64) -> f64) -> Markup {
    let class = format!("dot c{}", line.colour % COLOURS);
    let dots: String = line.points.iter().fold(String::new(), |mut dots, (x, y)| {
        let _ = write!(dots, r#"<circle class="{class}" cx="{}" cy="{}" r="3.5"/>"#, px(across(*x)), px(down(*y)));
        dots
    });
    PreEscaped(dots)
}

fn px(value: f64) -> String {
    format!("{:.1}", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_lie_on_round_values_and_hold_all_points() {
        let axis = Axis::new(Scale::Linear, [3.0, 47.0].into_iter());
        assert_eq!(axis.ticks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        let below = Axis::new(Scale::Linear, [-3.0, 4.0].into_iter());
        assert!(below.low <= -3.0 && below.high >= 4.0 && below.ticks.contains(&0.0));
        let log = Axis::new(Scale::Log, [0.0, 35.0, 4_200.0].into_iter());
        assert_eq!(log.ticks, [10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!((log.at(0.0), log.at(10_000.0)), (0.0, 1.0));
        assert_eq!(Axis::new(Scale::Log, [210.0, 700.0].into_iter()).ticks, [200.0, 500.0, 1_000.0]);
    }

    #[test]
    fn each_nine_of_a_tail_has_the_same_room() {
        let axis = Axis::new(Scale::Tail, [0.0].into_iter());
        assert!((axis.at(0.9) - 0.25).abs() < 1e-9 && (axis.at(0.99) - 0.5).abs() < 1e-9);
        assert_eq!((axis.label(0.999), axis.at(1.0)), ("99.9%".to_owned(), 1.0));
    }

    #[test]
    fn one_value_and_none_above_zero_still_make_an_axis() {
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis::new(scale, [0.0].into_iter());
            assert!(axis.high > axis.low && axis.at(0.0).is_finite(), "{scale:?}");
        }
    }
}
