//! What a pack may declare about the city model: entity types, device profiles, layers of the map and `@context`
//! documents.
//!
//! Files of the pack's folder `context/`: `*.toml` with `[[type]]`, `[[profile]]` and `[[layer]]`, `*.jsonld` context documents, and
//! `*.js` payload codecs, `*.tbel` and `*converter.json` converters of ThingsBoard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::decode::DeviceProfile;
use crate::map::MapLayer;

/// What one pack declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextPack {
    /// Entity types.
    #[serde(default, rename = "type")]
    pub types: Vec<EntityType>,
    /// Device profiles.
    #[serde(default, rename = "profile")]
    pub profiles: Vec<DeviceProfile>,
    /// Layers of the map.
    #[serde(default, rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<MapLayer>,
    /// Remote addresses that stand for the pack's `@context`.
    #[serde(default)]
    pub context_urls: Vec<String>,
    /// The pack's `@context` document (from its `.jsonld` file).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// Codecs by the name of their file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codecs: BTreeMap<String, String>,
    /// What those are written in whose file says it.
    #[serde(skip)]
    pub codec_kinds: BTreeMap<String, crate::codec::CodecKind>,
}

/// A kind of thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityType {
    /// Short name (`AirQualityObserved`).
    #[serde(rename = "type")]
    pub kind: String,
    /// Expanded name; the default vocabulary when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iri: Option<String>,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    #[serde(default)]
    pub name_en: String,
    /// Icon of the map.
    #[serde(default)]
    pub icon: String,
    /// Attribute shown on the map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_attribute: Option<String>,
    /// Attributes worth showing.
    #[serde(default, rename = "attribute", alias = "attributes")]
    pub attributes: Vec<AttributeType>,
    /// Seconds without observation after which a thing counts as silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after: Option<u32>,
    /// Days for which superseded states (not observations) are kept; what the installation says when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_days: Option<u32>,
    /// Whether everybody may see things of this type.
    #[serde(default)]
    pub public: bool,
}

/// An attribute worth showing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeType {
    /// Short name (`pm25`).
    pub name: String,
    /// Expanded name; the default vocabulary when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iri: Option<String>,
    /// Title in Vietnamese.
    #[serde(default)]
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
    /// UN/CEFACT unit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Unit as people read it (`µg/m³`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_text: Option<String>,
    /// Colours of the map by value, as the web understands them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub palette: Option<Value>,
    /// Least and greatest value that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
}

