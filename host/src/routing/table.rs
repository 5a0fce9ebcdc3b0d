//! All routes of a host: which deployment serves a path.
//!
//! Precedence: `{name}` patterns before regular expressions. Among patterns, at the first place where they differ, literal
//! text goes before a capture; regular expressions are tried in the order of the deployments and of their routes.

use std::collections::HashMap;
use std::fmt;

use super::pattern::{Args, Pattern, Shape};

/// Routes of all deployments. `T` stands for a deployment; it is cloned into what is found.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// In the order in which they are tried.
    routes: Vec<(Pattern, T)>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// A deployment, with what its route captured.
    Match(T, Args),
    /// No route matches: 404.
    None,
    /// A route matches, but a capture is not percent-encoded UTF-8: 400.
    BadPath,
}

/// Two routes that match the same paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The deployment and its route that came first.
    pub first: (String, Pattern),
    /// The deployment and its route that came later; the deployment may be the same.
    pub second: (String, Pattern),
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((first, first_route), (second, second_route)) = (&self.first, &self.second);
        write!(f, "route {second_route} of deployment {second:?} matches the same paths as ")?;
        write!(f, "route {first_route} of deployment {first:?}; change or remove one of them")
    }
}

/// Every conflict between the routes of the deployments; its text has one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, conflict) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{conflict}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Conflicts {}

impl<T: Clone> Table<T> {
    /// Put the routes of all deployments, given as (name, routes, deployment), in their order.
    pub fn new<'a>(deployments: impl IntoIterator<Item = (&'a str, &'a [Pattern], T)>) -> Result<Table<T>, Conflicts> {
        let mut taken: HashMap<Shape, (&str, &Pattern)> = HashMap::new();
        let (mut patterns, mut regexes, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
        for (name, routes, deployment) in deployments {
            for route in routes {
                let shape = route.shape();
                if let Some((first, first_route)) = taken.get(&shape) {
                    let first = ((*first).to_owned(), (*first_route).clone());
                    conflicts.push(Conflict { first, second: (name.to_owned(), route.clone()) });
                    continue;
                }
                taken.insert(shape.clone(), (name, route));
                match shape {
                    Shape::Parts(_) => patterns.push((shape, (route.clone(), deployment.clone()))),
                    Shape::Regex(_) => regexes.push((route.clone(), deployment.clone())),
                }
            }
        }
        if !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
        patterns.sort_by(|(one, _), (other, _)| one.cmp(other));
        let routes = patterns.into_iter().map(|(_, route)| route).chain(regexes).collect();
        Ok(Table { routes })
    }

    /// Find the deployment for a raw path, without its query.
    pub fn find(&self, path: &str) -> Found<T> {
        for (route, deployment) in &self.routes {
            match route.matches(path) {
                None => {}
                Some(Ok(args)) => return Found::Match(deployment.clone(), args),
                Some(Err(_)) => return Found::BadPath,
            }
        }
        Found::None
    }
}

/// A table that leads nowhere.
impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { routes: Vec::new() }
    }
}
