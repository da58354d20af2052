//! The written forms of a distribution.
//!
//! Owns their parameters and what is wrong with them. Refuses draws: a form that passed here is `sampling`'s.

use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::sampling::Form;
use super::{Distribution, Quantity};

/// The name of a form.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Name {
    Constant,
    Uniform,
    Normal,
    Lognormal,
    Exponential,
    Gamma,
    Percentiles,
    Histogram,
    Choice,
    Trace,
}

impl Name {
    /// Reads the parameters that follow the name.
    pub(super) fn read<'de, T: Quantity, A: MapAccess<'de>>(self, map: &mut A) -> Result<Distribution<T>, A::Error> {
        let form = match self {
            Name::Constant => {
                let amount = map.next_value::<Amount<T>>()?;
                return constant(amount.value).map_err(de::Error::custom);
            }
            Name::Uniform => map.next_value::<Uniform<T>>().map(Uniform::form),
            Name::Normal => map.next_value::<Normal<T>>().map(Normal::form),
            Name::Lognormal => map.next_value::<Lognormal<T>>().map(Lognormal::form),
            Name::Exponential => map.next_value::<Exponential<T>>().map(Exponential::form),
            Name::Gamma => map.next_value::<Gamma<T>>().map(Gamma::form),
            Name::Percentiles => map.next_value::<Percentiles<T>>().map(Percentiles::form),
            Name::Histogram => map.next_value::<Vec<Bucket<T>>>().map(histogram),
            Name::Choice => map.next_value::<Vec<Weighted<T>>>().map(choice),
            Name::Trace => map.next_value::<Trace<T>>().map(Trace::form),
        };
        form?.map(Distribution::drawn).map_err(de::Error::custom)
    }
}

/// A constant, which is a whole number of its unit.
pub(super) fn constant<T: Quantity>(value: f64) -> Result<Distribution<T>, String> {
    if value.fract() == 0.0 { Ok(T::nearest(value).into()) } else { Err(format!("`{value}` is not a whole number")) }
}

/// A quantity in the unit of draws.
struct Amount<T> {
    value: f64,
    of: PhantomData<T>,
}

impl<'de, T: Quantity> Deserialize<'de> for Amount<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct AmountVisitor<T>(PhantomData<T>);
        impl<T: Quantity> Visitor<'_> for AmountVisitor<T> {
            type Value = f64;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a value such as {}", T::EXAMPLE)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
                T::read(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
                T::number(value as f64).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
                T::number(value as f64).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
                T::number(value).map_err(E::custom)
            }
        }
        let value = reader.deserialize_any(AmountVisitor::<T>(PhantomData))?;
        Ok(Self { value, of: PhantomData })
    }
}

macro_rules! parameters {
    ($($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields, bound = "T: Quantity")]
        struct $name<T> {
            $($(#[$attribute])* $field: $type,)*
        }
    )*};
}

parameters! {
    Uniform { lower: Amount<T>, upper: Amount<T>, }
    Normal { mean: Amount<T>, std_dev: Amount<T>, min: Option<Amount<T>>, max: Option<Amount<T>>, }
    Lognormal { median: Amount<T>, sigma: f64, max: Option<Amount<T>>, }
    Exponential { mean: Amount<T>, max: Option<Amount<T>>, }
    Gamma { mean: Amount<T>, shape: f64, }
    Percentiles { p50: Amount<T>, p90: Amount<T>, p99: Amount<T>, max: Amount<T>, }
    Bucket { le: Amount<T>, weight: f64, }
    Weighted { value: Amount<T>, #[serde(default = "one")] weight: f64, }
    Trace {
        values: Option<Vec<Amount<T>>>,
        file: Option<PathBuf>,
        #[serde(rename = "loop", default)] repeat: bool,
    }
}

fn one() -> f64 {
    1.0
}

/// The bound given, or that of all quantities of the type.
fn most<T: Quantity>(max: Option<Amount<T>>) -> f64 {
    max.map_or(T::LARGEST, |max| max.value)
}

impl<T: Quantity> Uniform<T> {
    fn form(self) -> Result<Form, &'static str> {
        let (lower, upper) = (self.lower.value, self.upper.value);
        if lower <= upper { Ok(Form::Uniform { lower, upper }) } else { Err("`lower` lies above `upper`") }
    }
}

