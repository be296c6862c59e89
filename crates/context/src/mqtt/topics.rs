//! Topic names and filters: what is well formed, what matches what, and the tree that finds all subscribers of a name.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Longest topic name or filter, in bytes.
pub const MAX_TOPIC: usize = 512;
/// Most levels of a topic name or filter. Bounds the depth of the tree.
pub const MAX_LEVELS: usize = 32;

fn bounded(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TOPIC && !text.contains('\0') && text.split('/').count() <= MAX_LEVELS
}

/// Whether a message may be published under this name.
pub fn valid_name(topic: &str) -> bool {
    bounded(topic) && !topic.contains(['+', '#']) && !topic.starts_with('$')
}

/// Whether this can be subscribed to. Of a shared subscription (`$share/<name>/<filter>`) it is the last part.
pub fn valid_filter(filter: &str) -> bool {
    if !bounded(filter) || filter.starts_with('$') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        let fits = match level {
            "#" => last,
            "+" => true,
            plain => !plain.contains(['+', '#']),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether a well-formed filter matches a well-formed name.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match topic_levels.next() {
            Some(actual) if level == "+" || level == actual => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// Whether every name that `filter` matches is also matched by `wider`. Used to check a subscription against what
/// its owner may read.
pub fn covers(wider: &str, filter: &str) -> bool {
    let mut levels = filter.split('/');
    for wide in wider.split('/') {
        if wide == "#" {
            return true;
        }
        match levels.next() {
            Some("#") | None => return false,
            Some(level) if wide == "+" || wide == level => {}
            Some(_) => return false,
        }
    }
    levels.next().is_none()
}

/// Subscriptions by filter. Finding costs the depth of the topic, not the number of subscriptions.
#[derive(Debug)]
pub struct Tree<K, V> {
    root: Node<K, V>,
}

#[derive(Debug)]
struct Node<K, V> {
    children: HashMap<Box<str>, Node<K, V>>,
    entries: HashMap<K, V>,
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self { children: HashMap::new(), entries: HashMap::new() }
    }
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<K: Eq + Hash, V> Tree<K, V> {
    /// Adds or replaces; returns what was there.
    pub fn insert(&mut self, filter: &str, key: K, value: V) -> Option<V> {
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = node.children.entry(level.into()).or_default();
        }
        node.entries.insert(key, value)
    }

    /// Removes; returns what was there.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, filter: &str, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let levels: Vec<&str> = filter.split('/').collect();
        Self::prune(&mut self.root, &levels, key)
    }

    /// What is there.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, filter: &str, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut node = &self.root;
        for level in filter.split('/') {
            node = node.children.get(level)?;
        }
        node.entries.get(key)
    }

    fn prune<Q: Eq + Hash + ?Sized>(node: &mut Node<K, V>, levels: &[&str], key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let Some((first, rest)) = levels.split_first() else { return node.entries.remove(key) };
        let child = node.children.get_mut(*first)?;
        let removed = Self::prune(child, rest, key);
        if child.children.is_empty() && child.entries.is_empty() {
            node.children.remove(*first);
        }
        removed
    }

    /// Calls `found` for every subscription whose filter matches the name.
    pub fn find(&self, topic: &str, found: &mut impl FnMut(&K, &V)) {
        let levels: Vec<&str> = topic.split('/').collect();
        Self::walk(&self.root, &levels, topic.starts_with('$'), found);
    }

    fn walk(node: &Node<K, V>, levels: &[&str], reserved: bool, found: &mut impl FnMut(&K, &V)) {
        // `a/#` matches `a` too.
        if let Some(rest) = node.children.get("#").filter(|_| !reserved) {
            rest.entries.iter().for_each(|(k, v)| found(k, v));
        }
        let Some((first, rest)) = levels.split_first() else {
            node.entries.iter().for_each(|(k, v)| found(k, v));
            return;
        };
        if let Some(child) = node.children.get(*first) {
            Self::walk(child, rest, false, found);
        }
        if let Some(child) = node.children.get("+").filter(|_| !reserved) {
            Self::walk(child, rest, false, found);
        }
    }

    /// Whether nothing is subscribed.
    pub fn is_empty(&self) -> bool {
        self.root.children.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        assert!(matches("sport/tennis/player1/#", "sport/tennis/player1"));
        assert!(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
        assert!(matches("sport/#", "sport"));
        assert!(matches("sport/tennis/+", "sport/tennis/player1"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        assert!(!matches("sport/+", "sport"));
        assert!(matches("sport/+", "sport/"));
        assert!(matches("+/+", "/finance"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
        assert!(!matches("#", "$SYS/a"));
        assert!(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    }

    #[test]
    fn form_is_checked() {
        for good in ["#", "+", "a/+/b/#", "/", "a//b", "dev/+/up"] {
            assert!(valid_filter(good), "{good}");
        }
        for bad in ["", "a/#/b", "a#", "a/b+", "$share/g/a", "a\0b"] {
            assert!(!valid_filter(bad), "{bad}");
        }
        assert!(valid_name("dev/hy-aq-01/up"));
        for bad in ["", "a/+", "a/#", "$SYS/x", "a\0"] {
            assert!(!valid_name(bad), "{bad}");
        }
        assert!(!valid_name(&"a/".repeat(40)));
        assert!(!valid_name(&"a".repeat(513)));
    }

    #[test]
    fn a_filter_may_not_reach_beyond_what_is_allowed() {
        assert!(covers("dev/a/down/#", "dev/a/down/#"));
        assert!(covers("dev/a/down/#", "dev/a/down/x/+"));
        assert!(covers("dev/a/down/#", "dev/a/down"));
        assert!(!covers("dev/a/down/#", "dev/+/down/#"));
        assert!(!covers("dev/a/down/#", "dev/a/#"));
        assert!(!covers("dev/a/down/#", "#"));
        assert!(!covers("a/+", "a/#"));
        assert!(covers("a/+", "a/+"));
    }
}
