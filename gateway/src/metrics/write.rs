//! The exposition as text: Prometheus 0.0.4, or OpenMetrics 1.0 with exemplars for those who accept it.

use std::fmt::Write;

use super::bounds;
use super::family::{Family, Kind};
use super::table::Row;
use super::value::{Count, Distribution, Exemplar};

/// How the exposition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The better one of those that an `Accept` names; Prometheus where it names none.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let of = |range: &str| {
                let mut parts = range.split(';').map(str::trim);
                let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
                let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
                named.then(|| quality.unwrap_or(1.0))
            };
            accept.split(',').filter_map(of).fold(0.0, f32::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The content type of an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes families one after the other.
#[derive(Debug)]
pub struct Text {
    out: String,
    format: Format,
}

impl Text {
    /// An empty one.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { out: String::with_capacity(16 * 1024), format }
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    /// A family of single values; `labels` may be empty.
    pub fn values<L: AsRef<str>, N: std::fmt::Display>(
        &mut self,
        family: &Family,
        rows: impl IntoIterator<Item = (L, N)>,
    ) {
        self.head(family);
        let suffix = suffix(family);
        for (labels, value) in rows {
            self.sample(family, suffix, labels.as_ref(), value, None);
        }
    }

    /// A family of counters, several a row where each has a label of its own; those at 0 are left out.
    pub fn counts<V>(&mut self, family: &Family, rows: &[Row<V>], each: impl Fn(&V) -> Vec<(&'static str, &Count)>) {
        self.head(family);
        for row in rows {
            for (label, count) in each(&row.value).into_iter().filter(|(_, count)| count.sum > 0) {
                self.sample(family, "_total", &joined(label, &row.labels), count.sum, count.exemplar);
            }
        }
    }

    /// A family of histograms, several a row where each has a label of its own; those without an observation are left out.
    pub fn distributions<V>(
        &mut self,
        family: &Family,
        rows: &[Row<V>],
        each: impl Fn(&V) -> Vec<(&'static str, &Distribution)>,
    ) {
        self.head(family);
        for row in rows {
            for (label, distribution) in each(&row.value) {
                self.distribution(family, &joined(label, &row.labels), distribution);
            }
        }
    }

    fn distribution(&mut self, family: &Family, labels: &str, distribution: &Distribution) {
        let bounds = bounds(family);
        if distribution.count == 0 {
            return;
        }
        let exemplar = |at: usize| distribution.exemplars.as_ref().and_then(|exemplars| exemplars[at]);
        let mut below = 0;
        for (at, bound) in bounds.iter().enumerate() {
            below += distribution.counts[at];
            let bound = match self.format {
                // a float has a point there
                Format::OpenMetrics if bound.fract() == 0.0 => format!("le=\"{bound:.1}\""),
                _ => format!("le=\"{bound}\""),
            };
            self.sample(family, "_bucket", &joined(labels, &bound), below, exemplar(at));
        }
        let all = joined(labels, "le=\"+Inf\"");
        self.sample(family, "_bucket", &all, distribution.count, exemplar(bounds.len()));
        self.sample(family, "_sum", labels, distribution.sum, None);
        self.sample(family, "_count", labels, distribution.count, None);
    }

    fn head(&mut self, family: &Family) {
        let (name, help) = (family.name, family.help);
        let kind = match (family.kind, self.format) {
            (Kind::Counter, _) => "counter",
            (Kind::Histogram(_), _) => "histogram",
            (Kind::Info, Format::OpenMetrics) => "info",
            (Kind::Gauge | Kind::Info, _) => "gauge",
        };
        let suffix = if self.format == Format::OpenMetrics { "" } else { suffix(family) };
        let _infallible = writeln!(self.out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
    }

    fn sample(
        &mut self,
        family: &Family,
        suffix: &str,
        labels: &str,
        value: impl std::fmt::Display,
        exemplar: Option<Exemplar>,
    ) {
        let out = &mut self.out;
        out.push_str(family.name);
        out.push_str(suffix);
        if !labels.is_empty() {
            out.push('{');
            out.push_str(labels);
            out.push('}');
        }
        let _infallible = write!(out, " {value}");
        if let Some(Exemplar { trace_id, value, time }) = exemplar.filter(|_| self.format == Format::OpenMetrics) {
            let _infallible = write!(out, " # {{trace_id=\"{trace_id:032x}\"}} {value} {time:.3}");
        }
        out.push('\n');
    }
}

fn joined(one: &str, other: &str) -> String {
    let comma = if one.is_empty() || other.is_empty() { "" } else { "," };
    format!("{one}{comma}{other}")
}

/// What a sample's name has beyond that of its family.
fn suffix(family: &Family) -> &'static str {
    match family.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Histogram(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scraper_decides_on_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for plain in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "text/plain,application/openmetrics-text;q=0.5",
        ] {
            assert_eq!(Format::accepted(plain), Format::Prometheus, "{plain}");
        }
    }
}