impl<T: Quantity> Normal<T> {
    fn form(self) -> Result<Form, &'static str> {
        let (mean, min, max) = (self.mean.value, self.min.map_or(0.0, |min| min.value), most(self.max));
        if !(min..=max).contains(&mean) {
            return Err("`mean` does not lie between `min` and `max`");
        }
        Ok(Form::Normal { mean, std_dev: self.std_dev.value, min, max })
    }
}

impl<T: Quantity> Lognormal<T> {
    fn form(self) -> Result<Form, &'static str> {
        let (median, sigma, max) = (self.median.value, self.sigma, most(self.max));
        match () {
            () if median <= 0.0 => Err("`median` is not positive"),
            () if !(0.0..=10.0).contains(&sigma) => Err("`sigma` does not lie between 0 and 10"),
            () if max < median => Err("`max` lies below `median`"),
            () => Ok(Form::Lognormal { median, sigma, max }),
        }
    }
}

impl<T: Quantity> Exponential<T> {
    fn form(self) -> Result<Form, &'static str> {
        let (mean, max) = (self.mean.value, most(self.max));
        match () {
            () if mean <= 0.0 => Err("`mean` is not positive"),
            () if max < mean => Err("`max` lies below `mean`"),
            () => Ok(Form::Exponential { mean, max }),
        }
    }
}

impl<T: Quantity> Gamma<T> {
    fn form(self) -> Result<Form, &'static str> {
        let (mean, shape) = (self.mean.value, self.shape);
        match () {
            () if mean <= 0.0 => Err("`mean` is not positive"),
            () if !(0.01..=1e6).contains(&shape) => Err("`shape` does not lie between 0.01 and 1000000"),
            () => Ok(Form::Gamma { mean, shape }),
        }
    }
}

impl<T: Quantity> Percentiles<T> {
    fn form(self) -> Result<Form, &'static str> {
        let values = [self.p50, self.p90, self.p99, self.max].map(|amount| amount.value);
        match () {
            () if values[0] <= 0.0 => Err("`p50` is not positive"),
            () if !values.is_sorted() => Err("`p50`, `p90`, `p99` and `max` do not ascend"),
            () => Ok(Form::Percentiles(values)),
        }
    }
}

impl<T: Quantity> Trace<T> {
    fn form(self) -> Result<Form, &'static str> {
        match (self.values, self.file) {
            (Some(values), None) if !values.is_empty() => {
                let values = values.into_iter().map(|amount| amount.value).collect();
                Ok(Form::Trace { values, repeat: self.repeat })
            }
            (None, Some(path)) => Ok(Form::File { path, repeat: self.repeat }),
            (Some(_), None) => Err("`values` is empty"),
            _ => Err("a trace has either `values` or a `file`"),
        }
    }
}

fn histogram<T: Quantity>(buckets: Vec<Bucket<T>>) -> Result<Form, &'static str> {
    if !buckets.is_sorted_by(|one, next| one.le.value < next.le.value) {
        return Err("the buckets' `le` do not ascend");
    }
    let edges = cumulated(buckets.into_iter().map(|bucket| (bucket.le.value, bucket.weight)))?;
    Ok(Form::Histogram(edges))
}

fn choice<T: Quantity>(options: Vec<Weighted<T>>) -> Result<Form, &'static str> {
    cumulated(options.into_iter().map(|option| (option.value.value, option.weight))).map(Form::Choice)
}

/// Values with the share of weight up to and with each.
fn cumulated(weighted: impl Iterator<Item = (f64, f64)>) -> Result<Vec<(f64, f64)>, &'static str> {
    let (mut sum, mut all) = (0.0, Vec::new());
    for (value, weight) in weighted {
        if !(0.0..=1e12).contains(&weight) {
            return Err("a `weight` is negative or too large");
        }
        sum += weight;
        all.push((value, sum));
    }
    if sum <= 0.0 {
        return Err("no entry has any `weight`");
    }
    all.iter_mut().for_each(|(_, share)| *share /= sum);
    Ok(all)
}
