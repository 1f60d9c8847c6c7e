//! Changes one variable of one service in the text of a compose file, as a person would.

/// The changed text, and the variable with its new value.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub text: String,
    pub name: String,
    pub value: String,
}

/// The value that a variable is given.
const VALUE: &str = "changed by acceptance";

/// Gives a plainly written variable of `service` another value, or gives the service one where it has none.
/// `None`: the service is written in a way that this does not understand.
pub fn set_variable(text: &str, service: &str) -> Option<Change> {
    let lines: Vec<&str> = text.lines().collect();
    let services = lines.iter().position(|line| line.trim_end() == "services:")?;
    let outer = lines[services + 1..].iter().find_map(|line| indent(line))?;
    let is_own = |line: &str| indent(line) == Some(outer) && line.trim().strip_suffix(':') == Some(service);
    let own = (services + 1..block_end(&lines, services, 0)).find(|at| is_own(lines[*at]))?;
    let end = block_end(&lines, own, outer);
    let inner = lines[own + 1..end].iter().find_map(|line| indent(line))?;
    let key = (own + 1..end)
        .find(|at| indent(lines[*at]) == Some(inner) && lines[*at].trim_start().starts_with("environment:"));
    let mut out: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let (name, value) = ("ACCEPTANCE".to_owned(), VALUE.to_owned());
    let Some(key) = key else {
        let pad = " ".repeat(inner);
        out.insert(own + 1, format!("{pad}environment:\n{pad}  {name}: {value}"));
        return Some(Change { text: out.join("\n") + "\n", name, value });
    };
    if lines[key].trim() != "environment:" {
        return None;
    }
    // Lists may stand at the indentation of their key.
    let last = (key + 1..end)
        .find(|at| {
            indent(lines[*at])
                .is_some_and(|indent| indent < inner || (indent == inner && !lines[*at].trim_start().starts_with('-')))
        })
        .unwrap_or(end);
    for at in key + 1..last {
        let Some((head, name)) = plain(lines[at]) else { continue };
        if name.contains("PORT") || name.contains("HOST") {
            continue;
        }
        out[at] = format!("{head}{value}");
        return Some(Change { text: out.join("\n") + "\n", name, value });
    }
    let first = lines[key + 1..last].iter().find(|line| indent(line).is_some())?;
    let pad = " ".repeat(indent(first)?);
    let line = if first.trim_start().starts_with('-') {
        format!("{pad}- {name}={value}")
    } else {
        format!("{pad}{name}: {value}")
    };
    out.insert(key + 1, line);
    Some(Change { text: out.join("\n") + "\n", name, value })
}

/// Blanks before the text; `None`: an empty line or a comment.
fn indent(line: &str) -> Option<usize> {
    let text = line.trim_start();
    (!text.is_empty() && !text.starts_with('#')).then(|| line.len() - text.len())
}

fn block_end(lines: &[&str], start: usize, outer: usize) -> usize {
    (start + 1..lines.len()).find(|at| indent(lines[*at]).is_some_and(|indent| indent <= outer)).unwrap_or(lines.len())
}

/// What stands before the value, and the name, of `- NAME=value` or `NAME: value` with nothing special in the value.
fn plain(line: &str) -> Option<(String, String)> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let is_plain = |value: &str| {
        value.starts_with(|char: char| char.is_ascii_alphanumeric())
            && value.chars().all(|char| char.is_ascii_alphanumeric() || "-_./".contains(char))
    };
    let text = line.trim();
    let (name, value, separator) = match text.strip_prefix("- ") {
        Some(entry) => entry.split_once('=').map(|(name, value)| (name, value, "="))?,
        None => text.split_once(": ").map(|(name, value)| (name, value, ": "))?,
    };
    if !is_name(name) || !is_plain(value.trim()) {
        return None;
    }
    let at = line.find(&format!("{name}{separator}"))? + name.len() + separator.len();
    Some((line[..at].to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, service: &str) -> String {
        set_variable(text, service).unwrap().text
    }

    #[test]
    fn one_variable_of_one_service_changes() {
        let text = "services:\n  db:\n    environment:\n      - A=1\n  api:\n    # one\n    environment:\n    - PORT=1\n    - MODE=fast\n    image: x\n";
        assert_eq!(changed(text, "api"), text.replace("MODE=fast", "MODE=changed by acceptance"));
        assert_eq!(changed(text, "db"), text.replace("A=1", "A=changed by acceptance"));
    }

    #[test]
    fn a_name_elsewhere_is_no_service() {
        let text = "services:\n  api:\n    depends_on:\n      db:\n        condition: x\n  db:\n    image: x\nvolumes:\n  vol:\n";
        assert_eq!(
            changed(text, "db"),
            text.replace(
                "  db:\n    image",
                "  db:\n    environment:\n      ACCEPTANCE: changed by acceptance\n    image"
            )
        );
        assert_eq!(set_variable(text, "vol"), None);
    }

    #[test]
    fn a_service_without_a_plain_variable_gets_one() {
        let map = "services:\n  web:\n    environment:\n      PORT: 8000\n    image: x\n";
        assert_eq!(
            changed(map, "web"),
            map.replace("      PORT", "      ACCEPTANCE: changed by acceptance\n      PORT")
        );
        let none = "services:\n web: \n   image: x\n";
        assert_eq!(
            changed(none, "web"),
            "services:\n web: \n   environment:\n     ACCEPTANCE: changed by acceptance\n   image: x\n"
        );
        assert_eq!(set_variable("services:\n  web:\n    environment: *all\n", "web"), None);
    }
}
