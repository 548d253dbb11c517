//! A refresh of a group's instances runs what its launch template and its parameter say.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rds_iam_emulator::AwsApi;
use serde_json::{Value, json};

use crate::aws::{Aws, element};
use crate::program::{Account, run, until};
use crate::{ECR, Result, databases};

const AUTO_SCALING: &str = "2011-01-01";
const ELB: &str = "2015-12-01";
const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-local";
const PARAMETER: &str = "/local/app/image";
const NAME: [(&str, &str); 1] = [("AutoScalingGroupName", "orders-local")];

#[tokio::test]
async fn a_refresh_starts_what_the_parameter_names() -> Result {
    if let Err(reason) = run("docker", &["version"]) {
        // Nothing else runs images. Not by a macro, whose text would be seen of failures only.
        writeln!(
            std::io::stderr(),
            "NOT TESTED: machines run containers, and no Docker engine answers: {reason}"
        )?;
        return Ok(());
    }
    let outer = tempfile::tempdir()?;
    let folder = outer.path().join("account");
    let mut account = Account::start(&folder).await?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let service = format!("127.0.0.1:{port}");
    let group = Group::create(&account.aws, port)?;
    let parameters = AwsApi::connect(&account.aws.url, "us-east-1".parse()?).await?;
    assert_eq!(group.health()?, "initial");

    // There is no parameter yet.
    let (status, reason) = group.refresh().await?;
    assert_eq!(status, "Failed");
    assert!(
        reason.contains("the start script of the machine ended") && reason.contains("ParameterNotFound"),
        "{reason}"
    );

    let create = json!({ "repositoryName": "orders-local" });
    account.aws.json("ecr", &format!("{ECR}.CreateRepository"), &create)?;
    let images = Images::build(outer.path(), &account)?;
    let good = images.push("good", "[\"/service\"]")?;
    let broken = images.push("broken", "[\"/service\", \"break\"]")?;
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{good}")).await?;
    assert_eq!(group.refresh().await?, ("Successful".to_owned(), String::new()));
    until("the target to be healthy", || Ok((group.health()? == "healthy").then_some(()))).await?;
    assert_eq!(answer(&service)?, "us-east-1 /local/database");

    // Its database, for which a refresh waits.
    let database = databases::create(&account.aws)?;
    parameters.put_parameter("/local/database/endpoint", element(&database, "Address")).await?;
    assert_eq!(group.refresh().await?.0, "Successful");
    let database = fs::read_to_string(folder.join("databases/orders-local.json"))?;
    let dial = serde_json::from_str::<Value>(&database)?["dial"].as_str().ok_or("no dial")?.to_owned();
    assert_eq!(answer(&service)?, format!("us-east-1 /local/database {dial}"));

    // One that ends at once.
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{broken}")).await?;
    let (status, reason) = group.refresh().await?;
    assert_eq!(status, "Failed");
    assert!(reason.contains("exit status: 7") && reason.contains("this service is broken"), "{reason}");
    until("the target to be unhealthy", || Ok((group.health()? == "unhealthy").then_some(()))).await?;

    // One that never answers, until somebody has seen enough.
    let hanging = images.push("hanging", "[\"/service\", \"hang\"]")?;
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{hanging}")).await?;
    group.start_refresh()?;
    until("the refresh to be in progress", || Ok((group.latest_refresh()?.0 == "InProgress").then_some(())))
        .await?;
    assert!(group.start_refresh().unwrap_err().to_string().contains("InstanceRefreshInProgress"));
    group.cancel_refresh()?;
    assert_eq!(group.refresh_is_over().await?.0, "Cancelled");

    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{good}")).await?;
    assert_eq!(group.refresh().await?.0, "Successful");
    // One that is not there: what runs is left alone.
    let missing = format!("sha256:{}", "0".repeat(64));
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{missing}")).await?;
    let (status, reason) = group.refresh().await?;
    assert!(status == "Failed" && reason.contains("manifest"), "{status}: {reason}");
    assert_eq!(group.health()?, "healthy");

    group.delete()?;
    let gone = || Ok(TcpStream::connect(&service).is_err().then_some(()));
    until("the machine to be gone", gone).await?;

    // Nobody runs a destructor then.
    let group = Group::create(&account.aws, port)?;
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{good}")).await?;
    assert_eq!(group.refresh().await?.0, "Successful");
    account.child.kill()?;
    account.child.wait()?;
    let label = format!("label=rds-iam-account={}", folder.canonicalize()?.display());
    let images = format!("reference={}/*", account.registry);
    until("all to be gone", || {
        let containers = run("docker", &["ps", "--all", "--quiet", "--filter", &label])?;
        let images = run("docker", &["images", "--quiet", "--filter", &images])?;
        Ok((containers.is_empty() && images.is_empty() && TcpStream::connect(&account.registry).is_err())
            .then_some(()))
    })
    .await
}

