//! What expressions mean. Values are typed: a number is never equal to a text. Where a path leads to several values
//! (through a link to many), a comparison holds when it holds for any of them.

use std::cmp::Ordering;
use std::sync::Arc;

use dothi_kernel::Result;
use jiff::civil;
use serde_json::Value;

use super::filter::{Expr, Op, Path, bad};
use super::geo;
use super::model::{Form, instant};

/// A value while it is being looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lit {
    Null,
    Bool(bool),
    Num(f64),
    Str(String),
    /// An instant (µs), or a stretch of time with its end.
    Time(i64, Option<i64>),
    /// A duration, µs.
    Span(i64),
    Date(civil::Date),
    Clock(civil::Time),
    Geo(Arc<::geo::Geometry>),
    /// Objects and lists.
    Json(Value),
    /// Several values of one path.
    Many(Vec<Lit>),
}

/// Reads an ISO 8601 duration, µs. Months and years have no fixed length and are refused.
pub(crate) fn duration(text: &str) -> Result<i64> {
    let wrong = || bad(format!("{:?} is not a duration of days, hours, minutes and seconds.", crate::fault::cut(text)));
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    i64::try_from(length.as_micros()).map_err(|_| wrong())
}

macro_rules! functions {
    ($($name:ident $word:literal $least:literal $most:literal,)*) => {
        /// Functions of clause 9.3.3.5.2.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Func { $($name,)* }

        impl Func {
            /// All names, with how many arguments they take at least.
            #[cfg(test)]
            pub const NAMES: &[(&str, usize)] = &[$(($word, $least),)*];

            /// The function of a name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($word => Some(Func::$name),)* _ => None }
            }
            /// Fewest and most arguments.
            pub fn arity(self) -> (usize, usize) {
                match self { $(Func::$name => ($least, $most),)* }
            }
        }
    };
}

functions! {
    SubstringOf "substringof" 2 2, Contains "contains" 2 2, EndsWith "endswith" 2 2, StartsWith "startswith" 2 2,
    Length "length" 1 1, IndexOf "indexof" 2 2, Substring "substring" 2 3, ToLower "tolower" 1 1, ToUpper "toupper" 1 1,
    Trim "trim" 1 1, Concat "concat" 2 2,
    Year "year" 1 1, Month "month" 1 1, Day "day" 1 1, Hour "hour" 1 1, Minute "minute" 1 1, Second "second" 1 1,
    Fraction "fractionalseconds" 1 1, Date "date" 1 1, Time "time" 1 1, Offset "totaloffsetminutes" 1 1, Now "now" 0 0,
    MinTime "mindatetime" 0 0, MaxTime "maxdatetime" 0 0,
    Round "round" 1 1, Floor "floor" 1 1, Ceiling "ceiling" 1 1,
    GeoDistance "geo.distance" 2 2, GeoLength "geo.length" 1 1, GeoIntersects "geo.intersects" 2 2,
    StEquals "st_equals" 2 2, StDisjoint "st_disjoint" 2 2, StTouches "st_touches" 2 2, StWithin "st_within" 2 2,
    StOverlaps "st_overlaps" 2 2, StCrosses "st_crosses" 2 2, StIntersects "st_intersects" 2 2, StContains "st_contains" 2 2,
    StRelate "st_relate" 3 3,
}

/// Reads a value by the form of its property.
pub(crate) fn typed(value: &Value, form: Option<Form>) -> Lit {
    match (value, form) {
        (Value::Null, _) => Lit::Null,
        (Value::String(text), Some(Form::Time | Form::Span)) => super::model::Span::read(text).map_or(Lit::Null, |s| Lit::Time(s.from, s.to)),
        (place @ Value::Object(_), Some(Form::Place)) => geo::of_json(place).map_or_else(|| Lit::Json(place.clone()), |g| Lit::Geo(g.into())),
        (Value::Bool(b), _) => Lit::Bool(*b),
        (Value::Number(n), _) => n.as_f64().map_or(Lit::Null, Lit::Num),
        (Value::String(text), _) => Lit::Str(text.clone()),
        (other, _) => Lit::Json(other.clone()),
    }
}

/// Looks into JSON.
pub(crate) fn inside<'a>(value: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |at, step| match at {
        Value::Object(map) => map.get(step),
        Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
        _ => None,
    })
}