impl ContextPack {
    /// Reads the files of a pack's `context/` folder: relative path and text. All faults are told, not only the first.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        for (path, text) in files {
            if path.ends_with(".toml") {
                match toml::from_str::<ContextPack>(text) {
                    Ok(part) => {
                        pack.types.extend(part.types);
                        pack.profiles.extend(part.profiles);
                        pack.layers.extend(part.layers);
                        pack.context_urls.extend(part.context_urls);
                    }
                    Err(e) => faults.push(format!("{path}: {e}")),
                }
            } else if [".js", ".tbel", "converter.json"].iter().any(|end| path.ends_with(end)) {
                let name = path.rsplit('/').next().unwrap_or(path);
                match crate::codec::script(path, text) {
                    Ok((source, kind)) => {
                        pack.codec_kinds.extend(kind.map(|kind| (name.to_string(), kind)));
                        if pack.codecs.insert(name.to_string(), source).is_some() {
                            faults.push(format!("{path}: there are two codecs of this name"));
                        }
                    }
                    Err(e) => faults.push(format!("{path}: {}", e.detail())),
                }
            } else if path.ends_with(".jsonld") {
                match serde_json::from_str::<Value>(text) {
                    Ok(_) if pack.context.is_some() => faults.push(format!("{path}: a pack has one @context document")),
                    Ok(document) => pack.context = Some(document),
                    Err(e) => faults.push(format!("{path}: {e}")),
                }
            }
        }
        faults.extend(pack.check());
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// The pack's `@context`: its own document, or one made of the expanded names it declares.
    pub fn context_document(&self) -> Option<Value> {
        if self.context.is_some() {
            return self.context.clone();
        }
        let attributes = self.types.iter().flat_map(|t| &t.attributes).filter_map(|a| Some((a.name.clone(), a.iri.clone()?)));
        let terms = self.types.iter().filter_map(|t| Some((t.kind.clone(), t.iri.clone()?))).chain(attributes);
        let terms: serde_json::Map<String, Value> = terms.map(|(name, iri)| (name, iri.into())).collect();
        (!terms.is_empty()).then(|| serde_json::json!({"@context": terms}))
    }

    /// Faults of what is declared.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let is_name = |n: &str| !n.is_empty() && n.len() <= 200 && n.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        for (i, kind) in self.types.iter().enumerate() {
            let at = format!("type {:?}", kind.kind);
            if !is_name(&kind.kind) {
                faults.push(format!("{at}: not a usable name"));
            }
            if self.types[..i].iter().any(|t| t.kind == kind.kind) {
                faults.push(format!("{at}: declared twice"));
            }
            if kind.name.trim().is_empty() {
                faults.push(format!("{at}: has no name"));
            }
            if kind.silent_after == Some(0) {
                faults.push(format!("{at}: silent_after must be above 0"));
            }
            if let Some(main) = &kind.main_attribute
                && !kind.attributes.iter().any(|a| a.name == *main)
            {
                faults.push(format!("{at}: main_attribute {main:?} is not one of its attributes"));
            }
            for iri in kind.iri.iter().chain(kind.attributes.iter().filter_map(|a| a.iri.as_ref())) {
                if !crate::model::is_uri(iri) || crate::registry::short(iri).is_empty() {
                    faults.push(format!("{at}: {iri:?} is not a URI"));
                }
            }
            for (j, attribute) in kind.attributes.iter().enumerate() {
                if !is_name(&attribute.name) || kind.attributes[..j].iter().any(|a| a.name == attribute.name) {
                    faults.push(format!("{at}: attribute {:?} is not a usable name or declared twice", attribute.name));
                }
                if attribute.range.is_some_and(|[low, high]| low.is_nan() || high.is_nan() || low > high) {
                    faults.push(format!("{at}: attribute {:?} has an empty range", attribute.name));
                }
            }
        }
        for (i, profile) in self.profiles.iter().enumerate() {
            faults.extend(profile.check().into_iter().map(|f| format!("profile {:?}: {f}", profile.name)));
            if self.profiles[..i].iter().any(|p| p.name == profile.name) {
                faults.push(format!("profile {:?}: declared twice", profile.name));
            }
            let Some(codec) = &profile.codec else { continue };
            if !self.codecs.contains_key(codec) {
                faults.push(format!("profile {:?}: there is no codec {codec:?} in the pack", profile.name));
            }
            if self.codec_kinds.get(codec).is_some_and(|kind| *kind != profile.codec_kind) {
                faults.push(format!("profile {:?}: codec_kind is not what {codec:?} is written in", profile.name));
            }
        }
        for (i, layer) in self.layers.iter().enumerate() {
            faults.extend(layer.check().into_iter().map(|f| format!("layer {:?}: {f}", layer.code)));
            if self.layers[..i].iter().any(|l| l.code == layer.code) {
                faults.push(format!("layer {:?}: declared twice", layer.code));
            }
        }
        for (name, source) in self.codecs.iter().filter(|(_, source)| source.len() > crate::codec::MAX_SOURCE) {
            faults.push(format!("codec {name:?}: {} bytes are too many", source.len()));
        }
        if let Some(document) = &self.context {
            if document.to_string().len() > 1_000_000 {
                faults.push("context: the document is larger than a megabyte".into());
            }
            match document.get("@context") {
                None => faults.push("context: the document has no member @context".into()),
                Some(context) => {
                    if let Err(e) = crate::ld::Contexts::default().read(context, 0) {
                        faults.push(format!("context: {}", e.detail()));
                    }
                }
            }
        }
        faults
    }
}
