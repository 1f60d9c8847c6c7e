//! The entries of a mapping in the order written.
//!
//! Nearly every mapping of a compose file has a handful of keys: they are searched one by one, which takes less time
//! than a hash and no memory. Only a large mapping has an index, which is made with the key that makes it large.

use std::slice;

use super::node::{Entry, Text};
use crate::hashed::HashMap;

/// The number of keys up to which they are searched one by one.
const SMALL: usize = 24;

/// Entries by key, each key once.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    list: Vec<(Text, Entry)>,
    /// The place of each key, of a large mapping.
    #[allow(clippy::box_collection, reason = "every other mapping is smaller for it")]
    index: Option<Box<HashMap<Text, usize>>>,
}

impl Entries {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The entry under `key`.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.place(key).map(|place| &self.list[place].1)
    }

    /// The entry under `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.place(key).map(|place| &mut self.list[place].1)
    }

    /// Whether there is an entry under `key`.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// Puts `entry` under `key`: in the place of the one that was there, which is given back, else at the end.
    pub fn insert(&mut self, key: Text, entry: Entry) -> Option<Entry> {
        match self.place(&key) {
            Some(place) => Some(std::mem::replace(&mut self.list[place].1, entry)),
            None => {
                self.push(key, entry);
                None
            }
        }
    }

    /// Puts `entry` under `key`, at the end, unless there is one: that one stays, and is given with its key.
    pub fn insert_new(&mut self, key: Text, entry: Entry) -> Option<(&Text, &Entry)> {
        match self.place(&key) {
            Some(place) => self.list.get(place).map(|(key, entry)| (key, entry)),
            None => {
                self.push(key, entry);
                None
            }
        }
    }

    /// The entry under `key`; where there is none, the one that `make` gives, at the end.
    pub fn get_or_insert_with(&mut self, key: Text, make: impl FnOnce() -> Entry) -> &mut Entry {
        let place = self.place(&key).unwrap_or_else(|| self.push(key, make()));
        &mut self.list[place].1
    }

    /// Takes the entry under `key` out; those behind it move up.
    pub fn shift_remove(&mut self, key: &str) -> Option<Entry> {
        let place = self.place(key)?;
        let (_, entry) = self.list.remove(place);
        self.reindex();
        Some(entry)
    }

    /// Keeps the entries of which `keep` says so; they may be changed.
    pub fn retain(&mut self, mut keep: impl FnMut(&Text, &mut Entry) -> bool) {
        let before = self.list.len();
        self.list.retain_mut(|(key, entry)| keep(key, entry));
        if self.list.len() != before {
            self.reindex();
        }
    }

    /// Keys and entries.
    pub fn iter(&self) -> Iter<'_> {
        self.list.iter().map(|(key, entry)| (key, entry))
    }

    /// Keys and entries, the entries to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        self.list.iter_mut().map(|(key, entry)| (&*key, entry))
    }

    /// The keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Text> + DoubleEndedIterator + Clone {
        self.list.iter().map(|(key, _)| key)
    }

    /// The entries without their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Entry> + DoubleEndedIterator + Clone {
        self.list.iter().map(|(_, entry)| entry)
    }

    /// The entries without their keys, to be changed.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Entry> + DoubleEndedIterator {
        self.list.iter_mut().map(|(_, entry)| entry)
    }

    /// Takes all entries out, into no more memory than they need; what is left is empty and has room for as many.
    pub fn take(&mut self) -> Self {
        Self { list: self.list.drain(..).collect(), index: self.index.take() }
    }

    fn place(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.list.iter().position(|(known, _)| known == key),
        }
    }

    /// Adds an entry whose key is not there, and gives its place.
    fn push(&mut self, key: Text, entry: Entry) -> usize {
        let place = self.list.len();
        match &mut self.index {
            Some(index) => drop(index.insert(key.clone(), place)),
            None if place >= SMALL => {
                self.list.push((key, entry));
                self.reindex();
                return place;
            }
            None => {}
        }
        self.list.push((key, entry));
        place
    }

    fn reindex(&mut self) {
        let places = || self.list.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
        self.index = (self.list.len() > SMALL).then(|| Box::new(places()));
    }
}

/// Keys and entries of [`Entries::iter`].
pub type Iter<'a> = std::iter::Map<slice::Iter<'a, (Text, Entry)>, fn(&'a (Text, Entry)) -> (&'a Text, &'a Entry)>;
/// Keys and entries of [`Entries::iter_mut`].
pub type IterMut<'a> =
    std::iter::Map<slice::IterMut<'a, (Text, Entry)>, fn(&'a mut (Text, Entry)) -> (&'a Text, &'a mut Entry)>;

