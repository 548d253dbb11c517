//! Parses addresses of modules and references to resources.

/// One call in the path to a module instance: `module.app["eu"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    /// The text between the brackets, quotes included.
    pub(super) key: Option<String>,
}

/// Returns the parts of an address between dots, each with its key. Keys may hold dots and brackets.
pub(super) fn parts(address: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut name, mut key) = (String::new(), None::<String>);
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    for c in address.chars() {
        match c {
            '.' if depth == 0 => {
                steps.push(Step { name: std::mem::take(&mut name), key: key.take() });
                continue;
            }
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        match (depth, c) {
            (0, ']') => {}
            (0, _) => name.push(c),
            (1, '[') if !quoted => key = Some(String::new()),
            _ => key.get_or_insert_default().push(c),
        }
    }
    steps.push(Step { name, key });
    steps
}

/// Returns the calls in the path of a module: `module.a[0].module.b` gives `a[0]` and `b`, the root none.
pub(super) fn module_steps(address: &str) -> Vec<Step> {
    let parts = parts(address);
    parts.into_iter().filter(|step| !step.name.is_empty()).skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_their_keys() {
        let shown = |address: &str| {
            let steps: Vec<_> = module_steps(address)
                .into_iter()
                .map(|step| format!("{} {}", step.name, step.key.unwrap_or_else(|| "-".to_owned())))
                .collect();
            steps.join(", ")
        };
        assert_eq!(shown(""), "");
        assert_eq!(shown("module.a"), "a -");
        assert_eq!(shown("module.a[0].module.b"), "a 0, b -");
        assert_eq!(shown(r#"module.a["x.y]\"z"].module.b[12]"#), r#"a "x.y]\"z", b 12"#);
        let parts: Vec<_> = parts("data.aws_x.y[0].json").into_iter().map(|step| step.name).collect();
        assert_eq!(parts, ["data", "aws_x", "y", "json"]);
    }
}
