//! Which alarms have one cause: children lost along the asset graph within a window. Pure; the domain asks and applies.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use crate::practice::CauseDef;

/// Lost children remembered at most; the oldest go first.
const MOST: usize = 200_000;

/// Levels of causes above one another.
pub(crate) const LEVELS: usize = 8;
/// Things looked at on one level.
const WIDE: usize = 16;

/// A possible cause: a declaration and the parent.
pub(crate) type Seat = (usize, Arc<str>);

/// What follows from the loss of a child.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// The parent's alarm stands: the child's belongs to it.
    Join(Seat, Uuid),
    /// The parent has lost so many that it is the cause of all these children's alarms.
    Form(Seat, Vec<Arc<str>>),
}

#[derive(Default)]
struct Lost {
    /// When which child was lost, in order of arrival.
    order: VecDeque<(i64, Arc<str>)>,
    /// How often each is in `order`.
    children: HashMap<Arc<str>, u32>,
    open: Option<Uuid>,
}

/// What was lost lately, by parent.
#[derive(Default)]
pub(crate) struct Causes {
    defs: Vec<Arc<CauseDef>>,
    seats: HashMap<Seat, Lost>,
    size: usize,
}

impl Causes {
    pub fn new(defs: Vec<CauseDef>) -> Self {
        Self { defs: defs.into_iter().map(Arc::new).collect(), ..Self::default() }
    }

    pub fn def(&self, seat: &Seat) -> Option<Arc<CauseDef>> {
        self.defs.get(seat.0).cloned()
    }

    /// Longest window, µs.
    pub fn window(&self) -> i64 {
        self.defs.iter().map(|d| i64::from(d.within) * 1_000_000).max().unwrap_or(0)
    }

    /// The nearest cause above a child whose alarm stands: what is lost below it belongs to it, however few they are.
    /// `parents` says what a thing hangs on by a relationship.
    pub fn standing(&self, child: &str, class: &str, parents: impl Fn(&str, &str) -> Vec<String>) -> Option<(Seat, Uuid)> {
        let mut level = vec![(child.to_string(), class.to_string())];
        for _ in 0..LEVELS {
            let mut above = Vec::new();
            for (child, class) in &level {
                for (at, def) in self.defs.iter().enumerate().filter(|(_, d)| d.classes.iter().any(|c| c == class)) {
                    for parent in parents(child, &def.along).into_iter().filter(|p| p != child) {
                        let seat: Seat = (at, parent.as_str().into());
                        if let Some(open) = self.seats.get(&seat).and_then(|lost| lost.open) {
                            return Some((seat, open));
                        }
                        above.push((parent, def.class.clone()));
                    }
                }
            }
            above.truncate(WIDE);
            level = above;
        }
        None
    }

    /// A child is lost at `t` (µs). `parents` says what it hangs on by a relationship.
    pub fn lost(&mut self, child: &str, class: &str, t: i64, parents: impl Fn(&str) -> Vec<String>) -> Option<Step> {
        let child: Arc<str> = child.into();
        let mut form = None;
        for at in 0..self.defs.len() {
            let def = self.defs[at].clone();
            if !def.classes.iter().any(|c| c == class) {
                continue;
            }
            for parent in parents(&def.along).into_iter().filter(|p| **p != *child) {
                let seat: Seat = (at, parent.as_str().into());
                let lost = self.seats.entry(seat.clone()).or_default();
                if let Some(open) = lost.open {
                    return Some(Step::Join(seat, open));
                }
                self.size -= lost.prune(t - i64::from(def.within) * 1_000_000);
                lost.order.push_back((t, child.clone()));
                *lost.children.entry(child.clone()).or_default() += 1;
                self.size += 1;
                if form.is_none() && lost.children.len() > def.children as usize {
                    form = Some(Step::Form(seat, lost.children.keys().cloned().collect()));
                }
            }
        }
        if self.size > MOST {
            self.shed();
        }
        form
    }

    /// The parent's alarm stands from now on.
    pub fn opened(&mut self, seat: Seat, alarm: Uuid) {
        let lost = self.seats.entry(seat).or_default();
        self.size -= lost.order.len();
        *lost = Lost { open: Some(alarm), ..Lost::default() };
    }

    /// The same, known by relationship and parent: after a restart.
    pub fn restore(&mut self, along: &str, parent: &str, alarm: Uuid) {
        for at in (0..self.defs.len()).filter(|at| self.defs[*at].along == along).collect::<Vec<_>>() {
            self.opened((at, parent.into()), alarm);
        }
    }

    /// The parent's alarm is over.
    pub fn ended(&mut self, seat: &Seat) {
        if let Some(lost) = self.seats.remove(seat) {
            self.size -= lost.order.len();
        }
    }

    /// Halves what is remembered, when a flood has filled it: whole parents without an alarm go.
    fn shed(&mut self) {
        let (mut size, most) = (self.size, MOST / 2);
        self.seats.retain(|_, lost| {
            let keep = lost.open.is_some() || size <= most;
            if !keep {
                size -= lost.order.len();
            }
            keep
        });
        self.size = size;
    }
}

impl Lost {
    /// Forgets what was lost before `t`; how many.
    fn prune(&mut self, t: i64) -> usize {
        let mut gone = 0;
        while self.order.front().is_some_and(|(at, _)| *at < t) {
            let Some((_, child)) = self.order.pop_front() else { break };
            gone += 1;
            if let Some(n) = self.children.get_mut(&child) {
                *n -= 1;
                if *n == 0 {
                    self.children.remove(&child);
                }
            }
        }
        gone
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pack::Status;
    use dothi_kernel::event::Severity;

    fn def(along: &str, children: u32) -> CauseDef {
        CauseDef {
            along: along.into(),
            classes: vec!["silent".into(), "power".into()],
            class: "power".into(),
            children,
            within: 60,
            severity: Severity::High,
            sector: "s".into(),
            title: "t".into(),
            title_en: "t".into(),
            status: Status::Unconfirmed,
            owner: "o".into(),
        }
    }

    #[test]
    fn more_than_so_many_children_within_the_window_are_one_cause() {
        let mut causes = Causes::new(vec![def("fedBy", 2)]);
        let feeder = |along: &str| if along == "fedBy" { vec!["feeder".to_string()] } else { Vec::new() };
        let second = 1_000_000;
        assert_eq!(causes.lost("a", "silent", 0, feeder), None);
        assert_eq!(causes.lost("a", "silent", second, feeder), None, "the same child twice is one");
        assert_eq!(causes.lost("b", "silent", 2 * second, feeder), None);
        assert_eq!(causes.lost("c", "smoke", 3 * second, feeder), None, "another class shows no loss");
        assert_eq!(causes.lost("c", "silent", 62 * second, feeder), None, "a was lost too long ago");
        let Some(Step::Form(seat, mut children)) = causes.lost("d", "silent", 62 * second, feeder) else { panic!() };
        children.sort();
        assert_eq!(children, ["b", "c", "d"].map(Arc::from));
        let id = Uuid::from_u128(7);
        causes.opened(seat.clone(), id);
        assert_eq!(causes.lost("e", "silent", 900 * second, feeder), Some(Step::Join(seat.clone(), id)));
        causes.ended(&seat);
        assert_eq!(causes.lost("e", "silent", 900 * second, feeder), None);
        assert_eq!(causes.size, 1);
    }
}
