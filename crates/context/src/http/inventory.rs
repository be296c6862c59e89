//! Types and attributes in use (CIM 009, 5.7.5–5.7.10).

use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::ngsi::This;
use super::wire::{Answer, Asked, answer};
use crate::fault::missing;
use crate::inventory::{Attribute, Inventory};
use crate::ld::Ld;
use crate::model::Iri;

fn list_id(kind: &str) -> String {
    format!("urn:ngsi-ld:{kind}:{}", uuid::Uuid::now_v7())
}

fn names<'a>(iris: impl IntoIterator<Item = &'a Iri>, ld: &Ld) -> Value {
    iris.into_iter().map(|i| Value::from(&*ld.compact(i))).collect()
}

fn attribute_of(name: &str, attribute: &Attribute, ld: &Ld) -> Value {
    let kinds: Vec<&str> = attribute.kinds.iter().copied().collect();
    json!({"id": name, "type": "Attribute", "attributeName": &*ld.compact(name), "attributeTypes": kinds})
}

async fn taken(this: &crate::Context, asked: &Asked) -> Result<(Ld, Inventory), super::wire::Fault> {
    let ld = asked.ld(this).await?;
    Ok((ld, this.inventory(&asked.caller).await?))
}

pub async fn types(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (ld, all) = taken(&this, &asked).await?;
    let body = if asked.params.flag("details")? {
        all.types
            .iter()
            .map(|(iri, t)| json!({"id": &**iri, "type": "EntityType", "typeName": &*ld.compact(iri), "attributeNames": names(t.attributes.keys(), &ld)}))
            .collect()
    } else {
        json!({"id": list_id("EntityTypeList"), "type": "EntityTypeList", "typeList": names(all.types.keys(), &ld)})
    };
    Ok(answer(&asked, media, body, &ld))
}

pub async fn one_type(State(this): This, Path(name): Path<String>, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (ld, all) = taken(&this, &asked).await?;
    let iri = ld.expand(&name)?;
    let found = all.types.get(&iri).ok_or_else(|| missing("There is no entity of this type."))?;
    let details: Vec<Value> = found.attributes.iter().map(|(n, a)| attribute_of(n, a, &ld)).collect();
    let body = json!({"id": &*iri, "type": "EntityTypeInfo", "typeName": &*ld.compact(&iri), "entityCount": found.count, "attributeDetails": details});
    Ok(answer(&asked, media, body, &ld))
}

pub async fn attributes(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (ld, all) = taken(&this, &asked).await?;
    let attributes = all.attributes();
    let body = if asked.params.flag("details")? {
        attributes
            .iter()
            .map(|(iri, a)| json!({"id": &**iri, "type": "Attribute", "attributeName": &*ld.compact(iri), "typeNames": names(&a.types, &ld)}))
            .collect()
    } else {
        json!({"id": list_id("AttributeList"), "type": "AttributeList", "attributeList": names(attributes.keys(), &ld)})
    };
    Ok(answer(&asked, media, body, &ld))
}

pub async fn attribute(State(this): This, Path(name): Path<String>, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (ld, all) = taken(&this, &asked).await?;
    let iri = ld.expand(&name)?;
    let attributes = all.attributes();
    let found = attributes.get(&iri).ok_or_else(|| missing("No entity has this attribute."))?;
    let mut body = attribute_of(&iri, found, &ld);
    body["attributeCount"] = found.count.into();
    body["typeNames"] = names(&found.types, &ld);
    Ok(answer(&asked, media, body, &ld))
}