/// What the service says of itself.
fn answer(service: &str) -> Result<String> {
    let mut stream = TcpStream::connect(service)?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
    let answer = std::io::read_to_string(stream)?;
    Ok(answer.split_once("\r\n\r\n").ok_or("no answer")?.1.to_owned())
}

/// The group as the modules make it, with a target group.
struct Group<'a> {
    aws: &'a Aws,
    target_group: String,
    template: String,
}

impl<'a> Group<'a> {
    fn create(aws: &'a Aws, port: u16) -> Result<Self> {
        let vpcs = aws.query("ec2", "2016-11-15", "DescribeVpcs", &[])?;
        let port = port.to_string();
        let made = aws.query(
            "elasticloadbalancing",
            ELB,
            "CreateTargetGroup",
            &[
                ("Name", "orders-local"),
                ("Protocol", "HTTP"),
                ("Port", &port),
                ("VpcId", element(&vpcs, "vpcId")),
                ("HealthCheckPath", "/readyz"),
            ],
        )?;
        let target_group = element(&made, "TargetGroupArn").to_owned();
        let images = aws.query("ec2", "2016-11-15", "DescribeImages", &[])?;
        let made = aws.query(
            "ec2",
            "2016-11-15",
            "CreateLaunchTemplate",
            &[
                ("LaunchTemplateName", "orders-local"),
                ("LaunchTemplateData.ImageId", element(&images, "imageId")),
                ("LaunchTemplateData.InstanceType", "t4g.small"),
                ("LaunchTemplateData.UserData", &BASE64_STANDARD.encode(user_data(&port))),
            ],
        )?;
        let template = element(&made, "launchTemplateId").to_owned();
        let group = [
            ("AutoScalingGroupName", "orders-local"),
            ("MinSize", "1"),
            ("MaxSize", "1"),
            ("AvailabilityZones.member.1", "us-east-1a"),
            ("LaunchTemplate.LaunchTemplateId", &template),
            ("TargetGroupARNs.member.1", &target_group),
        ];
        aws.query("autoscaling", AUTO_SCALING, "CreateAutoScalingGroup", &group)?;
        Ok(Self { aws, target_group, template })
    }

    /// Refreshes the instances; how that ended, and why.
    async fn refresh(&self) -> Result<(String, String)> {
        self.start_refresh()?;
        self.refresh_is_over().await
    }

    fn start_refresh(&self) -> Result {
        self.aws.query("autoscaling", AUTO_SCALING, "StartInstanceRefresh", &NAME).map(drop)
    }

    fn cancel_refresh(&self) -> Result {
        self.aws.query("autoscaling", AUTO_SCALING, "CancelInstanceRefresh", &NAME).map(drop)
    }

    async fn refresh_is_over(&self) -> Result<(String, String)> {
        until("the refresh", || {
            let latest = self.latest_refresh()?;
            let is_over = !matches!(latest.0.as_str(), "Pending" | "InProgress" | "Cancelling");
            Ok(is_over.then_some(latest))
        })
        .await
    }

