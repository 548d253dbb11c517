//! The start script of a machine, as it stands in the user data of its launch template
//! (`terraform/modules/ec2/user_data.sh.tftpl`).

/// Between these lines of the user data stands the script.
const BEGIN: &str = "cat > /usr/local/sbin/app-start <<'SCRIPT'\n";
const END: &str = "\nSCRIPT\n";

/// What starts the app.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StartScript {
    pub(super) text: String,
    /// The port that the app listens at.
    pub(super) port: u16,
    /// Where the app finds its settings in Parameter Store.
    pub(super) parameter_path: String,
}

impl StartScript {
    /// The script in the user data; otherwise what is missing.
    pub(super) fn in_user_data(user_data: &str) -> Result<Self, String> {
        let script = user_data.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let (text, _) =
            script.ok_or("the launch template's user data writes no /usr/local/sbin/app-start")?;
        let setting = |name: &str| {
            value(text, name)
                .ok_or(format!("/usr/local/sbin/app-start gives the container no --env {name}='…'"))
        };
        let port = setting("PORT")?;
        Ok(Self {
            port: port.parse().map_err(|_| format!("/usr/local/sbin/app-start has {port:?} for a PORT"))?,
            parameter_path: setting("RDS_IAM_SSM_PREFIX")?,
            text: format!("{text}\n"),
        })
    }
}

/// The value of `--env NAME='value'`.
fn value(script: &str, name: &str) -> Option<String> {
    let (_, rest) = script.split_once(&format!("--env {name}='"))?;
    rest.split_once('\'').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The module's own template, with values as Terraform puts them in.
    fn user_data() -> String {
        let values = [
            ("app_port", "3001"),
            ("image_parameter", "/local/app/image"),
            ("log_group", "/orders-local/app"),
            ("parameter_path", "/local/database"),
            ("region", "us-east-1"),
            ("registry", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
            ("repository_url", "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-local"),
        ];
        let template = include_str!("../../../../../terraform/modules/ec2/user_data.sh.tftpl");
        let filled = values.iter().fold(template.replace("$${", "\0"), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        });
        filled.replace('\0', "${")
    }

    #[test]
    fn the_script_of_the_module_is_found() {
        let script = StartScript::in_user_data(&user_data()).unwrap();
        assert_eq!((script.port, script.parameter_path.as_str()), (3001, "/local/database"));
        assert!(script.text.starts_with(
            "#!/bin/bash\nset -euo pipefail\nimage=$(aws ssm get-parameter --name '/local/app/image'"
        ));
        assert!(script.text.ends_with("  \"$image\"\n"), "{}", script.text);
    }

    #[test]
    fn what_is_missing_is_told() {
        let wrong = |text: &str| StartScript::in_user_data(text).unwrap_err();
        insta::assert_snapshot!(wrong(""), @"the launch template's user data writes no /usr/local/sbin/app-start");
        insta::assert_snapshot!(wrong(&user_data().replace("--env PORT", "--env POT")), @"/usr/local/sbin/app-start gives the container no --env PORT='…'");
        insta::assert_snapshot!(wrong(&user_data().replace("'3001'", "'x'")), @r#"/usr/local/sbin/app-start has "x" for a PORT"#);
    }
}
