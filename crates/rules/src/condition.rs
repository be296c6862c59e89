//! `when` conditions: CEL over `value`, `entity`, `area`, `hour` and the thing's other attributes.
//!
//! What a pack may write is bounded: length, no loops (`map`, `filter`, `all`, `exists`), no patterns. A condition that
//! cannot be evaluated (an attribute not yet seen, a division by zero) does not hold; it never stops other rules.

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program};
use dothi_kernel::Value;

/// Longest text.
const LENGTH: usize = 500;
/// Deepest nesting: the parser recurses, and its stack is ours.
const DEPTH: usize = 12;
/// Most operators, dots and commas: a chain of them is walked recursively too.
const STEPS: usize = 40;
/// Names every condition may use; all others are attributes of the thing.
const GIVEN: [&str; 4] = ["value", "entity", "area", "hour"];
/// Functions a condition may call. None of them loops.
const CALLS: [&str; 7] = ["size", "contains", "startsWith", "endsWith", "has", "double", "int"];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled condition.
#[derive(Debug)]
pub struct Condition {
    program: Program,
    attributes: Vec<Arc<str>>,
}

/// What a condition looks at.
pub struct Facts<'a> {
    /// The rule's value.
    pub value: f64,
    /// Entity URN.
    pub entity: &'a str,
    /// Commune code, or empty.
    pub area: &'a str,
    /// Local hour of the day.
    pub hour: i8,
}

impl Condition {
    /// Compiles a text. The fault is a sentence for the pack's author.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH {
            return Err(format!("`when` is longer than {LENGTH} characters"));
        }
        if let Some(name) = calls(text).into_iter().find(|c| !CALLS.contains(&c.as_str())) {
            return Err(format!("`when` calls `{name}`; there are {}", CALLS.join(", ")));
        }
        let steps = text.split(|c: char| c.is_alphanumeric() || c.is_whitespace() || "_'\"()[]{}".contains(c)).filter(|run| !run.is_empty()).count();
        if steps > STEPS {
            return Err(format!("`when` has more than {STEPS} operators"));
        }
        if depth(text) > DEPTH {
            return Err(format!("`when` nests deeper than {DEPTH}"));
        }
        // The parser is somebody else's: a panic in it must stay a fault of the text.
        let compiled = std::panic::catch_unwind(|| ENV.compile(text)).map_err(|_| "`when` cannot be read".to_string())?;
        let program = compiled.map_err(|e| format!("`when`: {e}"))?;
        let mut attributes: Vec<Arc<str>> = Vec::new();
        for name in program.references().variables() {
            if GIVEN.contains(&name) {
                continue;
            }
            if !crate::pack::is_name(name) {
                return Err(format!("`when` names `{name}`, which is no attribute name"));
            }
            attributes.push(name.into());
        }
        attributes.sort();
        Ok(Self { program, attributes })
    }

    /// Attributes of the thing it reads.
    pub fn attributes(&self) -> &[Arc<str>] {
        &self.attributes
    }

    /// Whether it holds; the reason when that cannot be said.
    pub fn holds<'v>(&self, facts: &Facts<'_>, attribute: impl Fn(&str) -> Option<&'v Value>) -> Result<bool, String> {
        let mut context = Context::with_env(ENV.clone());
        context.add_variable_from_value("value", cel::Value::Float(facts.value));
        context.add_variable_from_value("entity", facts.entity);
        context.add_variable_from_value("area", facts.area);
        context.add_variable_from_value("hour", cel::Value::Int(i64::from(facts.hour)));
        for name in &self.attributes {
            match attribute(name) {
                Some(Value::Number(n)) => context.add_variable_from_value(&**name, cel::Value::Float(*n)),
                Some(Value::Bool(b)) => context.add_variable_from_value(&**name, cel::Value::Bool(*b)),
                Some(Value::Text(t)) => context.add_variable_from_value(&**name, &**t),
                None => return Err(format!("`{name}` is not known yet")),
            }
        }
        let run = std::panic::AssertUnwindSafe(|| self.program.execute(&context));
        match std::panic::catch_unwind(run) {
            Ok(Ok(cel::Value::Bool(holds))) => Ok(holds),
            Ok(Ok(other)) => Err(format!("gave {other:?} instead of true or false")),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("panicked".into()),
        }
    }
}

/// Deepest nesting of brackets, with every conditional and every run of signs counted as nesting.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest, mut chained, mut signs) = (0usize, 0, 0, 0);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '?' => chained += 1,
            _ => {}
        }
        signs = if matches!(c, '!' | '-') { signs + 1 } else { 0 };
        deepest = deepest.max(open + chained + signs);
    }
    deepest
}

/// Names followed by an opening bracket, outside quotes.
fn calls(text: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                quote = Some(c);
                word.clear();
            }
            (None, '(') => {
                if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
            }
            (None, c) if c.is_alphanumeric() || c == '_' => word.push(c),
            (None, c) if c.is_whitespace() => {
                // `size (x)` is a call too: the word is forgotten only when another token begins.
            }
            (None, _) => word.clear(),
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FACTS: Facts<'static> = Facts { value: 160.0, entity: "urn:a", area: "11953", hour: 7 };

    #[test]
    fn reads_values_attributes_and_time() {
        let calm = Value::Number(0.5);
        let at = |text: &str| Condition::compile(text).unwrap().holds(&FACTS, |name| (name == "wspm").then_some(&calm));
        assert_eq!(at("value > 150.0 && wspm < 2.0"), Ok(true));
        assert_eq!(at("hour >= 6 && hour < 7"), Ok(false));
        assert_eq!(at("area.startsWith('119') && entity != ''"), Ok(true));
        assert!(at("rain == 0.0").is_err(), "an attribute not yet seen");
        assert!(at("value").is_err(), "not a truth value");
        assert!(at("1 / 0 == 1").is_err());
    }

    #[test]
    fn refuses_what_could_run_long() {
        for bad in [
            "",
            "value >",
            "value > 1 &&",
            "[1,2].map(x, x) == []",
            "[1,2].all (x, x > 0)",
            "entity.matches('a*')",
            "value > 1)",
            &"(".repeat(400),
            &" ".repeat(501),
        ] {
            assert!(Condition::compile(bad).is_err(), "{bad}");
        }
        assert!(Condition::compile("entity != 'map('").is_ok(), "quoted words are no calls");
    }

    #[test]
    fn deep_texts_do_not_overflow_the_stack() {
        for bad in
            ["(".repeat(400), "[".repeat(400), format!("{}true", "!".repeat(400)), format!("{}1", "- ".repeat(200)), format!("{}true", "true?true:".repeat(45))]
        {
            assert!(Condition::compile(&bad).is_err(), "{bad}");
        }
        for long in [("value", "+1.0", "> 1.0"), ("true", "&&true", ""), ("true", "||false", ""), ("1", "==1", ""), ("[1", ",1", "] == []")] {
            let of = |n: usize| format!("{}{}{}", long.0, long.1.repeat(n), long.2);
            assert!(Condition::compile(&of(60)).is_err(), "{}", of(60));
            if let Ok(condition) = Condition::compile(&of(38)) {
                let _either_way = condition.holds(&FACTS, |_| None);
            }
        }
        if let Ok(condition) = Condition::compile(&format!("a{} > 1", ".b".repeat(38))) {
            assert!(condition.holds(&FACTS, |_| None).is_err());
        }
    }
}
