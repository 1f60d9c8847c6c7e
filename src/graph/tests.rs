use super::*;
use proptest::prelude::*;

fn graph(rows: &[(&'static str, &[&'static str])]) -> Graph<()> {
    let rows = rows.iter().map(|(name, needs)| (*name, needs.iter().map(|need| (*need, ()))));
    Graph::new(rows).unwrap()
}

fn cycle(rows: &[(&'static str, &[&'static str])]) -> Vec<String> {
    graph(rows).levels().unwrap_err().path
}

#[test]
fn levels_come_as_early_as_they_can_and_in_name_order() {
    let graph = graph(&[
        ("web", &["api", "cache"]),
        ("worker", &["db"]),
        ("api", &["db", "migrate"]),
        ("migrate", &["db"]),
        ("db", &[]),
        ("cache", &[]),
    ]);
    let expected: Vec<Vec<&str>> = vec![vec!["cache", "db"], vec!["migrate", "worker"], vec!["api"], vec!["web"]];
    assert_eq!(graph.levels().unwrap(), expected);
    assert_eq!(graph.order().unwrap(), ["cache", "db", "migrate", "worker", "api", "web"]);
    assert_eq!(graph.names().collect::<Vec<_>>(), ["api", "cache", "db", "migrate", "web", "worker"]);
}

#[test]
fn an_empty_graph_has_no_levels() {
    assert!(graph(&[]).levels().unwrap().is_empty());
}

#[test]
fn a_cycle_is_told_with_its_whole_path() {
    assert_eq!(cycle(&[("c", &["a"]), ("b", &["c"]), ("a", &["b"]), ("x", &["a"])]), ["a", "b", "c", "a"]);
    assert_eq!(cycle(&[("self", &["self"])]), ["self", "self"]);
    // What only leads into a circle is not in its path, and the shortest circle is told.
    assert_eq!(
        cycle(&[("a", &["m"]), ("m", &["n", "z"]), ("n", &["o"]), ("o", &["m"]), ("z", &["m"]),]),
        ["m", "z", "m"]
    );
    let error = graph(&[("a", &["b"]), ("b", &["a"])]).levels().unwrap_err();
    assert_eq!(error.to_string(), "dependency cycle: a -> b -> a");
}

#[test]
fn an_unknown_dependency_is_an_error() {
    let error = Graph::new([("a", vec![("nope", ())])]).unwrap_err();
    assert_eq!(error.to_string(), "`a` depends on `nope`, which is not there");
}

#[test]
fn neighbours_carry_their_values() {
    let graph = Graph::new([
        ("web", vec![("db", "healthy"), ("cache", "started")]),
        ("db", vec![]),
        ("cache", vec![("db", "started")]),
        ("web", vec![("db", "completed")]),
    ])
    .unwrap();
    assert_eq!(graph.dependencies("web"), [("cache", &"started"), ("db", &"completed")]);
    assert_eq!(graph.dependents("db"), [("cache", &"started"), ("web", &"completed")]);
    assert!(graph.dependencies("nope").is_empty());
}

#[test]
fn closures_follow_both_directions() {
    let graph = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &[]), ("d", &["c"]), ("e", &[])]);
    assert_eq!(graph.closure(["a", "nope"]), ["a", "b", "c"]);
    assert_eq!(graph.dependent_closure(["c"]), ["a", "b", "c", "d"]);
    assert_eq!(graph.closure(["e"]), ["e"]);
}

#[test]
fn writes_dot_in_name_order() {
    let graph = Graph::new([
        ("web", vec![("d\"b\\", Some("healthy")), ("cache", None)]),
        ("d\"b\\", vec![]),
        ("cache", vec![]),
    ])
    .unwrap();
    let expected = r#"digraph "shop" {
  "cache";
  "d\"b\\";
  "web";
  "web" -> "cache";
  "web" -> "d\"b\\" [label="healthy"];
}
"#;
    let label = |value: &Option<&str>| value.map(str::to_owned);
    assert_eq!(graph.dot("shop", label), expected);
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let name = |index: usize| format!("n{index:06}");
    let rows = (0..50_000).map(|index| (name(index), (index > 0).then(|| (name(index - 1), ()))));
    assert_eq!(Graph::new(rows).unwrap().levels().unwrap().len(), 50_000);
}

proptest! {
    /// Each name stands after what it depends on, or the path told is a circle of the graph.
    #[test]
    fn answers_hold_for_any_graph(edges in proptest::collection::vec((0u8..12, 0u8..12), 0..30)) {
        let needs = |node: u8| {
            let edges = edges.iter().filter(move |(from, _)| *from == node);
            edges.map(|(_, to)| (to.to_string(), ())).collect::<Vec<_>>()
        };
        let graph = Graph::new((0..12).map(|node| (node.to_string(), needs(node)))).unwrap();
        match graph.order() {
            Ok(order) => {
                prop_assert_eq!(order.len(), 12);
                let place = |name: &str| order.iter().position(|other| *other == name);
                for (from, to) in &edges {
                    prop_assert!(place(&to.to_string()) < place(&from.to_string()));
                }
            }
            Err(Cycle { path }) => {
                prop_assert!(path.len() > 1);
                prop_assert_eq!(path.first(), path.last());
                for step in path.windows(2) {
                    let names: Vec<_> = graph.dependencies(&step[0]).iter().map(|(name, _)| *name).collect();
                    prop_assert!(names.contains(&step[1].as_str()));
                }
            }
        }
    }
}
