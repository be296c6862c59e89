//! Linked entities beside or inside of those that link to them (CIM 009, 4.5.23): `join`, `joinLevel`, `containedBy`.

use std::collections::HashSet;
use std::sync::Arc;

use dothi_kernel::Result;
use serde_json::{Map, Value};

use crate::fault::complex;
use crate::ld::Ld;
use crate::live::Live;
use crate::model::{AttrKind, Entity};
use crate::render::{self, Form, View};
use crate::val::Look;

/// Linked entities of one answer.
const MAX_LINKED: usize = 10_000;

/// How links are followed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Join {
    /// Linked entities stand beside the others in one list, not inside of the relationships.
    pub flat: bool,
    /// How far.
    pub level: usize,
    /// Ids met before, which are not fetched again.
    pub contained_by: Vec<String>,
}

/// Finds entities.
pub type Get<'a> = &'a dyn Fn(&str) -> Option<Arc<Entity>>;

struct Walk<'a> {
    get: Get<'a>,
    ld: &'a Ld,
    now: i64,
    left: usize,
    /// More was linked than there was room for.
    cut: bool,
}

/// Entities, each with what is shown of it.
type Shown = Vec<(Arc<Entity>, Map<String, Value>)>;

/// The entities as a view wants them; in a flat join those they link to follow.
pub fn entities(roots: &[Arc<Entity>], live: &Live, ld: &Ld, view: &View, now: i64) -> Result<Shown> {
    let shown: Shown = roots.iter().map(|e| (e.clone(), render::entity(e, ld, view, now))).collect();
    let (shown, whole) = joined(shown, &|id| live.get(id), ld, view, now, MAX_LINKED);
    if whole { Ok(shown) } else { Err(complex(format!("The answer would hold more than {MAX_LINKED} linked entities."))) }
}

/// Adds linked entities to what is shown of some, at most `most`; and whether these were all.
pub fn joined(roots: Shown, get: Get<'_>, ld: &Ld, view: &View, now: i64, most: usize) -> (Shown, bool) {
    let Some(join) = &view.join else { return (roots, true) };
    let mut walk = Walk { get, ld, now, left: most, cut: false };
    if join.flat {
        return (walk.flat(roots, view, join), !walk.cut);
    }
    let mut out = roots;
    for (root, shown) in &mut out {
        let mut path: Vec<String> = join.contained_by.clone();
        path.push(root.id.to_string());
        walk.inline(root, shown, view, join.level, &mut path);
    }
    (out, !walk.cut)
}

/// Ids that an attribute links to.
fn links(value: &crate::model::Attr) -> Vec<String> {
    let text = |v: &Value| v.as_str().map(str::to_string);
    match value.value.look() {
        Look::List(many) => many.iter().filter_map(text).collect(),
        Look::Text(one) => vec![one.to_string()],
        _ => Vec::new(),
    }
}

fn is_link(kind: AttrKind) -> bool {
    matches!(kind, AttrKind::Relationship | AttrKind::ListRelationship)
}

impl Walk<'_> {
    fn find(&mut self, id: &str) -> Option<Arc<Entity>> {
        let found = (self.get)(id).filter(|e| e.alive(self.now))?;
        self.cut |= self.left == 0;
        self.left = self.left.checked_sub(1)?;
        Some(found)
    }

    fn flat(&mut self, roots: Shown, view: &View, join: &Join) -> Shown {
        let mut seen: HashSet<String> = roots.iter().map(|(e, _)| e.id.to_string()).chain(join.contained_by.iter().cloned()).collect();
        let mut level: Vec<(Arc<Entity>, Map<String, Value>, View)> = roots.into_iter().map(|(e, shown)| (e, shown, view.clone())).collect();
        let mut out = Vec::new();
        for depth in 0..=join.level {
            let mut next = Vec::new();
            for (entity, shown, view) in level {
                if depth < join.level {
                    for (name, attr) in entity.attrs.iter().flat_map(|(n, i)| i.iter().map(move |a| (n, a))).filter(|(_, a)| is_link(a.kind)) {
                        if !shown.contains_key(&*self.ld.compact(name)) {
                            continue;
                        }
                        for id in links(attr) {
                            if seen.insert(id.clone())
                                && let Some(linked) = self.find(&id)
                            {
                                let below = view.below(name);
                                next.push((linked.clone(), render::entity(&linked, self.ld, &below, self.now), below));
                            }
                        }
                    }
                }
                out.push((entity, shown));
            }
            level = next;
        }
        out
    }

    fn inline(&mut self, entity: &Entity, out: &mut Map<String, Value>, view: &View, level: usize, path: &mut Vec<String>) {
        if level == 0 {
            return;
        }
        for (name, instances) in &entity.attrs {
            if !instances.iter().any(|a| is_link(a.kind)) {
                continue;
            }
            let Some(shown) = out.get_mut(&*self.ld.compact(name)) else { continue };
            let below = view.below(name);
            match (view.form, shown) {
                (Form::Simplified, Value::Object(map)) => {
                    for one in map.get_mut("dataset").and_then(Value::as_object_mut).into_iter().flat_map(|m| m.values_mut()) {
                        self.replace(one, &below, level, path);
                    }
                }
                (Form::Simplified, one) => self.replace(one, &below, level, path),
                (_, Value::Array(many)) => many.iter_mut().for_each(|one| self.attach(one, &below, level, path)),
                (_, one) => self.attach(one, &below, level, path),
            }
        }
    }

    fn linked(&mut self, id: &Value, view: &View, level: usize, path: &mut Vec<String>) -> Option<Value> {
        let id = id.get("object").unwrap_or(id).as_str()?;
        if path.iter().any(|p| p == id) {
            return None;
        }
        let entity = self.find(id)?;
        let mut shown = render::entity(&entity, self.ld, view, self.now);
        path.push(id.to_string());
        self.inline(&entity, &mut shown, view, level - 1, path);
        path.pop();
        Some(shown.into())
    }

    /// Simplified: the link becomes what it leads to.
    fn replace(&mut self, one: &mut Value, view: &View, level: usize, path: &mut Vec<String>) {
        if let Value::Array(many) = one {
            for link in many {
                if let Some(entity) = self.linked(link, view, level, path) {
                    *link = entity;
                }
            }
        } else if let Some(entity) = self.linked(one, view, level, path) {
            *one = entity;
        }
    }

    /// Normalized and concise: `entity` or `entityList` beside the link.
    fn attach(&mut self, one: &mut Value, view: &View, level: usize, path: &mut Vec<String>) {
        let Value::Object(attribute) = one else { return };
        let many = match (attribute.get("object"), attribute.get("objectList")) {
            (Some(Value::Array(many)), _) | (None, Some(Value::Array(many))) => many.clone(),
            (Some(id), _) => {
                let id = id.clone();
                if let Some(entity) = self.linked(&id, view, level, path) {
                    attribute.insert("entity".into(), entity);
                }
                return;
            }
            _ => return,
        };
        let list: Vec<Value> = many.iter().filter_map(|id| self.linked(id, view, level, path)).collect();
        if !list.is_empty() {
            attribute.insert("entityList".into(), list.into());
        }
    }
}
