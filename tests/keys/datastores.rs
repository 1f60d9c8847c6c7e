//! Which images are taken for datastores, against a list that was made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use dokku_compose::map::datastores::of_image;
use serde_json::Value;

/// Words of images that are, or look like, a datastore of one of the plugins.
const WORDS: &[&str] = &[
    "postgres",
    "pgvector",
    "postgis",
    "timescale",
    "mysql",
    "maria",
    "percona",
    "mongo",
    "redis",
    "valkey",
    "memcache",
    "rabbit",
    "elasticsearch",
    "clickhouse",
    "couch",
    "meili",
    "nats",
    "typesense",
    "solr",
    "rethink",
    "graphite",
    "statsd",
    "omnisci",
    "pushpin",
];

fn labelled() -> BTreeMap<&'static str, &'static str> {
    let list = include_str!("datastore-images.txt");
    list.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('\t').unwrap()).collect()
}

fn decided(image: &str) -> String {
    match of_image(image) {
        Some(row) if row.runs(image) => format!("{} plugin", row.plugin),
        Some(row) => format!("{} container", row.plugin),
        None => "none".to_owned(),
    }
}

#[test]
fn images_are_taken_for_what_the_list_says() {
    let list = labelled();
    assert!(list.len() > 100 && list.values().filter(|label| **label == "none").count() > 50);
    let wrong: Vec<String> = list
        .iter()
        .filter(|(image, label)| decided(image) != **label)
        .map(|(image, label)| format!("{image}: {}, and is {label}", decided(image)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// No image of the corpus is decided upon without being in the list.
#[test]
fn the_list_names_every_datastore_of_the_corpus() {
    let Some(shared) = crate::corpus::shared() else {
        println!("the corpus is absent: its images were not compared with the list");
        return;
    };
    let archive = std::fs::File::open(shared.join("compose-corpus/cases.tar.gz")).unwrap();
    let mut images = BTreeSet::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(archive)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let name = path.rsplit('/').next().unwrap_or_default();
        if !(name.starts_with("expected") && name.ends_with(".json")) {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let model: Value = serde_json::from_str(&text).unwrap();
        let services = model["services"].as_object().into_iter().flat_map(|all| all.values());
        let plain = services.filter(|service| service.get("build").is_none());
        images.extend(plain.filter_map(|service| service["image"].as_str().map(str::to_owned)));
    }
    assert!(images.len() > 1000, "the corpus is read");
    let list = labelled();
    let bare = |image: &String| {
        let name = image.split('@').next().unwrap().to_owned();
        let colon = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        colon.map_or(name.clone(), |at| name[..at].to_owned())
    };
    let looks = |image: &String| {
        let name = bare(image).to_ascii_lowercase();
        of_image(image).is_some() || WORDS.iter().any(|word| name.contains(word))
    };
    let missing: BTreeSet<String> = images
        .iter()
        .filter(|image| looks(image))
        .map(bare)
        .filter(|image| !list.contains_key(image.as_str()))
        .collect();
    let taken = images.iter().filter(|image| of_image(image).is_some()).count();
    println!("{} images, {taken} taken for datastores", images.len());
    assert!(missing.is_empty(), "not in the list: {missing:#?}");
}
