//! What was set arrives in the container, unchanged.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use dokku_compose::docker::{DockerEngine, Engine};
use dokku_compose::dokku::git::{self, Deployed};
use dokku_compose::process::{StdinWriter, Stream};

use super::*;

const IMAGE: &str = "adapter-test-image:1";

/// A tar of one file, written while it is read.
fn tree(dockerfile: String) -> StdinWriter {
    Box::new(move |pipe: &mut dyn Write| {
        let mut tar = tar::Builder::new(pipe);
        let mut header = tar::Header::new_gnu();
        header.set_size(dockerfile.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "tree/Dockerfile", dockerfile.as_bytes())?;
        tar.finish()
    })
}

/// What the stand-in answers at `path`; asked until it listens.
fn get(address: &str, path: &str) -> serde_json::Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        match TcpStream::connect((address, 8080)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_deploy_carries_everything_into_the_container() {
    let Some(dokku) = installed() else { return };
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let engine = DockerEngine::new(dokku.site(), &env);
    if let Err(error) = standin::image(IMAGE, "8080", &["8080"], "") {
        assert!(std::env::var_os("COMPOSE_REQUIRE_DOKKU").is_none(), "{error}");
        let _ = writeln!(std::io::stderr(), "no stand-in image: the deploy test is not run ({error})");
        return;
    }
    let app = TestApp::new(&dokku, "deploy");
    let name = app.name.as_str();

    let labels: Vec<String> = NASTY
        .iter()
        .enumerate()
        .map(|(at, value)| quote_option("--label", &format!("n{at}={value}")).unwrap())
        .collect();
    dokku.call(options::add(name, &[Phase::Deploy], &labels)).unwrap();
    let mut vars: BTreeMap<String, String> =
        NASTY.iter().enumerate().map(|(at, value)| (format!("V{at}"), (*value).to_owned())).collect();
    vars.retain(|name, value| config::check(name, value).is_ok());
    vars.insert("MULTI".to_owned(), "line one\nline two".to_owned());
    dokku.call(config::import(name, vars.iter().map(|(key, value)| (key.as_str(), value.as_str()))).unwrap()).unwrap();
    let mut argv = vec!["serve"];
    argv.extend(NASTY);
    argv.extend(["two\nlines", "\n"]);
    dokku.call(ps::set(name, "dockerfile-start-cmd", Some(&quote_command(&argv).unwrap())).unwrap()).unwrap();
    dokku.call(proxy::set_disabled(name, true)).unwrap();
    dokku.call(checks::disable(name, &[])).unwrap();
    dokku.call(network::keep_inside(name)).unwrap();

    let mut lines = Vec::new();
    let call = git::from_archive(name, tree(format!("FROM {IMAGE}\n")));
    let deployed = dokku.deploy(call, &mut |stream, line: &str| lines.push((stream, line.to_owned())));
    assert_eq!(deployed.unwrap(), Deployed::Done, "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|(stream, line)| *stream == Stream::Out && line.contains(&format!("Building {name} from Dockerfile")))
    );

    let running = engine.containers(&[&format!("com.dokku.app-name={name}"), "com.dokku.process-type=web"]).unwrap();
    assert_eq!(running.len(), 1, "{running:?}");
    for (at, value) in NASTY.iter().enumerate() {
        assert_eq!(running[0].labels[&format!("n{at}")], *value);
    }
    let address = &running[0].networks["bridge"];
    let seen = get(address, "/env");
    for (key, value) in &vars {
        assert_eq!(seen[key], value.as_str(), "{key}");
    }
    let mut expected = vec!["/standin"];
    expected.extend(argv);
    assert_eq!(get(address, "/argv"), serde_json::json!(expected));

    let again = git::from_archive(name, tree(format!("FROM {IMAGE}\n")));
    assert_eq!(dokku.deploy(again, &mut |_, _| {}).unwrap(), Deployed::Unchanged);

    let broken = git::from_archive(name, tree(format!("FROM {IMAGE}\nRUN echo the-reason; exit 9\n")));
    let error = dokku.deploy(broken, &mut |_, _| {}).unwrap_err();
    assert!(error.output().unwrap().contains("the-reason"), "{error:?}");
}
