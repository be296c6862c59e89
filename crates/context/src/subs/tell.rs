//! What a subscription says about a change (5.8.6): whether it is concerned, the state after the change, what went and
//! what was before.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Accept, Pair, Subscription};
use crate::join::{self, Get};
use crate::model::{Attr, AttrKind, Entity, Iri, NULL, find, instant};
use crate::render::{self, Form, View};

/// Linked entities of one notification.
const MAX_LINKED: usize = 1_000;

/// What happened to an instance of an attribute.
#[derive(Debug, Clone, Copy)]
enum Fate<'a> {
    Created,
    Updated(&'a Attr),
    Deleted(&'a Attr),
}

/// The difference that a change made, by attribute.
#[derive(Debug, Default)]
pub(super) struct Diff<'a>(Vec<(&'a Iri, Vec<Fate<'a>>)>);

impl<'a> Diff<'a> {
    pub(super) fn new((before, after): &'a Pair) -> Self {
        let mut out = Vec::new();
        let (old, new) = (before.as_deref(), after.as_deref());
        for (name, instances) in new.iter().flat_map(|e| &e.attrs) {
            let known = old.and_then(|o| find(&o.attrs, name)).unwrap_or_default();
            let twin = |a: &Attr, all: &'a [Attr]| all.iter().find(|o| o.dataset() == a.dataset());
            let mut fates = Vec::new();
            for instance in instances.iter() {
                match twin(instance, known) {
                    None => fates.push(Fate::Created),
                    Some(before) if !before.same(instance) => fates.push(Fate::Updated(before)),
                    Some(_) => {}
                }
            }
            fates.extend(known.iter().filter(|k| !instances.iter().any(|i| i.dataset() == k.dataset())).map(Fate::Deleted));
            if !fates.is_empty() {
                out.push((name, fates));
            }
        }
        for (name, instances) in old.iter().flat_map(|e| &e.attrs).filter(|(n, _)| new.is_none_or(|e| find(&e.attrs, n).is_none())) {
            out.push((name, instances.iter().map(Fate::Deleted).collect()));
        }
        Self(out)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a Iri> + '_ {
        self.0.iter().map(|(name, _)| *name)
    }
}

impl Subscription {
    fn watches(&self, name: &Iri) -> bool {
        self.watched.as_ref().is_none_or(|w| w.contains(name))
    }

    /// Whether the subject is one that this subscription asks for.
    fn asks_for(&self, subject: &Entity, now: i64, get: Get<'_>) -> bool {
        (self.filter.selectors.is_empty() || self.filter.selectors.iter().any(|s| s.matches(subject)))
            && self.filter.scope.as_ref().is_none_or(|s| s.matches(&subject.scope))
            && self.filter.geo.as_ref().is_none_or(|g| g.matches(subject, now))
            && self.filter.q.as_ref().is_none_or(|q| q.matches(subject, now, get))
    }

    /// Whether the difference is one that this subscription speaks about.
    fn is_triggered(&self, (before, after): &Pair, diff: &Diff<'_>) -> bool {
        let t = self.triggers;
        let fires = |fate: &Fate<'_>| match fate {
            Fate::Created => t.attribute_created,
            Fate::Updated(_) => t.attribute_updated,
            Fate::Deleted(_) => t.attribute_deleted,
        };
        let mut watched = diff.0.iter().filter(|(name, _)| self.watches(name)).peekable();
        let differs = watched.peek().is_some();
        if watched.any(|(_, fates)| fates.iter().any(fires)) {
            return true;
        }
        match (before, after) {
            (None, Some(_)) => t.entity_created,
            (Some(_), None) => t.entity_deleted,
            (Some(b), Some(a)) => t.entity_updated && (differs || (self.watched.is_none() && (b.types != a.types || b.scope != a.scope))),
            (None, None) => false,
        }
    }

    /// What is to be sent about a change; nothing when it does not concern this subscription.
    pub(super) fn tell(&self, pair: &Pair, diff: &Diff<'_>, now: i64, get: Get<'_>) -> Vec<Value> {
        let (before, after) = pair;
        // What is gone is asked for as it was.
        let Some(subject) = after.as_ref().or(before.as_ref()) else { return Vec::new() };
        if !self.is_triggered(pair, diff) || !self.asks_for(subject, now, get) {
            return Vec::new();
        }
        // What went is shown as NGSI-LD Null: an instance beside the others.
        let mut shown = match after {
            Some(after) => Entity::clone(after),
            None => Entity { attrs: Vec::new(), ..Entity::clone(subject) },
        };
        let mut gone: Vec<(&Iri, &Attr)> = Vec::new();
        let tells_gone = self.triggers.attribute_deleted || self.show_changes;
        for (name, fates) in &diff.0 {
            for fate in fates {
                match fate {
                    // An attribute that is gone as a whole is one Null, however many instances it had.
                    Fate::Deleted(_) if gone.last().is_some_and(|(n, _)| n == name) && find(&shown.attrs, name).is_none() => {}
                    Fate::Deleted(old) if tells_gone && (self.watches(name) || self.show_changes) => gone.push((name, old)),
                    _ => {}
                }
            }
        }
        for (name, old) in &gone {
            let nothing = if old.kind == AttrKind::LanguageProperty { json!({"@none": NULL}) } else { Value::from(NULL) };
            let mut null = Attr::new(old.kind, nothing, old.created);
            null.modified = old.modified;
            null.set_dataset(old.dataset().cloned());
            match crate::model::find_mut(&mut shown.attrs, name) {
                Some(instances) => instances.push(null),
                None => shown.attrs.push(((*name).clone(), null.into())),
            }
        }
        let mut data = render::entity(&shown, &self.speech, &View { lang: self.view.lang.clone(), ..self.view.clone() }, now);
        if after.is_none() {
            data.insert("deletedAt".into(), instant(now).into());
        }
        for (name, old) in &gone {
            self.amend(&mut data, name, old, |shown| {
                if self.view.sys_attrs {
                    shown.insert("deletedAt".into(), instant(now).into());
                }
                self.add_previous(shown, old);
            });
        }
        if self.show_changes {
            for (name, fates) in &diff.0 {
                for fate in fates {
                    match fate {
                        Fate::Updated(old)
                            if shown.attrs.iter().any(|(n, i)| n == *name && i.iter().any(|a| a.dataset() == old.dataset() && a.value != old.value)) =>
                        {
                            self.amend(&mut data, name, old, |shown| self.add_previous(shown, old));
                        }
                        _ => {}
                    }
                }
            }
        }
        self.packed(data, &Arc::new(shown), now, get)
    }

    /// As all entities are sent: as a feature, or with linked ones, or with their context.
    fn packed(&self, mut data: Map<String, Value>, entity: &Arc<Entity>, now: i64, get: Get<'_>) -> Vec<Value> {
        if self.receiver.accept == Accept::GeoJson {
            let mut feature = render::feature(entity, &self.speech, &self.view, now);
            data.shift_remove("id");
            feature.insert("properties".into(), data.into());
            let mut out = vec![feature.into()];
            self.amended(&mut out);
            return out;
        }
        let (joined, _) = join::joined(vec![(entity.clone(), data)], get, &self.speech, &self.view, now, MAX_LINKED);
        let mut out: Vec<Map<String, Value>> = joined.into_iter().map(|(_, shown)| shown).collect();
        if self.receiver.accept == Accept::LdJson {
            let context = self.speech.body();
            out.iter_mut().for_each(|o| drop(o.insert("@context".into(), context.clone())));
        }
        let mut out: Vec<Value> = out.into_iter().map(Value::Object).collect();
        self.amended(&mut out);
        out
    }

    /// In the version that the receiver reads.
    fn amended(&self, data: &mut [Value]) {
        if let Some(edition) = self.edition {
            for one in data {
                edition.amend(one);
            }
        }
    }

    /// An entity as it is, for subscriptions that speak in a rhythm.
    pub(crate) fn show(&self, entity: &Arc<Entity>, now: i64, get: Get<'_>) -> Vec<Value> {
        self.packed(render::entity(entity, &self.speech, &self.view, now), entity, now, get)
    }

    /// The entities that a periodic notification is about.
    pub(crate) fn filter(&self) -> &crate::query::Filter {
        &self.filter
    }

    /// Changes the shown form of one instance of an attribute, when it is shown as an object.
    fn amend(&self, data: &mut Map<String, Value>, name: &Iri, old: &Attr, change: impl FnOnce(&mut Map<String, Value>)) {
        if self.view.form == Form::Simplified {
            return;
        }
        let Some(shown) = data.get_mut(&*self.speech.compact(name)) else { return };
        let dataset = old.dataset().map(|d| &**d);
        let instance = match shown {
            Value::Array(many) if many.iter().all(Value::is_object) => many.iter_mut().find(|v| v.get("datasetId").and_then(Value::as_str) == dataset),
            one => Some(one),
        };
        let Some(instance) = instance else { return };
        let member = old.kind.member();
        // The concise form may have left only the value.
        if !instance.as_object().is_some_and(|o| o.contains_key(member)) {
            *instance = json!({member: instance.take()});
        }
        if let Value::Object(object) = instance {
            change(object);
        }
    }

    fn add_previous(&self, shown: &mut Map<String, Value>, old: &Attr) {
        if !self.show_changes {
            return;
        }
        let member = old.kind.member();
        let word = format!("previous{}{}", member[..1].to_uppercase(), &member[1..]);
        shown.insert(word, render::attribute(old, &self.speech, &View::default(), i64::MIN)[member].clone());
    }
}
