//! Types of boards: a grid of widgets that a person put together. A widget says what is shown and never carries data; what
//! it shows is asked for by whoever looks, with their own rights.

use dothi_kernel::event::Severity;
use dothi_kernel::{Permission, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Columns of the grid.
pub const COLUMNS: u16 = 12;
/// Rows of the grid at most.
pub const ROWS: u16 = 200;
/// Rows a widget may be high.
pub const HIGHEST: u16 = 20;
/// Widgets of a board at most.
pub const WIDGETS: usize = 40;
/// Series a widget may show.
pub const SERIES: usize = 8;

/// Who sees a board besides its owner. Only people in office ever do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SharedWith {
    /// Nobody.
    #[default]
    Me,
    /// Who belongs to the unit or to one below it.
    Unit,
    /// Who holds the role.
    Role,
    /// Everybody in office.
    All,
}

impl SharedWith {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Unit => "unit",
            Self::Role => "role",
            Self::All => "all",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        [Self::Unit, Self::Role, Self::All].into_iter().find(|s| s.name() == text).unwrap_or_default()
    }
}

/// What a widget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WidgetKind {
    /// One number: a count of the centre, the latest value of a thing, or an indicator.
    Figure,
    /// Series as lines or bars.
    Chart,
    /// One value on a scale.
    Gauge,
    /// Rows: alarms, incidents, cases by due time, or silent devices.
    Table,
    /// The map.
    Map,
    /// Alarms as the operators' list shows them.
    Alarms,
    /// Incidents with their clocks.
    Incidents,
    /// Share of cases answered in time.
    OnTime,
    /// Words.
    Text,
    /// A heading between widgets.
    Heading,
    /// The time of day.
    Clock,
    /// Air quality of a station, or of the worst one.
    Air,
}

/// Counts of the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CountOf {
    /// Alarms that nobody has acknowledged.
    AlarmsWaiting,
    /// Critical alarms that stand.
    AlarmsCritical,
    /// High alarms that stand.
    AlarmsHigh,
    /// Cases not ended.
    CasesOpen,
    /// Cases over their time.
    CasesOverdue,
    /// Cases near their end of time.
    CasesSoon,
    /// Cases answered today.
    CasesAnswered,
    /// Things that report in time.
    ThingsOk,
    /// Things that are silent.
    ThingsSilent,
    /// Incidents not ended.
    IncidentsOpen,
}

/// One series: an attribute of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesOf {
    /// URN of the thing.
    pub thing: String,
    /// Attribute, short name.
    pub attribute: String,
}

/// The same attribute of all things of a type, the first [`SERIES`] by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EveryOf {
    /// Type of thing.
    #[serde(rename = "type")]
    pub kind: String,
    /// Attribute, short name.
    pub attribute: String,
}

/// An indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IndicatorOf {
    /// Set.
    pub set: String,
    /// Code.
    pub code: String,
    /// Area; the home province when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
}

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChartShape {
    /// Lines.
    Line,
    /// Bars.
    Bar,
}

/// Which value of a bucket is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// Mean.
    Mean,
    /// Least.
    Min,
    /// Greatest.
    Max,
}

/// Which levels a gauge has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GaugeLevels {
    /// Those of VN_AQI with their official colours.
    Aqi,
    /// Bounds of one's own, in the platform's scale of severity; the screen says that they are nobody's official levels.
    Own,
}

/// Which rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowsOf {
    /// Alarms.
    Alarms,
    /// Incidents.
    Incidents,
    /// Cases, those due first.
    Cases,
    /// Devices that are silent.
    SilentDevices,
}

/// What a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MapOf {
    /// Alarms.
    Alarms,
    /// Things of a type, or all of them.
    Things,
    /// Cases.
    Cases,
    /// Incidents.
    Incidents,
}

/// Settings of a widget; which of them count depends on its kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WidgetSettings {
    /// A count of the centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
    /// Series, at most eight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesOf>,
    /// An attribute of all things of a type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<EveryOf>,
    /// An indicator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicator: Option<IndicatorOf>,
    /// Lines or bars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<ChartShape>,
    /// Window: the last so many hours, 1 to 8 784.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// Width of a bucket, seconds, 60 to 2 678 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u32>,
    /// Which value of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take: Option<Taken>,
    /// Levels of a gauge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<GaugeLevels>,
    /// Bounds of one's own, rising, one to four.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<f64>,
    /// Where a gauge begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Where a gauge ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Rows of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsOf>,
    /// What a map shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<MapOf>,
    /// Type of thing, where a map or a tile is narrowed to one.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Severity, where alarms are narrowed to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Commune, where alarms are narrowed to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Words, at most 4 000 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The same in English; packs' templates only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text_en: String,
}

