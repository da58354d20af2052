//! Which checks: by id, glob, or area. Owns the names; an unknown one is told with the nearest that there is.

use gateway::yaml::did_you_mean;

use super::check::Check;
use super::checks::{AREAS, all};

/// A name that no check has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no check is called `{name}`{hint}; see `windtunnel validate --list`")]
pub struct UnknownCheck {
    name: String,
    hint: String,
}

/// The checks of these names, all without names, in their own order.
pub fn select(names: &[String]) -> Result<Vec<&'static Check>, UnknownCheck> {
    for name in names {
        if !all().iter().any(|check| fits(check, name)) {
            let known = all()
                .iter()
                .map(|check| check.id)
                .chain(AREAS.iter().flat_map(|(area, title)| [*area, *title]))
                .collect::<Vec<_>>();
            let close = did_you_mean(name, known);
            let hint = close.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
            return Err(UnknownCheck { name: name.clone(), hint });
        }
    }
    Ok(all().into_iter().filter(|check| names.is_empty() || names.iter().any(|name| fits(check, name))).collect())
}

fn fits(check: &Check, name: &str) -> bool {
    let title = AREAS.iter().find(|(area, _)| *area == check.area()).map_or("", |(_, title)| title);
    let by_glob = match name.split_once('*') {
        Some((start, end)) => {
            let id = check.id;
            id.len() >= start.len() + end.len()
                && id.to_ascii_lowercase().starts_with(&start.to_ascii_lowercase())
                && id.ends_with(end)
        }
        None => check.id.eq_ignore_ascii_case(name),
    };
    by_glob || check.area().eq_ignore_ascii_case(name) || title.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<&'static str> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        select(&names).expect("known").into_iter().map(|check| check.id).collect()
    }

    #[test]
    fn checks_are_chosen_by_id_glob_and_area() {
        assert_eq!(ids(&[]).len(), 84);
        assert_eq!(ids(&["str-03", "CON-01"]), ["CON-01", "STR-03"]);
        assert_eq!(ids(&["AUT-*"]), ids(&["authentication"]));
        assert_eq!(ids(&["JSN"]).len(), 3);
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        let error = select(&["strming".to_owned()]).expect_err("unknown").to_string();
        assert!(error.contains("did you mean `streaming`?"), "{error}");
    }
}