impl PartialEq for Entries {
    /// The same entries under the same keys, in any order.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, entry)| other.get(key) == Some(entry))
    }
}

impl IntoIterator for Entries {
    type Item = (Text, Entry);
    type IntoIter = std::vec::IntoIter<(Text, Entry)>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = (&'a Text, &'a Entry);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Entries {
    type Item = (&'a Text, &'a mut Entry);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl FromIterator<(Text, Entry)> for Entries {
    /// The last entry of a key stands, where the first one stood.
    fn from_iter<I: IntoIterator<Item = (Text, Entry)>>(entries: I) -> Self {
        let mut all = Self::default();
        for (key, entry) in entries {
            all.insert(key, entry);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diag::{FileId, Span};

    fn entry(mark: u32) -> Entry {
        Entry { key: Span { file: FileId(0), start: mark, end: mark }, value: Default::default() }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u32),
        InsertNew(u8, u32),
        Ensure(u8, u32),
        Remove(u8),
        RetainEven,
        Take,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = 0u8..60;
        let step = prop_oneof![
            8 => (key.clone(), any::<u32>()).prop_map(|(key, mark)| Step::Insert(key, mark)),
            4 => (key.clone(), any::<u32>()).prop_map(|(key, mark)| Step::InsertNew(key, mark)),
            4 => (key.clone(), any::<u32>()).prop_map(|(key, mark)| Step::Ensure(key, mark)),
            2 => key.prop_map(Step::Remove),
            1 => Just(Step::RetainEven),
            1 => Just(Step::Take),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// Small or large, with every step on the way between: always what a plain ordered map holds.
        #[test]
        fn entries_are_an_ordered_map(steps in steps()) {
            let mut entries = Entries::default();
            let mut model: Vec<(String, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(key, mark) => {
                        let key = key.to_string();
                        let place = model.iter().position(|(known, _)| *known == key);
                        let before = place.map(|place| std::mem::replace(&mut model[place].1, mark));
                        prop_assert_eq!(entries.insert(key.as_str().into(), entry(mark)), before.map(entry));
                        if place.is_none() {
                            model.push((key, mark));
                        }
                    }
                    Step::InsertNew(key, mark) => {
                        let key = key.to_string();
                        let there = model.iter().find(|(known, _)| *known == key);
                        let found = entries.insert_new(key.as_str().into(), entry(mark));
                        let found = found.map(|(key, entry)| (key.to_string(), entry.key.start));
                        prop_assert_eq!(found.as_ref(), there);
                        if there.is_none() {
                            model.push((key, mark));
                        }
                    }
                    Step::Ensure(key, mark) => {
                        let key = key.to_string();
                        entries.get_or_insert_with(key.as_str().into(), || entry(mark));
                        if !model.iter().any(|(known, _)| *known == key) {
                            model.push((key, mark));
                        }
                    }
                    Step::Remove(key) => {
                        let key = key.to_string();
                        let place = model.iter().position(|(known, _)| *known == key);
                        let before = place.map(|place| model.remove(place).1);
                        prop_assert_eq!(entries.shift_remove(&key), before.map(entry));
                    }
                    Step::Take => {
                        let taken = entries.take();
                        prop_assert!(entries.is_empty() && entries.iter().next().is_none());
                        prop_assert!((0u8..60).all(|key| !entries.contains_key(&key.to_string())));
                        entries = taken;
                    }
                    Step::RetainEven => {
                        entries.retain(|_, entry| entry.key.start % 2 == 0);
                        model.retain(|(_, mark)| mark % 2 == 0);
                    }
                }
                prop_assert_eq!(entries.len(), model.len());
                prop_assert!(entries.iter().map(|(key, entry)| (key.as_str(), entry.key.start))
                    .eq(model.iter().map(|(key, mark)| (key.as_str(), *mark))));
                for key in 0u8..60 {
                    let key = key.to_string();
                    let found = entries.get(&key).map(|entry| entry.key.start);
                    prop_assert_eq!(found, model.iter().find(|(known, _)| *known == key).map(|(_, mark)| *mark));
                    prop_assert_eq!(entries.contains_key(&key), found.is_some());
                }
            }
        }
    }

    #[test]
    fn order_does_not_tell_mappings_apart() {
        let of = |keys: &[&str]| keys.iter().map(|key| ((*key).into(), entry(0))).collect::<Entries>();
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]));
        assert_ne!(of(&["a", "b"]), of(&["a"]));
    }

    #[test]
    fn many_keys_are_found_quickly() {
        let start = std::time::Instant::now();
        let entries: Entries = (0..100_000u32).map(|key| (key.to_string().into(), entry(key))).collect();
        assert!((0..100_000u32).all(|key| entries.get(&key.to_string()).is_some_and(|entry| entry.key.start == key)));
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
