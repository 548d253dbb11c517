//! Parses the scripts of a machine from the user data of its launch template.
//!
//! The emulator runs them as the user who started it, and the AWS API accepts any text. Therefore it runs
//! only those of the module `ec2`: user data has to be this template, with each placeholder filled by a value
//! of the placeholder's form.

use std::collections::BTreeMap;

use rds_iam_emulator_server::fixtures::USER_DATA_TEMPLATE;

/// The scripts and settings of one machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserData {
    /// Starts the app: `/usr/local/sbin/app-start`.
    pub(crate) start: String,
    /// Completes the launch hook: `/usr/local/sbin/app-ready`.
    pub(crate) ready: String,
    /// The public port of the app.
    pub(crate) port: u16,
    /// The management port of the app.
    pub(crate) management_port: u16,
    /// The path of the app's settings in Parameter Store.
    pub(crate) parameter_path: String,
}

impl UserData {
    /// Parses the module's user data. Returns the reason if it is other text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut values = values(USER_DATA_TEMPLATE, text)?;
        let mut value =
            |name| values.remove(name).ok_or(format!("the module's user data has no ${{{name}}}"));
        let port = |text: String| text.parse().map_err(|_| format!("the user data has {text} for a port"));
        Ok(Self {
            start: script(text, "app-start")?,
            ready: script(text, "app-ready")?,
            port: port(value("app_port")?)?,
            management_port: port(value("management_port")?)?,
            parameter_path: value("parameter_path")?,
        })
    }
}

/// Returns the script that the user data writes under this name.
fn script(text: &str, name: &str) -> Result<String, String> {
    let begin = format!("cat > /usr/local/sbin/{name} <<'SCRIPT'\n");
    let (_, rest) = text.split_once(&begin).ok_or(format!("the user data writes no {name}"))?;
    let (script, _) = rest.split_once("\nSCRIPT\n").ok_or(format!("{name} has no end in the user data"))?;
    Ok(format!("{script}\n"))
}

/// Returns the values that make this text of the template, by name.
fn values(template: &'static str, text: &str) -> Result<BTreeMap<&'static str, String>, String> {
    let mut values = BTreeMap::new();
    let (mut template, mut rest) = (template, text);
    let differs = |rest: &str| {
        let line = text[..text.len() - rest.len()].lines().count().max(1);
        format!(
            "the launch template's user data is not that of terraform/modules/ec2 (it differs in line {line}), and the \
             emulator runs no other: apply the stack of the same commit as the emulator"
        )
    };
    while let Some((literal, name, after)) = next_placeholder(template) {
        rest = rest.strip_prefix(literal.as_str()).ok_or_else(|| differs(rest))?;
        template = after;
        let value = match values.get(name) {
            Some(known) => known,
            None => {
                let value = leading_value(name, rest).ok_or_else(|| differs(rest))?;
                values.entry(name).or_insert(value.to_owned())
            }
        };
        rest = rest.strip_prefix(value.as_str()).ok_or_else(|| differs(rest))?;
    }
    if rest == unescaped(template) { Ok(values) } else { Err(differs(rest)) }
}

/// Returns the text before the first `${name}`, that name, and what comes after it.
fn next_placeholder(template: &'static str) -> Option<(String, &'static str, &'static str)> {
    let mut from = 0;
    loop {
        let at = from + template[from..].find("${")?;
        if !template[..at].ends_with('$') {
            let (name, after) = template[at + 2..].split_once('}')?;
            return Some((unescaped(&template[..at]), name, after));
        }
        from = at + 2;
    }
}

/// Replaces `$${`, Terraform's escape, by `${`.
fn unescaped(template: &str) -> String {
    template.replace("$${", "${")
}

/// Returns the start of the text that may be the value of this placeholder.
fn leading_value<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let (first, others): (fn(u8) -> bool, &[u8]) = match name {
        "app_port" | "management_port" => (|byte| byte.is_ascii_digit(), b""),
        "name" | "hook" => (|byte| byte.is_ascii_alphanumeric(), b"-"),
        "region" => (|byte| byte.is_ascii_lowercase(), b"-"),
        "registry" => (|byte| byte.is_ascii_digit(), b".-"),
        "repository_url" => (|byte| byte.is_ascii_digit(), b"._/-"),
        "image_parameter" | "parameter_path" | "log_group" => (|byte| byte == b'/', b"._/-"),
        // The template has a placeholder without a form here: reject everything.
        _ => return None,
    };
    let is_port = others.is_empty();
    let fits = |byte: u8| {
        if is_port { byte.is_ascii_digit() } else { byte.is_ascii_alphanumeric() || others.contains(&byte) }
    };
    let length = text.bytes().take_while(|byte| fits(*byte)).count();
    text[..length].bytes().next().is_some_and(first).then(|| &text[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [(&str, &str); 10] = [
        ("app_port", "3000"),
        ("hook", "ready"),
        ("image_parameter", "/local/app/image"),
        ("log_group", "/orders-local/app"),
        ("management_port", "3001"),
        ("name", "orders-local"),
        ("parameter_path", "/local/database"),
        ("region", "us-east-1"),
        ("registry", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ("repository_url", "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-local"),
    ];

    /// Returns the module's own template, with values as Terraform puts them in.
    fn user_data(values: &[(&str, &str)]) -> String {
        let filled = values.iter().fold(USER_DATA_TEMPLATE.replace("$${", "\0"), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        });
        filled.replace('\0', "${")
    }

    #[test]
    fn the_scripts_of_the_module_are_found() {
        let found = UserData::parse(&user_data(&VALUES)).unwrap();
        assert_eq!((found.port, found.management_port), (3000, 3001));
        assert_eq!(found.parameter_path, "/local/database");
        let begin = "#!/bin/bash\nset -euo pipefail\nimage=$(aws ssm get-parameter --name '/local/app/image'";
        assert!(found.start.starts_with(begin) && found.start.ends_with("  \"$image\"\n"), "{}", found.start);
        assert!(found.ready.contains("--lifecycle-hook-name 'ready'"), "{}", found.ready);
        assert!(found.ready.ends_with("done\n"), "{}", found.ready);
    }

    #[test]
    fn any_other_text_is_refused() {
        let own = user_data(&VALUES);
        let mut wrong = vec![
            String::new(),
            own.replace("--cap-drop ALL", "--privileged"),
            own.replace('\n', "\r\n"),
            format!("{own}\n"),
            own[..own.len() - 1].to_owned(),
            format!(" {own}"),
            // One placeholder with two different values.
            own.replacen("'/local/app/image'", "'/local/app/other'", 1),
        ];
        for (name, _) in VALUES {
            for value in
                ["", "'", "'; touch /tmp/x; '", "$(touch /tmp/x)", "`x`", "a b", "\n", "-x", "é", "99999999"]
            {
                if value == "99999999" && !name.ends_with("port") {
                    continue;
                }
                let values = VALUES.map(|known| if known.0 == name { (name, value) } else { known });
                wrong.push(user_data(&values));
            }
        }
        for text in wrong {
            UserData::parse(&text).unwrap_err();
        }
        insta::assert_snapshot!(UserData::parse("#!/bin/bash\n").unwrap_err(), @"the launch template's user data is not that of terraform/modules/ec2 (it differs in line 1), and the emulator runs no other: apply the stack of the same commit as the emulator");
    }
}
