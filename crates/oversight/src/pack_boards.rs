//! Templates of boards that a pack declares: `boards/<name>.toml`, one template a file.

use std::collections::BTreeSet;

use crate::board_model::{BoardTemplate, faults as widget_faults};
use crate::pack::located;

pub(crate) fn load(files: &[(String, String)], faults: &mut Vec<String>) -> Vec<BoardTemplate> {
    let mut templates = Vec::new();
    for (path, text) in files {
        match toml::from_str::<BoardTemplate>(text) {
            Err(e) => faults.push(located(path, text, &e)),
            Ok(template) => templates.push(template),
        }
    }
    templates
}

pub(crate) fn check(templates: &[BoardTemplate], faults: &mut Vec<String>) {
    let mut codes = BTreeSet::new();
    for template in templates {
        let mut fault = |what: String| faults.push(format!("boards/{}: {what}", template.code));
        let code = &template.code;
        if code.is_empty() || code.len() > 64 || !code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            fault("the code must be 1 to 64 of a–z, 0–9 and -".into());
        }
        if !codes.insert(code) {
            fault("two templates have this code".into());
        }
        if [&template.title, &template.title_en, &template.note, &template.note_en].iter().any(|t| t.trim().is_empty() || t.chars().count() > 120) {
            fault("titles and notes must be there in both languages, each at most 120 characters".into());
        }
        if template.widgets.is_empty() {
            fault("there are no widgets".into());
        }
        if let Some((widget, why)) = widget_faults(&template.widgets) {
            fault(format!("{widget}: {why}"));
        }
        for widget in &template.widgets {
            if widget.title.is_empty() != widget.title_en.is_empty() || widget.set.text.is_empty() != widget.set.text_en.is_empty() {
                fault(format!("{}: words must be there in both languages", widget.id));
            }
        }
    }
}