    /// Its status, and the reason for that.
    fn latest_refresh(&self) -> Result<(String, String)> {
        let found = self.aws.query("autoscaling", AUTO_SCALING, "DescribeInstanceRefreshes", &NAME)?;
        // The latest comes first.
        let latest = found.split("</member>").next().unwrap_or_default();
        Ok((element(latest, "Status").to_owned(), element(latest, "StatusReason").to_owned()))
    }

    fn health(&self) -> Result<String> {
        let of = [("TargetGroupArn", self.target_group.as_str())];
        let found = self.aws.query("elasticloadbalancing", ELB, "DescribeTargetHealth", &of)?;
        Ok(element(&found, "State").to_owned())
    }

    fn delete(self) -> Result {
        let group = [("AutoScalingGroupName", "orders-local"), ("ForceDelete", "true")];
        self.aws.query("autoscaling", AUTO_SCALING, "DeleteAutoScalingGroup", &group)?;
        let template = [("LaunchTemplateId", self.template.as_str())];
        self.aws.query("ec2", "2016-11-15", "DeleteLaunchTemplate", &template)?;
        let target_group = [("TargetGroupArn", self.target_group.as_str())];
        self.aws.query("elasticloadbalancing", ELB, "DeleteTargetGroup", &target_group)?;
        Ok(())
    }
}

/// What the module gives its machines, with values as Terraform puts them in.
fn user_data(port: &str) -> String {
    let values = [
        ("app_port", port),
        ("image_parameter", PARAMETER),
        ("log_group", "/orders-local/app"),
        ("parameter_path", "/local/database"),
        ("region", "us-east-1"),
        ("registry", REPOSITORY.split_once('/').unwrap_or_default().0),
        ("repository_url", REPOSITORY),
    ];
    let template = include_str!("../../../../../terraform/modules/ec2/user_data.sh.tftpl");
    let fill = |text: String, (name, value): &(&str, &str)| text.replace(&format!("${{{name}}}"), value);
    values.iter().fold(template.replace("$${", "\0"), fill).replace('\0', "${")
}

/// Images of the service beside this.
struct Images<'a> {
    folder: &'a Path,
    account: &'a Account,
}

impl<'a> Images<'a> {
    fn build(folder: &'a Path, account: &'a Account) -> Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/account/service.rs");
        let service = folder.join("service").display().to_string();
        let is_static = ["--edition", "2024", "-C", "target-feature=+crt-static", "-o", &service];
        run("rustc", &[&is_static[..], &[&source.display().to_string()]].concat())?;
        let text = folder.display().to_string();
        run("tar", &["-C", &text, "-cf", &format!("{text}/image.tar"), "service"])?;
        // The login of the stand-in, which is no secret.
        let login = BASE64_STANDARD.encode("AWS:123456789012-auth-token");
        let config = json!({ "auths": { &account.registry: { "auth": login } } });
        fs::write(folder.join("config.json"), config.to_string())?;
        Ok(Self { folder, account })
    }

    /// Pushes an image that runs this; its digest.
    fn push(&self, tag: &str, entry_point: &str) -> Result<String> {
        let folder = self.folder.display().to_string();
        let image = format!("{}/orders-local:{tag}", self.account.registry);
        let entry_point = format!("ENTRYPOINT {entry_point}");
        run("docker", &["import", "--change", &entry_point, &format!("{folder}/image.tar"), &image])?;
        run("docker", &["--config", &folder, "push", "--quiet", &image])?;
        let name = run("docker", &["inspect", "--format", "{{index .RepoDigests 0}}", &image])?;
        run("docker", &["rmi", &image])?;
        let digest = name.split_once('@').ok_or("no digest")?.1.to_owned();
        let wanted = json!({ "repositoryName": "orders-local", "imageIds": [{ "imageDigest": digest }] });
        let found = self.account.aws.json("ecr", &format!("{ECR}.DescribeImages"), &wanted)?;
        assert_eq!(found["imageDetails"][0]["imageTags"], json!([tag]));
        Ok(digest)
    }
}
