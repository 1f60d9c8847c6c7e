//! What an import calls: nothing is deployed twice, and an import with nothing to do asks Dokku as often for ten
//! services as for one. Against the sandbox, which keeps a list of all calls.

#![allow(clippy::unwrap_used)]

#[path = "../benches/common/mod.rs"]
mod common;

use common::{Calls, Sandbox};

fn import(sandbox: &mut Sandbox) -> Calls {
    sandbox.import(&[]).unwrap_or_else(|output| panic!("{output}")).0
}

#[test]
fn each_app_is_deployed_once_at_first_and_not_at_all_the_second_time() {
    let mut sandbox = Sandbox::new(&common::apps(3, true)).unwrap();
    let first = import(&mut sandbox);
    for index in 0..3 {
        let of_app = first.deploys().into_iter().filter(|call| call.contains(&format!("shop-app{index}")));
        assert_eq!(of_app.count(), 1, "app{index}: {:?}", first.deploys());
    }
    let second = import(&mut sandbox);
    assert_eq!(second.deploys(), Vec::<String>::new(), "{}", second.list());
}

#[test]
fn an_import_with_nothing_to_do_asks_no_more_for_more_services() {
    let second = |services: usize| {
        let mut sandbox = Sandbox::new(&common::apps(services, true)).unwrap();
        import(&mut sandbox);
        import(&mut sandbox)
    };
    let (one, six) = (second(1), second(6));
    assert_eq!(one.dokku(), six.dokku(), "one service:\n{}six services:\n{}", one.list(), six.list());
}

#[test]
fn one_changed_variable_touches_one_app() {
    let compose = common::apps(3, false);
    let mut sandbox = Sandbox::new(&compose).unwrap();
    import(&mut sandbox);
    sandbox.write(&compose.replacen("MODE: production", "MODE: test", 1)).unwrap();
    let calls = import(&mut sandbox);
    let deploys = calls.deploys();
    assert_eq!(deploys.len(), 1, "{}", calls.list());
    assert!(deploys[0].contains("shop-app0"), "{deploys:?}");
    let others = calls.0.iter().filter(|call| call.argv.iter().any(|word| word == "shop-app1" || word == "shop-app2"));
    assert_eq!(others.map(|call| call.argv.join(" ")).collect::<Vec<_>>(), Vec::<String>::new());
}