/// A widget at its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Widget {
    /// Name within the board: 1 to 24 of a–z, 0–9 and -.
    pub id: String,
    /// What it is.
    pub kind: WidgetKind,
    /// Column, from 0.
    pub x: u16,
    /// Row, from 0.
    pub y: u16,
    /// Columns wide.
    pub w: u16,
    /// Rows high.
    pub h: u16,
    /// Title, at most 120 characters; one made from the settings when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The same in English; packs' templates only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title_en: String,
    /// Settings.
    #[serde(default)]
    pub set: WidgetSettings,
}

/// A board in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BoardEntry {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Sign-in name of whoever made it.
    pub owner_name: String,
    /// Whether that is the caller, who alone may change it.
    pub mine: bool,
    /// Who sees it.
    pub shared: SharedWith,
    /// The unit or role it is shared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// The unit's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_name: Option<String>,
    /// Widgets on it.
    pub size: u32,
    /// Version, from 1.
    pub version: u32,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// Whether the caller begins the day with it.
    pub start: bool,
}

/// A board.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BoardView {
    /// What lists say of it.
    #[serde(flatten)]
    pub row: BoardEntry,
    /// What is on it.
    pub widgets: Vec<Widget>,
}

/// A board to be made: empty, from a template, or as a copy of one that the caller sees.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBoard {
    /// Name, at most 120 characters; the template's or the other board's when left out.
    #[serde(default)]
    pub name: Option<String>,
    /// Template of a pack.
    #[serde(default)]
    pub template: Option<String>,
    /// Board to copy.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub copy_of: Option<Uuid>,
    /// Language of a template's words: `en`, else Vietnamese.
    #[serde(default)]
    pub lang: Option<String>,
}

/// What a board shall be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardChange {
    /// The version that was looked at; 409 `oversight.board.changed` when there is a newer one.
    pub version: u32,
    /// Name.
    pub name: String,
    /// Who sees it.
    pub shared: SharedWith,
    /// The unit or role.
    #[serde(default)]
    pub with: Option<String>,
    /// What is on it.
    pub widgets: Vec<Widget>,
}

/// A board as it once was.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BoardVersion {
    /// Version.
    pub version: u32,
    /// Name then.
    pub name: String,
    /// When it became so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was on it.
    pub widgets: Vec<Widget>,
}

/// A template of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardTemplate {
    /// Code, unique among all packs.
    pub code: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// What it is for.
    pub note: String,
    /// In English.
    pub note_en: String,
    /// Offered to holders of one of these permissions; to everybody in office when empty.
    #[serde(default)]
    pub needs: Vec<Permission>,
    /// What is on it.
    pub widgets: Vec<Widget>,
}

/// Which board somebody begins the day with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBoard {
    /// The board; none = the face's own page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub board: Option<Uuid>,
}

/// A screen without a keyboard that may show some boards.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Wall {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Name of the screen.
    pub name: String,
    /// Boards in turn.
    #[schema(value_type = Vec<String>)]
    pub boards: Vec<Uuid>,
    /// Seconds for each.
    pub seconds: u32,
    /// Sign-in name of whoever made it; the screen shows what that person may see, and no more than it needs.
    pub owner_name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When a screen was last let in with its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub entered_at: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) owner: Uuid,
}

impl Wall {
    /// Whether it lets a screen in at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && self.expires_at > now
    }

    /// Who made it.
    pub fn owner(&self) -> Uuid {
        self.owner
    }
}

/// A wall to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWall {
    /// Name of the screen, at most 60 characters.
    pub name: String,
    /// Boards in turn, one to twelve.
    #[schema(value_type = Vec<String>)]
    pub boards: Vec<Uuid>,
    /// Seconds for each, 5 to 3 600; 30 when left out.
    #[serde(default)]
    pub seconds: Option<u32>,
    /// Days until it ends by itself, 1 to 366.
    pub days: u32,
}

/// A new wall with its secret, shown this once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WallWithSecret {
    /// The wall.
    #[serde(flatten)]
    pub wall: Wall,
    /// What the link carries.
    pub secret: String,
}

