//! What happens in public, for feed readers (Atom) and for tables (CSV). Both are written from public views only.

use std::fmt::Write;

use dothi_kernel::{Caller, PageQuery, Result, Timestamp};

use crate::Cases;
use crate::model::{PublicCase, PublicQuery};

/// Entries of a feed.
const ENTRIES: u32 = 50;
/// Most rows of one table.
const ROWS: u32 = 5_000;

const COLUMNS: [&str; 19] = [
    "code",
    "category",
    "category_name",
    "phase",
    "state",
    "state_name",
    "area",
    "area_name",
    "unit",
    "unit_name",
    "lon",
    "lat",
    "opened_at",
    "due_at",
    "closed_at",
    "overdue",
    "rating",
    "followers",
    "text",
];

impl Cases {
    /// The newest public cases that pass a filter, as an Atom feed. `base` is the server's own address.
    pub async fn feed(&self, caller: &Caller, query: &PublicQuery, base: &str, own: &str) -> Result<String> {
        let query = PublicQuery { limit: Some(ENTRIES), after: None, ..query.clone() };
        let page = self.public_list(caller, &query).await?;
        let title = self.installed().values().filter_map(|v| v.last_key_value()).next().map_or_else(String::new, |(_, t)| t.title.clone());
        let mut out = head(&title, own, base, page.items.iter().map(|c| c.closed_at.unwrap_or(c.opened_at)).max().unwrap_or(caller.now));
        for case in &page.items {
            let at = case.closed_at.unwrap_or(case.opened_at);
            let title = format!("{} · {} · {}", case.category_name, case.area_name.as_deref().unwrap_or(""), case.state_name);
            let says = [case.text.as_deref(), case.answer.as_ref().map(|a| a.text.as_str())].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
            entry(&mut out, &format!("{base}/r/{}", case.code), &format!("{base}/r/{}", case.code), &title, at, &says);
        }
        out.push_str("</feed>\n");
        Ok(out)
    }

    /// The steps of one public case, as an Atom feed: to follow it without an account.
    pub async fn case_feed(&self, caller: &Caller, code: &str, base: &str, own: &str) -> Result<String> {
        let case = self.public_case(caller, code).await?;
        let page = format!("{base}/r/{}", case.code);
        let steps = case.timeline.as_deref().unwrap_or_default();
        let mut out = head(&format!("{} {}", case.code, case.category_name), own, base, steps.last().map_or(case.opened_at, |s| s.at));
        for (n, step) in steps.iter().enumerate().rev() {
            let last = n + 1 == steps.len();
            let answer = case.answer.as_ref().filter(|_| last).map(|a| a.text.as_str());
            let says = [step.text.as_deref(), answer, step.unit.as_ref().map(|u| u.name.as_str())].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
            entry(&mut out, &format!("{page}#{}", n + 1), &page, &step.what, step.at, &says);
        }
        out.push_str("</feed>\n");
        Ok(out)
    }

    /// Public cases as CSV, newest first, with the cursor of the next table.
    pub async fn table(&self, caller: &Caller, query: &PublicQuery) -> Result<(String, Option<String>)> {
        let limit = query.limit.unwrap_or(ROWS).clamp(1, ROWS);
        let mut out = COLUMNS.join(",");
        out.push_str("\r\n");
        let (mut after, mut left) = (query.after.clone(), limit);
        loop {
            let limit = PageQuery { limit: Some(left.min(200)), after: None }.limit();
            let page = self.public_list(caller, &PublicQuery { limit: u32::try_from(limit).ok(), after: after.clone(), ..query.clone() }).await?;
            page.items.iter().for_each(|case| row(&mut out, case));
            left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
            after = page.next;
            if left == 0 || after.is_none() {
                return Ok((out, after));
            }
        }
    }

    /// Public cases that the signed-in person follows, newest first.
    pub async fn following(&self, caller: &Caller, query: &PageQuery) -> Result<dothi_kernel::Page<PublicCase>> {
        caller.person()?;
        let mut filter = crate::tables::Filter::default();
        filter.add("listed = 1 and id in (select case_id from case_follow where who = ?)", dothi_store::params![self.who(caller)]);
        self.public_page(caller, filter, query.limit(), query.after.as_deref()).await
    }
}

fn head(title: &str, own: &str, base: &str, updated: Timestamp) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">");
    let (title, own, base) = (safe(title), safe(own), safe(base));
    let _infallible = write!(
        out,
        "<title>{title}</title><id>{base}{own}</id><link rel=\"self\" href=\"{base}{own}\"/><link href=\"{base}/\"/><updated>{updated}</updated><author><name>{base}</name></author>"
    );
    out
}

fn entry(out: &mut String, id: &str, link: &str, title: &str, at: Timestamp, says: &str) {
    let (id, link, title, says) = (safe(id), safe(link), safe(title), safe(says));
    let _infallible =
        write!(out, "<entry><id>{id}</id><link href=\"{link}\"/><title>{title}</title><updated>{at}</updated><content type=\"text\">{says}</content></entry>");
}

/// Text for elements and attributes.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    crate::open311_render::escape(&mut out, text);
    out.replace('"', "&quot;")
}

fn row(out: &mut String, case: &PublicCase) {
    let opt = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    let phase = serde_json::to_value(case.phase).ok().and_then(|p| p.as_str().map(str::to_string)).unwrap_or_default();
    let number = |n: Option<f64>| n.map_or_else(String::new, |n| n.to_string());
    let cells: [String; 19] = [
        case.code.clone(),
        case.category.clone(),
        case.category_name.clone(),
        phase,
        case.state.clone(),
        case.state_name.clone(),
        case.area.clone().unwrap_or_default(),
        case.area_name.clone().unwrap_or_default(),
        case.unit.id.clone(),
        case.unit.name.clone(),
        number(case.location.map(|p| p.lon)),
        number(case.location.map(|p| p.lat)),
        case.opened_at.to_string(),
        case.due_at.to_string(),
        opt(case.closed_at),
        case.overdue.to_string(),
        case.rating.map_or_else(String::new, |r| r.to_string()),
        case.followers.to_string(),
        case.text.clone().unwrap_or_default(),
    ];
    out.push_str(&cells.iter().map(|c| cell(c)).collect::<Vec<_>>().join(","));
    out.push_str("\r\n");
}

/// A cell: quoted where needed, and never a formula for a spreadsheet that opens the table.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '@', '\t', '\r']) || (text.starts_with('-') && text.parse::<f64>().is_err()) {
        format!("'{text}")
    } else {
        text.to_string()
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("a, \"b\"\nc"), "\"a, \"\"b\"\"\nc\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!((cell("-12.5").as_str(), cell("- xin").as_str()), ("-12.5", "'- xin"));
    }
}