fn truth(lit: &Lit) -> bool {
    match lit {
        Lit::Bool(b) => *b,
        Lit::Many(many) => many.iter().any(truth),
        _ => false,
    }
}

/// Order of two values of one type; none when they cannot be compared.
pub(crate) fn compare(a: &Lit, b: &Lit) -> Option<Ordering> {
    match (a, b) {
        (Lit::Bool(a), Lit::Bool(b)) => Some(a.cmp(b)),
        (Lit::Num(a), Lit::Num(b)) => a.partial_cmp(b),
        (Lit::Str(a), Lit::Str(b)) => Some(a.cmp(b)),
        (Lit::Time(a, None), Lit::Time(b, None)) => Some(a.cmp(b)),
        (Lit::Time(a, a_to), Lit::Time(b, b_to)) => {
            // A stretch of time is before another when it ends before that begins.
            let (a_end, b_end) = (a_to.unwrap_or(*a), b_to.unwrap_or(*b));
            if (a, a_end) == (b, b_end) {
                Some(Ordering::Equal)
            } else if a_end <= *b {
                Some(Ordering::Less)
            } else if *a >= b_end {
                Some(Ordering::Greater)
            } else {
                None
            }
        }
        (Lit::Time(..), Lit::Str(text)) => compare(a, &Lit::Time(instant(text)?, None)),
        (Lit::Str(text), Lit::Time(..)) => compare(&Lit::Time(instant(text)?, None), b),
        (Lit::Date(a), Lit::Date(b)) => Some(a.cmp(b)),
        (Lit::Time(t, _), Lit::Date(d)) => Some(civil(*t).date().cmp(d)),
        (Lit::Date(d), Lit::Time(t, _)) => Some(d.cmp(&civil(*t).date())),
        (Lit::Clock(a), Lit::Clock(b)) => Some(a.cmp(b)),
        (Lit::Span(a), Lit::Span(b)) => Some(a.cmp(b)),
        (Lit::Null, Lit::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

/// An order for sorting: of any two values, absent ones first.
pub(crate) fn rank(a: &Lit, b: &Lit) -> Ordering {
    let class = |l: &Lit| match l {
        Lit::Null => 0,
        Lit::Bool(_) => 1,
        Lit::Num(_) => 2,
        Lit::Time(..) | Lit::Date(_) => 3,
        Lit::Str(_) => 4,
        _ => 5,
    };
    match (a, b) {
        (Lit::Time(a, a_to), Lit::Time(b, b_to)) => (a, a_to.unwrap_or(*a)).cmp(&(b, b_to.unwrap_or(*b))),
        _ => class(a).cmp(&class(b)).then_with(|| compare(a, b).unwrap_or(Ordering::Equal)),
    }
}

fn civil(us: i64) -> civil::DateTime {
    dothi_kernel::time::micros(us).to_zoned(jiff::tz::TimeZone::UTC).datetime()
}

fn equal(a: &Lit, b: &Lit) -> bool {
    match (a, b) {
        (Lit::Json(a), Lit::Json(b)) => a == b,
        (Lit::Geo(a), Lit::Geo(b)) => geo::relate(Func::StEquals, a, b),
        _ => compare(a, b) == Some(Ordering::Equal),
    }
}

fn two(op: Op, a: &Lit, b: &Lit) -> Lit {
    let ordered = |want: &[Ordering]| Lit::Bool(compare(a, b).is_some_and(|o| want.contains(&o)));
    match op {
        Op::And | Op::Or => Lit::Null,
        Op::Eq => Lit::Bool(equal(a, b)),
        Op::Ne => Lit::Bool(!equal(a, b)),
        // Nothing is greater or less than what is absent.
        _ if matches!(op, Op::Gt | Op::Ge | Op::Lt | Op::Le) && (*a == Lit::Null || *b == Lit::Null) => Lit::Bool(false),
        Op::Gt => ordered(&[Ordering::Greater]),
        Op::Ge => ordered(&[Ordering::Greater, Ordering::Equal]),
        Op::Lt => ordered(&[Ordering::Less]),
        Op::Le => ordered(&[Ordering::Less, Ordering::Equal]),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod => arithmetic(op, a, b).unwrap_or(Lit::Null),
    }
}

fn arithmetic(op: Op, a: &Lit, b: &Lit) -> Option<Lit> {
    match (op, a, b) {
        (_, Lit::Num(a), Lit::Num(b)) => {
            let out = match op {
                Op::Add => a + b,
                Op::Sub => a - b,
                Op::Mul => a * b,
                Op::Div => a / b,
                _ => a % b,
            };
            out.is_finite().then_some(Lit::Num(out))
        }
        (Op::Add, Lit::Time(t, to), Lit::Span(d)) | (Op::Add, Lit::Span(d), Lit::Time(t, to)) => shift(*t, *to, *d),
        (Op::Sub, Lit::Time(t, to), Lit::Span(d)) => shift(*t, *to, d.checked_neg()?),
        (Op::Sub, Lit::Time(a, None), Lit::Time(b, None)) => a.checked_sub(*b).map(Lit::Span),
        (Op::Add, Lit::Span(a), Lit::Span(b)) => a.checked_add(*b).map(Lit::Span),
        (Op::Sub, Lit::Span(a), Lit::Span(b)) => a.checked_sub(*b).map(Lit::Span),
        (Op::Mul, Lit::Span(a), Lit::Num(n)) | (Op::Mul, Lit::Num(n), Lit::Span(a)) => Some(Lit::Span((*a as f64 * n) as i64)),
        (Op::Div, Lit::Span(a), Lit::Num(n)) if *n != 0.0 => Some(Lit::Span((*a as f64 / n) as i64)),
        _ => None,
    }
}

fn shift(from: i64, to: Option<i64>, by: i64) -> Option<Lit> {
    let to = match to {
        Some(to) => Some(to.checked_add(by)?),
        None => None,
    };
    Some(Lit::Time(from.checked_add(by)?, to))
}

fn part(func: Func, lit: &Lit) -> Option<Lit> {
    let at = match lit {
        Lit::Time(t, _) => civil(*t),
        Lit::Str(text) => civil(instant(text)?),
        Lit::Date(d) => d.to_datetime(civil::Time::midnight()),
        Lit::Clock(t) => civil::Date::constant(1970, 1, 1).to_datetime(*t),
        _ => return None,
    };
    let number = match func {
        Func::Year => f64::from(at.year()),
        Func::Month => f64::from(at.month()),
        Func::Day => f64::from(at.day()),
        Func::Hour => f64::from(at.hour()),
        Func::Minute => f64::from(at.minute()),
        Func::Second => f64::from(at.second()),
        Func::Fraction => f64::from(at.subsec_nanosecond()) / 1e9,
        // Instants are kept in UTC.
        Func::Offset => 0.0,
        Func::Date => return Some(Lit::Date(at.date())),
        _ => return Some(Lit::Clock(at.time())),
    };
    Some(Lit::Num(number))
}

fn texts(func: Func, args: &[Lit]) -> Option<Lit> {
    let Lit::Str(first) = args.first()? else { return None };
    let second = args.get(1);
    let word = if let Some(Lit::Str(s)) = second { Some(s) } else { None };
    let number = |i: usize| match args.get(i) {
        Some(Lit::Num(n)) if *n >= 0.0 && *n < 1e9 => Some(*n as usize),
        _ => None,
    };
    Some(match func {
        Func::SubstringOf => Lit::Bool(word?.contains(first.as_str())),
        Func::Contains => Lit::Bool(first.contains(word?.as_str())),
        Func::EndsWith => Lit::Bool(first.ends_with(word?.as_str())),
        Func::StartsWith => Lit::Bool(first.starts_with(word?.as_str())),
        Func::Length => Lit::Num(first.chars().count() as f64),
        Func::IndexOf => Lit::Num(first.find(word?.as_str()).map_or(-1.0, |at| first[..at].chars().count() as f64)),
        Func::Substring => {
            let length = if args.len() > 2 { number(2)? } else { usize::MAX };
            Lit::Str(first.chars().skip(number(1)?).take(length).collect())
        }
        Func::ToLower => Lit::Str(first.to_lowercase()),
        Func::ToUpper => Lit::Str(first.to_uppercase()),
        Func::Trim => Lit::Str(first.trim().to_string()),
        // Long texts made of others would fill memory.
        Func::Concat if first.len() + word?.len() <= 100_000 => Lit::Str(format!("{first}{}", word?)),
        _ => return None,
    })
}

fn call(func: Func, args: &[Lit], now: i64) -> Lit {
    let found = match func {
        Func::SubstringOf
        | Func::Contains
        | Func::EndsWith
        | Func::StartsWith
        | Func::Length
        | Func::IndexOf
        | Func::Substring
        | Func::ToLower
        | Func::ToUpper
        | Func::Trim
        | Func::Concat => texts(func, args),
        Func::Now => Some(Lit::Time(now, None)),
        Func::MinTime => Some(Lit::Time(jiff::Timestamp::MIN.as_microsecond(), None)),
        Func::MaxTime => Some(Lit::Time(jiff::Timestamp::MAX.as_microsecond(), None)),
        Func::Round | Func::Floor | Func::Ceiling => match args {
            [Lit::Num(n)] => Some(Lit::Num(match func {
                Func::Round => n.round(),
                Func::Floor => n.floor(),
                _ => n.ceil(),
            })),
            _ => None,
        },
        Func::Year | Func::Month | Func::Day | Func::Hour | Func::Minute | Func::Second | Func::Fraction | Func::Date | Func::Time | Func::Offset => {
            args.first().and_then(|a| part(func, a))
        }
        _ => geo::call(func, args),
    };
    found.unwrap_or(Lit::Null)
}

/// Applies a function to each of several values.
fn spread(args: Vec<Lit>, apply: &dyn Fn(&[Lit]) -> Lit) -> Lit {
    match args.iter().position(|a| matches!(a, Lit::Many(_))) {
        None => apply(&args),
        Some(at) => {
            let Lit::Many(many) = &args[at] else { return Lit::Null };
            let each = |one: &Lit| {
                let mut args = args.clone();
                args[at] = one.clone();
                spread(args, apply)
            };
            Lit::Many(many.iter().map(each).collect())
        }
    }
}

/// Works an expression out.
pub(crate) fn eval(expr: &Expr, look: &dyn Fn(&Path) -> Lit, now: i64) -> Lit {
    match expr {
        Expr::Lit(lit) => lit.clone(),
        Expr::Path(path) => look(path),
        Expr::Not(inner) => Lit::Bool(!truth(&eval(inner, look, now))),
        Expr::Neg(inner) => spread(vec![eval(inner, look, now)], &|a| match a {
            [Lit::Num(n)] => Lit::Num(-n),
            [Lit::Span(d)] => d.checked_neg().map_or(Lit::Null, Lit::Span),
            _ => Lit::Null,
        }),
        Expr::Two(Op::And, a, b) => Lit::Bool(truth(&eval(a, look, now)) && truth(&eval(b, look, now))),
        Expr::Two(Op::Or, a, b) => Lit::Bool(truth(&eval(a, look, now)) || truth(&eval(b, look, now))),
        Expr::Two(op, a, b) => spread(vec![eval(a, look, now), eval(b, look, now)], &|args| match args {
            [a, b] => two(*op, a, b),
            _ => Lit::Null,
        }),
        Expr::Call(func, args) => spread(args.iter().map(|a| eval(a, look, now)).collect(), &|args| call(*func, args, now)),
    }
}

/// Whether a condition holds.
pub(crate) fn holds(expr: &Expr, look: &dyn Fn(&Path) -> Lit, now: i64) -> bool {
    truth(&eval(expr, look, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sta::filter;
    use crate::sta::model::Kind;
    use proptest::prelude::*;

    fn value(text: &str) -> Lit {
        let expr = filter::filter(text, Kind::Thing).unwrap_or_else(|e| panic!("{text}: {e}"));
        eval(&expr, &|p| if p.prop == "name" { Lit::Str("trạm".into()) } else { Lit::Null }, 0)
    }

    #[test]
    fn what_operators_and_functions_give() {
        for (text, wanted) in [
            ("1 add 2 mul 3", Lit::Num(7.0)),
            ("(1 add 2) mul 3", Lit::Num(9.0)),
            ("7 sub 2 sub 1", Lit::Num(4.0)),
            ("-2 mul -3", Lit::Num(6.0)),
            ("7 div 2", Lit::Num(3.5)),
            ("1 div 0", Lit::Null),
            ("7 mod 4", Lit::Num(3.0)),
            ("1e3 add 2.5", Lit::Num(1002.5)),
            ("true or false and false", Lit::Bool(true)),
            ("not true or true", Lit::Bool(true)),
            ("not (true or true)", Lit::Bool(false)),
            ("1 lt 2 and 'a' lt 'b'", Lit::Bool(true)),
            ("null eq null", Lit::Bool(true)),
            ("1 lt null", Lit::Bool(false)),
            ("1 eq '1'", Lit::Bool(false)),
            ("1 ne '1'", Lit::Bool(true)),
            ("length(name)", Lit::Num(4.0)),
            ("toupper(name)", Lit::Str("TRẠM".into())),
            ("indexof(name,'ạ')", Lit::Num(2.0)),
            ("substring(name,1)", Lit::Str("rạm".into())),
            ("contains(name,'rạ') and substringof('rạ',name)", Lit::Bool(true)),
            ("'it''s'", Lit::Str("it's".into())),
            ("round(2.5)", Lit::Num(3.0)),
            ("day(2026-11-21T23:30:00-01:00)", Lit::Num(22.0)),
            ("fractionalseconds(2026-11-21T23:30:00.25Z)", Lit::Num(0.25)),
            ("2026-11-21T02:00:00Z sub 2026-11-21T01:00:00Z eq duration'PT60M'", Lit::Bool(true)),
            ("2026-11-21T00:00:00Z/2026-11-21T01:00:00Z lt 2026-11-21T01:00:00Z", Lit::Bool(true)),
            ("2026-11-21T00:00:00Z/2026-11-21T01:00:00Z gt 2026-11-21T00:30:00Z", Lit::Bool(false)),
            ("now() gt mindatetime() and now() lt maxdatetime()", Lit::Bool(true)),
            ("st_contains(geography'POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))',geography'POINT(1.5 1.5)')", Lit::Bool(false)),
            ("st_touches(geography'LINESTRING(0 0,1 1)',geography'SRID=4326;POINT(1 1)')", Lit::Bool(true)),
            ("st_crosses(geometry'LINESTRING(0 0,2 2)',geometry'LINESTRING(0 2,2 0)')", Lit::Bool(true)),
            ("st_overlaps(geometry'POLYGON((0 0,2 0,2 2,0 2,0 0))',geometry'MULTIPOLYGON(((1 1,3 1,3 3,1 3,1 1)))')", Lit::Bool(true)),
            ("st_equals(geometry'POINT Z (1 2 3)',geometry'POINT(1 2)')", Lit::Bool(true)),
            ("st_relate(geometry'POINT(1 1)',geometry'POINT(1 1)','T*F**FFF*')", Lit::Bool(true)),
            ("geo.length(geometry'LINESTRING(0 0,3 4)')", Lit::Num(5.0)),
            ("geo.distance(geometry'POINT(0 0)',geometry'POINT(3 4)')", Lit::Num(5.0)),
        ] {
            assert_eq!(value(text), wanted, "{text}");
        }
    }

    proptest! {
        /// No text makes the parser or the evaluation panic.
        #[test]
        fn nothing_panics(text in "[-a-z0-9 '(),./:$_TZ+]{0,60}|\\PC{0,40}") {
            if let Ok(expr) = filter::filter(&text, Kind::Observation) {
                let _ = eval(&expr, &|_| Lit::Num(1.0), 0);
            }
            let _ = filter::order(&text, Kind::Thing);
            let _ = super::geo::wkt(&text);
        }

        /// Every function takes any values.
        #[test]
        fn functions_take_anything(which in 0usize..Func::NAMES.len(), picks in proptest::collection::vec(0usize..9, 3)) {
            let literals = ["null", "true", "-1.5", "1e300", "'ạ'", "2026-11-21T00:00:00Z", "duration'PT1S'", "geography'POINT(1 2)'", "geography'LINESTRING(0 0,1 1)'"];
            let (name, count) = Func::NAMES[which];
            let args: Vec<&str> = picks.iter().take(count).map(|i| literals[*i]).collect();
            let _ = value(&format!("{name}({})", args.join(",")));
        }

        /// Operators of equal rank group to the left, and arithmetic binds closer than comparison.
        #[test]
        fn arithmetic_agrees(a in -1000i32..1000, b in -1000i32..1000, c in 1i32..1000) {
            let (x, y, z) = (f64::from(a), f64::from(b), f64::from(c));
            prop_assert_eq!(value(&format!("{a} sub {b} sub {c}")), Lit::Num(x - y - z));
            prop_assert_eq!(value(&format!("{a} add {b} mul {c}")), Lit::Num(x + y * z));
            prop_assert_eq!(value(&format!("{a} div {c} ge {b}")), Lit::Bool(x / z >= y));
        }
    }
}