fn word(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What is wrong with a widget, if anything.
fn fault(widget: &Widget) -> Option<&'static str> {
    let set = &widget.set;
    if !word(&widget.id, 24) || !widget.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Some("its id must be 1 to 24 of a–z, 0–9 and -");
    }
    if widget.w == 0 || widget.h == 0 || widget.h > HIGHEST || widget.x.saturating_add(widget.w) > COLUMNS || widget.y.saturating_add(widget.h) > ROWS {
        return Some("it stands outside the grid");
    }
    if [&widget.title, &widget.title_en].iter().any(|t| t.chars().count() > 120 || t.chars().any(char::is_control)) {
        return Some("its title is longer than 120 characters");
    }
    if [&set.text, &set.text_en].iter().any(|t| t.chars().count() > 4_000) {
        return Some("its text is longer than 4 000 characters");
    }
    if set.series.len() > SERIES || set.series.iter().any(|s| !word(&s.thing, 500) || !word(&s.attribute, 200)) {
        return Some("it names too many series, or one without thing or attribute");
    }
    if set.every.as_ref().is_some_and(|e| !word(&e.kind, 200) || !word(&e.attribute, 200)) {
        return Some("its type or attribute is not a name");
    }
    if set.indicator.as_ref().is_some_and(|i| !word(&i.set, 64) || !word(&i.code, 64) || i.area.as_deref().is_some_and(|a| !word(a, 20))) {
        return Some("its indicator is not a code");
    }
    if set.kind.as_deref().is_some_and(|k| !word(k, 200)) || set.area.as_deref().is_some_and(|a| !word(a, 20)) {
        return Some("its filter is not a name");
    }
    if set.hours.is_some_and(|h| !(1..=8_784).contains(&h)) || set.bucket.is_some_and(|b| !(60..=2_678_400).contains(&b)) {
        return Some("its window is out of bounds");
    }
    if set.limits.len() > 4 || set.limits.iter().chain(&set.low).chain(&set.high).any(|n| !n.is_finite()) || !set.limits.windows(2).all(|w| w[0] < w[1]) {
        return Some("its levels must be one to four rising numbers");
    }
    if let (Some(low), Some(high)) = (set.low, set.high)
        && low >= high
    {
        return Some("its scale must end above where it begins");
    }
    let named = usize::from(set.count.is_some()) + usize::from(set.indicator.is_some()) + usize::from(!set.series.is_empty());
    match widget.kind {
        WidgetKind::Figure if named != 1 || set.series.len() > 1 => Some("a figure shows one count, one indicator or one series"),
        WidgetKind::Chart if set.series.is_empty() == set.every.is_none() => Some("a chart shows series, or an attribute of all things of a type"),
        WidgetKind::Gauge if set.series.len() != 1 => Some("a gauge shows one series"),
        WidgetKind::Gauge if set.levels == Some(GaugeLevels::Own) && set.limits.is_empty() => Some("levels of one's own need bounds"),
        WidgetKind::Table if set.rows.is_none() => Some("a table must say which rows"),
        WidgetKind::Map if set.layer.is_none() => Some("a map must say what it shows"),
        WidgetKind::Air if set.series.len() > 1 => Some("an air tile shows one station"),
        WidgetKind::Text if set.text.trim().is_empty() => Some("a text must say something"),
        WidgetKind::Heading if widget.title.trim().is_empty() => Some("a heading must say something"),
        _ => None,
    }
}

/// What is wrong with the widgets of a board: the widget and why.
pub(crate) fn faults(widgets: &[Widget]) -> Option<(String, &'static str)> {
    if widgets.len() > WIDGETS {
        return Some((String::new(), "there are more than 40 widgets"));
    }
    for (n, widget) in widgets.iter().enumerate() {
        if let Some(why) = fault(widget) {
            return Some((widget.id.clone(), why));
        }
        let meets = |o: &Widget| widget.x < o.x + o.w && o.x < widget.x + widget.w && widget.y < o.y + o.h && o.y < widget.y + widget.h;
        for other in &widgets[..n] {
            if other.id == widget.id {
                return Some((widget.id.clone(), "two widgets have the same id"));
            }
            if meets(other) {
                return Some((widget.id.clone(), "it lies on another widget"));
            }
        }
    }
    None
}
