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

struct Walk<'a> {
    live: &'a Live,
    ld: &'a Ld,
    now: i64,
    left: usize,
}

/// Entities, each with what is shown of it.
type Shown = Vec<(Arc<Entity>, Map<String, Value>)>;

/// The entities as a view wants them; in a flat join those they link to follow.
pub fn entities(roots: &[Arc<Entity>], live: &Live, ld: &Ld, view: &View, now: i64) -> Result<Shown> {
    let plain = |e: &Arc<Entity>| (e.clone(), render::entity(e, ld, view, now));
    let Some(join) = &view.join else { return Ok(roots.iter().map(plain).collect()) };
    let mut walk = Walk { live, ld, now, left: MAX_LINKED };
    if join.flat {
        return walk.flat(roots, view, join);
    }
    let mut out = Vec::with_capacity(roots.len());
    for root in roots {
        let mut path: Vec<String> = join.contained_by.clone();
        path.push(root.id.to_string());
        out.push((root.clone(), walk.inline(root, view, join.level, &mut path)?));
    }
    Ok(out)
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
    fn find(&mut self, id: &str) -> Result<Option<Arc<Entity>>> {
        let Some(found) = self.live.get(id).filter(|e| e.alive(self.now)) else { return Ok(None) };
        self.left = self.left.checked_sub(1).ok_or_else(|| complex(format!("The answer would hold more than {MAX_LINKED} linked entities.")))?;
        Ok(Some(found))
    }

    fn flat(&mut self, roots: &[Arc<Entity>], view: &View, join: &Join) -> Result<Shown> {
        let mut seen: HashSet<String> = roots.iter().map(|e| e.id.to_string()).chain(join.contained_by.iter().cloned()).collect();
        let mut level: Vec<(Arc<Entity>, View)> = roots.iter().map(|e| (e.clone(), view.clone())).collect();
        let mut out = Vec::new();
        for depth in 0..=join.level {
            let mut next = Vec::new();
            for (entity, view) in level {
                let shown = render::entity(&entity, self.ld, &view, self.now);
                if depth < join.level {
                    for (name, attr) in entity.attrs.iter().flat_map(|(n, i)| i.iter().map(move |a| (n, a))).filter(|(_, a)| is_link(a.kind)) {
                        if !shown.contains_key(&*self.ld.compact(name)) {
                            continue;
                        }
                        for id in links(attr) {
                            if seen.insert(id.clone())
                                && let Some(linked) = self.find(&id)?
                            {
                                next.push((linked, view.below(name)));
                            }
                        }
                    }
                }
                out.push((entity, shown));
            }
            level = next;
        }
        Ok(out)
    }

    fn inline(&mut self, entity: &Entity, view: &View, level: usize, path: &mut Vec<String>) -> Result<Map<String, Value>> {
        let mut out = render::entity(entity, self.ld, view, self.now);
        if level == 0 {
            return Ok(out);
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
                        self.replace(one, &below, level, path)?;
                    }
                }
                (Form::Simplified, one) => self.replace(one, &below, level, path)?,
                (_, Value::Array(many)) => {
                    for one in many {
                        self.attach(one, &below, level, path)?;
                    }
                }
                (_, one) => self.attach(one, &below, level, path)?,
            }
        }
        Ok(out)
    }

    fn linked(&mut self, id: &Value, view: &View, level: usize, path: &mut Vec<String>) -> Result<Option<Value>> {
        let Some(id) = id.get("object").unwrap_or(id).as_str() else { return Ok(None) };
        if path.iter().any(|p| p == id) {
            return Ok(None);
        }
        let Some(entity) = self.find(id)? else { return Ok(None) };
        path.push(id.to_string());
        let shown = self.inline(&entity, view, level - 1, path);
        path.pop();
        shown.map(|map| Some(map.into()))
    }

    /// Simplified: the link becomes what it leads to.
    fn replace(&mut self, one: &mut Value, view: &View, level: usize, path: &mut Vec<String>) -> Result<()> {
        if let Value::Array(many) = one {
            for link in many {
                if let Some(entity) = self.linked(link, view, level, path)? {
                    *link = entity;
                }
            }
        } else if let Some(entity) = self.linked(one, view, level, path)? {
            *one = entity;
        }
        Ok(())
    }

    /// Normalized and concise: `entity` or `entityList` beside the link.
    fn attach(&mut self, one: &mut Value, view: &View, level: usize, path: &mut Vec<String>) -> Result<()> {
        let Value::Object(attribute) = one else { return Ok(()) };
        let many = match (attribute.get("object"), attribute.get("objectList")) {
            (Some(Value::Array(many)), _) | (None, Some(Value::Array(many))) => many.clone(),
            (Some(id), _) => {
                let id = id.clone();
                if let Some(entity) = self.linked(&id, view, level, path)? {
                    attribute.insert("entity".into(), entity);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let mut list = Vec::new();
        for id in &many {
            list.extend(self.linked(id, view, level, path)?);
        }
        if !list.is_empty() {
            attribute.insert("entityList".into(), list.into());
        }
        Ok(())
    }
}
